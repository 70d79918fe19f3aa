//! 8-bit RGB PNG, written and read.

use anyhow::{Context as _, Result, ensure};

pub(super) fn encode(width: usize, height: usize, rgb: &[u8]) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, u32::try_from(width)?, u32::try_from(height)?);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Fast);
    let mut writer = encoder.write_header().context("PNG header")?;
    writer.write_image_data(rgb).context("PNG pixels")?;
    writer.finish().context("PNG end")?;
    Ok(bytes)
}

pub(super) fn decode(bytes: &[u8]) -> Result<(usize, usize, Vec<u8>)> {
    let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().context("PNG header")?;
    let size = reader.output_buffer_size().context("PNG size")?;
    let mut rgb = vec![0; size];
    let info = reader.next_frame(&mut rgb).context("PNG pixels")?;
    ensure!(
        info.color_type == png::ColorType::Rgb && info.bit_depth == png::BitDepth::Eight,
        "expected an 8-bit RGB PNG, found {:?} {:?}",
        info.bit_depth,
        info.color_type
    );
    rgb.truncate(info.buffer_size());
    Ok((info.width as usize, info.height as usize, rgb))
}
