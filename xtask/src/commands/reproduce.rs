//! `cargo xtask reproduce`: runs every stage in order, then writes the report.

use std::fmt::Write;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use fisherlens_cli::explain::Caller;
use fisherlens_cli::terminal;
use fisherlens_experiment::experiment::Experiment;
use fisherlens_experiment::interrupt::Interrupt;
use fisherlens_experiment::progress::duration;
use fisherlens_experiment::run::Run;
use fisherlens_experiment::stage::Stage;
use fisherlens_experiment::summary;

use crate::cli::Reproduce;

/// Runs the command.
///
/// # Errors
/// The errors of the stages.
pub(crate) fn run(arguments: &Reproduce, caller: &Caller, interrupt: &Interrupt) -> Result<()> {
    arguments.selection.start_threads()?;
    if arguments.experiment.as_deref().is_some_and(super::is_with_network) {
        return super::network::reproduce(arguments, caller, interrupt);
    }
    let since = Instant::now();
    if arguments.weights.is_some() || arguments.device != "cpu" {
        bail!("--weights and --device: expected only for experiments with a network, such as mini-cnn and voc2007-cnn")
    }
    let until = last_stage(&Stage::ALL, Stage::name, arguments.until.as_deref())?;
    let session = arguments.selection.session(arguments.experiment.as_deref(), &caller.folder, caller.program.clone());
    let experiment = Experiment::open(&session, terminal::progress(), interrupt.clone())?;
    announce(&experiment);
    let run = Run::execute(&experiment, until)?;
    let folder = arguments
        .report
        .clone()
        .unwrap_or_else(|| crate::root().join("report").join(report_name(&experiment.core.name)));
    let data = summary::collect(&experiment, &run)?;
    let page = fisherlens_report::write(&data, &folder)?;
    experiment.core.progress.line(&format!(
        "{:>12}  {}  ({} in total)",
        "report",
        page.display(),
        duration(since.elapsed())
    ));
    Ok(())
}

/// The stage called `name`; `None` without a name.
pub(crate) fn last_stage<S: Copy>(
    stages: &[S],
    name_of: fn(S) -> &'static str,
    name: Option<&str>,
) -> Result<Option<S>> {
    let Some(name) = name else { return Ok(None) };
    let stage = stages.iter().copied().find(|&stage| name_of(stage) == name);
    stage.map(Some).with_context(|| {
        let names: Vec<&str> = stages.iter().map(|&stage| name_of(stage)).collect();
        format!("--until {name}: expected one of {}", names.join(", "))
    })
}

/// Name of the report's folder: the name of a built-in experiment, or the stem of a settings file.
pub(crate) fn report_name(experiment: &str) -> String {
    let stem = std::path::Path::new(experiment).file_stem();
    stem.map_or_else(|| "report".to_owned(), |stem| stem.to_string_lossy().into_owned())
}

fn announce(experiment: &Experiment) {
    let dataset = &experiment.core.dataset;
    let skipped = dataset.train.set.skipped.len() + dataset.test.set.skipped.len();
    let mut line = format!(
        "{:>12}  {}: {} training images, {} test images, {} classes",
        "reproduce",
        experiment.core.name,
        dataset.train.len(),
        dataset.test.len(),
        dataset.classes().len()
    );
    if skipped > 0 {
        let _ = write!(line, ", {skipped} missing images skipped");
    }
    if !dataset.left_out.is_empty() {
        let _ = write!(line, "; left out because the limited sets lack examples: {}", dataset.left_out.join(", "));
    }
    experiment.core.progress.line(&line);
}
