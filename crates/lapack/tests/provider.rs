//! Eigenvalues that `ndarray-linalg` computes with the linked library, compared with Jacobi rotations that this file implements.
//!
//! Run it once with the feature of each library: both must agree with the rotations to 1e-10.

use fisherlens_lapack as _;
use ndarray::Array2;
use ndarray_linalg::{Eigh, UPLO};

/// Largest accepted relative difference from the eigenvalues of the Jacobi rotations.
const EIGENVALUE_TOLERANCE: f64 = 1e-10;

/// Numbers in [−1, 1) from a linear congruential generator, the same on every machine.
fn random(n_rows: usize, n_columns: usize, mut state: u64) -> Array2<f64> {
    Array2::from_shape_fn((n_rows, n_columns), |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
    })
}

/// Eigenvalues by cyclic Jacobi rotations, in ascending order.
fn jacobi_eigenvalues(mut a: Array2<f64>) -> Vec<f64> {
    let n = a.nrows();
    for _ in 0..60 {
        for p in 0..n {
            for q in p + 1..n {
                if a[[p, q]] == 0.0 {
                    continue;
                }
                let theta = (a[[q, q]] - a[[p, p]]) / (2.0 * a[[p, q]]);
                let tangent = theta.signum() / (theta.abs() + theta.hypot(1.0));
                let cosine = 1.0 / tangent.hypot(1.0);
                let sine = tangent * cosine;
                for k in 0..n {
                    let (x, y) = (a[[k, p]], a[[k, q]]);
                    a[[k, p]] = cosine * x - sine * y;
                    a[[k, q]] = sine * x + cosine * y;
                }
                for k in 0..n {
                    let (x, y) = (a[[p, k]], a[[q, k]]);
                    a[[p, k]] = cosine * x - sine * y;
                    a[[q, k]] = sine * x + cosine * y;
                }
            }
        }
    }
    let mut values = a.diag().to_vec();
    values.sort_by(f64::total_cmp);
    values
}

/// A covariance matrix of 128 dimensions whose eigenvalues span about four powers of ten.
fn covariance() -> Array2<f64> {
    let mut x = random(400, 128, 1);
    for (column, mut values) in x.columns_mut().into_iter().enumerate() {
        values *= (-(column as f64) / 25.0).exp();
    }
    x.t().dot(&x) / 400.0
}

#[test]
fn eigenvalues_agree_with_jacobi() {
    let a = covariance();
    let expected = jacobi_eigenvalues(a.clone());
    for uplo in [UPLO::Lower, UPLO::Upper] {
        let (values, vectors) = a.eigh(uplo).unwrap();
        for (found, expected) in values.iter().zip(&expected) {
            assert!((found / expected - 1.0).abs() < EIGENVALUE_TOLERANCE, "{found} {expected}");
        }
        let residual = a.dot(&vectors) - &vectors * &values;
        assert!(residual.iter().all(|v| v.abs() < 1e-12));
        let product = vectors.t().dot(&vectors) - Array2::<f64>::eye(128);
        assert!(product.iter().all(|v| v.abs() < 1e-12));
    }
}

#[test]
fn eigenvalues_in_single_precision() {
    let a = covariance();
    let (values, _) = a.mapv(|v| v as f32).eigh(UPLO::Lower).unwrap();
    let largest = *jacobi_eigenvalues(a.clone()).last().unwrap();
    for (found, expected) in values.iter().zip(jacobi_eigenvalues(a)) {
        assert!((f64::from(*found) - expected).abs() < 1e-5 * largest, "{found} {expected}");
    }
}
