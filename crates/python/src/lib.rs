//! The compiled half of the Python package `fisherlens`; the other half is in `python/fisherlens`.
//!
//! Functions take arrays of the right type and shape, because the Python half has checked and converted what the user gave. They release
//! Python's lock while they compute, stop soon after Ctrl-C, and turn every error into an exception with the same words.
#![cfg(feature = "extension")]

mod arrays;
mod artifacts;
mod background;
mod descriptors;
mod encoders;
mod errors;
mod images;
mod mixture;
mod model;
mod svm;
mod training;

use pyo3::prelude::*;

/// The compiled half of the package.
#[pymodule(gil_used = true)]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    descriptors::add(module)?;
    mixture::add(module)?;
    encoders::add(module)?;
    svm::add(module)?;
    model::add(module)?;
    training::add(module)?;
    artifacts::add(module)
}
