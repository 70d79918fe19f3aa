//! Whatever provider is linked answers `ndarray-linalg`: eigenvalues against Jacobi rotations written here, singular
//! values against their own definition. Running it with either provider's feature compares the two, both to 1e-10.

use fisherlens_lapack as _;
use ndarray::{Array1, Array2, s};
use ndarray_linalg::{Eigh, JobSvd, SVD, SVDDC, UPLO};

/// Largest relative deviation from Jacobi's eigenvalues.
const EIGENVALUE_TOLERANCE: f64 = 1e-10;

/// Numbers in [−1, 1) from a linear congruential generator, the same on every machine.
fn random(n_rows: usize, n_columns: usize, mut state: u64) -> Array2<f64> {
    Array2::from_shape_fn((n_rows, n_columns), |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
    })
}

/// Eigenvalues by cyclic Jacobi rotations, rising.
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

/// A covariance of 128 dimensions whose eigenvalues span some four decades.
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

#[test]
fn singular_values_rebuild_the_matrix() {
    for (m, n) in [(7, 4), (4, 7), (5, 5), (1, 3), (3, 1)] {
        let a = random(m, n, 3);
        let k = m.min(n);
        let check = |u: Array2<f64>, values: Array1<f64>, vt: Array2<f64>| {
            let rebuilt = (&u.slice(s![.., ..k]) * &values).dot(&vt.slice(s![..k, ..]));
            assert!((&rebuilt - &a).iter().all(|v| v.abs() < 1e-13), "{m} × {n}");
            assert!(values.windows(2).into_iter().all(|pair| pair[0] >= pair[1]));
        };
        let (u, values, vt) = a.svd(true, true).unwrap();
        check(u.unwrap(), values.clone(), vt.unwrap());
        for job in [JobSvd::All, JobSvd::Some] {
            let (u, values, vt) = a.svddc(job).unwrap();
            check(u.unwrap(), values, vt.unwrap());
        }
        let (u, alone, vt) = a.svd(false, false).unwrap();
        assert!(u.is_none() && vt.is_none());
        assert!((&alone - &values).iter().all(|v| v.abs() < 1e-13));
        let gram = if m < n { a.dot(&a.t()) } else { a.t().dot(&a) };
        for (squared, value) in jacobi_eigenvalues(gram).iter().rev().zip(&values) {
            assert!((squared - value * value).abs() < 1e-12);
        }
    }
}
