//! Posteriors of many samples at once: one matrix product, then an exact second look at the components that matter.
//!
//! The log densities of a block of rows are a matrix product of `[y, y²]`, y = x − offset, with a fixed matrix. In `f32` that sum
//! cancels where a component is narrow (equal descriptors of flat image areas make such components), so that the
//! product only chooses candidates; their quadratic forms are then summed directly.

use ndarray::{Array2, ArrayView2, linalg::general_mat_mul, s};

use crate::{DiagonalGmm, MixtureError};

/// Rows worked on at a time: inputs, product and matrix stay in a second-level cache.
pub(crate) const BLOCK: usize = 256;
/// Width of the loops over components and features, one AVX-512 register of `f32`.
pub(crate) const LANES: usize = 16;
/// Components whose posterior surely lies below this (or below the floor, where that is lower) keep the product's value. Lower
/// than the floors in use, so that the sum over the components is right as well.
const CANDIDATE_POSTERIOR: f32 = 1e-4;
/// No candidate is sought below this posterior, whatever the floor: the product's relative error there no longer counts.
const LEAST_CANDIDATE_POSTERIOR: f32 = 1e-6;
/// Added in logarithms to the distance at which candidates are sought.
const MARGIN: f32 = 1.0;
/// Rounding of the product over Σ (μ − offset)²/σ² of a component, some 16 units in the last place.
const COMPONENT_SLACK: f32 = 2e-6;
/// Rounding of the product over the size of the row's largest log density, for rows far from every component.
const ROW_SLACK: f32 = 1e-5;
/// Below, exp is taken as 0; e^-87 is the smallest normal `f32`.
const LEAST_EXPONENT: f32 = -87.0;

/// Posteriors of many samples, without those that fell below a floor.
///
/// Rows in CSR form: row n is `components[offsets[n]..offsets[n + 1]]`, rising, and `values` the posteriors, in (0, 1] (0 can
/// appear where the floor was 0).
#[derive(Debug, Clone, PartialEq)]
pub struct SparsePosteriors {
    /// One more than there are rows; starts with 0.
    pub offsets: Vec<usize>,
    /// Component of each entry.
    pub components: Vec<u32>,
    /// Posterior of each entry.
    pub values: Vec<f32>,
}

impl SparsePosteriors {
    pub(crate) fn with_capacity(n_rows: usize) -> Self {
        let mut offsets = Vec::with_capacity(n_rows + 1);
        offsets.push(0);
        Self { offsets, components: Vec::with_capacity(8 * n_rows), values: Vec::with_capacity(8 * n_rows) }
    }

    pub(crate) fn clear(&mut self) {
        self.offsets.truncate(1);
        self.components.clear();
        self.values.clear();
    }

    /// Components and posteriors of row `n`.
    ///
    /// # Panics
    /// When there is no such row.
    pub fn row(&self, n: usize) -> (&[u32], &[f32]) {
        let entries = self.offsets[n]..self.offsets[n + 1];
        (&self.components[entries.clone()], &self.values[entries])
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A mixture laid out for the product. Log densities of the product are relative to `reference`.
pub(crate) struct PosteriorKernel {
    n_components: usize,
    offset: Vec<f32>,
    /// `(2·D, K rounded up to LANES)`: (μ − offset)/σ² above −½/σ².
    matrix: Array2<f32>,
    /// ln w − Σ ln σ − reference − ½ Σ (μ − offset)²/σ²; −∞ for the columns that fill up.
    product_constants: Vec<f32>,
    /// Bound of the product's rounding near a component.
    slack: Vec<f32>,
    /// ln w − Σ ln σ − D/2 · ln 2π.
    constants: Vec<f64>,
    reference: f64,
    /// `(K, D)`.
    means: Vec<f32>,
    /// `(K, D)`: 1/σ.
    inverse_deviations: Vec<f32>,
}

/// Memory that blocks of rows reuse.
pub(crate) struct Workspace {
    design: Array2<f32>,
    joint: Array2<f32>,
    candidates: Vec<u32>,
    candidate_values: Vec<f64>,
    exponents: Vec<f32>,
}

impl PosteriorKernel {
    pub(crate) fn new(mixture: &DiagonalGmm) -> Self {
        let (n_components, n_features) = mixture.means().dim();
        let width = n_components.next_multiple_of(LANES);
        let means: Vec<f32> = mixture.means().iter().copied().collect();
        let offset: Vec<f32> = (0..n_features)
            .map(|d| {
                let sum: f64 = (0..n_components)
                    .map(|k| f64::from(mixture.weights()[k]) * f64::from(means[k * n_features + d]))
                    .sum();
                sum as f32
            })
            .collect();
        let mut matrix = Array2::zeros((2 * n_features, width));
        let mut inverse_deviations = vec![0.0; n_components * n_features];
        let mut constants = vec![0.0; n_components];
        let mut half_squares = vec![0.0; n_components];
        for k in 0..n_components {
            let mut sum_log_deviations = 0.0;
            let mut sum_squares = 0.0;
            for d in 0..n_features {
                let variance = f64::from(mixture.variances()[[k, d]]);
                let mean = f64::from(means[k * n_features + d]) - f64::from(offset[d]);
                matrix[[d, k]] = (mean / variance) as f32;
                matrix[[n_features + d, k]] = (-0.5 / variance) as f32;
                inverse_deviations[k * n_features + d] = (1.0 / variance.sqrt()) as f32;
                sum_log_deviations += 0.5 * variance.ln();
                sum_squares += mean * mean / variance;
            }
            constants[k] = f64::from(mixture.weights()[k]).ln()
                - sum_log_deviations
                - 0.5 * n_features as f64 * std::f64::consts::TAU.ln();
            half_squares[k] = 0.5 * sum_squares;
        }
        let reference = constants.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let mut product_constants = vec![f32::NEG_INFINITY; width];
        let mut slack = vec![0.0; width];
        for k in 0..n_components {
            product_constants[k] = (constants[k] - reference - half_squares[k]) as f32;
            slack[k] = (2.0 * half_squares[k]) as f32 * COMPONENT_SLACK;
        }
        Self { n_components, offset, matrix, product_constants, slack, constants, reference, means, inverse_deviations }
    }

    pub(crate) fn workspace(&self) -> Workspace {
        Workspace {
            design: Array2::zeros((BLOCK, 2 * self.offset.len())),
            joint: Array2::zeros((BLOCK, self.product_constants.len())),
            candidates: Vec::with_capacity(self.n_components),
            candidate_values: Vec::with_capacity(self.n_components),
            exponents: Vec::with_capacity(self.n_components),
        }
    }

    /// Appends the rows' posteriors of at least `floor` to `posteriors` and the rows' log densities to `log_densities`. `x`
    /// holds finite values in standard layout.
    pub(crate) fn append(
        &self,
        x: ArrayView2<'_, f32>,
        floor: f32,
        workspace: &mut Workspace,
        posteriors: &mut SparsePosteriors,
        mut log_densities: Option<&mut Vec<f64>>,
    ) {
        let n_features = self.offset.len();
        for start in (0..x.nrows()).step_by(BLOCK) {
            let end = x.nrows().min(start + BLOCK);
            let n_rows = end - start;
            let rows = x.slice(s![start..end, ..]);
            let rows = rows.as_slice().expect("the callers bring samples to standard layout");
            let design = workspace.design.as_slice_mut().expect("made in standard layout");
            fill_design(rows, &self.offset, &mut design[..n_rows * 2 * n_features]);
            let joint = workspace.joint.as_slice_mut().expect("made in standard layout");
            for row in joint.chunks_exact_mut(self.product_constants.len()).take(n_rows) {
                row.copy_from_slice(&self.product_constants);
            }
            general_mat_mul(
                1.0,
                &workspace.design.slice(s![..n_rows, ..]),
                &self.matrix,
                1.0,
                &mut workspace.joint.slice_mut(s![..n_rows, ..]),
            );
            finish_block(self, rows, floor, n_rows, workspace, posteriors, log_densities.as_deref_mut());
        }
    }

    /// Log densities of one sample under all components, in `f64`.
    fn slow_row(&self, x: &[f32], candidates: &mut Vec<u32>, values: &mut Vec<f64>) -> f64 {
        let n_features = x.len();
        candidates.clear();
        values.clear();
        for k in 0..self.n_components {
            let run = k * n_features..(k + 1) * n_features;
            let sum: f64 = x
                .iter()
                .zip(&self.means[run.clone()])
                .zip(&self.inverse_deviations[run])
                .map(|((&x, &mean), &inverse)| {
                    let z = (f64::from(x) - f64::from(mean)) * f64::from(inverse);
                    z * z
                })
                .sum();
            candidates.push(k as u32);
            values.push(self.constants[k] - 0.5 * sum);
        }
        values.iter().copied().fold(f64::NEG_INFINITY, f64::max)
    }
}

/// Refuses samples that the mixture does not fit or that are not finite.
pub(crate) fn check_samples(x: ArrayView2<'_, f32>, n_features: usize) -> Result<(), MixtureError> {
    if x.ncols() != n_features {
        return Err(MixtureError::Dimension { what: "features of a sample", expected: n_features, found: x.ncols() });
    }
    let all_finite = match x.as_slice() {
        Some(values) => all_finite(values),
        None => x.iter().all(|value| value.is_finite()),
    };
    if all_finite {
        return Ok(());
    }
    match x.indexed_iter().find(|(_, value)| !value.is_finite()) {
        Some(((sample, feature), &found)) => Err(MixtureError::NotFinite { sample, feature, found }),
        None => Ok(()),
    }
}

#[multiversion::multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512dq+avx512vl+fma+avx2",
    "x86_64+avx2+fma",
    "aarch64+neon"
))]
fn all_finite(values: &[f32]) -> bool {
    // Zero times a value is zero exactly when the value is finite, and a plain sum vectorises over lanes.
    let mut sums = [0.0_f32; 4 * LANES];
    let chunks = values.chunks_exact(4 * LANES);
    let rest: f32 = chunks.remainder().iter().map(|value| value * 0.0).sum();
    for chunk in chunks {
        for (sum, value) in sums.iter_mut().zip(chunk) {
            *sum += value * 0.0;
        }
    }
    rest + sums.iter().sum::<f32>() == 0.0
}

#[multiversion::multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512dq+avx512vl+fma+avx2",
    "x86_64+avx2+fma",
    "aarch64+neon"
))]
fn fill_design(rows: &[f32], offset: &[f32], design: &mut [f32]) {
    let n_features = offset.len();
    for (row, design) in rows.chunks_exact(n_features).zip(design.chunks_exact_mut(2 * n_features)) {
        let (linear, square) = design.split_at_mut(n_features);
        let whole = n_features - n_features % LANES;
        for start in (0..whole).step_by(LANES) {
            let lanes = start..start + LANES;
            let (x, offset) = (&row[lanes.clone()], &offset[lanes.clone()]);
            let (linear, square) = (&mut linear[lanes.clone()], &mut square[lanes]);
            for lane in 0..LANES {
                let y = x[lane] - offset[lane];
                linear[lane] = y;
                square[lane] = y * y;
            }
        }
        for d in whole..n_features {
            let y = row[d] - offset[d];
            linear[d] = y;
            square[d] = y * y;
        }
    }
}

/// From the product to posteriors, row by row.
#[multiversion::multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512dq+avx512vl+fma+avx2",
    "x86_64+avx2+fma",
    "aarch64+neon"
))]
fn finish_block(
    kernel: &PosteriorKernel,
    rows: &[f32],
    floor: f32,
    n_rows: usize,
    workspace: &mut Workspace,
    posteriors: &mut SparsePosteriors,
    mut log_densities: Option<&mut Vec<f64>>,
) {
    let n_features = kernel.offset.len();
    let width = kernel.product_constants.len();
    let sought = floor.clamp(LEAST_CANDIDATE_POSTERIOR, CANDIDATE_POSTERIOR);
    let depth = MARGIN - sought.ln();
    let Workspace { joint, candidates, candidate_values, exponents, .. } = workspace;
    let joint = joint.as_slice_mut().expect("made in standard layout");
    for (row, x) in joint.chunks_exact_mut(width).zip(rows.chunks_exact(n_features)).take(n_rows) {
        let largest = largest_lower_bound(row, &kernel.slack);
        let threshold = largest - depth - ROW_SLACK * largest.abs();
        find_candidates(row, &kernel.slack, threshold, kernel.n_components, candidates);
        candidate_values.clear();
        let mut best = f64::NEG_INFINITY;
        for &k in candidates.iter() {
            let k = k as usize;
            let run = k * n_features..(k + 1) * n_features;
            let form = quadratic_form(x, &kernel.means[run.clone()], &kernel.inverse_deviations[run]);
            let value = kernel.constants[k] - 0.5 * f64::from(form);
            best = best.max(value);
            candidate_values.push(value);
        }
        if !best.is_finite() {
            // Some square left the range of f32.
            best = kernel.slow_row(x, candidates, candidate_values);
        }
        for &k in candidates.iter() {
            row[k as usize] = f32::NEG_INFINITY;
        }
        let rest = exponentiate(row, (best - kernel.reference) as f32);
        exponents.clear();
        exponents.extend(candidate_values.iter().map(|value| (value - best) as f32));
        exponents.resize(candidates.len().next_multiple_of(LANES), f32::NEG_INFINITY);
        let sum = exponentiate(exponents, 0.0) + rest;
        if let Some(log_densities) = log_densities.as_deref_mut() {
            log_densities.push(best + f64::from(sum).ln());
        }
        let scale = 1.0 / sum;
        if floor >= LEAST_CANDIDATE_POSTERIOR {
            for (&k, &value) in candidates.iter().zip(exponents.iter()) {
                let posterior = value * scale;
                if posterior >= floor {
                    posteriors.components.push(k);
                    posteriors.values.push(posterior);
                }
            }
        } else {
            for (&k, &value) in candidates.iter().zip(exponents.iter()) {
                row[k as usize] = value;
            }
            for (k, &value) in row[..kernel.n_components].iter().enumerate() {
                let posterior = value * scale;
                if posterior >= floor {
                    posteriors.components.push(k as u32);
                    posteriors.values.push(posterior);
                }
            }
        }
        posteriors.offsets.push(posteriors.values.len());
    }
}

#[inline(always)]
fn largest_lower_bound(row: &[f32], slack: &[f32]) -> f32 {
    let mut largest = [f32::NEG_INFINITY; LANES];
    for (values, slacks) in row.chunks_exact(LANES).zip(slack.chunks_exact(LANES)) {
        for lane in 0..LANES {
            let bound = values[lane] - slacks[lane];
            largest[lane] = if bound > largest[lane] { bound } else { largest[lane] };
        }
    }
    largest.iter().copied().fold(f32::NEG_INFINITY, f32::max)
}

/// Components whose density may exceed the threshold. Comparisons are turned round, so that what is not a number is looked at.
#[inline(always)]
fn find_candidates(row: &[f32], slack: &[f32], threshold: f32, n_components: usize, candidates: &mut Vec<u32>) {
    candidates.clear();
    for (chunk, (values, slacks)) in row.chunks_exact(LANES).zip(slack.chunks_exact(LANES)).enumerate() {
        let mut mask = 0_u32;
        for lane in 0..LANES {
            let below = values[lane] + slacks[lane] <= threshold;
            mask |= u32::from(!below) << lane;
        }
        while mask != 0 {
            let k = (chunk * LANES) as u32 + mask.trailing_zeros();
            if (k as usize) < n_components {
                candidates.push(k);
            }
            mask &= mask - 1;
        }
    }
}

/// `Σ_d` ((x − μ)/σ)².
#[inline(always)]
fn quadratic_form(x: &[f32], mean: &[f32], inverse_deviation: &[f32]) -> f32 {
    let mut sums = [0.0_f32; LANES];
    let x_chunks = x.chunks_exact(LANES);
    let mean_chunks = mean.chunks_exact(LANES);
    let inverse_chunks = inverse_deviation.chunks_exact(LANES);
    let mut rest = 0.0;
    for ((x, mean), inverse) in x_chunks.remainder().iter().zip(mean_chunks.remainder()).zip(inverse_chunks.remainder())
    {
        let z = (x - mean) * inverse;
        rest += z * z;
    }
    for ((x, mean), inverse) in x_chunks.zip(mean_chunks).zip(inverse_chunks) {
        for lane in 0..LANES {
            let z = (x[lane] - mean[lane]) * inverse[lane];
            sums[lane] += z * z;
        }
    }
    sum_lanes(sums) + rest
}

#[inline(always)]
fn sum_lanes(mut sums: [f32; LANES]) -> f32 {
    let mut half = LANES / 2;
    while half > 0 {
        for lane in 0..half {
            sums[lane] += sums[lane + half];
        }
        half /= 2;
    }
    sums[0]
}

/// Turns every value v into exp(v − shift) and returns their sum; the length is a multiple of `LANES`.
#[inline(always)]
fn exponentiate(values: &mut [f32], shift: f32) -> f32 {
    let mut sums = [0.0_f32; LANES];
    for chunk in values.chunks_exact_mut(LANES) {
        for lane in 0..LANES {
            let value = exponential(chunk[lane] - shift);
            chunk[lane] = value;
            sums[lane] += value;
        }
    }
    sum_lanes(sums)
}

/// exp(x) for x ≤ 0, or near 0 from above, within 1e-7 of it; 0 below −87.
#[inline(always)]
fn exponential(x: f32) -> f32 {
    // Adding 1.5·2^23 leaves the nearest integer in the low bits, without the slow saturating cast.
    const ROUNDING: f32 = 12_582_912.0;
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    let clamped = if x > LEAST_EXPONENT { x } else { LEAST_EXPONENT };
    let rounded = clamped * std::f32::consts::LOG2_E + ROUNDING;
    let n = rounded - ROUNDING;
    let r = (clamped - n * LN_2_HIGH) - n * LN_2_LOW;
    // Coefficients of Cephes' expf.
    let mut p = 1.987_569_1e-4;
    p = p * r + 1.398_199_9e-3;
    p = p * r + 8.333_452e-3;
    p = p * r + 4.166_579_6e-2;
    p = p * r + 1.666_666_5e-1;
    p = p * r + 0.5;
    p = p * (r * r) + r + 1.0;
    let power = f32::from_bits(rounded.to_bits().wrapping_add(127) << 23);
    if x > LEAST_EXPONENT { p * power } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponential_is_right_to_the_last_places() {
        for i in 0..870_000 {
            let x = -(i as f32) * 1e-4;
            let expected = f64::from(x).exp();
            assert!((f64::from(exponential(x)) - expected).abs() <= 1.5e-7 * expected, "{x}");
        }
        assert_eq!(exponential(f32::NEG_INFINITY), 0.0);
        assert_eq!(exponential(0.0), 1.0);
    }

    #[test]
    fn finds_the_one_value_that_is_not_finite() {
        let mut values = vec![1.0_f32; 1000];
        assert!(all_finite(&values));
        for place in [0, 63, 64, 999] {
            for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                values[place] = bad;
                assert!(!all_finite(&values));
                values[place] = 1.0;
            }
        }
    }
}
