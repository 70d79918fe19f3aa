//! Properties of every trained support vector machine, and checks of its input.

use fisherlens_classifier::{
    ClassifierError, ClassifierTrainer, Difficult, LinearModel, LinearSvm, LinearSvmParams, Loss, Training, gram,
};
use linfa::traits::{Fit, Predict};
use linfa::{DatasetBase, ParamGuard};
use ndarray::{Array1, Array2, Axis, array, s};
use proptest::prelude::*;
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

const LOSSES: [Loss; 2] = [Loss::Hinge, Loss::SquaredHinge];

fn samples(n: usize, d: usize, n_classes: usize, seed: u64) -> (Array2<f32>, Array2<i8>) {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut uniform = |rows, columns| Array2::from_shape_simple_fn((rows, columns), || rng.gen_range(-1.0_f32..1.0));
    let mut x = uniform(n, d);
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

fn train(params: LinearSvmParams, x: &Array2<f32>, targets: &Array2<i8>) -> Training {
    params.check().unwrap().train(x.view(), targets.view()).unwrap()
}

fn refused(params: LinearSvmParams, x: &Array2<f32>, targets: &Array2<i8>) -> ClassifierError {
    params.check().unwrap().train(x.view(), targets.view()).unwrap_err()
}

#[test]
fn two_samples_by_hand() {
    // w = (a1 + a2, 0), b = a1 − a2 = 0: both margins are 2a = 1 at a = 1/2, or a = C where C is smaller.
    let (x, targets) = (array![[1.0_f32, 0.0], [-1.0, 0.0]], array![[1_i8], [-1]]);
    let model = train(LinearSvm::params().c(10.0).tolerance(1e-12), &x, &targets).model;
    assert_eq!(model.coefficients(), array![[1.0_f32, 0.0]]);
    assert_eq!(model.bias()[0], 0.0);
    assert_eq!(model.dual().unwrap().alphas, array![[0.5_f32, -0.5]]);
    let model = train(LinearSvm::params().c(0.25).tolerance(1e-12), &x, &targets).model;
    assert_eq!(model.coefficients(), array![[0.5_f32, 0.0]]);
    assert_eq!(model.dual().unwrap().support_vectors(0), [0, 1]);
}

#[test]
fn the_solution_satisfies_the_optimality_conditions() {
    let (x, targets) = samples(120, 30, 3, 1);
    for loss in LOSSES {
        let c = 2.0;
        let training = train(LinearSvm::params().c(c).loss(loss).tolerance(1e-10), &x, &targets);
        let scores = training.model.decision_function(x.view());
        let dual = training.model.dual().unwrap();
        for ((class, i), &alpha) in dual.alphas.indexed_iter() {
            let y = f32::from(targets[[i, class]]);
            let (a, slack) = (y * alpha, 1.0 - y * scores[[i, class]]);
            if y == 0.0 {
                assert_eq!(alpha, 0.0, "a difficult sample is left out");
                continue;
            }
            assert!(a >= 0.0);
            match loss {
                Loss::Hinge => {
                    assert!(a <= c as f32);
                    assert!(a > 0.0 || slack <= 1e-3, "a sample with a = 0 lies on the margin or outside it");
                    assert!(a < c as f32 || slack >= -1e-3, "a sample with a = C lies on the margin or inside it");
                    assert!(a == 0.0 || a == c as f32 || slack.abs() <= 1e-3, "all other samples lie on the margin");
                }
                Loss::SquaredHinge => {
                    assert!((a - 2.0 * c as f32 * slack.max(0.0)).abs() <= 5e-3, "a = 2Cξ");
                }
            }
        }
    }
}

#[test]
fn both_views_are_the_same_classifier() {
    let (x, targets) = samples(90, 200, 4, 2);
    let model = train(LinearSvm::params(), &x, &targets).model;
    let dual = model.dual().unwrap();
    let scores = model.decision_function(x.view());
    let products = gram(x.view()).mapv(f64::from);
    for class in 0..4 {
        let alphas = dual.alphas.row(class).mapv(f64::from);
        let from_dual: Array1<f64> = products.dot(&alphas) + f64::from(model.bias()[class]);
        for i in 0..90 {
            assert!((from_dual[i] - f64::from(scores[[i, class]])).abs() < 1e-5);
            let one = model.score(class, x.row(i).as_slice().unwrap());
            // The products of `decision_function` are f32, so each partial sum is rounded.
            let sizes: f32 = x.row(i).iter().zip(model.class_coefficients(class)).map(|(x, w)| (x * w).abs()).sum();
            assert!((one - f64::from(scores[[i, class]])).abs() < f64::from(2.0 * f32::EPSILON * sizes));
        }
    }
}

#[test]
fn the_report_shows_an_early_stop() {
    let (x, targets) = samples(150, 20, 1, 3);
    let report =
        train(LinearSvm::params().c(100.0).max_n_epochs(1).tolerance(1e-9), &x, &targets).report.classes.remove(0);
    assert!(!report.converged);
    assert_eq!(report.n_epochs, Some(1));
    assert!(report.duality_gap.unwrap() > 1e-9 * report.objective);
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let (x, targets) = samples(300, 700, 5, 4);
    let params = || LinearSvm::params().c_grid(vec![0.5, 5.0]).n_folds(3).seed(9);
    let run = |n_threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().unwrap();
        pool.install(|| train(params(), &x, &targets))
    };
    let one = run(1);
    assert_eq!(one, run(2));
    assert_eq!(one, run(5));
    assert_ne!(one, train(params().seed(10), &x, &targets));
}

#[test]
fn difficult_samples_are_left_out_or_negative() {
    let (x, targets) = samples(100, 10, 2, 5);
    let ignored = train(LinearSvm::params(), &x, &targets).model;
    // Removing the difficult samples of the first class by hand gives the same problem for this class.
    let kept: Vec<usize> = (0..100).filter(|&i| targets[[i, 0]] != 0).collect();
    assert!(kept.len() < 100);
    let (x_kept, targets_kept) = (x.select(Axis(0), &kept), targets.select(Axis(0), &kept));
    let by_hand = train(LinearSvm::params(), &x_kept, &targets_kept.slice(s![.., ..1]).to_owned()).model;
    let (one, other) = (ignored.decision_function(x.view()), by_hand.decision_function(x.view()));
    for (one, other) in one.column(0).iter().zip(other.column(0)) {
        assert!((one - other).abs() < 2e-2, "{one} {other}");
    }
    let negative = train(LinearSvm::params().difficult(Difficult::Negative), &x, &targets).model;
    let by_hand = train(LinearSvm::params(), &x, &targets.mapv(|y| if y == 0 { -1 } else { y })).model;
    assert_eq!(negative, by_hand);
    assert_ne!(negative, ignored);
}

#[test]
fn a_gram_matrix_computed_before_changes_nothing() {
    let (x, targets) = samples(60, 80, 2, 6);
    let svm = LinearSvm::params().check().unwrap();
    let products = gram(x.view());
    let direct = svm.train(x.view(), targets.view()).unwrap();
    assert_eq!(direct, svm.train_with_gram(x.view(), products.view(), targets.view()).unwrap());
    let small = products.slice(s![..59, ..]);
    assert!(matches!(
        svm.train_with_gram(x.view(), small, targets.view()),
        Err(ClassifierError::Length { expected: 60, found: 59, .. })
    ));
}

#[test]
fn linfa_datasets_are_accepted() {
    let (x, targets) = samples(60, 80, 2, 6);
    let targets = targets.mapv(|y| if y == 0 { -1 } else { y });
    let model: LinearModel = LinearSvm::params().c(100.0).fit(&DatasetBase::new(x.clone(), targets.clone())).unwrap();
    let predicted: Array2<i8> = model.predict(&x);
    assert_eq!(predicted, targets);
}

#[test]
fn cross_validation_chooses_the_best_candidate() {
    let (x, targets) = samples(200, 300, 3, 7);
    let report = train(LinearSvm::params().c_grid(vec![10.0, 0.01, 1.0]), &x, &targets).report;
    let candidates: Vec<f64> = report.cross_validation.iter().map(|row| row.c).collect();
    assert_eq!(candidates, [0.01, 1.0, 10.0]);
    let best = report.cross_validation.iter().fold(0.0_f64, |best, row| best.max(row.mean_average_precision));
    let chosen = report.cross_validation.iter().find(|row| Some(row.c) == report.c).unwrap();
    assert_eq!(chosen.mean_average_precision, best);
    for row in &report.cross_validation {
        assert_eq!(row.folds.len(), 5);
        assert!(row.folds.iter().all(|value| (0.0..=1.0).contains(value)));
    }
    let single = train(LinearSvm::params().c(1.0), &x, &targets).report;
    assert!(single.cross_validation.is_empty());
}

#[test]
fn bad_input_is_refused() {
    let (mut x, targets) = samples(20, 5, 2, 8);
    let params = LinearSvm::params;
    let short = targets.slice(s![..19, ..]).to_owned();
    assert!(matches!(refused(params(), &x, &short), ClassifierError::Length { expected: 20, found: 19, .. }));
    let mut wrong = targets.clone();
    wrong[[3, 1]] = 2;
    assert!(matches!(refused(params(), &x, &wrong), ClassifierError::Target { sample: 3, class: 1, found: 2 }));
    let mut one_sided = targets.clone();
    one_sided.column_mut(1).fill(-1);
    assert!(matches!(
        refused(params(), &x, &one_sided),
        ClassifierError::OneSided { class: 1, n_positives: 0, n_negatives: 20 }
    ));
    let no_classes = Array2::zeros((20, 0));
    assert!(matches!(refused(params(), &x, &no_classes), ClassifierError::Empty { what: "class" }));
    assert!(matches!(
        refused(params().c_grid(vec![1.0, 2.0]).n_folds(21), &x, &targets),
        ClassifierError::Parameter { field: "n_folds", .. }
    ));
    x[[4, 2]] = f32::NAN;
    assert!(matches!(refused(params(), &x, &targets), ClassifierError::NotFinite { sample: 4, .. }));
}

#[test]
fn each_parameter_is_checked() {
    let field = |params: LinearSvmParams| match params.check().unwrap_err() {
        ClassifierError::Parameter { field, .. } => field,
        error => panic!("{error}"),
    };
    let params = LinearSvm::params;
    assert_eq!(field(params().c(0.0)), "c");
    assert_eq!(field(params().c_grid(vec![1.0, f64::NAN])), "c");
    assert_eq!(field(params().c_grid(Vec::new())), "c_grid");
    assert_eq!(field(params().n_folds(1)), "n_folds");
    assert_eq!(field(params().tolerance(0.0)), "tolerance");
    assert_eq!(field(params().bias_feature(-1.0)), "bias_feature");
    assert_eq!(field(params().max_n_epochs(0)), "max_n_epochs");
}

#[test]
fn models_are_built_from_matching_arrays_only() {
    let model = LinearModel::from_parts(array![[1.0_f32, 2.0]], array![0.5_f32]).unwrap();
    assert_eq!(model.decision_function(array![[1.0_f32, 1.0]].view()), array![[3.5_f32]]);
    assert_eq!(model.score(0, &[1.0, 1.0]), 3.5);
    assert!(model.dual().is_none());
    assert!(LinearModel::from_parts(array![[1.0_f32]], array![0.0_f32, 1.0]).is_err());
    assert!(LinearModel::from_parts(array![[f32::INFINITY]], array![0.0_f32]).is_err());
    assert!(LinearModel::from_parts(Array2::zeros((0, 3)), array![]).is_err());
}

#[test]
fn a_vector_of_length_zero_without_a_bias_gives_a_finite_model() {
    let (mut x, targets) = samples(20, 5, 1, 9);
    x.row_mut(7).fill(0.0);
    for loss in LOSSES {
        let training = train(LinearSvm::params().bias_feature(0.0).loss(loss), &x, &targets);
        assert!(training.report.classes[0].converged);
        assert_eq!(training.model.bias()[0], 0.0);
        assert!(training.model.coefficients().iter().all(|value| value.is_finite()));
    }
}

#[test]
fn more_free_samples_than_dimensions_converge_to_the_default_tolerance() {
    // 34 samples, a Gram matrix of rank 5 and a large C: the dual is flat along many directions.
    let (x, targets) = samples(34, 4, 1, 831);
    let training = train(LinearSvm::params().c(33.705_959_873_817_98), &x, &targets);
    assert!(training.report.classes[0].converged);
}

#[test]
fn the_gap_of_an_optimum_reached_at_once_is_not_negative() {
    let (x, targets) = samples(22, 1, 1, 526);
    for loss in LOSSES {
        let params = LinearSvm::params().c(43.017_420_916_530_725).loss(loss).max_n_epochs(1);
        assert!(train(params, &x, &targets).report.classes[0].duality_gap.unwrap() >= 0.0);
    }
}

#[test]
fn problems_with_flat_directions_are_solved() {
    // Many more samples are not at a bound than there are dimensions, so the objective is flat along many directions. Steps of
    // conjugate gradients in f32 alone left gaps of 2e-5 to 9e-5 after 5,000 epochs.
    for (n, d, c, seed) in [
        (34, 4, 215.324_4, 213_325),
        (57, 2, 107.127_7, 468_363),
        (54, 21, 148.026_4, 696_275),
        (42, 4, 855.703_7, 582_386),
    ] {
        let (x, targets) = samples(n, d, 1, seed);
        let params = LinearSvm::params().c(c).loss(Loss::Hinge).tolerance(1e-6).max_n_epochs(1_000);
        let report = train(params, &x, &targets).report.classes.remove(0);
        assert!(report.converged, "{n} {d} {c} {seed}: {:?}", report.relative_duality_gap());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn problems_of_any_size_and_c_are_solved(
        n in 4_usize..60, d in 1_usize..40, exponent in -2.0_f64..3.0, seed in 0_u64..1_000_000,
    ) {
        let (x, targets) = samples(n, d, 1, seed);
        for loss in LOSSES {
            let params = LinearSvm::params().c(10_f64.powf(exponent)).loss(loss).tolerance(1e-5).max_n_epochs(5_000);
            let report = train(params, &x, &targets).report.classes.remove(0);
            prop_assert!(report.converged, "{:?}", report.relative_duality_gap());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_gap_is_never_negative_and_bounds_the_excess(
        n in 4_usize..60, d in 1_usize..40, c in 0.01_f64..50.0, seed in 0_u64..1000, epochs in 1_usize..6,
    ) {
        let (x, targets) = samples(n, d, 1, seed);
        for loss in LOSSES {
            let params = || LinearSvm::params().c(c).loss(loss);
            let early = train(params().max_n_epochs(epochs), &x, &targets).report.classes.remove(0);
            let late = train(params().tolerance(1e-8).max_n_epochs(5_000), &x, &targets)
                .report.classes.remove(0);
            let (gap, late_gap) = (early.duality_gap.unwrap(), late.duality_gap.unwrap());
            prop_assert!(gap >= 0.0 && late_gap >= 0.0);
            // A tolerance of 1e-8 is near the rounding of the products, so that not every problem reaches it.
            prop_assert!(late.converged || late_gap <= 1e-6 * late.objective, "{}", late_gap / late.objective);
            // The optimum is not above either objective, and neither objective is further above the optimum than its gap.
            let rounding = 1e-6 * late.objective;
            prop_assert!(early.objective - late.objective <= gap + rounding);
            prop_assert!(late.objective - early.objective <= late_gap + rounding);
        }
    }

    #[test]
    fn the_order_of_samples_changes_scores_only_slightly(n in 6_usize..60, turn in 1_usize..60, seed in 0_u64..1000) {
        let (x, targets) = samples(n, 25, 2, seed);
        let order: Vec<usize> = (0..n).map(|i| (i + turn) % n).rev().collect();
        let (turned, turned_targets) = (x.select(Axis(0), &order), targets.select(Axis(0), &order));
        for loss in LOSSES {
            let params = || LinearSvm::params().c(3.0).loss(loss).tolerance(1e-9).max_n_epochs(50_000);
            let one = train(params(), &x, &targets).model.decision_function(x.view());
            let other = train(params(), &turned, &turned_targets).model.decision_function(x.view());
            for (one, other) in one.iter().zip(&other) {
                prop_assert!((one - other).abs() < 1e-3, "{} {}", one, other);
            }
        }
    }
}
