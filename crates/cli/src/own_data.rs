//! The arguments that name labelled photographs of one's own. `train` and `report` share them.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::Args;
use clap::builder::TypedValueParser as _;
use fisherlens_dataset::{Missing, Opening, SplitOptions};
use fisherlens_experiment::own::OwnPhotographs;
use fisherlens_experiment::session::Session;

use crate::caller::Caller;

/// Labelled photographs of one's own, and how they are divided.
#[derive(Debug, Clone, Args)]
pub struct OwnData {
    /// Class folders, a table (.csv or .tsv with the columns path and label), COCO's instances (.json), or VOC's XML beside the images
    #[arg(value_name = "DATA")]
    pub data: PathBuf,
    /// The folder that paths in a table or in COCO's JSON are relative to; default: the folder of that file
    #[arg(long, value_name = "DIR")]
    pub images: Option<PathBuf>,
    /// Never divide images with the same value of this column (a photographer, a patient) between training and test
    #[arg(long, value_name = "COLUMN")]
    pub group: Option<String>,
    /// Share of the images that are tested on, if the data give no split (default: 0.25)
    #[arg(long, value_name = "SHARE")]
    pub test_share: Option<f64>,
    /// Keep nearly equal photographs together, in training or in test
    #[arg(long)]
    pub keep_near: bool,
    /// Refuse photographs that are missing or cannot be used, instead of skipping and counting them. A table or JSON with a faulty entry is always
    /// refused
    #[arg(long)]
    pub strict: bool,
    /// Follow symbolic links that lead out of the folder
    #[arg(long)]
    pub follow_links: bool,
    /// Use only N images of each half, evenly spread
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..).map(|n| n as usize))]
    pub limit: Option<usize>,
    /// Number of threads (0: one per core); the results do not depend on it
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = crate::arguments::threads())]
    pub threads: usize,
    /// Folder in which finished steps are stored; default: the user's cache folder
    #[arg(long, value_name = "DIR")]
    pub artifacts: Option<PathBuf>,
}

impl OwnData {
    /// The session of an experiment on these photographs.
    pub(crate) fn session(&self, preset: &str, set: &[String], caller: &Caller) -> Session {
        let missing = if self.strict { Missing::Refuse } else { Missing::Skip };
        let opening = Opening { missing, follow_links: self.follow_links, images: self.images.clone() };
        Session {
            set: set.to_vec(),
            own: Some(OwnPhotographs {
                path: self.data.clone(),
                opening,
                split: SplitOptions { test_share: self.test_share, group: self.group.clone() },
                near_together: self.keep_near,
                all_tested: false,
            }),
            missing,
            limit: self.limit,
            artifacts: caller.artifacts(self.artifacts.as_deref()),
            program: caller.program.clone(),
            ..Session::new(preset, &caller.folder)
        }
    }
}

/// Makes the folder of a page unless it is there, so that no long computation ends with a page that cannot be written.
///
/// # Errors
/// A folder that cannot be made.
pub(crate) fn ensure_folder(option: &str, folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("{option} {}: cannot make the folder", folder.display()))
}
