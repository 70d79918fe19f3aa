//! Heatmaps of different sizes are brought to one coarse grid, so that they can be compared.

use ndarray::{Array2, ArrayView2};

use crate::error::EvalError;

/// Sum of the relevance in each cell of a coarse grid.
///
/// ```text
/// G[i,j] = Σ_{y,x} R[y,x] · |pixel (y,x) ∩ cell (i,j)|
/// ```
/// `relevance` `(height, width)`, any unit. The image is divided into `n_rows` × `n_columns` cells of equal size. A pixel on the
/// border of two cells is divided between them by area, so the sum of all relevance stays the same. The result is always
/// `(n_rows, n_columns)`: a cell covers the same fraction of width and height in every image.
///
/// # Errors
/// [`EvalError::Parameter`] for a grid without cells, [`EvalError::Empty`] for a heatmap without pixels,
/// [`EvalError::Relevance`] for a value that is not finite.
///
/// ```
/// use fisherlens_eval::downsized;
/// use ndarray::array;
///
/// let relevance = array![[1.0_f32, 2.0, 3.0, 4.0], [0.0, 0.0, -1.0, 0.0]];
/// assert_eq!(downsized(relevance.view(), 1, 2)?, array![[3.0, 6.0]]);
/// # Ok::<(), fisherlens_eval::EvalError>(())
/// ```
///
/// # References
/// `lapuschkin2019`, step 2 of spectral relevance analysis ("downsizing of the heatmaps and making them uniform in shape and size").
pub fn downsized(relevance: ArrayView2<'_, f32>, n_rows: usize, n_columns: usize) -> Result<Array2<f64>, EvalError> {
    for (name, found) in [("n_rows", n_rows), ("n_columns", n_columns)] {
        if found == 0 {
            return Err(EvalError::Parameter {
                name,
                found: "0".to_owned(),
                expected: "at least 1; 32 for photographs of 500 pixels",
            });
        }
    }
    if relevance.is_empty() {
        return Err(EvalError::Empty { what: "pixel in the heatmap" });
    }
    if let Some((index, value)) = relevance.iter().enumerate().find(|(_, value)| !value.is_finite()) {
        return Err(EvalError::Relevance { index, found: value.to_string() });
    }
    let (height, width) = relevance.dim();
    let (rows, columns) = (covers(height, n_rows), covers(width, n_columns));
    let mut grid = Array2::zeros((n_rows, n_columns));
    for (row, cover) in relevance.rows().into_iter().zip(&rows) {
        for (&value, column_cover) in row.iter().zip(&columns) {
            for &(i, part_y) in cover {
                for &(j, part_x) in column_cover {
                    grid[[i, j]] += f64::from(value) * part_y * part_x;
                }
            }
        }
    }
    Ok(grid)
}

/// The inverse of [`downsized`] as far as it exists: the sum of each cell is spread evenly over its area. `grid` `(n_rows, n_columns)`;
/// returns `(height, width)`. The sum stays the same.
///
/// ```
/// use fisherlens_eval::spread_evenly;
/// use ndarray::array;
///
/// let pixels = spread_evenly(array![[4.0_f32, 8.0]].view(), 2, 3);
/// assert!((pixels[[0, 0]] - 4.0 / 3.0).abs() < 1e-6 && (pixels[[1, 1]] - 2.0).abs() < 1e-6);
/// assert!((pixels.sum() - 12.0).abs() < 1e-5);
/// ```
pub fn spread_evenly(grid: ArrayView2<'_, f32>, height: usize, width: usize) -> Array2<f32> {
    let (n_rows, n_columns) = grid.dim();
    if grid.is_empty() || height == 0 || width == 0 {
        return Array2::zeros((height, width));
    }
    let (rows, columns) = (covers(height, n_rows), covers(width, n_columns));
    // A pixel covers this share of the area of a cell.
    let area = (n_rows as f64 / height as f64) * (n_columns as f64 / width as f64);
    Array2::from_shape_fn((height, width), |(y, x)| {
        let mut sum = 0.0;
        for &(i, part_y) in &rows[y] {
            for &(j, part_x) in &columns[x] {
                sum += f64::from(grid[[i, j]]) * part_y * part_x;
            }
        }
        (sum * area) as f32
    })
}

/// For each of `n_old` pixels: the cells that it overlaps, with the fraction of the pixel that lies in each.
fn covers(n_old: usize, n_new: usize) -> Vec<Vec<(usize, f64)>> {
    let scale = n_new as f64 / n_old as f64;
    let cover = |pixel: usize| {
        // First and last cell in integers: pixel / n_old · n_new, rounded down and up without floating-point error.
        let (first, last) = (pixel * n_new / n_old, ((pixel + 1) * n_new).div_ceil(n_old));
        let (start, end) = (pixel as f64 * scale, (pixel + 1) as f64 * scale);
        let part = |cell: usize| (end.min((cell + 1) as f64) - start.max(cell as f64)) / scale;
        (first..last).map(|cell| (cell, part(cell))).collect()
    };
    (0..n_old).map(cover).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_abs_diff_eq;
    use ndarray::array;
    use proptest::prelude::*;

    #[test]
    fn sums_match_hand_computed_values() {
        let relevance = array![[1.0_f32, 2.0, 3.0], [4.0, 5.0, -6.0]];
        assert_abs_diff_eq!(downsized(relevance.view(), 1, 2).unwrap(), array![[8.5, 0.5]], epsilon = 1e-12);
        assert_abs_diff_eq!(downsized(relevance.view(), 2, 3).unwrap(), relevance.mapv(f64::from), epsilon = 1e-12);
        // A grid finer than the pixels: each pixel is divided among several cells.
        assert_abs_diff_eq!(
            downsized(array![[8.0_f32]].view(), 2, 4).unwrap(),
            Array2::from_elem((2, 4), 1.0),
            epsilon = 1e-12
        );
    }

    #[test]
    fn invalid_input_is_refused() {
        let relevance = array![[1.0_f32, f32::NAN]];
        let error = downsized(relevance.view(), 1, 1).unwrap_err();
        assert_eq!(error, EvalError::Relevance { index: 1, found: "NaN".to_owned() });
        assert!(matches!(
            downsized(array![[1.0_f32]].view(), 0, 1).unwrap_err(),
            EvalError::Parameter { name: "n_rows", .. }
        ));
        assert!(matches!(
            downsized(Array2::<f32>::zeros((0, 4)).view(), 2, 2).unwrap_err(),
            EvalError::Empty { what: "pixel in the heatmap" }
        ));
    }

    proptest! {
        #[test]
        fn the_sum_stays_the_same_and_a_constant_heatmap_stays_constant(
            height in 1_usize..40, width in 1_usize..40, n_rows in 1_usize..12, n_columns in 1_usize..12, seed in 0_u32..1000,
        ) {
            let relevance =
                Array2::from_shape_fn((height, width), |(y, x)| ((y * 31 + x * 17 + seed as usize) % 23) as f32 - 11.0);
            let grid = downsized(relevance.view(), n_rows, n_columns).unwrap();
            let sum: f64 = relevance.iter().map(|&value| f64::from(value)).sum();
            prop_assert!((grid.sum() - sum).abs() < 1e-9 * (1.0 + (height * width) as f64));
            let constant = downsized(Array2::ones((height, width)).view(), n_rows, n_columns).unwrap();
            let each = (height * width) as f64 / (n_rows * n_columns) as f64;
            prop_assert!(constant.iter().all(|value| (value - each).abs() < 1e-9 * each));
        }
    }
}
