//! Solves the dual problems of all classes without the Gram matrix, in passes over blocks of vectors.

use std::ops::{ControlFlow, Range};

use ndarray::{Array2, ArrayView2};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_xoshiro::Xoshiro256PlusPlus;
use rayon::prelude::*;

use crate::block_point::BlockPoint;
use crate::block_problem::{BlockProblem, Stage, Terms};
use crate::block_products::{Panels, own_products};
use crate::blocks::BlockProgress;
use crate::coordinate_descent::BLOCK;
use crate::dual::LossTerms;
use crate::error::ClassifierError;
use crate::params::LinearSvm;
use crate::rows::{RowSource, for_each_block};
use crate::training::ClassReport;

/// The observer of a training.
pub(crate) type Observer<'a> = &'a mut dyn FnMut(&BlockProgress) -> ControlFlow<()>;

/// The vectors, and what all dual problems on them share.
pub(crate) struct BlockProblems<'a> {
    svm: &'a LinearSvm,
    rows: &'a dyn RowSource,
    /// For each block the products of its vectors with each other, row after row; empty until the block is read for the first time.
    own: Vec<Vec<f32>>,
    n_passes: usize,
}

/// A block, and the order in which its samples are visited.
struct Visit {
    block: Range<usize>,
    order: Vec<usize>,
}

impl<'a> BlockProblems<'a> {
    pub(crate) fn new(svm: &'a LinearSvm, rows: &'a dyn RowSource) -> Self {
        let n_blocks = rows.n_rows().div_ceil(BLOCK);
        Self { svm, rows, own: vec![Vec::new(); n_blocks], n_passes: 0 }
    }

    /// Moves every point to the optimum for C. The points must satisfy α ≤ C, as the solutions for a smaller C do.
    pub(crate) fn solve(
        &mut self,
        c: f64,
        points: &mut [BlockPoint],
        observer: Observer<'_>,
    ) -> Result<Vec<ClassReport>, ClassifierError> {
        let terms = Terms {
            loss: LossTerms::new(self.svm.loss, c),
            squared_bias_feature: self.svm.bias_feature * self.svm.bias_feature,
        };
        let mut problems: Vec<BlockProblem<'_>> =
            points.iter_mut().map(|point| BlockProblem::new(point, self.svm.tolerance)).collect();
        let mut blocks: Vec<usize> = (0..self.own.len()).collect();
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(self.svm.seed);
        while problems.iter().any(|problem| problem.stage != Stage::Solved) {
            blocks.shuffle(&mut rng);
            let n = self.rows.n_rows();
            let visits = blocks.iter().map(|&block| {
                let block = block * BLOCK..n.min((block + 1) * BLOCK);
                let mut order: Vec<usize> = (0..block.len()).collect();
                order.shuffle(&mut rng);
                Visit { block, order }
            });
            self.pass(terms, visits.collect(), &mut problems, observer)?;
            self.n_passes += 1;
        }
        Ok(problems.into_iter().map(|problem| problem.report.expect("every problem ends")).collect())
    }

    /// One pass over all vectors, in which every problem does the work of its stage.
    fn pass(
        &mut self,
        terms: Terms,
        visits: Vec<Visit>,
        problems: &mut [BlockProblem<'_>],
        observer: Observer<'_>,
    ) -> Result<(), ClassifierError> {
        let unsolved = || problems.iter().filter(|problem| problem.stage != Stage::Solved);
        let mut progress = BlockProgress {
            n_passes: self.n_passes,
            n_rows_read: 0,
            n_unsolved: unsolved().count(),
            largest_gap: unsolved().fold(0.0, |largest, problem| problem.relative_gap.max(largest)),
        };
        let mut pass = Pass::new(terms, self.rows.n_dimensions(), problems);
        let (blocks, orders): (Vec<_>, Vec<_>) = visits.into_iter().map(|visit| (visit.block, visit.order)).unzip();
        let mut orders = orders.into_iter();
        let own = &mut self.own;
        for_each_block(
            self.rows,
            &blocks,
            |block, x| {
                let own = &mut own[block.start / BLOCK];
                if own.is_empty() {
                    *own = own_products(x);
                    check(block, own)?;
                }
                let order = orders.next().expect("one order per block");
                pass.descend(block, x, own, &order);
                pass.sum(block, x);
                pass.measure(block, x);
                Ok(())
            },
            |block| {
                progress.n_rows_read += block.len();
                if observer(&progress).is_break() { Err(ClassifierError::Stopped) } else { Ok(()) }
            },
        )?;
        pass.end(self.svm);
        Ok(())
    }
}

/// The problems of one pass by stage, and their coefficients in panels.
struct Pass<'a, 'p> {
    terms: Terms,
    descending: Vec<&'a mut BlockProblem<'p>>,
    summing: Vec<&'a mut BlockProblem<'p>>,
    measuring: Vec<&'a mut BlockProblem<'p>>,
    /// W of the descending problems.
    w: Panels<f32>,
    /// The change of W in this pass. W itself is kept in `f64` outside of the pass, so that its rounding errors do not grow with the
    /// number of passes.
    changes: Panels<f32>,
    sums: Panels<f64>,
    measured_w: Panels<f32>,
}

impl<'a, 'p> Pass<'a, 'p> {
    fn new(terms: Terms, d: usize, problems: &'a mut [BlockProblem<'p>]) -> Self {
        let (mut descending, mut summing, mut measuring) = (Vec::new(), Vec::new(), Vec::new());
        for problem in problems {
            problem.begin_pass();
            match problem.stage {
                Stage::Descending => descending.push(problem),
                Stage::Summing => summing.push(problem),
                Stage::Measuring => measuring.push(problem),
                Stage::Solved => {}
            }
        }
        let w_of = |problems: &[&mut BlockProblem<'p>]| {
            Panels::of(&problems.iter().map(|problem| problem.point.w.as_slice()).collect::<Vec<_>>(), d)
        };
        Self {
            terms,
            w: w_of(&descending),
            changes: Panels::zeros(descending.len(), d),
            sums: Panels::zeros(summing.len(), d),
            measured_w: w_of(&measuring),
            descending,
            summing,
            measuring,
        }
    }

    /// Coordinate descent in one block.
    fn descend(&mut self, block: &Range<usize>, x: ArrayView2<'_, f32>, own: &[f32], order: &[usize]) {
        let index = block.start / BLOCK;
        let awake: Vec<usize> = (0..self.descending.len()).filter(|&i| self.descending[i].is_awake(index)).collect();
        if awake.is_empty() {
            self.descending.iter_mut().for_each(|problem| problem.rest(index));
            return;
        }
        let outputs = self.w.outputs(&awake, x);
        self.descending.par_iter_mut().with_max_len(1).enumerate().for_each(|(i, problem)| {
            match awake.binary_search(&i) {
                Ok(row) => problem.visit(self.terms, own, block, order, outputs.row(row).iter().copied()),
                Err(_) => problem.rest(index),
            }
        });
        let moved: Vec<usize> = awake.into_iter().filter(|&i| self.descending[i].moved).collect();
        if moved.is_empty() {
            return;
        }
        let mut steps = Array2::zeros((moved.len(), block.len()));
        for (mut row, &i) in steps.rows_mut().into_iter().zip(&moved) {
            row.iter_mut().zip(&self.descending[i].steps).for_each(|(to, &from)| *to = from);
        }
        self.w.add_steps(&mut self.changes, &moved, steps.view(), x);
    }

    /// Adds the samples of one block to the sums of the coefficients.
    fn sum(&mut self, block: &Range<usize>, x: ArrayView2<'_, f32>) {
        if self.summing.is_empty() {
            return;
        }
        let mut alphas = Array2::zeros((self.summing.len(), block.len()));
        for (mut row, problem) in alphas.rows_mut().into_iter().zip(&self.summing) {
            row.iter_mut().zip(&problem.point.alphas[block.clone()]).for_each(|(to, &from)| *to = from);
        }
        self.sums.add_products(alphas.view(), x);
    }

    /// Measures the gap of one block.
    fn measure(&mut self, block: &Range<usize>, x: ArrayView2<'_, f32>) {
        if self.measuring.is_empty() {
            return;
        }
        let outputs = self.measured_w.exact_outputs(x);
        for (problem, outputs) in self.measuring.iter_mut().zip(outputs.rows()) {
            problem.measure(self.terms, block, outputs.iter().copied());
        }
    }

    fn end(self, svm: &LinearSvm) {
        let Self { terms, descending, summing, measuring, changes, sums, .. } = self;
        descending.into_par_iter().with_max_len(1).enumerate().for_each(|(row, problem)| {
            problem.end_descending(terms, svm, changes.row(row));
        });
        for (row, problem) in summing.into_iter().enumerate() {
            problem.end_summing(svm, sums.row(row));
        }
        for problem in measuring {
            problem.end_measuring(terms, svm);
        }
    }
}

/// Checks that all samples of a block are finite: a value that is not finite makes the squared length of its sample not finite.
fn check(block: &Range<usize>, own: &[f32]) -> Result<(), ClassifierError> {
    for (place, sample) in block.clone().enumerate() {
        let found = own[place * (block.len() + 1)];
        if !found.is_finite() {
            return Err(ClassifierError::NotFinite { what: "the squared length", sample, found });
        }
    }
    Ok(())
}
