//! The other half of the paper: convolutional networks retrained on the same photographs, explained and measured like Fisher vectors.
//!
//! Only with the feature `cnn` (`cargo xtask-cnn`).

pub mod comparison;
pub mod experiment;
pub mod features;
pub mod frames;
pub mod gallery;
pub mod perturbation;
pub mod relevance;
pub mod report;
pub mod retraining;
pub mod run;
pub mod scores;
pub mod settings;
pub mod stage;
