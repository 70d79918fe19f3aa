//! The state of expectation maximisation between two iterations.

use ndarray::Array1;

use crate::diagonal_gmm::{DiagonalGmm, FitReport};

/// State of EM between two iterations: the present mixture with its report, the variance floor, the number of samples, and whether EM has
/// ended.
///
/// [`DiagonalGmmValidParams::start_from_rows`](crate::DiagonalGmmValidParams::start_from_rows) makes the first state, and
/// [`DiagonalGmmValidParams::advance`](crate::DiagonalGmmValidParams::advance) makes each state from the one before.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(try_from = "Parts"))]
pub struct EmState {
    pub(crate) mixture: DiagonalGmm,
    /// `(D)`: lower bound of the variance of each feature.
    pub(crate) variance_floor: Array1<f32>,
    /// Number of samples of all shards.
    pub(crate) n_samples: usize,
    pub(crate) is_finished: bool,
}

/// The fields as they are read from a file, not checked yet.
#[cfg(feature = "serde")]
#[derive(serde::Deserialize)]
struct Parts {
    mixture: DiagonalGmm,
    variance_floor: Array1<f32>,
    n_samples: usize,
    is_finished: bool,
}

#[cfg(feature = "serde")]
impl TryFrom<Parts> for EmState {
    type Error = crate::error::MixtureError;

    fn try_from(parts: Parts) -> Result<Self, Self::Error> {
        let Parts { mixture, variance_floor, n_samples, is_finished } = parts;
        Self { mixture, variance_floor, n_samples, is_finished }.check()
    }
}

impl EmState {
    /// The state before the first iteration.
    pub(crate) fn new(start: DiagonalGmm, variance_floor: Array1<f32>, n_samples: usize) -> Self {
        let mixture = start.with_report(FitReport::default());
        Self { mixture, variance_floor, n_samples, is_finished: false }
    }

    /// Whether EM has ended, because it converged or reached the largest allowed number of iterations.
    pub fn is_finished(&self) -> bool {
        self.is_finished
    }

    /// Number of EM iterations made so far, that is of M steps.
    pub fn n_iterations(&self) -> usize {
        self.mixture.report().n_iterations
    }

    /// The newest mean log-likelihood per sample: after EM has ended it is that of the mixture, before it is that of the mixture one
    /// iteration ago. `None` before the first iteration. Natural logarithm.
    pub fn log_likelihood(&self) -> Option<f64> {
        self.mixture.report().log_likelihood_trace.last().copied()
    }

    /// Number of samples of all shards together.
    pub fn n_samples(&self) -> usize {
        self.n_samples
    }

    /// The present mixture. Its report covers the iterations made so far.
    pub fn mixture(&self) -> &DiagonalGmm {
        &self.mixture
    }

    /// The present mixture, with its report. It can also be taken before EM has ended.
    pub fn into_mixture(self) -> DiagonalGmm {
        self.mixture
    }

    /// A number that differs between mixtures with different bits, except by chance: the hash function FNV-1a of 64 bits, over the bits of
    /// weights, means and variances.
    pub(crate) fn fingerprint(&self) -> u64 {
        const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
        const PRIME: u64 = 0x0100_0000_01b3;
        let (weights, means, variances) = (self.mixture.weights(), self.mixture.means(), self.mixture.variances());
        weights
            .iter()
            .chain(means.iter())
            .chain(variances.iter())
            .fold(OFFSET, |hash, value| (hash ^ u64::from(value.to_bits())).wrapping_mul(PRIME))
    }

    /// Refuses states that EM cannot reach; the mixture has checked its own arrays.
    #[cfg(any(feature = "serde", test))]
    fn check(self) -> Result<Self, crate::error::MixtureError> {
        use crate::error::MixtureError;
        use crate::params::refuse;

        let (expected, found) = (self.mixture.n_features(), self.variance_floor.len());
        if expected != found {
            return Err(MixtureError::Dimension { what: "features of the variance floor", expected, found });
        }
        if let Some(found) = self.variance_floor.iter().find(|value| !(value.is_normal() && **value > 0.0)) {
            return refuse("variance_floor", found, "finite numbers above 0");
        }
        if self.n_samples == 0 {
            return refuse("n_samples", 0, "at least 1 sample");
        }
        let FitReport { converged, n_iterations, log_likelihood_trace: trace } = self.mixture.report();
        if let Some(found) = trace.iter().find(|value| !value.is_finite()) {
            return refuse("log_likelihood_trace", found, "finite numbers");
        }
        // The last E step is not followed by an M step.
        if trace.len().checked_sub(usize::from(self.is_finished)) != Some(*n_iterations) {
            let found = format!("{} values after {n_iterations} iterations", trace.len());
            return refuse("log_likelihood_trace", found, "one value per iteration, and one more when EM has ended");
        }
        if *converged && !self.is_finished {
            return refuse("converged", true, "false, because EM has not ended");
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    fn state(floor: Array1<f32>, report: FitReport) -> EmState {
        let mixture = DiagonalGmm::from_parts(array![0.5, 0.5], array![[0.0], [1.0]], array![[1.0], [1.0]]).unwrap();
        let mixture = mixture.with_report(report);
        EmState { mixture, variance_floor: floor, n_samples: 3, is_finished: false }
    }

    fn report(n_iterations: usize, trace: &[f64]) -> FitReport {
        FitReport { converged: false, n_iterations, log_likelihood_trace: trace.to_vec() }
    }

    #[test]
    fn states_that_em_cannot_reach_are_refused() {
        let floor = || array![0.5_f32];
        let message = |state: EmState| state.check().unwrap_err().to_string();
        assert!(state(floor(), report(2, &[-3.0, -2.0])).check().is_ok());
        assert!(message(state(array![0.5, 0.5], report(0, &[]))).contains("features of the variance floor"));
        for bad in [0.0, -1.0, f32::NAN, f32::INFINITY] {
            assert!(message(state(array![bad], report(0, &[]))).contains("variance_floor is"), "{bad}");
        }
        assert!(message(state(floor(), report(1, &[f64::NAN]))).contains("log_likelihood_trace is NaN"));
        assert!(message(state(floor(), report(usize::MAX, &[-1.0]))).contains("1 values after"));
        assert!(message(EmState { is_finished: true, ..state(floor(), report(0, &[])) }).contains("0 values after"));
        assert!(message(EmState { n_samples: 0, ..state(floor(), report(0, &[])) }).contains("n_samples is 0"));
        let converged = FitReport { converged: true, ..report(1, &[-1.0]) };
        assert!(message(state(floor(), converged)).contains("converged is true"));
    }

    #[test]
    fn fingerprints_differ_between_mixtures() {
        let one = state(array![0.5], FitReport::default());
        let mut other = one.clone();
        assert_eq!(one.fingerprint(), other.fingerprint());
        other.mixture = DiagonalGmm::from_parts(array![0.5, 0.5], array![[1.0], [0.0]], array![[1.0], [1.0]]).unwrap();
        assert_ne!(one.fingerprint(), other.fingerprint());
    }
}
