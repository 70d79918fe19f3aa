//! The support vector machine with a kernel.

use linfa::ParamGuard;
use ndarray::{ArrayView2, Axis};

use crate::kernel::check_gamma;
use crate::one_vs_rest::checked_targets;
use crate::params::refuse;
use crate::{ClassifierError, KernelKind, KernelModel, LinearSvm, LinearSvmParams, Training};

/// Unchecked parameters of the machine with a kernel; see [`KernelSvm`].
#[derive(Debug, Clone, PartialEq)]
pub struct KernelSvmParams(KernelSvm);

/// One-vs-rest support vector machine with a kernel: the problem of [`LinearSvm`], whose inner products are the kernel's values.
///
/// The regularised bias adds s² to every kernel value. Make it by [`KernelSvm::params`] and `check`.
///
/// ```
/// use fisherlens_classifier::{KernelKind, KernelSvm, LinearSvm};
/// use linfa::ParamGuard;
/// use ndarray::array;
///
/// // The exclusive or, which no linear machine learns.
/// let x = array![[0.0_f32, 0.0], [1.0, 1.0], [0.0, 1.0], [1.0, 0.0]];
/// let targets = array![[1_i8], [1], [-1], [-1]];
/// let svm = KernelSvm::params(KernelKind::Rbf).gamma(1.0).machine(LinearSvm::params().c(100.0)).check()?;
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
    machine: LinearSvmParams,
}

impl KernelSvm {
    /// γ from the training vectors, the machine as [`LinearSvm::params`] has it.
    pub fn params(kernel: KernelKind) -> KernelSvmParams {
        KernelSvmParams(Self { kernel, gamma: None, machine: LinearSvm::params() })
    }

    /// Which kernel.
    pub fn kernel(&self) -> KernelKind {
        self.kernel
    }

    /// γ, where it is given.
    pub fn gamma(&self) -> Option<f64> {
        self.gamma
    }

    /// What solves the dual problems, and chooses C.
    pub fn machine(&self) -> &LinearSvmParams {
        &self.machine
    }

    /// Trains all classes on one Gram matrix of the kernel.
    ///
    /// `x` `(n_samples, D)`, `targets` `(n_samples, n_classes)`: +1, −1, or 0 for difficult. The width of a kernel that was given
    /// none is one over the mean distance of all training samples, also inside the cross-validation.
    ///
    /// # Errors
    /// Those of [`crate::ClassifierTrainer::train`]; [`ClassifierError::Negative`] for entries below 0 with a kernel of
    /// histograms; [`ClassifierError::Parameter`] when γ is left out and all samples are the same.
    pub fn train(
        &self,
        x: ArrayView2<'_, f32>,
        targets: ArrayView2<'_, i8>,
    ) -> Result<Training<KernelModel>, ClassifierError> {
        let machine = self.machine.check_ref()?;
        let targets = checked_targets(x, targets, machine.difficult())?;
        self.kernel.check(x)?;
        let (kernel, gram) = self.kernel.fit(self.gamma, x)?;
        let solution = machine.solve_dual(gram.view(), &targets)?;
        let needed = |i: &usize| solution.alphas.column(*i).iter().any(|alpha| *alpha != 0.0);
        let rows: Vec<usize> = (0..x.nrows()).filter(needed).collect();
        let (support, alphas) = (x.select(Axis(0), &rows), solution.alphas.select(Axis(1), &rows));
        let model = KernelModel::from_parts(kernel, support, alphas, solution.bias)?;
        Ok(Training { model, report: solution.report })
    }
}

impl KernelSvmParams {
    /// Width γ, finite and above 0, for the kernels that have one. Default: one over the mean distance of two training samples.
    #[must_use]
    pub fn gamma(mut self, gamma: f64) -> Self {
        self.0.gamma = Some(gamma);
        self
    }

    /// C, loss, bias, folds and everything else that does not depend on the kernel.
    #[must_use]
    pub fn machine(mut self, machine: LinearSvmParams) -> Self {
        self.0.machine = machine;
        self
    }
}

impl ParamGuard for KernelSvmParams {
    type Checked = KernelSvm;
    type Error = ClassifierError;

    fn check_ref(&self) -> Result<&KernelSvm, ClassifierError> {
        let svm = &self.0;
        svm.machine.check_ref()?;
        match svm.gamma {
            Some(gamma) if svm.kernel.has_gamma() => check_gamma(gamma)?,
            Some(gamma) => {
                return refuse(
                    "gamma",
                    &gamma.to_string(),
                    "none: only the chi-squared and the rbf kernel have a width",
                );
            }
            None => {}
        }
        Ok(svm)
    }

    fn check(self) -> Result<KernelSvm, ClassifierError> {
        self.check_ref()?;
        Ok(self.0)
    }
}
