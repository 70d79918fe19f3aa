//! What an earlier report left in the folder, and which files of the folder are this program's.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{ErrorKind, Read as _};
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::{FIGURES, LIST, PAGE, TABLES};
use crate::error::ReportError;

/// First line of the list. Only this program writes it, so that no list of somebody else is taken for one.
const HEAD: &str = "# Files of a fisherlens report, each with its SHA-256. The next report removes those that it does not have \
                    and that nobody has changed.";
/// Largest list that is read, in bytes.
const LARGEST_LIST: u64 = 16 << 20;
/// Largest figure or table that is removed, in bytes.
const LARGEST_FILE: u64 = 64 << 20;
/// How much of a page is read to see whether this program wrote it, in bytes.
const LARGEST_HEAD: u64 = 1 << 20;
/// Texts in the head of every page: the first since there is a list with digests, the second in older pages.
const MARKS: [&str; 2] =
    ["<meta name=\"generator\" content=\"fisherlens\">", "localStorage.getItem(\"fisherlens-theme\")"];

/// The lines of a list: name of a file inside of the folder, and SHA-256 of its bytes in hexadecimal digits.
pub(super) type Lines = BTreeSet<(String, String)>;

/// The lines of the list of these files.
pub(super) fn lines_of(files: &[(String, String)]) -> Lines {
    files.iter().map(|(name, text)| (name.clone(), digest(text.as_bytes()))).collect()
}

/// The text of a list.
pub(super) fn text_of<'a>(lines: impl IntoIterator<Item = &'a (String, String)>) -> String {
    let mut text = format!("{HEAD}\n");
    for (name, digest) in lines {
        text += &[digest, "  ", name, "\n"].concat();
    }
    text
}

/// What an earlier report left in a folder.
pub(super) struct Earlier {
    /// The lines of its list. Names that a report cannot have are left out.
    pub(super) lines: Lines,
    /// Whether there is a list, with digests or without.
    has_list: bool,
    /// Whether the list names all files of the report. Older lists had no digests, and the oldest reports had no list.
    is_complete: bool,
    /// Whether this program wrote the page.
    has_page: bool,
}

impl Earlier {
    /// Looks into the folder, which need not exist.
    ///
    /// # Errors
    /// [`ReportError::List`] if the list cannot be read, and [`ReportError::NotOurs`] if this program did not write it.
    pub(super) fn find(folder: &Path) -> Result<Self, ReportError> {
        let path = folder.join(LIST);
        let has_page = is_page(&folder.join(PAGE));
        let text = match fisherlens_files::read_text(&path, LARGEST_LIST) {
            Ok(text) => text,
            Err(cause) if is_missing(cause.kind()) => {
                return Ok(Self { lines: Lines::new(), has_list: false, is_complete: false, has_page });
            }
            Err(cause) => return Err(ReportError::List { path, cause }),
        };
        let is_complete = text.lines().next() == Some(HEAD);
        let is_older = has_page && text.lines().all(is_name);
        if !is_complete && !is_older {
            return Err(ReportError::NotOurs { path });
        }
        // A list without digests does not say whether somebody has changed a file, so nothing is removed because of it.
        let lines = if is_complete { text.lines().filter_map(line).collect() } else { Lines::new() };
        Ok(Self { lines, has_list: true, is_complete, has_page })
    }

    /// Looks at the places of the new files before anything is changed.
    ///
    /// # Errors
    /// [`ReportError::Blocked`] if something else than a file is in the place of a file, or something else than a folder in the place of a
    /// folder; [`ReportError::NotOurs`] if a file is in the way that is not of an earlier report.
    pub(super) fn check<'a>(&self, folder: &Path, names: impl IntoIterator<Item = &'a str>) -> Result<(), ReportError> {
        for name in names {
            let path = folder.join(name);
            let inner = name.split_once('/').map(|(inner, _)| folder.join(inner));
            if let Some(path) = inner.filter(|inner| fs::metadata(inner).is_ok_and(|metadata| !metadata.is_dir())) {
                return Err(ReportError::Blocked { path, found: "something else", expected: "a folder" });
            }
            // A link is not followed, because the new file replaces the link and not its target.
            let found = match fs::symlink_metadata(&path) {
                Ok(metadata) => metadata.file_type(),
                Err(cause) if is_missing(cause.kind()) => continue,
                Err(cause) => return Err(ReportError::Io { action: "look at", path, cause }),
            };
            if found.is_dir() {
                return Err(ReportError::Blocked { path, found: "a folder", expected: "a file" });
            }
            if !found.is_file() && !found.is_symlink() {
                return Err(ReportError::Blocked { path, found: "a pipe or a device", expected: "a file" });
            }
            if !self.has(name) {
                return Err(ReportError::NotOurs { path });
            }
        }
        Ok(())
    }

    /// Whether the file with this name is of the earlier report.
    fn has(&self, name: &str) -> bool {
        match name {
            LIST => self.has_list,
            _ if self.lines.iter().any(|(listed, _)| listed == name) => true,
            PAGE => self.has_page,
            _ => self.has_page && !self.is_complete,
        }
    }

    /// Removes the figures and tables that the new report does not have and that nobody has changed, and their folders if they are empty
    /// then. Somebody may have removed a file already, and a file that cannot be removed stays.
    pub(super) fn remove_all_but(&self, new: &Lines, folder: &Path) {
        let names: BTreeSet<&str> = new.iter().map(|(name, _)| name.as_str()).collect();
        let old = || self.lines.iter().filter(|(name, _)| !names.contains(name.as_str()));
        for (name, expected) in old() {
            let path = folder.join(name);
            let is_file = fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_file());
            if is_file && fisherlens_files::read(&path, LARGEST_FILE).is_ok_and(|bytes| digest(&bytes) == *expected) {
                let _ = fs::remove_file(&path);
            }
        }
        for inner in [FIGURES, TABLES] {
            if old().any(|(name, _)| name.starts_with(inner)) {
                let _ = fs::remove_dir(folder.join(inner));
            }
        }
    }
}

/// Whether nothing is there.
fn is_missing(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::NotFound | ErrorKind::NotADirectory)
}

fn digest(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

/// A line of a list: digest, two spaces and name; `None` for other lines.
fn line(text: &str) -> Option<(String, String)> {
    let (digest, name) = text.split_once("  ")?;
    is_name(name).then(|| (name.to_owned(), digest.to_owned()))
}

/// Whether a file of a report can have this name: `report.html`, `figures/*.svg`, `tables/*.csv` or `tables/*.tex`.
fn is_name(name: &str) -> bool {
    let is_plain = |stem: &str| !stem.is_empty() && stem.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'));
    let stem = match name.split_once('/') {
        Some((FIGURES, file)) => file.strip_suffix(".svg"),
        Some((TABLES, file)) => file.strip_suffix(".csv").or_else(|| file.strip_suffix(".tex")),
        _ => None,
    };
    name == PAGE || stem.is_some_and(is_plain)
}

/// Whether this program wrote the page. A page that cannot be read is somebody else's.
fn is_page(path: &Path) -> bool {
    // A pipe would make the program wait for ever.
    if !fs::metadata(path).is_ok_and(|metadata| metadata.is_file()) {
        return false;
    }
    let mut bytes = Vec::new();
    let start = File::open(path).and_then(|file| file.take(LARGEST_HEAD).read_to_end(&mut bytes));
    let text = String::from_utf8_lossy(&bytes);
    let head = text.split_once("</head>").map_or("", |(head, _)| head);
    start.is_ok() && MARKS.iter().any(|mark| head.contains(mark))
}
