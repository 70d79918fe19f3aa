//! Logistic regression: the gradient at the optimum for both kinds of features, cross-validation, and refused input.
#![cfg(feature = "logistic")]

use fisherlens_classifier::{ClassifierError, ClassifierTrainer, LogisticRegression, Training};
use linfa::ParamGuard;
use ndarray::{Array2, Axis};
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

fn samples(n: usize, d: usize, n_classes: usize, seed: u64) -> (Array2<f32>, Array2<i8>) {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut uniform = |rows, columns| Array2::from_shape_simple_fn((rows, columns), || rng.gen_range(-1.0_f32..1.0));
    let mut x = uniform(n, d);
    for mut row in x.axis_iter_mut(Axis(0)) {
        let length = row.dot(&row).sqrt();
        row /= length;
    }
    let scores = x.dot(&uniform(n_classes, d).t()) + &(uniform(n, n_classes) * 0.3);
    (
        x,
        scores.mapv(|score| {
            if score.abs() < 0.02 {
                0
            } else if score > 0.2 {
                1
            } else {
                -1
            }
        }),
    )
}

/// Largest entry of the objective's gradient by absolute value, computed directly from the samples.
fn gradient(training: &Training, x: &Array2<f32>, targets: &Array2<i8>, c: f64) -> f64 {
    let x = x.mapv(f64::from);
    let mut worst = 0.0_f64;
    for class in 0..targets.ncols() {
        let w = training.model.coefficients().row(class).mapv(f64::from);
        let scores = x.dot(&w) + f64::from(training.model.bias()[class]);
        let pulls = ndarray::Zip::from(&scores).and(targets.column(class)).map_collect(|score, &y| {
            let y = f64::from(y);
            c * y / (1.0 + (y * score).exp())
        });
        let residual = w - x.t().dot(&pulls);
        worst = residual.iter().fold(worst, |worst, entry| worst.max(entry.abs())).max(pulls.sum().abs());
    }
    worst
}

#[test]
fn the_gradient_is_zero_for_long_and_for_short_vectors() {
    for (n, d) in [(60, 400), (200, 20)] {
        let (x, targets) = samples(n, d, 3, 1);
        for c in [0.3, 10.0] {
            let trainer = LogisticRegression::params().c(c).tolerance(1e-5).check().unwrap();
            let training = trainer.train(x.view(), targets.view()).unwrap();
            assert!(training.report.classes.iter().all(|class| class.converged), "{:?}", training.report);
            let found = gradient(&training, &x, &targets, c);
            // What remains is at most a step on α of the size of the gradient, times the curvature C·λ/4.
            assert!(found < 2e-3, "{n} {d} {c}: {found}");
            let difficult = targets.column(0).iter().position(|&y| y == 0).unwrap();
            assert_eq!(training.model.dual().unwrap().alphas[[0, difficult]], 0.0);
        }
    }
}

#[test]
fn cross_validation_reports_all_candidates_in_rising_order() {
    let (x, targets) = samples(80, 120, 2, 2);
    let trainer = LogisticRegression::params().c_grid(vec![1.0, 0.1]).n_folds(3).seed(4).check().unwrap();
    let training = trainer.train(x.view(), targets.view()).unwrap();
    let candidates: Vec<f64> = training.report.cross_validation.iter().map(|row| row.c).collect();
    assert_eq!(candidates, [0.1, 1.0]);
    assert!(candidates.contains(&training.report.c.unwrap()));
    assert_eq!(training, trainer.train(x.view(), targets.view()).unwrap());
}

#[test]
fn bad_input_is_refused() {
    let params = LogisticRegression::params;
    assert!(params().c(-1.0).check().is_err());
    assert!(params().tolerance(f64::NAN).check().is_err());
    assert!(params().max_n_iterations(0).check().is_err());
    let trainer = params().check().unwrap();
    for d in [5, 50] {
        let (mut x, targets) = samples(20, d, 1, 3);
        x[[2, 1]] = f32::NAN;
        let error = trainer.train(x.view(), targets.view()).unwrap_err();
        assert!(matches!(error, ClassifierError::NotFinite { sample: 2, .. }), "{error}");
    }
}
