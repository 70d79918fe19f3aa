//! `cargo xtask reproduce`: runs every stage in order, then writes the report.

use std::fmt::Write;
use std::time::Instant;

use anyhow::{Result, bail};
use fisherlens_cli::caller::Caller;
use fisherlens_cli::division::last_stage;
use fisherlens_experiment::experiment::Experiment;
use fisherlens_experiment::interrupt::Interrupt;
use fisherlens_experiment::photographs;
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
    let session = arguments.selection.session(arguments.experiment.as_deref(), caller);
    if arguments.division.look(arguments.until.as_deref(), &session, interrupt)? {
        return Ok(());
    }
    let until = last_stage(arguments.until.as_deref(), &[photographs::NAME], &Stage::ALL, Stage::name)?;
    let experiment = arguments.selection.open(arguments.experiment.as_deref(), caller, interrupt)?;
    announce(&experiment);
    if arguments.division.compute(&experiment, until)? {
        return Ok(());
    }
    let run = Run::execute(&experiment, until)?;
    let folder = arguments.report_folder(&experiment.core.name);
    let data = summary::collect(&experiment, &run)?;
    let page = fisherlens_report::write(&data, &folder)?;
    let took = duration(since.elapsed());
    experiment.core.progress.stage_line("report", &format!("{}  ({took} in total)", page.display()));
    Ok(())
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
        let _ = write!(line, "; left out: {}", dataset.left_out.join(", "));
    }
    experiment.core.progress.stage_line("reproduce", &line);
}
