//! What commands for networks say in a program built without them.

use anyhow::{Result, bail};
use fisherlens_cli::explain::Caller;
use fisherlens_experiment::interrupt::Interrupt;

use crate::cli::{Bench, Reproduce};

/// Refuses.
///
/// # Errors
/// Always, with the command that does it.
pub(crate) fn reproduce(arguments: &Reproduce, _: &Caller, _: &Interrupt) -> Result<()> {
    let experiment = arguments.experiment.as_deref().unwrap_or_default();
    bail!(
        "experiment {experiment} needs the networks, which this program was built without: cargo xtask-cnn reproduce {experiment} …"
    )
}

/// Refuses.
///
/// # Errors
/// Always, with the command that does it.
pub(crate) fn bench(_: &Bench, _: &Interrupt) -> Result<()> {
    bail!("bench --weights needs the networks, which this program was built without: cargo xtask-cnn bench --weights …")
}
