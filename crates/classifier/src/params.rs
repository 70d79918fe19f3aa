//! Parameters of the support vector machine, their defaults and the one place where they are checked.

use linfa::ParamGuard;

use crate::ClassifierError;

/// Weight of the losses (`chatfield2011`, the encoding toolbox: C = 10 for Fisher vectors).
const DEFAULT_C: f64 = 10.0;
/// Parts of the cross-validation.
const DEFAULT_N_FOLDS: usize = 5;
/// Relative duality gap. Scores then lie within some 1e-3 of the exact solution's, and rankings no longer move.
const DEFAULT_TOLERANCE: f64 = 1e-4;
/// Passes over the samples; data that separate well need some tens.
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

/// What a sample with target 0 (only difficult instances of the class) is in training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
pub enum Difficult {
    /// Left out for that class (`everingham2010`).
    #[default]
    Ignore,
    /// A negative (the encoding toolbox of `chatfield2011`).
    Negative,
}

impl Difficult {
    /// The target a sample is trained and measured with.
    pub(crate) fn resolve(self, target: i8) -> i8 {
        if target == 0 && self == Self::Negative { -1 } else { target }
    }
}

/// Unchecked parameters of the support vector machine; see [`LinearSvm`].
#[derive(Debug, Clone, PartialEq)]
pub struct LinearSvmParams(LinearSvm);

/// One-vs-rest linear support vector machine with checked parameters: the trainer itself.
///
/// ```text
/// min over w, b of   ½‖w‖² + ½(b/s)² + C Σ_i ξ(y_i (w·x_i + b))
/// ```
/// for each class, with the loss ξ of [`Loss`] and C not divided by the number of samples. The bias is the coefficient of an
/// added feature of value s ([`LinearSvmParams::bias_feature`]) and is regularised like the others, as in liblinear and
/// scikit-learn's LinearSVC. libsvm's free bias puts the equality `Σ_i α_i = 0` on the dual, so that no α can move alone; the
/// regularised one leaves a box, in which coordinate descent works. A large s approaches the free bias.
///
/// Make it by [`LinearSvm::params`] and `check`.
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
    /// Hinge loss, C = 10, bias feature 1, relative duality gap 1e-4, at most 1000 passes, targets 0 ignored.
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

    /// Candidates for C, rising and each once; one entry where C is given.
    pub fn c_grid(&self) -> &[f64] {
        &self.c_grid
    }

    /// Parts of the cross-validation that chooses C.
    pub fn n_folds(&self) -> usize {
        self.n_folds
    }

    /// Seed of the folds and of the order in which samples are visited.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Loss of a sample.
    pub fn loss(&self) -> Loss {
        self.loss
    }

    /// Value s of the feature whose coefficient is the bias.
    pub fn bias_feature(&self) -> f64 {
        self.bias_feature
    }

    /// Relative duality gap at which a class is finished.
    pub fn tolerance(&self) -> f64 {
        self.tolerance
    }

    /// Most passes over the samples.
    pub fn max_n_epochs(&self) -> usize {
        self.max_n_epochs
    }

    /// What samples with target 0 are.
    pub fn difficult(&self) -> Difficult {
        self.difficult
    }
}

impl LinearSvmParams {
    /// Weight C of the losses, finite and above 0; no cross-validation then. Default 10.
    #[must_use]
    pub fn c(self, c: f64) -> Self {
        self.c_grid(vec![c])
    }

    /// Candidates for C, of which cross-validation inside the training set takes one for all classes. With a single
    /// candidate there is no cross-validation.
    ///
    /// The samples are dealt at random into [`LinearSvmParams::n_folds`] parts, without regard to their targets. Each part is
    /// scored by classifiers trained on the others; a part's value is the mean over the classes of the average precision (area
    /// under the precision-recall curve), a candidate's the mean over the parts. Classes without a positive in the part, or
    /// one-sided outside it, are left out of that part's mean. Among equal candidates the smallest C is taken.
    #[must_use]
    pub fn c_grid(mut self, mut c_grid: Vec<f64>) -> Self {
        c_grid.sort_by(f64::total_cmp);
        c_grid.dedup();
        self.0.c_grid = c_grid;
        self
    }

    /// Parts of the cross-validation, at least 2 and at most the number of samples. Default 5.
    #[must_use]
    pub fn n_folds(mut self, n_folds: usize) -> Self {
        self.0.n_folds = n_folds;
        self
    }

    /// Seed of the folds and of the order in which samples are visited. Default 0.
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

    /// Value s of the feature whose coefficient is the bias, finite and not negative; 0 for no bias, large values for one that is
    /// hardly regularised but takes more passes. Default 1.
    #[must_use]
    pub fn bias_feature(mut self, bias_feature: f64) -> Self {
        self.0.bias_feature = bias_feature;
        self
    }

    /// Relative duality gap, (primal − dual) / primal, at which a class is finished; finite and above 0. Default 1e-4.
    ///
    /// The Gram matrix is kept in `f32`: below some 1e-7 the gap goes on falling, but for a problem that differs by as much.
    #[must_use]
    pub fn tolerance(mut self, tolerance: f64) -> Self {
        self.0.tolerance = tolerance;
        self
    }

    /// Most passes over the samples, at least 1; meeting it is told in the report and is no error. Default 1000.
    #[must_use]
    pub fn max_n_epochs(mut self, max_n_epochs: usize) -> Self {
        self.0.max_n_epochs = max_n_epochs;
        self
    }

    /// What samples with target 0 are. Default: left out.
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
                "a finite number of at least 0; 0 leaves the bias out",
            );
        }
        if svm.max_n_epochs == 0 {
            return refuse("max_n_epochs", "0", "at least 1 pass over the samples");
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
        return refuse("c_grid", "an empty list", "at least one C, such as [1.0, 10.0]");
    }
    c_grid.iter().try_for_each(|&c| check_positive("c", c, "finite numbers above 0, such as 10"))
}

pub(crate) fn check_n_folds(n_folds: usize) -> Result<(), ClassifierError> {
    if n_folds < 2 { refuse("n_folds", &n_folds.to_string(), "at least 2 parts") } else { Ok(()) }
}

pub(crate) fn check_positive(field: &'static str, found: f64, expected: &'static str) -> Result<(), ClassifierError> {
    if found.is_finite() && found > 0.0 { Ok(()) } else { refuse(field, &found.to_string(), expected) }
}
