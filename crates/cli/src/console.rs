//! Output of the program: its answers on standard output, everything else on standard error.
//!
//! The reader may have closed the pipe already (`fisherlens explain … | head`). The files that the answers are about are still written, so
//! a line that cannot be written is dropped; `println!` would end the program before its work is done.

use std::fmt::Display;
use std::io::{ErrorKind, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};

use fisherlens_files::visible;

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
    if let Err(error) = writeln!(std::io::stdout().lock(), "{}", visible(&line.to_string()))
        && error.kind() != ErrorKind::BrokenPipe
        && !LOST.swap(true, Ordering::Relaxed)
    {
        say(format_args!("error: cannot write to standard output: {error}"));
    }
}

/// Whether [`print()`] has lost a line.
pub(crate) fn is_incomplete() -> bool {
    LOST.load(Ordering::Relaxed)
}

/// Writes one line to standard error: progress, warnings, errors.
pub fn say(line: impl Display) {
    let _ = writeln!(std::io::stderr().lock(), "{}", visible(&line.to_string()));
}
