//! Logistic regression, a second linear classifier, fitted by linfa.

use linfa::ParamGuard;
use linfa::dataset::DatasetBase;
use linfa::traits::Fit;
use linfa_logistic::LogisticRegression as LinfaLogisticRegression;
use ndarray::{Array1, Array2, ArrayBase, ArrayView1, ArrayView2, Axis, Data, Ix2};
use rayon::prelude::*;

use crate::cholesky::cholesky;
use crate::cross_validation::{Candidate, best_c, cross_validate};
use crate::error::ClassifierError;
use crate::gram::gram;
use crate::linear_model::{DualView, LinearModel};
use crate::one_vs_rest::{check_gram, checked_targets};
use crate::params::{Difficult, check_c_grid, check_n_folds, check_positive, refuse};
use crate::primal::coefficients;
use crate::training::{ClassReport, ClassifierTrainer, Training, TrainingReport};

/// Factor of the losses. For vectors of unit length, a C of 1 is too small to separate the classes.
const DEFAULT_C: f64 = 10.0;
/// Folds of the cross-validation, as for the support vector machine.
const DEFAULT_N_FOLDS: usize = 5;
/// Length of the gradient. The curvature of the objective is at least 1, so the error of each coefficient is at most this length.
const DEFAULT_TOLERANCE: f64 = 1e-3;
/// Iterations of the optimiser. Some tens are usual.
const DEFAULT_MAX_N_ITERATIONS: u64 = 1000;

/// Unchecked parameters of logistic regression; see [`LogisticRegression`].
#[derive(Debug, Clone, PartialEq)]
pub struct LogisticRegressionParams(LogisticRegression);

/// One-vs-rest logistic regression with checked parameters. This type is the trainer; it calls `linfa-logistic`.
///
/// ```text
/// min over w, b of   ½‖w‖² + C Σ_i log(1 + exp(−y_i (w·x_i + b)))
/// ```
/// The bias is not regularised. At the optimum `w = Σ_i α_i x_i` with `α_i = C y_i / (1 + exp(y_i f_i))`, so every sample is a
/// support vector and w lies in the span of the samples. If there are more dimensions than samples, linfa therefore receives the rows of
/// the Cholesky factor L of the Gram matrix, K = L·Lᵀ, in place of x: n numbers per sample with the same inner products, in `f64`. In both
/// cases w is the sum above.
///
/// Build it with [`LogisticRegression::params`] and `check`.
///
/// ```
/// use fisherlens_classifier::{ClassifierTrainer, LogisticRegression};
/// use linfa::ParamGuard;
/// use ndarray::array;
///
/// let x = array![[1.0_f32, 0.0], [0.8, 0.6], [-1.0, 0.0], [-0.6, 0.8]];
/// let targets = array![[1_i8], [1], [-1], [-1]];
/// let model = LogisticRegression::params().c(10.0).check()?.train(x.view(), targets.view())?.model;
/// let scores = model.decision_function(x.view());
/// assert!(scores[[0, 0]] > 0.0 && scores[[2, 0]] < 0.0);
/// # Ok::<(), fisherlens_classifier::ClassifierError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct LogisticRegression {
    c_grid: Vec<f64>,
    n_folds: usize,
    seed: u64,
    tolerance: f64,
    max_n_iterations: u64,
    difficult: Difficult,
}

impl LogisticRegression {
    /// Defaults: C = 10, a gradient of length 1e-3 or less, at most 1000 iterations, targets 0 ignored.
    pub fn params() -> LogisticRegressionParams {
        LogisticRegressionParams(Self {
            c_grid: vec![DEFAULT_C],
            n_folds: DEFAULT_N_FOLDS,
            seed: 0,
            tolerance: DEFAULT_TOLERANCE,
            max_n_iterations: DEFAULT_MAX_N_ITERATIONS,
            difficult: Difficult::default(),
        })
    }
}

impl LogisticRegressionParams {
    /// Factor C of the losses, finite and above 0. There is no cross-validation then. Default 10.
    #[must_use]
    pub fn c(self, c: f64) -> Self {
        self.c_grid(vec![c])
    }

    /// Candidates for C. The choice works as in [`LinearSvmParams::c_grid`](crate::LinearSvmParams::c_grid).
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

    /// Seed of the folds; nothing else is random. Default 0.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.0.seed = seed;
        self
    }

    /// Length of the objective's gradient at which the optimiser stops for a class; finite and above 0. Default 1e-3.
    #[must_use]
    pub fn tolerance(mut self, tolerance: f64) -> Self {
        self.0.tolerance = tolerance;
        self
    }

    /// Largest number of iterations of the optimiser, at least 1. Reaching it is recorded in the report; it is not an error. Default 1000.
    #[must_use]
    pub fn max_n_iterations(mut self, max_n_iterations: u64) -> Self {
        self.0.max_n_iterations = max_n_iterations;
        self
    }

    /// How samples with target 0 are treated. Default: left out.
    #[must_use]
    pub fn difficult(mut self, difficult: Difficult) -> Self {
        self.0.difficult = difficult;
        self
    }
}

impl ParamGuard for LogisticRegressionParams {
    type Checked = LogisticRegression;
    type Error = ClassifierError;

    fn check_ref(&self) -> Result<&LogisticRegression, ClassifierError> {
        check_c_grid(&self.0.c_grid)?;
        check_n_folds(self.0.n_folds)?;
        check_positive("tolerance", self.0.tolerance, "a finite gradient length above 0, such as 1e-3")?;
        if self.0.max_n_iterations == 0 {
            return refuse("max_n_iterations", "0", "at least 1 iteration of the optimiser");
        }
        Ok(&self.0)
    }

    fn check(self) -> Result<LogisticRegression, ClassifierError> {
        self.check_ref()?;
        Ok(self.0)
    }
}

/// The classifier of one class in its dual form, with the scores of all samples.
struct Solution {
    alphas: Vec<f64>,
    scores: Vec<f64>,
    bias: f64,
    report: ClassReport,
}

impl ClassifierTrainer for LogisticRegression {
    fn train(&self, x: ArrayView2<'_, f32>, targets: ArrayView2<'_, i8>) -> Result<Training, ClassifierError> {
        let targets = checked_targets(x, targets, self.difficult)?;
        let features = features(x)?;
        let (c, cross_validation) = match self.c_grid.as_slice() {
            [c] => (*c, Vec::new()),
            c_grid => {
                let rows = cross_validate(&targets, c_grid, self.n_folds, self.seed, usize::MAX, |problems| {
                    let path = |(class, kept): &(usize, Vec<i8>)| {
                        let candidate = |&c: &f64| {
                            let Solution { scores, report, .. } = self.solve(&features, kept, *class, c)?;
                            Ok(Candidate { scores, converged: report.converged })
                        };
                        c_grid.iter().map(candidate).collect()
                    };
                    problems.par_iter().with_max_len(1).map(path).collect()
                })?;
                (best_c(&rows).unwrap_or(c_grid[0]), rows)
            }
        };
        let solutions: Vec<Solution> = (0..targets.ncols())
            .into_par_iter()
            .with_max_len(1)
            .map(|class| self.solve(&features, &targets.column(class).to_vec(), class, c))
            .collect::<Result<_, ClassifierError>>()?;

        let n_classes = targets.ncols();
        let alphas = Array2::from_shape_fn((n_classes, x.nrows()), |(class, i)| solutions[class].alphas[i] as f32);
        let bias: Array1<f32> = solutions.iter().map(|solution| solution.bias as f32).collect();
        let classes = solutions.into_iter().map(|solution| solution.report).collect();
        let model = LinearModel::from_parts(coefficients(alphas.view(), x), bias)?.with_dual(DualView { alphas })?;
        Ok(Training { model, report: TrainingReport { c: Some(c), classes, cross_validation } })
    }
}

impl LogisticRegression {
    /// Fits one class. `features` `(n, F)`, in column-major order. Samples with target 0 are not used for fitting, but they are scored.
    fn solve(&self, features: &Array2<f64>, targets: &[i8], class: usize, c: f64) -> Result<Solution, ClassifierError> {
        let kept: Vec<usize> = (0..targets.len()).filter(|&i| targets[i] != 0).collect();
        let kept_targets: Array1<i8> = kept.iter().map(|&i| targets[i]).collect();
        let (v, bias) = if kept.len() == targets.len() {
            self.fit(&DatasetBase::new(features.view(), kept_targets), class, c)?
        } else {
            // Selecting from the transposed array keeps the columns contiguous; linfa's products are fast only then.
            let chosen = features.t().select(Axis(1), &kept);
            let chosen = chosen.as_standard_layout();
            self.fit(&DatasetBase::new(chosen.t(), kept_targets), class, c)?
        };
        let scores = features.dot(&v) + bias;
        Ok(self.solution(features, targets, v.view(), &scores, c, bias))
    }

    fn fit<S: Data<Elem = f64>>(
        &self,
        dataset: &DatasetBase<ArrayBase<S, Ix2>, Array1<i8>>,
        class: usize,
        c: f64,
    ) -> Result<(Array1<f64>, f64), ClassifierError> {
        // linfa's objective is our objective divided by C, and its gradient is our gradient divided by C.
        let fitted = LinfaLogisticRegression::<f64>::default()
            .alpha(1.0 / c)
            .gradient_tolerance(self.tolerance / c)
            .max_iterations(self.max_n_iterations)
            .fit(dataset)
            .map_err(|error| ClassifierError::Optimizer { class, reason: error.to_string() })?;
        // linfa treats the more frequent label as the positive one, which may be −1 here.
        let sign = if fitted.labels().pos.class > 0 { 1.0 } else { -1.0 };
        Ok((fitted.params() * sign, fitted.intercept() * sign))
    }

    /// Computes α from the scores, and reports how well α and w agree.
    fn solution(
        &self,
        features: &Array2<f64>,
        targets: &[i8],
        v: ArrayView1<'_, f64>,
        scores: &Array1<f64>,
        c: f64,
        bias: f64,
    ) -> Solution {
        let mut losses = 0.0;
        let alphas: Array1<f64> = scores
            .iter()
            .zip(targets)
            .map(|(&score, &target)| {
                if target == 0 {
                    return 0.0;
                }
                let y = f64::from(target);
                let margin = y * score;
                losses += (-margin.abs()).exp().ln_1p() + (-margin).max(0.0);
                c * y / (1.0 + margin.exp())
            })
            .collect();
        let residual = &v - &features.t().dot(&alphas);
        let gradient = (residual.dot(&residual) + alphas.sum().powi(2)).sqrt();
        let report = ClassReport {
            objective: 0.5 * v.dot(&v) + c * losses,
            duality_gap: None,
            n_epochs: None,
            // Twice the tolerance, because the optimiser's last gradient differs from this one by rounding.
            converged: gradient <= 2.0 * self.tolerance,
            n_support_vectors: alphas.iter().filter(|alpha| **alpha != 0.0).count(),
        };
        Solution { alphas: alphas.to_vec(), scores: scores.to_vec(), bias, report }
    }
}

/// The features for linfa: `x` itself, or the Cholesky factor of its Gram matrix if that has fewer columns. Columns are contiguous.
fn features(x: ArrayView2<'_, f32>) -> Result<Array2<f64>, ClassifierError> {
    let (n, d) = x.dim();
    if d <= n {
        for (sample, row) in x.rows().into_iter().enumerate() {
            if let Some(&found) = row.iter().find(|value| !value.is_finite()) {
                return Err(ClassifierError::NotFinite { what: "an entry", sample, found });
            }
        }
        return Ok(x.t().mapv(f64::from).as_standard_layout().into_owned().reversed_axes());
    }
    let gram = gram(x);
    check_gram(gram.view(), n)?;
    let factor = cholesky(gram.mapv(f64::from));
    Ok(factor.t().as_standard_layout().into_owned().reversed_axes())
}
