//! What the program says: its answers on standard output, everything else on standard error.
//!
//! Whoever was listening may have gone (`cargo xtask explain … | head`). The pictures and artifacts that the words are
//! about are made all the same, so what cannot be said is dropped: `println!` would end the program in the middle.

use std::fmt::Display;
use std::io::Write as _;

/// One line of a command's answer, as [`println!`] takes it.
macro_rules! answer {
    ($($line:tt)*) => {
        $crate::console::print(format_args!($($line)*))
    };
}
pub(crate) use answer;

/// One line on standard output.
pub fn print(line: impl Display) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// One line on standard error: how far it is, what went wrong.
pub fn say(line: impl Display) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}
