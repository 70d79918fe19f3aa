//! Learning a mixture by expectation maximisation (EM).

use std::ops::ControlFlow;

use linfa::{DatasetBase, traits::Fit};
use ndarray::{Array1, ArrayBase, ArrayView2, Data, Ix2};

use crate::diagonal_gmm::DiagonalGmm;
use crate::em_state::EmState;
use crate::error::MixtureError;
use crate::init;
use crate::params::DiagonalGmmValidParams;
use crate::posteriors::check_samples;
use crate::statistics::{EStep, Statistics};
use crate::variance::VarianceSums;

/// A component whose posteriors sum to less than this keeps its mean and variance.
const MIN_MASS: f64 = 1e-6;
/// Weight of such a component (`vedaldi2010`, `gmm.c`, `VL_GMM_MIN_PRIOR`).
const MIN_WEIGHT: f64 = 1e-6;

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
        let state = self.start_state(x.view(), &VarianceSums::of(x.view()))?;
        self.maximise(state, x.view(), progress)
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
        self.check_components("components of the start", start)?;
        if x.nrows() == 0 {
            return Err(MixtureError::TooFewSamples { n_components: self.n_components, found: 0 });
        }
        check_samples(x, start.n_features())?;
        let x = x.as_standard_layout();
        let state = self.state_of(start.clone(), &VarianceSums::of(x.view()));
        self.maximise(state, x.view(), progress)
    }

    /// Refuses a mixture with another number of components.
    pub(crate) fn check_components(&self, what: &'static str, mixture: &DiagonalGmm) -> Result<(), MixtureError> {
        let (expected, found) = (self.n_components, mixture.n_components());
        if expected == found { Ok(()) } else { Err(MixtureError::Dimension { what, expected, found }) }
    }

    /// The state before the first iteration, with a start made from `rows` `(M, D)`. `sums`: variances of all samples.
    pub(crate) fn start_state(&self, rows: ArrayView2<'_, f32>, sums: &VarianceSums) -> Result<EmState, MixtureError> {
        let variance = sums.variance();
        let floor = self.floors(&variance);
        let start = init::start(self, rows, variance.view(), floor.view())?;
        Ok(EmState::new(start, floor, sums.n_samples()))
    }

    /// The state before the first iteration, with a given start. `sums`: variances of all samples.
    pub(crate) fn state_of(&self, start: DiagonalGmm, sums: &VarianceSums) -> EmState {
        EmState::new(start, self.floors(&sums.variance()), sums.n_samples())
    }

    /// The lower bound of the variance of each feature, `(D)`, from the variances of the data.
    fn floors(&self, variance: &Array1<f32>) -> Array1<f32> {
        // Where both floors are 0, the smallest normal number keeps 1/σ² finite.
        variance.mapv(|v| (v * self.variance_floor.relative).max(self.variance_floor.absolute).max(f32::MIN_POSITIVE))
    }

    /// Iterates E and M steps from `state` on.
    fn maximise(
        &self,
        mut state: EmState,
        x: ArrayView2<'_, f32>,
        progress: &mut dyn FnMut(usize, f64) -> ControlFlow<()>,
    ) -> Result<DiagonalGmm, MixtureError> {
        let mut e_step = EStep::new(&state.mixture);
        while !state.is_finished {
            let statistics = e_step.gather(&state.mixture, x, self.next_posterior_floor(&state));
            state = self.next_state(state, &statistics, progress)?;
        }
        Ok(state.into_mixture())
    }

    /// The posterior floor of the next E step. `None` for the last E step, which only computes the log-likelihood, because no M step
    /// follows it.
    pub(crate) fn next_posterior_floor(&self, state: &EmState) -> Option<f32> {
        (state.n_iterations() < self.max_n_iterations).then_some(self.posterior_floor)
    }

    /// Ends EM, or makes the M step. `statistics`: sums of the E step over all samples.
    pub(crate) fn next_state(
        &self,
        state: EmState,
        statistics: &Statistics,
        progress: &mut dyn FnMut(usize, f64) -> ControlFlow<()>,
    ) -> Result<EmState, MixtureError> {
        let is_last = self.next_posterior_floor(&state).is_none();
        let mut report = state.mixture.report().clone();
        let log_likelihood = statistics.log_likelihood / state.n_samples as f64;
        let previous = report.log_likelihood_trace.last().copied();
        report.log_likelihood_trace.push(log_likelihood);
        report.converged =
            previous.is_some_and(|previous| (log_likelihood - previous).abs() < self.tolerance * log_likelihood.abs());
        let stop = progress(report.n_iterations, log_likelihood).is_break();
        if report.converged || is_last || stop {
            return Ok(EmState { mixture: state.mixture.with_report(report), is_finished: true, ..state });
        }
        let mixture = self.update(&state.mixture, statistics, &state.variance_floor)?;
        report.n_iterations += 1;
        Ok(EmState { mixture: mixture.with_report(report), ..state })
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
