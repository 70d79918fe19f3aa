//! `cargo xtask`: parses the command line and calls the crates below.

mod cli;
mod commands;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use fisherlens_cli::caller::Caller;
use fisherlens_cli::explain;
use fisherlens_cli::signals;
use fisherlens_experiment::provenance::Program;

use crate::cli::{Cli, Command};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let caller = caller();
    signals::run(|interrupt| match &cli.command {
        Command::Reproduce(arguments) => commands::reproduce::run(arguments, &caller, interrupt),
        Command::Status(arguments) => commands::status::run(arguments, &caller),
        Command::Clean(arguments) => commands::clean::run(arguments, &caller),
        Command::Explain(arguments) => explain::run(arguments, &caller, interrupt),
        Command::Export(arguments) => commands::export::run(arguments, &caller, interrupt),
        Command::Conservation(arguments) => commands::conservation::run(arguments, &caller, interrupt),
        Command::Bench(arguments) => commands::bench::run(arguments, interrupt),
    })
}

/// The folder of the checkout in which this program was built, or the current folder if the checkout no longer exists.
fn root() -> PathBuf {
    let built_in = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    built_in.canonicalize().unwrap_or_else(|_| PathBuf::from("."))
}

/// This program, with the versions of the lock file that it was built with. Its experiments are stored in the checkout's folder `data`.
fn caller() -> Caller {
    let root = root();
    let program = Program::of_checkout("cargo xtask", &root, include_str!("../../Cargo.lock"));
    Caller { folder: root.join("data"), program }
}
