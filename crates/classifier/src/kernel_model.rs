//! Fitted classifiers with a kernel, and either kind of model under one name.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};

use crate::{ClassifierError, Kernel, LinearModel};

/// Samples whose kernel values are made together.
const SCORED_ROWS: usize = 256;

/// One classifier a class over the same support vectors.
///
/// ```text
/// f_c(x) = Σ_i α[c,i] · k(s_i, x) + b_c
/// ```
/// `support` s `(n_support, D)`: training vectors that some class needs; `alphas` α `(n_classes, n_support)`, with the sign of
/// the targets; `bias` b `(n_classes)`. All finite; support vectors of at least 0 where the kernel compares histograms.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(try_from = "Parts"))]
pub struct KernelModel {
    kernel: Kernel,
    support: Array2<f32>,
    alphas: Array2<f32>,
    bias: Array1<f32>,
}

/// What is read from a file, before it is checked.
#[cfg(feature = "serde")]
#[derive(serde::Deserialize)]
struct Parts {
    kernel: Kernel,
    support: Array2<f32>,
    alphas: Array2<f32>,
    bias: Array1<f32>,
}

#[cfg(feature = "serde")]
impl TryFrom<Parts> for KernelModel {
    type Error = ClassifierError;

    fn try_from(parts: Parts) -> Result<Self, ClassifierError> {
        Self::from_parts(parts.kernel, parts.support, parts.alphas, parts.bias)
    }
}

impl KernelModel {
    /// Puts a model together, for example one that was trained elsewhere.
    ///
    /// # Errors
    /// [`ClassifierError::Length`] when the arrays differ in classes or support vectors, [`ClassifierError::Empty`] without a
    /// class or a dimension, [`ClassifierError::Parameter`] for a width, an α or a bias out of range,
    /// [`ClassifierError::NotFinite`] and [`ClassifierError::Negative`] for a support vector that the kernel does not take.
    pub fn from_parts(
        kernel: Kernel,
        support: Array2<f32>,
        alphas: Array2<f32>,
        bias: Array1<f32>,
    ) -> Result<Self, ClassifierError> {
        kernel.check()?;
        for (what, expected, found) in
            [("support vectors", alphas.ncols(), support.nrows()), ("classes with a bias", alphas.nrows(), bias.len())]
        {
            if expected != found {
                return Err(ClassifierError::Length { what, expected, found });
            }
        }
        for (what, number) in [("class", alphas.nrows()), ("dimension", support.ncols())] {
            if number == 0 {
                return Err(ClassifierError::Empty { what });
            }
        }
        for (field, values) in [("alphas", alphas.view().into_dyn()), ("bias", bias.view().into_dyn())] {
            if let Some(found) = values.iter().find(|value| !value.is_finite()) {
                return Err(ClassifierError::Parameter { field, found: found.to_string(), expected: "finite numbers" });
            }
        }
        kernel.kind().check(support.view())?;
        let support = if support.is_standard_layout() { support } else { support.as_standard_layout().into_owned() };
        Ok(Self { kernel, support, alphas, bias })
    }

    /// k, with its width.
    pub fn kernel(&self) -> Kernel {
        self.kernel
    }

    /// s `(n_support, D)`, in the order of training.
    pub fn support(&self) -> ArrayView2<'_, f32> {
        self.support.view()
    }

    /// s of one row `(D)`.
    ///
    /// # Panics
    /// When there is no such row.
    pub fn support_vector(&self, index: usize) -> &[f32] {
        self.support.row(index).to_slice().expect("support vectors are kept in C order")
    }

    /// α `(n_classes, n_support)`.
    pub fn alphas(&self) -> ArrayView2<'_, f32> {
        self.alphas.view()
    }

    /// b `(n_classes)`.
    pub fn bias(&self) -> ArrayView1<'_, f32> {
        self.bias.view()
    }

    /// Number of classes.
    pub fn n_classes(&self) -> usize {
        self.alphas.nrows()
    }

    /// D, the length of the vectors.
    pub fn n_dimensions(&self) -> usize {
        self.support.ncols()
    }

    /// Scores of all classes: `x` `(n_samples, D)`, returns `(n_samples, n_classes)`; kernel values in `f32`, their sums in `f64`.
    ///
    /// # Panics
    /// When the vectors have another length than D.
    pub fn decision_function(&self, x: ArrayView2<'_, f32>) -> Array2<f32> {
        assert_eq!(x.ncols(), self.n_dimensions(), "the vectors must be as long as those of training");
        let alphas = self.alphas.mapv(f64::from);
        let mut scores = Array2::zeros((x.nrows(), self.n_classes()));
        for start in (0..x.nrows()).step_by(SCORED_ROWS) {
            let rows = start..x.nrows().min(start + SCORED_ROWS);
            let values = self.kernel.matrix(x.slice_axis(Axis(0), rows.clone().into()), self.support.view());
            let sums = values.mapv(f64::from).dot(&alphas.t()) + self.bias.mapv(f64::from);
            scores.slice_axis_mut(Axis(0), rows.into()).assign(&sums.mapv(|score| score as f32));
        }
        scores
    }

    /// Score of one class for one vector, summed in `f64`.
    ///
    /// # Panics
    /// When `class` is no class or `x` has another length than D.
    pub fn score(&self, class: usize, x: &[f32]) -> f64 {
        assert_eq!(x.len(), self.n_dimensions(), "the vector must be as long as those of training");
        let alphas = self.alphas.row(class);
        let terms = alphas.iter().enumerate().filter(|(_, alpha)| **alpha != 0.0);
        let sum: f64 = terms.map(|(i, &alpha)| f64::from(alpha) * self.kernel.of(self.support_vector(i), x)).sum();
        sum + f64::from(self.bias[class])
    }
}

/// A fitted classifier of either kind, for callers that take both.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
pub enum Model {
    /// A score linear in the vector.
    Linear(LinearModel),
    /// A score linear in the kernel's values.
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

    /// D, the length of the vectors.
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
    /// When the vectors have another length than D.
    pub fn decision_function(&self, x: ArrayView2<'_, f32>) -> Array2<f32> {
        match self {
            Self::Linear(model) => model.decision_function(x),
            Self::Kernel(model) => model.decision_function(x),
        }
    }

    /// Score of one class for one vector, summed in `f64`.
    ///
    /// # Panics
    /// When `class` is no class or `x` has another length than D.
    pub fn score(&self, class: usize, x: &[f32]) -> f64 {
        match self {
            Self::Linear(model) => model.score(class, x),
            Self::Kernel(model) => model.score(class, x),
        }
    }

    /// The linear model, where it is one.
    pub fn linear(&self) -> Option<&LinearModel> {
        match self {
            Self::Linear(model) => Some(model),
            Self::Kernel(_) => None,
        }
    }
}
