//! Commands for networks, in a program that was built without networks.

use anyhow::{Result, bail};
use fisherlens_cli::caller::Caller;
use fisherlens_experiment::interrupt::Interrupt;

use crate::cli::{Bench, Reproduce};

/// Refuses to run.
///
/// # Errors
/// Always; the message contains the command that works.
pub(crate) fn reproduce(arguments: &Reproduce, _: &Caller, _: &Interrupt) -> Result<()> {
    let experiment = arguments.experiment.as_deref().unwrap_or_default();
    bail!(
        "experiment {experiment} needs networks, but this program was built without them; run: cargo xtask-cnn reproduce {experiment} …"
    )
}

/// Refuses to run.
///
/// # Errors
/// Always; the message contains the command that works.
pub(crate) fn bench(_: &Bench, _: &Interrupt) -> Result<()> {
    bail!(
        "bench --weights needs networks, but this program was built without them; run: cargo xtask-cnn bench --weights …"
    )
}
