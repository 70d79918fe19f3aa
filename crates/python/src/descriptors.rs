//! Dense SIFT and PCA.

use fisherlens_descriptors::{Frame, LocalDescriptors, Pca, Whitening};
use fisherlens_model::extractor;
use linfa::traits::Fit as _;
use linfa::{DatasetBase, ParamGuard as _};
use numpy::{IntoPyArray as _, PyArray2};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use rayon::prelude::*;

use crate::arrays::{Matrix, PcaArrays, copied, copied2, given};
use crate::background;
use crate::errors::{from_json, raise, raise_for};
use crate::images::{DEFAULT_MAX_SIDE, Image};

pub(crate) fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("DEFAULT_MAX_SIDE", DEFAULT_MAX_SIDE)?;
    module.add_function(wrap_pyfunction!(dense_sift, module)?)?;
    module.add_function(wrap_pyfunction!(pca_fit, module)?)?;
    module.add_function(wrap_pyfunction!(pca_transform, module)?)
}

/// One pair per image: the descriptors (N, 128), and a dictionary of their frames with the size of the image.
#[pyfunction]
fn dense_sift<'py>(
    py: Python<'py>,
    images: Vec<Image>,
    settings: &str,
    max_side: usize,
    n_threads: usize,
) -> PyResult<Bound<'py, PyList>> {
    let sift = extractor(&from_json(settings)?).map_err(raise)?.value;
    let described = background::run(py, n_threads, None, move |watch| {
        let describe = |(index, image): (usize, Image)| -> PyResult<(LocalDescriptors, (usize, usize))> {
            watch.check()?;
            let name = image.name(index);
            let gray = image.pixels(max_side, &name)?.gray;
            let descriptors = sift.extract(gray.view()).map_err(|error| raise_for(&name, error))?;
            Ok((descriptors, gray.dim()))
        };
        images.into_par_iter().enumerate().map(describe).collect::<PyResult<Vec<_>>>()
    })?;
    let pairs = PyList::empty(py);
    for (LocalDescriptors { frames: places, values }, (height, width)) in described {
        let places = frames(py, &places)?;
        places.set_item("size", (height, width))?;
        pairs.append((values.into_pyarray(py), places))?;
    }
    Ok(pairs)
}

/// The frames of descriptors as one array each.
pub(crate) fn frames<'py>(py: Python<'py>, frames: &[Frame]) -> PyResult<Bound<'py, PyDict>> {
    let arrays = PyDict::new(py);
    arrays.set_item("x", given(py, frames.iter().map(|frame| frame.x).collect()))?;
    arrays.set_item("y", given(py, frames.iter().map(|frame| frame.y).collect()))?;
    arrays.set_item("bin_size", given(py, frames.iter().map(|frame| frame.bin_size).collect()))?;
    arrays.set_item("norm", given(py, frames.iter().map(|frame| frame.norm).collect()))?;
    Ok(arrays)
}

/// Mean (F), axes (C, F) and variances (C) of the samples (N, F).
#[pyfunction]
fn pca_fit<'py>(
    py: Python<'py>,
    x: &Bound<'py, PyArray2<f32>>,
    n_components: usize,
    whiten: bool,
) -> PyResult<PcaArrays<'py>> {
    let whitening = if whiten { Whitening::On } else { Whitening::Off };
    let params = Pca::params(n_components).whitening(whitening).check().map_err(raise)?;
    let x = Matrix::of(x);
    let pca = background::run(py, 1, None, move |_| params.fit(&DatasetBase::new(x.view(), ())).map_err(raise))?;
    let [mean, variances] = [pca.mean(), pca.explained_variance()].map(|array| array.to_owned().into_pyarray(py));
    Ok((mean, pca.components().to_owned().into_pyarray(py), variances))
}

/// The projection (N, C) of the samples (N, F).
#[pyfunction]
fn pca_transform<'py>(
    py: Python<'py>,
    x: &Bound<'py, PyArray2<f32>>,
    pca: PcaArrays<'py>,
) -> PyResult<Bound<'py, PyArray2<f32>>> {
    let pca = Pca::from_parts(copied(&pca.0), copied2(&pca.1), copied(&pca.2)).map_err(raise)?;
    let x = Matrix::of(x);
    let projected = background::run(py, 1, None, move |_| pca.transform(x.view()).map_err(raise))?;
    Ok(projected.into_pyarray(py))
}
