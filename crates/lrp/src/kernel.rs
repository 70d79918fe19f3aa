//! Layer 3 for classifiers with a kernel: exact where the kernel is a sum over dimensions, a first-order Taylor expansion at a root
//! of the score elsewhere.

use fisherlens_classifier::{Kernel, KernelModel, Model};

use crate::LrpError;
use crate::machine::Machine;
use crate::root::expansion_point;
use crate::svm::{self, class_relevance, share};

/// Relevance of the dimensions, with what it leaves of the score.
#[derive(Debug, Clone, PartialEq)]
pub struct DimensionRelevance {
    /// `R[d]` `(D)`.
    pub values: Vec<f64>,
    /// What all dimensions share: the bias b, or the score at the point of a Taylor expansion, which is 0 at a root.
    pub bias_share: f64,
    /// `f(x) − Σ_d R[d]` of a Taylor expansion: the terms of second and higher order. 0 for decompositions that are exact.
    pub taylor_remainder: f64,
}

/// Relevance of every dimension for one class of either kind of model: [`class_relevance`] or [`kernel_relevance`].
///
/// # Errors
/// Those of the two.
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

/// Relevance of every dimension for one class of a model with a kernel.
///
/// ```text
/// linear                   R[d] = Σ_i α_i s_i[d] x[d] + b / D
/// histogram intersection   R[d] = Σ_i α_i min(s_i[d], x[d]) + b / D
/// chi-squared, rbf         R[d] = (∂f/∂x[d])(x0) · (x[d] − x0[d]) + f(x0) / D,   f(x0) = 0 where a root is met
/// ```
/// `phi` x `(D)`, as the classifier reads it. The first two sum to f(x) exactly. The third is the first order of the Taylor
/// expansion of f at a root x0: its sum misses f(x) by [`DimensionRelevance::taylor_remainder`], which is exactly the terms of higher
/// order and shrinks with the square of the distance from x to x0. The bias is part of f at either end, so no dimension gets a share of
/// it. A dimension in which x is 0 and x0 is not has relevance too: the word's absence speaks.
///
/// The root is looked for on the way from x to the nearest support vector whose score has the other sign, so that relevance says what the image
/// has that this one lacks; then on the line through x along the gradient of f, where a small step changes the score most (entries of
/// histograms stop at 0); then on the way to the zero vector. On the embedded data with χ² and bags of words the first way orders descriptors
/// better than the second, A 0.081 against 0.046, though it goes further and leaves more to higher orders, 33 % of the score against 18 %.
/// The first change of sign is bisected until the score is below 1e-9 of the sizes it is a sum of. Sums in `f64`; the same
/// input gives the same root. Where the score has one sign at all those places, as that of a class whose bias outweighs all its support
/// vectors, x0 is the point among them whose score is nearest to 0, and what is left of it, f(x0), is shared by all dimensions as
/// a bias is.
///
/// # Errors
/// [`LrpError::Class`], [`LrpError::Length`]; [`LrpError::Negative`] for an entry below 0 with a kernel of histograms;
/// [`LrpError::NotFinite`].
///
/// # References
/// `bach2015`, section on bag-of-words features: sums over dimensions are decomposed, differentiable kernels expanded around a root.
pub fn kernel_relevance(model: &KernelModel, class: usize, phi: &[f32]) -> Result<DimensionRelevance, LrpError> {
    check(model, class, phi)?;
    let machine = Machine::new(model, class);
    let x: Vec<f64> = phi.iter().map(|&value| f64::from(value)).collect();
    let bias_share = share(machine.bias, x.len());
    let exact = |term: fn(f64, f64) -> f64| {
        let mut values = vec![bias_share; x.len()];
        for (alpha, support) in &machine.terms {
            for ((value, &s), &x) in values.iter_mut().zip(*support).zip(&x) {
                *value += alpha * term(f64::from(s), x);
            }
        }
        DimensionRelevance { values, bias_share: machine.bias, taylor_remainder: 0.0 }
    };
    match machine.kernel {
        Kernel::Linear => Ok(exact(|s, x| s * x)),
        Kernel::HistogramIntersection => Ok(exact(f64::min)),
        Kernel::ChiSquared { .. } | Kernel::Rbf { .. } => {
            let (point, score) = expansion_point(&machine, &x);
            Ok(taylor(&machine, &x, &point, score))
        }
    }
}

fn taylor(machine: &Machine<'_>, x: &[f64], point: &[f64], score: f64) -> DimensionRelevance {
    let gradient = machine.gradient(point);
    let constant = share(score, x.len());
    let values: Vec<f64> = gradient.iter().zip(x).zip(point).map(|((g, x), x0)| g * (x - x0) + constant).collect();
    let taylor_remainder = machine.score(x) - values.iter().sum::<f64>();
    DimensionRelevance { values, bias_share: score, taylor_remainder }
}

fn check(model: &KernelModel, class: usize, phi: &[f32]) -> Result<(), LrpError> {
    svm::check(model.n_classes(), model.n_dimensions(), class, phi)?;
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
#[path = "kernel_tests.rs"]
mod tests;
