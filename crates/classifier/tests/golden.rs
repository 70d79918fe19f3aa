//! Comparison with liblinear, libsvm and scikit-learn on 200 random samples of 50 dimensions; tests/golden/README.md gives their origin.

use std::fs::File;

use fisherlens_classifier::{ClassifierTrainer, LinearSvm, LinearSvmParams, Loss, Training};
use linfa::ParamGuard;
use ndarray::{Array1, Array2, Axis};
use ndarray_npy::NpzReader;

struct Golden {
    x: Array2<f32>,
    targets: Array2<i8>,
    file: NpzReader<File>,
}

fn golden() -> Golden {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/small_svm.npz");
    let mut file = NpzReader::new(File::open(path).unwrap()).unwrap();
    let x: Array2<f32> = file.by_name("X").unwrap();
    let y: Array1<f64> = file.by_name("y").unwrap();
    Golden { x, targets: y.mapv(|y| y as i8).insert_axis(Axis(1)), file }
}

impl Golden {
    /// w and b of the reference program.
    fn reference(&mut self, name: &str) -> (Array1<f64>, f64) {
        let values: Array1<f64> = self.file.by_name(name).unwrap();
        let (w, b) = values.view().split_at(Axis(0), 50);
        (w.to_owned(), b[0])
    }

    fn train(&self, params: LinearSvmParams) -> Training {
        let svm = params.max_n_epochs(100_000).check().unwrap();
        let training = svm.train(self.x.view(), self.targets.view()).unwrap();
        assert!(training.report.classes[0].converged);
        training
    }

    fn scores(&self, w: &Array1<f64>, b: f64) -> Array1<f64> {
        self.x.mapv(f64::from).dot(w) + b
    }

    /// The objective for any w and b: ½‖w‖² + ½ `bias_weight`·b² + C Σ ξ.
    fn objective(&self, w: &Array1<f64>, b: f64, c: f64, loss: Loss, bias_weight: f64) -> f64 {
        let losses = self.scores(w, b).into_iter().zip(&self.targets).map(|(score, &y)| {
            let slack = (1.0 - f64::from(y) * score).max(0.0);
            if loss == Loss::Hinge { slack } else { slack * slack }
        });
        0.5 * w.dot(w) + 0.5 * bias_weight * b * b + c * losses.sum::<f64>()
    }

    /// Largest difference between the scores of a model and the scores of the reference.
    fn worst_score(&self, training: &Training, w: &Array1<f64>, b: f64) -> f64 {
        let scores = training.model.decision_function(self.x.view());
        let differences = scores.column(0).mapv(f64::from) - self.scores(w, b);
        differences.iter().fold(0.0, |worst, difference| worst.max(difference.abs()))
    }

    fn compare(&mut self, name: &str, c: f64, loss: Loss) {
        let (w, b) = self.reference(name);
        let training = self.train(LinearSvm::params().c(c).loss(loss).tolerance(1e-10));
        let expected = self.objective(&w, b, c, loss, 1.0);
        let reported = training.report.classes[0].objective;
        let found_w = training.model.coefficients().row(0).mapv(f64::from);
        let found_b = f64::from(training.model.bias()[0]);
        let found = self.objective(&found_w, found_b, c, loss, 1.0);
        assert!((found - expected).abs() <= 1e-6 * expected, "{name}: found {found}, expected {expected}");
        assert!((reported - expected).abs() <= 1e-6 * expected, "{name}: reported {reported}, expected {expected}");
        let worst = self.worst_score(&training, &w, b);
        assert!(worst <= 1e-4, "{name}: scores differ by {worst}");
    }
}

#[test]
fn hinge_agrees_with_linear_svc() {
    golden().compare("linearsvc_hinge_C1", 1.0, Loss::Hinge);
    golden().compare("linearsvc_hinge_C10", 10.0, Loss::Hinge);
}

#[test]
fn squared_hinge_agrees_with_linear_svc_and_liblinear() {
    for name in ["linearsvc_sqhinge", "liblinear_s2_B1"] {
        golden().compare(&format!("{name}_C1"), 1.0, Loss::SquaredHinge);
        golden().compare(&format!("{name}_C10"), 10.0, Loss::SquaredHinge);
    }
}

#[test]
fn a_large_bias_feature_approaches_the_free_bias_of_libsvm() {
    let mut golden = golden();
    for (name, c) in [("libsvm_precomp_C1", 1.0), ("libsvm_precomp_C10", 10.0)] {
        let (w, b) = golden.reference(name);
        let difference = |bias_feature| {
            let params = LinearSvm::params().c(c).bias_feature(bias_feature).tolerance(1e-6);
            golden.worst_score(&golden.train(params), &w, b)
        };
        // With s = 1 the scores differ by more than the 1e-4 that `compare` allows, so `compare` can tell the two forms apart.
        assert!(difference(1.0) > 2e-3, "{name}: {}", difference(1.0));
        assert!(difference(5.0) < 5e-4, "{name}: {}", difference(5.0));
    }
}
