//! Decoding of JPEG files.
//!
//! Two decoders are used. zune-jpeg is the faster one, and decodes nearly all photographs. It decodes some rare kinds of files to other pixels
//! without an error, or to other colours, so those are given to jpeg-decoder. Both were compared with libjpeg-turbo on 1,420 files of all sampling factors, orders of
//! scans, restart intervals and progressive scripts; see `tests/jpeg.rs`. What neither decodes right is refused.

mod colours;
mod completeness;
mod huffman;
mod structure;

use std::collections::BTreeSet;
use std::panic::catch_unwind;

use jpeg_decoder::PixelFormat;
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

use crate::error::DescriptorError;
use crate::jpeg::colours::Colours;
use crate::jpeg::structure::{Fault, Process, Structure};

/// A decoded picture.
pub(crate) struct Decoded {
    pub(crate) width: usize,
    pub(crate) height: usize,
    /// One byte per pixel if `is_gray`, otherwise red, green and blue.
    pub(crate) values: Vec<u8>,
    pub(crate) is_gray: bool,
}

fn damaged(reason: String) -> DescriptorError {
    DescriptorError::Decode { format: "JPEG", reason }
}

fn unsupported(what: &'static str) -> DescriptorError {
    DescriptorError::Unsupported { format: "JPEG", what }
}

/// Decodes a file. `check_size` refuses pictures that are too large, before memory is taken for them.
pub(crate) fn decode(
    bytes: &[u8],
    check_size: impl Fn(usize, usize) -> Result<(), DescriptorError>,
) -> Result<Decoded, DescriptorError> {
    let structure = structure::read(bytes).map_err(|fault| match fault {
        Fault::Damaged(reason) => damaged(reason),
        Fault::Unsupported(what) => unsupported(what),
    })?;
    check_size(structure.width, structure.height)?;
    completeness::check(&structure).map_err(damaged)?;
    let (colours, n_components) = (structure.colours(), structure.components.len());
    let by_zune = if suits_zune(&structure) {
        // On some damaged bytes the decoder panics. No photograph may end a run of hours.
        catch_unwind(|| by_zune(bytes, colours, n_components))
            .unwrap_or_else(|_| Err(damaged("the decoder gave up".into())))?
    } else {
        None
    };
    let decoded = match by_zune {
        Some(decoded) => decoded,
        None => by_jpeg_decoder(bytes, &structure)?,
    };
    let expected = decoded.width * decoded.height * if decoded.is_gray { 1 } else { 3 };
    if (decoded.width, decoded.height) != (structure.width, structure.height) || decoded.values.len() != expected {
        return Err(damaged(format!("{} bytes of pixels were decoded, expected {expected}", decoded.values.len())));
    }
    Ok(decoded)
}

/// Whether zune-jpeg decodes this kind of file to the right pixels: all components in one scan, or progressive; luma at least as fine as
/// chroma; factors that are powers of two; no markers that it would follow although they do not count.
fn suits_zune(structure: &Structure<'_>) -> bool {
    let Structure { process, components, scans, colour_markers, .. } = structure;
    let largest = structure.largest_sampling();
    let in_one_scan = || scans.len() == 1 && scans[0].components.iter().map(|c| c.index).eq(0..components.len());
    let is_power = |factor: usize| factor.is_power_of_two();
    let chroma_is_equal = components.iter().skip(2).all(|component| component.sampling == components[1].sampling);
    components[0].sampling == largest
        && components.iter().all(|component| component.sampling.into_iter().all(is_power))
        && (chroma_is_equal || components.len() == 4)
        && (*process == Process::Progressive || in_one_scan())
        && !colour_markers.has_late_adobe
}

/// `None` if the decoder takes the `n_components` components for other colours.
fn by_zune(bytes: &[u8], colours: Colours, n_components: usize) -> Result<Option<Decoded>, DescriptorError> {
    let side = usize::from(u16::MAX);
    let options = DecoderOptions::default().set_strict_mode(true).set_max_width(side).set_max_height(side);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(|error| damaged(format!("{error:?}")))?;
    let info = decoder.info().ok_or_else(|| damaged("there is no frame header".into()))?;
    if Colours::of_zune(decoder.input_colorspace(), n_components) != Some(colours) {
        return Ok(None);
    }
    let is_gray = colours == Colours::Gray;
    let colorspace = if is_gray { ColorSpace::Luma } else { ColorSpace::RGB };
    decoder.set_options(options.jpeg_set_out_colorspace(colorspace));
    let values = decoder.decode().map_err(|error| damaged(format!("{error:?}")))?;
    Ok(Some(Decoded { width: usize::from(info.width), height: usize::from(info.height), values, is_gray }))
}

fn by_jpeg_decoder(bytes: &[u8], structure: &Structure<'_>) -> Result<Decoded, DescriptorError> {
    if structure.components.len() == 4 {
        // Its conversion of four colours was not compared.
        return Err(unsupported(if suits_zune(structure) {
            "markers of colours that contradict each other"
        } else {
            "four colours in several scans, with rare sampling factors, or with an Adobe marker after a scan"
        }));
    }
    // Such files are decoded to slightly other pixels.
    let has_three_factors = |axis: usize| {
        let factors: BTreeSet<usize> = structure.components.iter().map(|component| component.sampling[axis]).collect();
        factors.len() > 2
    };
    if has_three_factors(0) || has_three_factors(1) {
        return Err(unsupported("three different sampling factors"));
    }
    let mut decoder = jpeg_decoder::Decoder::new(bytes);
    decoder.set_color_transform(structure.colours().transform());
    let values = decoder.decode().map_err(|error| match error {
        jpeg_decoder::Error::Unsupported(_) => unsupported("a kind of coding that the decoder does not know"),
        error => damaged(error.to_string()),
    })?;
    let info = decoder.info().ok_or_else(|| damaged("there is no frame header".into()))?;
    let is_gray = match info.pixel_format {
        PixelFormat::L8 => true,
        PixelFormat::RGB24 => false,
        _ => return Err(unsupported("more than 8 bits per sample")),
    };
    Ok(Decoded { width: usize::from(info.width), height: usize::from(info.height), values, is_gray })
}
