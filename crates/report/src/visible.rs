//! Names from data sets of others, without characters that a reader cannot see.

use std::borrow::Cow;
use std::fmt::Write;

/// The text with control characters and characters that reorder text (U+202A to U+202E, U+2066 to U+2069) in their escaped form, as in
/// `\u{1b}`. Such characters could command a terminal, make an SVG file invalid, or show a name as another one. A tab and a carriage return
/// become spaces, and a line feed stays.
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\t' | '\r' => shown.push(' '),
            hidden if is_hidden(hidden) => {
                let _ = write!(shown, "{}", hidden.escape_unicode());
            }
            other => shown.push(other),
        }
    }
    Cow::Owned(shown)
}

/// As [`visible`], in one line: a line feed becomes a space too.
pub(crate) fn one_line(text: &str) -> String {
    visible(text).replace('\n', " ")
}

fn is_hidden(character: char) -> bool {
    let reorders = matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    reorders || (character.is_control() && character != '\n')
}

#[cfg(test)]
mod tests {
    use super::{one_line, visible};

    #[test]
    fn hidden_characters_are_escaped() {
        assert_eq!(visible("a\u{1b}[31m\u{202e}b\u{2069}\u{85}\0"), "a\\u{1b}[31m\\u{202e}b\\u{2069}\\u{85}\\u{0}");
        assert_eq!(visible("a\tb\r\nc"), "a b \nc");
        assert_eq!(one_line("a\tb\nc"), "a b c");
        assert_eq!(visible("Katze, قطة, ε = 10⁻⁴"), "Katze, قطة, ε = 10⁻⁴");
    }
}
