//! A fitted model that is either linear or has a kernel.

use ndarray::{Array2, ArrayView1, ArrayView2};

use crate::kernel_model::KernelModel;
use crate::linear_model::LinearModel;

/// A fitted model that is either linear or has a kernel, for callers that accept both.
///
/// ```
/// use fisherlens_classifier::{LinearModel, Model};
/// use ndarray::array;
///
/// let model = Model::Linear(LinearModel::from_parts(array![[1.0_f32, -2.0]], array![0.5])?);
/// assert_eq!(model.decision_function(array![[3.0, 1.0]].view()), array![[1.5]]);
/// assert!(model.linear().is_some());
/// # Ok::<(), fisherlens_classifier::ClassifierError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
pub enum Model {
    /// The score is linear in the vector.
    Linear(LinearModel),
    /// The score is linear in the values of a kernel.
    Kernel(KernelModel),
}

impl Model {
    /// Number of classes.
    pub fn n_classes(&self) -> usize {
        match self {
            Self::Linear(model) => model.n_classes(),
            Self::Kernel(model) => model.n_classes(),
        }
    }

    /// D, the number of dimensions of the vectors.
    pub fn n_dimensions(&self) -> usize {
        match self {
            Self::Linear(model) => model.n_dimensions(),
            Self::Kernel(model) => model.n_dimensions(),
        }
    }

    /// b `(n_classes)`.
    pub fn bias(&self) -> ArrayView1<'_, f32> {
        match self {
            Self::Linear(model) => model.bias(),
            Self::Kernel(model) => model.bias(),
        }
    }

    /// Scores of all classes `(n_samples, n_classes)`.
    ///
    /// # Panics
    /// When the vectors do not have D dimensions.
    pub fn decision_function(&self, x: ArrayView2<'_, f32>) -> Array2<f32> {
        match self {
            Self::Linear(model) => model.decision_function(x),
            Self::Kernel(model) => model.decision_function(x),
        }
    }

    /// Score of one class for one vector, summed in `f64`.
    ///
    /// # Panics
    /// When the class does not exist or `x` does not have D dimensions.
    pub fn score(&self, class: usize, x: &[f32]) -> f64 {
        match self {
            Self::Linear(model) => model.score(class, x),
            Self::Kernel(model) => model.score(class, x),
        }
    }

    /// The linear model, if this is one.
    pub fn linear(&self) -> Option<&LinearModel> {
        match self {
            Self::Linear(model) => Some(model),
            Self::Kernel(_) => None,
        }
    }
}
