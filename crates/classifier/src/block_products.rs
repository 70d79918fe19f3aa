//! The products of a block of vectors with the coefficients of all problems.
//!
//! Coefficients lie in panels of columns. A panel is one run of the summed dimension (see `product.rs`), so rayon's threads share the
//! panels and the sums do not depend on the number of threads.

use std::ops::Range;

use fisherlens_lanes::add;
use fisherlens_product::{Target, multiply};
use ndarray::{Array2, ArrayView2, Axis, s};
use rayon::prelude::*;

use crate::product::{RUN, product_transposed, product_with_itself};

/// Columns that are converted to `f64` together.
const EXACT_COLUMNS: usize = 256;

/// The dimensions of each panel.
pub(crate) fn panels(d: usize) -> Vec<Range<usize>> {
    (0..d.div_ceil(RUN)).map(|index| index * RUN..d.min((index + 1) * RUN)).collect()
}

/// `(n_problems, D)`, cut into panels of columns.
pub(crate) struct Panels<T>(Vec<Array2<T>>);

impl<T: Copy + Send + Sync + Default> Panels<T> {
    /// All entries are 0.
    pub(crate) fn zeros(n_problems: usize, d: usize) -> Self {
        Self(panels(d).iter().map(|columns| Array2::from_elem((n_problems, columns.len()), T::default())).collect())
    }
}

impl Panels<f32> {
    /// Copies from one vector per problem.
    pub(crate) fn of(vectors: &[&[f64]], d: usize) -> Self {
        let mut panels = Self::zeros(vectors.len(), d);
        for (panel, start) in panels.0.iter_mut().zip((0..).step_by(RUN)) {
            for (mut row, vector) in panel.rows_mut().into_iter().zip(vectors) {
                row.iter_mut().zip(&vector[start..]).for_each(|(to, &from)| *to = from as f32);
            }
        }
        panels
    }
}

impl<T: Copy> Panels<T> {
    /// The vector of one problem.
    pub(crate) fn row(&self, problem: usize) -> impl Iterator<Item = T> + '_ {
        self.0.iter().flat_map(move |panel| panel.row(problem).into_iter().copied())
    }
}

impl Panels<f32> {
    /// `W[problems] · xᵀ`: returns `(problems.len(), x.nrows())`.
    pub(crate) fn outputs(&self, problems: &[usize], x: ArrayView2<'_, f32>) -> Array2<f64> {
        sum_of_panels(x.ncols(), (problems.len(), x.nrows()), |index, columns| {
            let (panel, x) = (&self.0[index], x.slice(s![.., columns]));
            if problems.len() == panel.nrows() {
                product_transposed(panel.view(), x)
            } else {
                product_transposed(panel.select(Axis(0), problems).view(), x)
            }
        })
    }

    /// [`Panels::outputs`] of all problems, with sums in `f64`.
    pub(crate) fn exact_outputs(&self, x: ArrayView2<'_, f32>) -> Array2<f64> {
        let n_problems = self.0.first().map_or(0, Array2::nrows);
        sum_of_panels(x.ncols(), (n_problems, x.nrows()), |index, columns| {
            let mut sums = Array2::zeros((n_problems, x.nrows()));
            for first in (0..columns.len()).step_by(EXACT_COLUMNS) {
                let part = first..columns.len().min(first + EXACT_COLUMNS);
                let w = self.0[index].slice(s![.., part.clone()]).mapv(f64::from);
                let x = x.slice(s![.., columns.start + part.start..columns.start + part.end]).mapv(f64::from);
                sums += &w.dot(&x.t());
            }
            sums
        })
    }

    /// `W[problems] += steps · x` and `changes[problems] += steps · x` for `steps` `(problems.len(), x.nrows())`.
    pub(crate) fn add_steps(
        &mut self,
        changes: &mut Self,
        problems: &[usize],
        steps: ArrayView2<'_, f32>,
        x: ArrayView2<'_, f32>,
    ) {
        self.0.par_iter_mut().zip(&mut changes.0).enumerate().for_each(|(index, (panel, changes))| {
            let x = x.slice(s![.., index * RUN..index * RUN + panel.ncols()]);
            let mut product = Array2::zeros((problems.len(), panel.ncols()));
            multiply(Target::Overwrite(product.view_mut()), steps, x);
            for (product, &problem) in product.rows().into_iter().zip(problems) {
                let mut row = panel.row_mut(problem);
                row += &product;
                let mut row = changes.row_mut(problem);
                row += &product;
            }
        });
    }
}

impl Panels<f64> {
    /// `W += alphas · x` for `alphas` `(n_problems, x.nrows())`, in `f64`.
    pub(crate) fn add_products(&mut self, alphas: ArrayView2<'_, f64>, x: ArrayView2<'_, f32>) {
        self.0.par_iter_mut().enumerate().for_each(|(index, panel)| {
            for first in (0..panel.ncols()).step_by(EXACT_COLUMNS) {
                let part = first..panel.ncols().min(first + EXACT_COLUMNS);
                let x = x.slice(s![.., index * RUN + part.start..index * RUN + part.end]).mapv(f64::from);
                let mut sums = panel.slice_mut(s![.., part]);
                sums += &alphas.dot(&x);
            }
        });
    }
}

/// `x · xᵀ`, row after row.
pub(crate) fn own_products(x: ArrayView2<'_, f32>) -> Vec<f32> {
    let n = x.nrows();
    let sums = sum_of_panels(x.ncols(), (n, n), |_, columns| product_with_itself(x.slice(s![.., columns])));
    (0..n * n).map(|entry| (entry / n, entry % n)).map(|(i, j)| sums[[i.max(j), i.min(j)]] as f32).collect()
}

/// Adds the products of all panels in the order of the panels.
pub(crate) fn sum_of_panels(
    d: usize,
    shape: (usize, usize),
    product: impl Fn(usize, Range<usize>) -> Array2<f64> + Sync,
) -> Array2<f64> {
    let products: Vec<Array2<f64>> =
        panels(d).into_par_iter().enumerate().map(|(index, columns)| product(index, columns)).collect();
    let mut sums = Array2::<f64>::zeros(shape);
    for product in &products {
        let in_order = "new arrays are in C order";
        add(sums.as_slice_mut().expect(in_order), product.as_slice().expect(in_order));
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_data::normal;

    fn assert_close(found: &Array2<f64>, expected: &Array2<f64>, tolerance: f64) {
        assert_eq!(found.dim(), expected.dim());
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() <= tolerance, "{found} {expected}");
        }
    }

    #[test]
    fn products_in_panels_equal_products_in_double_precision() {
        for d in [1, 300, RUN, RUN + 1, 2 * RUN + 700] {
            let (w, x) = (normal(3, d, 1).mapv(f64::from), normal(70, d, 2));
            let rows: Vec<&[f64]> = w.rows().into_iter().map(|row| row.to_slice().unwrap()).collect();
            let mut panels = Panels::of(&rows, d);
            let exact = w.dot(&x.mapv(f64::from).t());
            assert_close(&panels.exact_outputs(x.view()), &exact, 1e-9);
            assert_close(&panels.outputs(&[0, 1, 2], x.view()), &exact, 1e-3);
            assert_close(&panels.outputs(&[0, 2], x.view()), &exact.select(Axis(0), &[0, 2]), 1e-3);

            let own = Array2::from_shape_vec((70, 70), own_products(x.view())).unwrap();
            let expected = x.mapv(f64::from).dot(&x.mapv(f64::from).t());
            assert_close(&own.mapv(f64::from), &expected, 1e-6 * expected[[0, 0]]);
            assert_eq!(own, own.t());

            let steps = normal(2, 70, 3);
            let mut changes = Panels::<f32>::zeros(3, d);
            panels.add_steps(&mut changes, &[0, 2], steps.view(), x.view());
            let product = steps.mapv(f64::from).dot(&x.mapv(f64::from));
            let mut sums = Panels::<f64>::zeros(2, d);
            sums.add_products(steps.mapv(f64::from).view(), x.view());
            for (row, problem) in [(0, 0), (1, 2)] {
                for (dimension, change) in changes.row(problem).enumerate() {
                    assert!((f64::from(change) - product[[row, dimension]]).abs() < 1e-4);
                }
                for (dimension, value) in panels.row(problem).enumerate() {
                    assert!((f64::from(value) - w[[problem, dimension]] - product[[row, dimension]]).abs() < 1e-4);
                }
                assert!(sums.row(row).zip(product.row(row)).all(|(found, expected)| (found - expected).abs() < 1e-9));
            }
            assert!(changes.row(1).all(|change| change == 0.0));
        }
    }
}
