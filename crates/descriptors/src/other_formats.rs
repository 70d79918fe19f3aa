//! WebP, BMP and TIFF, decoded by the crate `image`.

use std::io::Cursor;
use std::panic::catch_unwind;

use image::codecs::bmp::BmpDecoder;
use image::codecs::tiff::TiffDecoder;
use image::codecs::webp::WebPDecoder;
use image::{DynamicImage, ImageDecoder, ImageError};

use crate::error::DescriptorError;

/// A format besides JPEG and PNG.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    WebP,
    Bmp,
    Tiff,
}

/// Pixels with 8 bits per channel.
pub(crate) struct Decoded {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) values: Vec<u8>,
    /// 1 for grey, 2 with opacity, 3 for colours, 4 with opacity.
    pub(crate) n_channels: usize,
}

impl Format {
    /// The format that the first bytes show.
    pub(crate) fn of(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(Self::WebP),
            [b'B', b'M', ..] => Some(Self::Bmp),
            [b'I', b'I', 42, 0, ..] | [b'M', b'M', 0, 42, ..] => Some(Self::Tiff),
            _ => None,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::WebP => "WebP",
            Self::Bmp => "BMP",
            Self::Tiff => "TIFF",
        }
    }
}

/// Decodes a file. `check_size` refuses pictures that are too large, before memory is taken for them. Of a TIFF with several pages the first
/// one is taken.
pub(crate) fn decode(
    format: Format,
    bytes: &[u8],
    check_size: fn(usize, usize) -> Result<(), DescriptorError>,
) -> Result<Decoded, DescriptorError> {
    // On some damaged bytes a decoder may panic. No photograph may end a run of hours.
    let decoded = catch_unwind(|| match format {
        Format::WebP => {
            let decoder = WebPDecoder::new(Cursor::new(bytes)).map_err(|error| fault(format, &error))?;
            if decoder.has_animation() {
                return Err(DescriptorError::Animated { format: format.name(), n_frames: None });
            }
            pixels(format, decoder, check_size)
        }
        Format::Bmp => {
            pixels(format, BmpDecoder::new(Cursor::new(bytes)).map_err(|error| fault(format, &error))?, check_size)
        }
        Format::Tiff => {
            pixels(format, TiffDecoder::new(Cursor::new(bytes)).map_err(|error| fault(format, &error))?, check_size)
        }
    });
    decoded.unwrap_or_else(|_| {
        Err(DescriptorError::Decode { format: format.name(), reason: "the decoder gave up".into() })
    })
}

fn fault(format: Format, error: &ImageError) -> DescriptorError {
    match error {
        ImageError::Unsupported(_) => DescriptorError::Unsupported {
            format: format.name(),
            what: "a kind of coding that the decoder does not know",
        },
        error => DescriptorError::Decode { format: format.name(), reason: error.to_string() },
    }
}

fn pixels(
    format: Format,
    decoder: impl ImageDecoder,
    check_size: fn(usize, usize) -> Result<(), DescriptorError>,
) -> Result<Decoded, DescriptorError> {
    let (width, height) = decoder.dimensions();
    let (width, height) = (width as usize, height as usize);
    check_size(width, height)?;
    let picture = DynamicImage::from_decoder(decoder).map_err(|error| fault(format, &error))?;
    let (n_channels, values) = match picture.color().channel_count() {
        1 => (1, picture.into_luma8().into_raw()),
        2 => (2, picture.into_luma_alpha8().into_raw()),
        3 => (3, picture.into_rgb8().into_raw()),
        _ => (4, picture.into_rgba8().into_raw()),
    };
    Ok(Decoded { width, height, values, n_channels })
}
