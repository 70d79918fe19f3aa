//! Layer 3 for classifiers with a kernel.
//!
//! If the kernel is a sum over dimensions, the decomposition is exact. For the other kernels it is the first-order Taylor expansion of the
//! score at a root of the score.

use fisherlens_classifier::{Kernel, KernelModel};

use crate::error::LrpError;
use crate::expansion_point::expansion_point;
use crate::kernel_score::KernelScore;
use crate::linear::{bias_per_dimension, check_class_and_length};

/// Relevance of the dimensions, and the part of the score that it does not include.
#[derive(Debug, Clone, PartialEq)]
pub struct DimensionRelevance {
    /// `R[d]` `(D)`.
    pub values: Vec<f64>,
    /// The part of the score that all dimensions share: the bias b, or the score f(x0) at the point of a Taylor expansion, which is 0 at a
    /// root.
    pub bias_share: f64,
    /// `f(x) − Σ_d R[d]` of a Taylor expansion: the terms of second and higher order. 0 for exact decompositions.
    pub taylor_remainder: f64,
}

/// Relevance of every dimension for one class of a model with a kernel.
///
/// ```text
/// linear                   R[d] = Σ_i α_i s_i[d] x[d] + b / D
/// histogram intersection   R[d] = Σ_i α_i min(s_i[d], x[d]) + b / D
/// chi-squared, rbf         R[d] = (∂f/∂x[d])(x0) · (x[d] − x0[d]) + f(x0) / D,   f(x0) = 0 if a root is found
/// ```
/// `phi` x `(D)`: the vector of the image, normalised as for training. The first two formulas sum to f(x) exactly. The third is the first
/// order of the Taylor expansion of f at a root x0. The difference between f(x) and its sum is [`DimensionRelevance::taylor_remainder`]; it
/// consists of the terms of higher order and shrinks with the square of the distance between x and x0. The bias is part of f(x) and of
/// f(x0), so no dimension gets a share of it. A dimension in which x is 0 and x0 is not 0 has relevance too: the absence of the word
/// counts.
///
/// The search for the root tries three paths, in this order:
///
/// 1. from x to the nearest support vector whose score has the other sign. Relevance then tells what the image has and this support vector
///    lacks.
/// 2. from x along the gradient of f, where a small step changes the score most. Entries of histograms stop at 0.
/// 3. from x to the zero vector.
///
/// On the embedded data with χ² and bags of words, the first path orders descriptors better than the second (A 0.081 against 0.046),
/// although its roots are further away and the terms of higher order are larger (33 % of the score against 18 %).
///
/// Bisection starts at the first change of sign and stops when the absolute value of the score is at most 1e-9 · (`Σ_i |α_i| + |b|`).
/// Sums are in `f64`, and the same input gives the same root. The score can have the same sign at all points of the search, for example if
/// the bias of a class is larger than the contributions of all its support vectors. Then x0 is the point among them whose score is nearest
/// to 0, and all dimensions share the score f(x0) as they would share a bias.
///
/// # Errors
/// [`LrpError::Class`], [`LrpError::Length`]; [`LrpError::Negative`] for an entry below 0 with a kernel for histograms;
/// [`LrpError::NotFinite`].
///
/// # References
/// `bach2015`, section on bag-of-words features: kernels that are sums over dimensions are decomposed; differentiable kernels are expanded
/// around a root.
///
/// ```
/// use fisherlens_classifier::{Kernel, KernelModel};
/// use fisherlens_lrp::kernel_relevance;
/// use ndarray::array;
///
/// let support = array![[2.0_f32, 0.0, 1.0], [0.0, 3.0, 0.5]];
/// let model = KernelModel::from_parts(Kernel::HistogramIntersection, support, array![[1.0, -0.5]], array![0.75])?;
/// let relevance = kernel_relevance(&model, 0, &[1.0, 2.0, 4.0])?;
/// assert_eq!(relevance.values, [1.25, -0.75, 1.0]);
/// assert_eq!(relevance.values.iter().sum::<f64>(), model.score(0, &[1.0, 2.0, 4.0]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn kernel_relevance(model: &KernelModel, class: usize, phi: &[f32]) -> Result<DimensionRelevance, LrpError> {
    check(model, class, phi)?;
    let kernel_score = KernelScore::new(model, class);
    let x: Vec<f64> = phi.iter().map(|&value| f64::from(value)).collect();
    let bias_share = bias_per_dimension(kernel_score.bias, x.len());
    // For a kernel that is a sum over dimensions: the sum of its terms over the support vectors, per dimension.
    let exact = |term: fn(f64, f64) -> f64| {
        let mut values = vec![bias_share; x.len()];
        for (alpha, support) in &kernel_score.terms {
            for ((value, &s), &x) in values.iter_mut().zip(*support).zip(&x) {
                *value += alpha * term(f64::from(s), x);
            }
        }
        DimensionRelevance { values, bias_share: kernel_score.bias, taylor_remainder: 0.0 }
    };
    match kernel_score.kernel {
        Kernel::Linear => Ok(exact(|s, x| s * x)),
        Kernel::HistogramIntersection => Ok(exact(f64::min)),
        Kernel::ChiSquared { .. } | Kernel::Rbf { .. } => {
            let (point, score) = expansion_point(&kernel_score, &x);
            Ok(taylor(&kernel_score, &x, &point, score))
        }
    }
}

/// The first-order expansion at `point`, whose score is `score`.
fn taylor(kernel_score: &KernelScore<'_>, x: &[f64], point: &[f64], score: f64) -> DimensionRelevance {
    let gradient = kernel_score.gradient(point);
    let constant = bias_per_dimension(score, x.len());
    let values: Vec<f64> = gradient.iter().zip(x).zip(point).map(|((g, x), x0)| g * (x - x0) + constant).collect();
    let taylor_remainder = kernel_score.at(x) - values.iter().sum::<f64>();
    DimensionRelevance { values, bias_share: score, taylor_remainder }
}

fn check(model: &KernelModel, class: usize, phi: &[f32]) -> Result<(), LrpError> {
    check_class_and_length(model.n_classes(), model.n_dimensions(), class, phi)?;
    for (dimension, &value) in phi.iter().enumerate() {
        if !value.is_finite() {
            return Err(LrpError::NotFinite { dimension, value: f64::from(value) });
        }
        if value < 0.0 && model.kernel().kind().needs_histograms() {
            return Err(LrpError::Negative { dimension, value, kernel: model.kernel().kind().name() });
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "taylor_tests.rs"]
mod tests;
