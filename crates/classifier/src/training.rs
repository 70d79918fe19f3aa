//! The trait of all trainers, and the report that they return.

use ndarray::ArrayView2;

use crate::error::ClassifierError;
use crate::linear_model::LinearModel;

/// Learns one linear classifier per class.
///
/// A trainer of your own implements [`ClassifierTrainer::train`]. In this one, w is the sum of the positive samples minus the sum of the
/// negative samples:
///
/// ```
/// use fisherlens_classifier::{ClassifierError, ClassifierTrainer, LinearModel, Training, TrainingReport};
/// use ndarray::{Array1, ArrayView2, Axis, array, stack};
///
/// struct SumDifference;
///
/// impl ClassifierTrainer for SumDifference {
///     fn train(&self, x: ArrayView2<'_, f32>, targets: ArrayView2<'_, i8>) -> Result<Training, ClassifierError> {
///         let difference = |targets: ndarray::ArrayView1<'_, i8>| x.t().dot(&targets.mapv(f32::from));
///         let rows: Vec<Array1<f32>> = targets.columns().into_iter().map(difference).collect();
///         let rows: Vec<_> = rows.iter().map(|row| row.view()).collect();
///         let coefficients = stack(Axis(0), &rows).expect("one row per class");
///         let bias = Array1::zeros(targets.ncols());
///         Ok(Training { model: LinearModel::from_parts(coefficients, bias)?, report: TrainingReport::default() })
///     }
/// }
///
/// let (x, targets) = (array![[1.0_f32, 0.5], [-1.0, 0.5]], array![[1_i8], [-1]]);
/// let model = SumDifference.train(x.view(), targets.view())?.model;
/// assert_eq!(model.coefficients(), array![[2.0, 0.0]]);
/// # Ok::<(), ClassifierError>(())
/// ```
pub trait ClassifierTrainer: Send + Sync {
    /// Trains all classes on the same vectors.
    ///
    /// `x` `(n_samples, D)`: vectors, usually of unit length. `targets` `(n_samples, n_classes)`: +1, −1, or 0 for a sample that
    /// holds only difficult instances of the class.
    ///
    /// # Errors
    /// [`ClassifierError`] when shapes disagree, a target is another number, a vector is not finite or a class is one-sided.
    fn train(&self, x: ArrayView2<'_, f32>, targets: ArrayView2<'_, i8>) -> Result<Training, ClassifierError>;
}

/// A fitted model and the report of its training.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Training<M = LinearModel> {
    /// The fitted classifiers of all classes.
    pub model: M,
    /// How the training went.
    pub report: TrainingReport,
}

/// How the training of a model went. The default is for a model that was not trained here, so nothing is known about its training.
#[derive(Debug, Clone, PartialEq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct TrainingReport {
    /// The factor C of the losses; all classes use the same C.
    pub c: Option<f64>,
    /// One entry per class.
    pub classes: Vec<ClassReport>,
    /// The candidates for C in rising order; empty if C was given.
    pub cross_validation: Vec<CrossValidationRow>,
}

impl ClassReport {
    /// The duality gap as a share of the objective, which the tolerance of the settings limits; `None` if the solver has no dual.
    pub fn relative_duality_gap(&self) -> Option<f64> {
        self.duality_gap.map(|gap| if gap == 0.0 { 0.0 } else { gap / self.objective.abs() })
    }
}

/// How the training of one class went.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ClassReport {
    /// The primal objective of the solution.
    pub objective: f64,
    /// Primal minus dual objective. This is an upper bound on the distance between `objective` and the smallest possible value. `None` if
    /// the solver has no dual.
    pub duality_gap: Option<f64>,
    /// Epochs (passes over all samples); `None` if the solver does not count them.
    pub n_epochs: Option<usize>,
    /// Whether the solver reached its tolerance within the allowed number of epochs or iterations.
    pub converged: bool,
    /// Samples with α ≠ 0.
    pub n_support_vectors: usize,
}

/// One candidate for C.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct CrossValidationRow {
    /// The candidate.
    pub c: f64,
    /// Mean over the folds. The candidate with the largest mean is chosen; among equal means, the one with the smallest C.
    pub mean_average_precision: f64,
    /// Mean average precision (area under the curve) on each held-out fold, in `[0, 1]`.
    pub folds: Vec<f64>,
    /// Number of problems: one per fold and class.
    pub n_problems: usize,
    /// Number of those problems in which the solver did not reach its tolerance. The means of such a row say little.
    pub n_unsolved: usize,
}
