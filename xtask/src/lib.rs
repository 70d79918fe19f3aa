//! The whole Fisher-vector experiment: photographs → descriptors → projection → mixture → vectors → classifiers → scores →
//! relevance → resampling → report, with every finished step kept as an artifact.
//!
//! `main.rs` is only the command line. A test, or a program of your own, runs the same experiment with a stage of its
//! own: open an [`experiment::Experiment`] through [`session::Session`], replace one of its [`parts::Parts`], and ask
//! the stage you want for its result; it computes whatever it needs that is not there yet.

pub mod bench;
pub mod cli;
pub mod commands;
pub mod console;
pub mod dataset;
pub mod experiment;
pub mod interrupt;
#[cfg(feature = "cnn")]
pub mod networks;
pub mod parts;
pub mod progress;
pub mod provenance;
pub mod run;
pub mod series;
pub mod session;
pub mod settings;
pub mod stages;
pub mod summary;
