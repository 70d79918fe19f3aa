//! A small form of the embedded experiment, which takes seconds instead of minutes.

#![allow(dead_code, reason = "each test takes what it needs")]

use std::path::{Path, PathBuf};

use fisherlens_experiment::experiment::Experiment;
use fisherlens_experiment::interrupt::Interrupt;
use fisherlens_experiment::progress::Progress;
use fisherlens_experiment::session::Session;

/// Fewer descriptors, components and repeats than `mini` has.
const SMALL: [&str; 8] = [
    "data.shard_size=16",
    "sample.n_descriptors=20000",
    "pca.n_components=32",
    "mixture.n_components=16",
    "mixture.max_n_iterations=5",
    "resampling.n_repeats=1",
    "evaluation.n_bootstrap=50",
    "report.n_examples=1",
];

/// The small experiment over `limit` images of each half, with further settings, stored in `artifacts`.
pub(crate) fn session(artifacts: &Path, limit: Option<usize>, set: &[&str]) -> Session {
    let set = SMALL.iter().chain(set).map(|change| (*change).to_owned()).collect();
    // All tests share one drawn devkit. It is drawn under another name and then renamed, so that tests may draw it at the same time.
    let data = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("mini");
    Session { set, limit, artifacts: artifacts.to_owned(), data, ..Session::new("mini", artifacts) }
}

/// The same experiment, opened.
pub(crate) fn open(artifacts: &Path, limit: Option<usize>, set: &[&str]) -> Experiment {
    Experiment::open(&session(artifacts, limit, set), Progress::silent(), Interrupt::default()).unwrap()
}
