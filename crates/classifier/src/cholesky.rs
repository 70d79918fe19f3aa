//! The Cholesky factor of a Gram matrix.

use ndarray::{Array2, s};

/// Columns that are factored together.
const BLOCK: usize = 96;
/// Added to the diagonal, relative to the mean of the diagonal. The Gram matrix is rounded to `f32`, so it can have eigenvalues slightly
/// below 0.
const RIDGE: f64 = 1e-6;
/// Smallest pivot, relative to the mean of the diagonal. If a pivot is smaller, its sample counts as a linear combination of the earlier
/// samples.
const MIN_PIVOT: f64 = 1e-9;

/// The lower triangular L with L·Lᵀ = `matrix` + ridge. The matrix must be symmetric; its eigenvalues may be at most slightly below 0.
pub(crate) fn cholesky(mut matrix: Array2<f64>) -> Array2<f64> {
    let n = matrix.nrows();
    let mean = matrix.diag().sum() / n.max(1) as f64;
    matrix.diag_mut().mapv_inplace(|entry| entry + RIDGE * mean);
    for start in (0..n).step_by(BLOCK) {
        let end = n.min(start + BLOCK);
        // Subtract the part of these columns that the product of the already factored columns of L gives.
        let left = matrix.slice(s![start.., ..start]);
        let update = left.dot(&left.slice(s![..end - start, ..]).t());
        let mut panel = matrix.slice_mut(s![start.., start..end]);
        panel -= &update;
        factor_columns(&mut panel, MIN_PIVOT * mean);
    }
    for (i, mut row) in matrix.rows_mut().into_iter().enumerate() {
        row.slice_mut(s![i + 1..]).fill(0.0);
    }
    matrix
}

/// Factors the first columns of a matrix, row by row. Each row depends only on itself and on the rows above it.
fn factor_columns(panel: &mut ndarray::ArrayViewMut2<'_, f64>, min_pivot: f64) {
    let width = panel.ncols();
    for i in 0..panel.nrows() {
        let (above, mut rest) = panel.view_mut().split_at(ndarray::Axis(0), i);
        let mut row = rest.row_mut(0);
        for j in 0..width.min(i + 1) {
            let known = if j < i { row.slice(s![..j]).dot(&above.slice(s![j, ..j])) } else { 0.0 };
            if j < i {
                let pivot = above[[j, j]];
                row[j] = if pivot > 0.0 { (row[j] - known) / pivot } else { 0.0 };
            } else {
                let squares = row.slice(s![..j]).dot(&row.slice(s![..j]));
                let square = row[j] - squares;
                row[j] = if square > min_pivot { square.sqrt() } else { 0.0 };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_data::normal;

    #[test]
    fn the_factor_times_itself_is_the_matrix() {
        for n in [1, 5, 95, 96, 97, 250] {
            let x = normal(n, n + 20, 3).mapv(f64::from);
            let matrix = x.dot(&x.t());
            let factor = cholesky(matrix.clone());
            let scale = matrix.diag().sum() / n as f64;
            let error = (&factor.dot(&factor.t()) - &matrix).mapv(f64::abs);
            assert!(error.iter().all(|&error| error < 2e-6 * scale), "{n}");
            assert!(factor.indexed_iter().all(|((i, j), &entry)| j <= i || entry == 0.0));
        }
    }

    #[test]
    fn equal_samples_give_finite_factors() {
        let mut x = normal(40, 60, 3).mapv(f64::from);
        for i in 20..40 {
            let copy = x.row(i - 20).to_owned();
            x.row_mut(i).assign(&copy);
        }
        let matrix = x.dot(&x.t());
        let factor = cholesky(matrix.clone());
        let error = (&factor.dot(&factor.t()) - &matrix).mapv(f64::abs);
        assert!(factor.iter().all(|entry| entry.is_finite()));
        assert!(error.iter().all(|&error| error < 1e-4 * matrix[[0, 0]]));
    }
}
