//! Fisher vectors, VLAD and bags of words.

use fisherlens_fisher::{DescriptorSet, Encoder};
use fisherlens_lanes::on_free_threads;
use fisherlens_mixture::DiagonalGmm;
use fisherlens_model::{EncoderSettings, encoder};
use ndarray::{Array2, ArrayViewMut1, Axis};
use numpy::{IntoPyArray as _, PyArray2};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use rayon::prelude::*;

use crate::arrays::{Matrix, MixtureArrays};
use crate::background;
use crate::errors::{from_json, raise};
use crate::mixture::mixture;

pub(crate) fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(encode, module)?)?;
    module.add_function(wrap_pyfunction!(vector_layout, module)?)
}

/// One vector per set of descriptors: (sets, dimensions). Positions are fractions of width and height (N, 2) per set.
#[pyfunction]
fn encode<'py>(
    py: Python<'py>,
    sets: Vec<Bound<'py, PyArray2<f32>>>,
    positions: Option<Vec<Bound<'py, PyArray2<f32>>>>,
    settings: &str,
    parts: MixtureArrays<'py>,
    n_threads: usize,
) -> PyResult<Bound<'py, PyArray2<f32>>> {
    let settings: EncoderSettings = from_json(settings)?;
    let encoder = built(&settings, &mixture(&parts)?)?;
    let sets: Vec<Matrix<f32>> = sets.iter().map(Matrix::of).collect();
    let positions: Option<Vec<Matrix<f32>>> = positions.map(|all| all.iter().map(Matrix::of).collect());
    let vectors = background::run(py, n_threads, None, move |watch| {
        let layout = encoder.layout();
        let mut vectors = Array2::zeros((sets.len(), layout.len()));
        let rows: Vec<_> = vectors.axis_iter_mut(Axis(0)).zip(&sets).enumerate().collect();
        let encode = |index: usize, mut row: ArrayViewMut1<'_, f32>, set: &Matrix<f32>| -> PyResult<()> {
            watch.check()?;
            let values = set.view();
            let positions: Vec<[f32; 2]> = match &positions {
                Some(all) => all[index].view().rows().into_iter().map(|place| [place[0], place[1]]).collect(),
                None => vec![[0.0; 2]; values.nrows()],
            };
            let vector = encoder.encode(DescriptorSet { values, positions: &positions });
            let mut vector =
                vector.map_err(|error| PyValueError::new_err(format!("descriptors of image {index}: {error}")))?;
            let slice = vector.as_slice_mut().expect("an encoder returns a vector in one piece");
            settings.normalization.apply(slice, &layout);
            row.assign(&vector);
            Ok(())
        };
        let rows = rows.into_par_iter();
        rows.try_for_each(|(index, (row, set))| on_free_threads(sets.len(), || encode(index, row, set)))?;
        Ok(vectors)
    })?;
    Ok(vectors.into_pyarray(py))
}

/// Number of cells, number of components, and entries per component in each part of a vector.
#[pyfunction]
fn vector_layout(settings: &str, parts: MixtureArrays<'_>) -> PyResult<(usize, usize, Vec<usize>)> {
    let layout = built(&from_json(settings)?, &mixture(&parts)?)?.layout();
    Ok((layout.n_cells, layout.n_components, layout.part_widths))
}

fn built(settings: &EncoderSettings, mixture: &DiagonalGmm) -> PyResult<Box<dyn Encoder>> {
    (encoder(settings).value)(mixture).map_err(raise)
}
