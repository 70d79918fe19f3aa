//! 8-bit RGB PNG files: encoding and decoding. An error is a sentence about what went wrong.

pub(crate) fn encode(width: usize, height: usize, rgb: &[u8]) -> Result<Vec<u8>, String> {
    let side =
        |pixels: usize| u32::try_from(pixels).map_err(|_| format!("a PNG cannot have a side of {pixels} pixels"));
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, side(width)?, side(height)?);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Fast);
    let mut writer = encoder.write_header().map_err(|error| format!("the PNG header cannot be written: {error}"))?;
    let written = writer.write_image_data(rgb).and_then(|()| writer.finish());
    written.map_err(|error| format!("the PNG pixels cannot be written: {error}"))?;
    Ok(bytes)
}

/// Width, height and pixels.
pub(crate) fn decode(bytes: &[u8]) -> Result<(usize, usize, Vec<u8>), String> {
    let decoder = png::Decoder::new(std::io::Cursor::new(bytes));
    let mut reader = decoder.read_info().map_err(|error| format!("the PNG header cannot be read: {error}"))?;
    let size = reader.output_buffer_size().ok_or("the PNG is too large for the memory")?;
    let mut rgb = vec![0; size];
    let info = reader.next_frame(&mut rgb).map_err(|error| format!("the PNG pixels cannot be read: {error}"))?;
    if info.color_type != png::ColorType::Rgb || info.bit_depth != png::BitDepth::Eight {
        return Err(format!("expected an 8-bit RGB PNG, found {:?} {:?}", info.bit_depth, info.color_type));
    }
    rgb.truncate(info.buffer_size());
    Ok((info.width as usize, info.height as usize, rgb))
}
