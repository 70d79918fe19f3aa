//! Training on vectors that are read in blocks, compared with training on the Gram matrix.

use std::error::Error;
use std::ops::{ControlFlow, Range};
use std::sync::atomic::{AtomicUsize, Ordering};

use fisherlens_classifier::{
    BlockProgress, ClassifierError, ClassifierTrainer, Difficult, LinearSvm, LinearSvmParams, Loss, RowSource, Training,
};
use linfa::ParamGuard;
use ndarray::{Array2, ArrayViewMut2, Axis, array, s};
use proptest::prelude::*;
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

const LOSSES: [Loss; 2] = [Loss::Hinge, Loss::SquaredHinge];

/// Vectors of unit length that share a direction, and noisy classes with difficult samples.
fn samples(n: usize, d: usize, n_classes: usize, seed: u64) -> (Array2<f32>, Array2<i8>) {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut uniform = |rows, columns| Array2::from_shape_simple_fn((rows, columns), || rng.gen_range(-1.0_f32..1.0));
    let mut x = uniform(n, d);
    x += &(uniform(1, d).row(0).mapv(|value| 0.7 * value));
    for mut row in x.axis_iter_mut(Axis(0)) {
        let length = row.dot(&row).sqrt();
        row /= length;
    }
    let scores = x.dot(&uniform(n_classes, d).t()) + &(uniform(n, n_classes) * 0.6);
    let mut targets = scores.mapv(|score| {
        if score.abs() < 0.03 {
            0
        } else if score > 0.2 {
            1
        } else {
            -1
        }
    });
    targets.row_mut(0).fill(1);
    targets.row_mut(1).fill(-1);
    (x, targets)
}

fn go_on(_: &BlockProgress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn train_rows(params: LinearSvmParams, x: &Array2<f32>, targets: &Array2<i8>) -> Training {
    params.check().unwrap().train_rows(&x.view(), targets.view(), &mut go_on).unwrap()
}

fn refused(params: LinearSvmParams, rows: &dyn RowSource, targets: &Array2<i8>) -> ClassifierError {
    params.check().unwrap().train_rows(rows, targets.view(), &mut go_on).unwrap_err()
}

/// Trains both ways and compares objectives, bias, coefficients and scores.
fn compare(params: &LinearSvmParams, x: &Array2<f32>, targets: &Array2<i8>, largest_difference: f32) {
    let found = train_rows(params.clone(), x, targets);
    let expected = params.clone().check().unwrap().train(x.view(), targets.view()).unwrap();
    assert!(found.model.dual().is_none());
    assert_eq!(found.report.c, expected.report.c);
    for (found, expected) in found.report.classes.iter().zip(&expected.report.classes) {
        assert!(found.converged && expected.converged, "{params:?} {found:?}");
        assert!(found.relative_duality_gap().unwrap() <= params.check_ref().unwrap().tolerance());
        let allowed = found.duality_gap.unwrap().max(expected.duality_gap.unwrap()) + 1e-6 * expected.objective;
        assert!((found.objective - expected.objective).abs() <= allowed, "{found:?} {expected:?}");
        assert!(found.n_support_vectors > 0 && found.n_support_vectors <= x.nrows());
    }
    let (scores, twin) = (found.model.decision_function(x.view()), expected.model.decision_function(x.view()));
    for (found, expected) in scores.iter().zip(&twin) {
        assert!((found - expected).abs() <= largest_difference, "{params:?}: {found} {expected}");
    }
    for (found, expected) in found.model.bias().iter().zip(expected.model.bias()) {
        assert!((found - expected).abs() <= largest_difference, "{params:?}: {found} {expected}");
    }
    let difference = &found.model.coefficients() - &expected.model.coefficients();
    for (difference, expected) in difference.rows().into_iter().zip(expected.model.coefficients().rows()) {
        assert!(
            difference.dot(&difference) <= largest_difference * largest_difference * (1.0 + expected.dot(&expected))
        );
    }
}

#[test]
fn the_solution_is_that_of_the_gram_matrix() {
    // Fewer and more samples than dimensions, one block and many, with a last block of one sample, one panel of dimensions and several.
    for (n, d, n_classes) in [(40, 10, 1), (129, 60, 2), (200, 2100, 2), (500, 20, 2), (260, 4100, 1)] {
        let (x, targets) = samples(n, d, n_classes, n as u64);
        assert!(targets.iter().any(|&target| target == 0), "some samples are difficult");
        for loss in LOSSES {
            for c in [0.1, 10.0] {
                compare(&LinearSvm::params().c(c).loss(loss).tolerance(1e-6).max_n_epochs(5_000), &x, &targets, 6e-3);
            }
        }
    }
}

#[test]
fn the_solution_without_a_bias_and_with_a_large_bias_feature() {
    let (x, targets) = samples(200, 120, 1, 3);
    for loss in LOSSES {
        for bias_feature in [0.0, 5.0] {
            let params = LinearSvm::params().loss(loss).bias_feature(bias_feature).tolerance(1e-6).max_n_epochs(5_000);
            compare(&params, &x, &targets, 6e-3);
        }
        let training = train_rows(LinearSvm::params().loss(loss).bias_feature(0.0), &x, &targets);
        assert!(training.model.bias().iter().all(|bias| *bias == 0.0));
    }
}

#[test]
fn equal_vectors_and_vectors_of_length_zero() {
    let (mut x, targets) = samples(300, 50, 2, 4);
    for i in 0..60 {
        let copy = x.row(i).to_owned();
        x.row_mut(i + 150).assign(&copy);
    }
    for i in [5, 77, 200, 299] {
        x.row_mut(i).fill(0.0);
    }
    for loss in LOSSES {
        for bias_feature in [0.0, 1.0] {
            let params = LinearSvm::params().c(2.0).loss(loss).bias_feature(bias_feature).tolerance(1e-6);
            compare(&params.max_n_epochs(5_000), &x, &targets, 6e-3);
        }
    }
    let zeros = Array2::zeros((20, 3));
    let targets = Array2::from_shape_fn((20, 1), |(i, _)| if i < 5 { 1 } else { -1 });
    compare(&LinearSvm::params().tolerance(1e-6), &zeros, &targets, 1e-3);
}

#[test]
fn samples_far_from_the_margin_change_nothing() {
    // Most blocks contain only samples far beyond their margin, so they are left out of most passes.
    let (mut x, mut targets) = samples(1_000, 30, 1, 6);
    for i in 200..1_000 {
        let sign = if i % 3 == 0 { 1.0 } else { -1.0 };
        x.row_mut(i).mapv_inplace(|value| 0.1 * value);
        x[[i, 0]] = 20.0 * sign;
        targets[[i, 0]] = if i % 3 == 0 { 1 } else { -1 };
    }
    for loss in LOSSES {
        compare(&LinearSvm::params().c(1.0).loss(loss).tolerance(1e-6).max_n_epochs(5_000), &x, &targets, 6e-3);
    }
}

#[test]
fn difficult_samples_can_be_negatives() {
    let (x, targets) = samples(150, 40, 1, 5);
    let by_hand = train_rows(LinearSvm::params(), &x, &targets.mapv(|y| if y == 0 { -1 } else { y }));
    let negative = train_rows(LinearSvm::params().difficult(Difficult::Negative), &x, &targets);
    assert_eq!(negative, by_hand);
    assert_ne!(negative, train_rows(LinearSvm::params(), &x, &targets));
}

#[test]
fn cross_validation_gives_the_rows_of_the_gram_matrix() {
    let (x, targets) = samples(300, 400, 2, 7);
    for loss in LOSSES {
        let params = || LinearSvm::params().c_grid(vec![10.0, 0.01, 1.0]).n_folds(3).seed(5).loss(loss).tolerance(1e-5);
        let found = train_rows(params(), &x, &targets).report;
        let expected = params().check().unwrap().train(x.view(), targets.view()).unwrap().report;
        assert_eq!(found.c, expected.c);
        for (found, expected) in found.cross_validation.iter().zip(&expected.cross_validation) {
            assert_eq!((found.c, found.n_problems, found.n_unsolved), (expected.c, expected.n_problems, 0));
            for (found, expected) in found.folds.iter().zip(&expected.folds) {
                assert!((found - expected).abs() < 5e-3, "{found} {expected}");
            }
        }
    }
}

#[test]
fn held_out_scores_are_those_of_the_gram_matrix() {
    let (x, mut targets) = samples(260, 300, 3, 8);
    // A class with a single positive sample cannot be learned without the fold of this sample.
    targets.column_mut(2).fill(-1);
    targets[[17, 2]] = 1;
    let svm = LinearSvm::params().n_folds(4).seed(3).tolerance(1e-6).check().unwrap();
    let found = svm.held_out_scores_rows(&x.view(), targets.view(), 3.0, &mut go_on).unwrap();
    let expected = svm.held_out_scores(x.view(), targets.view(), 3.0).unwrap();
    assert_eq!((found.n_problems, found.n_unsolved), (expected.n_problems, 0));
    for (found, expected) in found.scores.iter().zip(&expected.scores) {
        assert_eq!(found.is_nan(), expected.is_nan());
        assert!(found.is_nan() || (found - expected).abs() < 5e-3, "{found} {expected}");
    }
}

#[test]
fn scores_in_blocks_have_the_same_bits() {
    for (n, d) in [(1, 1), (255, 33), (600, 5000)] {
        let (x, targets) = samples(n.max(2), d, 3, 9);
        let model = train_rows(LinearSvm::params().tolerance(0.1), &x, &targets).model;
        assert_eq!(model.decision_function_rows(&x.view()).unwrap(), model.decision_function(x.view()));
    }
    let (x, targets) = samples(50, 7, 1, 9);
    let model = train_rows(LinearSvm::params().tolerance(0.1), &x, &targets).model;
    assert!(matches!(
        model.decision_function_rows(&x.slice(s![.., ..6])),
        Err(ClassifierError::Length { expected: 7, found: 6, .. })
    ));
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let (x, targets) = samples(300, 4500, 2, 10);
    let params = || LinearSvm::params().c_grid(vec![0.5, 2.0]).n_folds(2).seed(9).tolerance(1e-2);
    let run = |n_threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().unwrap();
        pool.install(|| {
            let training = train_rows(params(), &x, &targets);
            let scores = training.model.decision_function_rows(&x.view()).unwrap();
            (training, scores)
        })
    };
    let one = run(1);
    assert_eq!(one, run(4));
    assert_eq!(one, run(3));
    assert_ne!(one.0, train_rows(params().seed(10), &x, &targets));
}

#[test]
fn an_early_end_is_measured_and_reported() {
    let (x, targets) = samples(400, 100, 2, 11);
    let params = || LinearSvm::params().c(100.0).max_n_epochs(2).tolerance(1e-9);
    let training = train_rows(params(), &x, &targets);
    for (class, report) in training.report.classes.iter().enumerate() {
        assert!(!report.converged);
        assert_eq!(report.n_epochs, Some(2));
        // The objective is that of the returned coefficients.
        let w = training.model.coefficients().row(class).mapv(f64::from);
        let b = f64::from(training.model.bias()[class]);
        let scores = x.mapv(f64::from).dot(&w) + b;
        let losses: f64 = scores
            .iter()
            .zip(targets.column(class))
            .map(|(s, &y)| if y == 0 { 0.0 } else { (1.0 - f64::from(y) * s).max(0.0) })
            .sum();
        let objective = 0.5 * (w.dot(&w) + b * b) + 100.0 * losses;
        assert!((report.objective - objective).abs() <= 1e-6 * objective, "{} {objective}", report.objective);
        // The gap bounds the distance to the optimum.
        let solved =
            LinearSvm::params().c(100.0).tolerance(1e-6).check().unwrap().train(x.view(), targets.view()).unwrap();
        let excess = objective - solved.report.classes[class].objective;
        assert!(excess <= report.duality_gap.unwrap() * (1.0 + 1e-6));
    }
}

/// Vectors whose reading fails from one sample on, and which count their readings.
struct Failing<'a> {
    x: &'a Array2<f32>,
    from: usize,
    n_readings: AtomicUsize,
}

impl RowSource for Failing<'_> {
    fn n_rows(&self) -> usize {
        self.x.nrows()
    }

    fn n_dimensions(&self) -> usize {
        self.x.ncols()
    }

    fn read(&self, rows: Range<usize>, target: ArrayViewMut2<'_, f32>) -> Result<(), Box<dyn Error + Send + Sync>> {
        self.n_readings.fetch_add(rows.len(), Ordering::Relaxed);
        if rows.end > self.from {
            return Err("the disk is gone".into());
        }
        self.x.view().read(rows, target)
    }
}

#[test]
fn the_error_of_a_reader_is_passed_on() {
    let (x, targets) = samples(300, 20, 1, 12);
    let rows = Failing { x: &x, from: 150, n_readings: AtomicUsize::new(0) };
    let error = refused(LinearSvm::params(), &rows, &targets);
    let ClassifierError::Rows { first, last, .. } = &error else { panic!("{error}") };
    assert!(*last >= 150 && *first <= *last && *last < 300);
    assert!(error.to_string().contains("the disk is gone"), "{error}");
    let model = train_rows(LinearSvm::params(), &x, &targets).model;
    let error = model.decision_function_rows(&rows).unwrap_err();
    assert!(matches!(error, ClassifierError::Rows { first: 144, last: 159, .. }), "{error}");
}

#[test]
fn the_observer_can_stop_the_training() {
    let (x, targets) = samples(300, 20, 2, 13);
    let rows = Failing { x: &x, from: usize::MAX, n_readings: AtomicUsize::new(0) };
    let svm = LinearSvm::params().tolerance(1e-9).check().unwrap();
    let mut seen = Vec::new();
    let mut stop = |progress: &BlockProgress| {
        seen.push(*progress);
        if progress.n_passes == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let error = svm.train_rows(&rows, targets.view(), &mut stop).unwrap_err();
    assert!(matches!(error, ClassifierError::Stopped), "{error}");
    // Three blocks per pass, two whole passes and one block; the block after it has been read ahead.
    assert_eq!(seen.len(), 7);
    assert!(rows.n_readings.load(Ordering::Relaxed) <= 900);
    assert!(seen.iter().all(|progress| progress.n_unsolved == 2));
    assert_eq!((seen[5].n_passes, seen[5].n_rows_read), (1, 300));
    assert!(seen[0].largest_gap.is_infinite() && seen[6].largest_gap.is_finite());
    let error = svm.held_out_scores_rows(&rows, targets.view(), 1.0, &mut |_| ControlFlow::Break(())).unwrap_err();
    assert!(matches!(error, ClassifierError::Stopped), "{error}");
}

#[test]
fn bad_input_is_refused() {
    let (mut x, targets) = samples(200, 5, 2, 14);
    let params = LinearSvm::params;
    let short = targets.slice(s![..199, ..]).to_owned();
    assert!(matches!(refused(params(), &x.view(), &short), ClassifierError::Length { expected: 200, found: 199, .. }));
    let mut wrong = targets.clone();
    wrong[[3, 1]] = 2;
    assert!(matches!(refused(params(), &x.view(), &wrong), ClassifierError::Target { sample: 3, class: 1, found: 2 }));
    let mut one_sided = targets.clone();
    one_sided.column_mut(1).fill(-1);
    assert!(matches!(
        refused(params(), &x.view(), &one_sided),
        ClassifierError::OneSided { class: 1, n_positives: 0, n_negatives: 200 }
    ));
    assert!(matches!(refused(params(), &x.view(), &Array2::zeros((200, 0))), ClassifierError::Empty { what: "class" }));
    assert!(matches!(refused(params(), &x.slice(s![.., ..0]), &targets), ClassifierError::Empty { what: "dimension" }));
    assert!(matches!(
        refused(params().c_grid(vec![1.0, 2.0]).n_folds(201), &x.view(), &targets),
        ClassifierError::Parameter { field: "n_folds", .. }
    ));
    for value in [f32::NAN, f32::INFINITY, f32::MAX] {
        x[[140, 2]] = value;
        assert!(matches!(refused(params(), &x.view(), &targets), ClassifierError::NotFinite { sample: 140, .. }));
    }
}

#[test]
fn two_samples_by_hand() {
    let (x, targets) = (array![[1.0_f32, 0.0], [-1.0, 0.0]], array![[1_i8], [-1]]);
    let model = train_rows(LinearSvm::params().c(10.0).tolerance(1e-9), &x, &targets).model;
    assert!((model.coefficients()[[0, 0]] - 1.0).abs() < 1e-6 && model.bias()[0].abs() < 1e-6);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn problems_of_any_size_and_c_are_solved(
        n in 4_usize..300, d in 1_usize..60, exponent in -2.0_f64..2.0, seed in 0_u64..1_000_000,
    ) {
        let (x, targets) = samples(n, d, 1, seed);
        for loss in LOSSES {
            let params = LinearSvm::params().c(10_f64.powf(exponent)).loss(loss).tolerance(1e-4).max_n_epochs(5_000);
            let report = train_rows(params.clone(), &x, &targets).report.classes.remove(0);
            prop_assert!(report.converged, "{:?}", report.relative_duality_gap());
            let twin = params.check().unwrap().train(x.view(), targets.view()).unwrap().report.classes.remove(0);
            prop_assert!((report.objective - twin.objective).abs() <= 1.1e-4 * twin.objective);
        }
    }
}
