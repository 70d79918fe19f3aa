//! `cargo xtask`: parses the command line and hands over to the library.

use std::process::ExitCode;

use clap::Parser;
use fisherlens_xtask::cli::{Cli, Command};
use fisherlens_xtask::interrupt::{Interrupt, Interrupted};
use fisherlens_xtask::{commands, console};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let interrupt = Interrupt::default();
    let raised = interrupt.clone();
    // A second Ctrl-C ends the program at once; finished artifacts are safe even then.
    let handler = ctrlc::set_handler(move || {
        if raised.is_raised() {
            std::process::exit(130);
        }
        raised.raise();
    });
    let result = handler.map_err(anyhow::Error::from).and_then(|()| match cli.command {
        Command::Reproduce(arguments) => commands::reproduce::run(&arguments, &interrupt),
        Command::Status(arguments) => commands::status::run(&arguments),
        Command::Clean(arguments) => commands::clean::run(&arguments),
        Command::Explain(arguments) => commands::explain::run(&arguments, &interrupt),
        Command::Export(arguments) => commands::export::run(&arguments, &interrupt),
        Command::Conservation(arguments) => commands::conservation::run(&arguments, &interrupt),
        Command::Bench(arguments) => commands::bench::run(&arguments, &interrupt),
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            console::say(format_args!("error: {error:#}"));
            ExitCode::from(if error.is::<Interrupted>() { 130 } else { 1 })
        }
    }
}
