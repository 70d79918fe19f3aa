//! Photographs from the bytes of JPEG, PNG, WebP, BMP and TIFF files.

use std::io::Cursor;

use fast_image_resize::images::Image;
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use ndarray::{Array2, Array3, ArrayView3};

use crate::error::DescriptorError;
use crate::gray::gray_from_rgb;
use crate::jpeg;
use crate::orientation::Orientation;
use crate::other_formats::{self, Format};

/// Largest accepted number of pixels, so that a few damaged bytes cannot make the program request all memory. 64 million colour
/// pixels take 192 MB.
const MAX_PIXELS: usize = 64_000_000;

/// First bytes of a JPEG: start of image, and the first byte of the next marker.
const JPEG_SIGNATURE: &[u8] = &[0xff, 0xd8, 0xff];

/// First bytes of a PNG.
const PNG_SIGNATURE: &[u8] = &[0x89, b'P', b'N', b'G'];

/// A decoded photograph in colour or grey, with 8 bits per channel.
///
/// The formats are JPEG, PNG, WebP, BMP and TIFF; the first bytes say which one a file has. All colour spaces, also CMYK in JPEG, are converted
/// to RGB; grey stays grey. 16 bits are rounded to 8, colours of palettes are looked up, and transparent pixels are blended with white.
/// Animations are refused. Colour profiles are ignored. Of a TIFF with several pages the first one is taken.
///
/// ```no_run
/// use fisherlens_descriptors::{DenseSift, DescriptorExtractor, Photograph};
/// use linfa::ParamGuard;
///
/// let photograph = Photograph::decode_upright(&std::fs::read("photograph.jpg")?)?.fitted(500);
/// let descriptors = DenseSift::params().check()?.extract(photograph.gray().view())?;
/// println!("{} descriptors of {} entries", descriptors.len(), descriptors.values.ncols());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Photograph {
    width: usize,
    height: usize,
    pixels: Pixels,
}

/// Pixels row by row: one byte per grey pixel, three bytes per colour pixel.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Pixels {
    Gray(Vec<u8>),
    Rgb(Vec<u8>),
}

impl Photograph {
    /// A grey photograph from pixels `(height, width)`.
    ///
    /// # Errors
    /// [`DescriptorError::TooLarge`] for more than 64 million pixels.
    pub fn from_gray(pixels: Array2<u8>) -> Result<Self, DescriptorError> {
        let (height, width) = pixels.dim();
        refuse_size(width, height)?;
        Ok(Self { width, height, pixels: Pixels::Gray(in_order(pixels)) })
    }

    /// A colour photograph from red, green and blue `(height, width, 3)`.
    ///
    /// ```
    /// use fisherlens_descriptors::Photograph;
    /// use ndarray::Array3;
    ///
    /// let photograph = Photograph::from_rgb(Array3::from_elem((20, 30, 3), 255))?;
    /// assert_eq!((photograph.width(), photograph.height()), (30, 20));
    /// # Ok::<(), fisherlens_descriptors::DescriptorError>(())
    /// ```
    ///
    /// # Errors
    /// [`DescriptorError::TooLarge`] for more than 64 million pixels.
    ///
    /// # Panics
    /// If the length of the last axis is not 3.
    pub fn from_rgb(pixels: Array3<u8>) -> Result<Self, DescriptorError> {
        let (height, width, n_channels) = pixels.dim();
        assert_eq!(n_channels, 3, "an RGB image has 3 channels on its last axis");
        refuse_size(width, height)?;
        Ok(Self { width, height, pixels: Pixels::Rgb(in_order(pixels)) })
    }

    /// Decodes a whole file, with the pixels in the order in which they are stored.
    ///
    /// An orientation in the EXIF data is not applied, because the boxes of PASCAL VOC refer to the stored pixels.
    ///
    /// # Errors
    /// [`DescriptorError::UnknownFormat`] for other formats, [`DescriptorError::Decode`] for damaged or incomplete bytes,
    /// [`DescriptorError::Unsupported`] for kinds of JPEG that no camera writes, such as arithmetic coding,
    /// [`DescriptorError::TooLarge`] for more than 64 million pixels, [`DescriptorError::Animated`] for an animation.
    pub fn decode(bytes: &[u8]) -> Result<Self, DescriptorError> {
        if bytes.starts_with(JPEG_SIGNATURE) {
            decode_jpeg(bytes)
        } else if bytes.starts_with(PNG_SIGNATURE) {
            decode_png(bytes)
        } else if let Some(format) = Format::of(bytes) {
            decode_other(format, bytes)
        } else if bytes.is_empty() {
            Err(DescriptorError::Empty)
        } else {
            Err(DescriptorError::UnknownFormat { found: first_bytes(bytes) })
        }
    }

    /// Like [`Photograph::decode`], but turned according to the orientation in the EXIF data, as image viewers show it.
    ///
    /// EXIF data that cannot be read is ignored.
    ///
    /// # Errors
    /// The errors of [`Photograph::decode`].
    pub fn decode_upright(bytes: &[u8]) -> Result<Self, DescriptorError> {
        let photograph = Self::decode(bytes)?;
        let orientation = Orientation::read(bytes);
        let Self { width, height, pixels } = photograph;
        let pixels = match pixels {
            Pixels::Gray(values) => Pixels::Gray(orientation.turn::<1>(values, width, height)),
            Pixels::Rgb(values) => Pixels::Rgb(orientation.turn::<3>(values, width, height)),
        };
        let (width, height) = if orientation.swaps_sides() { (height, width) } else { (width, height) };
        Ok(Self { width, height, pixels })
    }

    /// The photograph, made smaller if its longer side is longer than `max_side` pixels. That side is then `max_side` pixels long.
    ///
    /// The filter is Lanczos with three lobes, widened so that every pixel contributes.
    ///
    /// # Panics
    /// If `max_side` is 0.
    #[must_use]
    pub fn fitted(self, max_side: usize) -> Self {
        assert!(max_side > 0, "the longer side must have at least one pixel");
        let longer = self.width.max(self.height);
        if longer <= max_side {
            return self;
        }
        let [width, height] = fitted_size([self.width, self.height], max_side);
        let resize = |values: Vec<u8>, kind: PixelType| {
            let side =
                |side: usize| u32::try_from(side).expect("the sides of a photograph are shorter than 2³² pixels");
            let from = Image::from_vec_u8(side(self.width), side(self.height), values, kind);
            let from = from.expect("decoding checked the number of pixels");
            let mut to = Image::new(side(width), side(height), kind);
            let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Lanczos3));
            Resizer::new().resize(&from, &mut to, &options).expect("both images have the same type of pixels");
            to.into_vec()
        };
        let pixels = match self.pixels {
            Pixels::Gray(values) => Pixels::Gray(resize(values, PixelType::U8)),
            Pixels::Rgb(values) => Pixels::Rgb(resize(values, PixelType::U8x3)),
        };
        Self { width, height, pixels }
    }

    /// Width in pixels.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Height in pixels.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Grey values `(height, width)` in `[0, 1]`: [`gray_from_rgb`] of a colour photograph, value / 255 of a grey one.
    pub fn gray(&self) -> Array2<f32> {
        match &self.pixels {
            Pixels::Gray(values) => {
                let values = values.iter().map(|&value| f32::from(value) / 255.0).collect();
                Array2::from_shape_vec((self.height, self.width), values).expect("there is one value per pixel")
            }
            Pixels::Rgb(values) => {
                let rgb = ArrayView3::from_shape((self.height, self.width, 3), values);
                gray_from_rgb(rgb.expect("there are three values per pixel"))
            }
        }
    }

    /// Colours `(height, width, 3)`; the three channels of a grey photograph are equal.
    pub fn rgb(&self) -> Array3<u8> {
        let values = match &self.pixels {
            Pixels::Gray(values) => values.iter().flat_map(|&value| [value; 3]).collect(),
            Pixels::Rgb(values) => values.clone(),
        };
        Array3::from_shape_vec((self.height, self.width, 3), values).expect("there are three values per pixel")
    }
}

/// The first bytes in hexadecimal, and the name of the format if it is a well-known one.
fn first_bytes(bytes: &[u8]) -> String {
    let found: Vec<String> = bytes.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    let brand = bytes.get(4..8) == Some(b"ftyp");
    let name = match bytes {
        [b'G', b'I', b'F', b'8', ..] => " (GIF)",
        _ if brand => " (HEIC, AVIF or a video)",
        _ => "",
    };
    found.join(" ") + name
}

/// Width and height of a photograph of this size after [`Photograph::fitted`].
///
/// ```
/// use fisherlens_descriptors::fitted_size;
///
/// assert_eq!(fitted_size([1000, 3], 500), [500, 2]);
/// assert_eq!(fitted_size([400, 300], 500), [400, 300]);
/// ```
pub fn fitted_size(size: [usize; 2], max_side: usize) -> [usize; 2] {
    let longer = size[0].max(size[1]);
    if longer <= max_side {
        return size;
    }
    size.map(|side| ((side * max_side) as f64 / longer as f64).round().max(1.0) as usize)
}

/// The values in the order of the axes.
fn in_order<D: ndarray::Dimension>(values: ndarray::Array<u8, D>) -> Vec<u8> {
    if values.is_standard_layout() { values.into_raw_vec_and_offset().0 } else { values.iter().copied().collect() }
}

fn refuse_size(width: usize, height: usize) -> Result<(), DescriptorError> {
    match width.checked_mul(height) {
        Some(n_pixels) if n_pixels <= MAX_PIXELS => Ok(()),
        _ => Err(DescriptorError::TooLarge { width, height, limit: MAX_PIXELS }),
    }
}

fn decode_jpeg(bytes: &[u8]) -> Result<Photograph, DescriptorError> {
    let jpeg::Decoded { width, height, values, is_gray } = jpeg::decode(bytes, refuse_size)?;
    Ok(Photograph { width, height, pixels: pixels(values, if is_gray { 1 } else { 3 }) })
}

fn decode_png(bytes: &[u8]) -> Result<Photograph, DescriptorError> {
    let fault = |error: png::DecodingError| DescriptorError::Decode { format: "PNG", reason: error.to_string() };
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(bytes), png::Limits { bytes: 8 * MAX_PIXELS });
    decoder.set_transformations(png::Transformations::EXPAND);
    let header = decoder.read_header_info().map_err(fault)?;
    let (width, height) = (header.width as usize, header.height as usize);
    refuse_size(width, height)?;
    let mut reader = decoder.read_info().map_err(fault)?;
    if let Some(animation) = reader.info().animation_control
        && animation.num_frames > 1
    {
        return Err(DescriptorError::Animated { format: "PNG", n_frames: Some(animation.num_frames) });
    }
    let size = reader.output_buffer_size().ok_or(DescriptorError::TooLarge { width, height, limit: MAX_PIXELS })?;
    let mut buffer = vec![0; size];
    let frame = reader.next_frame(&mut buffer).map_err(fault)?;
    reader.finish().map_err(fault)?;
    let values = match frame.bit_depth {
        png::BitDepth::Sixteen => round_to_bytes(&buffer),
        _ => buffer,
    };
    if frame.color_type == png::ColorType::Indexed {
        return Err(DescriptorError::Decode { format: "PNG", reason: "its palette was not applied".into() });
    }
    Ok(Photograph { width, height, pixels: pixels(values, frame.color_type.samples()) })
}

fn decode_other(format: Format, bytes: &[u8]) -> Result<Photograph, DescriptorError> {
    let other_formats::Decoded { width, height, values, n_channels } =
        other_formats::decode(format, bytes, refuse_size)?;
    Ok(Photograph { width, height, pixels: pixels(values, n_channels) })
}

/// The pixels of 1 channel (grey), 2 (grey and opacity), 3 (colours) or 4 (colours and opacity).
fn pixels(values: Vec<u8>, n_channels: usize) -> Pixels {
    match n_channels {
        1 => Pixels::Gray(values),
        2 => Pixels::Gray(on_white::<2>(&values)),
        3 => Pixels::Rgb(values),
        _ => Pixels::Rgb(on_white::<4>(&values)),
    }
}

/// Rounds 16-bit samples, high byte first, to 8 bits.
fn round_to_bytes(samples: &[u8]) -> Vec<u8> {
    let wide = samples.as_chunks::<2>().0.iter().map(|&pair| u32::from(u16::from_be_bytes(pair)));
    wide.map(|sample| ((sample * 255 + 32_767) / 65_535) as u8).collect()
}

/// Blends pixels with white. The last of their `CHANNELS` bytes is the opacity.
fn on_white<const CHANNELS: usize>(values: &[u8]) -> Vec<u8> {
    let mut blended = Vec::with_capacity(values.len() / CHANNELS * (CHANNELS - 1));
    for pixel in values.as_chunks::<CHANNELS>().0 {
        let opacity = u32::from(pixel[CHANNELS - 1]);
        let blend = |value: u8| ((u32::from(value) * opacity + 255 * (255 - opacity) + 127) / 255) as u8;
        blended.extend(pixel[..CHANNELS - 1].iter().map(|&value| blend(value)));
    }
    blended
}
