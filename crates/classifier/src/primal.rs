//! From the dual view to the primal: `w = Σ α_i x_i`.

use ndarray::{Array2, ArrayView2, s};
use rayon::prelude::*;

/// Dimensions per block of coefficients.
const COLUMNS: usize = 256;
/// Samples that are converted to `f64` together.
const ROWS: usize = 512;

/// `w = Σ_i α_i x_i`: returns `(n_classes, D)` from `alphas` `(n_classes, n)` and `x` `(n, D)`. Sums are in `f64`, in the order of the
/// samples.
pub(crate) fn coefficients(alphas: ArrayView2<'_, f32>, x: ArrayView2<'_, f32>) -> Array2<f32> {
    let alphas = alphas.mapv(f64::from);
    let (n, d) = x.dim();
    let blocks: Vec<Array2<f64>> = (0..d.div_ceil(COLUMNS))
        .into_par_iter()
        .map(|index| {
            let columns = block(index, d);
            let mut sums = Array2::zeros((alphas.nrows(), columns.len()));
            for start in (0..n).step_by(ROWS) {
                let rows = start..n.min(start + ROWS);
                let widened = x.slice(s![rows.clone(), columns.clone()]).mapv(f64::from);
                sums += &alphas.slice(s![.., rows]).dot(&widened);
            }
            sums
        })
        .collect();
    let mut coefficients = Array2::zeros((alphas.nrows(), d));
    for (index, sums) in blocks.iter().enumerate() {
        coefficients.slice_mut(s![.., block(index, d)]).assign(&sums.mapv(|sum| sum as f32));
    }
    coefficients
}

fn block(index: usize, d: usize) -> std::ops::Range<usize> {
    index * COLUMNS..d.min((index + 1) * COLUMNS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_data::normal;

    #[test]
    fn coefficients_equal_the_sum_over_samples() {
        let (alphas, x) = (normal(3, 700, 1), normal(700, 300, 2));
        let found = coefficients(alphas.view(), x.view());
        for ((class, dimension), &value) in found.indexed_iter() {
            let exact: f64 = (0..700).map(|i| f64::from(alphas[[class, i]]) * f64::from(x[[i, dimension]])).sum();
            assert!((f64::from(value) - exact).abs() < 1e-5);
        }
    }
}
