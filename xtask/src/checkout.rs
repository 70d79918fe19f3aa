//! The checkout in which this program was built.

use std::path::{Path, PathBuf};

use fisherlens_cli::caller::Caller;
use fisherlens_experiment::program::Program;

/// The folder of the checkout in which this program was built, or the current folder if the checkout no longer exists.
pub(crate) fn root() -> PathBuf {
    let built_in = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    built_in.canonicalize().unwrap_or_else(|_| PathBuf::from("."))
}

/// This program, with the versions of the lock file that it was built with. Its experiments are stored in the checkout's folder `data`.
pub(crate) fn caller() -> Caller {
    let root = root();
    let program = Program::of_checkout("cargo xtask", &root, include_str!("../../Cargo.lock"));
    Caller { folder: root.join("data"), program }
}
