//! What decides which experiment is run: settings, photographs, folders.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use fisherlens_voc::Missing;

use crate::provenance::Program;
use crate::settings::sections::DataSource;

/// Everything that decides which experiment is run.
#[derive(Debug, Clone)]
pub struct Session {
    /// A built-in experiment or the path of a settings file.
    pub experiment: String,
    /// Changes to its settings, `key=value`.
    pub set: Vec<String>,
    /// The PASCAL VOC devkit, where the experiment needs one.
    pub voc: Option<PathBuf>,
    /// What to do about missing images.
    pub missing: Missing,
    /// Images of each half, all if none.
    pub limit: Option<usize>,
    /// Folder of the artifacts.
    pub artifacts: PathBuf,
    /// Folder in which the embedded devkit is drawn.
    pub data: PathBuf,
    /// The program that runs the experiment, for the report.
    pub program: Program,
}

impl Session {
    /// A built-in experiment with its own settings; artifacts and the embedded devkit lie below `folder`.
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

    /// The folder of the photographs; the embedded ones are drawn where they are not there.
    ///
    /// # Errors
    /// A devkit that is missing or needless, with what to do.
    pub fn devkit(&self, source: DataSource) -> Result<PathBuf> {
        match (source, &self.voc) {
            (DataSource::Mini, None) => {
                fisherlens_mini_voc::ensure(&self.data).context("the embedded data could not be drawn")
            }
            (DataSource::Mini, Some(_)) => bail!(
                "experiment {} takes the embedded data and no --voc; for PASCAL VOC name voc2007 or voc2007-val",
                self.experiment
            ),
            (DataSource::Voc, Some(folder)) => Ok(folder.clone()),
            (DataSource::Voc, None) => bail!(
                "experiment {} needs PASCAL VOC: give its devkit by --voc DIR (data/README.md says where to get it)",
                self.experiment
            ),
        }
    }
}
