//! Gaussian mixtures.

use std::ops::ControlFlow;

use fisherlens_mixture::{DiagonalGmm, Init, VarianceFloor};
use linfa::ParamGuard as _;
use ndarray::{Array2, Axis, s};
use numpy::{IntoPyArray as _, PyArray1, PyArray2};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use rayon::prelude::*;

use crate::arrays::{Matrix, MixtureArrays, copied, copied2, given};
use crate::background;
use crate::errors::raise;

/// Number of rows that one task computes, so that results do not depend on the number of threads.
const ROWS: usize = 4096;

pub(crate) fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(mixture_fit, module)?)?;
    module.add_function(wrap_pyfunction!(mixture_log_likelihood, module)?)?;
    module.add_function(wrap_pyfunction!(mixture_posteriors, module)?)
}

/// A mixture from its arrays.
pub(crate) fn mixture((weights, means, variances): &MixtureArrays<'_>) -> PyResult<DiagonalGmm> {
    DiagonalGmm::from_parts(copied(weights), copied2(means), copied2(variances)).map_err(raise)
}

/// Learns a mixture from samples (N, D), from the mixture `start` on where it is given.
#[pyfunction]
#[allow(clippy::too_many_arguments, reason = "the parameters of the mixture, one by one")]
fn mixture_fit<'py>(
    py: Python<'py>,
    x: &Bound<'py, PyArray2<f32>>,
    n_components: usize,
    max_iter: usize,
    tol: f64,
    init: &str,
    n_init_samples: usize,
    n_init_iter: usize,
    relative_floor: f32,
    absolute_floor: f32,
    posterior_floor: Option<f32>,
    reg_covar: f32,
    seed: u64,
    start: Option<MixtureArrays<'py>>,
    n_threads: usize,
) -> PyResult<Bound<'py, PyDict>> {
    let init = match init {
        "kmeans" => Init::KMeans { n_samples: n_init_samples.max(n_components), n_iterations: n_init_iter },
        "random" => Init::Random,
        other => return Err(PyValueError::new_err(format!("init is \"{other}\", expected \"kmeans\" or \"random\""))),
    };
    let mut params = DiagonalGmm::params(n_components)
        .max_n_iterations(max_iter)
        .tolerance(tol)
        .init(init)
        .variance_floor(VarianceFloor { relative: relative_floor, absolute: absolute_floor })
        .reg_covar(reg_covar)
        .seed(seed);
    if let Some(floor) = posterior_floor {
        params = params.posterior_floor(floor);
    }
    let params = params.check().map_err(raise)?;
    let (x, start) = (Matrix::of(x), start.as_ref().map(mixture).transpose()?);
    let found = background::run(py, n_threads, None, move |watch| {
        let mut every = |_, _| if watch.is_stopped() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
        let found = match start {
            Some(start) => params.fit_from_with_progress(&start, x.view(), &mut every),
            None => params.fit_with_progress(x.view(), &mut every),
        };
        found.map_err(raise)
    })?;
    let report = found.report();
    let fitted = PyDict::new(py);
    fitted.set_item("weights", found.weights().to_owned().into_pyarray(py))?;
    fitted.set_item("means", found.means().to_owned().into_pyarray(py))?;
    fitted.set_item("variances", found.variances().to_owned().into_pyarray(py))?;
    fitted.set_item("converged", report.converged)?;
    fitted.set_item("n_iter", report.n_iterations)?;
    fitted.set_item("log_likelihoods", given(py, report.log_likelihood_trace.clone()))?;
    Ok(fitted)
}

/// ln p(x) (N) of samples (N, D).
#[pyfunction]
fn mixture_log_likelihood<'py>(
    py: Python<'py>,
    x: &Bound<'py, PyArray2<f32>>,
    parts: MixtureArrays<'py>,
    n_threads: usize,
) -> PyResult<Bound<'py, PyArray1<f64>>> {
    let (mixture, x) = (mixture(&parts)?, Matrix::of(x));
    let values = background::run(py, n_threads, None, move |watch| {
        // Refuses what the method without an error would panic at.
        mixture.sparse_posteriors(x.view().slice(s![..0, ..]), 0.0).map_err(raise)?;
        let x = x.view();
        let blocks: Vec<_> = x.axis_chunks_iter(Axis(0), ROWS).collect();
        let values = blocks.into_par_iter().map(|rows| watch.check().map(|()| mixture.log_likelihood(rows).to_vec()));
        Ok(values.collect::<PyResult<Vec<_>>>()?.concat())
    })?;
    Ok(given(py, values))
}

/// Posteriors (N, K) of samples (N, D); those below `floor` are 0.
#[pyfunction]
fn mixture_posteriors<'py>(
    py: Python<'py>,
    x: &Bound<'py, PyArray2<f32>>,
    parts: MixtureArrays<'py>,
    floor: f32,
    n_threads: usize,
) -> PyResult<Bound<'py, PyArray2<f32>>> {
    let (mixture, x) = (mixture(&parts)?, Matrix::of(x));
    let posteriors = background::run(py, n_threads, None, move |watch| {
        let mut posteriors = Array2::zeros((x.view().nrows(), mixture.n_components()));
        let x = x.view();
        let blocks: Vec<_> =
            x.axis_chunks_iter(Axis(0), ROWS).zip(posteriors.axis_chunks_iter_mut(Axis(0), ROWS)).collect();
        blocks.into_par_iter().try_for_each(|(rows, target)| {
            mixture.posteriors_into(rows, floor, target).map_err(raise)?;
            watch.check()
        })?;
        Ok(posteriors)
    })?;
    Ok(posteriors.into_pyarray(py))
}
