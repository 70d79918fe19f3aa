//! The linear SVM.

use fisherlens_classifier::{
    ClassifierError, ClassifierTrainer as _, HeldOut, LinearModel, LinearSvm, Loss, Sigmoid, Training,
};
use linfa::ParamGuard as _;
use ndarray::{Array2, ArrayView1, ArrayView2};
use numpy::{IntoPyArray as _, PyArray1, PyArray2};
use pyo3::exceptions::PyMemoryError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::arrays::{Matrix, copied, copied2};
use crate::background;
use crate::errors::raise;

pub(crate) fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(svm_fit, module)?)?;
    module.add_function(wrap_pyfunction!(svm_scores, module)?)
}

/// Learns one classifier per column of the targets (N, classes): +1, −1, or 0 for a sample that is left out.
#[pyfunction]
#[allow(clippy::too_many_arguments, reason = "the parameters of the SVM, one by one")]
fn svm_fit<'py>(
    py: Python<'py>,
    x: &Bound<'py, PyArray2<f32>>,
    targets: &Bound<'py, PyArray2<i8>>,
    c_grid: Vec<f64>,
    n_folds: usize,
    squared_hinge: bool,
    bias_feature: f64,
    tol: f64,
    max_iter: usize,
    seed: u64,
    probability: bool,
    n_threads: usize,
) -> PyResult<Bound<'py, PyDict>> {
    let loss = if squared_hinge { Loss::SquaredHinge } else { Loss::Hinge };
    let params = LinearSvm::params().c_grid(c_grid).n_folds(n_folds).loss(loss).bias_feature(bias_feature);
    let svm = params.tolerance(tol).max_n_epochs(max_iter).seed(seed).check().map_err(raise)?;
    let (x, targets) = (Matrix::of(x), Matrix::of(targets));
    check_memory(x.view().nrows())?;
    let (Training { model, report }, sigmoids) = background::run(py, n_threads, None, move |watch| {
        let training = svm.train(x.view(), targets.view()).map_err(raise)?;
        watch.check()?;
        let c = training.report.c.unwrap_or(svm.c_grid()[0]);
        let sigmoids = probability.then(|| {
            let HeldOut { scores, .. } = svm.held_out_scores(x.view(), targets.view(), c)?;
            sigmoids(&scores, targets.view())
        });
        Ok((training, sigmoids.transpose().map_err(raise)?))
    })?;
    let fitted = PyDict::new(py);
    let each =
        |of: fn(&fisherlens_classifier::ClassReport) -> f64| -> Vec<f64> { report.classes.iter().map(of).collect() };
    fitted.set_item("n_iter", each(|class| class.n_epochs.unwrap_or(0) as f64))?;
    fitted.set_item("gaps", each(|class| class.relative_duality_gap().unwrap_or(0.0)))?;
    fitted.set_item("converged", report.classes.iter().all(|class| class.converged))?;
    fitted.set_item("c", report.c)?;
    if let Some(dual) = model.dual() {
        fitted.set_item("alphas", dual.alphas.clone().into_pyarray(py))?;
    }
    fitted.set_item("bias", model.bias().to_owned().into_pyarray(py))?;
    fitted.set_item("coefficients", model.coefficients().to_owned().into_pyarray(py))?;
    if let Some(sigmoids) = sigmoids {
        fitted.set_item("slopes", sigmoids.iter().map(|sigmoid| sigmoid.slope).collect::<Vec<_>>())?;
        fitted.set_item("offsets", sigmoids.iter().map(|sigmoid| sigmoid.offset).collect::<Vec<_>>())?;
    }
    Ok(fitted)
}

/// Refuses samples whose Gram matrix has no place in memory: Rust would end the whole process.
fn check_memory(n_samples: usize) -> PyResult<()> {
    let n_entries = n_samples.saturating_mul(n_samples);
    // The solver keeps a second copy in another order.
    let fits = Vec::<f32>::new().try_reserve_exact(n_entries.saturating_mul(2)).is_ok();
    if fits {
        return Ok(());
    }
    let gigabytes = 4.0 * n_entries as f64 / 1e9;
    Err(PyMemoryError::new_err(format!(
        "the inner products of {n_samples} samples take {gigabytes:.1} GB, more than there is: use fewer samples, or scikit-learn's LinearSVC"
    )))
}

/// One sigmoid per class. Samples without a held-out score are skipped.
fn sigmoids(scores: &Array2<f32>, targets: ArrayView2<'_, i8>) -> Result<Vec<Sigmoid>, ClassifierError> {
    let of_class = |(scores, targets): (ArrayView1<'_, f32>, ArrayView1<'_, i8>)| {
        let label = |(score, target): (&f32, &i8)| if score.is_finite() { *target } else { 0 };
        let labels: Vec<i8> = scores.iter().zip(targets).map(label).collect();
        Sigmoid::fit_or_flat(&scores.to_vec(), &labels)
    };
    scores.columns().into_iter().zip(targets.columns()).map(of_class).collect()
}

/// Scores (N, classes).
#[pyfunction]
fn svm_scores<'py>(
    py: Python<'py>,
    x: &Bound<'py, PyArray2<f32>>,
    coefficients: &Bound<'py, PyArray2<f32>>,
    bias: &Bound<'py, PyArray1<f32>>,
) -> PyResult<Bound<'py, PyArray2<f32>>> {
    let model = LinearModel::from_parts(copied2(coefficients), copied(bias)).map_err(raise)?;
    let x = Matrix::of(x);
    let scores = background::run(py, 1, None, move |_| Ok(model.decision_function(x.view())))?;
    Ok(scores.into_pyarray(py))
}
