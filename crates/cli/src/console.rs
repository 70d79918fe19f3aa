//! Output of the program: its answers on standard output, everything else on standard error.
//!
//! The reader may have closed the pipe already (`fisherlens explain … | head`). The files that the answers are about are still written, so
//! a line that cannot be written is dropped; `println!` would end the program before its work is done.

use std::fmt::{Display, Write as _};
use std::io::{ErrorKind, IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};

use fisherlens_files::{is_hidden, visible};
use serde::Serialize;

/// Prints one line of a command's answer. The arguments are those of [`println!`].
#[macro_export]
macro_rules! answer {
    ($($line:tt)*) => {
        $crate::console::print(format_args!($($line)*))
    };
}

/// Whether a line of an answer was lost for another reason than a closed pipe.
static LOST: AtomicBool = AtomicBool::new(false);

/// Writes one line to standard output. A closed pipe is ignored; another error, such as a full disk, is reported once and remembered.
pub fn print(line: impl Display) {
    write(&visible(&line.to_string()));
}

fn write(line: &str) {
    if let Err(error) = writeln!(std::io::stdout().lock(), "{line}")
        && error.kind() != ErrorKind::BrokenPipe
        && !LOST.swap(true, Ordering::Relaxed)
    {
        say(format_args!("error: cannot write to standard output: {error}"));
    }
}

/// Writes a value as one JSON document. Characters that a reader cannot see are written by their numbers, which JSON allows in all its texts.
///
/// # Errors
/// A value that JSON cannot hold.
pub fn print_json(value: &impl Serialize) -> serde_json::Result<()> {
    print_raw(&json(value)?);
    Ok(())
}

/// A JSON document for [`print_json`] or for a file.
pub(crate) fn json(value: &impl Serialize) -> serde_json::Result<String> {
    let text = serde_json::to_string_pretty(value)?;
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if is_hidden(character) {
            // All of them are below U+10000, so one unit is enough.
            let _ = write!(shown, "\\u{:04x}", u32::from(character));
        } else {
            shown.push(character);
        }
    }
    Ok(shown)
}

/// Writes lines for programs as they are. Only a terminal gets them as people may see them.
pub(crate) fn print_raw(lines: &str) {
    if std::io::stdout().is_terminal() {
        return print(lines);
    }
    write(lines);
}

/// Whether [`print()`] has lost a line.
pub(crate) fn is_incomplete() -> bool {
    LOST.load(Ordering::Relaxed)
}

/// Writes one line to standard error: progress, warnings, errors.
pub fn say(line: impl Display) {
    let _ = writeln!(std::io::stderr().lock(), "{}", visible(&line.to_string()));
}
