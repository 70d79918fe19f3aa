//! Cholesky factor of a Gram matrix.

use ndarray::{Array2, s};

/// Columns factored together.
const BLOCK: usize = 96;
/// Added to the diagonal, in parts of its mean: the Gram matrix is rounded to `f32`, which may leave eigenvalues just below 0.
const RIDGE: f64 = 1e-6;
/// Least pivot in parts of the mean diagonal entry; below it the sample is taken as a sum of the earlier ones.
const LEAST_PIVOT: f64 = 1e-9;

/// L, lower triangular with L·Lᵀ = `matrix` + ridge, for a symmetric matrix without eigenvalues much below 0.
pub(crate) fn cholesky(mut matrix: Array2<f64>) -> Array2<f64> {
    let n = matrix.nrows();
    let mean = matrix.diag().sum() / n.max(1) as f64;
    matrix.diag_mut().mapv_inplace(|entry| entry + RIDGE * mean);
    for start in (0..n).step_by(BLOCK) {
        let end = n.min(start + BLOCK);
        // What the columns factored so far account for.
        let left = matrix.slice(s![start.., ..start]);
        let update = left.dot(&left.slice(s![..end - start, ..]).t());
        let mut panel = matrix.slice_mut(s![start.., start..end]);
        panel -= &update;
        factor_columns(&mut panel, LEAST_PIVOT * mean);
    }
    for (i, mut row) in matrix.rows_mut().into_iter().enumerate() {
        row.slice_mut(s![i + 1..]).fill(0.0);
    }
    matrix
}

/// Factors the first columns of a matrix, row by row: each row needs only the rows above and itself.
fn factor_columns(panel: &mut ndarray::ArrayViewMut2<'_, f64>, least: f64) {
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
                row[j] = if square > least { square.sqrt() } else { 0.0 };
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
    fn equal_samples_do_no_harm() {
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
