//! Output of the program: its answers on standard output, everything else on standard error.
//!
//! The reader may have closed the pipe already (`fisherlens explain … | head`). The files that the answers are about are still written, so
//! a line that cannot be written is dropped; `println!` would end the program before its work is done.

use std::fmt::Display;
use std::io::Write as _;

/// Prints one line of a command's answer. The arguments are those of [`println!`].
#[macro_export]
macro_rules! answer {
    ($($line:tt)*) => {
        $crate::console::print(format_args!($($line)*))
    };
}

/// Writes one line to standard output.
pub fn print(line: impl Display) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// Writes one line to standard error: progress, warnings, errors.
pub fn say(line: impl Display) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}
