//! The part of a Markdown file that holds the numbers of one kind of processor.

/// The line before the numbers.
fn begin(kind: &str) -> String {
    format!("<!-- numbers: {kind} -->\n")
}

/// The line after the numbers.
const END: &str = "<!-- end of numbers -->\n";

/// `old` with other numbers for one kind of processor; `None` if it has no place for them.
pub(crate) fn replaced(old: &str, kind: &str, numbers: &str) -> Option<String> {
    let begin = begin(kind);
    let (before, rest) = old.split_once(&begin)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{begin}\n{}\n\n{END}{after}", numbers.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_numbers_of_this_processor_are_replaced() {
        let old = format!("# Title\n\n{}old\n{END}\n{}other\n{END}\nlast\n", begin("AVX2"), begin("AVX-512"));
        let found = replaced(&old, "AVX-512", "\nnew\n").unwrap();
        let expected = format!("# Title\n\n{}old\n{END}\n{}\nnew\n\n{END}\nlast\n", begin("AVX2"), begin("AVX-512"));
        assert_eq!(found, expected);
        assert_eq!(replaced(&found, "AVX-512", "new").unwrap(), found);
        assert_eq!(replaced("# Another page\n", "AVX2", "new"), None);
    }

    #[test]
    fn the_page_has_a_place_for_every_kind() {
        let page = include_str!("../../../docs/benchmarks.md");
        assert!(
            ["AVX-512", "AVX2"].iter().all(|kind| replaced(page, kind, "new").is_some_and(|page| page.contains("new")))
        );
    }
}
