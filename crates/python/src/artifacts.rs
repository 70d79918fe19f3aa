//! Stored results of the experiment as dictionaries of Python.

use std::path::PathBuf;

use fisherlens_artifact::read_any;
use numpy::PyArray1;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};
use rmpv::ValueRef;

use crate::errors::raise;

pub(crate) fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(read_artifact, module)?)
}

/// Header and payload of an artifact. Blocks of numbers become arrays.
#[pyfunction]
fn read_artifact(py: Python<'_>, path: PathBuf) -> PyResult<Bound<'_, PyDict>> {
    let sealed = py.detach(|| read_any(&path)).map_err(raise)?;
    let found = PyDict::new(py);
    found.set_item("stage", &sealed.address.stage)?;
    found.set_item("format_version", sealed.address.format_version)?;
    found.set_item("key", sealed.address.key.to_hex())?;
    found.set_item("part", &sealed.address.part)?;
    found.set_item("settings", serde_json::to_string(&sealed.header.settings).map_err(raise)?)?;
    let inputs = sealed.header.inputs.iter().map(|(name, key)| (name.clone(), key.to_hex()));
    found.set_item("inputs", inputs.collect::<std::collections::BTreeMap<_, _>>())?;
    found.set_item("seconds", sealed.header.seconds)?;
    found.set_item("created", sealed.header.created)?;
    let payload = rmpv::decode::read_value_ref(&mut sealed.payload()).map_err(raise)?;
    found.set_item("payload", to_python(py, &payload)?)?;
    Ok(found)
}

fn to_python<'py>(py: Python<'py>, value: &ValueRef<'_>) -> PyResult<Bound<'py, PyAny>> {
    Ok(match value {
        ValueRef::Nil => py.None().into_bound(py),
        ValueRef::Boolean(value) => value.into_pyobject(py)?.to_owned().into_any(),
        ValueRef::Integer(value) => match (value.as_u64(), value.as_i64()) {
            (Some(value), _) => value.into_pyobject(py)?.into_any(),
            (None, value) => value.unwrap_or_default().into_pyobject(py)?.into_any(),
        },
        ValueRef::F32(value) => value.into_pyobject(py)?.into_any(),
        ValueRef::F64(value) => value.into_pyobject(py)?.into_any(),
        ValueRef::String(text) => text.as_str().unwrap_or_default().into_pyobject(py)?.into_any(),
        ValueRef::Binary(bytes) => PyBytes::new(py, bytes).into_any(),
        ValueRef::Array(values) => {
            let list = PyList::empty(py);
            for value in values {
                list.append(to_python(py, value)?)?;
            }
            list.into_any()
        }
        ValueRef::Map(entries) => {
            if let Some(array) = block(py, entries)? {
                return Ok(array);
            }
            let map = PyDict::new(py);
            for (name, value) in entries {
                map.set_item(to_python(py, name)?, to_python(py, value)?)?;
            }
            map.into_any()
        }
        ValueRef::Ext(..) => return Err(PyValueError::new_err("the payload holds a type that artifacts do not have")),
    })
}

/// A map of `dtype`, `shape` and `data` as an array.
fn block<'py>(py: Python<'py>, entries: &[(ValueRef<'_>, ValueRef<'_>)]) -> PyResult<Option<Bound<'py, PyAny>>> {
    let entry = |wanted: &str| {
        let is_it = |name: &ValueRef<'_>| matches!(name, ValueRef::String(text) if text.as_str() == Some(wanted));
        entries.iter().find(|(name, _)| is_it(name)).map(|(_, value)| value)
    };
    let (Some(ValueRef::String(dtype)), Some(ValueRef::Array(shape)), Some(ValueRef::Binary(data)), 3) =
        (entry("dtype"), entry("shape"), entry("data"), entries.len())
    else {
        return Ok(None);
    };
    let (Some(dtype), Some(shape)) = (dtype.as_str(), shape.iter().map(side).collect::<Option<Vec<u64>>>()) else {
        return Ok(None);
    };
    let bytes = PyArray1::from_slice(py, data);
    // numpy checks that the number of bytes fits the type and the shape.
    Ok(Some(bytes.call_method1("view", (dtype,))?.call_method1("reshape", (shape,))?))
}

fn side(value: &ValueRef<'_>) -> Option<u64> {
    if let ValueRef::Integer(value) = value { value.as_u64() } else { None }
}
