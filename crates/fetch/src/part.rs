//! The part of a file that was downloaded so far, `NAME.part`, and where it came from, `NAME.part.from`.

use std::fs::{self, File, TryLockError};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use fisherlens_files::NewFile;

use crate::error::FetchError;

/// Longest file `NAME.part.from` that is read.
const MAX_SOURCE_BYTES: u64 = 1 << 16;

/// Where the bytes of a part came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Source {
    /// The address that gave the first byte.
    pub(crate) address: String,
    /// What the server calls this version of the file: a strong `ETag`, or else the time of the last change.
    pub(crate) validator: Option<String>,
    /// Number of bytes of the whole file, as the server says.
    pub(crate) total: Option<u64>,
}

/// The part of a file that was downloaded so far. While the value lives, no other process writes it.
#[derive(Debug)]
pub(crate) struct Part {
    file: File,
    path: PathBuf,
    n_bytes: u64,
    source: Option<Source>,
}

/// The name of the part of a file.
pub(crate) fn part_of(path: &Path) -> PathBuf {
    with_ending(path, ".part")
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// Refuses a symbolic link, which could lead anywhere, and everything else that is not a plain file. Opening a pipe would wait for ever.
///
/// # Errors
/// [`FetchError::NotAFile`].
pub(crate) fn check_file(path: &Path) -> Result<(), FetchError> {
    if path.symlink_metadata().is_ok_and(|metadata| !metadata.is_file()) {
        return Err(FetchError::NotAFile { path: path.to_owned() });
    }
    Ok(())
}

impl Part {
    /// Opens or makes the part of the file that will be called `path`.
    ///
    /// # Errors
    /// [`FetchError::NotAFile`], [`FetchError::Busy`] while another process has the part, [`FetchError::Io`].
    pub(crate) fn open(path: &Path) -> Result<Self, FetchError> {
        let path = part_of(path);
        check_file(&source_of(&path))?;
        Self::at(path)
    }

    fn at(path: PathBuf) -> Result<Self, FetchError> {
        check_file(&path)?;
        let file = File::options().create(true).truncate(false).read(true).write(true).open(&path);
        let mut file = file.map_err(FetchError::io("write", &path))?;
        // A file system without locks is used without them. Another process may have finished the file before this one had the lock.
        if matches!(file.try_lock(), Err(TryLockError::WouldBlock)) || !path.exists() {
            return Err(FetchError::Busy { path });
        }
        let n_bytes = file.seek(SeekFrom::End(0)).map_err(FetchError::io("read", &path))?;
        let source = read_source(&source_of(&path)).filter(|_| n_bytes > 0);
        Ok(Self { file, path, n_bytes, source })
    }

    /// The unfinished file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Number of bytes that are there.
    pub(crate) fn n_bytes(&self) -> u64 {
        self.n_bytes
    }

    /// Where the bytes came from, if that is known.
    pub(crate) fn source(&self) -> Option<&Source> {
        self.source.as_ref()
    }

    /// Throws the bytes away and begins again, with bytes from `source`.
    pub(crate) fn restart(&mut self, source: Source) -> Result<(), FetchError> {
        self.empty()?;
        self.set_source(source)
    }

    fn set_source(&mut self, source: Source) -> Result<(), FetchError> {
        let path = source_of(&self.path);
        check_file(&path)?;
        write_source(&path, &source).map_err(FetchError::io("write", &path))?;
        self.source = Some(source);
        Ok(())
    }

    /// A second, empty part beside this one, `NAME.part.new`, for an answer that may not be the file.
    pub(crate) fn beside(&self) -> Result<Self, FetchError> {
        let mut other = Self::at(beside_of(&self.path))?;
        other.empty()?;
        Ok(other)
    }

    /// Takes the bytes of `other`, which was made by [`Self::beside`], in place of its own.
    pub(crate) fn replace(&mut self, other: Self, source: Source) -> Result<(), FetchError> {
        // Bytes without notes are of an unknown origin, which is safer than the notes of other bytes.
        let _ = fs::remove_file(source_of(&self.path));
        fs::rename(&other.path, &self.path).map_err(FetchError::io("write", &self.path))?;
        self.file = other.file;
        self.n_bytes = other.n_bytes;
        self.source = None;
        self.set_source(source)
    }

    /// Removes the part.
    pub(crate) fn remove(self) {
        let _ = fs::remove_file(&self.path);
    }

    /// Throws all bytes away.
    pub(crate) fn empty(&mut self) -> Result<(), FetchError> {
        self.source = None;
        self.cut(0)
    }

    /// Throws all but the first `n_bytes` bytes away.
    pub(crate) fn cut(&mut self, n_bytes: u64) -> Result<(), FetchError> {
        self.n_bytes = n_bytes;
        self.file.set_len(n_bytes).map_err(FetchError::io("write", &self.path))?;
        self.file.seek(SeekFrom::Start(n_bytes)).map_err(FetchError::io("write", &self.path))?;
        Ok(())
    }

    /// Writes `bytes` at the end.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result<(), FetchError> {
        let written = self.file.write_all(bytes);
        // After an error some of the bytes may be there.
        self.n_bytes = match written {
            Ok(()) => self.n_bytes + bytes.len() as u64,
            Err(_) => self.file.metadata().map_or(self.n_bytes, |metadata| metadata.len()),
        };
        written.map_err(FetchError::io("write", &self.path))
    }

    /// Gives the whole file its name.
    pub(crate) fn finish(self, path: &Path) -> Result<(), FetchError> {
        self.file.sync_all().map_err(FetchError::io("write", &self.path))?;
        fs::rename(&self.path, path).map_err(FetchError::io("write", path))?;
        let _ = fs::remove_file(source_of(&self.path));
        // A program that was killed leaves it behind.
        let _ = fs::remove_file(beside_of(&self.path));
        Ok(())
    }

    /// Removes the part if it has no bytes. Returns its path if it stays.
    pub(crate) fn close(self) -> Option<PathBuf> {
        if self.n_bytes > 0 {
            return Some(self.path);
        }
        let _ = fs::remove_file(source_of(&self.path));
        let _ = fs::remove_file(&self.path);
        None
    }
}

fn beside_of(part: &Path) -> PathBuf {
    with_ending(part, ".new")
}

fn source_of(part: &Path) -> PathBuf {
    with_ending(part, ".from")
}

/// Three lines: address, validator, total. An unknown value is an empty line.
fn write_source(path: &Path, source: &Source) -> std::io::Result<()> {
    let total = source.total.map_or_else(String::new, |total| total.to_string());
    let mut file = NewFile::create(path)?;
    write!(file, "{}\n{}\n{total}\n", source.address, source.validator.as_deref().unwrap_or_default())?;
    file.finish()
}

/// `None` for a file that is missing or has another form: then nothing is known about the bytes.
fn read_source(path: &Path) -> Option<Source> {
    let text = fisherlens_files::read_text(path, MAX_SOURCE_BYTES).ok()?;
    let mut lines = text.lines();
    let address = lines.next().filter(|line| !line.is_empty())?.to_owned();
    let validator = lines.next().filter(|line| !line.is_empty()).map(str::to_owned);
    let total = lines.next().and_then(|line| line.parse().ok());
    Some(Source { address, validator, total })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source() -> Source {
        Source { address: "http://a/b".to_owned(), validator: Some("\"v1\"".to_owned()), total: Some(7) }
    }

    #[test]
    fn a_part_is_continued_by_the_next_process() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let mut part = Part::open(&path).unwrap();
        part.restart(source()).unwrap();
        part.append(b"abc").unwrap();
        assert!(matches!(Part::open(&path), Err(FetchError::Busy { .. })));
        assert_eq!(part.close(), Some(folder.path().join("file.part")));
        let mut part = Part::open(&path).unwrap();
        assert_eq!((part.n_bytes(), part.source()), (3, Some(&source())));
        part.append(b"defg").unwrap();
        part.finish(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"abcdefg");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_part_without_bytes_leaves_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let mut part = Part::open(&folder.path().join("file")).unwrap();
        part.restart(source()).unwrap();
        part.append(b"abc").unwrap();
        part.empty().unwrap();
        assert_eq!(part.close(), None);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn damaged_notes_of_the_source_are_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file.part.from");
        for bytes in [&b""[..], b"\n\n\n", b"\xff\xfe"] {
            fs::write(&path, bytes).unwrap();
            assert_eq!(read_source(&path), None);
        }
        fs::write(&path, "http://a/b\n\nmany\n").unwrap();
        assert_eq!(read_source(&path), Some(Source { validator: None, total: None, ..source() }));
    }

    #[cfg(unix)]
    #[test]
    fn a_link_or_a_folder_is_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::os::unix::fs::symlink("elsewhere", folder.path().join("file.part")).unwrap();
        assert!(matches!(Part::open(&path), Err(FetchError::NotAFile { .. })));
        assert!(!folder.path().join("elsewhere").exists());
        // The notes of the source are not written through a link either, wherever it leads.
        let own = folder.path().join("own");
        fs::write(&own, "own").unwrap();
        for to in ["own", "nowhere"] {
            let link = folder.path().join(format!("{to}.bin.part.from"));
            std::os::unix::fs::symlink(to, &link).unwrap();
            assert!(matches!(Part::open(&folder.path().join(format!("{to}.bin"))), Err(FetchError::NotAFile { .. })));
            let mut part = Part::open(&folder.path().join("late")).unwrap();
            std::os::unix::fs::symlink(to, folder.path().join("late.part.from")).unwrap();
            assert!(
                matches!(part.restart(source()), Err(FetchError::NotAFile { path }) if path.ends_with("late.part.from"))
            );
            drop(part);
            fs::remove_file(folder.path().join("late.part.from")).unwrap();
        }
        assert_eq!(fs::read(&own).unwrap(), b"own");
        assert!(!folder.path().join("nowhere").exists());
        fs::create_dir(folder.path().join("other.part")).unwrap();
        assert!(matches!(Part::open(&folder.path().join("other")), Err(FetchError::NotAFile { .. })));
    }
}
