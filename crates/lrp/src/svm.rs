//! Layer 3: the score of a linear classifier, divided among the dimensions of the vector.

use fisherlens_classifier::LinearModel;
use ndarray::ArrayView2;

use crate::LrpError;

/// Relevance of every dimension, primal form (Eq. 6).
///
/// ```text
/// R[d] = w[d] · Φ(x)[d] + b / D
/// ```
/// `coefficients` w `(D)`, `phi` Φ(x) `(D)`: the vector as the classifier reads it. D is the length of Φ(x), 41,216 in the
/// paper, not that of a descriptor: the supplement uses one letter for both. `bias` b belongs to the function explained:
/// where f is the score less a threshold, so does the threshold. The sum over d is f(x).
///
/// # Panics
/// When the two lengths differ; [`class_relevance`] returns an error there.
///
/// # References
/// `lapuschkin2016`, supplement Eq. 6.
pub fn dimension_relevance(coefficients: &[f32], bias: f32, phi: &[f32]) -> Vec<f64> {
    assert_eq!(coefficients.len(), phi.len(), "coefficients and vector must have one length");
    let bias_share = share(f64::from(bias), phi.len());
    coefficients.iter().zip(phi).map(|(&w, &value)| f64::from(w) * f64::from(value) + bias_share).collect()
}

/// Relevance of every dimension, dual form (Eq. 5 and 7).
///
/// ```text
/// R[d] = Σ_i α[i] · Φ(x_i)[d] · Φ(x)[d] + b / D
/// ```
/// `alphas` α `(n_samples)`, with the sign of their targets; `training_phi` `Φ(x_i)` `(n_samples, D)`; `phi` Φ(x) `(D)`.
/// Equals [`dimension_relevance`] with `w = Σ_i α[i] Φ(x_i)`, which is summed here in `f64`. Samples of α = 0 are not read.
///
/// # Panics
/// When `alphas` and the rows, or `phi` and the columns of `training_phi` differ in number; [`class_relevance_dual`]
/// returns an error there.
///
/// # References
/// `lapuschkin2016`, supplement Eq. 5 and 7.
pub fn dimension_relevance_dual(alphas: &[f32], training_phi: ArrayView2<'_, f32>, bias: f32, phi: &[f32]) -> Vec<f64> {
    assert_eq!(alphas.len(), training_phi.nrows(), "one alpha a training vector");
    assert_eq!(phi.len(), training_phi.ncols(), "vector and training vectors must have one length");
    let mut coefficients = vec![0.0_f64; phi.len()];
    for (&alpha, row) in alphas.iter().zip(training_phi.rows()) {
        if alpha != 0.0 {
            let alpha = f64::from(alpha);
            for (sum, &value) in coefficients.iter_mut().zip(row) {
                *sum += alpha * f64::from(value);
            }
        }
    }
    let bias_share = share(f64::from(bias), phi.len());
    coefficients.iter().zip(phi).map(|(&w, &value)| w * f64::from(value) + bias_share).collect()
}

/// [`dimension_relevance`] for one class of a model.
///
/// # Errors
/// [`LrpError::Class`] for a class the model does not have, [`LrpError::Length`] when `phi` is not as long as its
/// coefficients.
pub fn class_relevance(model: &LinearModel, class: usize, phi: &[f32]) -> Result<Vec<f64>, LrpError> {
    check(model.n_classes(), model.n_dimensions(), class, phi)?;
    Ok(dimension_relevance(model.class_coefficients(class), model.bias()[class], phi))
}

/// [`dimension_relevance_dual`] for one class of a model that kept its dual view.
///
/// `training_phi` `(n_samples, D)`: the vectors it was trained on, in the same order.
///
/// # Errors
/// Those of [`class_relevance`]; [`LrpError::NoDualView`]; [`LrpError::Length`] when `training_phi` has another shape.
pub fn class_relevance_dual(
    model: &LinearModel,
    class: usize,
    training_phi: ArrayView2<'_, f32>,
    phi: &[f32],
) -> Result<Vec<f64>, LrpError> {
    check(model.n_classes(), model.n_dimensions(), class, phi)?;
    let dual = model.dual().ok_or(LrpError::NoDualView)?;
    let alphas = dual.alphas.row(class).to_vec();
    let hint = "pass the vectors that the model was trained on";
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

/// What every dimension gets of the bias, `b / D`; nothing for a vector without dimensions.
pub(crate) fn share(bias: f64, n_dimensions: usize) -> f64 {
    if n_dimensions == 0 { 0.0 } else { bias / n_dimensions as f64 }
}

/// Refuses a class that the model lacks and a vector that it cannot read.
pub(crate) fn check(n_classes: usize, n_dimensions: usize, class: usize, phi: &[f32]) -> Result<(), LrpError> {
    if class >= n_classes {
        return Err(LrpError::Class { found: class, n_classes });
    }
    if phi.len() != n_dimensions {
        return Err(LrpError::Length {
            what: "length of the vector",
            expected: n_dimensions,
            found: phi.len(),
            hint: "encode the image with the encoder that the model was trained on",
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
    fn by_hand() {
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
    fn a_model_gives_relevance_by_class_and_refuses_what_does_not_fit() {
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
