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
use crate::rows::{RowSource, for_each_block};
use crate::training::{Training, TrainingReport};

/// Largest size of the state of the problems that are solved together.
const STATE_BYTES: usize = 4 << 30;

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
    /// All problems are solved at once; if their state needs more than 4 GiB, one group of problems after another. A pass visits the blocks of
    /// 128 vectors in random order. It computes the scores of the block, `X_b Wᵀ`, moves the α of the block by coordinate descent (`hsieh2008`), and adds the change to W. This takes `4·n·D` operations per
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
    /// 512 bytes per sample for the inner products within its block; `1024·D` bytes for two blocks of vectors; and the state of the problems,
    /// 42 bytes per sample and problem for α and its last moves, and `48·D` bytes per problem for W and its last moves. For 200,000 samples,
    /// 41,216 dimensions and 20 classes these are 0.35 GB together. In cross-validation a problem is one class and fold, and has 8 more bytes
    /// per sample for its scores, and as many for each candidate. The state takes at most 4 GiB, or that of one problem.
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
        rows: &dyn RowSource,
        targets: ArrayView2<'_, i8>,
        progress: &mut dyn FnMut(&BlockProgress) -> ControlFlow<()>,
    ) -> Result<Training, ClassifierError> {
        self.train_groups(rows, targets, STATE_BYTES, progress)
    }

    /// [`LinearSvm::train_rows`], with a state of at most so many bytes.
    fn train_groups(
        &self,
        rows: &dyn RowSource,
        targets: ArrayView2<'_, i8>,
        state_bytes: usize,
        progress: &mut dyn FnMut(&BlockProgress) -> ControlFlow<()>,
    ) -> Result<Training, ClassifierError> {
        let d = rows.n_dimensions();
        let targets = checked_targets_of((rows.n_rows(), d), targets, self.difficult)?;
        let mut problems = BlockProblems::new(self, rows);
        let (c, cross_validation) = match self.c_grid.as_slice() {
            [c] => (*c, Vec::new()),
            c_grid => {
                let group = group_len(rows, state_bytes, 1 + c_grid.len());
                let candidates = cross_validate(&targets, c_grid, self.n_folds, self.seed, group, |folds| {
                    let mut points: Vec<BlockPoint> =
                        folds.iter().map(|(_, kept)| BlockPoint::zero(kept.clone(), d).with_scores()).collect();
                    let mut paths = vec![Vec::with_capacity(c_grid.len()); folds.len()];
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
        let n_classes = targets.ncols();
        let mut classes = Vec::with_capacity(n_classes);
        let mut coefficients = Array2::zeros((n_classes, d));
        let mut bias = Array1::zeros(n_classes);
        for targets in targets.axis_chunks_iter(Axis(1), group_len(rows, state_bytes, 0)) {
            let mut points: Vec<BlockPoint> =
                targets.columns().into_iter().map(|column| BlockPoint::zero(column.to_vec(), d)).collect();
            let first = classes.len();
            classes.extend(problems.solve(c, &mut points, progress)?);
            for (class, point) in (first..).zip(&points) {
                coefficients.row_mut(class).iter_mut().zip(&point.w).for_each(|(to, &from)| *to = from as f32);
                bias[class] = (self.bias_feature * self.bias_feature * point.alpha_sum) as f32;
            }
        }
        let report = TrainingReport { c: Some(c), classes, cross_validation };
        Ok(Training { model: LinearModel::from_parts(coefficients, bias)?, report })
    }

    /// [`LinearSvm::held_out_scores`] of vectors that are read in blocks.
    ///
    /// All folds and classes are solved as in [`LinearSvm::train_rows`].
    ///
    /// # Errors
    /// The errors of [`LinearSvm::train_rows`].
    pub fn held_out_scores_rows(
        &self,
        rows: &dyn RowSource,
        targets: ArrayView2<'_, i8>,
        c: f64,
        progress: &mut dyn FnMut(&BlockProgress) -> ControlFlow<()>,
    ) -> Result<HeldOut, ClassifierError> {
        let d = rows.n_dimensions();
        let targets = checked_targets_of((rows.n_rows(), d), targets, self.difficult)?;
        let folds = FoldProblems::new(self, &targets);
        let mut problems = BlockProblems::new(self, rows);
        let mut held_out = folds.unscored();
        for places in folds.places.chunks(group_len(rows, STATE_BYTES, 1)) {
            let point = |&place| BlockPoint::zero(folds.targets(&targets, place), d).with_scores();
            let mut points: Vec<BlockPoint> = places.iter().map(point).collect();
            let reports = problems.solve(c, &mut points, progress)?;
            for ((&place, point), report) in places.iter().zip(points).zip(&reports) {
                folds.keep(place, &point.scores.unwrap_or_default(), report, &mut held_out);
            }
        }
        Ok(held_out)
    }
}

/// Number of problems that are solved together, if each keeps its scores `n_scores` times. It is the same on every machine, because it changes
/// the rounding.
fn group_len(rows: &dyn RowSource, state_bytes: usize, n_scores: usize) -> usize {
    let of_problem = (42 + 8 * n_scores) * rows.n_rows() + 48 * rows.n_dimensions();
    (state_bytes / of_problem.max(1)).max(1)
}

impl LinearModel {
    /// [`LinearModel::decision_function`] of vectors that are read in blocks: the same bits.
    ///
    /// Returns `(n_rows, n_classes)`. Two blocks of 256 vectors are in memory.
    ///
    /// # Errors
    /// [`ClassifierError::Length`] when the vectors do not have D dimensions, [`ClassifierError::Rows`] when they cannot be read.
    pub fn decision_function_rows(&self, rows: &dyn RowSource) -> Result<Array2<f32>, ClassifierError> {
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

#[cfg(test)]
mod tests {
    use linfa::ParamGuard as _;
    use ndarray::Array2;

    use super::*;

    #[test]
    fn groups_of_problems_have_the_same_solutions() {
        let x = Array2::from_shape_fn((150, 9), |(n, d)| ((n * 31 + d * 17 + n * d) % 23) as f32 / 23.0 - 0.5);
        let targets = Array2::from_shape_fn((150, 5), |(n, class)| if (n * 7 + class) % 5 < 2 { 1 } else { -1 });
        let rows = x.view();
        let svm = LinearSvm::params().c_grid(vec![0.1, 10.0]).n_folds(3).tolerance(1e-6).check().unwrap();
        let train = |bytes| svm.train_groups(&rows, targets.view(), bytes, &mut |_| ControlFlow::Continue(())).unwrap();
        let together = train(STATE_BYTES);
        for bytes in [0, 25_000] {
            let found = train(bytes);
            let close = |found: f32, expected: f32| (found - expected).abs() <= 1e-2 * expected.abs().max(0.1);
            assert!(found.model.coefficients().iter().zip(together.model.coefficients()).all(|(f, e)| close(*f, *e)));
            assert!(found.model.bias().iter().zip(together.model.bias()).all(|(f, e)| close(*f, *e)));
            assert_eq!(found.report.c, together.report.c);
            assert_eq!(found.report.cross_validation.len(), 2);
            for (found, expected) in found.report.classes.iter().zip(&together.report.classes) {
                assert!(found.converged && (found.objective / expected.objective - 1.0).abs() < 2e-6);
            }
        }
        let of_problem = 42 * 150 + 48 * 9;
        let lens = [0, 3 * of_problem - 1, 3 * of_problem].map(|bytes| group_len(&rows, bytes, 0));
        assert_eq!(lens, [1, 2, 3]);
        assert_eq!(group_len(&rows, 3 * of_problem, 6), 1);
    }
}
