//! Fitted classifiers with a kernel.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};

use crate::error::ClassifierError;
use crate::kernel::Kernel;

/// Samples whose kernel values are computed together.
const SCORED_ROWS: usize = 256;

/// One classifier per class, all with the same support vectors.
///
/// ```text
/// f_c(x) = Σ_i α[c,i] · k(s_i, x) + b_c
/// ```
/// `support` s `(n_support, D)`: the training vectors that are a support vector of at least one class. `alphas` α
/// `(n_classes, n_support)`: with the sign of the targets. `bias` b `(n_classes)`. All values are finite; if the kernel compares
/// histograms, the entries of the support vectors are at least 0.
///
/// ```
/// use fisherlens_classifier::{Kernel, KernelModel};
/// use ndarray::array;
///
/// let support = array![[0.0_f32, 0.0], [1.0, 1.0]];
/// let model = KernelModel::from_parts(Kernel::Rbf { gamma: 1.0 }, support, array![[2.0, -2.0]], array![0.5])?;
/// assert!(model.score(0, &[0.0, 0.1]) > 0.0);
/// assert!(model.score(0, &[1.0, 0.9]) < 0.0);
/// # Ok::<(), fisherlens_classifier::ClassifierError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(try_from = "Parts"))]
pub struct KernelModel {
    kernel: Kernel,
    support: Array2<f32>,
    alphas: Array2<f32>,
    bias: Array1<f32>,
}

/// The fields as they are read from a file, before the checks.
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
    /// Builds a model from its arrays, for example a model that was trained by another program.
    ///
    /// # Errors
    /// [`ClassifierError::Length`] when the arrays have different numbers of classes or support vectors, [`ClassifierError::Empty`] without
    /// a class or a dimension, [`ClassifierError::Parameter`] for a γ, an α or a bias out of range,
    /// [`ClassifierError::NotFinite`] and [`ClassifierError::Negative`] for a support vector for which the kernel is not defined.
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

    /// k, with its γ.
    pub fn kernel(&self) -> Kernel {
        self.kernel
    }

    /// s `(n_support, D)`, in the order of the training samples.
    pub fn support(&self) -> ArrayView2<'_, f32> {
        self.support.view()
    }

    /// One support vector `(D)`.
    ///
    /// # Panics
    /// When the support vector does not exist.
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

    /// D, the number of dimensions of the vectors.
    pub fn n_dimensions(&self) -> usize {
        self.support.ncols()
    }

    /// Scores of all classes. `x` `(n_samples, D)`. Returns `(n_samples, n_classes)`; kernel values are `f32`, their sums `f64`.
    ///
    /// # Panics
    /// When the vectors do not have D dimensions.
    pub fn decision_function(&self, x: ArrayView2<'_, f32>) -> Array2<f32> {
        assert_eq!(x.ncols(), self.n_dimensions(), "the vectors must have as many dimensions as the model");
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
    /// When the class does not exist or `x` does not have D dimensions.
    pub fn score(&self, class: usize, x: &[f32]) -> f64 {
        assert_eq!(x.len(), self.n_dimensions(), "the vector must have as many dimensions as the model");
        let alphas = self.alphas.row(class);
        let terms = alphas.iter().enumerate().filter(|(_, alpha)| **alpha != 0.0);
        let sum: f64 = terms.map(|(i, &alpha)| f64::from(alpha) * self.kernel.of(self.support_vector(i), x)).sum();
        sum + f64::from(self.bias[class])
    }
}
