//! What both families of routines share: reading column-major matrices and LAPACK's `info`.
#![expect(unsafe_code, reason = "LAPACK's interface is raw pointers")]

use std::panic::{AssertUnwindSafe, catch_unwind};

use faer::{Mat, MatRef, traits::RealField};

/// `lwork` that asks for the size of the workspace instead of a result.
pub(crate) const WORKSPACE_QUERY: i32 = -1;

/// `info` of a result that was not reached: at least one off-diagonal entry did not converge.
pub(crate) const NOT_CONVERGED: i32 = 1;

/// The scalars of LAPACK's real routines.
pub(crate) trait Scalar: RealField + Copy {
    /// A workspace size as LAPACK hands it back.
    fn from_size(size: usize) -> Self;
    /// Neither infinite nor not-a-number.
    fn finite(self) -> bool;
}

macro_rules! scalar {
    ($float:ty) => {
        impl Scalar for $float {
            fn from_size(size: usize) -> Self {
                size as $float
            }
            fn finite(self) -> bool {
                self.is_finite()
            }
        }
    };
}
scalar!(f32);
scalar!(f64);

/// Runs `job`, whose `Err` is LAPACK's `info`, and turns a panic into [`NOT_CONVERGED`], since unwinding must not
/// cross into a caller that believes it talks to Fortran.
pub(crate) fn info_of(job: impl FnOnce() -> Result<(), i32>) -> i32 {
    match catch_unwind(AssertUnwindSafe(job)) {
        Ok(Ok(())) => 0,
        Ok(Err(info)) => info,
        Err(_) => NOT_CONVERGED,
    }
}

/// A size argument, or `Err(-position)` when it is negative.
pub(crate) fn size(value: i32, position: i32) -> Result<usize, i32> {
    usize::try_from(value).map_err(|_| -position)
}

/// A leading dimension of at least `rows` and 1, or `Err(-position)`.
pub(crate) fn leading_dimension(value: i32, rows: usize, position: i32) -> Result<usize, i32> {
    match usize::try_from(value) {
        Ok(stride) if stride >= rows.max(1) => Ok(stride),
        _ => Err(-position),
    }
}

/// View of a column-major matrix.
///
/// # Safety
/// `a` points at `columns` columns of `rows` initialised values, column starts `stride` apart.
pub(crate) unsafe fn column_major<'a, T: Scalar>(
    a: *const T,
    rows: usize,
    columns: usize,
    stride: usize,
) -> MatRef<'a, T> {
    // SAFETY: the caller vouches for the extent; `stride` fits an isize because the memory exists.
    unsafe { MatRef::from_raw_parts(a, rows, columns, 1, stride as isize) }
}

/// Writes the first `columns` columns of `from` to column-major memory.
///
/// # Safety
/// `to` points at room for `columns` columns of `from.nrows()` values, column starts `stride` apart; it may be
/// uninitialised.
pub(crate) unsafe fn write_columns<T: Scalar>(from: MatRef<'_, T>, columns: usize, to: *mut T, stride: usize) {
    for column in 0..columns {
        for row in 0..from.nrows() {
            // SAFETY: `row` and `column` lie inside the extent that the caller vouches for.
            unsafe { to.add(column * stride + row).write(from[(row, column)]) };
        }
    }
}

/// An owned copy, since LAPACK allows its input and output to share memory.
pub(crate) fn copied<T: Scalar>(view: MatRef<'_, T>) -> Mat<T> {
    Mat::from_fn(view.nrows(), view.ncols(), |row, column| view[(row, column)])
}

/// Whether every entry is finite; the iterations below faer's routines need not end otherwise.
pub(crate) fn all_finite<T: Scalar>(matrix: &Mat<T>) -> bool {
    (0..matrix.ncols()).all(|column| (0..matrix.nrows()).all(|row| matrix[(row, column)].finite()))
}
