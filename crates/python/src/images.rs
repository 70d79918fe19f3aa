//! Images as the Python half gives them: a path, the bytes of a file, or an array of 8-bit or floating-point pixels.

use std::path::{Path, PathBuf};

use fisherlens_descriptors::{DescriptorError, Photograph, gray_from_float_rgb};
use fisherlens_experiment::reading::MAX_SIDE;
use fisherlens_model::photograph::read_upright;
use ndarray::{Array2, Array3};
use numpy::{PyReadonlyArray2, PyReadonlyArray3};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

use crate::errors::{raise, raise_for};

/// An image that is not decoded yet.
pub(crate) enum Image {
    Path(PathBuf),
    Bytes(Vec<u8>),
    Gray(Array2<u8>),
    Rgb(Array3<u8>),
    FloatGray(Array2<f32>),
    FloatRgb(Array3<f32>),
}

/// The pixels of an image.
pub(crate) struct Pixels {
    /// `(height, width)` in `[0, 1]`.
    pub(crate) gray: Array2<f32>,
    /// The same image with 8 bits per channel, for pictures.
    pub(crate) photograph: Photograph,
}

impl<'a, 'py> FromPyObject<'a, 'py> for Image {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if object.cast::<PyString>().is_ok() {
            return Ok(Self::Path(object.extract()?));
        }
        if let Ok(bytes) = object.cast::<PyBytes>() {
            return Ok(Self::Bytes(bytes.as_bytes().to_vec()));
        }
        if let Ok(array) = object.extract::<PyReadonlyArray2<'_, u8>>() {
            return Ok(Self::Gray(array.as_array().to_owned()));
        }
        if let Ok(array) = object.extract::<PyReadonlyArray3<'_, u8>>() {
            return Ok(Self::Rgb(array.as_array().to_owned()));
        }
        if let Ok(array) = object.extract::<PyReadonlyArray2<'_, f32>>() {
            return Ok(Self::FloatGray(array.as_array().to_owned()));
        }
        if let Ok(array) = object.extract::<PyReadonlyArray3<'_, f32>>() {
            return Ok(Self::FloatRgb(array.as_array().to_owned()));
        }
        Err(PyTypeError::new_err(
            "expected a path, bytes, or an array (height, width) or (height, width, 3) of uint8 or float32",
        ))
    }
}

impl Image {
    /// The name of the image in errors: its path, or its place in the list.
    pub(crate) fn name(&self, index: usize) -> PathBuf {
        match self {
            Self::Path(path) => path.clone(),
            _ => format!("image {index}").into(),
        }
    }

    /// Decodes the image and shrinks it so that its longer side has at most `max_side` pixels; 0 leaves the size. `name` is for errors.
    pub(crate) fn pixels(self, max_side: usize, name: &Path) -> PyResult<Pixels> {
        let named = |error: DescriptorError| raise_for(name, error);
        let photograph = match self {
            Self::Path(path) => read_upright(&path, max_side).map_err(raise)?,
            Self::Bytes(bytes) => fitted(Photograph::decode_upright(&bytes).map_err(named)?, max_side),
            Self::Gray(pixels) => fitted(Photograph::from_gray(pixels).map_err(named)?, max_side),
            Self::Rgb(pixels) => fitted(Photograph::from_rgb(pixels).map_err(named)?, max_side),
            Self::FloatGray(pixels) => {
                let photograph = Photograph::from_gray(pixels.mapv(to_byte)).map_err(named)?;
                return Ok(of_float(pixels, photograph, max_side));
            }
            Self::FloatRgb(pixels) => {
                let photograph = Photograph::from_rgb(pixels.mapv(to_byte)).map_err(named)?;
                return Ok(of_float(gray_from_float_rgb(pixels.view()), photograph, max_side));
            }
        };
        Ok(Pixels { gray: photograph.gray(), photograph })
    }
}

fn fitted(photograph: Photograph, max_side: usize) -> Photograph {
    if max_side == 0 { photograph } else { photograph.fitted(max_side) }
}

/// Floating-point pixels are used as they are. Only those of an image that must be shrunk are rounded to 8 bits.
fn of_float(gray: Array2<f32>, photograph: Photograph, max_side: usize) -> Pixels {
    if max_side == 0 || photograph.width().max(photograph.height()) <= max_side {
        return Pixels { gray, photograph };
    }
    let photograph = photograph.fitted(max_side);
    Pixels { gray: photograph.gray(), photograph }
}

fn to_byte(value: f32) -> u8 {
    (255.0 * value).round() as u8
}

/// The side that photographs are shrunk to where the user says nothing.
pub(crate) const DEFAULT_MAX_SIDE: usize = MAX_SIDE;
