//! Layer 3 for linear classifiers: the score, distributed over the dimensions of the vector.

use fisherlens_classifier::LinearModel;
use ndarray::ArrayView2;

use crate::error::LrpError;

/// Relevance of every dimension, primal form (Eq. 6).
///
/// ```text
/// R[d] = w[d] · Φ(x)[d] + b / D
/// ```
/// `coefficients` w `(D)`. `phi` Φ(x) `(D)`: the vector of the image, normalised as for training. D is the length of Φ(x), 41,216 in the
/// paper. It is not the length of a descriptor; the supplement uses one letter for both. `bias` b belongs to the function f that is
/// explained: if f is the score minus a threshold, subtract the threshold from b. The sum over d is f(x).
///
/// # Panics
/// When the two lengths differ. [`class_relevance`] returns an error instead.
///
/// # References
/// `lapuschkin2016`, supplement Eq. 6.
///
/// ```
/// use fisherlens_lrp::dimension_relevance;
///
/// let relevance = dimension_relevance(&[2.0, -1.0], -2.0, &[0.5, 0.5]);
/// assert_eq!(relevance, [0.0, -1.5]);
/// ```
pub fn dimension_relevance(coefficients: &[f32], bias: f32, phi: &[f32]) -> Vec<f64> {
    assert_eq!(coefficients.len(), phi.len(), "coefficients and vector must have equal lengths");
    let bias_share = bias_per_dimension(f64::from(bias), phi.len());
    coefficients.iter().zip(phi).map(|(&w, &value)| f64::from(w) * f64::from(value) + bias_share).collect()
}

/// Relevance of every dimension, dual form (Eq. 5 and 7).
///
/// ```text
/// R[d] = Σ_i α[i] · Φ(x_i)[d] · Φ(x)[d] + b / D
/// ```
/// `alphas` α `(n_samples)`, with the sign of the targets. `training_phi` `Φ(x_i)` `(n_samples, D)`. `phi` Φ(x) `(D)`.
/// Equals [`dimension_relevance`] with `w = Σ_i α[i] Φ(x_i)`; this sum is computed in `f64`. Samples with α = 0 are skipped.
///
/// # Panics
/// When `training_phi` does not have one row per entry of `alphas` and one column per entry of `phi`. [`class_relevance_dual`] returns an
/// error instead.
///
/// # References
/// `lapuschkin2016`, supplement Eq. 5 and 7.
pub fn dimension_relevance_dual(alphas: &[f32], training_phi: ArrayView2<'_, f32>, bias: f32, phi: &[f32]) -> Vec<f64> {
    assert_eq!(alphas.len(), training_phi.nrows(), "there must be one alpha per training vector");
    assert_eq!(phi.len(), training_phi.ncols(), "vector and training vectors must have equal lengths");
    let mut coefficients = vec![0.0_f64; phi.len()];
    for (&alpha, row) in alphas.iter().zip(training_phi.rows()) {
        if alpha != 0.0 {
            let alpha = f64::from(alpha);
            for (sum, &value) in coefficients.iter_mut().zip(row) {
                *sum += alpha * f64::from(value);
            }
        }
    }
    let bias_share = bias_per_dimension(f64::from(bias), phi.len());
    coefficients.iter().zip(phi).map(|(&w, &value)| w * f64::from(value) + bias_share).collect()
}

/// [`dimension_relevance`] for one class of a model.
///
/// # Errors
/// [`LrpError::Class`] for a class that the model does not have, [`LrpError::Length`] when `phi` and the coefficients have different
/// lengths.
pub fn class_relevance(model: &LinearModel, class: usize, phi: &[f32]) -> Result<Vec<f64>, LrpError> {
    check_class_and_length(model.n_classes(), model.n_dimensions(), class, phi)?;
    Ok(dimension_relevance(model.class_coefficients(class), model.bias()[class], phi))
}

/// [`dimension_relevance_dual`] for one class of a model that has its dual view.
///
/// `training_phi` `(n_samples, D)`: the vectors on which the model was trained, in the same order.
///
/// # Errors
/// The errors of [`class_relevance`]; [`LrpError::NoDualView`]; [`LrpError::Length`] when `training_phi` has another shape.
pub fn class_relevance_dual(
    model: &LinearModel,
    class: usize,
    training_phi: ArrayView2<'_, f32>,
    phi: &[f32],
) -> Result<Vec<f64>, LrpError> {
    check_class_and_length(model.n_classes(), model.n_dimensions(), class, phi)?;
    let dual = model.dual().ok_or(LrpError::NoDualView)?;
    let alphas = dual.alphas.row(class).to_vec();
    let hint = "pass the vectors on which the model was trained";
    for (what, expected, found) in [
        ("training vectors", alphas.len(), training_phi.nrows()),
        ("length of the training vectors", phi.len(), training_phi.ncols()),
    ] {
        if expected != found {
            return Err(LrpError::Length { what, expected, found, hint });
        }
    }
    Ok(dimension_relevance_dual(&alphas, training_phi, model.bias()[class], phi))
}

/// The share of the bias that every dimension gets, `b / D`; 0 for a vector without dimensions.
pub(crate) fn bias_per_dimension(bias: f64, n_dimensions: usize) -> f64 {
    if n_dimensions == 0 { 0.0 } else { bias / n_dimensions as f64 }
}

/// Refuses a class that the model does not have, and a vector of the wrong length.
pub(crate) fn check_class_and_length(
    n_classes: usize,
    n_dimensions: usize,
    class: usize,
    phi: &[f32],
) -> Result<(), LrpError> {
    if class >= n_classes {
        return Err(LrpError::Class { found: class, n_classes });
    }
    if phi.len() != n_dimensions {
        return Err(LrpError::Length {
            what: "length of the vector",
            expected: n_dimensions,
            found: phi.len(),
            hint: "encode the image with the encoder with which the model was trained",
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;
    use ndarray::{array, aview1};

    #[test]
    fn relevance_by_hand() {
        let relevance = dimension_relevance(&[2.0, -1.0, 0.0, 0.5], -2.0, &[0.5, 0.5, 1.0, 0.0]);
        assert_eq!(relevance, [0.5, -1.0, -0.5, -0.5]);
        // The sum is the score: 1 − 0.5 − 2.
        assert_relative_eq!(relevance.iter().sum::<f64>(), -1.5);
    }

    #[test]
    fn primal_and_dual_agree() {
        let training = array![[0.5_f32, -1.0, 0.25], [1.5, 0.0, 2.0], [9.0, 9.0, 9.0]];
        let alphas = [0.5_f32, -0.25, 0.0];
        let coefficients = aview1(&alphas).dot(&training).to_vec();
        let phi = [0.3_f32, -0.7, 0.2];
        let primal = dimension_relevance(&coefficients, 0.9, &phi);
        let dual = dimension_relevance_dual(&alphas, training.view(), 0.9, &phi);
        for (a, b) in primal.iter().zip(&dual) {
            assert_relative_eq!(a, b, max_relative = 1e-7);
        }
    }

    #[test]
    fn a_model_gives_relevance_per_class_and_refuses_wrong_input() {
        let model = LinearModel::from_parts(array![[1.0_f32, 2.0], [-1.0, 0.5]], array![0.5_f32, -1.0]).unwrap();
        let phi = [0.6_f32, 0.8];
        let relevance = class_relevance(&model, 1, &phi).unwrap();
        assert_relative_eq!(relevance[0], -1.1, max_relative = 1e-6);
        assert_relative_eq!(relevance[1], -0.1, max_relative = 1e-6);
        assert_relative_eq!(relevance.iter().sum::<f64>(), model.score(1, &phi), max_relative = 1e-6);
        assert!(matches!(class_relevance(&model, 2, &phi), Err(LrpError::Class { found: 2, n_classes: 2 })));
        assert!(matches!(class_relevance(&model, 0, &phi[..1]), Err(LrpError::Length { expected: 2, found: 1, .. })));
        assert_eq!(class_relevance_dual(&model, 0, array![[1.0_f32, 1.0]].view(), &phi), Err(LrpError::NoDualView));
    }

    #[test]
    fn an_empty_vector_has_no_relevance() {
        assert!(dimension_relevance(&[], 1.0, &[]).is_empty());
    }
}
