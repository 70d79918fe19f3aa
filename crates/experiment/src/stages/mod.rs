//! The stages of the experiment, in the order in which data flows through them; one file each.

pub mod calibration;
pub mod classifier;
pub mod context;
pub mod encode;
pub mod explained;
pub mod gallery;
pub mod in_shards;
pub mod learned;
pub mod mixture;
pub mod pca;
pub mod pixels;
pub mod predictions;
pub mod relevance;
pub mod resampling;
pub mod rows;
pub mod sample;
pub mod scores;
pub mod strategies;
