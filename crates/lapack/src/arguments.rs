//! LAPACK's conventions: sizes, column-major matrices and the result code `info`.
#![expect(unsafe_code, reason = "LAPACK's interface is raw pointers")]

use std::panic::{AssertUnwindSafe, catch_unwind};

use faer::traits::RealField;
use faer::{Mat, MatRef};

/// The value of `lwork` that asks for the size of the workspace instead of a result.
pub(crate) const WORKSPACE_QUERY: i32 = -1;

/// The value of `info` if the iteration did not converge.
pub(crate) const NOT_CONVERGED: i32 = 1;

/// The number types of LAPACK's real routines.
pub(crate) trait Scalar: RealField + Copy {
    /// A workspace size in the form in which LAPACK returns it.
    fn from_size(size: usize) -> Self;
    /// Whether the number is neither infinite nor NaN.
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

/// Runs `job` and returns LAPACK's `info`: 0, the value in its `Err`, or [`NOT_CONVERGED`] if it panics.
///
/// The caller expects a Fortran routine, so a panic must not unwind into it.
pub(crate) fn info_of(job: impl FnOnce() -> Result<(), i32>) -> i32 {
    match catch_unwind(AssertUnwindSafe(job)) {
        Ok(Ok(())) => 0,
        Ok(Err(info)) => info,
        Err(_) => NOT_CONVERGED,
    }
}

/// The size argument at this position, or `Err(-position)` if it is negative.
pub(crate) fn size(value: i32, position: i32) -> Result<usize, i32> {
    usize::try_from(value).map_err(|_| -position)
}

/// The leading dimension at this position, or `Err(-position)` if it is less than `rows` or less than 1.
pub(crate) fn leading_dimension(value: i32, rows: usize, position: i32) -> Result<usize, i32> {
    match usize::try_from(value) {
        Ok(stride) if stride >= rows.max(1) => Ok(stride),
        _ => Err(-position),
    }
}

/// A view of a column-major matrix.
///
/// # Safety
/// `a` points at `columns` columns of `rows` initialised values each; the starts of the columns are `stride` values apart.
pub(crate) unsafe fn column_major<'a, T: Scalar>(
    a: *const T,
    rows: usize,
    columns: usize,
    stride: usize,
) -> MatRef<'a, T> {
    // SAFETY: the caller guarantees the extent; `stride` fits into an isize because the memory exists.
    unsafe { MatRef::from_raw_parts(a, rows, columns, 1, stride as isize) }
}

/// Writes a matrix to column-major memory.
///
/// # Safety
/// `to` points at memory for all columns of `from`; the starts of the columns are `stride` values apart. The memory may be
/// uninitialised.
pub(crate) unsafe fn write_columns<T: Scalar>(from: MatRef<'_, T>, to: *mut T, stride: usize) {
    for column in 0..from.ncols() {
        for row in 0..from.nrows() {
            // SAFETY: `row` and `column` lie inside the extent that the caller guarantees.
            unsafe { to.add(column * stride + row).write(from[(row, column)]) };
        }
    }
}

/// Whether every entry is finite. With other entries, faer's iterations might not end.
pub(crate) fn all_finite<T: Scalar>(matrix: &Mat<T>) -> bool {
    (0..matrix.ncols()).all(|column| (0..matrix.nrows()).all(|row| matrix[(row, column)].finite()))
}
