//! `cargo xtask bench`: every hot stage beside its peer and the machine's limit.

use anyhow::Result;

use crate::bench::{self, Options, Outputs};
use crate::cli::Bench;
use crate::interrupt::Interrupt;

/// Runs the command.
///
/// # Errors
/// See [`bench::run`].
pub fn run(arguments: &Bench, interrupt: &Interrupt) -> Result<()> {
    let options = Options {
        quick: arguments.quick,
        repeats: arguments.repeats.map(|repeats| repeats as usize),
        image: arguments.image.clone(),
        vlfeat: arguments.vlfeat.clone(),
        python: arguments.python.clone(),
        no_peers: arguments.no_peers,
    };
    let outputs = Outputs { json: arguments.json.clone(), markdown: arguments.markdown.clone() };
    bench::run(&arguments.rows, &options, &outputs, interrupt)
}
