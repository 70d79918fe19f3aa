//! The two inner loops: moments of the descriptors of one component, and the product of a mapping with coefficients.
//!
//! Lanes are fixed at 16 and no multiplication is fused with an addition, so every kind of processor gives the same bits.

use multiversion::multiversion;

/// Entries worked on together: one AVX-512 register, two of AVX2.
const LANES: usize = 16;

/// `γ·z` and `γ·(z² − 1)` summed over the descriptors of one component, `z = (x − μ) / σ`; or their magnitudes.
///
/// `values` `(N, D)`: descriptors; `rows` and `posteriors`: those of the component; `mean`, `inverse_deviation`, `first`
/// and `second` `(D)`. Overwrites `first` and `second`.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl+fma+avx2", "x86_64+avx2+fma", "aarch64+neon"))]
#[expect(clippy::too_many_arguments, reason = "a kernel takes its slices apart")]
pub(crate) fn moments(
    values: &[f32],
    rows: &[u32],
    posteriors: &[f32],
    mean: &[f32],
    inverse_deviation: &[f32],
    absolute: bool,
    first: &mut [f32],
    second: &mut [f32],
) {
    if absolute {
        moments_of::<true>(values, rows, posteriors, mean, inverse_deviation, first, second);
    } else {
        moments_of::<false>(values, rows, posteriors, mean, inverse_deviation, first, second);
    }
}

#[inline(always)]
fn moments_of<const ABSOLUTE: bool>(
    values: &[f32],
    rows: &[u32],
    posteriors: &[f32],
    mean: &[f32],
    inverse_deviation: &[f32],
    first: &mut [f32],
    second: &mut [f32],
) {
    let n_features = mean.len();
    let whole = n_features - n_features % LANES;
    for start in (0..whole).step_by(LANES) {
        let run = start..start + LANES;
        let mean: &[f32; LANES] = lanes(&mean[run.clone()]);
        let inverse: &[f32; LANES] = lanes(&inverse_deviation[run.clone()]);
        let mut sum_first = [0.0_f32; LANES];
        let mut sum_second = [0.0_f32; LANES];
        for (&row, &posterior) in rows.iter().zip(posteriors) {
            let at = row as usize * n_features + start;
            let x: &[f32; LANES] = lanes(&values[at..at + LANES]);
            for lane in 0..LANES {
                let z = (x[lane] - mean[lane]) * inverse[lane];
                let square = z * z - 1.0;
                sum_first[lane] += posterior * if ABSOLUTE { z.abs() } else { z };
                sum_second[lane] += posterior * if ABSOLUTE { square.abs() } else { square };
            }
        }
        first[run.clone()].copy_from_slice(&sum_first);
        second[run].copy_from_slice(&sum_second);
    }
    for d in whole..n_features {
        let (mut sum_first, mut sum_second) = (0.0, 0.0);
        for (&row, &posterior) in rows.iter().zip(posteriors) {
            let z = (values[row as usize * n_features + d] - mean[d]) * inverse_deviation[d];
            let square = z * z - 1.0;
            sum_first += posterior * if ABSOLUTE { z.abs() } else { z };
            sum_second += posterior * if ABSOLUTE { square.abs() } else { square };
        }
        first[d] = sum_first;
        second[d] = sum_second;
    }
}

/// What [`contract`] reads of the components: all `(K, D)`, the coefficients with the mapping's scales multiplied in.
#[derive(Clone, Copy)]
pub(crate) struct Contraction<'a> {
    pub(crate) means: &'a [f32],
    pub(crate) inverse_deviations: &'a [f32],
    pub(crate) first: &'a [f32],
    pub(crate) second: &'a [f32],
}

/// `Σ_k γ_k Σ_d (first[k,d]·z + second[k,d]·(z² − 1))` of one descriptor x; or with the magnitudes of z and z² − 1.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl+fma+avx2", "x86_64+avx2+fma", "aarch64+neon"))]
pub(crate) fn contract(
    x: &[f32],
    components: &[u32],
    posteriors: &[f32],
    tables: Contraction<'_>,
    absolute: bool,
) -> f32 {
    if absolute {
        contract_of::<true>(x, components, posteriors, tables)
    } else {
        contract_of::<false>(x, components, posteriors, tables)
    }
}

#[inline(always)]
fn contract_of<const ABSOLUTE: bool>(
    x: &[f32],
    components: &[u32],
    posteriors: &[f32],
    tables: Contraction<'_>,
) -> f32 {
    let n_features = x.len();
    let whole = n_features - n_features % LANES;
    let mut sums = [0.0_f32; LANES];
    let mut rest = 0.0_f32;
    for (&component, &posterior) in components.iter().zip(posteriors) {
        let block = component as usize * n_features..(component as usize + 1) * n_features;
        let mean = &tables.means[block.clone()];
        let inverse = &tables.inverse_deviations[block.clone()];
        let first = &tables.first[block.clone()];
        let second = &tables.second[block];
        let mut products = [0.0_f32; LANES];
        for start in (0..whole).step_by(LANES) {
            let run = start..start + LANES;
            let x: &[f32; LANES] = lanes(&x[run.clone()]);
            let mean: &[f32; LANES] = lanes(&mean[run.clone()]);
            let inverse: &[f32; LANES] = lanes(&inverse[run.clone()]);
            let first: &[f32; LANES] = lanes(&first[run.clone()]);
            let second: &[f32; LANES] = lanes(&second[run]);
            for lane in 0..LANES {
                let z = (x[lane] - mean[lane]) * inverse[lane];
                let square = z * z - 1.0;
                let (z, square) = if ABSOLUTE { (z.abs(), square.abs()) } else { (z, square) };
                products[lane] += first[lane] * z + second[lane] * square;
            }
        }
        for lane in 0..LANES {
            sums[lane] += posterior * products[lane];
        }
        for d in whole..n_features {
            let z = (x[d] - mean[d]) * inverse[d];
            let square = z * z - 1.0;
            let (z, square) = if ABSOLUTE { (z.abs(), square.abs()) } else { (z, square) };
            rest += posterior * (first[d] * z + second[d] * square);
        }
    }
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            sums[lane] += sums[lane + width];
        }
        width /= 2;
    }
    sums[0] + rest
}

#[inline(always)]
fn lanes(slice: &[f32]) -> &[f32; LANES] {
    slice.first_chunk().expect("runs are cut to the number of lanes")
}
