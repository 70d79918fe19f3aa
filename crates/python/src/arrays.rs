//! Arrays of numpy that other threads read, without copies.

use ndarray::ArrayView2;
use numpy::{Element, PyArray1, PyArray2, PyArrayMethods as _};
use pyo3::prelude::*;

/// A matrix of numpy and a view of it that lives as long as the array.
pub(crate) struct Matrix<T: 'static> {
    /// Keeps the memory alive; it is declared after nothing that borrows from it in Rust's eyes.
    _owner: Py<PyArray2<T>>,
    view: ArrayView2<'static, T>,
}

impl<T: Element> Matrix<T> {
    /// Takes a share in the array. Its memory must not change while a call is running, as with every compiled function of numpy.
    pub(crate) fn of(array: &Bound<'_, PyArray2<T>>) -> Self {
        // SAFETY: `_owner` keeps the array, and so its memory, alive as long as the view. numpy does not free or move the memory of an array
        // that has several owners, unless the user calls `resize(refcheck=False)`. This view is only read.
        #[allow(
            unsafe_code,
            reason = "the view must outlive the borrow of Python's lock, so that other threads can read it"
        )]
        let view = unsafe { std::mem::transmute::<ArrayView2<'_, T>, ArrayView2<'static, T>>(array.as_array()) };
        Self { _owner: array.clone().unbind(), view }
    }

    /// The values.
    pub(crate) fn view(&self) -> ArrayView2<'_, T> {
        self.view.view()
    }
}

/// Mean (F), axes (C, F) and variances (C) of a projection.
pub(crate) type PcaArrays<'py> = (Bound<'py, PyArray1<f32>>, Bound<'py, PyArray2<f32>>, Bound<'py, PyArray1<f32>>);

/// Weights (K), means (K, D) and variances (K, D) of a mixture.
pub(crate) type MixtureArrays<'py> = (Bound<'py, PyArray1<f32>>, Bound<'py, PyArray2<f32>>, Bound<'py, PyArray2<f32>>);

/// A copy of a short array.
pub(crate) fn copied<T: Element + Clone>(array: &Bound<'_, PyArray1<T>>) -> ndarray::Array1<T> {
    array.readonly().as_array().to_owned()
}

/// A copy of a small matrix.
pub(crate) fn copied2<T: Element + Clone>(array: &Bound<'_, PyArray2<T>>) -> ndarray::Array2<T> {
    array.readonly().as_array().to_owned()
}

/// A vector as an array of numpy, without a copy.
pub(crate) fn given<T: Element>(py: Python<'_>, values: Vec<T>) -> Bound<'_, PyArray1<T>> {
    PyArray1::from_vec(py, values)
}
