//! Names and texts from files of others, made safe where they are used.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Greatest number of characters of the name of a class.
const MAX_CHARACTERS: usize = 200;

/// Whether a reader cannot see the character, or it turns the direction of writing (U+202A to U+202E, U+2066 to U+2069). Line feeds and tabs are
/// not hidden.
pub fn is_hidden(character: char) -> bool {
    let turns = matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    turns || (character.is_control() && !matches!(character, '\n' | '\t'))
}

/// The text with hidden characters in their escaped form, as in `\u{1b}`. Such characters could command a terminal, make an SVG file invalid, or
/// show a name as another one. Line feeds and tabs stay.
///
/// ```
/// use fisherlens_files::visible;
///
/// assert_eq!(visible("cat\u{1b}[2J\r\u{202e}"), "cat\\u{1b}[2J\\u{d}\\u{202e}");
/// assert_eq!(visible("two\nlines\tand é"), "two\nlines\tand é");
/// ```
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if is_hidden(character) {
            let _ = write!(shown, "{}", character.escape_unicode());
        } else {
            shown.push(character);
        }
    }
    Cow::Owned(shown)
}

/// Whether a spreadsheet would take the text for a formula. Numbers are none, and spaces before the sign do not help.
///
/// ```
/// use fisherlens_files::is_formula;
///
/// assert!(is_formula("=1+1") && is_formula(" @sum") && is_formula("-dog"));
/// assert!(!is_formula("-1.5e3") && !is_formula("cat") && !is_formula("a=b"));
/// ```
pub fn is_formula(text: &str) -> bool {
    let word = text.trim_start();
    word.starts_with(['=', '+', '-', '@']) && word.parse::<f64>().is_err()
}

/// Refuses names that no class can have: empty ones, those with control characters, and those of more than 200 characters. Names become parts of
/// messages, tables, files and arrays.
///
/// ```
/// use fisherlens_files::check_class_name;
///
/// assert!(check_class_name("Müller's dog").is_ok());
/// assert!(check_class_name("a\nb").unwrap_err().contains("without control characters"));
/// ```
///
/// # Errors
/// A sentence with the beginning of the name, and what is expected.
pub fn check_class_name(name: &str) -> Result<(), String> {
    if name.is_empty() || name.chars().any(char::is_control) || name.chars().count() > MAX_CHARACTERS {
        let shown: String = name.chars().take(60).collect();
        return Err(format!(
            "\"{}\" is not the name of a class: expected 1 to {MAX_CHARACTERS} characters without control characters",
            shown.escape_debug()
        ));
    }
    Ok(())
}
