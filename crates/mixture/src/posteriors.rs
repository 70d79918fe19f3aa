//! Log densities of many samples at once, by one matrix product per block of samples.
//!
//! With y = x − offset, the log density of x under a component is a linear function of `[y, y²]`. The log densities of a block of
//! samples are therefore the product of a matrix with the rows `[y, y²]` and a fixed matrix.
//!
//! In `f32` this sum loses its digits by cancellation where a component is narrow; equal descriptors of flat image areas make such
//! components. The product therefore only finds the components that can matter, the candidates. `candidates.rs` then sums the
//! quadratic forms of the candidates directly.
//!
//! Samples that equal an earlier one, such as the zeroed descriptors of flat image areas, are computed once and copied.

use fisherlens_lanes::{LANES, vectorised};
use fisherlens_product::{Target, multiply};
use ndarray::{Array2, ArrayView1, ArrayView2, s};

use crate::error::MixtureError;

/// Samples per product: inputs, product and matrix fit into a second-level cache.
const BLOCK: usize = 256;
/// Rounding error of the product relative to Σ (μ − offset)²/σ² of a component: about 16 units in the last place.
const COMPONENT_SLACK: f32 = 2e-6;

/// The parameters of a mixture, in the layout that the product and the second step (`candidates.rs`) need.
///
/// Log densities of the product are relative to `reference`, which keeps their rounding errors small.
pub(crate) struct PosteriorTables {
    n_components: usize,
    /// `(D)`: the mean of the mixture, Σ w·μ.
    offset: Vec<f32>,
    /// `(2·D, K rounded up to a multiple of LANES)`: (μ − offset)/σ² in the first D rows, −½/σ² in the others.
    matrix: Array2<f32>,
    /// ln w − Σ ln σ − D/2 · ln 2π − reference − ½ Σ (μ − offset)²/σ²; −∞ for the columns that fill up the last vector register.
    product_constants: Vec<f32>,
    /// Bound of the product's rounding error near each component.
    slack: Vec<f32>,
    /// ln w − Σ ln σ − D/2 · ln 2π.
    constants: Vec<f64>,
    /// The largest of `constants`.
    reference: f64,
    /// `(K, D rounded up to a multiple of LANES)`, filled up with zeros.
    means: Vec<[f32; LANES]>,
    /// 1/σ in the same layout.
    inverse_deviations: Vec<[f32; LANES]>,
}

/// Memory that all blocks of samples use in turn.
pub(crate) struct Workspace {
    /// First sample of the block.
    pub(crate) start: usize,
    /// For each sample of the block, the earlier sample of the call that it equals, if there is one. The product has rows only for the
    /// samples without an earlier equal.
    pub(crate) sources: Vec<Option<usize>>,
    /// `[y, y²]` for each row of the product.
    pub(crate) design: Array2<f32>,
    /// The product: one row of log densities per sample, one column per component.
    pub(crate) joint: Array2<f32>,
    /// One byte per column of the product.
    pub(crate) flags: Vec<u8>,
    /// The candidates of one sample.
    pub(crate) candidates: Vec<u32>,
    /// The log density of each candidate.
    pub(crate) candidate_values: Vec<f64>,
    /// The quadratic form of each candidate, one sum per lane.
    pub(crate) forms: Vec<[f32; LANES]>,
    /// exp(log density − the largest one) of each candidate, filled up with zeros.
    pub(crate) exponentials: Vec<f32>,
    /// One sample, filled up with zeros.
    pub(crate) padded: Vec<f32>,
}

impl PosteriorTables {
    /// `weights` `(K)`, `means` `(K, D)` and `variances` `(K, D)` of a mixture.
    pub(crate) fn new(
        weights: ArrayView1<'_, f32>,
        means: ArrayView2<'_, f32>,
        variances: ArrayView2<'_, f32>,
    ) -> Self {
        let (n_components, n_features) = means.dim();
        let width = n_components.next_multiple_of(LANES);
        let chunks = n_features.div_ceil(LANES);
        let offset: Vec<f32> = (0..n_features)
            .map(|d| {
                let sum: f64 = (0..n_components).map(|k| f64::from(weights[k]) * f64::from(means[[k, d]])).sum();
                sum as f32
            })
            .collect();
        let mut matrix = Array2::zeros((2 * n_features, width));
        let mut padded_means = vec![[0.0; LANES]; n_components * chunks];
        let mut inverse_deviations = padded_means.clone();
        let mut constants = vec![0.0; n_components];
        let mut half_squares = vec![0.0; n_components];
        for k in 0..n_components {
            let mut sum_log_deviations = 0.0;
            let mut sum_squares = 0.0;
            for d in 0..n_features {
                let variance = f64::from(variances[[k, d]]);
                let mean = f64::from(means[[k, d]]) - f64::from(offset[d]);
                matrix[[d, k]] = (mean / variance) as f32;
                matrix[[n_features + d, k]] = (-0.5 / variance) as f32;
                padded_means[k * chunks + d / LANES][d % LANES] = means[[k, d]];
                inverse_deviations[k * chunks + d / LANES][d % LANES] = (1.0 / variance.sqrt()) as f32;
                sum_log_deviations += 0.5 * variance.ln();
                sum_squares += mean * mean / variance;
            }
            constants[k] =
                f64::from(weights[k]).ln() - sum_log_deviations - 0.5 * n_features as f64 * std::f64::consts::TAU.ln();
            half_squares[k] = 0.5 * sum_squares;
        }
        let reference = constants.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let mut product_constants = vec![f32::NEG_INFINITY; width];
        let mut slack = vec![0.0; width];
        for k in 0..n_components {
            product_constants[k] = (constants[k] - reference - half_squares[k]) as f32;
            slack[k] = (2.0 * half_squares[k]) as f32 * COMPONENT_SLACK;
        }
        Self {
            n_components,
            offset,
            matrix,
            product_constants,
            slack,
            constants,
            reference,
            means: padded_means,
            inverse_deviations,
        }
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
            exponentials: Vec::with_capacity(self.width()),
            padded: vec![0.0; n_features.next_multiple_of(LANES)],
        }
    }

    /// Divides the samples from `start` on into new ones and ones that equal an earlier one, until a block of new ones is full. Returns
    /// the sample after the last one.
    ///
    /// A sample is compared only with the one before it and with `repeated`, the earlier sample that the last copy was equal to.
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

    /// Computes the product for the new samples of the block.
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

    /// Sample `n` of `x`.
    #[inline(always)]
    pub(crate) fn sample<'a>(&self, x: &'a [f32], n: usize) -> &'a [f32] {
        &x[n * self.offset.len()..][..self.offset.len()]
    }

    /// Number of columns of the product.
    #[inline(always)]
    pub(crate) fn width(&self) -> usize {
        self.product_constants.len()
    }

    /// K.
    #[inline(always)]
    pub(crate) fn n_components(&self) -> usize {
        self.n_components
    }

    /// Bound of the product's rounding error near each component.
    #[inline(always)]
    pub(crate) fn slack(&self) -> &[f32] {
        &self.slack
    }

    /// ln w − Σ ln σ − D/2 · ln 2π of a component.
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

    /// A log density relative to the reference of the product.
    #[inline(always)]
    pub(crate) fn relative(&self, log_density: f64) -> f32 {
        (log_density - self.reference) as f32
    }

    /// Computes the log density of one sample under every component in `f64`, lists all components as candidates, and returns the
    /// largest log density.
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

/// Refuses samples that do not have `n_features` columns or that hold a value that is not finite.
pub(crate) fn check_samples(x: ArrayView2<'_, f32>, n_features: usize) -> Result<(), MixtureError> {
    if x.ncols() != n_features {
        return Err(MixtureError::Dimension { what: "features per sample", expected: n_features, found: x.ncols() });
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

vectorised!(
    fn all_finite(values: &[f32]) -> bool {
        // Zero times a value is zero exactly when the value is finite, and the compiler turns a plain sum into vector instructions.
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
);

vectorised!(
    /// Writes `[y, y²]` of one sample, y = x − offset.
    fn fill_design(x: &[f32], offset: &[f32], design: &mut [f32]) {
        let (linear, square) = design.split_at_mut(offset.len());
        for (((linear, square), &x), &offset) in linear.iter_mut().zip(square).zip(x).zip(offset) {
            let y = x - offset;
            *linear = y;
            *square = y * y;
        }
    }
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_value_that_is_not_finite_is_found() {
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
