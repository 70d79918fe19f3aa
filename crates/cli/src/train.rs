//! `train`: a model from labelled photographs of one's own, with its quality on photographs that it did not learn from.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Result, ensure};
use clap::Args;
use fisherlens_artifact::Header;
use fisherlens_experiment::experiment::Experiment;
use fisherlens_experiment::interrupt::Interrupt;
use fisherlens_experiment::learning::{self, LEARN_AND_JUDGE, Learned};
use fisherlens_experiment::photographs;
use fisherlens_experiment::progress::duration;
use fisherlens_experiment::quality::opened;
use fisherlens_experiment::run::Run;
use fisherlens_experiment::stage::Stage;
use fisherlens_experiment::summary;
use fisherlens_model::{Model, Precision};

use crate::arguments::start_threads;
use crate::caller::{Caller, PROGRAM};
use crate::division::{Division, last_stage};
use crate::own_data::{OwnData, ensure_folder};
use crate::quality::Answer;
use crate::terminal;

/// `train`
#[derive(Debug, Clone, Args)]
pub struct Train {
    /// The photographs.
    #[command(flatten)]
    pub data: OwnData,
    /// The model file that is written
    #[arg(long, value_name = "FILE", default_value = "model.flm")]
    pub out: PathBuf,
    /// `fast`, `paper` (the settings of the paper), or a settings file with data.source = "own"
    #[arg(long, value_name = "PRESET", default_value = "fast")]
    pub preset: String,
    /// Change a setting of the preset, such as `mixture.n_components=64` (may be repeated)
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Stop after this stage, without a model: photographs, sample, pca, mixture, encode, classifier, scores or calibration
    #[arg(long, value_name = "STAGE", conflicts_with_all = ["report", "json"])]
    pub until: Option<String>,
    /// Which share of the stage this process computes.
    #[command(flatten)]
    pub division: Division,
    /// Also write an HTML page into this folder: quality, the best and the worst test images with heatmaps, and context where boxes exist
    #[arg(long, value_name = "DIR")]
    pub report: Option<PathBuf>,
    /// Print one JSON document instead of a table
    #[arg(long)]
    pub json: bool,
}

/// Runs the command.
///
/// # Errors
/// Photographs or settings that cannot be used; the errors of the stages and of the file.
pub fn run(arguments: &Train, caller: &Caller, interrupt: &Interrupt) -> Result<()> {
    start_threads(arguments.data.threads)?;
    let since = Instant::now();
    // Found out now, so that no training ends with a file that cannot be written.
    let folder = fisherlens_files::folder_of(&arguments.out);
    ensure!(
        folder.is_dir(),
        "--out {}: there is no folder {}; make it first",
        arguments.out.display(),
        folder.display()
    );
    ensure!(!arguments.out.is_dir(), "--out {}: expected a file, found a folder", arguments.out.display());
    ensure!(
        !arguments.out.exists() || is_model_name(&arguments.out) || Model::read(&arguments.out).is_ok(),
        "--out {}: there is a file that is no model; choose a name that ends in .flm, or remove the file first",
        arguments.out.display()
    );
    if let Some(folder) = &arguments.report {
        ensure_folder("--report", folder)?;
    }
    let session = arguments.data.session(&arguments.preset, &arguments.set, caller);
    if arguments.division.look(arguments.until.as_deref(), &session, interrupt)? {
        return Ok(());
    }
    let until = last_stage(arguments.until.as_deref(), &[photographs::NAME], &LEARN_AND_JUDGE, Stage::name)?;
    let experiment = Experiment::open(&session, terminal::progress(), interrupt.clone())?;
    let dataset = &experiment.core.dataset;
    experiment.core.progress.stage_line("train", &opened(dataset));
    if arguments.division.compute(&experiment, until)? {
        return Ok(());
    }
    if let Some(until) = until {
        Run::execute(&experiment, Some(until))?;
        return Ok(());
    }
    let shown: &[Stage] = if arguments.report.is_some() { &[Stage::Relevance, Stage::Context] } else { &[] };
    let Learned { model, quality, run } = learning::learn(&experiment, shown)?;
    let header = Header::new(&experiment.settings, 0.0)?;
    // In full, so that the file gives the scores that were judged.
    let n_bytes = model.write(&arguments.out, &header, Precision::Whole)?;
    let mut page = None;
    if let Some(folder) = &arguments.report {
        let data = summary::collect(&experiment, &run)?;
        let path = fisherlens_report::write(&data, folder)?.display().to_string();
        experiment.core.progress.stage_line("report", &path);
        page = Some(path);
    }
    let model = arguments.out.display().to_string();
    let last = format!("{model}  {:.1} MB  ({})", n_bytes as f64 / 1e6, duration(since.elapsed()));
    let seconds = since.elapsed().as_secs_f64();
    Answer { program: PROGRAM, model, page, quality, seconds }.print(arguments.json, &last)
}

/// Whether the name of a file says that it is a model.
fn is_model_name(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "flm")
}
