//! Solves the dual problems of all classes on the Gram matrix.
//!
//! Each epoch has two parts. A pass of coordinate descent over all samples finds which samples are at a bound. Conjugate gradients then
//! solve for the other samples.
//!
//! Both parts read the Gram matrix once for all problems, as one matrix product. Coordinate descent alone is slow where the samples share
//! directions, above all the direction of the bias: every sample then moves the solution only a little along this direction. Conjugate
//! gradients need one step per shared direction.

use std::ops::Range;

use fisherlens_lanes::{add, add_scaled};
use ndarray::{Array2, s};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_xoshiro::Xoshiro256PlusPlus;
use rayon::prelude::*;

use crate::conjugate_gradients::{Effort, descend};
use crate::coordinate_descent::{BLOCK, BlockPart, move_block};
use crate::dual::{DualPoint, LossTerms, Problems};
use crate::training::ClassReport;

/// Largest number of passes over a block before the outputs of the other samples are updated. The last passes rarely change anything.
const MAX_N_INNER_PASSES: usize = 4;

/// Problems that are not solved after this number of epochs get steps of high effort. With 20 instead of 50, problems of thousands of samples
/// took up to twice as long: early steps are spent on samples that reach a bound later.
const N_USUAL_EPOCHS: usize = 50;

/// The primal objective of a point, and its duality gap.
struct Progress {
    primal: f64,
    gap: f64,
}

/// A problem that is not solved yet, with the buffers of its passes.
struct Unsolved<'p> {
    index: usize,
    point: &'p mut DualPoint,
    progress: Progress,
    /// Changes of α in the current block.
    steps: [f32; BLOCK],
    /// Whether the current block changed any α.
    moved: bool,
}

impl<'p> Unsolved<'p> {
    fn new(index: usize, point: &'p mut DualPoint) -> Self {
        let progress = Progress { primal: 0.0, gap: f64::INFINITY };
        Self { index, point, progress, steps: [0.0; BLOCK], moved: false }
    }
}

impl Problems<'_> {
    /// Moves every point to the optimum for C. The points must satisfy α ≤ C, as the solutions for a smaller C do.
    pub(crate) fn solve(&self, c: f64, points: &mut [DualPoint]) -> Vec<ClassReport> {
        let n = self.gram.nrows();
        let loss_terms = LossTerms::new(self.loss, c);
        let mut reports: Vec<Option<ClassReport>> = points.iter().map(|_| None).collect();
        let mut unsolved: Vec<Unsolved<'_>> =
            points.iter_mut().enumerate().map(|(index, point)| Unsolved::new(index, point)).collect();
        let mut blocks: Vec<usize> = (0..n.div_ceil(BLOCK)).collect();
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(self.seed);
        for n_epochs in 0.. {
            let is_last = n_epochs == self.max_n_epochs;
            let exactly = is_last || n_epochs > N_USUAL_EPOCHS;
            unsolved.par_iter_mut().with_max_len(1).for_each(|problem| self.measure(loss_terms, problem, exactly));
            unsolved.retain(|problem| {
                let converged = self.has_converged(&problem.progress);
                if converged || is_last {
                    reports[problem.index] = Some(ClassReport {
                        objective: problem.progress.primal,
                        duality_gap: Some(problem.progress.gap),
                        n_epochs: Some(n_epochs),
                        converged,
                        n_support_vectors: problem.point.alphas.iter().filter(|alpha| **alpha != 0.0).count(),
                    });
                }
                !(converged || is_last)
            });
            if unsolved.is_empty() {
                break;
            }
            blocks.shuffle(&mut rng);
            for &block in &blocks {
                let block = block * BLOCK..n.min((block + 1) * BLOCK);
                let mut visits: Vec<usize> = (0..block.len()).collect();
                visits.shuffle(&mut rng);
                self.pass_block(loss_terms, block, &visits, &mut unsolved);
            }
            let points = unsolved.iter_mut().map(|problem| &mut *problem.point);
            let effort = if n_epochs < N_USUAL_EPOCHS { Effort::Usual } else { Effort::High };
            descend(self, loss_terms, points.collect(), effort);
        }
        reports.into_iter().map(|report| report.expect("every problem ends")).collect()
    }

    /// Measures the objective and the gap. If this must be exact, or if the problem seems solved, the outputs are computed again in `f64`
    /// and both are measured once more.
    fn measure(&self, loss_terms: LossTerms, problem: &mut Unsolved<'_>, exactly: bool) {
        problem.progress = self.progress(loss_terms, problem.point);
        if (self.has_converged(&problem.progress) || exactly) && !problem.point.exact {
            self.sum_outputs(problem.point);
            problem.progress = self.progress(loss_terms, problem.point);
        }
    }

    fn has_converged(&self, progress: &Progress) -> bool {
        progress.gap <= self.tolerance * progress.primal.abs()
    }

    /// Optimises the samples of one block in all problems, then updates the outputs of all samples.
    fn pass_block(&self, loss_terms: LossTerms, block: Range<usize>, visits: &[usize], unsolved: &mut [Unsolved<'_>]) {
        let own = self.gram.slice(s![block.clone(), block.clone()]).as_standard_layout().into_owned();
        let own = own.as_slice().expect("made in standard layout");
        unsolved.par_iter_mut().for_each(|problem| {
            let point = &mut *problem.point;
            let steps = &mut problem.steps[..block.len()];
            steps.fill(0.0);
            let part = BlockPart {
                targets: &point.targets[block.clone()],
                alphas: &mut point.alphas[block.clone()],
                outputs: &mut point.outputs[block.clone()],
                alpha_sum: &mut point.alpha_sum,
                steps,
            };
            problem.moved = move_block(loss_terms, self.squared_bias_feature, own, visits, MAX_N_INNER_PASSES, part);
        });
        let mut moved: Vec<&mut Unsolved<'_>> = unsolved.iter_mut().filter(|problem| problem.moved).collect();
        if moved.is_empty() {
            return;
        }
        let mut steps = Array2::zeros((moved.len(), block.len()));
        for (mut row, problem) in steps.rows_mut().into_iter().zip(&moved) {
            row.iter_mut().zip(&problem.steps).for_each(|(to, &from)| *to = from);
        }
        let products = self.panels.multiply(steps.view(), block.clone());
        moved.par_iter_mut().enumerate().for_each(|(row, problem)| {
            let point = &mut *problem.point;
            point.exact = false;
            let mut start = 0;
            for product in &products {
                let changes = product.row(row);
                let changes = changes.as_slice().expect("a row of an array in standard layout");
                let end = start + changes.len();
                // `move_block` has already updated the outputs of the block itself, so only the samples before and after it are left.
                let (before, after) = (block.start.clamp(start, end), block.end.clamp(start, end));
                add(&mut point.outputs[start..before], &changes[..before - start]);
                add(&mut point.outputs[after..end], &changes[after - start..]);
                start = end;
            }
        });
    }

    /// Computes the outputs again, in `f64`.
    fn sum_outputs(&self, point: &mut DualPoint) {
        point.outputs = self.exact_outputs(&point.alphas);
        point.alpha_sum = point.alphas.iter().sum();
        point.exact = true;
    }

    /// `Σ_j α_j K_ij` for every sample, in `f64`.
    pub(crate) fn exact_outputs(&self, alphas: &[f64]) -> Vec<f64> {
        let mut outputs = vec![0.0; alphas.len()];
        for (row, &alpha) in self.gram.rows().into_iter().zip(alphas) {
            if alpha != 0.0 {
                add_scaled(&mut outputs, row.as_slice().expect("the Gram matrix is in C order"), alpha);
            }
        }
        outputs
    }

    fn progress(&self, loss_terms: LossTerms, point: &DualPoint) -> Progress {
        let bias = self.squared_bias_feature * point.alpha_sum;
        let mut squared_norm = bias * point.alpha_sum;
        let (mut losses, mut gap) = (0.0_f64, 0.0_f64);
        for ((&target, &alpha), &output) in point.targets.iter().zip(&point.alphas).zip(&point.outputs) {
            if target == 0 {
                continue;
            }
            let y = f64::from(target);
            let (a, slack) = (y * alpha, 1.0 - y * (output + bias));
            squared_norm += alpha * output;
            let loss = loss_terms.c * loss_terms.loss_of(slack);
            losses += loss;
            // Each sample's term of the gap is at least 0, so no digits cancel in the sum. Near the optimum rounding can make a term
            // negative; `max` corrects this.
            gap += (loss - a * slack + 0.5 * loss_terms.diagonal * a * a).max(0.0);
        }
        Progress { primal: 0.5 * squared_norm + losses, gap }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dual::Panels;
    use crate::gram::gram;
    use crate::params::Loss;
    use crate::test_data::normal;

    #[test]
    fn updated_outputs_equal_outputs_computed_again() {
        let x = normal(300, 40, 1);
        let gram = gram(x.view());
        let problems = Problems {
            gram: gram.view(),
            panels: Panels::new(gram.view()),
            loss: Loss::Hinge,
            squared_bias_feature: 1.0,
            tolerance: 1e-9,
            max_n_epochs: 3,
            seed: 1,
        };
        let targets = |class: usize| (0..300).map(|i| if (i * 7 + class * 3) % 5 < 2 { 1 } else { -1 }).collect();
        let mut points: Vec<DualPoint> = (0..3).map(|class| DualPoint::zero(targets(class))).collect();
        let loss_terms = LossTerms::new(Loss::Hinge, 1.0);
        let mut unsolved: Vec<Unsolved<'_>> =
            points.iter_mut().enumerate().map(|(index, point)| Unsolved::new(index, point)).collect();
        for block in [128..256, 0..128, 256..300] {
            let visits: Vec<usize> = (0..block.len()).rev().collect();
            problems.pass_block(loss_terms, block, &visits, &mut unsolved);
        }
        for problem in unsolved {
            let found = problem.point.outputs.clone();
            assert!(!problem.point.exact);
            problems.sum_outputs(problem.point);
            for (found, expected) in found.iter().zip(&problem.point.outputs) {
                assert!((found - expected).abs() < 1e-4, "{found} {expected}");
            }
        }
    }
}
