//! Posteriors of many samples at once: one matrix product, then an exact second look at the components that matter.
//!
//! The log densities of a block of rows are a matrix product of `[y, y²]`, y = x − offset, with a fixed matrix. In `f32` that sum
//! cancels where a component is narrow (equal descriptors of flat image areas make such components), so that the
//! product only chooses candidates; their quadratic forms are then summed directly (`finish.rs`). Rows equal to an earlier one, such as the
//! zeroed descriptors of flat image areas, are looked at once.

use std::ops::Range;

use fisherlens_lanes::LANES;
use fisherlens_product::{Target, multiply};
use ndarray::{Array2, ArrayView2, s};

use crate::{DiagonalGmm, MixtureError};

/// Rows worked on at a time: inputs, product and matrix stay in a second-level cache.
const BLOCK: usize = 256;
/// Rounding of the product over Σ (μ − offset)²/σ² of a component, some 16 units in the last place.
const COMPONENT_SLACK: f32 = 2e-6;

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

    /// Appends a row: the entries times `scale` that are not below `floor`.
    #[inline(always)]
    pub(crate) fn append_row(&mut self, entries: impl Iterator<Item = (u32, f32)>, scale: f32, floor: f32) {
        for (component, value) in entries {
            let posterior = value * scale;
            if posterior >= floor {
                self.components.push(component);
                self.values.push(posterior);
            }
        }
        self.offsets.push(self.values.len());
    }

    /// Appends a row: the entries of the components listed, out of a whole row of them, times `scale`.
    #[inline(always)]
    pub(crate) fn append_listed(&mut self, components: &[u32], row: &[f32], scale: f32) {
        self.components.extend_from_slice(components);
        self.values.extend(components.iter().map(|&component| row[component as usize] * scale));
        self.offsets.push(self.values.len());
    }

    /// Appends a copy of row `n`.
    pub(crate) fn repeat_row(&mut self, n: usize) {
        let entries = self.entries(n);
        self.components.extend_from_within(entries.clone());
        self.values.extend_from_within(entries);
        self.offsets.push(self.values.len());
    }

    fn entries(&self, n: usize) -> Range<usize> {
        self.offsets[n]..self.offsets[n + 1]
    }

    /// Components and posteriors of row `n`.
    ///
    /// # Panics
    /// When there is no such row.
    pub fn row(&self, n: usize) -> (&[u32], &[f32]) {
        let entries = self.entries(n);
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
    /// `(K, D rounded up to LANES)`, filled up with zeros.
    means: Vec<[f32; LANES]>,
    /// Likewise: 1/σ.
    inverse_deviations: Vec<[f32; LANES]>,
}

/// Memory that blocks of rows reuse.
pub(crate) struct Workspace {
    /// First row of the block.
    pub(crate) start: usize,
    /// For each row of the block the earlier row of the call that it equals, if there is one; only the others are in the product.
    pub(crate) sources: Vec<Option<usize>>,
    /// `[y, y²]` of the rows of the product.
    pub(crate) design: Array2<f32>,
    /// The product: a row of log densities by component.
    pub(crate) joint: Array2<f32>,
    /// One a column of the product.
    pub(crate) flags: Vec<u8>,
    pub(crate) candidates: Vec<u32>,
    pub(crate) candidate_values: Vec<f64>,
    pub(crate) forms: Vec<[f32; LANES]>,
    pub(crate) exponents: Vec<f32>,
    /// One sample, filled up with zeros.
    pub(crate) padded: Vec<f32>,
}

impl PosteriorKernel {
    pub(crate) fn new(mixture: &DiagonalGmm) -> Self {
        let (n_components, n_features) = mixture.means().dim();
        let width = n_components.next_multiple_of(LANES);
        let chunks = n_features.div_ceil(LANES);
        let offset: Vec<f32> = (0..n_features)
            .map(|d| {
                let sum: f64 = (0..n_components)
                    .map(|k| f64::from(mixture.weights()[k]) * f64::from(mixture.means()[[k, d]]))
                    .sum();
                sum as f32
            })
            .collect();
        let mut matrix = Array2::zeros((2 * n_features, width));
        let mut means = vec![[0.0; LANES]; n_components * chunks];
        let mut inverse_deviations = means.clone();
        let mut constants = vec![0.0; n_components];
        let mut half_squares = vec![0.0; n_components];
        for k in 0..n_components {
            let mut sum_log_deviations = 0.0;
            let mut sum_squares = 0.0;
            for d in 0..n_features {
                let variance = f64::from(mixture.variances()[[k, d]]);
                let mean = f64::from(mixture.means()[[k, d]]) - f64::from(offset[d]);
                matrix[[d, k]] = (mean / variance) as f32;
                matrix[[n_features + d, k]] = (-0.5 / variance) as f32;
                means[k * chunks + d / LANES][d % LANES] = mixture.means()[[k, d]];
                inverse_deviations[k * chunks + d / LANES][d % LANES] = (1.0 / variance.sqrt()) as f32;
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
        let n_features = self.offset.len();
        Workspace {
            start: 0,
            sources: Vec::with_capacity(BLOCK),
            design: Array2::zeros((BLOCK, 2 * n_features)),
            joint: Array2::zeros((BLOCK, self.width())),
            flags: vec![0; self.width()],
            candidates: Vec::with_capacity(self.n_components),
            candidate_values: Vec::with_capacity(self.n_components),
            forms: Vec::with_capacity(self.n_components),
            exponents: Vec::with_capacity(self.width()),
            padded: vec![0.0; n_features.next_multiple_of(LANES)],
        }
    }

    /// Marks rows from `start` on as new or as equal to an earlier one, until a block of new ones is full; returns the row after them.
    /// A row is compared with the one before it and with the last row that came twice.
    pub(crate) fn choose_rows(
        &self,
        x: &[f32],
        start: usize,
        n_rows: usize,
        repeated: &mut Option<usize>,
        workspace: &mut Workspace,
    ) -> usize {
        workspace.start = start;
        workspace.sources.clear();
        let mut n_new = 0;
        let mut row = start;
        while row < n_rows && n_new < BLOCK {
            let sample = self.sample(x, row);
            let equals = |other: &usize| self.sample(x, *other) == sample;
            let source = repeated.filter(equals).or_else(|| row.checked_sub(1).filter(equals));
            if source.is_some() {
                *repeated = source;
            } else {
                n_new += 1;
            }
            workspace.sources.push(source);
            row += 1;
        }
        row
    }

    /// The product of the block's new rows.
    pub(crate) fn multiply_block(&self, x: &[f32], workspace: &mut Workspace) {
        let n_features = self.offset.len();
        let design = workspace.design.as_slice_mut().expect("made in standard layout");
        let mut n_new = 0;
        for (n, _) in workspace.sources.iter().enumerate().filter(|(_, source)| source.is_none()) {
            let design = &mut design[n_new * 2 * n_features..][..2 * n_features];
            fill_design(self.sample(x, workspace.start + n), &self.offset, design);
            n_new += 1;
        }
        let joint = workspace.joint.as_slice_mut().expect("made in standard layout");
        for row in joint.chunks_exact_mut(self.width()).take(n_new) {
            row.copy_from_slice(&self.product_constants);
        }
        let target = Target::AddTo(workspace.joint.slice_mut(s![..n_new, ..]));
        multiply(target, workspace.design.slice(s![..n_new, ..]), self.matrix.view());
    }

    /// Row `n` of samples.
    #[inline(always)]
    pub(crate) fn sample<'a>(&self, x: &'a [f32], n: usize) -> &'a [f32] {
        &x[n * self.offset.len()..][..self.offset.len()]
    }

    /// Columns of the product.
    #[inline(always)]
    pub(crate) fn width(&self) -> usize {
        self.product_constants.len()
    }

    #[inline(always)]
    pub(crate) fn n_components(&self) -> usize {
        self.n_components
    }

    #[inline(always)]
    pub(crate) fn slack(&self) -> &[f32] {
        &self.slack
    }

    #[inline(always)]
    pub(crate) fn constant(&self, component: u32) -> f64 {
        self.constants[component as usize]
    }

    /// Mean and 1/σ of a component.
    #[inline(always)]
    pub(crate) fn component(&self, component: u32) -> (&[[f32; LANES]], &[[f32; LANES]]) {
        let chunks = self.means.len() / self.n_components;
        let run = component as usize * chunks..(component as usize + 1) * chunks;
        (&self.means[run.clone()], &self.inverse_deviations[run])
    }

    /// A log density in the product's scale.
    #[inline(always)]
    pub(crate) fn relative(&self, log_density: f64) -> f32 {
        (log_density - self.reference) as f32
    }

    /// Log densities of one sample under all components, in `f64`.
    pub(crate) fn slow_row(&self, x: &[f32], candidates: &mut Vec<u32>, values: &mut Vec<f64>) -> f64 {
        candidates.clear();
        values.clear();
        for k in 0..self.n_components as u32 {
            let (means, inverse_deviations) = self.component(k);
            let sum: f64 = x
                .iter()
                .zip(means.as_flattened())
                .zip(inverse_deviations.as_flattened())
                .map(|((&x, &mean), &inverse)| {
                    let z = (f64::from(x) - f64::from(mean)) * f64::from(inverse);
                    z * z
                })
                .sum();
            candidates.push(k);
            values.push(self.constant(k) - 0.5 * sum);
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
fn fill_design(x: &[f32], offset: &[f32], design: &mut [f32]) {
    let (linear, square) = design.split_at_mut(offset.len());
    for (((linear, square), &x), &offset) in linear.iter_mut().zip(square).zip(x).zip(offset) {
        let y = x - offset;
        *linear = y;
        *square = y * y;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
