//! Names from archives and from packages, made safe before they become paths.

use std::path::PathBuf;

/// Longest name of a file or folder, and largest number of folders around a file. File systems have about the same limits.
const MAX_BYTES: usize = 255;
const MAX_DEPTH: usize = 32;

/// The path of an entry of an archive, relative to the folder that it is unpacked into. Empty for the folder itself.
///
/// # Errors
/// A sentence about a name that leads out of the folder, or that some system reads in another way.
pub(crate) fn inner_path(name: &[u8]) -> Result<PathBuf, &'static str> {
    let name = std::str::from_utf8(name).map_err(|_| "its name is not text in UTF-8")?;
    if name.starts_with('/') {
        return Err("its name is an absolute path");
    }
    let parts: Vec<&str> = name.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    if parts.len() > MAX_DEPTH {
        return Err("it lies inside of too many folders");
    }
    parts.iter().try_for_each(|part| check_part(part))?;
    Ok(parts.iter().collect())
}

/// Refuses everything but the plain name of a file.
pub(crate) fn check_plain(name: &str) -> Result<(), &'static str> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if name.is_empty() || !name.bytes().all(is_plain) || name.starts_with(['.', '-']) {
        return Err("expected a name of letters, digits, '.', '_' and '-', without '.' or '-' at its beginning");
    }
    check_part(name)
}

fn check_part(part: &str) -> Result<(), &'static str> {
    if part == ".." {
        return Err("its name leads out of the folder (..)");
    }
    if part.len() > MAX_BYTES {
        return Err("its name is longer than 255 bytes");
    }
    // Windows reads `C:name`, `a\b` and `name:stream` as other places than Unix does.
    if part.contains(['\\', ':']) || part.contains(char::is_control) {
        return Err("its name holds '\\', ':' or a control character");
    }
    // Windows drops these, so that another file would be meant.
    if part.ends_with(['.', ' ']) {
        return Err("its name ends with a dot or a space");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_names_stay_inside() {
        let inside =
            [("a", "a"), ("a/b.jpg", "a/b.jpg"), ("./a//b/", "a/b"), ("./", ""), ("a/./é", "a/é"), ("..a", "..a")];
        for (name, expected) in inside {
            assert_eq!(inner_path(name.as_bytes()), Ok(PathBuf::from(expected)), "{name}");
        }
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        let long = "x".repeat(256);
        let deep = "a/".repeat(40);
        let names = [
            "/a",
            "//a",
            "..",
            "../a",
            "a/../../b",
            "a/..",
            "C:\\a",
            "C:a",
            "a\\..\\b",
            "a\0b",
            "a\nb",
            "a.",
            "a ",
            &long,
            &deep,
        ];
        for name in names {
            assert!(inner_path(name.as_bytes()).is_err(), "{name:?}");
        }
        assert!(inner_path(b"\xff").is_err());
        for name in ["", ".", "..", ".a", "-a", "a/b", "a b", "é", "a:b", "a."] {
            assert!(check_plain(name).is_err(), "{name:?}");
        }
        assert!(check_plain("VOCtest_06-Nov-2007.tar").is_ok());
    }
}
