//! Scores of samples by classifiers that were not trained on them.

use ndarray::{Array2, ArrayView2};

use crate::cross_validation::assign_folds;
use crate::dual::DualPoint;
use crate::error::ClassifierError;
use crate::gram::gram;
use crate::one_vs_rest::checked_targets;
use crate::params::LinearSvm;
use crate::training::ClassReport;

/// Scores of samples by classifiers that have not seen them.
#[derive(Debug, Clone, PartialEq)]
pub struct HeldOut {
    /// `(n_samples, n_classes)`, bias included. NaN where the samples outside of the fold lack a positive or a negative sample of the class.
    pub scores: Array2<f32>,
    /// Number of problems: one per fold and class, without those that have nothing to learn from.
    pub n_problems: usize,
    /// Number of those problems in which the solver did not reach its tolerance.
    pub n_unsolved: usize,
}

impl LinearSvm {
    /// Scores of all training samples, each by the classifiers that were trained on the other folds.
    ///
    /// A score on a training sample is higher than the score on a new one, so thresholds cannot be chosen from it. The samples are assigned to
    /// `n_folds` folds; for each fold and class one problem is solved on the other folds with the cost `c`, and scores the samples of the fold.
    /// If the samples on the other folds are all positive or all negative, as for a class with a single positive sample, these scores are NaN.
    ///
    /// `x` `(n_samples, n_dimensions)`, `targets` `(n_samples, n_classes)` as for training.
    ///
    /// # Errors
    /// The errors of training.
    pub fn held_out_scores(
        &self,
        x: ArrayView2<'_, f32>,
        targets: ArrayView2<'_, i8>,
        c: f64,
    ) -> Result<HeldOut, ClassifierError> {
        let targets = checked_targets(x, targets, self.difficult)?;
        let folds = FoldProblems::new(self, &targets);
        let mut points: Vec<DualPoint> =
            folds.places.iter().map(|&place| DualPoint::zero(folds.targets(&targets, place))).collect();
        let gram = gram(x);
        let problems = self.problems(gram.view());
        let reports = problems.solve(c, &mut points);
        let mut held_out = folds.unscored();
        for ((&place, point), report) in folds.places.iter().zip(&points).zip(&reports) {
            folds.keep(place, &point.scores(&problems), report, &mut held_out);
        }
        Ok(held_out)
    }
}

/// Which fold and class each problem belongs to.
pub(crate) struct FoldProblems {
    fold_of: Vec<usize>,
    n_classes: usize,
    /// Fold and class of each problem.
    pub(crate) places: Vec<(usize, usize)>,
}

impl FoldProblems {
    pub(crate) fn new(svm: &LinearSvm, targets: &Array2<i8>) -> Self {
        let (n, n_classes) = targets.dim();
        let n_folds = svm.n_folds.min(n);
        let mut folds = Self { fold_of: assign_folds(n, n_folds, svm.seed), n_classes, places: Vec::new() };
        for fold in 0..n_folds {
            for class in 0..n_classes {
                let outside = folds.targets(targets, (fold, class));
                if outside.contains(&1) && outside.contains(&-1) {
                    folds.places.push((fold, class));
                }
            }
        }
        folds
    }

    /// The targets of a problem: those of its class, in which the samples of the fold are set to 0.
    pub(crate) fn targets(&self, targets: &Array2<i8>, (fold, class): (usize, usize)) -> Vec<i8> {
        let samples = targets.column(class).into_iter().zip(&self.fold_of);
        samples.map(|(&y, &of)| if of == fold { 0 } else { y }).collect()
    }

    /// The result before any problem is solved.
    pub(crate) fn unscored(&self) -> HeldOut {
        let scores = Array2::from_elem((self.fold_of.len(), self.n_classes), f32::NAN);
        HeldOut { scores, n_problems: self.places.len(), n_unsolved: 0 }
    }

    /// Takes the scores of the samples of the problem's fold from its scores of all samples.
    pub(crate) fn keep(
        &self,
        (fold, class): (usize, usize),
        scores: &[f64],
        report: &ClassReport,
        held_out: &mut HeldOut,
    ) {
        for (sample, &score) in scores.iter().enumerate().filter(|(sample, _)| self.fold_of[*sample] == fold) {
            held_out.scores[[sample, class]] = score as f32;
        }
        held_out.n_unsolved += usize::from(!report.converged);
    }
}

#[cfg(test)]
mod tests {
    use linfa::ParamGuard as _;
    use ndarray::{Array2, Axis};

    use super::*;
    use crate::training::ClassifierTrainer as _;

    #[test]
    fn each_sample_is_scored_by_a_classifier_that_has_not_seen_it() {
        let n = 30;
        let x = Array2::from_shape_fn((n, 4), |(i, d)| {
            ((i * 7 + d * 3) % 11) as f32 / 11.0 + if i % 3 == d { 0.7 } else { 0.0 }
        });
        let targets = Array2::from_shape_fn((n, 2), |(i, class)| if i % 3 == class { 1 } else { -1 });
        let svm = LinearSvm::params().c(1.0).n_folds(5).tolerance(1e-6).seed(3).check().unwrap();
        let HeldOut { scores, n_problems, n_unsolved } = svm.held_out_scores(x.view(), targets.view(), 1.0).unwrap();
        assert_eq!((n_problems, n_unsolved), (10, 0));
        // The slow way: one training per fold on a copy without the fold.
        let fold_of = assign_folds(n, 5, 3);
        for fold in 0..5 {
            let outside: Vec<usize> = (0..n).filter(|&i| fold_of[i] != fold).collect();
            let inside: Vec<usize> = (0..n).filter(|&i| fold_of[i] == fold).collect();
            let (kept, labels) = (x.select(Axis(0), &outside), targets.select(Axis(0), &outside));
            let model = svm.train(kept.view(), labels.view()).unwrap().model;
            let expected = model.decision_function(x.select(Axis(0), &inside).view());
            for (row, &sample) in inside.iter().enumerate() {
                for class in 0..2 {
                    let (found, expected) = (scores[[sample, class]], expected[[row, class]]);
                    assert!((found - expected).abs() < 2e-3, "sample {sample}, class {class}: {found} {expected}");
                }
            }
        }
        // A class with a single positive sample cannot be learned without the fold of this sample.
        let single = Array2::from_shape_fn((n, 1), |(i, _)| if i == 7 { 1 } else { -1 });
        let found = svm.held_out_scores(x.view(), single.view(), 1.0).unwrap();
        assert_eq!(found.n_problems, 4);
        for (sample, score) in found.scores.iter().enumerate() {
            assert_eq!(score.is_nan(), fold_of[sample] == fold_of[7], "sample {sample}");
        }
        let all = svm.train(x.view(), targets.view()).unwrap().model.decision_function(x.view());
        let margin = |scores: &Array2<f32>| {
            scores.iter().zip(&targets).map(|(score, &target)| score * f32::from(target)).sum::<f32>()
        };
        assert!(margin(&scores) < margin(&all), "held-out samples have smaller margins than training samples");
    }
}
