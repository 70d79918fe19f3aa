//! The compiled half of the Python package `fisherlens`; the other half is in `python/fisherlens`.
//!
//! Functions take arrays of the right type and shape, because the Python half has checked and converted what the user gave. They release
//! Python's lock while they compute, stop soon after Ctrl-C, and turn every error into an exception with the same words.
#![cfg(feature = "extension")]

mod arrays;
mod artifacts;
mod background;
mod descriptors;
mod distributed;
mod encoders;
mod errors;
mod images;
mod memory;
mod mixture;
mod model;
mod svm;
mod training;

use pyo3::prelude::*;

/// Called when the interpreter ends.
#[pyfunction]
fn close(py: Python<'_>) {
    background::close(py);
}

/// The compiled half of the package.
#[pymodule(gil_used = true)]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    let closing = wrap_pyfunction!(close, module)?;
    module.py().import("atexit")?.call_method1("register", (&closing,))?;
    module.add_function(closing)?;
    descriptors::add(module)?;
    mixture::add(module)?;
    encoders::add(module)?;
    svm::add(module)?;
    model::add(module)?;
    training::add(module)?;
    distributed::add(module)?;
    artifacts::add(module)
}
