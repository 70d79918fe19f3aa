//! `cargo xtask reproduce`: runs every stage in order, then writes the report.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use fisherlens_cli::caller::Caller;
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
    let experiment = arguments.selection.open(arguments.experiment.as_deref(), caller, interrupt)?;
    announce(&experiment);
    let run = Run::execute(&experiment, until)?;
    let folder = report_folder(arguments, &experiment.core.name);
    let data = summary::collect(&experiment, &run)?;
    let page = fisherlens_report::write(&data, &folder)?;
    let took = duration(since.elapsed());
    experiment.core.progress.stage_line("report", &format!("{}  ({took} in total)", page.display()));
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

/// The folder of the report: the one that the arguments name, or else one with the name of the experiment or of its settings file.
pub(crate) fn report_folder(arguments: &Reproduce, experiment: &str) -> PathBuf {
    let name = Path::new(experiment).file_stem().unwrap_or_else(|| "report".as_ref());
    arguments.report.clone().unwrap_or_else(|| crate::root().join("report").join(name))
}

fn announce(experiment: &Experiment) {
    let dataset = &experiment.core.dataset;
    let skipped = dataset.train.set.skipped.len() + dataset.test.set.skipped.len();
    let mut line = format!(
        "{}: {} training images, {} test images, {} classes",
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
    experiment.core.progress.stage_line("reproduce", &line);
}
