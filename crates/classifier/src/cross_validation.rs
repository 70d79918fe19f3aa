//! Choosing C by cross-validation inside the training set.

use ndarray::Array2;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_xoshiro::Xoshiro256PlusPlus;
use rayon::prelude::*;

use crate::error::ClassifierError;
use crate::training::CrossValidationRow;

/// What one candidate for C gave in one problem.
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    /// Scores of all n samples.
    pub(crate) scores: Vec<f64>,
    /// Whether the solver reached its tolerance.
    pub(crate) converged: bool,
}

/// Measures all candidates for C. Returns one row per candidate, in rising order of C.
///
/// `targets` `(n, n_classes)`: samples with target 0 are neither used for training nor measured. `scores_of_paths` receives at most `group`
/// problems at a time. A problem is the number of a class and its targets, in which the held-out samples are set to 0. The function returns one
/// path per problem: for every candidate, in rising order of C, the scores of all n samples and whether the problem was solved.
pub(crate) fn cross_validate(
    targets: &Array2<i8>,
    c_grid: &[f64],
    n_folds: usize,
    seed: u64,
    group: usize,
    mut scores_of_paths: impl FnMut(&[(usize, Vec<i8>)]) -> Result<Vec<Vec<Candidate>>, ClassifierError>,
) -> Result<Vec<CrossValidationRow>, ClassifierError> {
    let (n, n_classes) = targets.dim();
    if n_folds > n {
        return Err(ClassifierError::Parameter {
            field: "n_folds",
            found: n_folds.to_string(),
            expected: "at most as many folds as there are samples",
        });
    }
    let fold_of = assign_folds(n, n_folds, seed);
    // The targets of the samples inside the fold (held out) or outside it; all other targets are set to 0.
    let split = |class: usize, fold: usize, held_out: bool| -> Vec<i8> {
        let kept = |i: usize| (fold_of[i] == fold) == held_out;
        targets.column(class).iter().enumerate().map(|(i, &y)| if kept(i) { y } else { 0 }).collect()
    };
    let mut places = Vec::new();
    for fold in 0..n_folds {
        for class in 0..n_classes {
            let samples = || targets.column(class).into_iter().zip(&fold_of);
            let has = |target: i8, held_out: bool| samples().any(|(&y, &of)| y == target && (of == fold) == held_out);
            if has(1, true) && has(1, false) && has(-1, false) {
                places.push((fold, class));
            }
        }
    }
    let row = |&c: &f64| CrossValidationRow {
        c,
        mean_average_precision: 0.0,
        folds: Vec::new(),
        n_problems: places.len(),
        n_unsolved: 0,
    };
    let mut rows: Vec<CrossValidationRow> = c_grid.iter().map(row).collect();
    let mut measured: Vec<(usize, Vec<f64>)> = Vec::with_capacity(places.len());
    for places in places.chunks(group) {
        let problems: Vec<_> = places.iter().map(|&(fold, class)| (class, split(class, fold, false))).collect();
        let paths = scores_of_paths(&problems)?;
        for (candidate, row) in rows.iter_mut().enumerate() {
            row.n_unsolved += paths.iter().filter(|path| !path[candidate].converged).count();
        }
        let measure = |(&(fold, class), path): (&(usize, usize), &Vec<Candidate>)| {
            let inside = split(class, fold, true);
            (fold, path.iter().map(|candidate| average_precision(&candidate.scores, &inside)).collect())
        };
        measured.par_extend(places.par_iter().zip(&paths).map(measure));
    }
    for fold in 0..n_folds {
        let classes: Vec<&Vec<f64>> = measured.iter().filter(|of| of.0 == fold).map(|of| &of.1).collect();
        if classes.is_empty() {
            return Err(ClassifierError::Fold { fold, n_folds });
        }
        for (candidate, row) in rows.iter_mut().enumerate() {
            let sum: f64 = classes.iter().map(|class| class[candidate]).sum();
            row.folds.push(sum / classes.len() as f64);
        }
    }
    for row in &mut rows {
        row.mean_average_precision = row.folds.iter().sum::<f64>() / n_folds as f64;
    }
    Ok(rows)
}

/// The C of the best row. Among rows with equal values this is the smallest C.
pub(crate) fn best_c(rows: &[CrossValidationRow]) -> Option<f64> {
    let better = |best: Option<&CrossValidationRow>, row: &CrossValidationRow| {
        best.is_none_or(|best| row.mean_average_precision > best.mean_average_precision)
    };
    rows.iter().fold(None, |best, row| if better(best, row) { Some(row) } else { best }).map(|row| row.c)
}

/// The fold of every sample: the samples are shuffled and then assigned to the folds in turn.
pub(crate) fn assign_folds(n: usize, n_folds: usize, seed: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n).collect();
    order.shuffle(&mut Xoshiro256PlusPlus::seed_from_u64(seed));
    let mut fold_of = vec![0; n];
    for (place, &sample) in order.iter().enumerate() {
        fold_of[sample] = place % n_folds;
    }
    fold_of
}

/// Area under the precision-recall curve. The precision at each recall is replaced by the largest precision at this or a higher recall.
///
/// `labels` must contain a positive; samples with label 0 are skipped.
fn average_precision(scores: &[f64], labels: &[i8]) -> f64 {
    let mut ranked: Vec<(f64, i8)> =
        scores.iter().copied().zip(labels.iter().copied()).filter(|sample| sample.1 != 0).collect();
    ranked.sort_by(|one, other| other.0.total_cmp(&one.0));
    let mut precision = Vec::new();
    for (rank, sample) in ranked.iter().enumerate() {
        if sample.1 > 0 {
            precision.push((precision.len() + 1) as f64 / (rank + 1) as f64);
        }
    }
    let mut greatest = 0.0_f64;
    let mut sum = 0.0;
    for &value in precision.iter().rev() {
        greatest = greatest.max(value);
        sum += greatest;
    }
    sum / precision.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn folds_have_equal_sizes_and_depend_on_the_seed() {
        let folds = assign_folds(23, 5, 1);
        let sizes: Vec<usize> = (0..5).map(|fold| folds.iter().filter(|&&of| of == fold).count()).collect();
        assert_eq!(sizes, [5, 5, 5, 4, 4]);
        assert_eq!(folds, assign_folds(23, 5, 1));
        assert_ne!(folds, assign_folds(23, 5, 2));
    }

    #[test]
    fn average_precision_by_hand() {
        // The sample with label 0 is skipped, so the positives have ranks 1 and 3: precisions 1 and 2/3.
        let found = average_precision(&[5.0, 4.5, 4.0, 3.0, 2.0], &[1, 0, -1, 1, -1]);
        assert!((found - 5.0 / 6.0).abs() < 1e-12);
        assert_eq!(average_precision(&[1.0, 2.0], &[-1, 1]), 1.0);
        // The positives have ranks 2 and 3. The later precision, 2/3, is larger than 1/2 and counts for both.
        assert!((average_precision(&[3.0, 2.0, 1.0], &[-1, 1, 1]) - 2.0 / 3.0).abs() < 1e-12);
    }

    #[test]
    fn the_smaller_of_equal_candidates_is_taken() {
        let row = |c, mean_average_precision| CrossValidationRow {
            c,
            mean_average_precision,
            folds: Vec::new(),
            n_problems: 1,
            n_unsolved: 0,
        };
        assert_eq!(best_c(&[row(1.0, 0.4), row(2.0, 0.5), row(4.0, 0.5)]), Some(2.0));
        assert_eq!(best_c(&[]), None);
    }

    #[test]
    fn held_out_samples_are_measured_and_not_used_for_training() {
        let targets = array![[1_i8], [1], [-1], [-1], [1], [-1], [0], [1]];
        let rows = cross_validate(&targets, &[1.0, 2.0], 2, 3, 9, |problems| {
            assert_eq!(problems.len(), 2);
            for (class, outside) in problems {
                assert_eq!((*class, outside[6]), (0, 0));
                assert!((3..=4).contains(&outside.iter().filter(|&&y| y != 0).count()));
            }
            // The scores of the first candidate are the targets themselves; those of the second have the opposite sign.
            let known: Vec<f64> = targets.column(0).iter().map(|&y| f64::from(y)).collect();
            let wrong: Vec<f64> = known.iter().map(|y| -y).collect();
            let known = Candidate { scores: known, converged: true };
            Ok(vec![
                vec![known.clone(), Candidate { scores: wrong.clone(), converged: false }],
                vec![known, Candidate { scores: wrong, converged: true }],
            ])
        })
        .unwrap();
        assert_eq!((rows[0].n_unsolved, rows[1].n_unsolved, rows[1].n_problems), (0, 1, 2));
        assert_eq!((rows[0].mean_average_precision, rows[0].folds.len()), (1.0, 2));
        assert!(rows[1].mean_average_precision < 1.0);
        assert_eq!(best_c(&rows), Some(1.0));
    }

    #[test]
    fn folds_that_cannot_be_measured_are_refused() {
        let targets = array![[1_i8], [-1]];
        let run = |n_folds| {
            cross_validate(&targets, &[1.0], n_folds, 0, 9, |problems| {
                Ok(vec![vec![Candidate { scores: vec![0.0; 2], converged: true }]; problems.len()])
            })
        };
        assert!(matches!(run(3), Err(ClassifierError::Parameter { field: "n_folds", .. })));
        assert!(matches!(run(2), Err(ClassifierError::Fold { fold: 0, n_folds: 2 })));
    }
}
