//! Expectation maximisation.

use std::ops::ControlFlow;

use linfa::{DatasetBase, traits::Fit};
use ndarray::{Array1, ArrayBase, ArrayView2, Data, Ix2};
use rayon::prelude::*;

use crate::params::DiagonalGmmValidParams;
use crate::posteriors::check_samples;
use crate::statistics::{EStep, Statistics};
use crate::{DiagonalGmm, FitReport, MixtureError, init};

/// Components that receive fewer samples than this keep mean and variance.
const LEAST_MASS: f64 = 1e-6;
/// Weight of such components (`vedaldi2010`, `gmm.c`, `VL_GMM_MIN_PRIOR`).
const LEAST_WEIGHT: f64 = 1e-6;
/// Samples whose variance one task sums.
const CHUNK: usize = 4096;

impl<D: Data<Elem = f32>, T> Fit<ArrayBase<D, Ix2>, T, MixtureError> for DiagonalGmmValidParams {
    type Object = DiagonalGmm;

    /// Learns a mixture from the records `(N, D)`; see [`DiagonalGmmValidParams::fit_from`].
    fn fit(&self, dataset: &DatasetBase<ArrayBase<D, Ix2>, T>) -> Result<DiagonalGmm, MixtureError> {
        self.fit_with_progress(dataset.records().view(), &mut |_, _| ControlFlow::Continue(()))
    }
}

impl DiagonalGmmValidParams {
    /// Learns a mixture from `x` `(N, D)` and tells about every step: `progress` gets the number of M steps made and the mean
    /// log-likelihood of a sample, first 0 and that of the start. It may stop by [`ControlFlow::Break`], which gives the mixture
    /// reached so far.
    ///
    /// # Errors
    /// As [`DiagonalGmmValidParams::fit_from`], and when `x` has fewer distinct rows than the mixture components.
    pub fn fit_with_progress(
        &self,
        x: ArrayView2<'_, f32>,
        progress: &mut dyn FnMut(usize, f64) -> ControlFlow<()>,
    ) -> Result<DiagonalGmm, MixtureError> {
        if x.ncols() == 0 {
            return Err(MixtureError::Dimension { what: "features of a sample (at least)", expected: 1, found: 0 });
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

    /// Learns a mixture from `x` `(N, D)`, starting at `start`; `init` and `seed` are not used.
    ///
    /// ```text
    /// s0[k] = Σ_n γ[n,k]   s1[k] = Σ_n γ[n,k] (x[n] − μ[k])   s2[k] = Σ_n γ[n,k] (x[n] − μ[k])²
    /// w' = s0 / Σ s0       μ' = μ + s1/s0                     σ²' = max(s2/s0 − (s1/s0)² + reg_covar, floor)
    /// ```
    /// Posteriors below the posterior floor count as 0 in the sums. Ends when the log-likelihood L of two steps differs by less than
    /// `tolerance`·|L|, or at the last allowed step, which is no error. A component that receives nearly nothing (below 1e-6 of a
    /// sample) keeps its mean and variance at weight 1e-6. Same bits for any number of threads.
    ///
    /// # Errors
    /// When `start` has another number of components or features, `x` has no rows, or a value is not finite.
    ///
    /// # References
    /// `perronnin2010`; `vedaldi2010`, `gmm.c`.
    pub fn fit_from(&self, start: &DiagonalGmm, x: ArrayView2<'_, f32>) -> Result<DiagonalGmm, MixtureError> {
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
        self.maximise(start, x.view(), &floor, &mut |_, _| ControlFlow::Continue(()))
    }

    fn variance_floors(&self, variance: &Array1<f32>) -> Array1<f32> {
        // The smallest normal number keeps every variance usable where both floors are 0.
        variance.mapv(|v| (v * self.variance_floor.relative).max(self.variance_floor.absolute).max(f32::MIN_POSITIVE))
    }

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
        let mut weights = Array1::<f64>::from_elem(model.n_components(), LEAST_WEIGHT);
        let mut means = model.means().to_owned();
        let mut variances = model.variances().to_owned();
        for (k, &mass) in statistics.mass.iter().enumerate().filter(|&(_, &mass)| mass >= LEAST_MASS) {
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

/// Variance of every feature, `(D)`, in `f64` about the first row so that a large mean costs nothing. `x` is in standard layout.
fn data_variance(x: ArrayView2<'_, f32>) -> Array1<f32> {
    let n_features = x.ncols();
    let values = x.as_slice().expect("the callers bring samples to standard layout");
    let origin: Vec<f64> = values[..n_features].iter().map(|&value| f64::from(value)).collect();
    // Fixed chunks, added in order: the number of threads does not move a bit.
    let parts: Vec<Vec<f64>> = values.par_chunks(CHUNK * n_features).map(|rows| sums_about(&origin, rows)).collect();
    let mut sums = vec![0.0; 2 * n_features];
    for part in &parts {
        sums.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
    }
    let n = x.nrows() as f64;
    (0..n_features).map(|d| ((sums[n_features + d] / n - (sums[d] / n).powi(2)).max(0.0)) as f32).collect()
}

/// Sums of the differences of rows from `origin`, then of their squares.
#[multiversion::multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512dq+avx512vl+fma+avx2",
    "x86_64+avx2+fma",
    "aarch64+neon"
))]
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
