//! The lists in ImageSets/Main: one id per line, or one id and one label per line.

/// Number of the line (the first line is 1), id and label.
type LabelledLine<'a> = (usize, &'a str, i8);

/// Reads `<set>.txt`: one id per line; blank lines are ignored.
///
/// Returns the ids with the numbers of their lines (the first line is 1), in the order of the file.
///
/// # Errors
/// The number of the line and the problem: a second column, or an id that is not a plain file name.
pub(crate) fn parse_image_list(text: &str) -> Result<Vec<(usize, &str)>, (usize, String)> {
    numbered(text)
        .map(|(line, row)| {
            let mut columns = row.split_whitespace();
            let id = columns.next().unwrap_or_default();
            if columns.next().is_some() {
                return Err((line, format!("expected one id without spaces, found \"{}\"", shorten(row))));
            }
            check_id(id).map(|()| (line, id)).map_err(|problem| (line, problem))
        })
        .collect()
}

/// Reads `<class>_<set>.txt`: one id and one label per line. The label is −1 (no object), 0 (difficult objects only) or +1.
///
/// Returns the lines in the order of the file.
///
/// # Errors
/// The number of the line and the problem: another number of columns, another label, or an id that is not a plain file name.
pub(crate) fn parse_class_list(text: &str) -> Result<Vec<LabelledLine<'_>>, (usize, String)> {
    numbered(text)
        .map(|(line, row)| {
            let mut columns = row.split_whitespace();
            let (Some(id), Some(label), None) = (columns.next(), columns.next(), columns.next()) else {
                return Err((line, format!("expected an id and a label, found \"{}\"", shorten(row))));
            };
            check_id(id).map_err(|problem| (line, problem))?;
            match label.parse() {
                Ok(label @ -1..=1) => Ok((line, id, label)),
                _ => Err((line, format!("expected the label -1, 0 or 1, found \"{}\"", shorten(label)))),
            }
        })
        .collect()
}

/// Whether the first line that is not blank ends with a number in a column of its own; `None` for a list of blank lines only. A second
/// column that is no number belongs to an id with a space, which is refused when the list is read.
pub(crate) fn has_labels(text: &str) -> Option<bool> {
    let (_, row) = numbered(text).next()?;
    Some(row.split_whitespace().skip(1).last().is_some_and(|last| last.parse::<f64>().is_ok()))
}

/// The letters that an id may have, for messages.
pub(crate) const ALLOWED: &str =
    "letters, digits and signs except spaces and / \\ : * ? \" < > |, not starting with '.'";

/// Refuses ids that, used as file names, could lead out of the folder, or that some file system refuses.
pub(crate) fn check_id(id: &str) -> Result<(), String> {
    let refused = |c: char| c.is_whitespace() || c.is_control() || "/\\:*?\"<>|".contains(c);
    if id.is_empty() || id.starts_with('.') || id.contains(refused) {
        return Err(format!("\"{}\" is not an image id: expected {ALLOWED}", shorten(id).escape_debug()));
    }
    Ok(())
}

/// The lines that are not blank, with their numbers. They end with LF, CR LF or, as in files of old programs, with CR alone.
fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let end = if text.contains('\n') { '\n' } else { '\r' };
    let rows = text.trim_start_matches('\u{feff}').split(end).enumerate();
    rows.map(|(index, row)| (index + 1, row.trim())).filter(|(_, row)| !row.is_empty())
}

/// Cuts a text from a file to a length that fits into an error message of one line.
fn shorten(text: &str) -> String {
    const MAX_CHARACTERS: usize = 60;
    let mut short: String = text.chars().take(MAX_CHARACTERS).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn both_kinds_of_lists_are_read() {
        assert_eq!(parse_image_list("000012\n\n000017\r\n"), Ok(vec![(1, "000012"), (3, "000017")]));
        assert_eq!(
            parse_class_list("2008_000002 -1\n2008_000003  1\n2008_000007 +1\n2008_000008  0\n"),
            Ok(vec![(1, "2008_000002", -1), (2, "2008_000003", 1), (3, "2008_000007", 1), (4, "2008_000008", 0)])
        );
        assert_eq!(has_labels("\n000012 -1\n"), Some(true));
        assert_eq!(has_labels("000012\n"), Some(false));
        assert_eq!(has_labels(" \n"), None);
        assert_eq!(parse_class_list("a 1\rb -1\r"), Ok(vec![(1, "a", 1), (2, "b", -1)]));
    }

    #[test]
    fn ids_of_other_tools_are_read_and_paths_are_not() {
        for id in ["A_1.mp4#t=1", "photo(1)", "a+b", "cafe\u{301}", "x,y", "100%", "a'b", "日本"] {
            assert_eq!(check_id(id), Ok(()), "{id}");
        }
        for id in ["", ".hidden", "..", "a/b", "a\\b", "C:x", "a b", "a\u{7}", "what?", "a|b"] {
            let problem = check_id(id).unwrap_err();
            assert!(problem.contains("letters"), "{problem}");
        }
    }

    #[test]
    fn an_id_with_a_space_is_not_a_label() {
        assert_eq!(has_labels("my photo\n"), Some(false));
        let (line, problem) = parse_image_list("my photo\n").unwrap_err();
        assert!(line == 1 && problem.contains("without spaces"), "{problem}");
        // A wrong label is still a label, so that the list is refused and not taken for a set.
        assert_eq!(has_labels("a 7\n"), Some(true));
    }

    #[test]
    fn errors_name_the_line() {
        assert_eq!(parse_class_list("a 1\nb 2\n").unwrap_err().0, 2);
        assert_eq!(parse_class_list("a 1\nb\n").unwrap_err().0, 2);
        assert_eq!(parse_class_list("a 1\nb 1 1\n").unwrap_err().0, 2);
        assert_eq!(parse_class_list("a 0.5\n").unwrap_err().0, 1);
        assert_eq!(parse_image_list("a\n../../secret\n").unwrap_err().0, 2);
        assert_eq!(parse_image_list("a\nb 1\n").unwrap_err().0, 2);
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in "\\PC{0,20}(\n[ \t]?[-a-z0-9_./]{0,8}[ \t]{0,3}[-+]?[0-9é]{0,4}){0,6}\n?") {
            let _ = parse_class_list(&text);
            let _ = parse_image_list(&text);
            let _ = has_labels(&text);
        }

        #[test]
        fn rows_are_read_back(rows in prop::collection::vec(("[a-z0-9][a-z0-9_]{0,9}", -1_i8..=1), 0..20)) {
            let lines: Vec<_> = rows.iter().map(|(id, label)| format!("{id} {label:2}")).collect();
            let text = lines.join("\n");
            let read = parse_class_list(&text).expect("well formed");
            prop_assert_eq!(read.len(), rows.len());
            for (index, ((id, label), read)) in rows.iter().zip(read).enumerate() {
                prop_assert_eq!((index + 1, id.as_str(), *label), read);
            }
        }
    }
}
