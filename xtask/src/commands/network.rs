//! Commands for networks.

use std::time::Instant;

use anyhow::{Context as _, Result};
use fisherlens_cli::device::device;
use fisherlens_cli::explain::Caller;
use fisherlens_cli::terminal;
use fisherlens_experiment::interrupt::Interrupt;
use fisherlens_experiment::networks;
use fisherlens_experiment::networks::experiment::NetworkExperiment;
use fisherlens_experiment::networks::stage::NetworkStage;
use fisherlens_experiment::progress::duration;

use crate::cli::{Bench, Reproduce};
use crate::commands::reproduce::{last_stage, report_name};

/// `cargo xtask-cnn reproduce`: retrains, scores, explains and measures a network, then writes the report.
///
/// # Errors
/// The errors of the stages.
pub(crate) fn reproduce(arguments: &Reproduce, caller: &Caller, interrupt: &Interrupt) -> Result<()> {
    let since = Instant::now();
    let until = last_stage(&NetworkStage::ALL, NetworkStage::short_name, arguments.until.as_deref())?;
    let session = arguments.selection.session(arguments.experiment.as_deref(), &caller.folder, caller.program.clone());
    let device = device(&arguments.device)?;
    let weights = arguments.weights.as_deref();
    let experiment = NetworkExperiment::open(&session, weights, device, terminal::progress(), interrupt.clone())?;
    let dataset = &experiment.core.dataset;
    experiment.core.progress.line(&format!(
        "{:>12}  {}: {}, {} training images, {} test images, {} classes",
        "reproduce",
        experiment.core.name,
        experiment.settings.network.architecture,
        dataset.train.len(),
        dataset.test.len(),
        dataset.classes().len()
    ));
    let folder = arguments
        .report
        .clone()
        .unwrap_or_else(|| crate::root().join("report").join(report_name(&experiment.core.name)));
    let (page, took) = (networks::run::run(&experiment, &session, &folder, until)?, duration(since.elapsed()));
    let line = match page {
        Some(page) => format!("{:>12}  {}  ({took} in total)", "report", page.display()),
        None => format!("{:>12}  stopped after the stage of --until  ({took} in total)", "no report"),
    };
    experiment.core.progress.line(&line);
    Ok(())
}

/// `cargo xtask-cnn bench --weights …`.
///
/// # Errors
/// See [`fisherlens_bench::network::run`].
pub(crate) fn bench(arguments: &Bench, interrupt: &Interrupt) -> Result<()> {
    let weights = arguments.weights.as_deref().context("--weights is missing")?;
    fisherlens_bench::network::run(weights, arguments.python.as_deref(), arguments.no_peers, interrupt)
}
