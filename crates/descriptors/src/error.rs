//! Errors on the way from the bytes of a photograph to its projected descriptors.

use thiserror::Error;

/// Errors of decoding, extraction and projection.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DescriptorError {
    /// There are no bytes.
    #[error("the file is empty: get it again")]
    Empty,
    /// The bytes are no image of a format that is read.
    #[error(
        "the bytes begin with {found}, which is neither a JPEG (ff d8 ff) nor a PNG (89 50 4e 47), and no WebP, BMP or TIFF: convert the \
         image to one of these formats"
    )]
    UnknownFormat {
        /// First bytes in hexadecimal, with the name of the format if it is a well-known one.
        found: String,
    },
    /// A file holds several pictures.
    #[error("the {format} is an animation{}: save one of its pictures as a separate file", n_frames.map_or_else(String::new, |n| format!(" of {n} pictures")))]
    Animated {
        /// "PNG" or "WebP".
        format: &'static str,
        /// Number of pictures, where the file says it.
        n_frames: Option<u32>,
    },
    /// The bytes begin like an image, but cannot be decoded to the end.
    #[error("the {format} data cannot be decoded: {reason}; the file is damaged or incomplete, get it again")]
    Decode {
        /// The name of the format.
        format: &'static str,
        /// The error of the decoder.
        reason: String,
    },
    /// The file may be sound, but no decoder here can read it.
    #[error(
        "the {format} has {what}, which is not supported: save it as an ordinary baseline or progressive JPEG, or as a PNG"
    )]
    Unsupported {
        /// The name of the format.
        format: &'static str,
        /// The kind of coding.
        what: &'static str,
    },
    /// The image is larger than the decoder accepts.
    #[error("the image is {width} × {height} pixels, more than the {limit} pixels accepted: make it smaller first")]
    TooLarge {
        /// Width in pixels.
        width: usize,
        /// Height in pixels.
        height: usize,
        /// Largest accepted number of pixels.
        limit: usize,
    },
    /// A pixel is not a grey value in `[0, 1]`.
    #[error("pixel (x {x}, y {y}) is {found}, expected a grey value in [0, 1]: divide 8-bit values by 255")]
    Pixel {
        /// Column of the first such pixel.
        x: usize,
        /// Row of the first such pixel.
        y: usize,
        /// Its value.
        found: f32,
    },
    /// The rows of an array do not have the expected number of entries.
    #[error("{what} has {found} entries per row, expected {expected}: use the model made for these descriptors")]
    Dimension {
        /// The array.
        what: &'static str,
        /// Expected number of entries.
        expected: usize,
        /// Number of entries found.
        found: usize,
    },
    /// A parameter lies outside its range.
    #[error("{field} is {found}, expected {expected}")]
    Parameter {
        /// Name of the parameter.
        field: &'static str,
        /// The value found.
        found: String,
        /// The accepted values.
        expected: &'static str,
    },
    /// Too few samples for a projection.
    #[error("PCA got {found} samples, expected at least {expected}: give more descriptors")]
    TooFewSamples {
        /// Smallest number of samples.
        expected: usize,
        /// Number of samples found.
        found: usize,
    },
    /// An array holds an infinite value or NaN.
    #[error("{what} holds {found} in row {row}, column {column}, expected finite numbers")]
    NotFinite {
        /// The array.
        what: &'static str,
        /// Row of the first such entry.
        row: usize,
        /// Column of the first such entry.
        column: usize,
        /// Its value.
        found: f32,
    },
    /// The eigenvalue routine failed.
    #[error("the eigenvalues of the covariance matrix were not found: {reason}")]
    Eigenvalues {
        /// The error of the routine.
        reason: String,
    },
    /// An error of the crate linfa.
    #[error("linfa: {0}")]
    Linfa(#[from] linfa::Error),
}
