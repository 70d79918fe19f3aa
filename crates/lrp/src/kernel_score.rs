//! The score of one class of a model with a kernel, as a function with a gradient.

use fisherlens_classifier::{Kernel, KernelModel};

/// The score f of one class as a function, computed in `f64`.
pub(crate) struct KernelScore<'a> {
    pub(crate) kernel: Kernel,
    /// α and support vector s, for all α ≠ 0.
    pub(crate) terms: Vec<(f64, &'a [f32])>,
    pub(crate) bias: f64,
}

impl<'a> KernelScore<'a> {
    pub(crate) fn new(model: &'a KernelModel, class: usize) -> Self {
        let alphas = model.alphas();
        let nonzero = alphas.row(class).into_iter().enumerate().filter(|(_, alpha)| **alpha != 0.0);
        let terms = nonzero.map(|(i, &alpha)| (f64::from(alpha), model.support_vector(i))).collect();
        Self { kernel: model.kernel(), terms, bias: f64::from(model.bias()[class]) }
    }

    /// Whether the entries of x must be at least 0.
    pub(crate) fn needs_histograms(&self) -> bool {
        self.kernel.kind().needs_histograms()
    }

    /// `Σ_i |α_i| + |b|`: a score counts as 0 if it is small relative to this value. The kernels that are expanded are at most 1, so this
    /// is an upper bound on the sum of the absolute values of the terms.
    pub(crate) fn scale(&self) -> f64 {
        self.terms.iter().map(|(alpha, _)| alpha.abs()).sum::<f64>() + self.bias.abs()
    }

    /// f(x).
    pub(crate) fn at(&self, x: &[f64]) -> f64 {
        self.terms.iter().map(|(alpha, support)| alpha * self.kernel_value(support, x)).sum::<f64>() + self.bias
    }

    /// k(s, x).
    fn kernel_value(&self, support: &[f32], x: &[f64]) -> f64 {
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

    /// ∂f/∂x. For kernels of histograms, at entries of 0, the derivative from above.
    pub(crate) fn gradient(&self, x: &[f64]) -> Vec<f64> {
        let mut gradient = vec![0.0; x.len()];
        for (alpha, support) in &self.terms {
            let term = alpha * self.kernel_value(support, x);
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
                    // The slope of (x − s)² / (x + s). If s is 0, this function is x and its slope is 1.
                    Kernel::ChiSquared { gamma } => {
                        let slope = if s > 0.0 { (x - s) * (x + 3.0 * s) / ((x + s) * (x + s)) } else { 1.0 };
                        -gamma * term * slope
                    }
                    Kernel::Rbf { gamma } => -2.0 * gamma * term * (x - s),
                };
            }
        }
        gradient
    }
}
