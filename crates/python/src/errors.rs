//! Our errors as Python's exceptions.

use std::error::Error;
use std::io::{self, ErrorKind};
use std::path::Path;

use fisherlens_artifact::ArtifactError;
use fisherlens_dataset::{DatasetError, VocError};
use fisherlens_experiment::interrupt::Interrupted;
use fisherlens_mini_voc::MiniVocError;
use fisherlens_model::ModelError;
use pyo3::exceptions::{PyKeyboardInterrupt, PyOSError, PyValueError};
use pyo3::{PyErr, PyResult};
use serde::de::DeserializeOwned;

/// `OSError` (with the subclass of its number) where the operating system refused something, `KeyboardInterrupt` where the work was asked to
/// stop, otherwise `ValueError`. The words are those of the error and of its causes.
pub(crate) fn raise(error: impl Error + 'static) -> PyErr {
    of_chain(&error)
}

/// [`raise`] with the name of the image before the words of the error.
pub(crate) fn raise_for(name: &Path, error: impl Error + Send + Sync + 'static) -> PyErr {
    raise_any(anyhow::Error::new(error).context(name.display().to_string()))
}

/// [`raise`] for the errors of the experiment.
pub(crate) fn raise_any(error: anyhow::Error) -> PyErr {
    of_chain(error.as_ref())
}

/// Settings that the Python half has written as JSON.
pub(crate) fn from_json<T: DeserializeOwned>(text: &str) -> PyResult<T> {
    serde_json::from_str(text).map_err(|error| {
        // The user has not seen the text, so places in it say nothing.
        let message = error.to_string();
        PyValueError::new_err(message.split(" at line ").next().unwrap_or_default().to_owned())
    })
}

fn of_chain(error: &(dyn Error + 'static)) -> PyErr {
    let mut message = String::new();
    let mut number = None;
    let mut cause = Some(error);
    while let Some(this) = cause {
        if this.is::<Interrupted>() {
            return PyKeyboardInterrupt::new_err(());
        }
        number = number.or_else(|| number_of(io_error(this)?));
        let words = this.to_string();
        // Some errors already contain the words of their cause.
        if !message.ends_with(&words) {
            if !message.is_empty() {
                message.push_str(": ");
            }
            message.push_str(&words);
        }
        cause = this.source();
    }
    match number {
        // Python writes the number before the message.
        Some(number) => PyOSError::new_err((number, message.replace(&format!(" (os error {number})"), ""))),
        None => PyValueError::new_err(message),
    }
}

/// The number by which Python chooses a subclass of `OSError`. Files that are too large or cut short are not the system's fault, and have none.
fn number_of(error: &io::Error) -> Option<i32> {
    let of_kind = match error.kind() {
        ErrorKind::NotFound => Some(2),
        ErrorKind::PermissionDenied => Some(13),
        ErrorKind::AlreadyExists => Some(17),
        ErrorKind::NotADirectory => Some(20),
        ErrorKind::IsADirectory => Some(21),
        ErrorKind::StorageFull => Some(28),
        ErrorKind::ReadOnlyFilesystem => Some(30),
        _ => None,
    };
    // The numbers of Windows are not those that Python expects.
    error.raw_os_error().filter(|_| cfg!(unix)).or(of_kind).or(error.raw_os_error())
}

/// The error of the operating system, if it is one.
fn io_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a io::Error> {
    if let Some(ModelError::File(cause)) = error.downcast_ref() {
        return io_error(cause.as_ref());
    }
    if let Some(ArtifactError::Io { cause, .. }) = error.downcast_ref() {
        Some(cause)
    } else if let Some(DatasetError::Io { cause, .. }) = error.downcast_ref() {
        Some(cause)
    } else if let Some(VocError::Io { cause, .. }) = error.downcast_ref() {
        Some(cause)
    } else if let Some(MiniVocError::Io { cause, .. }) = error.downcast_ref() {
        Some(cause)
    } else {
        error.downcast_ref::<io::Error>()
    }
}
