//! Commands for networks.

use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use fisherlens_cli::caller::Caller;
use fisherlens_cli::device::device;
use fisherlens_cli::division::last_stage;
use fisherlens_cli::terminal;
use fisherlens_experiment::interrupt::Interrupt;
use fisherlens_experiment::networks;
use fisherlens_experiment::networks::experiment::NetworkExperiment;
use fisherlens_experiment::networks::stage::NetworkStage;
use fisherlens_experiment::progress::duration;

use crate::cli::{Bench, Reproduce};

/// `cargo xtask-cnn reproduce`: retrains, scores, explains and measures a network, then writes the report.
///
/// # Errors
/// The errors of the stages.
pub(crate) fn reproduce(arguments: &Reproduce, caller: &Caller, interrupt: &Interrupt) -> Result<()> {
    let since = Instant::now();
    ensure!(arguments.division.shard.is_none(), "--shard: expected only for experiments without a network");
    let until = last_stage(arguments.until.as_deref(), &[], &NetworkStage::ALL, NetworkStage::short_name)?;
    let session = arguments.selection.session(arguments.experiment.as_deref(), caller);
    let device = device(&arguments.device)?;
    let weights = arguments.weights.as_deref();
    let experiment = NetworkExperiment::open(&session, weights, device, terminal::progress(), interrupt.clone())?;
    let dataset = &experiment.core.dataset;
    let line = format!(
        "{}: {}, {} training images, {} test images, {} classes",
        experiment.core.name,
        experiment.settings.network.architecture,
        dataset.train.len(),
        dataset.test.len(),
        dataset.classes().len()
    );
    experiment.core.progress.stage_line("reproduce", &line);
    let folder = arguments.report_folder(&experiment.core.name);
    let (page, took) = (networks::run::run(&experiment, &session, &folder, until)?, duration(since.elapsed()));
    let (label, text) = match page {
        Some(page) => ("report", page.display().to_string()),
        None => ("no report", "stopped after the stage of --until".to_owned()),
    };
    experiment.core.progress.stage_line(label, &format!("{text}  ({took} in total)"));
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
