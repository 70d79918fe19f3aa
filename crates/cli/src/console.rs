//! Output of the program: its answers on standard output, everything else on standard error.
//!
//! The reader may have closed the pipe already (`fisherlens explain … | head`). The files that the answers are about are still written, so
//! a line that cannot be written is dropped; `println!` would end the program before its work is done.

use std::fmt::Display;
use std::io::{ErrorKind, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};

/// Prints one line of a command's answer. The arguments are those of [`println!`].
#[macro_export]
macro_rules! answer {
    ($($line:tt)*) => {
        $crate::console::print(format_args!($($line)*))
    };
}

/// The text without characters that a terminal would obey, such as the escape character in the name of a class from a file of others.
fn visible(text: impl Display) -> String {
    let text = text.to_string();
    // These turn the direction of writing, so that a name could look like another one.
    let turns = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if !text.contains(|c: char| (c.is_control() && c != '\n' && c != '\t') || turns(c)) {
        return text;
    }
    let shown = |c: char| match c {
        '\n' | '\t' => c.to_string(),
        c if c.is_control() || turns(c) => c.escape_unicode().to_string(),
        c => c.to_string(),
    };
    text.chars().map(shown).collect()
}

/// Whether a line of an answer was lost for another reason than a closed pipe.
static LOST: AtomicBool = AtomicBool::new(false);

/// Writes one line to standard output. A closed pipe is ignored; another error, such as a full disk, is reported once and remembered.
pub fn print(line: impl Display) {
    if let Err(error) = writeln!(std::io::stdout().lock(), "{}", visible(line))
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
    let _ = writeln!(std::io::stderr().lock(), "{}", visible(line));
}

#[cfg(test)]
mod tests {
    use super::visible;

    #[test]
    fn a_name_cannot_command_the_terminal() {
        assert_eq!(visible("cat\u{1b}[2J\r\u{9b}"), "cat\\u{1b}[2J\\u{d}\\u{9b}");
        assert_eq!(visible("\u{202e}tac"), "\\u{202e}tac");
        assert_eq!(visible("two\nlines\tand é"), "two\nlines\tand é");
    }
}
