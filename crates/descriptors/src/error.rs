//! Everything that can go wrong between the bytes of a photograph and its projected descriptors.

use thiserror::Error;

/// Errors of decoding, extraction and projection.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DescriptorError {
    /// The bytes are neither a JPEG nor a PNG.
    #[error(
        "the bytes begin with {found}, which is neither a JPEG (ff d8 ff) nor a PNG (89 50 4e 47): give one of the two formats, \
         converted by an image program if need be"
    )]
    UnknownFormat {
        /// First bytes in hexadecimal with the name of the format where it is a well-known one, or "nothing".
        found: String,
    },
    /// A PNG holds several pictures.
    #[error(
        "the PNG is animated, {n_frames} pictures one after the other: save the one that is meant as a file of its own"
    )]
    Animated {
        /// How many.
        n_frames: u32,
    },
    /// The bytes begin like an image but cannot be decoded to the end.
    #[error("the {format} data cannot be decoded: {reason}; the file is damaged or cut short, fetch it again")]
    Decode {
        /// "JPEG" or "PNG".
        format: &'static str,
        /// What the decoder met.
        reason: String,
    },
    /// The image is larger than the decoder accepts.
    #[error("the image is {width} × {height} pixels, more than the {limit} pixels accepted: make it smaller first")]
    TooLarge {
        /// Width in pixels.
        width: usize,
        /// Height in pixels.
        height: usize,
        /// Most pixels accepted.
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
    /// The number of entries of a row is not the one expected.
    #[error("{what} has {found} entries a row, expected {expected}: use the model made for these descriptors")]
    Dimension {
        /// The array at fault.
        what: &'static str,
        /// Entries expected.
        expected: usize,
        /// Entries found.
        found: usize,
    },
    /// A parameter lies outside its range.
    #[error("{field} is {found}, expected {expected}")]
    Parameter {
        /// Name of the parameter.
        field: &'static str,
        /// The value given.
        found: String,
        /// What is accepted, and what to do.
        expected: &'static str,
    },
    /// Too few samples for a projection.
    #[error("PCA got {found} samples, expected at least {expected}: give more descriptors")]
    TooFewSamples {
        /// Samples needed.
        expected: usize,
        /// Samples given.
        found: usize,
    },
    /// An array holds a value that is not finite.
    #[error("{what} holds {found} in row {row}, column {column}, expected finite numbers")]
    NotFinite {
        /// The array at fault.
        what: &'static str,
        /// Row of the first such entry.
        row: usize,
        /// Column of the first such entry.
        column: usize,
        /// Its value.
        found: f32,
    },
    /// The eigenvalue routine did not finish.
    #[error("the eigenvalues of the covariance were not found: {reason}")]
    Eigenvalues {
        /// What the routine said.
        reason: String,
    },
    /// An error of linfa.
    #[error("linfa: {0}")]
    Linfa(#[from] linfa::Error),
}
