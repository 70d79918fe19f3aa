//! Which archives were unpacked completely: the file `.fetched` in the folder that they were unpacked into.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use fisherlens_files::NewFile;

use crate::digest::Digest;
use crate::error::FetchError;
use crate::package::{Expected, RemoteFile};
use crate::part::check_file;

/// Name of the record.
pub(crate) const NAME: &str = ".fetched";
/// Longest record that is read.
const MAX_BYTES: u64 = 1 << 20;

/// The archives that were unpacked completely: one line per archive with its SHA-256 and its name, as `sha256sum` writes them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Record(Vec<(Digest, String)>);

impl Record {
    /// The record of a folder; empty if there is none, or if it has another form.
    pub(crate) fn of(folder: &Path) -> Self {
        let text = fisherlens_files::read_text(&path(folder), MAX_BYTES).unwrap_or_default();
        let entry = |line: &str| {
            let (digest, name) = line.split_once("  ")?;
            Some((Digest::from_hex(digest)?, name.to_owned()))
        };
        Self(text.lines().filter_map(entry).collect())
    }

    /// Refuses a folder in which the record cannot be written.
    pub(crate) fn check(folder: &Path) -> Result<(), FetchError> {
        check_file(&path(folder))
    }

    /// Whether this archive was unpacked completely.
    pub(crate) fn has(&self, file: &RemoteFile) -> bool {
        let fits = |digest: Digest| match file.digest {
            Expected::Published(expected) => digest == expected,
            Expected::Seen(_) | Expected::Unknown => true,
        };
        self.0.iter().any(|(digest, name)| *name == file.name && fits(*digest))
    }

    /// Adds an archive and writes the record.
    pub(crate) fn add(mut self, folder: &Path, digest: Digest, name: &str) -> Result<(), FetchError> {
        self.0.retain(|(_, known)| known != name);
        self.0.push((digest, name.to_owned()));
        let mut text = String::new();
        for (digest, name) in &self.0 {
            let _ = writeln!(text, "{digest}  {name}");
        }
        let path = path(folder);
        check_file(&path)?;
        let written = NewFile::create(&path).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.finish()
        });
        written.map_err(FetchError::io("write", &path))
    }
}

fn path(folder: &Path) -> PathBuf {
    folder.join(NAME)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::{Content, Form, Size};

    fn file(name: &str, digest: Expected) -> RemoteFile {
        RemoteFile {
            name: name.to_owned(),
            addresses: Vec::new(),
            size: Size::exactly(1),
            digest,
            content: Content::File(Form::Bytes),
        }
    }

    #[test]
    fn archives_are_remembered_with_their_digest() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (Digest::of(b"a"), Digest::of(b"b"));
        assert_eq!(Record::of(folder.path()), Record::default());
        Record::of(folder.path()).add(folder.path(), b, "a.tar").unwrap();
        Record::of(folder.path()).add(folder.path(), a, "a.tar").unwrap();
        Record::of(folder.path()).add(folder.path(), b, "b.tar").unwrap();
        let record = Record::of(folder.path());
        assert_eq!(record.0.len(), 2);
        assert!(record.has(&file("a.tar", Expected::Published(a))) && record.has(&file("b.tar", Expected::Unknown)));
        assert!(!record.has(&file("a.tar", Expected::Published(b))) && !record.has(&file("c.tar", Expected::Unknown)));
    }

    #[cfg(unix)]
    #[test]
    fn a_record_is_not_written_through_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().join("own");
        std::fs::write(&own, "own").unwrap();
        for to in ["own", "nowhere"] {
            std::os::unix::fs::symlink(to, folder.path().join(NAME)).unwrap();
            let added = Record::default().add(folder.path(), Digest::of(b"a"), "a.tar");
            assert!(matches!(added, Err(FetchError::NotAFile { .. })));
            assert!(matches!(Record::check(folder.path()), Err(FetchError::NotAFile { .. })));
            std::fs::remove_file(folder.path().join(NAME)).unwrap();
        }
        assert_eq!(std::fs::read(&own).unwrap(), b"own");
        assert!(!folder.path().join("nowhere").exists());
    }

    #[test]
    fn lines_of_another_form_are_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(NAME), "nonsense\n\n0  a.tar\n").unwrap();
        assert_eq!(Record::of(folder.path()), Record::default());
    }
}
