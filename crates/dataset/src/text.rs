//! The bytes of text files that other programs write.

/// The bytes without the mark that some programs write before UTF-8.
///
/// # Errors
/// A sentence for UTF-16, which its mark shows.
pub(crate) fn without_mark(bytes: &[u8]) -> Result<&[u8], String> {
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return Err("the text is UTF-16, expected UTF-8: save the file as UTF-8".to_owned());
    }
    Ok(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes))
}
