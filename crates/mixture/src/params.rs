//! The parameters for learning a mixture, their defaults, and the one place where they are checked.

use linfa::ParamGuard;

use crate::error::MixtureError;

/// Largest number of EM iterations (`vedaldi2010`, `vl_gmm`: 100).
const DEFAULT_MAX_N_ITERATIONS: usize = 100;
/// Relative change of the log-likelihood at which EM stops (`vedaldi2010`, `gmm.c`: 0.00001).
const DEFAULT_TOLERANCE: f64 = 1e-5;
/// Posteriors below this constant divided by K do not enter the M step (`vedaldi2010`, `gmm.c`, `VL_GMM_MIN_POSTERIOR`).
const MIN_POSTERIOR: f32 = 1e-2;
/// Number of samples that k-means clusters for the start: 100 per component at K = 256.
const DEFAULT_INIT_SAMPLES: usize = 25_600;
/// Number of k-means iterations for the start. More iterations do not change the likelihood of the mixture visibly.
const DEFAULT_INIT_ITERATIONS: usize = 10;
/// Smallest variance as a share of the data's variance (`chatfield2011`, the encoding toolbox: 1e-4 of the largest variance).
const DEFAULT_RELATIVE_FLOOR: f32 = 1e-4;
/// Smallest variance (`vedaldi2010`, `gmm.c`, `VL_GMM_MIN_VARIANCE`).
const DEFAULT_ABSOLUTE_FLOOR: f32 = 1e-6;

/// How the mixture is made that EM starts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
pub enum Init {
    /// From the weights, means and variances of k-means clusters of randomly chosen samples. The centroids of k-means start at
    /// distinct random samples.
    KMeans {
        /// Number of samples that are clustered. If there are fewer, all samples are clustered.
        n_samples: usize,
        /// Number of iterations of Lloyd's algorithm.
        n_iterations: usize,
    },
    /// The means are distinct random samples, each component has the variances of all samples, and the weights are equal.
    Random,
}

/// Lower bound of every variance: σ² ≥ max(relative · variance of this feature over all samples, absolute).
///
/// Flat image areas give many equal descriptors. Without a floor, the variances of a component that represents them would shrink to 0.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct VarianceFloor {
    /// Share of the feature's variance over all samples, in [0, 1].
    pub relative: f32,
    /// Smallest variance in the squared unit of the samples, at least 0.
    pub absolute: f32,
}

impl Default for VarianceFloor {
    fn default() -> Self {
        Self { relative: DEFAULT_RELATIVE_FLOOR, absolute: DEFAULT_ABSOLUTE_FLOOR }
    }
}

/// Parameters for learning a mixture, not checked yet. `fit` checks them first; `check` turns them into [`DiagonalGmmValidParams`].
///
/// ```
/// use fisherlens_mixture::{DiagonalGmm, VarianceFloor};
/// use linfa::{Dataset, traits::Fit};
/// use ndarray::array;
///
/// let samples = array![[0.0_f32, 1.0], [0.5, 1.5], [9.0, 2.0], [9.5, 2.5]];
/// let floor = VarianceFloor { relative: 0.01, absolute: 0.0 };
/// let params = DiagonalGmm::params(2).max_n_iterations(20).seed(1).variance_floor(floor);
/// let mixture = params.fit(&Dataset::from(samples))?;
/// assert!(mixture.report().n_iterations <= 20);
/// # Ok::<(), fisherlens_mixture::MixtureError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct DiagonalGmmParams(DiagonalGmmValidParams);

/// Checked parameters for learning a mixture.
///
/// [`fit_with_progress`](Self::fit_with_progress) and [`fit_from`](Self::fit_from) learn a mixture from them.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct DiagonalGmmValidParams {
    pub(crate) n_components: usize,
    pub(crate) max_n_iterations: usize,
    pub(crate) tolerance: f64,
    pub(crate) seed: u64,
    pub(crate) init: Init,
    pub(crate) variance_floor: VarianceFloor,
    pub(crate) posterior_floor: f32,
    pub(crate) reg_covar: f32,
}

impl DiagonalGmmParams {
    pub(crate) fn new(n_components: usize) -> Self {
        Self(DiagonalGmmValidParams {
            n_components,
            max_n_iterations: DEFAULT_MAX_N_ITERATIONS,
            tolerance: DEFAULT_TOLERANCE,
            seed: 0,
            init: Init::KMeans { n_samples: DEFAULT_INIT_SAMPLES, n_iterations: DEFAULT_INIT_ITERATIONS },
            variance_floor: VarianceFloor::default(),
            posterior_floor: MIN_POSTERIOR / n_components.max(1) as f32,
            reg_covar: 0.0,
        })
    }

    /// Largest number of EM iterations, at least 1. Reaching the limit is recorded in the report; it is not an error. Default 100.
    #[must_use]
    pub fn max_n_iterations(mut self, max_n_iterations: usize) -> Self {
        self.0.max_n_iterations = max_n_iterations;
        self
    }

    /// EM stops when |ΔL / L| falls below this value, where L is the log-likelihood. With 0 it never stops early. Default 1e-5.
    #[must_use]
    pub fn tolerance(mut self, tolerance: f64) -> Self {
        self.0.tolerance = tolerance;
        self
    }

    /// Seed of the random numbers that the start needs. Default 0.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.0.seed = seed;
        self
    }

    /// How the mixture is made that EM starts from. Default: k-means with 25,600 samples and 10 iterations.
    #[must_use]
    pub fn init(mut self, init: Init) -> Self {
        self.0.init = init;
        self
    }

    /// Lower bound of the variances. Default: 1e-4 of the data's variance, and at least 1e-6.
    #[must_use]
    pub fn variance_floor(mut self, variance_floor: VarianceFloor) -> Self {
        self.0.variance_floor = variance_floor;
        self
    }

    /// Posteriors below this value, in [0, 1/K], do not enter the M step; the weights are then divided by their sum. With 0 this is
    /// plain expectation maximisation. Default 1e-2/K.
    #[must_use]
    pub fn posterior_floor(mut self, posterior_floor: f32) -> Self {
        self.0.posterior_floor = posterior_floor;
        self
    }

    /// Value added to every variance in every M step, at least 0 (scikit-learn's `reg_covar`). Default 0.
    #[must_use]
    pub fn reg_covar(mut self, reg_covar: f32) -> Self {
        self.0.reg_covar = reg_covar;
        self
    }
}

impl DiagonalGmmValidParams {
    /// Number of components, K.
    pub fn n_components(&self) -> usize {
        self.n_components
    }

    /// Largest number of EM iterations.
    pub fn max_n_iterations(&self) -> usize {
        self.max_n_iterations
    }

    /// Relative change of the log-likelihood at which EM stops.
    pub fn tolerance(&self) -> f64 {
        self.tolerance
    }

    /// Seed of the random numbers that the start needs.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// How the mixture is made that EM starts from.
    pub fn init(&self) -> Init {
        self.init
    }

    /// Lower bound of the variances.
    pub fn variance_floor(&self) -> VarianceFloor {
        self.variance_floor
    }

    /// Posteriors below this value do not enter the M step.
    pub fn posterior_floor(&self) -> f32 {
        self.posterior_floor
    }

    /// Value added to every variance in every M step.
    pub fn reg_covar(&self) -> f32 {
        self.reg_covar
    }
}

impl ParamGuard for DiagonalGmmParams {
    type Checked = DiagonalGmmValidParams;
    type Error = MixtureError;

    fn check_ref(&self) -> Result<&DiagonalGmmValidParams, MixtureError> {
        let params = &self.0;
        if params.n_components == 0 {
            return refuse("n_components", 0, "at least 1 component");
        }
        if params.max_n_iterations == 0 {
            return refuse("max_n_iterations", 0, "at least 1 iteration");
        }
        if !(params.tolerance.is_finite() && params.tolerance >= 0.0) {
            return refuse("tolerance", params.tolerance, "a finite relative change of at least 0, for example 1e-5");
        }
        if let Init::KMeans { n_samples, n_iterations } = params.init {
            if n_samples < params.n_components {
                return refuse("init.n_samples", n_samples, "at least one sample per component");
            }
            if n_iterations == 0 {
                return refuse("init.n_iterations", 0, "at least 1 iteration of k-means, or the random start");
            }
        }
        let VarianceFloor { relative, absolute } = params.variance_floor;
        if !(0.0..=1.0).contains(&relative) {
            return refuse(
                "variance_floor.relative",
                relative,
                "a share of the data's variance in [0, 1], for example 1e-4",
            );
        }
        if !(absolute.is_finite() && absolute >= 0.0) {
            return refuse("variance_floor.absolute", absolute, "a finite variance of at least 0, for example 1e-6");
        }
        if !(0.0..=1.0 / params.n_components as f32).contains(&params.posterior_floor) {
            return refuse("posterior_floor", params.posterior_floor, "a posterior in [0, 1/n_components]");
        }
        if !(params.reg_covar.is_finite() && params.reg_covar >= 0.0) {
            return refuse("reg_covar", params.reg_covar, "a finite variance of at least 0");
        }
        Ok(params)
    }

    fn check(self) -> Result<DiagonalGmmValidParams, MixtureError> {
        self.check_ref()?;
        Ok(self.0)
    }
}

/// The error for a parameter outside its range.
pub(crate) fn refuse<T>(field: &'static str, found: impl ToString, expected: &'static str) -> Result<T, MixtureError> {
    Err(MixtureError::Parameter { field, found: found.to_string(), expected })
}
