//! Convolutional networks of the Caffe family: layers that compute exactly as in Caffe, weights from files, retraining, and
//! layer-wise relevance propagation from the scores to the pixels.
//!
//! The crate is empty without its feature `cnn`. Inside, tensors are burn's; the public functions take and return arrays of ndarray.
#![cfg(feature = "cnn")]
#![doc = ""]
#![cfg_attr(feature = "cnn", doc = include_str!("example.md"))]

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
pub use preprocessing::{Crop, Framing, IMAGENET_MEAN, MAX_RATIO, Mean, Placement};
pub use relevance::{
    Absorbed, Bookkeeping, Composite, LayerConservation, LayerRule, PRESETS, PixelRange, Relevance, Rule, Selector,
    Targets,
};
pub use safetensors_file::{read_safetensors, write_safetensors};
pub use training::{Multipliers, Sgd, Training};

/// The default graphics processor of the system through wgpu, which uses Vulkan, Metal or DirectX.
#[cfg(feature = "webgpu")]
pub fn webgpu() -> Device {
    Device::wgpu(burn::tensor::DeviceKind::DefaultDevice)
}

/// The default graphics processor through Metal.
#[cfg(feature = "metal")]
pub fn metal() -> Device {
    Device::metal(burn::tensor::DeviceKind::DefaultDevice)
}
