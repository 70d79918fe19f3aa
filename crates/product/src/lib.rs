//! Matrix products of ndarray views, on the calling thread.
//!
//! faer computes the products; it chooses AVX-512, AVX2 or NEON at run time. At the shapes of this workspace it reaches 113 to 115 GFLOP/s
//! on one core of a Zen 4, and ndarray's `dot` reaches 87 to 97 (`cargo bench`). A caller with many products distributes them over threads
//! itself, in pieces of fixed size, so that sums do not depend on the number of threads.
//!
//! ```
//! use fisherlens_product::{Target, multiply};
//! use ndarray::array;
//!
//! let mut c = array![[1.0_f32, 1.0]];
//! multiply(Target::AddTo(c.view_mut()), array![[1.0, 2.0]].view(), array![[3.0, 4.0], [5.0, 6.0]].view());
//! assert_eq!(c, array![[14.0, 17.0]]);
//! ```

mod integer;

use faer::linalg::matmul::matmul;
use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::{Accum, MatMut, MatRef, Par};
use ndarray::{ArrayView2, ArrayViewMut2};

pub use integer::{GROUP, IntegerPanels, Pair, TILE_COLUMNS, TILE_ROWS, Tile, multiply_integers};

/// The array that receives a product.
#[derive(Debug)]
pub enum Target<'a> {
    /// The product replaces the values of the array.
    Overwrite(ArrayViewMut2<'a, f32>),
    /// The product is added to the values of the array.
    AddTo(ArrayViewMut2<'a, f32>),
}

impl<'a> Target<'a> {
    fn parts(self) -> (ArrayViewMut2<'a, f32>, Accum) {
        match self {
            Self::Overwrite(c) => (c, Accum::Replace),
            Self::AddTo(c) => (c, Accum::Add),
        }
    }
}

/// `C = A · B`, or `C += A · B`.
///
/// `a` `(m, n)`, `b` `(n, p)`, the target `(m, p)`, with any strides. Each entry is one sum in `f32`, whose relative error grows with n.
/// Callers therefore divide long sums into short ones and add these in `f64`.
///
/// # Panics
/// If the shapes do not fit together.
///
/// ```
/// use fisherlens_product::{Target, multiply};
/// use ndarray::{Array2, array};
///
/// let mut c = Array2::zeros((1, 2));
/// multiply(Target::Overwrite(c.view_mut()), array![[1.0, 2.0]].view(), array![[3.0, 4.0], [5.0, 6.0]].view());
/// assert_eq!(c, array![[13.0, 16.0]]);
/// ```
pub fn multiply(target: Target<'_>, a: ArrayView2<'_, f32>, b: ArrayView2<'_, f32>) {
    let (mut c, accumulate) = target.parts();
    check(&c, a, b);
    matmul(matrix_mut(&mut c), accumulate, matrix(&a), matrix(&b), 1.0, Par::Seq);
    clear_upper_halves();
}

/// The entries on and below the diagonal of `C = A · Aᵀ`, or `C += A · Aᵀ`. The other entries of C keep their values.
///
/// This is half of the work of [`multiply`]. `a` `(m, n)`, the target `(m, m)`.
///
/// # Panics
/// If the shapes do not fit together.
///
/// ```
/// use fisherlens_product::{Target, multiply_lower};
/// use ndarray::{Array2, array};
///
/// let mut c = Array2::zeros((2, 2));
/// multiply_lower(Target::Overwrite(c.view_mut()), array![[1.0, 2.0], [3.0, 4.0]].view());
/// assert_eq!(c, array![[5.0, 0.0], [11.0, 25.0]]);
/// ```
pub fn multiply_lower(target: Target<'_>, a: ArrayView2<'_, f32>) {
    let (mut c, accumulate) = target.parts();
    check(&c, a, a.t());
    triangular::matmul(
        matrix_mut(&mut c),
        BlockStructure::TriangularLower,
        accumulate,
        matrix(&a),
        BlockStructure::Rectangular,
        matrix(&a).transpose(),
        BlockStructure::Rectangular,
        1.0,
        Par::Seq,
    );
    clear_upper_halves();
}

/// Clears the upper halves of the vector registers, because faer's loops do not do it at their end.
///
/// While the upper halves are in use, code for the baseline, such as a C library that is called next, runs at little more than half of its
/// speed (VLFeat's dense SIFT on a Zen 4: 170 ms instead of 100 ms).
fn clear_upper_halves() {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx")]
        fn zero_upper() {
            std::arch::x86_64::_mm256_zeroupper();
        }
        if std::arch::is_x86_feature_detected!("avx") {
            #[expect(unsafe_code, reason = "an instruction of AVX, which the processor has")]
            // SAFETY: the line above found AVX.
            unsafe {
                zero_upper();
            }
        }
    }
}

fn check(c: &ArrayViewMut2<'_, f32>, a: ArrayView2<'_, f32>, b: ArrayView2<'_, f32>) {
    assert_eq!(a.ncols(), b.nrows(), "the left factor must have as many columns as the right one has rows");
    assert_eq!(
        c.dim(),
        (a.nrows(), b.ncols()),
        "the target must have as many rows as the left factor and as many columns as the right one"
    );
}

#[expect(unsafe_code, reason = "faer takes an array with strides only by its address")]
fn matrix<'a>(view: &'a ArrayView2<'_, f32>) -> MatRef<'a, f32> {
    let &[row_stride, column_stride] = view.strides() else { unreachable!("an array of two axes has two strides") };
    // SAFETY: address, shape and strides come from a view that stays borrowed for as long as the result lives.
    unsafe { MatRef::from_raw_parts(view.as_ptr(), view.nrows(), view.ncols(), row_stride, column_stride) }
}

#[expect(unsafe_code, reason = "faer takes an array with strides only by its address")]
fn matrix_mut<'a>(view: &'a mut ArrayViewMut2<'_, f32>) -> MatMut<'a, f32> {
    let &[row_stride, column_stride] = view.strides() else { unreachable!("an array of two axes has two strides") };
    // SAFETY: as in `matrix`. In addition, the view is borrowed mutably, and the entries of a mutable view do not overlap.
    unsafe { MatMut::from_raw_parts_mut(view.as_mut_ptr(), view.nrows(), view.ncols(), row_stride, column_stride) }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, s};
    use proptest::prelude::*;

    use super::*;

    fn numbers(rows: usize, columns: usize, seed: usize) -> Array2<f32> {
        Array2::from_shape_fn((rows, columns), |(i, j)| ((i * 37 + j * 11 + seed * 5) % 23) as f32 / 23.0 - 0.5)
    }

    fn slow(a: ArrayView2<'_, f32>, b: ArrayView2<'_, f32>) -> Array2<f64> {
        a.mapv(f64::from).dot(&b.mapv(f64::from))
    }

    fn assert_close(found: ArrayView2<'_, f32>, expected: &Array2<f64>, size: usize) {
        for (found, expected) in found.iter().zip(expected) {
            assert!((f64::from(*found) - expected).abs() <= 1e-7 * size as f64 + 1e-6, "{found} {expected}");
        }
    }

    proptest! {
        #[test]
        fn products_of_any_shape_and_order_of_memory_equal_the_sums(
            m in 0_usize..70, n in 0_usize..70, p in 0_usize..70, turned in 0_u8..8,
        ) {
            let (a, b) = (numbers(m, n, 1), numbers(n, p, 2));
            // The same numbers in another order of memory.
            let (a_turned, b_turned) = (a.t().as_standard_layout().into_owned(), b.t().as_standard_layout().into_owned());
            let a_view = if turned & 1 == 0 { a.view() } else { a_turned.t() };
            let b_view = if turned & 2 == 0 { b.view() } else { b_turned.t() };
            let mut storage = if turned & 4 == 0 { Array2::ones((m, p)) } else { Array2::ones((p, m)) };
            let expected = slow(a.view(), b.view());
            let c = if turned & 4 == 0 { storage.view_mut() } else { storage.view_mut().reversed_axes() };
            multiply(Target::AddTo(c), a_view, b_view);
            let c = if turned & 4 == 0 { storage.view() } else { storage.t() };
            assert_close(c, &(&expected + 1.0), n);
            let mut c = storage;
            let c = if turned & 4 == 0 { c.view_mut() } else { c.view_mut().reversed_axes() };
            multiply(Target::Overwrite(c), a_view, b_view);
        }
    }

    #[test]
    fn overwriting_ignores_the_old_values() {
        let (a, b) = (numbers(40, 33, 1), numbers(33, 50, 2));
        let mut c = Array2::from_elem((40, 50), f32::NAN);
        multiply(Target::Overwrite(c.view_mut()), a.view(), b.view());
        assert_close(c.view(), &slow(a.view(), b.view()), 33);
    }

    #[test]
    fn slices_with_gaps_between_rows_and_columns() {
        let (a, b) = (numbers(64, 90, 3), numbers(90, 100, 4));
        let mut c = Array2::zeros((64, 100));
        let (rows, columns) = (s![10..30, 5..80], s![5..80, ..;3]);
        multiply(Target::Overwrite(c.slice_mut(s![10..30, ..34])), a.slice(rows), b.slice(columns));
        assert_close(c.slice(s![10..30, ..34]), &slow(a.slice(rows), b.slice(columns)), 75);
        assert!(c.slice(s![..10, ..]).iter().chain(c.slice(s![.., 34..]).iter()).all(|&value| value == 0.0));
    }

    #[test]
    fn the_lower_half_is_computed_and_the_upper_half_is_kept() {
        for m in [0, 1, 5, 64, 257] {
            let a = numbers(m, 130, 5);
            let mut c = Array2::from_elem((m, m), 7.0_f32);
            multiply_lower(Target::Overwrite(c.view_mut()), a.view());
            multiply_lower(Target::AddTo(c.view_mut()), a.view());
            let expected = 2.0 * slow(a.view(), a.t());
            for ((i, j), &value) in c.indexed_iter() {
                if j > i {
                    assert_eq!(value, 7.0);
                } else {
                    assert!((f64::from(value) - expected[[i, j]]).abs() < 1e-4);
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "the left factor must have as many columns")]
    fn shapes_that_do_not_fit_panic() {
        multiply(Target::Overwrite(Array2::zeros((2, 2)).view_mut()), numbers(2, 3, 1).view(), numbers(2, 2, 1).view());
    }
}
