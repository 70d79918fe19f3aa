//! Pictures as PNG files.

use std::io::{BufWriter, Write};
use std::path::Path;

use fisherlens_files::NewFile;
use ndarray::ArrayView3;

use crate::error::ModelError;

/// Writes red, green and blue `(height, width, 3)` as a PNG file.
///
/// ```
/// use fisherlens_model::write_png;
/// use ndarray::Array3;
///
/// let folder = tempfile::tempdir()?;
/// let file = folder.path().join("gray.png");
/// write_png(&file, Array3::from_elem((20, 30, 3), 128).view())?;
/// assert!(std::fs::read(&file)?.starts_with(b"\x89PNG"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`ModelError::Write`] when the file cannot be written, or when the array has no pixel or other than three channels.
pub fn write_png(path: &Path, rgb: ArrayView3<'_, u8>) -> Result<(), ModelError> {
    let write = || -> Result<(), png::EncodingError> {
        // A program that is stopped leaves no half picture.
        let file = NewFile::create(path)?;
        encode(BufWriter::new(file.as_file()), rgb)?;
        file.finish()?;
        Ok(())
    };
    write().map_err(|error| ModelError::Write { path: path.to_owned(), source: error.into() })
}

/// Red, green and blue `(height, width, 3)` as the bytes of a PNG file.
///
/// # Errors
/// [`ModelError::Encode`] when the array has no pixel or other than three channels.
pub fn png_bytes(rgb: ArrayView3<'_, u8>) -> Result<Vec<u8>, ModelError> {
    let mut bytes = Vec::new();
    encode(&mut bytes, rgb).map_err(|error| ModelError::Encode(error.into()))?;
    Ok(bytes)
}

fn encode(writer: impl Write, rgb: ArrayView3<'_, u8>) -> Result<(), png::EncodingError> {
    let (height, width, _) = rgb.dim();
    let mut encoder = png::Encoder::new(writer, width as u32, height as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    // The compression that takes more time would take a third of the time of an explanation.
    encoder.set_compression(png::Compression::Fast);
    let mut writer = encoder.write_header()?;
    let pixels: Vec<u8> = rgb.iter().copied().collect();
    writer.write_image_data(&pixels)?;
    writer.finish()
}
