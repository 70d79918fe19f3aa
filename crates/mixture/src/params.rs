//! Parameters of learning a mixture, their defaults and the one place where they are checked.

use linfa::ParamGuard;

use crate::MixtureError;

/// Steps of expectation maximisation at most (`vedaldi2010`, `vl_gmm`: 100).
const DEFAULT_MAX_N_ITERATIONS: usize = 100;
/// Relative change of the log-likelihood below which the steps stop (`vedaldi2010`, `gmm.c`: 0.00001).
const DEFAULT_TOLERANCE: f64 = 1e-5;
/// Times 1/K: posteriors below do not enter the M step (`vedaldi2010`, `gmm.c`, `VL_GMM_MIN_POSTERIOR`).
const MIN_POSTERIOR: f32 = 1e-2;
/// Samples of the clustering that finds the start: 100 a component at K = 256.
const DEFAULT_INIT_SAMPLES: usize = 25_600;
/// Steps of the clustering that finds the start; more no longer move the mixture's likelihood visibly.
const DEFAULT_INIT_ITERATIONS: usize = 10;
/// Of the data's variance (`chatfield2011`, the encoding toolbox: 1e-4 of the largest).
const DEFAULT_RELATIVE_FLOOR: f32 = 1e-4;
/// (`vedaldi2010`, `gmm.c`, `VL_GMM_MIN_VARIANCE`).
const DEFAULT_ABSOLUTE_FLOOR: f32 = 1e-6;

/// Where the first mixture comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
pub enum Init {
    /// Weights, means and variances of the clusters of k-means on a random part of the samples. Its centroids start at
    /// distinct random rows.
    KMeans {
        /// Rows that are clustered, or all where there are fewer.
        n_samples: usize,
        /// Lloyd steps.
        n_iterations: usize,
    },
    /// Distinct random rows as means, the variances of all samples, equal weights.
    Random,
}

/// Lower bound of every variance, the larger of two: v ≥ max(relative · variance of that feature over all samples, absolute).
///
/// Flat image areas give many equal descriptors; the floor keeps the component that takes them from shrinking to a point.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct VarianceFloor {
    /// Share of the feature's variance over all samples, in [0, 1].
    pub relative: f32,
    /// In the squared unit of the samples, at least 0.
    pub absolute: f32,
}

impl Default for VarianceFloor {
    fn default() -> Self {
        Self { relative: DEFAULT_RELATIVE_FLOOR, absolute: DEFAULT_ABSOLUTE_FLOOR }
    }
}

/// Unchecked parameters of learning a mixture; see [`DiagonalGmmValidParams`].
#[derive(Debug, Clone, PartialEq)]
pub struct DiagonalGmmParams(DiagonalGmmValidParams);

/// Checked parameters of learning a mixture; `fit` is written on them.
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

    /// Steps at most, at least 1; meeting the limit is told in the report and is no error. Default 100.
    #[must_use]
    pub fn max_n_iterations(mut self, max_n_iterations: usize) -> Self {
        self.0.max_n_iterations = max_n_iterations;
        self
    }

    /// Stops when |ΔL / L| falls below this, L the log-likelihood; 0 never stops early. Default 1e-5.
    #[must_use]
    pub fn tolerance(mut self, tolerance: f64) -> Self {
        self.0.tolerance = tolerance;
        self
    }

    /// Seed of the start. Default 0.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.0.seed = seed;
        self
    }

    /// Where the first mixture comes from. Default: k-means, 25,600 samples, 10 steps.
    #[must_use]
    pub fn init(mut self, init: Init) -> Self {
        self.0.init = init;
        self
    }

    /// Lower bound of the variances. Default 1e-4 of the data's variance, at least 1e-6.
    #[must_use]
    pub fn variance_floor(mut self, variance_floor: VarianceFloor) -> Self {
        self.0.variance_floor = variance_floor;
        self
    }

    /// Posteriors below do not enter the M step, in [0, 1/K]; the weights are then divided by their sum. 0 is plain expectation
    /// maximisation. Default 1e-2/K.
    #[must_use]
    pub fn posterior_floor(mut self, posterior_floor: f32) -> Self {
        self.0.posterior_floor = posterior_floor;
        self
    }

    /// Added to every variance in every M step, at least 0 (scikit-learn's `reg_covar`). Default 0.
    #[must_use]
    pub fn reg_covar(mut self, reg_covar: f32) -> Self {
        self.0.reg_covar = reg_covar;
        self
    }
}

impl DiagonalGmmValidParams {
    /// Components K.
    pub fn n_components(&self) -> usize {
        self.n_components
    }

    /// Steps at most.
    pub fn max_n_iterations(&self) -> usize {
        self.max_n_iterations
    }

    /// Relative change of the log-likelihood at which the steps stop.
    pub fn tolerance(&self) -> f64 {
        self.tolerance
    }

    /// Seed of the start.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Where the first mixture comes from.
    pub fn init(&self) -> Init {
        self.init
    }

    /// Lower bound of the variances.
    pub fn variance_floor(&self) -> VarianceFloor {
        self.variance_floor
    }

    /// Posteriors below do not enter the M step.
    pub fn posterior_floor(&self) -> f32 {
        self.posterior_floor
    }

    /// Added to every variance.
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
            return refuse("max_n_iterations", 0, "at least 1 step");
        }
        if !(params.tolerance.is_finite() && params.tolerance >= 0.0) {
            return refuse("tolerance", params.tolerance, "a finite relative change of at least 0, such as 1e-5");
        }
        if let Init::KMeans { n_samples, n_iterations } = params.init {
            if n_samples < params.n_components {
                return refuse("init.n_samples", n_samples, "at least one sample a component");
            }
            if n_iterations == 0 {
                return refuse("init.n_iterations", 0, "at least 1 step of k-means, or the random start");
            }
        }
        let VarianceFloor { relative, absolute } = params.variance_floor;
        if !(0.0..=1.0).contains(&relative) {
            return refuse(
                "variance_floor.relative",
                relative,
                "a share of the data's variance in [0, 1], such as 1e-4",
            );
        }
        if !(absolute.is_finite() && absolute >= 0.0) {
            return refuse("variance_floor.absolute", absolute, "a finite variance of at least 0, such as 1e-6");
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

pub(crate) fn refuse<T>(field: &'static str, found: impl ToString, expected: &'static str) -> Result<T, MixtureError> {
    Err(MixtureError::Parameter { field, found: found.to_string(), expected })
}
