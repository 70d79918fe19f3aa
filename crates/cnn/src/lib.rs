//! Convolutional networks of the Caffe family: their layers with Caffe's exact arithmetic, their weights from files, and
//! layer-wise relevance propagation from their scores to pixels.
//!
//! The crate is empty without its feature `cnn`. Tensors are those of burn; arrays at the crate's border those of ndarray.
#![cfg(feature = "cnn")]

mod architecture;
mod error;
mod layer;
mod network;
pub mod networks;
mod operations;
mod parameters;
mod relevance;
mod safetensors_file;

pub use architecture::{Architecture, DATA};
pub use burn::tensor::Device;
pub use error::CnnError;
pub use layer::{BlobShape, Layer, LayerKind, Pooling, ResponseNormalization, Window};
pub use network::{Network, Trace};
pub use parameters::{LayerParameters, Parameters};
pub use relevance::{
    Absorbed, Bookkeeping, Composite, LayerConservation, LayerRule, PRESETS, PixelRange, Relevance, Rule, Selector,
    Targets,
};
pub use safetensors_file::{read_safetensors, write_safetensors};
