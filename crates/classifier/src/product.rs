//! Products of tall matrices that are long in the summed dimension.

use fisherlens_product::{Target, multiply, multiply_lower};
use ndarray::{Array2, ArrayView2, s};

/// Dimensions multiplied in `f32` before their sum goes to `f64`.
///
/// An `f32` product over all 41,216 dimensions of a Fisher vector is off by some 1e-6; in runs it stays at the rounding of the
/// single products.
pub(crate) const RUN: usize = 2048;

/// `a · bᵀ` for `a` `(m, D)` and `b` `(n, D)`: `(m, n)`.
pub(crate) fn product_transposed(a: ArrayView2<'_, f32>, b: ArrayView2<'_, f32>) -> Array2<f64> {
    let mut product = Array2::zeros((a.nrows(), b.nrows()));
    let mut sums = Array2::zeros((a.nrows(), b.nrows()));
    for start in (0..a.ncols()).step_by(RUN) {
        let run = start..a.ncols().min(start + RUN);
        multiply(Target::Overwrite(product.view_mut()), a.slice(s![.., run.clone()]), b.slice(s![.., run]).t());
        sums.zip_mut_with(&product, |sum, &product| *sum += f64::from(product));
    }
    sums
}

/// `a · aᵀ` for `a` `(m, D)`: `(m, m)`, the entries above the diagonal left at 0.
pub(crate) fn product_with_itself(a: ArrayView2<'_, f32>) -> Array2<f64> {
    let mut product = Array2::zeros((a.nrows(), a.nrows()));
    let mut sums = Array2::zeros((a.nrows(), a.nrows()));
    for start in (0..a.ncols()).step_by(RUN) {
        let run = start..a.ncols().min(start + RUN);
        multiply_lower(product.view_mut(), a.slice(s![.., run]));
        sums.zip_mut_with(&product, |sum, &product| *sum += f64::from(product));
    }
    sums
}
