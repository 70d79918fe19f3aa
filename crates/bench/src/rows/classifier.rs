//! Twenty support vector machines on vectors as long as Fisher vectors.

use std::hint::black_box;

use anyhow::Result;
use fisherlens_classifier::{ClassifierTrainer, LinearSvm, gram};
use linfa::ParamGuard;
use ndarray::linalg::general_mat_mul;
use ndarray::{Array2, Axis};
use rand::{Rng, SeedableRng};
use rand_distr::StandardNormal;
use rand_xoshiro::Xoshiro256Plus;
use rayon::prelude::*;

use crate::context::Bench;
use crate::row::Row;

/// Length of a Fisher vector with K = 256 and D = 80.
const N_DIMENSIONS: usize = 41_216;
/// Number of classes of VOC.
const N_CLASSES: usize = 20;
/// One frequent class, like `person` in VOC: its index and its share of positives.
const FREQUENT: (usize, f64) = (14, 0.4);
/// Shares of positives of the other classes.
const SHARES: std::ops::Range<f64> = 0.03..0.12;
/// Number of directions that all vectors share.
const N_SHARED: usize = 40;
/// Relative duality gap.
const TOLERANCE: f64 = 1e-3;

/// Number of training vectors.
pub(crate) fn n_samples(quick: bool) -> usize {
    if quick { 500 } else { 5000 }
}

/// The Gram matrix, and the classifiers of 20 classes that are solved on it.
pub(crate) fn svm(bench: &mut Bench) -> Result<Vec<Row>> {
    let n = n_samples(bench.options.quick);
    let (x, targets) = made_up_vectors(n, N_DIMENSIONS);
    let svm = trainer()?;
    let of_gram = bench.time(|| Ok(gram(black_box(x.view()))))?;
    let timing = bench.time(|| Ok(svm.train(black_box(x.view()), targets.view())?))?;
    let python = bench.python();
    if let Some(python) = &python {
        python.write("vectors", &x)?;
        python.write("targets", &targets)?;
    }
    // Frees memory for the peer's copy.
    drop(x);
    let peer = bench.time_python("svm", "libsvm")?;
    let others = bench.time_others("svm", &["liblinear", "liblinear-multicore", "snapml"])?;
    if let Some(python) = &python {
        python.remove("vectors")?;
    }
    let product = bench.limits.product_seconds((n * n) as f64 * N_DIMENSIONS as f64);
    let size = format!("{n} × {N_DIMENSIONS}");
    let note = format!(
        "{size}, {N_CLASSES} classes, C 10, duality gap {TOLERANCE:e}, including the Gram matrix, which is the limit; peer: libsvm through \
         scikit-learn, on numpy's Gram matrix"
    );
    Ok(vec![
        Row::new("gram", of_gram, format!("{size}, n²·D operations")).product(product, None),
        Row::new("svm", timing, note).with_peer(peer, Some(1.7)).product(product, Some(0.73)).beside(others),
    ])
}

/// A support vector machine with C = 10 and a duality gap of 1e-3.
///
/// # Errors
/// No error is expected.
pub(crate) fn trainer() -> Result<LinearSvm> {
    Ok(LinearSvm::params().c(10.0).tolerance(TOLERANCE).check()?)
}

/// `n` vectors like improved Fisher vectors (signed square root, unit length), and their targets in 20 classes.
///
/// ```text
/// x = normalised(noise + 0.3 · shared directions + 0.35 · Σ of the sparse directions of its classes)
/// ```
pub(crate) fn made_up_vectors(n: usize, n_dimensions: usize) -> (Array2<f32>, Array2<i8>) {
    let mut rng = Xoshiro256Plus::seed_from_u64(20_160_627);
    let mut positives = Array2::<f32>::zeros((n, N_CLASSES));
    for class in 0..N_CLASSES {
        let share = if class == FREQUENT.0 { FREQUENT.1 } else { rng.gen_range(SHARES) };
        for sample in 0..n {
            // The first samples make sure that every class has positives and negatives, even if there are only a few samples.
            let is_positive = sample % N_CLASSES == class && sample < N_CLASSES || rng.gen_bool(share);
            positives[[sample, class]] = f32::from(u8::from(is_positive));
        }
    }
    let normal = |rows: usize, rng: &mut Xoshiro256Plus| {
        Array2::from_shape_simple_fn((rows, n_dimensions), || rng.sample::<f32, _>(StandardNormal))
    };
    let shared = normal(N_SHARED, &mut rng);
    let mut of_classes = normal(N_CLASSES, &mut rng);
    of_classes.mapv_inplace(|value| if rng.gen_bool(0.1) { 0.35 * value } else { 0.0 });
    let mut x = Array2::zeros((n, n_dimensions));
    x.axis_chunks_iter_mut(Axis(0), 100).into_par_iter().enumerate().for_each(|(chunk, mut rows)| {
        let mut rng = Xoshiro256Plus::seed_from_u64(chunk as u64);
        rows.mapv_inplace(|_| rng.sample(StandardNormal));
        let shares =
            Array2::from_shape_simple_fn((rows.nrows(), N_SHARED), || 0.3 * rng.sample::<f32, _>(StandardNormal));
        general_mat_mul(1.0, &shares, &shared, 1.0, &mut rows);
        let first = chunk * 100;
        let classes = positives.select(Axis(0), &(first..first + rows.nrows()).collect::<Vec<_>>());
        general_mat_mul(1.0, &classes, &of_classes, 1.0, &mut rows);
        for mut row in rows.rows_mut() {
            row.mapv_inplace(|value| value.abs().sqrt().copysign(value));
            let length = row.dot(&row).sqrt();
            row /= length;
        }
    });
    (x, positives.mapv(|positive| if positive > 0.0 { 1 } else { -1 }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_have_unit_length_and_every_class_has_positives_and_negatives() {
        let (x, targets) = made_up_vectors(130, 64);
        assert!(x.rows().into_iter().all(|row| (row.dot(&row) - 1.0).abs() < 1e-4));
        for column in targets.columns() {
            assert!(column.iter().any(|&target| target == 1) && column.iter().any(|&target| target == -1));
        }
        assert_eq!(made_up_vectors(130, 64).0, x);
    }
}
