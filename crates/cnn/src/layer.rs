//! One layer of a network, in Caffe's terms and with Caffe's arithmetic of shapes.

use serde::{Deserialize, Serialize};

use crate::CnnError;

/// Where the windows of a convolution or a pooling lie. Windows are square, as are those of every network here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Side of a window.
    pub kernel: usize,
    /// Distance between windows.
    pub stride: usize,
    /// Rows and columns of padding on each side.
    pub padding: usize,
}

/// What a pooling layer takes of each window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pooling {
    /// The largest value; padding is never taken.
    Max,
    /// The sum divided by the window's area, of which padding counts, and what lies beyond the padding does not.
    Average,
}

/// Local response normalisation across channels.
///
/// ```text
/// scale[c] = k + (alpha / size) · Σ x[i]²   over the `size` channels around c
/// y[c]     = x[c] · scale[c]^(−beta)
/// ```
/// # References
/// Caffe's `LRNLayer`, `ACROSS_CHANNELS`; the paper on `AlexNet` has no division by `size`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ResponseNormalization {
    /// Channels in a sum, odd.
    pub size: usize,
    /// Weight of the mean square.
    pub alpha: f32,
    /// Exponent.
    pub beta: f32,
    /// Constant of the scale.
    pub k: f32,
}

/// What a layer does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum LayerKind {
    /// Filters `(n_filters, channels / n_groups, kernel, kernel)`; each group of filters sees its group of channels.
    Convolution {
        /// How many filters.
        n_filters: usize,
        /// Where they are laid.
        window: Window,
        /// Groups of channels and filters.
        n_groups: usize,
    },
    /// Fully connected: weights `(n_outputs, channels · height · width)`.
    InnerProduct {
        /// How many outputs.
        n_outputs: usize,
    },
    /// `max(0, x)`.
    Relu,
    /// `x` where it is above 0, else its channel's slope times `x`. Learned by some networks; weights `(channels)`.
    PRelu,
    /// The largest or the mean value of windows; the last window of a row may hang over (`ceil` mode).
    Pooling {
        /// What is taken of a window.
        pooling: Pooling,
        /// Where windows lie.
        window: Window,
    },
    /// Local response normalisation.
    Lrn(ResponseNormalization),
    /// Zeroes a share of the values in training; nothing otherwise.
    Dropout {
        /// The share.
        ratio: f32,
    },
    /// Channels of several blobs, one after the other.
    Concat,
    /// Probabilities from scores. Relevance starts before it.
    Softmax,
}

/// A layer: its name, what it does, and the blobs that it works on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Layer {
    /// Unique in its network; also the name of the blob that it makes.
    pub name: String,
    /// What it does.
    pub kind: LayerKind,
    /// Names of the blobs it works on: earlier layers, or `"data"` for the image.
    pub bottoms: Vec<String>,
}

/// Channels, height and width.
pub type BlobShape = [usize; 3];

impl LayerKind {
    /// The type's name in composites and tables.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Convolution { .. } => "convolution",
            Self::InnerProduct { .. } => "inner-product",
            Self::Relu => "relu",
            Self::PRelu => "prelu",
            Self::Pooling { pooling: Pooling::Max, .. } => "max-pooling",
            Self::Pooling { pooling: Pooling::Average, .. } => "average-pooling",
            Self::Lrn(_) => "lrn",
            Self::Dropout { .. } => "dropout",
            Self::Concat => "concat",
            Self::Softmax => "softmax",
        }
    }

    /// Shape of the weights for an input of this shape; empty for a layer without.
    pub fn weight_shape(&self, input: BlobShape) -> Vec<usize> {
        match self {
            Self::Convolution { n_filters, window, n_groups } => {
                vec![*n_filters, input[0] / n_groups, window.kernel, window.kernel]
            }
            Self::InnerProduct { n_outputs } => vec![*n_outputs, input.iter().product()],
            Self::PRelu => vec![input[0]],
            _ => Vec::new(),
        }
    }

    /// Whether the weights come with one bias an output channel.
    pub fn has_bias(&self) -> bool {
        matches!(self, Self::Convolution { .. } | Self::InnerProduct { .. })
    }

    pub(crate) fn output_shape(&self, name: &str, inputs: &[BlobShape]) -> Result<BlobShape, CnnError> {
        let fail = |fault: String| Err(CnnError::Layer { layer: name.to_owned(), fault });
        let [channels, height, width] = match (self, inputs) {
            (Self::Concat, [first, rest @ ..]) => {
                if rest.iter().any(|other| other[1..] != first[1..]) {
                    return fail(format!("blobs of different sizes, {inputs:?}, cannot be concatenated"));
                }
                return Ok([inputs.iter().map(|shape| shape[0]).sum(), first[1], first[2]]);
            }
            (_, [one]) => *one,
            (_, _) => return fail(format!("found {} blobs below it, expected one", inputs.len())),
        };
        match self {
            Self::Convolution { n_filters, window, n_groups } => {
                if *n_groups == 0 || channels % n_groups != 0 || n_filters % n_groups != 0 || *n_filters == 0 {
                    return fail(format!(
                        "{n_filters} filters on {channels} channels cannot be cut into {n_groups} groups"
                    ));
                }
                let sides = [height, width].map(|side| window.n_convolved(side));
                match sides {
                    [Some(rows), Some(columns)] => Ok([*n_filters, rows, columns]),
                    _ => fail(format!("a window of {window:?} does not fit into {height} x {width}")),
                }
            }
            Self::InnerProduct { n_outputs: 0 } => fail("found 0 outputs, expected at least 1".to_owned()),
            Self::InnerProduct { n_outputs } => Ok([*n_outputs, 1, 1]),
            Self::Pooling { window, .. } => {
                // A stride beyond the kernel could put a whole window outside, where Caffe and others part.
                if window.kernel == 0 || window.stride == 0 || window.stride > window.kernel {
                    return fail(format!("found {window:?}, expected 1 <= stride <= kernel"));
                }
                if window.padding >= window.kernel {
                    return fail(format!("found {window:?}, expected a padding below the kernel"));
                }
                Ok([channels, window.n_pooled(height), window.n_pooled(width)])
            }
            Self::Lrn(normalization) if normalization.size % 2 == 0 => {
                fail(format!("found {} channels in a sum, expected an odd number", normalization.size))
            }
            Self::Dropout { ratio } if !(0.0..1.0).contains(ratio) => {
                fail(format!("found a share of {ratio}, expected 0 <= share < 1"))
            }
            _ => Ok([channels, height, width]),
        }
    }
}

impl Window {
    /// Windows along a side of a convolution: `floor((n + 2p − k) / s) + 1`; nothing where none fits.
    pub fn n_convolved(&self, side: usize) -> Option<usize> {
        if self.kernel == 0 || self.stride == 0 {
            return None;
        }
        (side + 2 * self.padding).checked_sub(self.kernel).map(|room| room / self.stride + 1)
    }

    /// Windows along a side of a pooling: `ceil((n + 2p − k) / s) + 1`, less one where the last would start in the right padding.
    ///
    /// # References
    /// Caffe's `PoolingLayer::Reshape`.
    pub fn n_pooled(&self, side: usize) -> usize {
        let n = (side + 2 * self.padding).saturating_sub(self.kernel).div_ceil(self.stride) + 1;
        if self.padding > 0 && (n - 1) * self.stride >= side + self.padding { n - 1 } else { n }
    }
}
