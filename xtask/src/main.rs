//! `cargo xtask`: parses the command line and calls the crates below.

mod checkout;
mod cli;
mod commands;

use std::process::ExitCode;

use clap::Parser;
use fisherlens_cli::signals;
use fisherlens_cli::{explain, fetch};

use crate::cli::{Cli, Command};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let caller = checkout::caller();
    signals::run(|interrupt| match &cli.command {
        Command::Reproduce(arguments) => commands::reproduce::run(arguments, &caller, interrupt),
        Command::Fetch(arguments) => fetch::run(arguments, interrupt),
        Command::Status(arguments) => commands::status::run(arguments, &caller),
        Command::Clean(arguments) => commands::clean::run(arguments, &caller),
        Command::Explain(arguments) => explain::run(arguments, &caller, interrupt),
        Command::Export(arguments) => commands::export::run(arguments, &caller, interrupt),
        Command::Conservation(arguments) => commands::conservation::run(arguments, &caller, interrupt),
        Command::Bench(arguments) => commands::bench::run(arguments, interrupt),
    })
}
