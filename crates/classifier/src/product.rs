//! Products of tall matrices that are long in the summed dimension.

use std::ops::Range;

use fisherlens_product::{Target, multiply, multiply_lower};
use ndarray::{Array2, ArrayView2, s};

/// Dimensions multiplied in `f32` before their sum goes to `f64`.
///
/// An `f32` product over all 41,216 dimensions of a Fisher vector is off by some 1e-6; in runs it stays at the rounding of the
/// single products.
const RUN: usize = 2048;

/// Terms of one product; blocks of both factors of this width stay in a second-level cache.
const WIDTH: usize = 512;

/// `a · bᵀ` for `a` `(m, D)` and `b` `(n, D)`: `(m, n)`.
pub(crate) fn product_transposed(a: ArrayView2<'_, f32>, b: ArrayView2<'_, f32>) -> Array2<f64> {
    in_runs(a.ncols(), (a.nrows(), b.nrows()), |target, columns| {
        multiply(target, a.slice(s![.., columns.clone()]), b.slice(s![.., columns]).t());
    })
}

/// `a · aᵀ` for `a` `(m, D)`: `(m, m)`, the entries above the diagonal left at 0.
pub(crate) fn product_with_itself(a: ArrayView2<'_, f32>) -> Array2<f64> {
    in_runs(a.ncols(), (a.nrows(), a.nrows()), |target, columns| {
        multiply_lower(target, a.slice(s![.., columns]));
    })
}

/// A product summed over runs of `n_summed` terms, each run in `f32`, their sums in `f64`; `multiply` makes the part of a range of terms.
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

#[multiversion::multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512dq+avx512vl+fma+avx2",
    "x86_64+avx2+fma",
    "aarch64+neon"
))]
fn add(sums: &mut [f64], values: &[f32]) {
    for (sum, &value) in sums.iter_mut().zip(values) {
        *sum += f64::from(value);
    }
}
