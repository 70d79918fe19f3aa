//! `sgesdd_`, `dgesdd_`, `sgesvd_` and `dgesvd_`: singular values and vectors of a real matrix.
//!
//! The two families differ in algorithm where LAPACK is Fortran; here both are faer's divide and conquer. Overwriting
//! `a` by vectors (job `O`) is not offered and answered as an illegal argument: `ndarray-linalg` never asks for it.
#![expect(unsafe_code, reason = "LAPACK's interface is raw pointers and unmangled names")]

use std::ffi::{c_char, c_int};

use crate::arguments::{
    NOT_CONVERGED, Scalar, WORKSPACE_QUERY, all_finite, column_major, copied, info_of, leading_dimension, size,
    write_columns,
};

/// Which vectors of one side are wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Job {
    All,
    Thin,
    None,
}

impl Job {
    fn read(letter: u8, position: i32) -> Result<Self, i32> {
        match letter.to_ascii_uppercase() {
            b'A' => Ok(Self::All),
            b'S' => Ok(Self::Thin),
            b'N' => Ok(Self::None),
            _ => Err(-position),
        }
    }
}

/// The arguments of both families; `shift` is 1 where an extra job letter moves every position back by one.
struct Arguments<T> {
    job_u: Job,
    job_vt: Job,
    shift: i32,
    m: i32,
    n: i32,
    a: *mut T,
    lda: i32,
    s: *mut T,
    u: *mut T,
    ldu: i32,
    vt: *mut T,
    ldvt: i32,
    work: *mut T,
    lwork: i32,
}

/// # Safety
/// The pointers fulfil LAPACK's contract for `?gesdd` or `?gesvd`; only `work` is touched when `lwork` is −1.
unsafe fn gesvd<T: Scalar>(arguments: &Arguments<T>) -> Result<(), i32> {
    let position = |of_gesdd: i32| of_gesdd + arguments.shift;
    let m = size(arguments.m, position(2))?;
    let n = size(arguments.n, position(3))?;
    let k = m.min(n);
    let stride = leading_dimension(arguments.lda, m, position(5))?;
    let rows_of = |job: Job, wanted: usize| if job == Job::None { 0 } else { wanted };
    let u_stride = leading_dimension(arguments.ldu, rows_of(arguments.job_u, m), position(8))?;
    let vt_rows = match arguments.job_vt {
        Job::All => n,
        Job::Thin => k,
        Job::None => 0,
    };
    let vt_stride = leading_dimension(arguments.ldvt, vt_rows, position(10))?;
    // faer brings its own memory, so the least a Fortran caller can pass is enough.
    if arguments.lwork != WORKSPACE_QUERY && arguments.lwork < 1 {
        return Err(-position(12));
    }
    // SAFETY: `work` has at least one entry by LAPACK's contract.
    unsafe { arguments.work.write(T::from_size(1)) };
    if arguments.lwork == WORKSPACE_QUERY || k == 0 {
        return Ok(());
    }
    // SAFETY: `a` is m × n with leading dimension `stride` by LAPACK's contract.
    let matrix = copied(unsafe { column_major(arguments.a, m, n, stride) });
    if !all_finite(&matrix) {
        return Err(-position(4));
    }
    let write_values = |index: usize, value: T| {
        // SAFETY: `s` has min(m, n) entries by LAPACK's contract.
        unsafe { arguments.s.add(index).write(value) };
    };
    if arguments.job_u == Job::None && arguments.job_vt == Job::None {
        let values = matrix.singular_values().map_err(|_| NOT_CONVERGED)?;
        values.into_iter().enumerate().for_each(|(index, value)| write_values(index, value));
        return Ok(());
    }
    let all = arguments.job_u == Job::All || arguments.job_vt == Job::All;
    let svd = if all { matrix.svd() } else { matrix.thin_svd() }.map_err(|_| NOT_CONVERGED)?;
    (0..k).for_each(|index| write_values(index, svd.S()[index]));
    if arguments.job_u != Job::None {
        let columns = if arguments.job_u == Job::All { m } else { k };
        // SAFETY: `u` is m × `columns` with leading dimension `u_stride` by LAPACK's contract.
        unsafe { write_columns(svd.U(), columns, arguments.u, u_stride) };
    }
    if arguments.job_vt != Job::None {
        // SAFETY: `vt` is `vt_rows` × n with leading dimension `vt_stride` by LAPACK's contract.
        unsafe { write_columns(svd.V().transpose().subrows(0, vt_rows), n, arguments.vt, vt_stride) };
    }
    Ok(())
}

macro_rules! export_gesdd {
    ($name:ident, $float:ty) => {
        /// LAPACK's divide-and-conquer singular value routine; values fall, `vt` holds the right vectors as rows.
        ///
        /// # Safety
        /// LAPACK's contract: every pointer is valid for the extent its routine documents and the arrays are
        /// disjoint; with `lwork` −1 only `work` and `info` are touched. `iwork` is not used.
        #[unsafe(no_mangle)]
        pub(crate) unsafe extern "C" fn $name(
            jobz: *const c_char,
            m: *const c_int,
            n: *const c_int,
            a: *mut $float,
            lda: *const c_int,
            s: *mut $float,
            u: *mut $float,
            ldu: *const c_int,
            vt: *mut $float,
            ldvt: *const c_int,
            work: *mut $float,
            lwork: *const c_int,
            _iwork: *mut c_int,
            info: *mut c_int,
        ) {
            // SAFETY: the caller fulfils LAPACK's contract; the scalar arguments are valid to read.
            let answer = info_of(|| unsafe {
                let job = Job::read(*jobz as u8, 1)?;
                gesvd(&Arguments {
                    job_u: job,
                    job_vt: job,
                    shift: 0,
                    m: *m,
                    n: *n,
                    a,
                    lda: *lda,
                    s,
                    u,
                    ldu: *ldu,
                    vt,
                    ldvt: *ldvt,
                    work,
                    lwork: *lwork,
                })
            });
            // SAFETY: `info` is valid to write by LAPACK's contract.
            unsafe { info.write(answer) };
        }
    };
}
export_gesdd!(sgesdd_, f32);
export_gesdd!(dgesdd_, f64);

macro_rules! export_gesvd {
    ($name:ident, $float:ty) => {
        /// LAPACK's singular value routine; values fall, `vt` holds the right vectors as rows.
        ///
        /// # Safety
        /// LAPACK's contract: every pointer is valid for the extent its routine documents and the arrays are
        /// disjoint; with `lwork` −1 only `work` and `info` are touched.
        #[unsafe(no_mangle)]
        pub(crate) unsafe extern "C" fn $name(
            jobu: *const c_char,
            jobvt: *const c_char,
            m: *const c_int,
            n: *const c_int,
            a: *mut $float,
            lda: *const c_int,
            s: *mut $float,
            u: *mut $float,
            ldu: *const c_int,
            vt: *mut $float,
            ldvt: *const c_int,
            work: *mut $float,
            lwork: *const c_int,
            info: *mut c_int,
        ) {
            // SAFETY: the caller fulfils LAPACK's contract; the scalar arguments are valid to read.
            let answer = info_of(|| unsafe {
                let (job_u, job_vt) = (Job::read(*jobu as u8, 1)?, Job::read(*jobvt as u8, 2)?);
                gesvd(&Arguments {
                    job_u,
                    job_vt,
                    shift: 1,
                    m: *m,
                    n: *n,
                    a,
                    lda: *lda,
                    s,
                    u,
                    ldu: *ldu,
                    vt,
                    ldvt: *ldvt,
                    work,
                    lwork: *lwork,
                })
            });
            // SAFETY: `info` is valid to write by LAPACK's contract.
            unsafe { info.write(answer) };
        }
    };
}
export_gesvd!(sgesvd_, f32);
export_gesvd!(dgesvd_, f64);

#[cfg(test)]
mod tests {
    use super::*;

    fn call(jobz: u8, m: i32, n: i32, a: &mut [f64], lda: i32, lwork: i32) -> (Vec<f64>, Vec<f64>, Vec<f64>, i32) {
        let (rows, columns) = (m.max(1) as usize, n.max(1) as usize);
        let (mut s, mut u, mut vt) =
            (vec![0.0; rows.min(columns)], vec![0.0; rows * rows], vec![0.0; columns * columns]);
        let (mut work, mut info) = ([0.0], 7);
        let jobz = jobz as c_char;
        // SAFETY: the slices have at least the extents that m, n and lda say.
        unsafe {
            dgesdd_(
                &raw const jobz,
                &raw const m,
                &raw const n,
                a.as_mut_ptr(),
                &raw const lda,
                s.as_mut_ptr(),
                u.as_mut_ptr(),
                &(rows as i32),
                vt.as_mut_ptr(),
                &(columns as i32),
                work.as_mut_ptr(),
                &raw const lwork,
                std::ptr::null_mut(),
                &raw mut info,
            );
        }
        (s, u, vt, info)
    }

    #[test]
    fn diagonal_by_hand_for_every_job() {
        // diag(3, 4) has singular values 4 and 3; column starts are 3 apart.
        for job in [b'A', b'S', b'N'] {
            let mut a = [3.0, 0.0, 77.0, 0.0, 4.0, 78.0];
            let (s, u, vt, info) = call(job, 2, 2, &mut a, 3, 1);
            assert_eq!(info, 0);
            assert!((s[0] - 4.0).abs() < 1e-14 && (s[1] - 3.0).abs() < 1e-14, "{s:?}");
            if job != b'N' {
                // The vectors of the value 4 are ±(0, 1) on both sides, of the same sign.
                assert!((u[1] * vt[2] - 1.0).abs() < 1e-14, "{u:?} {vt:?}");
            }
        }
    }

    #[test]
    fn refused_arguments_are_named_by_position() {
        assert_eq!(call(b'O', 1, 1, &mut [1.0], 1, 1).3, -1);
        assert_eq!(call(b'A', -1, 1, &mut [1.0], 1, 1).3, -2);
        assert_eq!(call(b'A', 1, -1, &mut [1.0], 1, 1).3, -3);
        assert_eq!(call(b'A', 1, 1, &mut [f64::NAN], 1, 1).3, -4);
        assert_eq!(call(b'A', 2, 1, &mut [1.0, 1.0], 1, 1).3, -5);
        assert_eq!(call(b'A', 1, 1, &mut [1.0], 1, 0).3, -12);
    }

    #[test]
    fn workspace_query_leaves_everything_else() {
        let (s, _, _, info) = call(b'A', 1, 1, &mut [2.0], 1, WORKSPACE_QUERY);
        assert_eq!((info, s), (0, vec![0.0]));
    }
}
