//! Files that get their name only when they are complete.

use std::io;
use std::path::Path;

use tempfile::NamedTempFile;

/// How the names of unfinished files begin. A program that is killed leaves such a file behind.
const PREFIX: &str = ".writing-";

/// The folder that a file lies in.
pub fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A new file under a temporary name in the folder of `path`. `NamedTempFile::persist(path)` gives it its name when it is complete, so that
/// `path` never holds half a file.
///
/// ```
/// use std::io::Write as _;
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("notes.txt");
/// let mut file = fisherlens_files::temporary_file(&path)?;
/// file.write_all(b"complete")?;
/// assert!(!path.exists());
/// file.persist(&path)?;
/// assert_eq!(std::fs::read(&path)?, b"complete");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// The error of the file system.
pub fn temporary_file(path: &Path) -> io::Result<NamedTempFile> {
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
