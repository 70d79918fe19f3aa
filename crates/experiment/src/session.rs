//! Which experiment is run: its settings, photographs and folders.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use fisherlens_voc::Missing;

use crate::program::Program;
use crate::settings::sections::DataSource;

/// Everything that determines which experiment is run.
#[derive(Debug, Clone)]
pub struct Session {
    /// A built-in experiment or the path of a settings file.
    pub experiment: String,
    /// Changes to its settings, `key=value`.
    pub set: Vec<String>,
    /// The PASCAL VOC devkit; `None` for experiments on the embedded data.
    pub voc: Option<PathBuf>,
    /// Whether missing images are refused or skipped.
    pub missing: Missing,
    /// Number of images of each half; `None` means all.
    pub limit: Option<usize>,
    /// Folder of the artifacts.
    pub artifacts: PathBuf,
    /// Folder in which the embedded devkit is drawn.
    pub data: PathBuf,
    /// The program that runs the experiment, for the report.
    pub program: Program,
}

impl Session {
    /// A built-in experiment with its own settings. Artifacts and the embedded devkit are stored below `folder`.
    pub fn new(experiment: &str, folder: &Path) -> Self {
        Self {
            experiment: experiment.to_owned(),
            set: Vec::new(),
            voc: None,
            missing: Missing::Refuse,
            limit: None,
            artifacts: folder.join("artifacts"),
            data: folder.join("mini"),
            program: Program::default(),
        }
    }

    /// The folder of the photographs. The embedded photographs are drawn if they are not there yet.
    ///
    /// # Errors
    /// A devkit that is missing or not needed; the message says what to do.
    pub fn devkit(&self, source: DataSource) -> Result<PathBuf> {
        match (source, &self.voc) {
            (DataSource::Mini, None) => {
                fisherlens_mini_voc::ensure(&self.data).context("cannot draw the embedded data")
            }
            (DataSource::Mini, Some(_)) => bail!(
                "experiment {} uses the embedded data: expected no --voc; the experiments on PASCAL VOC are voc2007 and voc2007-val",
                self.experiment
            ),
            (DataSource::Voc, Some(folder)) => Ok(folder.clone()),
            (DataSource::Voc, None) => bail!(
                "experiment {} needs PASCAL VOC: give its devkit with --voc DIR (data/README.md says where to get it)",
                self.experiment
            ),
        }
    }
}
