//! `cargo xtask reproduce`: every stage in order, then the report.

use std::fmt::Write;
use std::time::Instant;

use anyhow::{Result, anyhow, bail};
use clap::ValueEnum;

use crate::cli::Reproduce;
use crate::experiment::Experiment;
use crate::interrupt::Interrupt;
use crate::progress::{Progress, duration};
use crate::run::Run;
use crate::session::{self, Session};
use crate::stages::Stage;
use crate::summary;

/// Runs the command.
///
/// # Errors
/// What the stages say.
pub fn run(arguments: &Reproduce, interrupt: &Interrupt) -> Result<()> {
    session::set_threads(arguments.selection.threads)?;
    if arguments.experiment.as_deref().is_some_and(super::is_with_network) {
        return super::network::reproduce(arguments, interrupt);
    }
    let since = Instant::now();
    if arguments.weights.is_some() || arguments.device != "cpu" {
        bail!("--weights and --device belong to experiments with a network: mini-cnn, voc2007-cnn")
    }
    let until = last_stage::<Stage>(arguments.until.as_deref())?;
    let session = Session::from_selection(arguments.experiment.as_deref(), &arguments.selection);
    let experiment = session.open(Progress::standard(), interrupt.clone())?;
    announce(&experiment);
    let run = Run::execute(&experiment, until)?;
    let folder =
        arguments.report.clone().unwrap_or_else(|| session::root().join("report").join(report_name(&experiment.name)));
    let data = summary::collect(&experiment, &run)?;
    let page = fisherlens_report::write(&data, &folder)?;
    experiment.progress.line(&format!("{:>12}  {}  ({} in all)", "report", page.display(), duration(since.elapsed())));
    Ok(())
}

/// The stage of that name, where one is named.
pub(super) fn last_stage<S: ValueEnum>(name: Option<&str>) -> Result<Option<S>> {
    let parse = |name| {
        S::from_str(name, false).map_err(|_| {
            let values = S::value_variants().iter().filter_map(ValueEnum::to_possible_value);
            let names: Vec<String> = values.map(|value| value.get_name().to_owned()).collect();
            anyhow!("--until {name}: this experiment has the stages {}", names.join(", "))
        })
    };
    name.map(parse).transpose()
}

/// The built-in name, or the stem of a settings file.
pub(super) fn report_name(experiment: &str) -> String {
    let stem = std::path::Path::new(experiment).file_stem();
    stem.map_or_else(|| "report".to_owned(), |stem| stem.to_string_lossy().into_owned())
}

fn announce(experiment: &Experiment) {
    let dataset = &experiment.dataset;
    let skipped = dataset.train.set.skipped.len() + dataset.test.set.skipped.len();
    let mut line = format!(
        "{:>12}  {}: {} images to learn from, {} to judge on, {} classes",
        "reproduce",
        experiment.name,
        dataset.train.len(),
        dataset.test.len(),
        dataset.classes().len()
    );
    if skipped > 0 {
        let _ = write!(line, ", {skipped} missing images skipped");
    }
    if !dataset.left_out.is_empty() {
        let _ = write!(line, "; without {}, of which the limited sets lack examples", dataset.left_out.join(", "));
    }
    experiment.progress.line(&line);
}
