//! The Gram matrix: the inner products of all pairs of samples.

use ndarray::{Array2, ArrayView2, s};
use rayon::prelude::*;

use crate::product::{product_transposed, product_with_itself};

/// Samples of one block. The size is fixed, so that no bit of the result depends on the number of threads. With larger blocks the matrix
/// product copies less.
const BLOCK: usize = 384;

/// Inner products of all samples.
///
/// ```text
/// K[i,j] = x_i · x_j
/// ```
/// `x` `(n, D)`. Returns `(n, n)`, exactly symmetric. Only the entries on and below the diagonal are computed, with n²·D operations in
/// total. Products are summed in `f32` over runs of dimensions, and the sums of the runs are added in `f64`. rayon's threads share the
/// blocks.
///
/// ```
/// use fisherlens_classifier::gram;
/// use ndarray::array;
///
/// let x = array![[1.0_f32, 2.0], [3.0, -1.0]];
/// assert_eq!(gram(x.view()), array![[5.0, 1.0], [1.0, 10.0]]);
/// ```
pub fn gram(x: ArrayView2<'_, f32>) -> Array2<f32> {
    let n = x.nrows();
    let mut gram = Array2::<f32>::zeros((n, n));
    // A new array is in C order, so it is always one slice.
    let storage = gram.as_slice_mut().unwrap_or_default();
    storage.par_chunks_mut((BLOCK * n).max(1)).enumerate().for_each(|(strip_index, strip)| {
        let rows = block(strip_index, n);
        let products: Vec<Array2<f64>> = (0..strip_index + 1)
            .into_par_iter()
            .with_max_len(1)
            .map(|other| {
                if other == strip_index {
                    return product_with_itself(x.slice(s![rows.clone(), ..]));
                }
                let columns = block(other, n);
                product_transposed(x.slice(s![rows.clone(), ..]), x.slice(s![columns, ..]))
            })
            .collect();
        for (other, product) in products.iter().enumerate() {
            let columns = block(other, n);
            for (product, row) in product.rows().into_iter().zip(strip.chunks_exact_mut(n)) {
                for (entry, &value) in row[columns.clone()].iter_mut().zip(product) {
                    *entry = value as f32;
                }
            }
        }
    });
    mirror(&mut gram);
    gram
}

fn block(index: usize, n: usize) -> std::ops::Range<usize> {
    index * BLOCK..n.min((index + 1) * BLOCK)
}

/// Copies the entries below the diagonal to their places above it. Works block by block, so that the cache is used well.
pub(crate) fn mirror(gram: &mut Array2<f32>) {
    let n = gram.nrows();
    for row_block in 0..n.div_ceil(BLOCK) {
        for column_block in 0..=row_block {
            let (rows, columns) = (block(row_block, n), block(column_block, n));
            let lower = gram.slice(s![rows.clone(), columns.clone()]).to_owned();
            if row_block > column_block {
                gram.slice_mut(s![columns, rows]).assign(&lower.t());
            } else {
                for ((i, j), &value) in lower.indexed_iter() {
                    if j < i {
                        gram[[columns.start + j, rows.start + i]] = value;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_data::normal;

    #[test]
    fn the_gram_matrix_equals_sums_in_double_precision() {
        for (n, d) in [(1, 3), (7, 1), (300, 5000), (600, 33)] {
            let x = normal(n, d, 1);
            let exact = x.mapv(f64::from).dot(&x.mapv(f64::from).t());
            let found = gram(x.view());
            for ((i, j), &value) in found.indexed_iter() {
                let scale = (exact[[i, i]] * exact[[j, j]]).sqrt();
                assert!((f64::from(value) - exact[[i, j]]).abs() <= 5e-7 * scale, "{n} {d} {i} {j}");
                assert_eq!(value, found[[j, i]]);
            }
        }
        assert_eq!(gram(normal(0, 4, 1).view()).dim(), (0, 0));
    }
}
