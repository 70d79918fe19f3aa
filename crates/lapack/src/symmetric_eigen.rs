//! `ssyev_` and `dsyev_`: eigenvalues and, if the caller wants them, eigenvectors of a real symmetric matrix.
#![expect(unsafe_code, reason = "LAPACK's interface is raw pointers and unmangled names")]

use std::ffi::{c_char, c_int};

use faer::{Mat, Side};

use crate::arguments::{
    NOT_CONVERGED, Scalar, WORKSPACE_QUERY, all_finite, column_major, info_of, leading_dimension, size, write_columns,
};

/// The arguments of `?syev`, in LAPACK's order.
struct Arguments<T> {
    jobz: u8,
    uplo: u8,
    n: i32,
    a: *mut T,
    lda: i32,
    w: *mut T,
    work: *mut T,
    lwork: i32,
}

/// # Safety
/// The pointers fulfil LAPACK's contract for `?syev`. If `lwork` is −1, only `work` is accessed.
unsafe fn syev<T: Scalar>(arguments: &Arguments<T>) -> Result<(), i32> {
    let vectors_wanted = match arguments.jobz.to_ascii_uppercase() {
        b'V' => true,
        b'N' => false,
        _ => return Err(-1),
    };
    let side = match arguments.uplo.to_ascii_uppercase() {
        b'U' => Side::Upper,
        b'L' => Side::Lower,
        _ => return Err(-2),
    };
    let n = size(arguments.n, 3)?;
    let stride = leading_dimension(arguments.lda, n, 5)?;
    // The smallest size that LAPACK documents. faer allocates its own memory, so more is not needed.
    let min_lwork = (3 * n).saturating_sub(1).max(1);
    if arguments.lwork == WORKSPACE_QUERY {
        // SAFETY: `work` has at least one entry by LAPACK's contract.
        unsafe { arguments.work.write(T::from_size(min_lwork)) };
        return Ok(());
    }
    if size(arguments.lwork, 8)? < min_lwork {
        return Err(-8);
    }
    // SAFETY: `work` has at least one entry by LAPACK's contract.
    unsafe { arguments.work.write(T::from_size(min_lwork)) };
    if n == 0 {
        return Ok(());
    }
    // Both triangles are filled from the triangle that `uplo` names: the other one may hold anything.
    // SAFETY: `a` is n × n with leading dimension `stride` by LAPACK's contract.
    let given = unsafe { column_major(arguments.a, n, n, stride) };
    let matrix = Mat::from_fn(n, n, |row, column| match side {
        Side::Upper => given[(row.min(column), row.max(column))],
        Side::Lower => given[(row.max(column), row.min(column))],
    });
    if !all_finite(&matrix) {
        return Err(NOT_CONVERGED);
    }
    if vectors_wanted {
        let eigen = matrix.self_adjoint_eigen(Side::Lower).map_err(|_| NOT_CONVERGED)?;
        for index in 0..n {
            // SAFETY: `w` has n entries by LAPACK's contract.
            unsafe { arguments.w.add(index).write(eigen.S()[index]) };
        }
        // SAFETY: `a` is n × n with leading dimension `stride`, and no view of it is read any more.
        unsafe { write_columns(eigen.U(), arguments.a, stride) };
    } else {
        let values = matrix.self_adjoint_eigenvalues(Side::Lower).map_err(|_| NOT_CONVERGED)?;
        for (index, value) in values.into_iter().enumerate() {
            // SAFETY: `w` has n entries by LAPACK's contract.
            unsafe { arguments.w.add(index).write(value) };
        }
    }
    Ok(())
}

macro_rules! export_syev {
    ($name:ident, $float:ty) => {
        /// LAPACK's symmetric eigenvalue routine: eigenvalues in ascending order; eigenvectors overwrite the columns of `a`.
        ///
        /// # Safety
        /// LAPACK's contract: every pointer is valid for the extent that the routine documents, and `a`, `w` and `work` are
        /// disjoint. If `lwork` is −1, only `work` and `info` are accessed.
        #[unsafe(no_mangle)]
        pub(crate) unsafe extern "C" fn $name(
            jobz: *const c_char,
            uplo: *const c_char,
            n: *const c_int,
            a: *mut $float,
            lda: *const c_int,
            w: *mut $float,
            work: *mut $float,
            lwork: *const c_int,
            info: *mut c_int,
        ) {
            // SAFETY: the scalar arguments are valid to read by LAPACK's contract.
            let arguments = unsafe {
                Arguments { jobz: *jobz as u8, uplo: *uplo as u8, n: *n, a, lda: *lda, w, work, lwork: *lwork }
            };
            // SAFETY: the caller fulfils LAPACK's contract.
            let answer = info_of(|| unsafe { syev(&arguments) });
            // SAFETY: `info` is valid to write by LAPACK's contract.
            unsafe { info.write(answer) };
        }
    };
}
export_syev!(ssyev_, f32);
export_syev!(dsyev_, f64);

#[cfg(test)]
mod tests {
    use super::*;

    /// Asks `dsyev_` for the size of its workspace and then calls it, as its users do.
    fn call(jobz: u8, uplo: u8, n: i32, a: &mut [f64], lda: i32) -> (Vec<f64>, i32) {
        let mut w = vec![0.0; n.max(0) as usize];
        let mut info = 7;
        let mut wanted = [0.0];
        let (jobz, uplo) = (jobz as c_char, uplo as c_char);
        // SAFETY: a query of the size accesses only `work` and `info`.
        unsafe {
            dsyev_(
                &raw const jobz,
                &raw const uplo,
                &raw const n,
                std::ptr::null_mut(),
                &raw const lda,
                std::ptr::null_mut(),
                wanted.as_mut_ptr(),
                &WORKSPACE_QUERY,
                &raw mut info,
            );
        }
        if info != 0 {
            return (w, info);
        }
        let mut work = vec![0.0; wanted[0] as usize];
        let lwork = work.len() as i32;
        // SAFETY: the slices have the extents that `n` and `lda` promise.
        unsafe {
            dsyev_(
                &raw const jobz,
                &raw const uplo,
                &raw const n,
                a.as_mut_ptr(),
                &raw const lda,
                w.as_mut_ptr(),
                work.as_mut_ptr(),
                &raw const lwork,
                &raw mut info,
            );
        }
        (w, info)
    }

    #[test]
    fn two_by_two_by_hand_with_a_wide_leading_dimension() {
        // [[2, 1], [1, 2]] has the eigenvalues 1 and 3. The row below the matrix is not part of it and must not change.
        for (uplo, mut a) in [
            (b'U', [2.0, f64::NAN, 77.0, 1.0, 2.0, 78.0]),
            (b'L', [2.0, 1.0, 77.0, f64::NAN, 2.0, 78.0]),
            (b'u', [2.0, f64::NAN, 77.0, 1.0, 2.0, 78.0]),
        ] {
            let (w, info) = call(b'V', uplo, 2, &mut a, 3);
            assert_eq!(info, 0);
            assert!((w[0] - 1.0).abs() < 1e-15 && (w[1] - 3.0).abs() < 1e-15, "{w:?}");
            assert!((a[0] + a[1]).abs() < 1e-15, "the first eigenvector is (1, -1) / √2");
            assert!((a[3] - a[4]).abs() < 1e-15, "the second eigenvector is (1, 1) / √2");
            assert_eq!((a[2], a[5]), (77.0, 78.0));
        }
    }

    #[test]
    fn eigenvalues_without_eigenvectors() {
        let (w, info) = call(b'N', b'L', 2, &mut [2.0, 1.0, 0.0, 2.0], 2);
        assert_eq!(info, 0);
        assert!((w[0] - 1.0).abs() < 1e-15 && (w[1] - 3.0).abs() < 1e-15, "{w:?}");
    }

    #[test]
    fn matrices_with_one_entry_and_without_entries() {
        assert_eq!(call(b'V', b'U', 1, &mut [5.0], 1), (vec![5.0], 0));
        assert_eq!(call(b'V', b'U', 0, &mut [], 1), (vec![], 0));
    }

    #[test]
    fn info_gives_the_position_of_a_refused_argument() {
        assert_eq!(call(b'X', b'U', 1, &mut [1.0], 1).1, -1);
        assert_eq!(call(b'V', b'X', 1, &mut [1.0], 1).1, -2);
        assert_eq!(call(b'V', b'U', -1, &mut [1.0], 1).1, -3);
        assert_eq!(call(b'V', b'U', 2, &mut [1.0; 4], 1).1, -5);
        assert_eq!(call(b'V', b'U', 2, &mut [f64::NAN; 4], 2).1, NOT_CONVERGED);
    }

    #[test]
    fn a_workspace_that_is_too_small_is_refused() {
        let (mut a, mut w, mut work, mut info) = ([1.0_f32], [0.0], [0.0], 0);
        let (jobz, uplo) = (b'V' as c_char, b'U' as c_char);
        // SAFETY: all extents are 1.
        unsafe {
            ssyev_(
                &raw const jobz,
                &raw const uplo,
                &1,
                a.as_mut_ptr(),
                &1,
                w.as_mut_ptr(),
                work.as_mut_ptr(),
                &1,
                &raw mut info,
            );
        }
        assert_eq!((info, w[0]), (-8, 0.0), "n = 1 needs a workspace of 2");
    }
}
