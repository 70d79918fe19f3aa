//! The dual on the Gram matrix, all problems at once: a pass of coordinate descent finds which samples are at a bound, conjugate
//! gradients solve for the others.
//!
//! Both read the Gram matrix once for all problems, as one matrix product. Coordinate descent alone is slow where the samples share
//! directions, the bias above all: each sample moves it a little. Conjugate gradients take such directions in a step each.

use std::ops::Range;

use ndarray::{Array2, s};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_xoshiro::Xoshiro256PlusPlus;
use rayon::prelude::*;

use crate::dual::{DualPoint, Problems, Weights};
use crate::{ClassReport, Loss, conjugate};

/// Samples of one block; their part of the Gram matrix, 64 kB, and the rows of one product stay in a second-level cache.
const BLOCK: usize = 128;
/// Passes over a block before the others are told; the last ones seldom move anything.
const N_INNER_PASSES: usize = 4;

/// How far a point is from the optimum.
struct Progress {
    primal: f64,
    gap: f64,
}

/// A problem that is not solved yet, with what its passes need.
struct Unsolved<'p> {
    index: usize,
    point: &'p mut DualPoint,
    progress: Progress,
    /// Changes of α in the present block.
    steps: [f32; BLOCK],
    moved: bool,
}

impl<'p> Unsolved<'p> {
    fn new(index: usize, point: &'p mut DualPoint) -> Self {
        let progress = Progress { primal: 0.0, gap: f64::INFINITY };
        Self { index, point, progress, steps: [0.0; BLOCK], moved: false }
    }
}

impl Problems<'_> {
    /// Moves every point to the optimum for C; its α must not exceed C, as those of a smaller C do not.
    pub(crate) fn solve(&self, c: f64, points: &mut [DualPoint]) -> Vec<ClassReport> {
        let n = self.gram.nrows();
        let weights = match self.loss {
            Loss::Hinge => Weights { c, loss: self.loss, upper: c, diagonal: 0.0 },
            Loss::SquaredHinge => Weights { c, loss: self.loss, upper: f64::INFINITY, diagonal: 0.5 / c },
        };
        let mut reports: Vec<Option<ClassReport>> = points.iter().map(|_| None).collect();
        let mut unsolved: Vec<Unsolved<'_>> =
            points.iter_mut().enumerate().map(|(index, point)| Unsolved::new(index, point)).collect();
        let mut blocks: Vec<usize> = (0..n.div_ceil(BLOCK)).collect();
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(self.seed);
        for n_epochs in 0.. {
            let is_last = n_epochs == self.max_n_epochs;
            unsolved.par_iter_mut().with_max_len(1).for_each(|problem| self.look(weights, problem, is_last));
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
                self.pass_block(weights, block, &visits, &mut unsolved);
            }
            let points = unsolved.iter_mut().map(|problem| &mut *problem.point);
            conjugate::descend(self, weights, points.collect());
        }
        reports.into_iter().map(|report| report.expect("every problem ends")).collect()
    }

    /// Measures a problem. One that seems solved is measured again with outputs summed anew in `f64`.
    fn look(&self, weights: Weights, problem: &mut Unsolved<'_>, is_last: bool) {
        problem.progress = self.progress(weights, problem.point);
        if (self.has_converged(&problem.progress) || is_last) && !problem.point.exact {
            self.sum_outputs(problem.point);
            problem.progress = self.progress(weights, problem.point);
        }
    }

    fn has_converged(&self, progress: &Progress) -> bool {
        progress.gap <= self.tolerance * progress.primal.abs()
    }

    /// Moves the samples of one block in all problems, then brings all outputs up to date.
    fn pass_block(&self, weights: Weights, block: Range<usize>, visits: &[usize], unsolved: &mut [Unsolved<'_>]) {
        let own = self.gram.slice(s![block.clone(), block.clone()]).as_standard_layout().into_owned();
        let own = own.as_slice().expect("made in standard layout");
        unsolved.par_iter_mut().for_each(|problem| {
            let point = &mut *problem.point;
            let steps = &mut problem.steps[..block.len()];
            steps.fill(0.0);
            let squared_bias_feature = self.squared_bias_feature;
            problem.moved = move_block(weights, squared_bias_feature, own, block.clone(), visits, point, steps);
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
                // The block's own outputs have followed every step already.
                let (before, after) = (block.start.clamp(start, end), block.end.clamp(start, end));
                add(&mut point.outputs[start..before], &changes[..before - start]);
                add(&mut point.outputs[after..end], &changes[after - start..]);
                start = end;
            }
        });
    }

    /// The outputs, summed anew in `f64`.
    fn sum_outputs(&self, point: &mut DualPoint) {
        point.outputs.fill(0.0);
        for (row, &alpha) in self.gram.rows().into_iter().zip(&point.alphas) {
            if alpha != 0.0 {
                add_scaled(&mut point.outputs, row.as_slice().expect("the Gram matrix is in C order"), alpha);
            }
        }
        point.alpha_sum = point.alphas.iter().sum();
        point.exact = true;
    }

    fn progress(&self, weights: Weights, point: &DualPoint) -> Progress {
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
            let loss = weights.c * weights.of(slack);
            losses += loss;
            // Every sample's share of the gap is at least 0, so nothing cancels; at an optimum rounding can take one below.
            gap += (loss - a * slack + 0.5 * weights.diagonal * a * a).max(0.0);
        }
        Progress { primal: 0.5 * squared_norm + losses, gap }
    }
}

/// Takes each `a_i` of a block to its optimum with all others held, some times over. Says whether anything moved.
///
/// `own`: the block's part of the Gram matrix, row after row. `visits`: the order within the block. `steps`: what the α of the
/// block have moved by. The outputs of the block, and of no other sample, follow.
#[multiversion::multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512dq+avx512vl+fma+avx2",
    "x86_64+avx2+fma",
    "aarch64+neon"
))]
fn move_block(
    weights: Weights,
    squared_bias_feature: f64,
    own: &[f32],
    block: Range<usize>,
    visits: &[usize],
    point: &mut DualPoint,
    steps: &mut [f32],
) -> bool {
    let width = block.len();
    let (targets, alphas) = (&point.targets[block.clone()], &mut point.alphas[block.clone()]);
    let outputs = &mut point.outputs[block];
    let mut any = false;
    for _ in 0..N_INNER_PASSES {
        let mut moved = false;
        for &i in visits.iter().filter(|&&i| targets[i] != 0) {
            let row = &own[i * width..(i + 1) * width];
            let y = f64::from(targets[i]);
            let a = y * alphas[i];
            let score = outputs[i] + squared_bias_feature * point.alpha_sum;
            let gradient = y * score - 1.0 + weights.diagonal * a;
            if weights.is_optimal(a, gradient) {
                continue;
            }
            // A vector of length 0 without bias divides by 0; the infinite step then ends at a bound, as it should.
            let curvature = f64::from(row[i]) + squared_bias_feature + weights.diagonal;
            let to = (a - gradient / curvature).clamp(0.0, weights.upper);
            let step = y * (to - a);
            alphas[i] = y * to;
            steps[i] += step as f32;
            point.alpha_sum += step;
            for (output, &entry) in outputs.iter_mut().zip(row) {
                *output += step * f64::from(entry);
            }
            moved = true;
        }
        any |= moved;
        if !moved {
            break;
        }
    }
    any
}

/// `outputs += changes`.
#[multiversion::multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512dq+avx512vl+fma+avx2",
    "x86_64+avx2+fma",
    "aarch64+neon"
))]
fn add(outputs: &mut [f64], changes: &[f64]) {
    for (output, &change) in outputs.iter_mut().zip(changes) {
        *output += change;
    }
}

/// `outputs += scale · row`.
#[multiversion::multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512dq+avx512vl+fma+avx2",
    "x86_64+avx2+fma",
    "aarch64+neon"
))]
fn add_scaled(outputs: &mut [f64], row: &[f32], scale: f64) {
    for (output, &entry) in outputs.iter_mut().zip(row) {
        *output += scale * f64::from(entry);
    }
}
#[cfg(test)]
mod tests {
    use super::*;
    use crate::dual::Panels;
    use crate::test_data::normal;

    #[test]
    fn outputs_follow_the_steps() {
        let x = normal(300, 40, 1);
        let gram = crate::gram(x.view());
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
        let weights = Weights { c: 1.0, loss: Loss::Hinge, upper: 1.0, diagonal: 0.0 };
        let mut unsolved: Vec<Unsolved<'_>> =
            points.iter_mut().enumerate().map(|(index, point)| Unsolved::new(index, point)).collect();
        for block in [128..256, 0..128, 256..300] {
            let visits: Vec<usize> = (0..block.len()).rev().collect();
            problems.pass_block(weights, block, &visits, &mut unsolved);
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
