//! The mixture itself: its parameters, densities, posteriors and draws.

use std::fmt;
use std::sync::{Arc, OnceLock};

use fisherlens_lanes::is_divided;
use linfa::traits::PredictInplace;
use ndarray::{Array1, Array2, ArrayBase, ArrayView1, ArrayView2, ArrayViewMut2, Axis, Data, Ix2};
use rand::Rng;
use rand_distr::StandardNormal;
use rayon::prelude::*;

use crate::candidates::may_have_integers;
use crate::error::MixtureError;
use crate::params::{DiagonalGmmParams, refuse};
use crate::posteriors::{PosteriorTables, Workspace, check_samples};
use crate::sparse_posteriors::SparsePosteriors;

/// How far the sum of given weights may be from 1. The rounding errors of some thousand `f32` weights stay far below this.
const WEIGHT_SUM_TOLERANCE: f64 = 1e-3;

/// Number of rows whose posteriors are listed before they are put into their places: the list of so many stays in the processor's cache.
const LISTED_ROWS: usize = 256;

/// Number of rows that one thread takes at a time, if several threads share the rows of a call. A single thread takes the same pieces, so that
/// the results are the same bits.
const SHARED_ROWS: usize = 2048;

/// Gaussian mixture with diagonal covariances.
///
/// ```text
/// p(x) = Σ_k w[k] · N(x; μ[k], diag σ²[k])
/// γ[n,k] = w[k] N(x[n]; μ[k], σ²[k]) / Σ_j w[j] N(x[n]; μ[j], σ²[j])
/// ```
/// `weights` `(K)`, positive, sum 1; `means` `(K, D)`; `variances` `(K, D)`, σ², positive.
///
/// ```
/// use fisherlens_mixture::DiagonalGmm;
/// use ndarray::array;
///
/// let means = array![[0.0, 0.0], [4.0, 4.0]];
/// let variances = array![[1.0, 1.0], [1.0, 4.0]];
/// let mixture = DiagonalGmm::from_parts(array![0.25, 0.75], means, variances)?;
/// let x = array![[0.0_f32, 0.0], [4.0, 4.0]];
/// let posteriors = mixture.posteriors(x.view(), 0.0);
/// assert!(posteriors[[0, 0]] > 0.99 && posteriors[[1, 1]] > 0.99);
/// // At the second mean: ln(0.75 / (2π · √1 · √4)), and next to nothing from the first component.
/// assert!((mixture.log_likelihood(x.view())[1] - (0.75 / (2.0 * std::f64::consts::TAU)).ln()).abs() < 1e-5);
/// # Ok::<(), fisherlens_mixture::MixtureError>(())
/// ```
///
/// # References
/// `perronnin2010`; `sanchez2013`.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(try_from = "Parts"))]
pub struct DiagonalGmm {
    weights: Array1<f32>,
    means: Array2<f32>,
    variances: Array2<f32>,
    report: FitReport,
    #[cfg_attr(feature = "serde", serde(skip))]
    tables: CachedTables,
}

/// The tables for posteriors, with and without the product of integers. They are made when they are needed first, and belong to the parameters,
/// so they make no difference between two mixtures.
#[derive(Clone, Default)]
struct CachedTables {
    with_integers: OnceLock<Arc<PosteriorTables>>,
    without: OnceLock<Arc<PosteriorTables>>,
}

impl PartialEq for CachedTables {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl fmt::Debug for CachedTables {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("CachedTables")
    }
}

/// How the mixture was learned. It is empty for a mixture that was made from given parts.
#[derive(Debug, Clone, PartialEq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct FitReport {
    /// Whether the change of the log-likelihood fell below the tolerance.
    pub converged: bool,
    /// Number of EM iterations, that is of M steps.
    pub n_iterations: usize,
    /// Mean log-likelihood per sample, at the start and after each iteration; natural logarithm.
    pub log_likelihood_trace: Vec<f64>,
}

/// A mixture as it was read from a file, not checked yet.
#[cfg(feature = "serde")]
#[derive(serde::Deserialize)]
struct Parts {
    weights: Array1<f32>,
    means: Array2<f32>,
    variances: Array2<f32>,
    report: FitReport,
}

#[cfg(feature = "serde")]
impl TryFrom<Parts> for DiagonalGmm {
    type Error = MixtureError;

    fn try_from(parts: Parts) -> Result<Self, MixtureError> {
        Ok(Self::from_parts(parts.weights, parts.means, parts.variances)?.with_report(parts.report))
    }
}

impl DiagonalGmm {
    /// Parameters for learning a mixture of `n_components` components.
    pub fn params(n_components: usize) -> DiagonalGmmParams {
        DiagonalGmmParams::new(n_components)
    }

    /// A mixture from `weights` `(K)`, `means` `(K, D)` and `variances` `(K, D)`.
    ///
    /// # Errors
    /// When the shapes disagree, K or D is 0, a weight or a variance is not a positive normal `f32`, a value is not finite, or the sum of
    /// the weights differs from 1 by more than 1e-3.
    pub fn from_parts(weights: Array1<f32>, means: Array2<f32>, variances: Array2<f32>) -> Result<Self, MixtureError> {
        let (n_components, n_features) = means.dim();
        if n_components == 0 || n_features == 0 {
            return refuse(
                "means",
                format!("an array {n_components} x {n_features}"),
                "at least 1 component and 1 feature",
            );
        }
        for (what, expected, found) in [
            ("components of the weights", n_components, weights.len()),
            ("components of the variances", n_components, variances.nrows()),
            ("features of the variances", n_features, variances.ncols()),
        ] {
            if expected != found {
                return Err(MixtureError::Dimension { what, expected, found });
            }
        }
        for (component, &found) in weights.iter().enumerate() {
            if !(found.is_normal() && found > 0.0) {
                return Err(MixtureError::Part { field: "weights", component, found, expected: "numbers above 0" });
            }
        }
        for ((component, _), &found) in means.indexed_iter() {
            if !found.is_finite() {
                return Err(MixtureError::Part { field: "means", component, found, expected: "finite numbers" });
            }
        }
        for ((component, _), &found) in variances.indexed_iter() {
            if !(found.is_normal() && found > 0.0) {
                return Err(MixtureError::Part {
                    field: "variances",
                    component,
                    found,
                    expected: "finite numbers above 0; learn with a variance floor",
                });
            }
        }
        let sum: f64 = weights.iter().map(|&weight| f64::from(weight)).sum();
        if (sum - 1.0).abs() > WEIGHT_SUM_TOLERANCE {
            return Err(MixtureError::WeightSum { found: sum });
        }
        Ok(Self {
            weights: weights.as_standard_layout().into_owned(),
            means: means.as_standard_layout().into_owned(),
            variances: variances.as_standard_layout().into_owned(),
            report: FitReport::default(),
            tables: CachedTables::default(),
        })
    }

    pub(crate) fn with_report(mut self, report: FitReport) -> Self {
        self.report = report;
        self
    }

    /// Number of components, K.
    pub fn n_components(&self) -> usize {
        self.means.nrows()
    }

    /// Number of features per sample, D.
    pub fn n_features(&self) -> usize {
        self.means.ncols()
    }

    /// Weights w of the components, `(K)`; their sum is 1.
    pub fn weights(&self) -> ArrayView1<'_, f32> {
        self.weights.view()
    }

    /// Means μ, `(K, D)`.
    pub fn means(&self) -> ArrayView2<'_, f32> {
        self.means.view()
    }

    /// Variances σ², not standard deviations, `(K, D)`.
    pub fn variances(&self) -> ArrayView2<'_, f32> {
        self.variances.view()
    }

    /// How the mixture was learned.
    pub fn report(&self) -> &FitReport {
        &self.report
    }

    /// Log-likelihood ln p(x) of each row of `x` `(N, D)`: `(N)`, natural logarithm.
    ///
    /// # Panics
    /// When `x` does not have D columns or holds a value that is not finite. [`DiagonalGmm::sparse_posteriors`] returns an error instead.
    pub fn log_likelihood(&self, x: ArrayView2<'_, f32>) -> Array1<f64> {
        let mut log_densities = Vec::with_capacity(x.nrows());
        // No posterior reaches an infinite floor, so only the log densities are kept.
        self.append_posteriors(x, f32::INFINITY, Some(&mut log_densities))
            .expect("log_likelihood needs finite samples with the mixture's number of features");
        Array1::from_vec(log_densities)
    }

    /// Posteriors γ of each row of `x` `(N, D)`: `(N, K)`. Posteriors below `floor` are set to 0, and the others are not rescaled. With a
    /// floor of 0 each row sums to 1.
    ///
    /// # Panics
    /// When `x` does not have D columns or holds a value that is not finite, or the floor is not in [0, 1].
    /// [`DiagonalGmm::sparse_posteriors`] returns an error instead.
    pub fn posteriors(&self, x: ArrayView2<'_, f32>, floor: f32) -> Array2<f32> {
        let mut dense = Array2::zeros((x.nrows(), self.n_components()));
        self.posteriors_into(x, floor, dense.view_mut())
            .expect("posteriors needs finite samples with the mixture's number of features and a floor in [0, 1]");
        dense
    }

    /// [`DiagonalGmm::posteriors`] into an array `(N, K)` of zeros. Uses one thread.
    ///
    /// # Errors
    /// The errors of [`DiagonalGmm::sparse_posteriors`], and [`MixtureError::Dimension`] for an array of another shape.
    pub fn posteriors_into(
        &self,
        x: ArrayView2<'_, f32>,
        floor: f32,
        mut zeros: ArrayViewMut2<'_, f32>,
    ) -> Result<(), MixtureError> {
        check_floor(floor)?;
        check_samples(x, self.n_features())?;
        for (what, expected, found) in [
            ("rows of the array for posteriors", x.nrows(), zeros.nrows()),
            ("columns of the array for posteriors", self.n_components(), zeros.ncols()),
        ] {
            if expected != found {
                return Err(MixtureError::Dimension { what, expected, found });
            }
        }
        let tables = self.tables(floor);
        let mut workspace = tables.workspace();
        let mut sparse = SparsePosteriors::with_capacity(LISTED_ROWS);
        let blocks = x.axis_chunks_iter(Axis(0), LISTED_ROWS);
        for (rows, mut zeros) in blocks.zip(zeros.axis_chunks_iter_mut(Axis(0), LISTED_ROWS)) {
            sparse.clear();
            tables.append(rows.as_standard_layout().view(), floor, &mut workspace, &mut sparse, None);
            for (n, mut row) in zeros.rows_mut().into_iter().enumerate() {
                let (components, values) = sparse.row(n);
                for (&component, &value) in components.iter().zip(values) {
                    row[component as usize] = value;
                }
            }
        }
        Ok(())
    }

    /// Posteriors of each row of `x` `(N, D)` that are at least `floor`. Posteriors below `floor` are left out, and the others are not
    /// rescaled. With a floor of 0 every row has K entries. Uses one thread, or all threads inside of [`fisherlens_lanes::on_all_threads`].
    ///
    /// # Errors
    /// When `x` does not have D columns or holds a value that is not finite, or the floor is not in [0, 1].
    pub fn sparse_posteriors(&self, x: ArrayView2<'_, f32>, floor: f32) -> Result<SparsePosteriors, MixtureError> {
        check_floor(floor)?;
        self.append_posteriors(x, floor, None)
    }

    /// The tables for posteriors of at least `floor`.
    pub(crate) fn tables(&self, floor: f32) -> &PosteriorTables {
        let with_integers = may_have_integers(floor);
        let cache = if with_integers { &self.tables.with_integers } else { &self.tables.without };
        cache.get_or_init(|| {
            Arc::new(PosteriorTables::new(self.weights(), self.means(), self.variances(), with_integers))
        })
    }

    /// The posteriors of at least `floor`. Appends ln p(x) of each row to `log_densities`.
    fn append_posteriors(
        &self,
        x: ArrayView2<'_, f32>,
        floor: f32,
        mut log_densities: Option<&mut Vec<f64>>,
    ) -> Result<SparsePosteriors, MixtureError> {
        check_samples(x, self.n_features())?;
        let tables = self.tables(floor);
        let x = x.as_standard_layout();
        let pieces = x.axis_chunks_iter(Axis(0), SHARED_ROWS);
        if is_divided() && log_densities.is_none() {
            let piece = |workspace: &mut Workspace, rows: ArrayView2<'_, f32>| {
                let mut posteriors = SparsePosteriors::with_capacity(rows.nrows());
                tables.append(rows, floor, workspace, &mut posteriors, None);
                posteriors
            };
            let pieces = pieces.into_par_iter().with_max_len(1);
            let pieces: Vec<SparsePosteriors> = pieces.map_init(|| tables.workspace(), piece).collect();
            return Ok(SparsePosteriors::concatenated(&pieces));
        }
        let mut posteriors = SparsePosteriors::with_capacity(x.nrows());
        let mut workspace = tables.workspace();
        for rows in pieces {
            tables.append(rows, floor, &mut workspace, &mut posteriors, log_densities.as_deref_mut());
        }
        Ok(posteriors)
    }

    /// `n` independent draws from the mixture: `(n, D)`.
    ///
    /// Each draw chooses a component with the probability of its weight, then draws every feature from the normal distribution of that
    /// component.
    pub fn generate<R: Rng>(&self, n: usize, rng: &mut R) -> Array2<f32> {
        let mut total = 0.0;
        let cumulative: Vec<f64> = self
            .weights
            .iter()
            .map(|&weight| {
                total += f64::from(weight);
                total
            })
            .collect();
        let deviations = self.variances.mapv(f32::sqrt);
        let mut draws = Array2::zeros((n, self.n_features()));
        for mut draw in draws.rows_mut() {
            let at = rng.r#gen::<f64>() * total;
            let component = cumulative.partition_point(|&sum| sum <= at).min(cumulative.len() - 1);
            for ((value, mean), deviation) in
                draw.iter_mut().zip(self.means.row(component)).zip(deviations.row(component))
            {
                let deviate: f32 = rng.sample(StandardNormal);
                *value = mean + deviation * deviate;
            }
        }
        draws
    }
}

fn check_floor(floor: f32) -> Result<(), MixtureError> {
    if (0.0..=1.0).contains(&floor) {
        return Ok(());
    }
    refuse("floor", floor, "a posterior in [0, 1], for example 1e-4")
}

/// The prediction of linfa: the component with the largest posterior of each sample, `(N)`. Among equal posteriors the first counts.
impl<S: Data<Elem = f32>> PredictInplace<ArrayBase<S, Ix2>, Array1<usize>> for DiagonalGmm {
    /// # Panics
    /// See [`DiagonalGmm::posteriors`].
    fn predict_inplace(&self, x: &ArrayBase<S, Ix2>, targets: &mut Array1<usize>) {
        assert_eq!(targets.len(), x.nrows(), "there must be one target per sample");
        let posteriors = self.posteriors(x.view(), 0.0);
        for (target, row) in targets.iter_mut().zip(posteriors.rows()) {
            *target = (1..row.len()).fold(0, |best, k| if row[k] > row[best] { k } else { best });
        }
    }

    fn default_target(&self, x: &ArrayBase<S, Ix2>) -> Array1<usize> {
        Array1::zeros(x.nrows())
    }
}
