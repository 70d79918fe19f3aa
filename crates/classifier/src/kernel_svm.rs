//! The support vector machine (SVM) with a kernel.

use linfa::ParamGuard;
use ndarray::{ArrayView2, Axis};

use crate::error::ClassifierError;
use crate::kernel::{KernelKind, check_gamma};
use crate::kernel_model::KernelModel;
use crate::one_vs_rest::checked_targets;
use crate::params::{LinearSvm, LinearSvmParams, refuse};
use crate::training::Training;

/// Unchecked parameters of the SVM with a kernel; see [`KernelSvm`].
#[derive(Debug, Clone, PartialEq)]
pub struct KernelSvmParams(KernelSvm);

/// One-vs-rest support vector machine with a kernel: the problem of [`LinearSvm`], with kernel values in place of inner products.
///
/// The regularised bias adds s² to every kernel value. Build it with [`KernelSvm::params`] and `check`.
///
/// ```
/// use fisherlens_classifier::{KernelKind, KernelSvm, LinearSvm};
/// use linfa::ParamGuard;
/// use ndarray::array;
///
/// // The exclusive or, which no linear classifier can learn.
/// let x = array![[0.0_f32, 0.0], [1.0, 1.0], [0.0, 1.0], [1.0, 0.0]];
/// let targets = array![[1_i8], [1], [-1], [-1]];
/// let svm = KernelSvm::params(KernelKind::Rbf).gamma(1.0).svm(LinearSvm::params().c(100.0)).check()?;
/// let model = svm.train(x.view(), targets.view())?.model;
/// let scores = model.decision_function(x.view());
/// assert!(scores[[1, 0]] > 0.9 && scores[[2, 0]] < -0.9);
/// # Ok::<(), fisherlens_classifier::ClassifierError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct KernelSvm {
    kernel: KernelKind,
    gamma: Option<f64>,
    /// Checked together with the kernel.
    svm: LinearSvmParams,
}

impl KernelSvm {
    /// Defaults: γ is computed from the training vectors; all other parameters are those of [`LinearSvm::params`].
    pub fn params(kernel: KernelKind) -> KernelSvmParams {
        KernelSvmParams(Self { kernel, gamma: None, svm: LinearSvm::params() })
    }

    /// The kind of kernel.
    pub fn kernel(&self) -> KernelKind {
        self.kernel
    }

    /// γ, if it was given.
    pub fn gamma(&self) -> Option<f64> {
        self.gamma
    }

    /// The parameters that do not depend on the kernel: C, loss, bias and solver.
    pub fn svm(&self) -> &LinearSvmParams {
        &self.svm
    }

    /// Trains all classes on one Gram matrix of the kernel.
    ///
    /// `x` `(n_samples, D)`, `targets` `(n_samples, n_classes)`: +1, −1, or 0 for difficult. If a kernel has a γ and none was given, γ is
    /// one over the mean distance between two training samples. This mean runs over all training samples, also inside the cross-validation.
    ///
    /// # Errors
    /// The errors of [`crate::ClassifierTrainer::train`]; [`ClassifierError::Negative`] for entries below 0 with a kernel for
    /// histograms; [`ClassifierError::Parameter`] when γ is left out and all samples are equal.
    pub fn train(
        &self,
        x: ArrayView2<'_, f32>,
        targets: ArrayView2<'_, i8>,
    ) -> Result<Training<KernelModel>, ClassifierError> {
        let svm = self.svm.check_ref()?;
        let targets = checked_targets(x, targets, svm.difficult())?;
        self.kernel.check(x)?;
        let (kernel, gram) = self.kernel.fit(self.gamma, x)?;
        let solution = svm.solve_dual(gram.view(), &targets)?;
        // The model keeps only the samples that are a support vector of at least one class.
        let is_support = |i: &usize| solution.alphas.column(*i).iter().any(|alpha| *alpha != 0.0);
        let rows: Vec<usize> = (0..x.nrows()).filter(is_support).collect();
        let (support, alphas) = (x.select(Axis(0), &rows), solution.alphas.select(Axis(1), &rows));
        let model = KernelModel::from_parts(kernel, support, alphas, solution.bias)?;
        Ok(Training { model, report: solution.report })
    }
}

impl KernelSvmParams {
    /// γ, finite and above 0, for the kernels that have one. Default: one over the mean distance between two training samples.
    #[must_use]
    pub fn gamma(mut self, gamma: f64) -> Self {
        self.0.gamma = Some(gamma);
        self
    }

    /// C, loss, bias, folds and all other parameters that do not depend on the kernel.
    #[must_use]
    pub fn svm(mut self, svm: LinearSvmParams) -> Self {
        self.0.svm = svm;
        self
    }
}

impl ParamGuard for KernelSvmParams {
    type Checked = KernelSvm;
    type Error = ClassifierError;

    fn check_ref(&self) -> Result<&KernelSvm, ClassifierError> {
        let params = &self.0;
        params.svm.check_ref()?;
        match params.gamma {
            Some(gamma) if params.kernel.has_gamma() => check_gamma(gamma)?,
            Some(gamma) => {
                return refuse(
                    "gamma",
                    &gamma.to_string(),
                    "no gamma: only the chi-squared and the rbf kernel have one",
                );
            }
            None => {}
        }
        Ok(params)
    }

    fn check(self) -> Result<KernelSvm, ClassifierError> {
        self.check_ref()?;
        Ok(self.0)
    }
}
