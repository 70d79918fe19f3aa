//! Which experiment is run: its settings, photographs and folders.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use fisherlens_dataset::Missing;
use fisherlens_mini_voc::{MiniVocError, N_IMAGES};

use crate::interrupt::{Interrupt, Interrupted};
use crate::judged::JudgedModel;
use crate::own::OwnPhotographs;
use crate::program::Program;
use crate::progress::Progress;
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
    /// Photographs of the user's own, for experiments with `data.source = "own"`.
    pub own: Option<OwnPhotographs>,
    /// A model that is judged on the photographs instead of learning from them.
    pub judged: Option<JudgedModel>,
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
            own: None,
            judged: None,
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
    /// A devkit that is missing or not needed; the message says what to do. [`Interrupted`] when the drawing was asked to stop.
    pub fn devkit(&self, source: DataSource, progress: &Progress, interrupt: &Interrupt) -> Result<PathBuf> {
        match (source, &self.voc) {
            (DataSource::Mini, None) => self.drawn(progress, interrupt),
            (DataSource::Mini, Some(_)) => bail!(
                "experiment {} uses the embedded data: expected no --voc; the experiments on PASCAL VOC are voc2007 and voc2007-val",
                self.experiment
            ),
            (DataSource::Voc, Some(folder)) => Ok(folder.clone()),
            (DataSource::Own, _) => bail!(
                "experiment {} learns from photographs of your own: expected `fisherlens train DATA`",
                self.experiment
            ),
            (DataSource::Voc, None) => bail!(
                "experiment {} needs PASCAL VOC: download it with the command `fetch voc2007`, and give its devkit with --voc DIR",
                self.experiment
            ),
        }
    }
    /// The folder of the embedded photographs, which are drawn if they are not there yet.
    fn drawn(&self, progress: &Progress, interrupt: &Interrupt) -> Result<PathBuf> {
        let since = Instant::now();
        // Most runs find the photographs drawn, and then no bar appears.
        let bar = OnceLock::new();
        let drawn = fisherlens_mini_voc::ensure_while(&self.data, &|| {
            bar.get_or_init(|| progress.bar("embedded data", N_IMAGES as u64)).advance(1);
            !interrupt.is_raised()
        });
        let folder = match drawn {
            Err(MiniVocError::Stopped) => return Err(Interrupted.into()),
            drawn => drawn.context("cannot draw the embedded data")?,
        };
        if bar.get().is_some() {
            progress.computed("data", &format!("{N_IMAGES} images drawn into {}", folder.display()), since.elapsed());
        }
        Ok(folder)
    }
}
