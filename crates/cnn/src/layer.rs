//! One layer of a network, with Caffe's terms and Caffe's rules for shapes.

use serde::{Deserialize, Serialize};

use crate::error::CnnError;

/// Size and positions of the windows of a convolution or a pooling. Windows are square, as in all networks here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Side of a window.
    pub kernel: usize,
    /// Distance between neighbouring windows.
    pub stride: usize,
    /// Number of rows or columns of padding on each side.
    pub padding: usize,
}

/// How a pooling layer computes one value per window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pooling {
    /// The largest value. Padding is never the largest.
    Max,
    /// The sum divided by the area of the window. Padding counts in the area; a part of the window beyond the padding does not.
    Average,
}

/// Local response normalisation across channels.
///
/// ```text
/// scale[c] = k + (alpha / size) · Σ x[i]²   over the `size` channels around c
/// y[c]     = x[c] · scale[c]^(−beta)
/// ```
/// # References
/// Caffe's `LRNLayer` with `ACROSS_CHANNELS`. The paper on `AlexNet` does not divide by `size`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ResponseNormalization {
    /// Number of channels in the sum, odd.
    pub size: usize,
    /// Weight of the mean square.
    pub alpha: f32,
    /// Exponent.
    pub beta: f32,
    /// Constant summand of the scale.
    pub k: f32,
}

/// Type of a layer and its settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum LayerKind {
    /// Convolution with weights `(n_filters, channels / n_groups, kernel, kernel)`. Each group of filters uses one group of channels.
    Convolution {
        /// Number of filters.
        n_filters: usize,
        /// Size and positions of the filters.
        window: Window,
        /// Number of groups into which channels and filters are divided.
        n_groups: usize,
    },
    /// Fully connected: weights `(n_outputs, channels · height · width)`.
    InnerProduct {
        /// Number of outputs.
        n_outputs: usize,
    },
    /// `max(0, x)`.
    Relu,
    /// Parametric ReLU: `x` if it is above 0, else the slope of the channel times `x`. The slopes are weights `(channels)`.
    PRelu,
    /// The largest or the mean value of each window. The last window of a row or column may reach over the edge (`ceil` mode).
    Pooling {
        /// How the value of a window is computed.
        pooling: Pooling,
        /// Size and positions of the windows.
        window: Window,
    },
    /// Local response normalisation.
    Lrn(ResponseNormalization),
    /// In training, sets a random share of the values to 0. Otherwise it does nothing.
    Dropout {
        /// The share of the values.
        ratio: f32,
    },
    /// Concatenation of the channels of several blobs.
    Concat,
    /// Probabilities from scores. Relevance starts before it.
    Softmax,
}

/// A layer of a network: its name, its type and its input blobs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Layer {
    /// Name of the layer, unique in its network. The output blob of the layer has the same name.
    pub name: String,
    /// Type of the layer and its settings.
    pub kind: LayerKind,
    /// Names of the input blobs: earlier layers, or [`DATA`](crate::DATA) for the image.
    pub bottoms: Vec<String>,
}

/// Shape of a blob: channels, height and width.
pub type BlobShape = [usize; 3];

impl LayerKind {
    /// Name of the type in composites and tables.
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

    /// Shape of the weights for an input of this shape; empty for a layer without weights.
    pub(crate) fn weight_shape(&self, input: BlobShape) -> Vec<usize> {
        match self {
            Self::Convolution { n_filters, window, n_groups } => {
                vec![*n_filters, input[0] / n_groups, window.kernel, window.kernel]
            }
            Self::InnerProduct { n_outputs } => vec![*n_outputs, input.iter().product()],
            Self::PRelu => vec![input[0]],
            _ => Vec::new(),
        }
    }

    /// Whether the layer has one bias per output channel.
    pub fn has_bias(&self) -> bool {
        matches!(self, Self::Convolution { .. } | Self::InnerProduct { .. })
    }

    /// Shape of the output. `name` is for error messages.
    pub(crate) fn output_shape(&self, name: &str, inputs: &[BlobShape]) -> Result<BlobShape, CnnError> {
        let fail = |fault: String| Err(CnnError::Layer { layer: name.to_owned(), fault });
        let [channels, height, width] = match (self, inputs) {
            (Self::Concat, [first, rest @ ..]) => {
                if rest.iter().any(|other| other[1..] != first[1..]) {
                    return fail(format!(
                        "found blobs of different sizes, {inputs:?}, expected equal heights and widths"
                    ));
                }
                return Ok([inputs.iter().map(|shape| shape[0]).sum(), first[1], first[2]]);
            }
            (_, [one]) => *one,
            (_, _) => return fail(format!("found {} input blobs, expected one", inputs.len())),
        };
        match self {
            Self::Convolution { n_filters, window, n_groups } => {
                if *n_groups == 0 || channels % n_groups != 0 || n_filters % n_groups != 0 || *n_filters == 0 {
                    return fail(format!(
                        "{n_filters} filters and {channels} channels cannot be divided into {n_groups} groups"
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
                // With a stride larger than the kernel a whole window could lie outside. There Caffe and other libraries differ.
                if window.kernel == 0 || window.stride == 0 || window.stride > window.kernel {
                    return fail(format!("found {window:?}, expected 1 <= stride <= kernel"));
                }
                if window.padding >= window.kernel {
                    return fail(format!("found {window:?}, expected a padding smaller than the kernel"));
                }
                Ok([channels, window.n_pooled(height), window.n_pooled(width)])
            }
            Self::Lrn(normalization) if normalization.size % 2 == 0 => {
                fail(format!("found {} channels in the sum, expected an odd number", normalization.size))
            }
            Self::Dropout { ratio } if !(0.0..1.0).contains(ratio) => {
                fail(format!("found a share of {ratio}, expected 0 <= share < 1"))
            }
            _ => Ok([channels, height, width]),
        }
    }
}

impl Window {
    /// Number of windows of a convolution along a side n: `floor((n + 2p − k) / s) + 1`, where k is the kernel, s the stride and p the
    /// padding. `None` if no window fits.
    pub(crate) fn n_convolved(&self, side: usize) -> Option<usize> {
        if self.kernel == 0 || self.stride == 0 {
            return None;
        }
        (side + 2 * self.padding).checked_sub(self.kernel).map(|room| room / self.stride + 1)
    }

    /// Number of windows of a pooling along a side n: `ceil((n + 2p − k) / s) + 1`, and one less if the last window would start in the
    /// padding at the end.
    ///
    /// # References
    /// Caffe's `PoolingLayer::Reshape`.
    pub(crate) fn n_pooled(&self, side: usize) -> usize {
        let n = (side + 2 * self.padding).saturating_sub(self.kernel).div_ceil(self.stride) + 1;
        if self.padding > 0 && (n - 1) * self.stride >= side + self.padding { n - 1 } else { n }
    }
}
