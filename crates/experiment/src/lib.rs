//! The whole Fisher-vector experiment: photographs → descriptors → projection → mixture → vectors → classifiers → scores →
//! relevance → resampling → report. The result of every finished step is stored as an artifact.
//!
//! A program can run the same experiment with its own implementation of a stage: open an [`experiment::Experiment`] through
//! [`session::Session`], replace one of its [`parts::Parts`], and call the `get` function of the stage whose result you want. The stage
//! computes everything that it needs and that is not stored yet. The experiment reports to an observer ([`progress::Observer`]) and checks
//! a stop flag ([`interrupt::Interrupt`]); it does not use the terminal.
//!
//! ```no_run
//! use std::path::Path;
//!
//! use fisherlens_experiment::experiment::Experiment;
//! use fisherlens_experiment::interrupt::Interrupt;
//! use fisherlens_experiment::keys::Keys;
//! use fisherlens_experiment::progress::Progress;
//! use fisherlens_experiment::session::Session;
//! use fisherlens_experiment::stages::scores;
//!
//! // The embedded experiment with fewer components. Artifacts and the drawn photographs lie below the folder `data`.
//! let session = Session { set: vec!["mixture.n_components=16".to_owned()], ..Session::new("mini", Path::new("data")) };
//! let experiment = Experiment::open(&session, Progress::silent(), Interrupt::default())?;
//! let scores = scores::get(&experiment, &Keys::of(&experiment)?)?;
//! println!("{} images, {} classes", scores.ids.len(), scores.classes.len());
//! # Ok::<(), anyhow::Error>(())
//! ```

pub mod agreement;
pub mod core;
pub mod dataset;
pub mod division;
pub mod experiment;
mod given;
mod intake;
pub mod interrupt;
pub mod judged;
pub mod keys;
pub mod learning;
pub mod masks;
mod mistakes;
mod near;
#[cfg(feature = "cnn")]
pub mod networks;
pub mod own;
pub mod own_time;
pub mod parts;
pub mod photographs;
pub mod program;
pub mod progress;
pub mod provenance;
pub mod quality;
pub mod reading;
pub mod run;
pub mod series;
pub mod session;
pub mod settings;
pub mod share;
pub mod solver;
pub mod spread;
pub mod stage;
pub mod stages;
pub mod summary;
pub mod tag;
pub mod work;
