//! What every trainer takes and gives back.

use ndarray::ArrayView2;

use crate::{ClassifierError, LinearModel};

/// Learns one linear classifier a class.
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

/// A model with the account of how it was found.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Training<M = LinearModel> {
    /// The classifiers.
    pub model: M,
    /// How they were found.
    pub report: TrainingReport,
}

/// How a model was found. The default is the report of a model from elsewhere, of which nothing is known.
#[derive(Debug, Clone, PartialEq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct TrainingReport {
    /// The weight C of the losses that all classes were trained with.
    pub c: Option<f64>,
    /// One entry a class.
    pub classes: Vec<ClassReport>,
    /// The candidates for C, rising; empty where C was given.
    pub cross_validation: Vec<CrossValidationRow>,
}

/// How one class's classifier was found.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ClassReport {
    /// The primal objective reached.
    pub objective: f64,
    /// Primal less dual objective, an upper bound on how far `objective` lies above the least possible; `None` where the solver
    /// has no dual.
    pub duality_gap: Option<f64>,
    /// Passes over the samples; `None` where the solver does not tell.
    pub n_epochs: Option<usize>,
    /// Whether the tolerance was met before the last allowed pass.
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
    /// Mean over the folds; the candidate with the largest is taken, the smaller C among equals.
    pub mean_average_precision: f64,
    /// Mean average precision (area under the curve) on each held-out fold, in `[0, 1]`.
    pub folds: Vec<f64>,
}
