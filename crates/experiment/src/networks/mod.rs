//! The other half of the paper: convolutional networks that are retrained on the same photographs, and explained and measured like Fisher
//! vectors.
//!
//! This module needs the feature `cnn` (`cargo xtask-cnn`).

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
