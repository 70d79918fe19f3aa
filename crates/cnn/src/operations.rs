//! The computation of each layer, on tensors of burn `(images, channels, height, width)`.

use burn::tensor::ops::{AvgPoolOptions, ConvOptions, ConvTransposeOptions, MaxPoolOptions};
use burn::tensor::{Int, Tensor, module};

use crate::host;
use crate::layer::{Pooling, ResponseNormalization, Window};

/// A layer with weights and bias: a convolution or an inner product. The rules of relevance for linear layers use it.
#[derive(Debug, Clone)]
pub(crate) enum Linear {
    Convolution { window: Window, n_groups: usize },
    InnerProduct,
}

impl Linear {
    /// `W x + b`. Weights are `(outputs, channels / groups, kernel, kernel)` for a convolution and `(outputs, inputs, 1, 1)` for an inner
    /// product.
    pub(crate) fn forward(&self, x: Tensor<4>, weight: Tensor<4>, bias: Option<Tensor<1>>) -> Tensor<4> {
        match self {
            Self::Convolution { window, n_groups } => {
                module::conv2d(x, weight, bias, convolution_options(*window, *n_groups))
            }
            Self::InnerProduct => {
                let n_images = x.dims()[0];
                let [n_outputs, n_inputs, ..] = weight.dims();
                let product = x.reshape([n_images, n_inputs]).matmul(weight.reshape([n_outputs, n_inputs]).transpose());
                let product = match bias {
                    Some(bias) => product + bias.reshape([1, n_outputs]),
                    None => product,
                };
                product.reshape([n_images, n_outputs, 1, 1])
            }
        }
    }

    /// `Wᵀ s`. `input`: channels, height and width of the layer's input.
    pub(crate) fn adjoint(&self, s: Tensor<4>, weight: Tensor<4>, input: [usize; 3]) -> Tensor<4> {
        let [n_images, n_outputs, rows, columns] = s.dims();
        let [channels, height, width] = input;
        match self {
            Self::Convolution { window, n_groups } => {
                let Window { kernel, stride, padding } = *window;
                // Rows or columns at the end of the input that no window reaches.
                let rest = |side: usize, n: usize| side + 2 * padding - ((n - 1) * stride + kernel);
                let options = ConvTransposeOptions::new(
                    [stride; 2],
                    [padding; 2],
                    [rest(height, rows), rest(width, columns)],
                    [1, 1],
                    *n_groups,
                );
                module::conv_transpose2d(s, weight, None, options)
            }
            Self::InnerProduct => {
                let n_inputs = channels * height * width;
                let product = s.reshape([n_images, n_outputs]).matmul(weight.reshape([n_outputs, n_inputs]));
                product.reshape([n_images, channels, height, width])
            }
        }
    }
}

fn convolution_options(window: Window, n_groups: usize) -> ConvOptions<2> {
    let Window { stride, padding, .. } = window;
    ConvOptions::new([stride; 2], [padding; 2], [1, 1], n_groups)
}

/// Max or average pooling.
pub(crate) fn pool(x: Tensor<4>, pooling: Pooling, window: Window) -> Tensor<4> {
    let Window { kernel, stride, padding } = window;
    match pooling {
        Pooling::Max if host::holds(&x) => host::max_pool(x, window),
        Pooling::Max => module::max_pool2d(x, max_pool_options(window)),
        Pooling::Average => {
            let options = AvgPoolOptions::new([kernel; 2]).with_stride([stride; 2]).with_padding([padding; 2]);
            module::avg_pool2d(x, options.with_count_include_pad(true).with_ceil_mode(true))
        }
    }
}

fn max_pool_options(window: Window) -> MaxPoolOptions<2> {
    let Window { kernel, stride, padding } = window;
    MaxPoolOptions::new([kernel; 2]).with_stride([stride; 2]).with_padding([padding; 2]).with_ceil_mode(true)
}

/// Adds each value of `s` to the position of the largest input of its window (the first one if several are equal). `s` contains the
/// images of `x` once or several times.
pub(crate) fn to_largest(x: Tensor<4>, s: Tensor<4>, window: Window) -> Tensor<4> {
    if host::holds(&x) {
        return host::to_largest(x, s, window);
    }
    to_largest_by_burn(x, s, window)
}

/// [`to_largest`] with functions of burn, for all devices.
pub(crate) fn to_largest_by_burn(x: Tensor<4>, s: Tensor<4>, window: Window) -> Tensor<4> {
    let n_times = s.dims()[0] / x.dims()[0];
    let x = if n_times == 1 { x } else { x.repeat_dim(0, n_times) };
    let Window { kernel, stride, padding } = window;
    let (_, indices): (_, Tensor<4, Int>) = module::max_pool2d_with_indices(x.clone(), max_pool_options(window));
    module::max_pool2d_with_indices_backward(x, [kernel; 2], [stride; 2], [padding; 2], [1, 1], true, s, indices)
}

/// The adjoint of average pooling. Only the shape of `x` is used.
pub(crate) fn spread(x: Tensor<4>, s: Tensor<4>, window: Window) -> Tensor<4> {
    let Window { kernel, stride, padding } = window;
    module::avg_pool2d_backward(x, s, [kernel; 2], [stride; 2], [padding; 2], true, true)
}

/// For each channel, the sum over the `size` channels around it.
pub(crate) fn sum_around(x: Tensor<4>, size: usize) -> Tensor<4> {
    let [n_images, channels, height, width] = x.dims();
    let reach = size / 2;
    let mut sum = x.clone();
    for shift in 1..=reach.min(channels.saturating_sub(1)) {
        let zeros = Tensor::zeros([n_images, shift, height, width], &x.device());
        let kept = channels - shift;
        let up = Tensor::cat(vec![x.clone().narrow(1, shift, kept), zeros.clone()], 1);
        let down = Tensor::cat(vec![zeros, x.clone().narrow(1, 0, kept)], 1);
        sum = sum + up + down;
    }
    sum
}

/// `k + (alpha / size) · Σ x²`, where the sum is over the channels around each channel.
pub(crate) fn scale(x: Tensor<4>, lrn: &ResponseNormalization) -> Tensor<4> {
    sum_around(x.clone() * x, lrn.size) * (lrn.alpha / lrn.size as f32) + lrn.k
}

/// `scale^(−exponent)`.
pub(crate) fn inverse_power(scale: Tensor<4>, exponent: f32) -> Tensor<4> {
    // All networks here have 0.75, and two square roots take a fifth of the time of a general power.
    if exponent == 0.75 {
        let root = scale.sqrt();
        let fourth = root.clone().sqrt();
        return (root * fourth).recip();
    }
    scale.powf_scalar(-exponent)
}

/// Local response normalisation.
pub(crate) fn normalize(x: Tensor<4>, lrn: &ResponseNormalization) -> Tensor<4> {
    if host::holds(&x) {
        return host::normalize(x, lrn);
    }
    let scale = scale(x.clone(), lrn);
    x * inverse_power(scale, lrn.beta)
}
