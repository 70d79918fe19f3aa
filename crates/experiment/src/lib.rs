//! The whole Fisher-vector experiment: photographs → descriptors → projection → mixture → vectors → classifiers → scores →
//! relevance → resampling → report. Every finished step is kept as an artifact.
//!
//! A program runs the same experiment with a stage of its own: open an [`experiment::Experiment`] through
//! [`session::Session`], replace one of its [`parts::Parts`], and ask the stage you want for its result. The stage computes
//! what it needs and does not find. The experiment reports to an observer ([`progress::Observer`]) and asks a stop flag
//! ([`interrupt::Interrupt`]); it knows no terminal.

pub mod core;
pub mod dataset;
pub mod experiment;
pub mod interrupt;
pub mod keys;
pub mod masks;
#[cfg(feature = "cnn")]
pub mod networks;
pub mod parts;
pub mod progress;
pub mod provenance;
pub mod run;
pub mod series;
pub mod session;
pub mod settings;
pub mod spread;
pub mod stage;
pub mod stages;
pub mod summary;
pub mod tag;
