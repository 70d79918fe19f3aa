//! One dual problem during the passes over the blocks.

use std::ops::Range;

use crate::block_point::{BlockPoint, Memory, N_MOVES};
use crate::coordinate_descent::{BLOCK, BlockPart, move_block};
use crate::dual::LossTerms;
use crate::params::LinearSvm;
use crate::training::ClassReport;

/// Largest number of passes of coordinate descent over one block. The vectors of the block are at hand, so more passes than in the solver on
/// the Gram matrix pay: 16 instead of 4 saved a tenth to a third of the passes over all vectors.
const MAX_N_INNER_PASSES: usize = 16;
/// The coefficients are summed again when the relative gap has fallen to this value, and each time it has fallen to [`NEXT_SUMMING`] of the
/// value before. Updates in `f32` add up to errors that keep the gap from falling, and that the steps between passes would enlarge.
const FIRST_SUMMING: f64 = 0.03;
/// See [`FIRST_SUMMING`].
const NEXT_SUMMING: f64 = 1.0 / 30.0;
/// They are also summed again when the estimated gap has risen to this multiple of its lowest value since the last sums,
const MAX_RISE: f64 = 4.0;
/// or after this number of passes of coordinate descent.
const MAX_N_PASSES_WITHOUT_SUMMING: usize = 50;
/// If the exact gap is too large, it is measured again when the estimate has fallen to this share.
const NEXT_MEASURING: f64 = 0.7;
/// A block at rest is visited in one of this number of passes.
const REST: usize = 4;

/// What a problem does in one pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Coordinate descent.
    Descending,
    /// The coefficients are summed again in `f64`.
    Summing,
    /// The gap is measured with products in `f64`.
    Measuring,
    /// Nothing.
    Solved,
}

/// What all problems of one call share.
#[derive(Clone, Copy)]
pub(crate) struct Terms {
    pub(crate) loss: LossTerms,
    /// s².
    pub(crate) squared_bias_feature: f64,
}

/// One block of one problem.
#[derive(Clone, Default)]
struct BlockState {
    /// Number of passes in which all α of the block stayed at their bounds, and all gradients were clearly beyond them.
    n_idle_passes: usize,
    /// C Σ ξ of the last visit.
    losses: f64,
}

/// One dual problem, with the buffers of its passes.
pub(crate) struct BlockProblem<'p> {
    pub(crate) point: &'p mut BlockPoint,
    pub(crate) stage: Stage,
    /// Largest relative gap known: the estimate of the last pass, or the exact value.
    pub(crate) relative_gap: f64,
    /// Changes of α in the current block.
    pub(crate) steps: [f32; BLOCK],
    /// Whether the current block changed any α.
    pub(crate) moved: bool,
    /// The result, when the problem is solved or given up.
    pub(crate) report: Option<ClassReport>,
    memory: Memory,
    blocks: Vec<BlockState>,
    n_epochs: usize,
    /// Estimated gap at which the coefficients are summed again.
    sum_at: f64,
    /// Lowest estimated gap since the last sums, and the number of passes since then.
    lowest_gap: f64,
    n_passes_since_sums: usize,
    /// Estimated gap at which the gap is measured.
    measure_at: f64,
    /// C Σ ξ of the blocks visited in this pass, the gap, and the largest violation of the optimality conditions.
    losses: f64,
    gap: f64,
    violation: f64,
    /// The largest violation of the pass before: a gradient beyond it is clearly beyond the bound.
    clear: f64,
    outputs: [f64; BLOCK],
}

impl<'p> BlockProblem<'p> {
    /// The point must satisfy 0 ≤ a ≤ C.
    pub(crate) fn new(point: &'p mut BlockPoint, tolerance: f64) -> Self {
        Self {
            memory: Memory::new(point),
            blocks: vec![BlockState::default(); point.targets.len().div_ceil(BLOCK)],
            point,
            stage: Stage::Descending,
            relative_gap: f64::INFINITY,
            steps: [0.0; BLOCK],
            moved: false,
            report: None,
            n_epochs: 0,
            sum_at: FIRST_SUMMING,
            lowest_gap: f64::INFINITY,
            n_passes_since_sums: 0,
            measure_at: tolerance,
            losses: 0.0,
            gap: 0.0,
            violation: 0.0,
            clear: f64::INFINITY,
            outputs: [0.0; BLOCK],
        }
    }

    pub(crate) fn begin_pass(&mut self) {
        (self.losses, self.gap, self.violation) = (0.0, 0.0, 0.0);
    }

    /// Whether the block must be visited. A block rests when its samples have been idle for longer than any remembered move reaches back, so
    /// that no step between passes changes its α.
    pub(crate) fn is_awake(&self, block: usize) -> bool {
        self.blocks[block].n_idle_passes <= N_MOVES || (self.n_epochs + block).is_multiple_of(REST)
    }

    /// Takes part in a pass over a block at rest.
    pub(crate) fn rest(&mut self, block: usize) {
        self.losses += self.blocks[block].losses;
        self.moved = false;
    }

    /// Optimises the samples of one block. `own`: their products with each other; `outputs`: their scores without the bias.
    pub(crate) fn visit(
        &mut self,
        terms: Terms,
        own: &[f32],
        block: &Range<usize>,
        visits: &[usize],
        outputs: impl Iterator<Item = f64>,
    ) {
        self.outputs.iter_mut().zip(outputs).for_each(|(to, from)| *to = from);
        self.steps = [0.0; BLOCK];
        self.moved = self.move_inside(terms, own, block);
        let before = self.losses;
        let is_clear = self.measure_block(terms, block);
        let width = block.len();
        let part = BlockPart {
            targets: &self.point.targets[block.clone()],
            alphas: &mut self.point.alphas[block.clone()],
            outputs: &mut self.outputs[..width],
            alpha_sum: &mut self.point.alpha_sum,
            steps: &mut self.steps[..width],
        };
        self.moved |= move_block(terms.loss, terms.squared_bias_feature, own, visits, MAX_N_INNER_PASSES, part);
        let state = &mut self.blocks[block.start / BLOCK];
        state.losses = self.losses - before;
        state.n_idle_passes = if is_clear && !self.moved { state.n_idle_passes + 1 } else { 0 };
    }

    /// Brings the α of a block inside the bounds. Returns whether any α changed.
    fn move_inside(&mut self, terms: Terms, own: &[f32], block: &Range<usize>) -> bool {
        let mut moved = false;
        let point = &mut *self.point;
        for (place, i) in block.clone().enumerate() {
            let step = terms.loss.clamp(point.targets[i], point.alphas[i]) - point.alphas[i];
            if step != 0.0 {
                point.alphas[i] = terms.loss.clamp(point.targets[i], point.alphas[i]);
                point.alpha_sum += step;
                self.steps[place] = step as f32;
                let row = &own[place * block.len()..(place + 1) * block.len()];
                self.outputs.iter_mut().zip(row).for_each(|(output, &entry)| *output += step * f64::from(entry));
                moved = true;
            }
        }
        moved
    }

    /// Adds the losses and the gap of a block from its outputs. Returns whether all its samples are at a bound, with gradients clearly
    /// beyond it.
    fn measure_block(&mut self, terms: Terms, block: &Range<usize>) -> bool {
        let Terms { loss: terms, squared_bias_feature } = terms;
        let bias = squared_bias_feature * self.point.alpha_sum;
        let mut is_clear = true;
        for (i, output) in block.clone().zip(&self.outputs) {
            let y = f64::from(self.point.targets[i]);
            if y == 0.0 {
                continue;
            }
            let (a, slack) = (y * self.point.alphas[i], 1.0 - y * (output + bias));
            let loss = terms.c * terms.loss_of(slack);
            self.losses += loss;
            // Each sample's term is at least 0, up to rounding (see `solver.rs`).
            self.gap += (loss - a * slack + 0.5 * terms.diagonal * a * a).max(0.0);
            let gradient = terms.diagonal * a - slack;
            if terms.is_optimal(a, gradient) {
                is_clear &= gradient.abs() > self.clear;
            } else {
                is_clear = false;
                self.violation = self.violation.max(gradient.abs());
            }
        }
        is_clear
    }

    /// Adds the losses and the gap of a block from exact outputs, and keeps the scores if they are wanted.
    pub(crate) fn measure(&mut self, terms: Terms, block: &Range<usize>, outputs: impl Iterator<Item = f64>) {
        self.outputs.iter_mut().zip(outputs).for_each(|(to, from)| *to = from);
        self.measure_block(terms, block);
        let bias = terms.squared_bias_feature * self.point.alpha_sum;
        if let Some(scores) = &mut self.point.scores {
            scores[block.clone()].iter_mut().zip(&self.outputs).for_each(|(to, from)| *to = from + bias);
        }
    }

    /// Ends a pass of coordinate descent that changed w by `changes`.
    pub(crate) fn end_descending(&mut self, terms: Terms, svm: &LinearSvm, changes: impl Iterator<Item = f32>) {
        self.point.w.iter_mut().zip(changes).for_each(|(w, change)| *w += f64::from(change));
        self.relative_gap = self.relative_gap_of(self.primal(terms));
        self.clear = self.violation;
        self.n_epochs += 1;
        self.memory.advance(terms.loss, terms.squared_bias_feature, self.point);
        self.lowest_gap = self.lowest_gap.min(self.relative_gap);
        self.n_passes_since_sums += 1;
        if self.seems_solved(svm) || self.needs_sums() {
            self.sum_at = self.sum_at.min(NEXT_SUMMING * self.relative_gap);
            // The coefficients of the point inside the bounds are summed in the next pass.
            self.point.clamp(terms.loss);
            self.stage = Stage::Summing;
        }
    }

    /// Ends a pass in which the coefficients were summed: `w`.
    pub(crate) fn end_summing(&mut self, svm: &LinearSvm, w: impl Iterator<Item = f64>) {
        // The coefficients that are measured are those of the model: rounded to f32.
        self.point.w.iter_mut().zip(w).for_each(|(to, from)| *to = f64::from(from as f32));
        self.stage = if self.seems_solved(svm) { Stage::Measuring } else { Stage::Descending };
        (self.lowest_gap, self.n_passes_since_sums) = (f64::INFINITY, 0);
        // Moves before the sums belong to coefficients with an error.
        self.memory = Memory::new(self.point);
    }

    /// Ends a pass in which the gap was measured.
    pub(crate) fn end_measuring(&mut self, terms: Terms, svm: &LinearSvm) {
        let primal = self.primal(terms);
        let estimate = self.relative_gap;
        self.relative_gap = self.relative_gap_of(primal);
        let converged = self.gap <= svm.tolerance * primal;
        if converged || self.n_epochs >= svm.max_n_epochs {
            self.stage = Stage::Solved;
            (self.memory, self.blocks) = (Memory::default(), Vec::new());
            self.report = Some(ClassReport {
                objective: primal,
                duality_gap: Some(self.gap),
                n_epochs: Some(self.n_epochs),
                converged,
                n_support_vectors: self.point.alphas.iter().filter(|alpha| **alpha != 0.0).count(),
            });
        } else {
            self.stage = Stage::Descending;
            self.measure_at = NEXT_MEASURING * estimate.min(self.measure_at);
            self.blocks.iter_mut().for_each(|state| state.n_idle_passes = 0);
        }
    }

    fn seems_solved(&self, svm: &LinearSvm) -> bool {
        self.relative_gap <= self.measure_at || self.n_epochs >= svm.max_n_epochs
    }

    fn needs_sums(&self) -> bool {
        let risen = self.sum_at < FIRST_SUMMING && self.relative_gap > MAX_RISE * self.lowest_gap;
        risen || self.relative_gap <= self.sum_at || self.n_passes_since_sums >= MAX_N_PASSES_WITHOUT_SUMMING
    }

    /// ½‖w‖² + ½(b/s)² + C Σ ξ.
    fn primal(&self, terms: Terms) -> f64 {
        let squared_norm: f64 = self.point.w.iter().map(|w| w * w).sum();
        0.5 * (squared_norm + terms.squared_bias_feature * self.point.alpha_sum.powi(2)) + self.losses
    }

    fn relative_gap_of(&self, primal: f64) -> f64 {
        if self.gap == 0.0 { 0.0 } else { self.gap / primal }
    }
}

#[cfg(test)]
mod tests {
    use linfa::ParamGuard as _;

    use super::*;
    use crate::params::Loss;

    #[test]
    fn a_block_far_beyond_its_bounds_is_visited_only_now_and_then() {
        let svm = LinearSvm::params().tolerance(1e-9).check().unwrap();
        let terms = Terms { loss: LossTerms::new(Loss::Hinge, 1.0), squared_bias_feature: 0.0 };
        // Two blocks of one sample each that are not real vectors: the first moves in every pass, the second has a margin of 5.
        let mut point = BlockPoint::zero([vec![1; BLOCK], vec![-1]].concat(), 1);
        let mut problem = BlockProblem::new(&mut point, 1e-9);
        let mut visited = Vec::new();
        let own = vec![0.5; BLOCK * BLOCK];
        let order: Vec<usize> = (0..BLOCK).collect();
        for pass in 0..20 {
            problem.begin_pass();
            assert!(problem.is_awake(0));
            let score = 0.999 + 0.0005 * f64::from(pass % 2);
            problem.visit(terms, &own, &(0..BLOCK), &order, std::iter::repeat_n(score, BLOCK));
            if problem.is_awake(1) {
                visited.push(pass);
                problem.visit(terms, &[1.0], &(BLOCK..BLOCK + 1), &[0], std::iter::once(-5.0));
                assert!(!problem.moved);
            } else {
                problem.rest(1);
            }
            problem.end_descending(terms, &svm, std::iter::once(0.0));
        }
        // The violation of the first pass is needed before a gradient can be clearly beyond a bound.
        assert_eq!(visited[..8], [0, 1, 2, 3, 4, 5, 6, 7]);
        assert!(visited.len() < 14, "{visited:?}");
    }
}
