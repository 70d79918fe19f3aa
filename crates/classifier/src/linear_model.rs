//! Fitted linear classifiers, in their primal and dual views.

use linfa::traits::PredictInplace;
use ndarray::{Array1, Array2, ArrayBase, ArrayView1, ArrayView2, Axis, Data, Ix2};

use crate::error::ClassifierError;
use crate::product::product_transposed;

/// Samples that are scored in one product. The number is fixed, so that no bit of a score depends on the number of threads.
pub(crate) const SCORED_ROWS: usize = 256;

/// One linear classifier per class.
///
/// ```text
/// f_c(x) = w_c · x + b_c
/// ```
/// `coefficients` w `(n_classes, D)`, `bias` b `(n_classes)`, all finite. A score f is not a probability; its sign is the
/// prediction.
///
/// ```
/// use fisherlens_classifier::LinearModel;
/// use ndarray::array;
///
/// let model = LinearModel::from_parts(array![[1.0_f32, -2.0], [0.0, 1.0]], array![0.5, -1.0])?;
/// assert_eq!(model.decision_function(array![[3.0, 1.0]].view()), array![[1.5, 0.0]]);
/// assert_eq!(model.score(0, &[3.0, 1.0]), 1.5);
/// # Ok::<(), fisherlens_classifier::ClassifierError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(try_from = "Parts"))]
pub struct LinearModel {
    coefficients: Array2<f32>,
    bias: Array1<f32>,
    dual: Option<DualView>,
}

/// The fields as they are read from a file, before the checks.
#[cfg(feature = "serde")]
#[derive(serde::Deserialize)]
struct Parts {
    coefficients: Array2<f32>,
    bias: Array1<f32>,
    dual: Option<DualView>,
}

#[cfg(feature = "serde")]
impl TryFrom<Parts> for LinearModel {
    type Error = ClassifierError;

    fn try_from(parts: Parts) -> Result<Self, ClassifierError> {
        let model = Self::from_parts(parts.coefficients, parts.bias)?;
        match parts.dual {
            Some(dual) => model.with_dual(dual),
            None => Ok(model),
        }
    }
}

/// The same classifiers as sums over the training vectors.
///
/// ```text
/// w_c = Σ_i α[c,i] · x_i
/// ```
/// α has the sign of the target (`α_i = y_i·a_i` with `a_i ≥ 0`). It is 0 for samples that are not support vectors.
///
/// ```
/// use fisherlens_classifier::DualView;
/// use ndarray::array;
///
/// let dual = DualView { alphas: array![[0.5_f32, 0.0, -0.5]] };
/// assert_eq!(dual.support_vectors(0), [0, 2]);
/// ```
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct DualView {
    /// α `(n_classes, n_samples)`, samples in the order of training.
    pub alphas: Array2<f32>,
}

impl DualView {
    /// Indices of the samples with α ≠ 0, in rising order.
    ///
    /// # Panics
    /// When the class does not exist.
    pub fn support_vectors(&self, class: usize) -> Vec<usize> {
        let alphas = self.alphas.row(class);
        alphas.iter().enumerate().filter(|(_, alpha)| **alpha != 0.0).map(|(i, _)| i).collect()
    }
}

impl LinearModel {
    /// Builds a model from its arrays, for example a model that was trained by another program.
    ///
    /// # Errors
    /// [`ClassifierError::Length`] when the two arrays have different numbers of classes, [`ClassifierError::Empty`] without a
    /// class or a dimension, [`ClassifierError::Parameter`] for a number that is not finite.
    pub fn from_parts(coefficients: Array2<f32>, bias: Array1<f32>) -> Result<Self, ClassifierError> {
        let (n_classes, n_dimensions) = coefficients.dim();
        if bias.len() != n_classes {
            return Err(ClassifierError::Length {
                what: "classes with a bias",
                expected: n_classes,
                found: bias.len(),
            });
        }
        for (what, number) in [("class", n_classes), ("dimension", n_dimensions)] {
            if number == 0 {
                return Err(ClassifierError::Empty { what });
            }
        }
        for (field, values) in [("coefficients", coefficients.view().into_dyn()), ("bias", bias.view().into_dyn())] {
            if let Some(found) = values.iter().find(|value| !value.is_finite()) {
                return Err(ClassifierError::Parameter { field, found: found.to_string(), expected: "finite numbers" });
            }
        }
        let coefficients = if coefficients.is_standard_layout() {
            coefficients
        } else {
            coefficients.as_standard_layout().into_owned()
        };
        Ok(Self { coefficients, bias, dual: None })
    }

    /// Adds a dual view to the model.
    ///
    /// # Errors
    /// [`ClassifierError::Length`] when the view has another number of classes; [`ClassifierError::Parameter`] when a number of it is not
    /// finite.
    pub fn with_dual(self, dual: DualView) -> Result<Self, ClassifierError> {
        if dual.alphas.nrows() != self.n_classes() {
            return Err(ClassifierError::Length {
                what: "classes of the dual view",
                expected: self.n_classes(),
                found: dual.alphas.nrows(),
            });
        }
        if let Some(found) = dual.alphas.iter().find(|alpha| !alpha.is_finite()) {
            return Err(ClassifierError::Parameter {
                field: "alphas",
                found: found.to_string(),
                expected: "finite numbers",
            });
        }
        Ok(Self { dual: Some(dual), ..self })
    }

    /// w `(n_classes, D)`.
    pub fn coefficients(&self) -> ArrayView2<'_, f32> {
        self.coefficients.view()
    }

    /// w of one class `(D)`.
    ///
    /// # Panics
    /// When the class does not exist.
    pub fn class_coefficients(&self, class: usize) -> &[f32] {
        self.coefficients.row(class).to_slice().expect("coefficients are kept in C order")
    }

    /// b `(n_classes)`.
    pub fn bias(&self) -> ArrayView1<'_, f32> {
        self.bias.view()
    }

    /// Number of classes.
    pub fn n_classes(&self) -> usize {
        self.coefficients.nrows()
    }

    /// D, the number of dimensions of the vectors.
    pub fn n_dimensions(&self) -> usize {
        self.coefficients.ncols()
    }

    /// The dual view, if the model has one.
    pub fn dual(&self) -> Option<&DualView> {
        self.dual.as_ref()
    }

    /// Scores of all classes.
    ///
    /// `x` `(n_samples, D)`. Returns `(n_samples, n_classes)`. Products are summed in `f32` over runs of dimensions, and the sums of the
    /// runs are added in `f64`.
    ///
    /// # Panics
    /// When the vectors do not have D dimensions.
    pub fn decision_function(&self, x: ArrayView2<'_, f32>) -> Array2<f32> {
        assert_eq!(x.ncols(), self.n_dimensions(), "the vectors must have as many dimensions as the model");
        let mut scores = Array2::zeros((x.nrows(), self.n_classes()));
        for start in (0..x.nrows()).step_by(SCORED_ROWS) {
            let rows = start..x.nrows().min(start + SCORED_ROWS);
            let mut products = product_transposed(x.slice_axis(Axis(0), rows.clone().into()), self.coefficients.view());
            for mut row in products.rows_mut() {
                for (score, &bias) in row.iter_mut().zip(&self.bias) {
                    *score += f64::from(bias);
                }
            }
            scores.slice_axis_mut(Axis(0), rows.into()).assign(&products.mapv(|score| score as f32));
        }
        scores
    }

    /// Score of one class for one vector, summed in `f64`.
    ///
    /// # Panics
    /// When the class does not exist or `x` does not have D dimensions.
    pub fn score(&self, class: usize, x: &[f32]) -> f64 {
        assert_eq!(x.len(), self.n_dimensions(), "the vector must have as many dimensions as the model");
        let coefficients = self.class_coefficients(class);
        // Eight independent sums, so that an addition does not have to wait for the previous one.
        let mut sums = [0.0_f64; 8];
        let (x_runs, w_runs) = (x.chunks_exact(8), coefficients.chunks_exact(8));
        let rest = x_runs.remainder().iter().zip(w_runs.remainder());
        let rest: f64 = rest.map(|(&x, &w)| f64::from(x) * f64::from(w)).sum();
        for (x, w) in x_runs.zip(w_runs) {
            for ((sum, &x), &w) in sums.iter_mut().zip(x).zip(w) {
                *sum += f64::from(x) * f64::from(w);
            }
        }
        sums.iter().sum::<f64>() + rest + f64::from(self.bias[class])
    }
}

/// linfa's prediction `(n_samples, n_classes)`: +1 if the score is above 0, otherwise −1.
impl<S: Data<Elem = f32>> PredictInplace<ArrayBase<S, Ix2>, Array2<i8>> for LinearModel {
    fn predict_inplace(&self, x: &ArrayBase<S, Ix2>, targets: &mut Array2<i8>) {
        let scores = self.decision_function(x.view());
        assert_eq!(targets.dim(), scores.dim(), "the targets must have one row per sample and one column per class");
        targets.zip_mut_with(&scores, |target, &score| *target = if score > 0.0 { 1 } else { -1 });
    }

    fn default_target(&self, x: &ArrayBase<S, Ix2>) -> Array2<i8> {
        Array2::zeros((x.nrows(), self.n_classes()))
    }
}
