//! Comparison with values that scikit-learn and VLFeat computed.

use std::fs::File;

use fisherlens_mixture::{DiagonalGmm, VarianceFloor};
use linfa::ParamGuard;
use ndarray::{Array1, Array2, Ix0, Ix1, Ix2, OwnedRepr};
use ndarray_npy::NpzReader;

/// Largest allowed absolute difference to scikit-learn; plain expectation maximisation in `f32` stays within it.
const SKLEARN_TOLERANCE: f32 = 1e-5;
/// Largest allowed absolute difference to VLFeat, which itself sums in `f32`.
const VLFEAT_TOLERANCE: f32 = 3e-5;

struct Golden(NpzReader<File>);

impl Golden {
    fn open() -> Self {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/small_gmm.npz");
        Self(NpzReader::new(File::open(path).expect("the golden file")).expect("an npz file"))
    }

    fn matrix(&mut self, name: &str) -> Array2<f32> {
        self.0.by_name::<OwnedRepr<f32>, Ix2>(name).expect("a matrix of that name")
    }

    fn vector(&mut self, name: &str) -> Array1<f32> {
        self.0.by_name::<OwnedRepr<f32>, Ix1>(name).expect("a vector of that name")
    }

    fn number(&mut self, name: &str) -> f64 {
        self.0.by_name::<OwnedRepr<f64>, Ix0>(name).expect("a number of that name").into_scalar()
    }

    fn mixture(&mut self, prefix: &str) -> DiagonalGmm {
        let weights = self.vector(&format!("{prefix}_priors"));
        let means = self.matrix(&format!("{prefix}_means"));
        let variances = self.matrix(&format!("{prefix}_covs"));
        DiagonalGmm::from_parts(weights, means, variances).expect("a mixture")
    }
}

fn largest_difference<'a>(a: impl IntoIterator<Item = &'a f32>, b: impl IntoIterator<Item = &'a f32>) -> f32 {
    a.into_iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

fn assert_close(found: &DiagonalGmm, expected: &DiagonalGmm, tolerance: f32) {
    let differences = [
        largest_difference(found.weights(), expected.weights()),
        largest_difference(found.means(), expected.means()),
        largest_difference(found.variances(), expected.variances()),
    ];
    assert!(differences.iter().all(|&difference| difference <= tolerance), "{differences:?}");
}

#[test]
fn ten_plain_iterations_equal_scikit_learn() {
    let mut golden = Golden::open();
    let (x, start, expected) = (golden.matrix("X"), golden.mixture("init"), golden.mixture("skgmm10"));
    let params = DiagonalGmm::params(8)
        .max_n_iterations(10)
        .tolerance(0.0)
        .posterior_floor(0.0)
        .variance_floor(VarianceFloor { relative: 0.0, absolute: 0.0 })
        .check()
        .expect("valid parameters");
    let found = params.fit_from(&start, x.view()).expect("finite samples");
    assert_eq!(found.report().n_iterations, 10);
    assert_eq!(found.report().log_likelihood_trace.len(), 11);
    assert!(!found.report().converged);
    assert_close(&found, &expected, SKLEARN_TOLERANCE);
}

#[test]
fn iterations_with_a_posterior_floor_equal_vlfeat() {
    let mut golden = Golden::open();
    let (x, start) = (golden.matrix("X"), golden.mixture("init"));
    for (limit, n_iterations) in [(1, 1), (5, 5), (10, 10), (50, 15)] {
        let expected = golden.mixture(&format!("vlgmm{limit}"));
        let log_likelihood = golden.number(&format!("vlgmm{limit}_ll"));
        let params = DiagonalGmm::params(8)
            .max_n_iterations(limit)
            .variance_floor(VarianceFloor { relative: 0.0, absolute: 1e-6 })
            .check()
            .expect("valid parameters");
        let found = params.fit_from(&start, x.view()).expect("finite samples");
        assert_eq!(found.report().n_iterations, n_iterations);
        assert_eq!(found.report().converged, limit == 50);
        assert_close(&found, &expected, VLFEAT_TOLERANCE);
        let last = found.report().log_likelihood_trace.last().expect("a trace") * x.nrows() as f64;
        assert!(((last - log_likelihood) / log_likelihood).abs() < 1e-6, "{last} {log_likelihood}");
    }
}

#[test]
fn posteriors_and_log_likelihood_equal_both_programs() {
    let mut golden = Golden::open();
    let x = golden.matrix("X");
    for (model, posteriors) in [("vlgmm10", "vlgmm10_post"), ("vlgmm10", "sk_post"), ("vlgmm50", "vlgmm50_post")] {
        let mixture = golden.mixture(model);
        let expected = golden.matrix(posteriors);
        let found = mixture.posteriors(x.view(), 0.0);
        let difference = largest_difference(&found, &expected);
        assert!(difference <= if posteriors == "sk_post" { 5e-6 } else { 2e-5 }, "{posteriors}: {difference}");
        let log_likelihood = golden.number(&format!("{model}_ll"));
        let sum = mixture.log_likelihood(x.view()).sum();
        assert!(((sum - log_likelihood) / log_likelihood).abs() < 1e-7, "{sum} {log_likelihood}");
    }
}
