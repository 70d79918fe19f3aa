//! Parameters of the support vector machine (SVM), their defaults and their checks.

use linfa::ParamGuard;

use crate::error::ClassifierError;

/// Factor of the losses (`chatfield2011`, the encoding toolbox: C = 10 for Fisher vectors).
const DEFAULT_C: f64 = 10.0;
/// Folds of the cross-validation.
const DEFAULT_N_FOLDS: usize = 5;
/// Relative duality gap. At this value, scores differ from the scores of the exact solution by about 1e-3, and rankings no longer change.
const DEFAULT_TOLERANCE: f64 = 1e-4;
/// Epochs, that is passes over all samples. Data that are easy to separate need some tens.
const DEFAULT_MAX_N_EPOCHS: usize = 1000;
/// Value of the added feature (liblinear's `-B 1`, scikit-learn's `intercept_scaling`).
const DEFAULT_BIAS_FEATURE: f64 = 1.0;

/// Loss ξ of a sample with margin m = y·f(x).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
pub enum Loss {
    /// max(0, 1 − m).
    #[default]
    Hinge,
    /// max(0, 1 − m)².
    SquaredHinge,
}

/// How training treats a sample with target 0 (the image shows only difficult instances of the class).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
pub enum Difficult {
    /// The sample is left out for that class (`everingham2010`).
    #[default]
    Ignore,
    /// The sample is a negative (as in the encoding toolbox of `chatfield2011`).
    Negative,
}

impl Difficult {
    /// The target that is used for training and for measuring: −1, 0 (ignored) or +1.
    pub fn resolve(self, target: i8) -> i8 {
        if target == 0 && self == Self::Negative { -1 } else { target }
    }
}

/// Unchecked parameters of the linear SVM; see [`LinearSvm`].
#[derive(Debug, Clone, PartialEq)]
pub struct LinearSvmParams(LinearSvm);

/// One-vs-rest linear support vector machine with checked parameters. This type is the trainer.
///
/// ```text
/// min over w, b of   ½‖w‖² + ½(b/s)² + C Σ_i ξ(y_i (w·x_i + b))
/// ```
/// for each class, with the loss ξ of [`Loss`]. C is not divided by the number of samples. The bias is the coefficient of an
/// added feature of value s ([`LinearSvmParams::bias_feature`]) and is regularised like the other coefficients, as in liblinear and in
/// scikit-learn's LinearSVC. The free bias of libsvm adds the constraint `Σ_i α_i = 0` to the dual, and under this constraint no single α
/// can change alone. With the regularised bias the only constraints are bounds on each α, and coordinate descent works. A large s
/// approaches the free bias.
///
/// Build it with [`LinearSvm::params`] and `check`. The crate's front page has an example of training; this one chooses C:
///
/// ```
/// use fisherlens_classifier::{ClassifierTrainer, LinearSvm};
/// use linfa::ParamGuard;
/// use ndarray::array;
///
/// let x = array![[1.0_f32, 0.0], [0.8, 0.6], [0.6, 0.8], [-1.0, 0.0], [-0.6, 0.8], [-0.8, 0.6]];
/// let targets = array![[1_i8, -1], [1, -1], [1, -1], [-1, 1], [-1, 1], [-1, 1]];
/// let svm = LinearSvm::params().c_grid(vec![0.1, 1.0, 10.0]).n_folds(3).check()?;
/// let report = svm.train(x.view(), targets.view())?.report;
/// assert_eq!(report.cross_validation.len(), 3);
/// assert!(svm.c_grid().contains(&report.c.unwrap()));
/// # Ok::<(), fisherlens_classifier::ClassifierError>(())
/// ```
///
/// # References
/// `hsieh2008` (dual coordinate descent), `fan2008` (the bias as a feature).
#[derive(Debug, Clone, PartialEq)]
pub struct LinearSvm {
    pub(crate) c_grid: Vec<f64>,
    pub(crate) n_folds: usize,
    pub(crate) seed: u64,
    pub(crate) loss: Loss,
    pub(crate) bias_feature: f64,
    pub(crate) tolerance: f64,
    pub(crate) max_n_epochs: usize,
    pub(crate) difficult: Difficult,
}

impl LinearSvm {
    /// Defaults: hinge loss, C = 10, bias feature 1, relative duality gap 1e-4, at most 1000 epochs, targets 0 ignored.
    pub fn params() -> LinearSvmParams {
        LinearSvmParams(Self {
            c_grid: vec![DEFAULT_C],
            n_folds: DEFAULT_N_FOLDS,
            seed: 0,
            loss: Loss::default(),
            bias_feature: DEFAULT_BIAS_FEATURE,
            tolerance: DEFAULT_TOLERANCE,
            max_n_epochs: DEFAULT_MAX_N_EPOCHS,
            difficult: Difficult::default(),
        })
    }

    /// Candidates for C in rising order, without duplicates; a single entry if C was given.
    pub fn c_grid(&self) -> &[f64] {
        &self.c_grid
    }

    /// Folds of the cross-validation that chooses C.
    pub fn n_folds(&self) -> usize {
        self.n_folds
    }

    /// Seed of the folds and of the order in which the solver visits the samples.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Loss of a sample.
    pub fn loss(&self) -> Loss {
        self.loss
    }

    /// Value s of the added feature; its coefficient is the bias.
    pub fn bias_feature(&self) -> f64 {
        self.bias_feature
    }

    /// Relative duality gap at which the solver stops for a class.
    pub fn tolerance(&self) -> f64 {
        self.tolerance
    }

    /// Largest number of epochs (passes over all samples).
    pub fn max_n_epochs(&self) -> usize {
        self.max_n_epochs
    }

    /// How samples with target 0 are treated.
    pub fn difficult(&self) -> Difficult {
        self.difficult
    }
}

impl LinearSvmParams {
    /// Factor C of the losses, finite and above 0. There is no cross-validation then. Default 10.
    #[must_use]
    pub fn c(self, c: f64) -> Self {
        self.c_grid(vec![c])
    }

    /// Candidates for C. Cross-validation inside the training set chooses one of them for all classes. With a single
    /// candidate there is no cross-validation.
    ///
    /// The samples are distributed at random over [`LinearSvmParams::n_folds`] folds; their targets play no role in this. Each fold is
    /// scored by classifiers that were trained on the other folds. The value of a fold is the mean over the classes of the average
    /// precision (area under the precision-recall curve), and the value of a candidate is the mean over the folds. A class is left out of
    /// the mean of a fold if it has no positive in the fold, or if it lacks positives or negatives outside the fold. Among candidates with
    /// equal values the smallest C is taken.
    #[must_use]
    pub fn c_grid(mut self, mut c_grid: Vec<f64>) -> Self {
        c_grid.sort_by(f64::total_cmp);
        c_grid.dedup();
        self.0.c_grid = c_grid;
        self
    }

    /// Number of folds of the cross-validation, at least 2 and at most the number of samples. Default 5.
    #[must_use]
    pub fn n_folds(mut self, n_folds: usize) -> Self {
        self.0.n_folds = n_folds;
        self
    }

    /// Seed of the folds and of the order in which the solver visits the samples. Default 0.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.0.seed = seed;
        self
    }

    /// Loss of a sample. Default hinge.
    #[must_use]
    pub fn loss(mut self, loss: Loss) -> Self {
        self.0.loss = loss;
        self
    }

    /// Value s of the added feature, finite and not negative; the coefficient of this feature is the bias. 0 means no bias. With a large
    /// value the bias is hardly regularised, but the solver needs more epochs. Default 1.
    #[must_use]
    pub fn bias_feature(mut self, bias_feature: f64) -> Self {
        self.0.bias_feature = bias_feature;
        self
    }

    /// Relative duality gap, (primal − dual) / primal, at which the solver stops for a class; finite and above 0. Default 1e-4.
    ///
    /// The Gram matrix is stored in `f32`. Below about 1e-7 the gap can still fall, but the rounded matrix is then a different problem by
    /// about the same amount, so a smaller gap gains nothing.
    #[must_use]
    pub fn tolerance(mut self, tolerance: f64) -> Self {
        self.0.tolerance = tolerance;
        self
    }

    /// Largest number of epochs (passes over all samples), at least 1. Reaching it is recorded in the report; it is not an error.
    /// Default 1000.
    #[must_use]
    pub fn max_n_epochs(mut self, max_n_epochs: usize) -> Self {
        self.0.max_n_epochs = max_n_epochs;
        self
    }

    /// How samples with target 0 are treated. Default: left out.
    #[must_use]
    pub fn difficult(mut self, difficult: Difficult) -> Self {
        self.0.difficult = difficult;
        self
    }
}

impl ParamGuard for LinearSvmParams {
    type Checked = LinearSvm;
    type Error = ClassifierError;

    fn check_ref(&self) -> Result<&LinearSvm, ClassifierError> {
        let svm = &self.0;
        check_c_grid(&svm.c_grid)?;
        check_n_folds(svm.n_folds)?;
        check_positive("tolerance", svm.tolerance, "a finite relative duality gap above 0, such as 1e-4")?;
        if !(svm.bias_feature.is_finite() && svm.bias_feature >= 0.0) {
            return refuse(
                "bias_feature",
                &svm.bias_feature.to_string(),
                "a finite number of at least 0 (0 means no bias)",
            );
        }
        if svm.max_n_epochs == 0 {
            return refuse("max_n_epochs", "0", "at least 1 epoch");
        }
        Ok(svm)
    }

    fn check(self) -> Result<LinearSvm, ClassifierError> {
        self.check_ref()?;
        Ok(self.0)
    }
}

pub(crate) fn refuse<T>(field: &'static str, found: &str, expected: &'static str) -> Result<T, ClassifierError> {
    Err(ClassifierError::Parameter { field, found: found.to_owned(), expected })
}

pub(crate) fn check_c_grid(c_grid: &[f64]) -> Result<(), ClassifierError> {
    if c_grid.is_empty() {
        return refuse("c_grid", "an empty list", "at least one candidate, such as [1.0, 10.0]");
    }
    c_grid.iter().try_for_each(|&c| check_positive("c", c, "a finite number above 0, such as 10"))
}

pub(crate) fn check_n_folds(n_folds: usize) -> Result<(), ClassifierError> {
    if n_folds < 2 { refuse("n_folds", &n_folds.to_string(), "at least 2 folds") } else { Ok(()) }
}

pub(crate) fn check_positive(field: &'static str, found: f64, expected: &'static str) -> Result<(), ClassifierError> {
    if found.is_finite() && found > 0.0 { Ok(()) } else { refuse(field, &found.to_string(), expected) }
}
