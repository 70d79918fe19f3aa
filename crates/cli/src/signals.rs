//! Ctrl-C, and the exit code of a command.

use std::process::ExitCode;

use anyhow::Result;
use fisherlens_experiment::interrupt::{Interrupt, Interrupted};

use crate::console::{is_incomplete, say};

/// Exit code of a command that was stopped by Ctrl-C, as shells use it: 128 plus the number of SIGINT.
const STOPPED: u8 = 130;

/// Runs a command and turns its result into an exit code: 0 for success, 1 for an error, 130 for a command that was stopped.
/// (Wrong arguments end with 2, before this function is called.)
///
/// The first Ctrl-C asks the command to stop after the image that it works on. The second one ends the program at once; finished
/// artifacts are safe even then.
pub fn run(command: impl FnOnce(&Interrupt) -> Result<()>) -> ExitCode {
    let interrupt = Interrupt::default();
    let raised = interrupt.clone();
    let handler = ctrlc::set_handler(move || {
        if raised.is_raised() {
            std::process::exit(i32::from(STOPPED));
        }
        raised.raise();
    });
    match handler.map_err(anyhow::Error::from).and_then(|()| command(&interrupt)) {
        // The answer itself could not be written.
        Ok(()) if is_incomplete() => ExitCode::FAILURE,
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(format_args!("error: {error:#}"));
            ExitCode::from(if error.is::<Interrupted>() { STOPPED } else { 1 })
        }
    }
}
