//! From photographs to inputs of a network: frames, crops, and blue, green and red minus the mean.

use fast_image_resize::images::Image;
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use ndarray::{Array3, Array4, ArrayView3, ArrayViewMut3, Axis, s};

use crate::error::CnnError;
use crate::relevance::rule::PixelRange;

/// The mean that is subtracted from the pixels, in the order blue, green, red.
///
/// ```
/// use fisherlens_cnn::{IMAGENET_MEAN, Mean};
/// use ndarray::Array3;
///
/// // One pixel with red 255, green 127 and blue 0.
/// let pixel = Array3::from_shape_vec((1, 1, 3), vec![255, 127, 0]).unwrap();
/// let input = Mean::Channels(IMAGENET_MEAN).input(pixel.view())?;
/// assert_eq!(input.as_slice().unwrap(), [0.0 - 104.0, 127.0 - 117.0, 255.0 - 123.0]);
/// # Ok::<(), fisherlens_cnn::CnnError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub enum Mean {
    /// One value per channel.
    Channels([f32; 3]),
    /// A mean image `(3, height, width)`. If it is larger than the input, its centre is used.
    Image(Array3<f32>),
}

/// The mean of the networks of BVLC: blue, green, red.
pub const IMAGENET_MEAN: [f32; 3] = [104.0, 117.0, 123.0];

/// How a photograph is resized to a frame. Frames are `(height, width, 3)` with red, green and blue of 8 bits.
///
/// ```
/// use fisherlens_cnn::{Crop, Framing};
/// use ndarray::Array3;
///
/// let photograph = Array3::<u8>::zeros((300, 400, 3));
/// let (frame, placement) = Framing::Padded.frame(photograph.view(), 200)?;
/// assert_eq!((frame.dim(), placement.size, placement.offset), ((200, 200, 3), [200, 150], [0, 25]));
/// assert_eq!(Crop::ten((200, 200), 180)?.len(), 10);
/// # Ok::<(), fisherlens_cnn::CnnError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// The longer side becomes `side`. The shorter side is padded at both ends with the nearest pixel, so that the frame is a square
    /// (supplement §5).
    Padded,
    /// The shorter side becomes `side`.
    Covering,
}

/// Position and size of a photograph in its frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Placement {
    /// Pixels of the frame per pixel of the photograph, horizontally and vertically.
    pub scale: [f64; 2],
    /// Left and top edge of the photograph in the frame.
    pub offset: [usize; 2],
    /// Width and height of the photograph in the frame.
    pub size: [usize; 2],
}

/// A square part of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crop {
    /// Left edge in the frame.
    pub left: usize,
    /// Top edge in the frame.
    pub top: usize,
    /// Side of the square.
    pub side: usize,
    /// Whether the crop is mirrored left to right.
    pub mirrored: bool,
}

/// Greatest ratio of the sides of a photograph that [`Framing::Covering`] takes. The frame of a longer strip would take hundreds of megabytes.
pub const MAX_RATIO: usize = 16;

impl Framing {
    /// Resizes a photograph `(height, width, 3)` to a frame. Returns the frame and the position of the photograph in it.
    ///
    /// The filter is a triangle. If the photograph becomes smaller, the filter is widened, so that every pixel contributes.
    ///
    /// # Errors
    /// [`CnnError::Image`] for a photograph without pixels or without three channels, or a `side` of 0;
    /// with [`Framing::Covering`] for a photograph whose longer side is more than [`MAX_RATIO`] times the shorter one.
    pub fn frame(self, photograph: ArrayView3<'_, u8>, side: usize) -> Result<(Array3<u8>, Placement), CnnError> {
        let (height, width, channels) = photograph.dim();
        if height == 0 || width == 0 || channels != 3 || side == 0 {
            let expected = format!(
                "found {channels} channels and a frame of {side} pixels, expected 3 channels and at least one pixel"
            );
            return Err(CnnError::Image { width, height, expected });
        }
        if self == Self::Covering && width.max(height) > MAX_RATIO * width.min(height) {
            let expected =
                format!("expected a longer side of at most {MAX_RATIO} times the shorter side: cut out a part of it");
            return Err(CnnError::Image { width, height, expected });
        }
        let reference = if self == Self::Padded { width.max(height) } else { width.min(height) };
        let scaled = |length: usize| ((length * side) as f64 / reference as f64).round().max(1.0) as usize;
        let size = [scaled(width), scaled(height)];
        let resized = resize(photograph, size);
        let [frame_width, frame_height] = if self == Self::Padded { [side, side] } else { size };
        let offset = [(frame_width - size[0]) / 2, (frame_height - size[1]) / 2];
        let frame = Array3::from_shape_fn((frame_height, frame_width, 3), |(y, x, channel)| {
            // The nearest position in the photograph.
            let inside = |at: usize, offset: usize, size: usize| at.saturating_sub(offset).min(size - 1);
            resized[[inside(y, offset[1], size[1]), inside(x, offset[0], size[0]), channel]]
        });
        let scale = [size[0] as f64 / width as f64, size[1] as f64 / height as f64];
        Ok((frame, Placement { scale, offset, size }))
    }
}

fn resize(photograph: ArrayView3<'_, u8>, size: [usize; 2]) -> Array3<u8> {
    let (height, width, _) = photograph.dim();
    if size == [width, height] {
        return photograph.to_owned();
    }
    let to_u32 = |length: usize| u32::try_from(length).expect("the sides of a photograph are below 2³²");
    let pixels: Vec<u8> = photograph.iter().copied().collect();
    let from = Image::from_vec_u8(to_u32(width), to_u32(height), pixels, PixelType::U8x3);
    let from = from.expect("three bytes per pixel");
    let mut to = Image::new(to_u32(size[0]), to_u32(size[1]), PixelType::U8x3);
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
    Resizer::new().resize(&from, &mut to, &options).expect("both images have the same kind of pixel");
    Array3::from_shape_vec((size[1], size[0], 3), to.into_vec()).expect("three bytes per pixel")
}

impl Crop {
    /// The crop in the centre of a frame `(height, width)`.
    ///
    /// # Errors
    /// [`CnnError::Image`] if the frame is smaller than the crop, or `side` is 0.
    pub fn centre(frame: (usize, usize), side: usize) -> Result<Self, CnnError> {
        let (height, width) = fitting(frame, side)?;
        Ok(Self { left: (width - side) / 2, top: (height - side) / 2, side, mirrored: false })
    }

    /// Ten crops as in supplement §5: the four corners and the centre, then the same five mirrored.
    ///
    /// # Errors
    /// See [`Crop::centre`].
    pub fn ten(frame: (usize, usize), side: usize) -> Result<Vec<Self>, CnnError> {
        let (height, width) = fitting(frame, side)?;
        let corner = |left, top| Self { left, top, side, mirrored: false };
        let (right, bottom) = (width - side, height - side);
        let mut crops = vec![corner(0, 0), corner(right, 0), corner(0, bottom), corner(right, bottom)];
        crops.push(Self::centre(frame, side)?);
        crops.extend_from_within(..);
        crops[5..].iter_mut().for_each(|crop| crop.mirrored = true);
        Ok(crops)
    }

    /// Crops at every `stride` pixels. The last crop of each row and column ends at the edge of the frame.
    ///
    /// # Errors
    /// See [`Crop::centre`]; [`CnnError::Setting`] for a stride of 0.
    pub fn windows(frame: (usize, usize), side: usize, stride: usize) -> Result<Vec<Self>, CnnError> {
        let (height, width) = fitting(frame, side)?;
        if stride == 0 {
            return Err(CnnError::Setting { name: "stride".to_owned(), found: "0".to_owned(), expected: "at least 1" });
        }
        let starts = |length: usize| {
            let last = length - side;
            (0..last).step_by(stride).chain([last]).collect::<Vec<_>>()
        };
        let (rows, columns) = (starts(height), starts(width));
        Ok(rows
            .iter()
            .flat_map(|&top| columns.iter().map(move |&left| Self { left, top, side, mirrored: false }))
            .collect())
    }

    /// The pixels of a crop, `(side, side, 3)`.
    ///
    /// # Panics
    /// If the crop is not inside the frame.
    pub fn cut<'a>(&self, frame: &'a Array3<u8>) -> ArrayView3<'a, u8> {
        let mut pixels = frame.slice(s![self.top..self.top + self.side, self.left..self.left + self.side, ..]);
        if self.mirrored {
            pixels.invert_axis(Axis(1));
        }
        pixels
    }
}

/// Checks that a crop fits into a frame `(height, width)`, and returns the frame's size.
fn fitting((height, width): (usize, usize), side: usize) -> Result<(usize, usize), CnnError> {
    if side == 0 || side > height.min(width) {
        let expected = format!("expected at least {side} x {side} pixels for a crop of this size, and a size above 0");
        return Err(CnnError::Image { width, height, expected });
    }
    Ok((height, width))
}

impl Mean {
    /// The input of a network from pixels. `pixels` `(height, width, 3)`: red, green and blue. Returns `(3, height, width)`: blue, green
    /// and red minus the mean.
    ///
    /// # Errors
    /// [`CnnError::Shape`] if the mean image is smaller than `pixels`.
    pub fn input(&self, pixels: ArrayView3<'_, u8>) -> Result<Array3<f32>, CnnError> {
        let (height, width, _) = pixels.dim();
        let mut input = Array3::zeros((3, height, width));
        self.write_input(pixels, input.view_mut())?;
        Ok(input)
    }

    /// The inputs for several crops of one frame, `(crops, 3, side, side)`.
    ///
    /// # Errors
    /// See [`Mean::input`].
    ///
    /// # Panics
    /// If a crop is not inside the frame, or the crops have different sides.
    pub fn inputs(&self, frame: &Array3<u8>, crops: &[Crop]) -> Result<Array4<f32>, CnnError> {
        let side = crops.first().map_or(0, |crop| crop.side);
        let mut inputs = Array4::zeros((crops.len(), 3, side, side));
        for (crop, input) in crops.iter().zip(inputs.outer_iter_mut()) {
            self.write_input(crop.cut(frame), input)?;
        }
        Ok(inputs)
    }

    /// Writes `pixels` minus the mean, with the channels in reverse order.
    fn write_input(&self, pixels: ArrayView3<'_, u8>, mut input: ArrayViewMut3<'_, f32>) -> Result<(), CnnError> {
        let (height, width, _) = pixels.dim();
        if let Self::Image(mean) = self {
            let (channels, rows, columns) = mean.dim();
            if channels != 3 || rows < height || columns < width {
                let (found, expected) = (mean.shape().to_vec(), vec![3, height, width]);
                return Err(CnnError::Shape { what: "mean image", found, expected });
            }
            let (top, left) = ((rows - height) / 2, (columns - width) / 2);
            input.assign(&mean.slice(s![.., top..top + height, left..left + width]));
            input.mapv_inplace(|value| -value);
        } else if let Self::Channels(values) = self {
            input.outer_iter_mut().zip(values).for_each(|(mut channel, value)| channel.fill(-value));
        }
        for (channel, mut values) in input.outer_iter_mut().enumerate() {
            values.zip_mut_with(&pixels.index_axis(Axis(2), 2 - channel), |value, &pixel| *value += f32::from(pixel));
        }
        Ok(())
    }

    /// The lowest and the highest value that an input can have, per channel.
    pub fn pixel_range(&self) -> PixelRange {
        let (low, high): (Vec<f32>, Vec<f32>) = match self {
            Self::Channels(values) => values.iter().map(|value| (-value, 255.0 - value)).unzip(),
            Self::Image(mean) => {
                let extremes = |channel: ndarray::ArrayView2<'_, f32>| {
                    let (low, high) = channel.iter().fold((f32::MAX, f32::MIN), |(l, h), &v| (l.min(v), h.max(v)));
                    (-high, 255.0 - low)
                };
                mean.outer_iter().map(extremes).unzip()
            }
        };
        PixelRange { low, high }
    }
}
