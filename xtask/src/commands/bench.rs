//! `cargo xtask bench`: measures every expensive stage, and compares it with its peer and with the machine's limit.

use anyhow::Result;
use fisherlens_bench::{self as bench, Options, Outputs, Voc};
use fisherlens_cli::console::say;
use fisherlens_experiment::interrupt::Interrupt;

use crate::cli::Bench;

/// Runs the command.
///
/// # Errors
/// See [`bench::run`].
pub(crate) fn run(arguments: &Bench, interrupt: &Interrupt) -> Result<()> {
    if cfg!(debug_assertions) {
        say("note: this build checks for integer overflow, which costs time; measure with `cargo xtask-release bench`");
    }
    if arguments.weights.is_some() {
        return super::network::bench(arguments, interrupt);
    }
    let options = Options {
        quick: arguments.quick,
        repeats: arguments.repeats.map(|repeats| repeats as usize),
        image: arguments.image.clone(),
        vlfeat: arguments.vlfeat.clone(),
        python: arguments.python.clone(),
        no_peers: arguments.no_peers,
        voc: arguments.voc.clone().map(|folder| Voc {
            folder,
            allow_missing: arguments.allow_missing,
            artifacts: arguments.artifacts.clone(),
        }),
    };
    if let Some(word) = &arguments.alone {
        return bench::alone(word, &options);
    }
    if arguments.instructions {
        return bench::count_instructions(arguments.update);
    }
    let outputs = Outputs { json: arguments.json.clone(), markdown: arguments.markdown.clone() };
    bench::run(&arguments.rows, &options, &outputs, interrupt)
}
