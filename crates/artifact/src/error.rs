//! What can go wrong with artifacts.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};

/// What can go wrong when an artifact is written, read, listed or removed. Each message contains the messages of its causes.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArtifactError {
    /// The file system refused a file or a folder.
    #[error("cannot {action} {}: {cause}", path.display())]
    Io {
        /// The action that failed, for example `read the artifact`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The error of the operating system.
        cause: io::Error,
    },
    /// The store's own folder was removed after the store was opened.
    #[error("cannot write {}: the store's folder {} does not exist any more; open the store again", path.display(), root.display())]
    MissingRoot {
        /// The file that was to be written.
        path: PathBuf,
        /// The store's folder.
        root: PathBuf,
    },
    /// A value could not be written, because it has no MessagePack form.
    #[error("cannot write {}: {problem}", path.display())]
    Encode {
        /// The file that was to be written.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The file system stopped before the whole value was written; usually the disk is full.
    #[error(
        "cannot write {}: {problem}; the file needs {n_bytes} bytes, and {free} bytes are free on this disk. Make room and run the same command \
         again: what is finished is kept",
        path.display()
    )]
    Disk {
        /// The file that was to be written.
        path: PathBuf,
        /// The error of the operating system.
        problem: String,
        /// Number of bytes of the whole file.
        n_bytes: u64,
        /// Number of free bytes.
        free: String,
    },
    /// Another process uses the store.
    #[error("{} is used by another run of this program: wait until it has ended, or stop it", root.display())]
    InUse {
        /// The store's folder.
        root: PathBuf,
    },
    /// A file of a store is damaged or holds something else.
    #[error(
        "the artifact {} cannot be used: {cause}. Delete that file and run the same command again: only what is missing is computed again",
        path.display()
    )]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        cause: Box<ArtifactError>,
    },
    /// A file outside a store is damaged or holds something else.
    #[error("{} is not a {stage} file of this program, or it is damaged: {cause}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The stage whose artifact was expected.
        stage: String,
        /// What is wrong with it.
        cause: Box<ArtifactError>,
    },
    /// The settings of a header cannot be written as TOML.
    #[error("the settings have no TOML form: {problem}")]
    Settings {
        /// What is wrong.
        problem: String,
    },
    /// A text that is not a key.
    #[error("key: found {found:?}, expected 64 hexadecimal digits")]
    Key {
        /// The text.
        found: String,
    },
    /// There are fewer bytes than a checksum has.
    #[error("it has {found} bytes, expected more than {expected}: it was cut short, or it is not an artifact")]
    Short {
        /// Number of bytes.
        found: usize,
        /// Number of bytes of a checksum.
        expected: usize,
    },
    /// The checksum at the end does not match the bytes before it.
    #[error("its checksum does not match: it was cut short or changed")]
    Checksum,
    /// The bytes do not begin like an artifact.
    #[error("it does not start like an artifact")]
    Start,
    /// The first entry names another layout.
    #[error("it starts with {found:?}, expected {expected:?}")]
    Layout {
        /// The layout's name in the file.
        found: String,
        /// The layout's name that this version reads.
        expected: &'static str,
    },
    /// An entry of the header is missing or cannot be read.
    #[error("the entry \"{entry}\" of its header {problem}")]
    Header {
        /// Name of the entry.
        entry: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// The file of one address holds the artifact of another address.
    #[error("it holds {found}, expected {expected}: somebody renamed or copied it")]
    Address {
        /// The address in the file.
        found: String,
        /// The address that was asked for.
        expected: String,
    },
    /// The bytes are an artifact of another stage or format version.
    #[error("it holds {found}, expected {expected}")]
    Stage {
        /// Stage and format version in the file, as in `encode-v3`.
        found: String,
        /// Stage and format version that were asked for.
        expected: String,
    },
    /// The payload is not the value that was asked for.
    #[error("its payload is not what this version of the program writes: {problem}")]
    Payload {
        /// What is wrong.
        problem: String,
    },
}

impl ArtifactError {
    /// For `map_err`: the file system refused `action` on `path`.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |cause| Self::Io { action, path, cause }
    }
}

/// The message of the first cause of an error. The MessagePack writer keeps the operating system's error only as a source.
pub(crate) fn sentence(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
