//! `report`: one page about a model on labelled photographs: quality, the surest mistakes with heatmaps, context, examples.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context as _, Result};
use clap::Args;
use clap::builder::TypedValueParser as _;
use fisherlens_experiment::experiment::Experiment;
use fisherlens_experiment::interrupt::Interrupt;
use fisherlens_experiment::judged::JudgedModel;
use fisherlens_experiment::progress::duration;
use fisherlens_experiment::quality::{Quality, opened};
use fisherlens_experiment::run::Run;
use fisherlens_experiment::stage::Stage;
use fisherlens_experiment::summary;
use fisherlens_lrp::Rule;

use crate::arguments::{distinct, start_threads};
use crate::caller::{Caller, PROGRAM};
use crate::own_data::{OwnData, ensure_folder};
use crate::quality::Answer;
use crate::terminal;

/// The stages that judge a given model. The vectors of the training half are not needed.
const JUDGE: [Stage; 4] = [Stage::Scores, Stage::Calibration, Stage::Relevance, Stage::Context];

/// `report`
#[derive(Debug, Clone, Args)]
pub struct Report {
    /// The photographs.
    #[command(flatten)]
    pub data: OwnData,
    /// The model file, written by `train`
    #[arg(long, value_name = "FILE")]
    pub model: PathBuf,
    /// Folder of the page, its figures and tables
    #[arg(long, value_name = "DIR", default_value = "report")]
    pub out: PathBuf,
    /// Judge the model on all images, not only on the test half: for images that it did not learn from
    #[arg(long, conflicts_with_all = ["test_share", "group", "keep_near"])]
    pub all: bool,
    /// The rule of the heatmaps: naive, epsilon=NUMBER or absolute (may be repeated); default: the rule that the model names, naive and absolute
    #[arg(long = "rule", value_name = "RULE")]
    pub rules: Vec<Rule>,
    /// Number of best and of worst test images that are shown per class
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(..=1000).map(|n| n as usize))]
    pub examples: Option<usize>,
    /// Print one JSON document instead of a table
    #[arg(long)]
    pub json: bool,
}

/// Runs the command.
///
/// # Errors
/// Photographs or a model that cannot be used; images that have none of the model's classes; the errors of the stages and of the page.
pub fn run(arguments: &Report, caller: &Caller, interrupt: &Interrupt) -> Result<()> {
    start_threads(arguments.data.threads)?;
    let since = Instant::now();
    ensure_folder("--out", &arguments.out)?;
    let mut judged = JudgedModel::read(&arguments.model)?;
    if !arguments.rules.is_empty() {
        judged.rules = distinct(arguments.rules.clone());
    }
    judged.n_examples = arguments.examples;
    let mut session = arguments.data.session("fast", &[], caller);
    if let Some(own) = &mut session.own {
        own.all_tested = arguments.all;
    }
    session.judged = Some(judged);
    let experiment = Experiment::open(&session, terminal::progress(), interrupt.clone())?;
    experiment.core.progress.stage_line("report", &opened(&experiment.core.dataset));
    let run = Run::execute_only(&experiment, &JUDGE)?;
    let quality = Quality::of(&experiment, &run)?;
    let data = summary::collect(&experiment, &run)?;
    let page = fisherlens_report::write(&data, &arguments.out).context("cannot write the page")?.display().to_string();
    let last = format!("{page}  ({})", duration(since.elapsed()));
    let (model, seconds) = (arguments.model.display().to_string(), since.elapsed().as_secs_f64());
    Answer { program: PROGRAM, model, page: Some(page), quality, seconds }.print(arguments.json, &last)
}
