//! Training and scoring of vectors that are read in blocks.

use std::ops::{ControlFlow, Range};

use ndarray::{Array1, Array2, ArrayView2, Axis, Slice};

use crate::block_point::BlockPoint;
use crate::block_products::sum_of_panels;
use crate::block_solver::BlockProblems;
use crate::cross_validation::{Candidate, best_c, cross_validate};
use crate::error::ClassifierError;
use crate::held_out::{FoldProblems, HeldOut};
use crate::linear_model::{LinearModel, SCORED_ROWS};
use crate::one_vs_rest::checked_targets_of;
use crate::params::LinearSvm;
use crate::product::product_transposed;
use crate::rows::{Rows, for_each_block};
use crate::training::{Training, TrainingReport};

/// How far a training on vectors in blocks has come. The observer receives it after every block.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BlockProgress {
    /// Passes over all vectors that are complete. Cross-validation and the training that follows it are counted together.
    pub n_passes: usize,
    /// Vectors that the running pass has read.
    pub n_rows_read: usize,
    /// Problems of the running pass that are not solved. A problem is one class, in cross-validation one class and fold.
    pub n_unsolved: usize,
    /// Largest relative duality gap of these problems, as the pass before saw it. Infinite in the first pass for a value of C.
    pub largest_gap: f64,
}

impl LinearSvm {
    /// Trains all classes on vectors that are read in blocks. Use it if the vectors or their Gram matrix do not fit into memory.
    ///
    /// The problem, the choice of C and the report are those of [`ClassifierTrainer::train`](crate::ClassifierTrainer::train). The solution
    /// lies within the same relative duality gap, but its bits differ. The model has no dual view. `targets` `(n_rows, n_classes)`: +1, −1,
    /// or 0 for difficult. `progress` is called after every block of 128 vectors on the calling thread and may stop the training.
    ///
    /// # Method
    /// All problems are solved at once. A pass visits the blocks of 128 vectors in random order. It computes the scores of the block,
    /// `X_b Wᵀ`, moves the α of the block by coordinate descent (`hsieh2008`), and adds the change to W. This takes `4·n·D` operations per
    /// problem; the first pass takes `128·n·D` more for the inner products within the blocks. The products of samples that stay at their
    /// bounds are left out in most passes if a whole block of one problem consists of them. After each pass the dual objective is
    /// minimised in the space of the last six moves; this needs no vectors.
    ///
    /// When a problem seems solved, one more pass sums its coefficients again in `f64`, and another one measures the gap of exactly these
    /// coefficients in `f64`. Only this gap ends the problem, also after [`LinearSvmParams::max_n_epochs`](crate::LinearSvmParams::max_n_epochs)
    /// passes. [`ClassReport::n_epochs`](crate::ClassReport::n_epochs) counts the passes of coordinate descent and not those for the sums and
    /// the gap.
    ///
    /// The number of passes grows with C. Drawn vectors of unit length with a shared direction (2,000 of 3,000 dimensions, hinge loss) took
    /// 70, 130 and 170 passes to a relative gap of 1e-4 with C = 1, 10 and 100; with the squared hinge loss 40, 60 and 100.
    ///
    /// # Memory
    /// 512 bytes per sample for the inner products within its block; 41 bytes per sample and problem for α and its last moves; `48·D` bytes
    /// per problem for W and its last moves; `1024·D` bytes for two blocks of vectors. For 200,000 samples, 41,216 dimensions and 20 classes
    /// these are 0.35 GB together. In cross-validation a problem is one class and fold, and the scores need 8 more bytes per sample, problem
    /// and candidate.
    ///
    /// # Errors
    /// The errors of training; [`ClassifierError::Rows`] when the vectors cannot be read; [`ClassifierError::Stopped`] when `progress` returns
    /// [`ControlFlow::Break`].
    ///
    /// ```
    /// use std::ops::ControlFlow;
    ///
    /// use fisherlens_classifier::LinearSvm;
    /// use linfa::ParamGuard;
    /// use ndarray::array;
    ///
    /// let x = array![[1.0_f32, 0.0], [0.8, 0.6], [-1.0, 0.0], [-0.6, 0.8]];
    /// let targets = array![[1_i8], [1], [-1], [-1]];
    /// let svm = LinearSvm::params().c(10.0).check()?;
    /// let training = svm.train_rows(&x.view(), targets.view(), &mut |_| ControlFlow::Continue(()))?;
    /// assert!(training.report.classes[0].converged);
    /// let scores = training.model.decision_function_rows(&x.view())?;
    /// assert!(scores[[0, 0]] > 0.0 && scores[[2, 0]] < 0.0);
    /// # Ok::<(), fisherlens_classifier::ClassifierError>(())
    /// ```
    pub fn train_rows(
        &self,
        rows: &dyn Rows,
        targets: ArrayView2<'_, i8>,
        progress: &mut dyn FnMut(&BlockProgress) -> ControlFlow<()>,
    ) -> Result<Training, ClassifierError> {
        let d = rows.n_dimensions();
        let targets = checked_targets_of((rows.n_rows(), d), targets, self.difficult)?;
        let mut problems = BlockProblems::new(self, rows);
        let (c, cross_validation) = match self.c_grid.as_slice() {
            [c] => (*c, Vec::new()),
            c_grid => {
                let candidates = cross_validate(&targets, c_grid, self.n_folds, self.seed, |folds| {
                    let mut points: Vec<BlockPoint> =
                        folds.iter().map(|(_, kept)| BlockPoint::zero(kept.clone(), d).with_scores()).collect();
                    let mut paths = vec![Vec::with_capacity(c_grid.len()); points.len()];
                    // C rises from candidate to candidate: the solution for one is a good starting point for the next.
                    for &c in c_grid {
                        let reports = problems.solve(c, &mut points, progress)?;
                        for ((path, point), report) in paths.iter_mut().zip(&points).zip(reports) {
                            let scores = point.scores.clone().unwrap_or_default();
                            path.push(Candidate { scores, converged: report.converged });
                        }
                    }
                    Ok(paths)
                })?;
                (best_c(&candidates).unwrap_or(c_grid[0]), candidates)
            }
        };
        let mut points: Vec<BlockPoint> =
            targets.columns().into_iter().map(|column| BlockPoint::zero(column.to_vec(), d)).collect();
        let classes = problems.solve(c, &mut points, progress)?;
        let mut coefficients = Array2::zeros((points.len(), d));
        let mut bias = Array1::zeros(points.len());
        for (class, point) in points.iter().enumerate() {
            coefficients.row_mut(class).iter_mut().zip(&point.w).for_each(|(to, &from)| *to = from as f32);
            bias[class] = (self.bias_feature * self.bias_feature * point.alpha_sum) as f32;
        }
        let report = TrainingReport { c: Some(c), classes, cross_validation };
        Ok(Training { model: LinearModel::from_parts(coefficients, bias)?, report })
    }

    /// [`LinearSvm::held_out_scores`] of vectors that are read in blocks.
    ///
    /// All folds and classes are solved at once, as in [`LinearSvm::train_rows`].
    ///
    /// # Errors
    /// The errors of [`LinearSvm::train_rows`].
    pub fn held_out_scores_rows(
        &self,
        rows: &dyn Rows,
        targets: ArrayView2<'_, i8>,
        c: f64,
        progress: &mut dyn FnMut(&BlockProgress) -> ControlFlow<()>,
    ) -> Result<HeldOut, ClassifierError> {
        let d = rows.n_dimensions();
        let targets = checked_targets_of((rows.n_rows(), d), targets, self.difficult)?;
        let (folds, kept) = FoldProblems::new(self, &targets);
        let mut points: Vec<BlockPoint> =
            kept.into_iter().map(|targets| BlockPoint::zero(targets, d).with_scores()).collect();
        let reports = BlockProblems::new(self, rows).solve(c, &mut points, progress)?;
        Ok(folds.held_out(points.into_iter().map(|point| point.scores.unwrap_or_default()), &reports))
    }
}

impl LinearModel {
    /// [`LinearModel::decision_function`] of vectors that are read in blocks: the same bits.
    ///
    /// Returns `(n_rows, n_classes)`. Two blocks of 256 vectors are in memory.
    ///
    /// # Errors
    /// [`ClassifierError::Length`] when the vectors do not have D dimensions, [`ClassifierError::Rows`] when they cannot be read.
    pub fn decision_function_rows(&self, rows: &dyn Rows) -> Result<Array2<f32>, ClassifierError> {
        let (n, d) = (rows.n_rows(), rows.n_dimensions());
        if d != self.n_dimensions() {
            let what = "dimensions of the vectors";
            return Err(ClassifierError::Length { what, expected: self.n_dimensions(), found: d });
        }
        let mut scores = Array2::zeros((n, self.n_classes()));
        let blocks: Vec<Range<usize>> =
            (0..n).step_by(SCORED_ROWS).map(|start| start..n.min(start + SCORED_ROWS)).collect();
        let score = |block: &Range<usize>, x: ArrayView2<'_, f32>| {
            let sums = sum_of_panels(d, (block.len(), self.n_classes()), |_, columns| {
                let part = Slice::from(columns);
                product_transposed(x.slice_axis(Axis(1), part), self.coefficients().slice_axis(Axis(1), part))
            });
            let sums = sums + &self.bias().mapv(f64::from);
            scores.slice_axis_mut(Axis(0), block.clone().into()).assign(&sums.mapv(|score| score as f32));
            Ok(())
        };
        for_each_block(rows, &blocks, score, |_| Ok(()))?;
        Ok(scores)
    }
}
