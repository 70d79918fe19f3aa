//! The program that a user called.

use std::path::{Path, PathBuf};

use fisherlens_experiment::program::Program;

/// Name and version of this program, for the documents that `--json` prints.
pub(crate) const PROGRAM: &str = concat!("fisherlens ", env!("CARGO_PKG_VERSION"));

/// The program that a user called, and where its experiments are stored unless the arguments name another folder.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Folder below which artifacts and the drawn devkit are stored.
    pub folder: PathBuf,
    /// Description of the program for reports.
    pub program: Program,
}

impl Caller {
    /// The folder of the artifacts: the one that the arguments name, or else the program's own.
    pub fn artifacts(&self, named: Option<&Path>) -> PathBuf {
        named.map_or_else(|| self.folder.join("artifacts"), Path::to_owned)
    }
}
