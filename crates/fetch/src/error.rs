//! What can go wrong when files are fetched.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use crate::problem::Failure;

/// What can go wrong when files are fetched. Each message contains the messages of its causes.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// The file system refused a file or a folder.
    #[error("cannot {action} {}: {cause}{}", path.display(), advice(cause))]
    Io {
        /// The action that failed, for example `write`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The error of the operating system.
        cause: io::Error,
    },
    /// The disk has too little room.
    #[error(
        "{} has {} MB free, expected at least {} MB: make room, or name a folder on another disk",
        folder.display(), free / 1_000_000, needed.div_ceil(1_000_000)
    )]
    Space {
        /// The target.
        folder: PathBuf,
        /// Number of free bytes.
        free: u64,
        /// Number of bytes that are needed at most at the same time.
        needed: u64,
    },
    /// Another process downloads the same file.
    #[error("another process is downloading {}: wait until it has ended, or stop it", path.display())]
    Busy {
        /// The unfinished file.
        path: PathBuf,
    },
    /// Something else than a file is where a file must be.
    #[error("{} is not a regular file: remove it or rename it, and call again", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// A given file is not one of the files that are wanted.
    #[error("{} {found}; it is not one of the files of {package}:\n{}", path.display(), indented(expected))]
    Unrecognised {
        /// The file.
        path: PathBuf,
        /// Its size and digest, as part of a sentence.
        found: String,
        /// Name of the package.
        package: String,
        /// Name, size and digest of each wanted file.
        expected: Vec<String>,
    },
    /// A given file has another size than each of the files that are wanted.
    #[error("{} has {n_bytes} bytes; expected one of: {}", path.display(), expected.join(", "))]
    GivenSize {
        /// The file.
        path: PathBuf,
        /// Its number of bytes.
        n_bytes: u64,
        /// Name and size of each wanted file.
        expected: Vec<String>,
    },
    /// A file in the target has the right name and another content.
    #[error("{} {problem}: remove it, or rename it, to download it again{}", path.display(), part_advice(part.as_deref()))]
    Existing {
        /// The file.
        path: PathBuf,
        /// What was found and what was expected, as part of a sentence.
        problem: String,
        /// The name under which a part of the file would be continued.
        part: Option<PathBuf>,
    },
    /// No address gave the file.
    #[error("cannot download {name}:\n{}{}", indented(failures), kept(part.as_deref()))]
    Download {
        /// Name of the file.
        name: String,
        /// One entry per address.
        failures: Vec<Failure>,
        /// The part of the file that is there; the next call continues it.
        part: Option<PathBuf>,
    },
    /// An archive holds what must not be unpacked, or is damaged.
    #[error("cannot unpack {}: {problem}; nothing of it was put into place", path.display())]
    Archive {
        /// The archive.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// Something in the target is in the way of a file or folder from an archive.
    #[error("cannot put {} into place: {problem}; remove it or rename it, and call again", path.display())]
    Blocked {
        /// The path in the target.
        path: PathBuf,
        /// What is there.
        problem: &'static str,
    },
    /// No server can be asked with an address.
    #[error("address \"{address}\": {problem}")]
    Address {
        /// The address, without a name and a password.
        address: String,
        /// What is expected.
        problem: &'static str,
    },
    /// A package names a file or folder that cannot be a plain name below the target.
    #[error("the package {package} names \"{name}\": {problem}")]
    Name {
        /// Name of the package.
        package: String,
        /// Name of the file or folder.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The observer asked to stop.
    #[error("stopped; what was downloaded is kept, and the same call continues it")]
    Stopped,
}

impl FetchError {
    /// For `map_err`: the file system refused `action` on `path`.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |cause| Self::Io { action, path, cause }
    }
}

/// What to do about a full disk.
fn advice(cause: &io::Error) -> &'static str {
    match cause.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "; make room and call again: what was downloaded is kept"
        }
        _ => "",
    }
}

/// One line per entry.
fn indented<T: std::fmt::Display>(entries: &[T]) -> String {
    let mut text = String::new();
    for (number, entry) in entries.iter().enumerate() {
        let _ = write!(text, "{}  {entry}", if number == 0 { "" } else { "\n" });
    }
    text
}

fn kept(part: Option<&Path>) -> String {
    part.map_or_else(String::new, |part| format!("\n{} is kept, and the same call continues it", part.display()))
}

fn part_advice(part: Option<&Path>) -> String {
    part.map_or_else(String::new, |part| {
        format!("; if it is the beginning of the file, rename it to {} to continue it", part.display())
    })
}
