//! SVMs with a kernel: comparison with scikit-learn and with the linear SVM, and the input that they refuse.

use std::fs::File;

use fisherlens_classifier::{
    ClassifierError, ClassifierTrainer, Kernel, KernelKind, KernelModel, KernelSvm, KernelSvmParams, LinearSvm,
};
use linfa::ParamGuard;
use ndarray::{Array1, Array2, Axis, array, s};
use ndarray_npy::NpzReader;
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

const KINDS: [KernelKind; 4] =
    [KernelKind::Linear, KernelKind::HistogramIntersection, KernelKind::ChiSquared, KernelKind::Rbf];

/// Histograms of two overlapping kinds. The first class is one of the two kinds; the targets of the second class are random.
fn histograms(n: usize, d: usize, seed: u64) -> (Array2<f32>, Array2<i8>) {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut x = Array2::zeros((n, d));
    let mut targets = Array2::from_elem((n, 2), -1_i8);
    for (i, mut row) in x.rows_mut().into_iter().enumerate() {
        let positive = i % 3 == 0;
        for (dimension, entry) in row.iter_mut().enumerate() {
            let more = if positive && dimension < d / 3 { 1.0 } else { 0.0 };
            *entry = (rng.gen_range(-0.5_f32..1.0) + more).max(0.0);
        }
        let sum = row.sum();
        row /= sum;
        targets[[i, 0]] = if positive { 1 } else { -1 };
        targets[[i, 1]] = [-1, 0, 1][rng.gen_range(0..3)];
    }
    (x, targets)
}

/// tests/golden/README.md gives the origin of the values. Without a bias, the problem is the same as that of scikit-learn's `LinearSVC` on
/// features whose inner products are the values of the kernel.
#[test]
fn scores_agree_with_scikit_learn() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/small_kernels.npz");
    let mut file = NpzReader::new(File::open(path).unwrap()).unwrap();
    let x: Array2<f32> = file.by_name("x").unwrap();
    let unseen: Array2<f32> = file.by_name("t").unwrap();
    let y: Array1<i8> = file.by_name("y").unwrap();
    for (name, kernel) in [
        ("intersection", Kernel::HistogramIntersection),
        ("chi2", Kernel::ChiSquared { gamma: 0.7 }),
        ("rbf", Kernel::Rbf { gamma: 2.5 }),
    ] {
        let expected: Array2<f64> = file.by_name(&format!("k_{name}")).unwrap();
        let values = kernel.matrix(unseen.slice(s![..5, ..]), x.view());
        for (found, expected) in values.iter().zip(&expected) {
            assert!((f64::from(*found) - expected).abs() < 1e-6, "{name}: {found} {expected}");
        }
        let expected: Array1<f64> = file.by_name(&format!("f_{name}")).unwrap();
        let linear = LinearSvm::params().c(3.0).bias_feature(0.0).tolerance(1e-9).max_n_epochs(100_000);
        let params = KernelSvm::params(kernel.kind()).svm(linear);
        let params = kernel.gamma().map_or(params.clone(), |gamma| params.gamma(gamma));
        let training = params.check().unwrap().train(x.view(), y.clone().insert_axis(Axis(1)).view()).unwrap();
        assert!(training.report.classes[0].converged);
        let scores = training.model.decision_function(unseen.view());
        for (found, expected) in scores.iter().zip(&expected) {
            assert!((f64::from(*found) - expected).abs() < 1e-4, "{name}: {found} {expected}");
        }
    }
}

#[test]
fn the_linear_kernel_gives_the_linear_svm() {
    let (x, targets) = histograms(90, 40, 1);
    let params = || LinearSvm::params().c_grid(vec![1.0, 100.0]).n_folds(3).seed(2);
    let linear = params().check().unwrap().train(x.view(), targets.view()).unwrap();
    let svm = KernelSvm::params(KernelKind::Linear).svm(params()).check().unwrap();
    let kernel = svm.train(x.view(), targets.view()).unwrap();
    assert_eq!(linear.report, kernel.report);
    let (one, other) = (linear.model.decision_function(x.view()), kernel.model.decision_function(x.view()));
    for (one, other) in one.iter().zip(&other) {
        assert!((one - other).abs() < 1e-4, "{one} {other}");
    }
}

#[test]
fn both_ways_of_scoring_agree_and_separate_the_classes() {
    let (x, targets) = histograms(300, 30, 3);
    for kind in KINDS {
        let linear = LinearSvm::params().c(2.0);
        let model = KernelSvm::params(kind).svm(linear).check().unwrap().train(x.view(), targets.view()).unwrap().model;
        assert!(model.alphas().columns().into_iter().all(|column| column.iter().any(|alpha| *alpha != 0.0)));
        let scores = model.decision_function(x.view());
        for ((i, class), &score) in scores.indexed_iter() {
            let one = model.score(class, x.row(i).as_slice().unwrap());
            assert!((one - f64::from(score)).abs() < 1e-4, "{kind:?}: {one} {score}");
        }
        let right = scores.column(0).iter().zip(targets.column(0)).filter(|(s, y)| (**s > 0.0) == (**y > 0)).count();
        assert!(right > 270, "{kind:?}: {right} of 300 are right");
    }
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let (x, targets) = histograms(150, 60, 4);
    for kind in KINDS {
        let run = |n_threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().unwrap();
            let svm = KernelSvm::params(kind).check().unwrap();
            pool.install(|| svm.train(x.view(), targets.view()).unwrap())
        };
        assert_eq!(run(1), run(3), "{kind:?}");
    }
}

#[test]
fn invalid_parameters_and_input_are_refused() {
    let refused = |params: KernelSvmParams, field: &str| match params.check() {
        Err(ClassifierError::Parameter { field: found, .. }) => assert_eq!(found, field),
        other => panic!("{other:?}"),
    };
    refused(KernelSvm::params(KernelKind::Rbf).gamma(0.0), "gamma");
    refused(KernelSvm::params(KernelKind::ChiSquared).gamma(f64::NAN), "gamma");
    refused(KernelSvm::params(KernelKind::Linear).gamma(1.0), "gamma");
    refused(KernelSvm::params(KernelKind::Rbf).svm(LinearSvm::params().c(-1.0)), "c");
    let signed = array![[1.0_f32, -0.5], [0.0, 1.0]];
    let svm = KernelSvm::params(KernelKind::HistogramIntersection).check().unwrap();
    assert!(matches!(
        svm.train(signed.view(), array![[1_i8], [-1]].view()),
        Err(ClassifierError::Negative { sample: 0, dimension: 1, .. })
    ));
    let parts = |gamma, n| {
        KernelModel::from_parts(Kernel::Rbf { gamma }, Array2::ones((n, 3)), Array2::ones((2, 4)), Array1::ones(2))
    };
    assert!(parts(1.0, 4).is_ok());
    assert!(matches!(parts(1.0, 5), Err(ClassifierError::Length { .. })));
    assert!(matches!(parts(-1.0, 4), Err(ClassifierError::Parameter { field: "gamma", .. })));
}
