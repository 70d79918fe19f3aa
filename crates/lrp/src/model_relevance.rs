//! Layer 3 for any fitted model, linear or with a kernel.

use fisherlens_classifier::Model;

use crate::error::LrpError;
use crate::linear::class_relevance;
use crate::taylor::{DimensionRelevance, kernel_relevance};

/// Relevance of every dimension for one class of a model: [`class_relevance`] for a linear model, [`kernel_relevance`] for a kernel.
///
/// `phi` Φ(x) `(D)`: the vector of the image, normalised as for training.
///
/// # Errors
/// The errors of these two functions.
///
/// ```
/// use fisherlens_classifier::{LinearModel, Model};
/// use fisherlens_lrp::model_relevance;
/// use ndarray::array;
///
/// let model = Model::Linear(LinearModel::from_parts(array![[1.0_f32, -2.0]], array![0.5])?);
/// let relevance = model_relevance(&model, 0, &[3.0, 1.0])?;
/// assert_eq!(relevance.values, [3.25, -1.75]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn model_relevance(model: &Model, class: usize, phi: &[f32]) -> Result<DimensionRelevance, LrpError> {
    match model {
        Model::Linear(model) => Ok(DimensionRelevance {
            values: class_relevance(model, class, phi)?,
            bias_share: f64::from(model.bias()[class]),
            taylor_remainder: 0.0,
        }),
        Model::Kernel(model) => kernel_relevance(model, class, phi),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;
    use fisherlens_classifier::{Kernel, KernelModel, LinearModel};
    use ndarray::array;

    #[test]
    fn a_linear_model_and_the_same_model_with_a_linear_kernel_give_equal_relevance() {
        let support = array![[0.5_f32, 0.0, 0.3, 0.2], [0.1, 0.6, 0.0, 0.3], [0.0, 0.2, 0.8, 0.0]];
        let alphas = array![[1.5_f32, -1.0, -0.4]];
        let linear = LinearModel::from_parts(alphas.dot(&support), array![-0.05]).unwrap();
        let kernel = KernelModel::from_parts(Kernel::Linear, support, alphas, array![-0.05]).unwrap();
        let phi = [0.2_f32, 0.4, -0.1, 0.5];
        let one = model_relevance(&Model::Linear(linear), 0, &phi).unwrap();
        let other = model_relevance(&Model::Kernel(kernel), 0, &phi).unwrap();
        for (one, other) in one.values.iter().zip(&other.values) {
            assert_relative_eq!(one, other, epsilon = 1e-7);
        }
        assert_eq!((one.bias_share, one.taylor_remainder), (other.bias_share, other.taylor_remainder));
    }
}
