//! Pictures as PNG files.

use std::path::Path;

use anyhow::{Context as _, Result};
use ndarray::ArrayView3;

/// Writes `(height, width, 3)` as a PNG file.
///
/// # Errors
/// What the file system says.
pub fn write_png(path: &Path, rgb: ArrayView3<'_, u8>) -> Result<()> {
    let (height, width, _) = rgb.dim();
    let file = std::fs::File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
    let mut encoder = png::Encoder::new(std::io::BufWriter::new(file), width as u32, height as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    let pixels: Vec<u8> = rgb.iter().copied().collect();
    writer.write_image_data(&pixels)?;
    writer.finish().with_context(|| format!("cannot finish {}", path.display()))
}
