//! The score of one class of a model with a kernel, and its gradient, as functions.

use fisherlens_classifier::{Kernel, KernelModel};

/// The score of one class as a function in `f64`.
pub(crate) struct Machine<'a> {
    pub(crate) kernel: Kernel,
    /// α and s of the support vectors with α ≠ 0.
    pub(crate) terms: Vec<(f64, &'a [f32])>,
    pub(crate) bias: f64,
}

impl<'a> Machine<'a> {
    pub(crate) fn new(model: &'a KernelModel, class: usize) -> Self {
        let alphas = model.alphas();
        let needed = alphas.row(class).into_iter().enumerate().filter(|(_, alpha)| **alpha != 0.0);
        let terms = needed.map(|(i, &alpha)| (f64::from(alpha), model.support_vector(i))).collect();
        Self { kernel: model.kernel(), terms, bias: f64::from(model.bias()[class]) }
    }

    /// Whether entries stay at least 0.
    pub(crate) fn is_of_histograms(&self) -> bool {
        self.kernel.kind().needs_histograms()
    }

    /// `Σ_i |α_i| + |b|`, what a score is small against: the kernels expanded here are at most 1.
    pub(crate) fn scale(&self) -> f64 {
        self.terms.iter().map(|(alpha, _)| alpha.abs()).sum::<f64>() + self.bias.abs()
    }

    /// f(x).
    pub(crate) fn score(&self, x: &[f64]) -> f64 {
        self.terms.iter().map(|(alpha, support)| alpha * self.value(support, x)).sum::<f64>() + self.bias
    }

    fn value(&self, support: &[f32], x: &[f64]) -> f64 {
        let pairs = support.iter().zip(x).map(|(&s, &x)| (f64::from(s), x));
        match self.kernel {
            Kernel::Linear => pairs.map(|(s, x)| s * x).sum(),
            Kernel::HistogramIntersection => pairs.map(|(s, x)| s.min(x)).sum(),
            Kernel::ChiSquared { gamma } => {
                let term = |(s, x): (f64, f64)| if s + x > 0.0 { (x - s) * (x - s) / (x + s) } else { 0.0 };
                (-gamma * pairs.map(term).sum::<f64>()).exp()
            }
            Kernel::Rbf { gamma } => (-gamma * pairs.map(|(s, x)| (x - s) * (x - s)).sum::<f64>()).exp(),
        }
    }

    /// ∂f/∂x, at entries of 0 from above for kernels of histograms.
    pub(crate) fn gradient(&self, x: &[f64]) -> Vec<f64> {
        let mut gradient = vec![0.0; x.len()];
        for (alpha, support) in &self.terms {
            let weight = alpha * self.value(support, x);
            for ((sum, &s), &x) in gradient.iter_mut().zip(*support).zip(x) {
                let s = f64::from(s);
                *sum += match self.kernel {
                    Kernel::Linear => alpha * s,
                    Kernel::HistogramIntersection => {
                        if x < s {
                            *alpha
                        } else {
                            0.0
                        }
                    }
                    // Of (x − s)² / (x + s); where s is 0 that is x itself.
                    Kernel::ChiSquared { gamma } => {
                        let slope = if s > 0.0 { (x - s) * (x + 3.0 * s) / ((x + s) * (x + s)) } else { 1.0 };
                        -gamma * weight * slope
                    }
                    Kernel::Rbf { gamma } => -2.0 * gamma * weight * (x - s),
                };
            }
        }
        gradient
    }
}
