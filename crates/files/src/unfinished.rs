//! Files that get their name only when they are complete.

use std::fs::File;
use std::io::{self, ErrorKind, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// How the names of unfinished files begin. A program that is killed leaves such a file behind.
const PREFIX: &str = ".writing-";

/// The folder that a file lies in.
pub fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A file under a temporary name, which gets its own name when it is complete.
///
/// ```
/// use std::io::Write as _;
///
/// use fisherlens_files::NewFile;
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("notes.txt");
/// let mut file = NewFile::create(&path)?;
/// file.write_all(b"complete")?;
/// assert!(!path.exists());
/// file.finish()?;
/// assert_eq!(std::fs::read(&path)?, b"complete");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct NewFile {
    file: NamedTempFile,
    /// The name that the file gets, without symbolic links.
    path: PathBuf,
}

impl NewFile {
    /// Starts a file in the folder of `path`. Where `path` is a symbolic link, the file that it leads to is replaced, and the link stays.
    ///
    /// # Errors
    /// The error of the file system; [`ErrorKind::IsADirectory`] where `path` is a folder, [`ErrorKind::InvalidInput`] where it is a pipe or a
    /// device, which must not be replaced.
    pub fn create(path: &Path) -> io::Result<Self> {
        let path = if path.is_symlink() { path.canonicalize()? } else { path.to_owned() };
        match path.metadata() {
            Ok(metadata) if metadata.is_dir() => {
                return Err(io::Error::new(ErrorKind::IsADirectory, "it is a folder, expected a file"));
            }
            Ok(metadata) if !metadata.is_file() => {
                return Err(io::Error::new(ErrorKind::InvalidInput, "it is a pipe or a device, expected a file"));
            }
            _ => {}
        }
        Ok(Self { file: temporary_file(&path)?, path })
    }

    /// The file, for programs that write into it directly.
    pub fn as_file(&self) -> &File {
        self.file.as_file()
    }

    /// Gives the file its name, in place of what was there.
    ///
    /// # Errors
    /// The error of the file system.
    pub fn finish(self) -> io::Result<()> {
        self.file.persist(&self.path).map_err(|error| error.error)?;
        Ok(())
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Seek for NewFile {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        self.file.seek(position)
    }
}

/// A new file under a temporary name in the folder of `path`.
pub(crate) fn temporary_file(path: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(PREFIX);
    // Temporary files can be read by their owner only; this one gets the permissions of any other new file.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder_of(path))
}

/// Whether `path` has the name of an unfinished file.
pub fn is_unfinished(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(PREFIX.as_bytes()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn folders_are_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(NewFile::create(folder.path()).unwrap_err().kind(), ErrorKind::IsADirectory);
    }

    #[cfg(unix)]
    #[test]
    fn links_stay_and_devices_are_not_replaced() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        let (old, link, device) = (folder.path().join("old"), folder.path().join("link"), folder.path().join("device"));
        fs::write(&old, "old").unwrap();
        symlink(&old, &link).unwrap();
        let mut file = NewFile::create(&link).unwrap();
        file.write_all(b"new").unwrap();
        file.finish().unwrap();
        assert!(link.is_symlink());
        assert_eq!(fs::read(&old).unwrap(), b"new");
        symlink("/dev/null", &device).unwrap();
        for path in [device.as_path(), Path::new("/dev/null")] {
            assert!(NewFile::create(path).unwrap_err().to_string().contains("a pipe or a device"));
        }
        symlink("nowhere", folder.path().join("dangling")).unwrap();
        assert_eq!(NewFile::create(&folder.path().join("dangling")).unwrap_err().kind(), ErrorKind::NotFound);
    }
}
