//! Ctrl-C and the other signals that ask a program to end, and the exit code of a command.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Result;
use fisherlens_experiment::interrupt::{Interrupt, Interrupted};
use signal_hook::consts;
use signal_hook::flag;

use crate::console::{is_incomplete, say};

/// The signals that ask a program to end, and the exit codes of a command that they stopped, as shells use them: 128 plus the number of the
/// signal.
#[cfg(unix)]
const SIGNALS: [(i32, u8); 3] = [(consts::SIGINT, 130), (consts::SIGTERM, 143), (consts::SIGHUP, 129)];
#[cfg(not(unix))]
const SIGNALS: [(i32, u8); 2] = [(consts::SIGINT, 130), (consts::SIGTERM, 143)];

/// Runs a command and turns its result into an exit code: 0 for success, 1 for an error, 130, 143 or 129 for a command that Ctrl-C, SIGTERM or
/// SIGHUP stopped. (Wrong arguments end with 2, before this function is called.)
///
/// The first signal asks the command to stop after the image that it works on. The second one ends the program at once; finished artifacts
/// are safe even then. A signal that the caller ignores, as `nohup` does with SIGHUP, stays ignored.
pub fn run(command: impl FnOnce(&Interrupt) -> Result<()>) -> ExitCode {
    let interrupt = Interrupt::default();
    let stopped_with = Arc::new(AtomicUsize::new(usize::from(SIGNALS[0].1)));
    let listening = SIGNALS.iter().filter(|(signal, _)| !is_ignored(*signal)).try_for_each(|&(signal, code)| {
        flag::register_conditional_shutdown(signal, i32::from(code), interrupt.flag())?;
        flag::register_usize(signal, Arc::clone(&stopped_with), usize::from(code))?;
        flag::register(signal, interrupt.flag()).map(|_| ())
    });
    match listening.map_err(anyhow::Error::from).and_then(|()| command(&interrupt)) {
        // The answer itself could not be written.
        Ok(()) if is_incomplete() => ExitCode::FAILURE,
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(format_args!("error: {error:#}"));
            let stopped = || u8::try_from(stopped_with.load(Ordering::Relaxed)).unwrap_or(1);
            ExitCode::from(if error.is::<Interrupted>() { stopped() } else { 1 })
        }
    }
}

/// Whether the caller of this program ignores the signal. Where the system does not tell, only SIGHUP counts as ignored: without a handler it
/// ends the program at once, or not at all.
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    match mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()) {
        Some(mask) => mask >> (signal - 1) & 1 == 1,
        None => SIGNALS.iter().skip(2).any(|(hangup, _)| *hangup == signal),
    }
}
