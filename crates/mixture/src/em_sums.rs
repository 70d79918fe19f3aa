//! The sums of the E step over one shard of samples, with what is needed to see that they belong to a state.

use ndarray::ArrayView2;

use crate::em_state::EmState;
use crate::error::MixtureError;
use crate::posteriors::check_samples;
use crate::statistics::{EStep, Statistics};

/// Sums of the E step over one shard of samples, for one state of EM.
///
/// [`DiagonalGmmValidParams::em_sums`](crate::DiagonalGmmValidParams::em_sums) makes them, and
/// [`DiagonalGmmValidParams::advance`](crate::DiagonalGmmValidParams::advance) uses them.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(try_from = "Parts"))]
pub struct EmSums {
    /// Number of iterations of the state that the sums belong to.
    n_iterations: usize,
    /// Fingerprint of the mixture that the sums belong to.
    mixture: u64,
    n_samples: usize,
    statistics: Statistics,
}

/// The fields as they are read from a file, not checked yet.
#[cfg(feature = "serde")]
#[derive(serde::Deserialize)]
struct Parts {
    n_iterations: usize,
    mixture: u64,
    n_samples: usize,
    statistics: Statistics,
}

#[cfg(feature = "serde")]
impl TryFrom<Parts> for EmSums {
    type Error = MixtureError;

    fn try_from(parts: Parts) -> Result<Self, MixtureError> {
        let Parts { n_iterations, mixture, n_samples, statistics } = parts;
        Self { n_iterations, mixture, n_samples, statistics }.check()
    }
}

impl EmSums {
    /// The sums over `x` `(N, D)`. Without `posterior_floor` only the log-likelihood is summed.
    pub(crate) fn of(
        x: ArrayView2<'_, f32>,
        state: &EmState,
        posterior_floor: Option<f32>,
        e_step: &mut EStep,
    ) -> Result<Self, MixtureError> {
        check_samples(x, state.mixture.n_features())?;
        let statistics = e_step.gather(&state.mixture, x.as_standard_layout().view(), posterior_floor);
        Ok(Self { n_iterations: state.n_iterations(), mixture: state.fingerprint(), n_samples: x.nrows(), statistics })
    }

    /// Number of samples of the shard.
    pub fn n_samples(&self) -> usize {
        self.n_samples
    }

    /// Number of iterations of the state that the sums belong to.
    pub fn n_iterations(&self) -> usize {
        self.n_iterations
    }

    pub(crate) fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    /// Adds the sums of the shard that follows. The order of the shards decides the last bits.
    ///
    /// # Errors
    /// [`MixtureError::Sums`] if the two belong to different states.
    pub fn append(&mut self, next: &Self) -> Result<(), MixtureError> {
        next.expect(self.n_iterations, self.mixture, self.statistics.mass.len(), self.statistics.first.len())?;
        self.n_samples = self.n_samples.saturating_add(next.n_samples);
        self.statistics.add(std::slice::from_ref(&next.statistics));
        Ok(())
    }

    /// Refuses sums that do not belong to `state`, whose next E step has M-step sums or not.
    pub(crate) fn belong_to(&self, state: &EmState, with_moments: bool) -> Result<(), MixtureError> {
        let (n_components, n_features) = if with_moments { state.mixture.means().dim() } else { (0, 0) };
        self.expect(state.n_iterations(), state.fingerprint(), n_components, n_components * n_features)
    }

    fn expect(&self, n_iterations: usize, mixture: u64, n_masses: usize, n_moments: usize) -> Result<(), MixtureError> {
        let statistics = &self.statistics;
        for (what, expected, found) in [
            ("number of iterations", n_iterations as u64, self.n_iterations as u64),
            ("fingerprint of the mixture", mixture, self.mixture),
            ("number of sums of posteriors", n_masses as u64, statistics.mass.len() as u64),
            ("number of sums of samples", n_moments as u64, statistics.first.len() as u64),
        ] {
            if expected != found {
                return Err(MixtureError::Sums { what, expected, found });
            }
        }
        Ok(())
    }

    /// Refuses what [`EmSums::of`] cannot return.
    #[cfg(any(feature = "serde", test))]
    fn check(self) -> Result<Self, MixtureError> {
        use crate::params::refuse;

        let Statistics { log_likelihood, mass, first, second } = &self.statistics;
        if !log_likelihood.is_finite() {
            return refuse("log_likelihood", log_likelihood, "a finite number");
        }
        let is_whole = if mass.is_empty() {
            first.is_empty()
        } else {
            !first.is_empty() && first.len().is_multiple_of(mass.len())
        };
        if !is_whole {
            let found = format!("{} values for {} components", first.len(), mass.len());
            return refuse("first", found, "the same number of features for each component");
        }
        if first.len() != second.len() {
            let (expected, found) = (first.len(), second.len());
            return Err(MixtureError::Dimension { what: "values of the second moments", expected, found });
        }
        if let Some(found) = mass.iter().find(|value| !(value.is_finite() && **value >= 0.0)) {
            return refuse("mass", found, "finite numbers of at least 0");
        }
        for (field, values) in [("first", first), ("second", second)] {
            if let Some(found) = values.iter().find(|value| !value.is_finite()) {
                return refuse(field, found, "finite numbers");
            }
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sums(mass: &[f64], first: &[f64], second: &[f64]) -> EmSums {
        let (mass, first, second) = (mass.to_vec(), first.to_vec(), second.to_vec());
        let statistics = Statistics { log_likelihood: -1.0, mass, first, second };
        EmSums { n_iterations: 3, mixture: 7, n_samples: 2, statistics }
    }

    #[test]
    fn sums_that_no_shard_can_have_are_refused() {
        assert!(sums(&[], &[], &[]).check().is_ok());
        assert!(sums(&[1.0, 1.0], &[0.0; 4], &[0.0; 4]).check().is_ok());
        let message = |sums: EmSums| sums.check().unwrap_err().to_string();
        assert!(message(sums(&[], &[0.0], &[0.0])).contains("1 values for 0 components"));
        assert!(message(sums(&[1.0, 1.0], &[], &[])).contains("0 values for 2 components"));
        assert!(message(sums(&[1.0, 1.0], &[0.0; 3], &[0.0; 3])).contains("3 values for 2 components"));
        assert!(message(sums(&[1.0], &[0.0; 3], &[0.0; 2])).contains("second moments"));
        assert!(message(sums(&[-1.0], &[0.0], &[0.0])).contains("mass is -1"));
        assert!(message(sums(&[f64::NAN], &[0.0], &[0.0])).contains("mass is NaN"));
        assert!(message(sums(&[1.0], &[f64::INFINITY], &[0.0])).contains("first is inf"));
        assert!(message(sums(&[1.0], &[0.0], &[f64::NAN])).contains("second is NaN"));
        let mut bad = sums(&[], &[], &[]);
        bad.statistics.log_likelihood = f64::NEG_INFINITY;
        assert!(message(bad).contains("log_likelihood is -inf"));
    }

    #[test]
    fn sums_of_different_states_are_not_added() {
        let mut total = sums(&[1.0], &[2.0], &[3.0]);
        total.append(&sums(&[0.5], &[1.0], &[4.0])).unwrap();
        assert_eq!((total.n_samples, total.statistics.log_likelihood), (4, -2.0));
        assert_eq!((&total.statistics.mass[..], &total.statistics.second[..]), (&[1.5][..], &[7.0][..]));
        let mut message = |next: EmSums| total.append(&next).unwrap_err().to_string();
        let usual = || sums(&[1.0], &[2.0], &[3.0]);
        assert!(message(EmSums { n_iterations: 4, ..usual() }).contains("number of iterations is 4, expected 3"));
        assert!(message(EmSums { mixture: 8, ..usual() }).contains("fingerprint of the mixture is 8, expected 7"));
        assert!(message(sums(&[], &[], &[])).contains("number of sums of posteriors is 0, expected 1"));
        assert!(message(sums(&[1.0], &[0.0; 2], &[0.0; 2])).contains("number of sums of samples is 2, expected 1"));
    }
}
