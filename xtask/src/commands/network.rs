//! Commands for networks.

use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use fisherlens_cnn::Device;

use super::reproduce::{last_stage, report_name};
use crate::cli::{Bench, Explain, Reproduce};
use crate::interrupt::Interrupt;
use crate::networks::{self, NetworkExperiment, NetworkStage};
use crate::progress::{Progress, duration};
use crate::session::{self, Session};

/// `cargo xtask-cnn reproduce`: retrains, scores, explains and measures a network, then writes the report.
///
/// # Errors
/// What the stages say.
pub fn reproduce(arguments: &Reproduce, interrupt: &Interrupt) -> Result<()> {
    let since = Instant::now();
    let until = last_stage::<NetworkStage>(arguments.until.as_deref())?;
    let session = Session::from_selection(arguments.experiment.as_deref(), &arguments.selection);
    let device = device(&arguments.device)?;
    let weights = arguments.weights.as_deref();
    let experiment = NetworkExperiment::open(&session, weights, device, Progress::standard(), interrupt.clone())?;
    let dataset = &experiment.dataset;
    experiment.progress.line(&format!(
        "{:>12}  {}: {}, {} images to learn from, {} to judge on, {} classes",
        "reproduce",
        experiment.name,
        experiment.settings.network.architecture,
        dataset.train.len(),
        dataset.test.len(),
        dataset.classes().len()
    ));
    let folder =
        arguments.report.clone().unwrap_or_else(|| session::root().join("report").join(report_name(&experiment.name)));
    let (page, took) = (networks::run::run(&experiment, &session, &folder, until)?, duration(since.elapsed()));
    let line = match page {
        Some(page) => format!("{:>12}  {}  ({took} in all)", "report", page.display()),
        None => format!("{:>12}  stopped there, as --until says  ({took} in all)", "no report"),
    };
    experiment.progress.line(&line);
    Ok(())
}

/// `cargo xtask-cnn explain --network …`: heatmaps of photographs by networks, and a panel of them.
///
/// # Errors
/// Weights that do not fit, an unknown class or composite, an unreadable photograph.
pub fn explain(arguments: &Explain, interrupt: &Interrupt) -> Result<()> {
    networks::explain::run(arguments, device(&arguments.networks.device)?, interrupt)
}

/// `cargo xtask-cnn bench --weights …`.
///
/// # Errors
/// See [`networks::bench::run`].
pub fn bench(arguments: &Bench, interrupt: &Interrupt) -> Result<()> {
    let weights = arguments.weights.as_deref().context("--weights")?;
    networks::bench::run(weights, arguments.python.as_deref(), arguments.no_peers, interrupt)
}

/// A device by its name.
///
/// # Errors
/// One that the program was built without, with the feature to build it with.
pub fn device(name: &str) -> Result<Device> {
    match name {
        "cpu" => Ok(Device::flex()),
        #[cfg(feature = "cuda")]
        "cuda" => Ok(Device::cuda(0_usize)),
        #[cfg(feature = "webgpu")]
        "webgpu" => Ok(fisherlens_cnn::webgpu()),
        #[cfg(feature = "metal")]
        "metal" => Ok(fisherlens_cnn::metal()),
        #[cfg(not(all(feature = "cuda", feature = "webgpu", feature = "metal")))]
        name if ["cuda", "webgpu", "metal"].contains(&name) => bail!(
            "--device {name}: this program was built without it; run `cargo run --release --package fisherlens-xtask --features \
             {name} --bin xtask -- …`"
        ),
        _ => bail!("--device {name}: expected cpu, cuda, webgpu or metal"),
    }
}
