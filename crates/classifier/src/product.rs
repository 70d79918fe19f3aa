//! Matrix products with a long summed dimension. The sums are divided into runs, so that rounding errors stay small.

use std::ops::Range;

use fisherlens_lanes::add;
use fisherlens_product::{Target, multiply, multiply_lower};
use ndarray::{Array2, ArrayView2, s};

/// Terms that are summed in `f32` before their sum is added to a sum in `f64`.
///
/// An `f32` product over all 41,216 dimensions of a Fisher vector has an error of about 1e-6. With runs, the error is only the rounding of
/// the single products.
pub(crate) const RUN: usize = 2048;

/// Terms of one call of the matrix product. Blocks of this width of both factors stay in the second-level cache.
const WIDTH: usize = 512;

/// `a · bᵀ` for `a` `(m, D)` and `b` `(n, D)`. Returns `(m, n)`.
pub(crate) fn product_transposed(a: ArrayView2<'_, f32>, b: ArrayView2<'_, f32>) -> Array2<f64> {
    in_runs(a.ncols(), (a.nrows(), b.nrows()), |target, columns| {
        multiply(target, a.slice(s![.., columns.clone()]), b.slice(s![.., columns]).t());
    })
}

/// `a · aᵀ` for `a` `(m, D)`. Returns `(m, m)`; the entries above the diagonal stay 0.
pub(crate) fn product_with_itself(a: ArrayView2<'_, f32>) -> Array2<f64> {
    in_runs(a.ncols(), (a.nrows(), a.nrows()), |target, columns| {
        multiply_lower(target, a.slice(s![.., columns]));
    })
}

/// A product with `n_summed` terms per entry, cut into runs: each run is summed in `f32`, and the sums of the runs are added in `f64`.
/// `multiply` computes the part of the product that belongs to a range of terms.
pub(crate) fn in_runs(
    n_summed: usize,
    shape: (usize, usize),
    multiply: impl Fn(Target<'_>, Range<usize>),
) -> Array2<f64> {
    let mut product = Array2::zeros(shape);
    let mut sums = Array2::zeros(shape);
    for start in (0..n_summed).step_by(RUN) {
        let end = n_summed.min(start + RUN);
        for first in (start..end).step_by(WIDTH) {
            let c = product.view_mut();
            let target = if first == start { Target::Overwrite(c) } else { Target::AddTo(c) };
            multiply(target, first..end.min(first + WIDTH));
        }
        let in_order = "new arrays are in C order";
        add(sums.as_slice_mut().expect(in_order), product.as_slice().expect(in_order));
    }
    sums
}
