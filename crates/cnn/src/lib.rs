//! Convolutional networks of the Caffe family: their layers with Caffe's exact arithmetic, their weights from files, and
//! layer-wise relevance propagation from their scores to pixels.
//!
//! The crate is empty without its feature `cnn`. Tensors are those of burn; arrays at the crate's border those of ndarray.
//!
//! ```
//! use fisherlens_cnn::{Bookkeeping, Composite, Crop, Device, Framing, IMAGENET_MEAN, Mean, Network, Parameters, Targets, networks};
//! use ndarray::Array3;
//!
//! let architecture = networks::small(4);
//! // Weights of a real network come from `read_caffemodel` or `read_safetensors`.
//! let weights = Parameters::drawn(&architecture, 1);
//! let network = Network::new(architecture, &weights, &Device::flex())?;
//! let mean = Mean::Channels(IMAGENET_MEAN);
//! let photograph = Array3::from_shape_fn((120, 160, 3), |(y, x, channel)| (x + y + 50 * channel) as u8);
//! let (frame, _) = Framing::Covering.frame(photograph.view(), 112)?;
//! let input = mean.inputs(&frame, &[Crop::centre((112, frame.dim().1), 96)?])?;
//!
//! let trace = network.trace(input.view())?;
//! let composite = Composite::parse("epsilon-alpha2-beta1-flat", &mean.pixel_range())?;
//! let relevance = network.relevance(&trace, &composite, &Targets::Best, Bookkeeping::On)?;
//! assert_eq!(relevance.pixels.dim(), (1, 1, 3, 96, 96));
//! for layer in &relevance.conservation {
//!     // What no share explains is rounding.
//!     assert!(layer.unexplained().abs() < 1e-2 * (layer.arrived.abs() + layer.absorbed.bias.abs() + 1.0));
//! }
//! # Ok::<(), fisherlens_cnn::CnnError>(())
//! ```
#![cfg(feature = "cnn")]

mod architecture;
mod caffemodel;
mod error;
mod gradient;
mod host;
mod layer;
mod network;
pub mod networks;
#[cfg(test)]
mod operation_tests;
mod operations;
mod parameters;
mod preprocessing;
mod relevance;
mod safetensors_file;
mod training;

pub use architecture::{Architecture, DATA};
pub use burn::tensor::Device;
pub use caffemodel::{read_binaryproto, read_caffemodel};
pub use error::CnnError;
pub use gradient::Occlusion;
pub use layer::{BlobShape, Layer, LayerKind, Pooling, ResponseNormalization, Window};
pub use network::{Network, Trace};
pub use parameters::{LayerParameters, Parameters};
pub use preprocessing::{Crop, Framing, IMAGENET_MEAN, Mean, Placement};
pub use relevance::{
    Absorbed, Bookkeeping, Composite, LayerConservation, LayerRule, PRESETS, PixelRange, Relevance, Rule, Selector,
    Targets,
};
pub use safetensors_file::{read_safetensors, write_safetensors};
pub use training::{Sgd, Training};

/// The best graphics processor that the system offers through wgpu: Vulkan, Metal or DirectX.
#[cfg(feature = "webgpu")]
pub fn webgpu() -> Device {
    Device::wgpu(burn::tensor::DeviceKind::DefaultDevice)
}

/// A graphics processor through Metal alone.
#[cfg(feature = "metal")]
pub fn metal() -> Device {
    Device::metal(burn::tensor::DeviceKind::DefaultDevice)
}
