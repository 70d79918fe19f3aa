//! Log densities of many samples at once, by one matrix product per block of samples.
//!
//! With y = x − offset, the log density of x under a component is a linear function of `[y, y²]`. The log densities of a block of
//! samples are therefore the product of a matrix with the rows `[y, y²]` and a fixed matrix.
//!
//! In `f32` this sum loses its digits by cancellation where a component is narrow; equal descriptors of flat image areas make such
//! components. The product therefore only finds the components that can matter, the candidates. `candidates.rs` then sums the
//! quadratic forms of the candidates directly.
//!
//! Where no posterior below 1e-6 is needed, the product is one of integers (`integer_tables.rs`), which takes less time.
//!
//! Samples that equal an earlier one, such as the zeroed descriptors of flat image areas, are computed once and copied.

use fisherlens_lanes::{LANES, multiply_add, vectorised};
use fisherlens_product::{Pair, Target, multiply};
use ndarray::{Array2, ArrayView1, ArrayView2, s};

use crate::error::MixtureError;
use crate::integer_tables::IntegerTables;

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
    /// `(2·D, K rounded up to a multiple of LANES)`: (μ − offset)/σ² in the first D rows, −½/σ² in the others. It has no rows if
    /// `integers` takes its place.
    matrix: Array2<f32>,
    /// ln w − Σ ln σ − D/2 · ln 2π − reference − ½ Σ (μ − offset)²/σ²; −∞ for the columns that fill up the last vector register.
    product_constants: Vec<f32>,
    /// The product with integers, if it is used in place of `matrix`.
    integers: Option<IntegerTables>,
    /// Bound of the product's error near each component. A sample adds its own error times `error_units`.
    errors: Vec<f32>,
    /// Factor of the error of a sample, for each component.
    error_units: Vec<f32>,
    /// ln w − Σ ln σ − D/2 · ln 2π.
    constants: Vec<f64>,
    /// The largest of `constants`.
    reference: f64,
    /// `(K, D rounded up to a multiple of LANES)`, filled up with zeros.
    means: Vec<[f32; LANES]>,
    /// 1/σ in the same layout.
    inverse_deviations: Vec<[f32; LANES]>,
}

/// Bound of the product's error for one sample: `errors + units · row_error`, one per component. It is infinite for a sample of which
/// the product says nothing.
#[derive(Clone, Copy)]
pub(crate) struct Slack<'a> {
    pub(crate) errors: &'a [f32],
    pub(crate) units: &'a [f32],
    row_error: f32,
}

impl<'a> Slack<'a> {
    /// Errors and units, one register of components after another.
    #[inline(always)]
    pub(crate) fn lanes(self) -> impl Iterator<Item = (&'a [f32; LANES], &'a [f32; LANES])> {
        self.errors.as_chunks().0.iter().zip(self.units.as_chunks().0)
    }

    /// The bound of one component.
    #[inline(always)]
    pub(crate) fn of(self, fused: bool, error: f32, unit: f32) -> f32 {
        multiply_add(fused, unit, self.row_error, error)
    }
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
    /// The same in integers.
    pub(crate) integer_design: Vec<Pair>,
    /// Error of each row of the product that is due to its sample.
    pub(crate) row_errors: Vec<f32>,
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
    /// `weights` `(K)`, `means` `(K, D)` and `variances` `(K, D)` of a mixture. `with_integers`: whether the product may be one of integers.
    pub(crate) fn new(
        weights: ArrayView1<'_, f32>,
        means: ArrayView2<'_, f32>,
        variances: ArrayView2<'_, f32>,
        with_integers: bool,
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
        // Column after column.
        let mut exact_matrix = vec![0.0; 2 * n_features * n_components];
        let mut mean_squares = vec![0.0; n_features];
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
                exact_matrix[2 * n_features * k + d] = mean / variance;
                exact_matrix[2 * n_features * k + n_features + d] = -0.5 / variance;
                mean_squares[d] += f64::from(weights[k]) * (variance + mean * mean);
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
        let (mut errors, mut error_units) = (vec![0.0; width], vec![0.0; width]);
        let integers = if with_integers { IntegerTables::new(&exact_matrix, &mean_squares, weights) } else { None };
        let n_rows = if integers.is_some() { 0 } else { 2 * n_features };
        let mut matrix = Array2::zeros((n_rows, width));
        for ((row, k), entry) in matrix.indexed_iter_mut().filter(|((_, k), _)| *k < n_components) {
            *entry = exact_matrix[2 * n_features * k + row] as f32;
        }
        for k in 0..n_components {
            product_constants[k] = (constants[k] - reference - half_squares[k]) as f32;
            errors[k] = (2.0 * half_squares[k]) as f32 * COMPONENT_SLACK;
            if let Some(integers) = &integers {
                product_constants[k] = (constants[k] - reference - half_squares[k] + integers.shifts()[k]) as f32;
                errors[k] += integers.errors()[k];
                error_units[k] = integers.units()[k];
            }
        }
        Self {
            n_components,
            offset,
            matrix,
            product_constants,
            integers,
            errors,
            error_units,
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
            // One of the two is made when it is needed. The steps of EM may need one and then the other.
            design: Array2::zeros((0, 2 * n_features)),
            integer_design: Vec::new(),
            row_errors: vec![0.0; BLOCK],
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
        let Workspace { start, sources, design, integer_design, row_errors, joint, .. } = workspace;
        let new = sources.iter().enumerate().filter(|(_, source)| source.is_none());
        let new = new.map(|(n, _)| self.sample(x, *start + n)).enumerate();
        let mut n_new = 0;
        if let Some(integers) = &self.integers {
            let n_pairs = integers.n_pairs();
            integer_design.resize(BLOCK * n_pairs, [0; 2]);
            for (row, sample) in new {
                let entries = &mut integer_design[row * n_pairs..][..n_pairs];
                row_errors[row] = integers.round(sample, &self.offset, entries);
                n_new += 1;
            }
            let joint = joint.as_slice_mut().expect("made in standard layout");
            let joint = &mut joint[..n_new * self.width()];
            integers.multiply(&integer_design[..n_new * n_pairs], &self.product_constants, joint);
            return;
        }
        if design.is_empty() {
            *design = Array2::zeros((BLOCK, 2 * n_features));
        }
        row_errors.fill(0.0);
        let rows = design.as_slice_mut().expect("made in standard layout");
        for (row, sample) in new {
            fill_design(sample, &self.offset, &mut rows[row * 2 * n_features..][..2 * n_features]);
            n_new += 1;
        }
        let mut joint = joint.slice_mut(s![..n_new, ..]);
        for mut row in joint.rows_mut() {
            row.as_slice_mut().expect("made in standard layout").copy_from_slice(&self.product_constants);
        }
        multiply(Target::AddTo(joint), design.slice(s![..n_new, ..]), self.matrix.view());
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

    /// Whether the product is one of integers.
    #[cfg(test)]
    pub(crate) fn has_integers(&self) -> bool {
        self.integers.is_some()
    }

    /// The number that log densities of the product are relative to.
    #[cfg(test)]
    pub(crate) fn reference(&self) -> f64 {
        self.reference
    }

    /// K.
    #[inline(always)]
    pub(crate) fn n_components(&self) -> usize {
        self.n_components
    }

    /// Bound of the product's error, for each component and a sample with this error.
    #[inline(always)]
    pub(crate) fn slack(&self, row_error: f32) -> Slack<'_> {
        Slack { errors: &self.errors, units: &self.error_units, row_error }
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
