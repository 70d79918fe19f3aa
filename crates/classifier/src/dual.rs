//! The dual problems of all classes, a point of each problem, and the Gram matrix in the form that the solver reads.

use std::ops::Range;

use fisherlens_product::multiply;
use ndarray::{Array2, ArrayView2, s};
use rayon::prelude::*;

use crate::params::Loss;
use crate::product::in_runs;

/// Columns of one panel. The time of a product with few rows is the time of reading the matrix once. In panels of this width
/// the matrix is read in the order in which it lies in memory; with whole rows, consecutive steps would read addresses that are a page
/// apart (one core of a Zen 4, 5,000 samples, 20 rows: 14 ms instead of 21).
const PANEL: usize = 96;
/// Panels per task.
const PANELS_PER_TASK: usize = 8;

/// A copy of the Gram matrix, cut into panels of columns.
pub(crate) struct Panels(Vec<Array2<f32>>);

impl Panels {
    pub(crate) fn new(gram: ArrayView2<'_, f32>) -> Self {
        let n = gram.nrows();
        let panel = |index: usize| {
            gram.slice(s![.., index * PANEL..n.min((index + 1) * PANEL)]).as_standard_layout().into_owned()
        };
        Self((0..n.div_ceil(PANEL)).into_par_iter().map(panel).collect())
    }

    /// `left · K[rows, ..]` for `left` `(m, rows.len())`. Returns `(m, n)` in panels. Products are summed in `f32` over runs of samples,
    /// and the sums of the runs are added in `f64`.
    pub(crate) fn multiply(&self, left: ArrayView2<'_, f32>, rows: Range<usize>) -> Vec<Array2<f64>> {
        let of_panel = |panel: &Array2<f32>| {
            let right = panel.slice(s![rows.clone(), ..]);
            in_runs(rows.len(), (left.nrows(), panel.ncols()), |target, run| {
                multiply(target, left.slice(s![.., run.clone()]), right.slice(s![run, ..]));
            })
        };
        self.0.par_iter().with_min_len(PANELS_PER_TASK).map(of_panel).collect()
    }
}

/// The data and settings that the dual problems of all classes share.
///
/// ```text
/// min over 0 ≤ a_i ≤ U of   ½ Σ_ij a_i a_j y_i y_j (K_ij + s²) + ½ δ Σ_i a_i² − Σ_i a_i
/// hinge: U = C, δ = 0        squared hinge: U = ∞, δ = 1/(2C)
/// ```
pub(crate) struct Problems<'a> {
    /// K `(n, n)`, symmetric, in C order.
    pub(crate) gram: ArrayView2<'a, f32>,
    /// The same matrix in panels.
    pub(crate) panels: Panels,
    /// Loss of a sample.
    pub(crate) loss: Loss,
    /// s².
    pub(crate) squared_bias_feature: f64,
    /// Relative duality gap at which a problem counts as solved.
    pub(crate) tolerance: f64,
    /// Largest number of epochs.
    pub(crate) max_n_epochs: usize,
    /// Seed of the order of the blocks.
    pub(crate) seed: u64,
}

/// A point of one dual problem. It starts with zeros or with the solution for a smaller C.
#[derive(Debug, Clone)]
pub(crate) struct DualPoint {
    /// y. Samples with 0 take no part in training, but their outputs are updated like those of the others.
    pub(crate) targets: Vec<i8>,
    /// `α_i = y_i a_i`.
    pub(crate) alphas: Vec<f64>,
    /// `Σ_j α_j K_ij` for every sample, without the bias.
    pub(crate) outputs: Vec<f64>,
    /// `Σ_j α_j`.
    pub(crate) alpha_sum: f64,
    /// True if the outputs are sums in `f64`; false after an update, because updates use products in `f32`.
    pub(crate) exact: bool,
}

impl DualPoint {
    pub(crate) fn zero(targets: Vec<i8>) -> Self {
        let n = targets.len();
        Self { targets, alphas: vec![0.0; n], outputs: vec![0.0; n], alpha_sum: 0.0, exact: true }
    }

    /// Scores of all samples, ignored ones included.
    pub(crate) fn scores(&self, problems: &Problems<'_>) -> Vec<f64> {
        let bias = problems.squared_bias_feature * self.alpha_sum;
        self.outputs.iter().map(|output| output + bias).collect()
    }
}

/// The terms of the dual problem that depend on the loss and on C.
#[derive(Clone, Copy)]
pub(crate) struct LossTerms {
    pub(crate) c: f64,
    pub(crate) loss: Loss,
    /// U.
    pub(crate) upper: f64,
    /// δ.
    pub(crate) diagonal: f64,
}

impl LossTerms {
    pub(crate) fn new(loss: Loss, c: f64) -> Self {
        match loss {
            Loss::Hinge => Self { c, loss, upper: c, diagonal: 0.0 },
            Loss::SquaredHinge => Self { c, loss, upper: f64::INFINITY, diagonal: 0.5 / c },
        }
    }

    /// ξ as a function of the slack, 1 − margin.
    pub(crate) fn loss_of(&self, slack: f64) -> f64 {
        let slack = slack.max(0.0);
        match self.loss {
            Loss::Hinge => slack,
            Loss::SquaredHinge => slack * slack,
        }
    }

    /// The value nearest to `alpha` that the bounds allow for a sample with target y.
    #[inline(always)]
    pub(crate) fn clamp(&self, y: i8, alpha: f64) -> f64 {
        let y = f64::from(y);
        y * (y * alpha).clamp(0.0, self.upper)
    }

    /// Whether `a` is optimal: the gradient is 0, or a descent step would leave the bounds.
    #[inline(always)]
    pub(crate) fn is_optimal(&self, a: f64, gradient: f64) -> bool {
        (a <= 0.0 && gradient >= 0.0) || (a >= self.upper && gradient <= 0.0) || gradient == 0.0
    }
}
