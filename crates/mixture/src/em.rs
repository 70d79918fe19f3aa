//! Learning a mixture by expectation maximisation (EM).

use std::ops::ControlFlow;

use fisherlens_lanes::{add, vectorised};
use linfa::{DatasetBase, traits::Fit};
use ndarray::{Array1, ArrayBase, ArrayView2, Data, Ix2};
use rayon::prelude::*;

use crate::diagonal_gmm::{DiagonalGmm, FitReport};
use crate::error::MixtureError;
use crate::init;
use crate::params::DiagonalGmmValidParams;
use crate::posteriors::check_samples;
use crate::statistics::{EStep, Statistics};

/// A component whose posteriors sum to less than this keeps its mean and variance.
const MIN_MASS: f64 = 1e-6;
/// Weight of such a component (`vedaldi2010`, `gmm.c`, `VL_GMM_MIN_PRIOR`).
const MIN_WEIGHT: f64 = 1e-6;
/// Number of samples that one task sums for the variance of the data.
const CHUNK: usize = 4096;

impl<D: Data<Elem = f32>, T> Fit<ArrayBase<D, Ix2>, T, MixtureError> for DiagonalGmmValidParams {
    type Object = DiagonalGmm;

    /// Learns a mixture from the records `(N, D)`; the formulas are at [`DiagonalGmmValidParams::fit_from`].
    fn fit(&self, dataset: &DatasetBase<ArrayBase<D, Ix2>, T>) -> Result<DiagonalGmm, MixtureError> {
        self.fit_with_progress(dataset.records().view(), &mut |_, _| ControlFlow::Continue(()))
    }
}

impl DiagonalGmmValidParams {
    /// Learns a mixture from `x` `(N, D)` and reports every iteration.
    ///
    /// `progress` is called with the number of EM iterations made so far and the mean log-likelihood per sample, first for the start with
    /// 0 iterations. When it returns [`ControlFlow::Break`], learning stops and the mixture reached so far is the result.
    ///
    /// # Errors
    /// The errors of [`DiagonalGmmValidParams::fit_from`], and an error when `x` has fewer distinct rows than the mixture has components.
    pub fn fit_with_progress(
        &self,
        x: ArrayView2<'_, f32>,
        progress: &mut dyn FnMut(usize, f64) -> ControlFlow<()>,
    ) -> Result<DiagonalGmm, MixtureError> {
        if x.ncols() == 0 {
            return Err(MixtureError::Dimension { what: "features per sample (at least)", expected: 1, found: 0 });
        }
        if x.nrows() < self.n_components {
            return Err(MixtureError::TooFewSamples { n_components: self.n_components, found: x.nrows() });
        }
        check_samples(x, x.ncols())?;
        let x = x.as_standard_layout();
        let variance = data_variance(x.view());
        let floor = self.variance_floors(&variance);
        let start = init::start(self, x.view(), variance.view(), floor.view())?;
        self.maximise(&start, x.view(), &floor, progress)
    }

    /// Learns a mixture from `x` `(N, D)` by EM that starts at the mixture `start`. The parameters `init` and `seed` are not used.
    ///
    /// ```text
    /// s0[k] = Σ_n γ[n,k]   s1[k] = Σ_n γ[n,k] (x[n] − μ[k])   s2[k] = Σ_n γ[n,k] (x[n] − μ[k])²
    /// w' = s0 / Σ s0       μ' = μ + s1/s0                     σ²' = max(s2/s0 − (s1/s0)² + reg_covar, floor)
    /// ```
    /// Posteriors γ below the posterior floor count as 0 in the sums. EM ends when the log-likelihoods L of two iterations differ by less
    /// than `tolerance`·|L|, or after the largest allowed number of iterations, which is not an error. A component whose s0 is below 1e-6
    /// keeps its mean and variance, with a weight of 1e-6. The result does not depend on the number of threads, to the last bit.
    ///
    /// # Errors
    /// When the number of components or features of `start` differs from the parameters or from `x`, when `x` has no rows, or when a
    /// value is not finite.
    ///
    /// # References
    /// `perronnin2010`; `vedaldi2010`, `gmm.c`.
    pub fn fit_from(&self, start: &DiagonalGmm, x: ArrayView2<'_, f32>) -> Result<DiagonalGmm, MixtureError> {
        self.fit_from_with_progress(start, x, &mut |_, _| ControlFlow::Continue(()))
    }

    /// [`fit_from`](Self::fit_from) that reports every iteration, as [`fit_with_progress`](Self::fit_with_progress) does.
    ///
    /// # Errors
    /// The errors of [`fit_from`](Self::fit_from).
    pub fn fit_from_with_progress(
        &self,
        start: &DiagonalGmm,
        x: ArrayView2<'_, f32>,
        progress: &mut dyn FnMut(usize, f64) -> ControlFlow<()>,
    ) -> Result<DiagonalGmm, MixtureError> {
        if start.n_components() != self.n_components {
            return Err(MixtureError::Dimension {
                what: "components of the start",
                expected: self.n_components,
                found: start.n_components(),
            });
        }
        if x.nrows() == 0 {
            return Err(MixtureError::TooFewSamples { n_components: self.n_components, found: 0 });
        }
        check_samples(x, start.n_features())?;
        let x = x.as_standard_layout();
        let floor = self.variance_floors(&data_variance(x.view()));
        self.maximise(start, x.view(), &floor, progress)
    }

    /// The lower bound of the variance of each feature, `(D)`, from the variances of the data.
    fn variance_floors(&self, variance: &Array1<f32>) -> Array1<f32> {
        // Where both floors are 0, the smallest normal number keeps 1/σ² finite.
        variance.mapv(|v| (v * self.variance_floor.relative).max(self.variance_floor.absolute).max(f32::MIN_POSITIVE))
    }

    /// Iterates E and M steps from `start` on.
    fn maximise(
        &self,
        start: &DiagonalGmm,
        x: ArrayView2<'_, f32>,
        floor: &Array1<f32>,
        progress: &mut dyn FnMut(usize, f64) -> ControlFlow<()>,
    ) -> Result<DiagonalGmm, MixtureError> {
        let mut model = start.clone();
        let mut e_step = EStep::new(&model);
        let mut report = FitReport::default();
        loop {
            // The last E step only computes the log-likelihood, because no M step follows it.
            let is_last = report.n_iterations == self.max_n_iterations;
            let statistics = e_step.gather(&model, x, if is_last { None } else { Some(self.posterior_floor) });
            let log_likelihood = statistics.log_likelihood / x.nrows() as f64;
            let previous = report.log_likelihood_trace.last().copied();
            report.log_likelihood_trace.push(log_likelihood);
            report.converged = previous
                .is_some_and(|previous| (log_likelihood - previous).abs() < self.tolerance * log_likelihood.abs());
            let stop = progress(report.n_iterations, log_likelihood).is_break();
            if report.converged || is_last || stop {
                return Ok(model.with_report(report));
            }
            model = self.update(&model, &statistics, floor)?;
            report.n_iterations += 1;
        }
    }

    /// The M step.
    fn update(
        &self,
        model: &DiagonalGmm,
        statistics: &Statistics,
        floor: &Array1<f32>,
    ) -> Result<DiagonalGmm, MixtureError> {
        let n_features = model.n_features();
        let total: f64 = statistics.mass.iter().sum();
        let mut weights = Array1::<f64>::from_elem(model.n_components(), MIN_WEIGHT);
        let mut means = model.means().to_owned();
        let mut variances = model.variances().to_owned();
        for (k, &mass) in statistics.mass.iter().enumerate().filter(|&(_, &mass)| mass >= MIN_MASS) {
            weights[k] = mass / total;
            for d in 0..n_features {
                let shift = statistics.first[k * n_features + d] / mass;
                let variance = statistics.second[k * n_features + d] / mass - shift * shift + f64::from(self.reg_covar);
                means[[k, d]] = (f64::from(means[[k, d]]) + shift) as f32;
                variances[[k, d]] = (variance as f32).max(floor[d]);
            }
        }
        weights /= weights.sum();
        DiagonalGmm::from_parts(weights.mapv(|weight| weight as f32), means, variances)
    }
}

/// Variance of every feature, `(D)`, for `x` `(N, D)` in standard layout.
///
/// The sums are in `f64` and about the first sample, so that a large mean does not cost digits.
fn data_variance(x: ArrayView2<'_, f32>) -> Array1<f32> {
    let n_features = x.ncols();
    let values = x.as_slice().expect("the callers bring samples to standard layout");
    let origin: Vec<f64> = values[..n_features].iter().map(|&value| f64::from(value)).collect();
    // The chunks are fixed and their sums are added in order, so that the result does not depend on the number of threads.
    let parts: Vec<Vec<f64>> = values.par_chunks(CHUNK * n_features).map(|rows| sums_about(&origin, rows)).collect();
    let mut sums = vec![0.0; 2 * n_features];
    for part in &parts {
        add(&mut sums, part);
    }
    let n = x.nrows() as f64;
    (0..n_features).map(|d| ((sums[n_features + d] / n - (sums[d] / n).powi(2)).max(0.0)) as f32).collect()
}

vectorised!(
    /// Sums over rows of the differences from `origin` `(D)`, followed by the sums of their squares: `(2·D)`.
    fn sums_about(origin: &[f64], rows: &[f32]) -> Vec<f64> {
        let mut sums = vec![0.0; 2 * origin.len()];
        let (first, second) = sums.split_at_mut(origin.len());
        for row in rows.chunks_exact(origin.len()) {
            for (((first, second), &origin), &x) in first.iter_mut().zip(second.iter_mut()).zip(origin).zip(row) {
                let difference = f64::from(x) - origin;
                *first += difference;
                *second += difference * difference;
            }
        }
        sums
    }
);
