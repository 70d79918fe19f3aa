//! What can go wrong with the drawn devkit.

use std::io;
use std::path::{Path, PathBuf};

/// What can go wrong when the devkit is drawn, written or read. Each sentence is complete without a chain of sources.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MiniVocError {
    /// The file system refused a file or a folder.
    #[error("cannot {action} {}: {cause}", path.display())]
    Io {
        /// What was to be done, as in `write`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        cause: io::Error,
    },
    /// A folder with the devkit's name exists, but this crate did not write it.
    #[error("{} exists but was not drawn by this program: move it away, or choose another folder", path.display())]
    Foreign {
        /// The folder.
        path: PathBuf,
    },
    /// The content of a devkit is not the content that this version draws.
    #[error(
        "the devkit in {} has the checksum {found}, expected {expected}. If it was just drawn, this machine draws differently: \
         please report it. If it is older, delete that folder: it is then drawn again",
        path.display()
    )]
    Checksum {
        /// The folder.
        path: PathBuf,
        /// The checksum of its content.
        found: String,
        /// The checksum of the right content.
        expected: &'static str,
    },
    /// The caller asked to stop while the devkit was drawn.
    #[error("the drawing was stopped on request")]
    Stopped,
    /// A PNG file could not be written or read.
    #[error("{}: {problem}", path.display())]
    Png {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// A mask file has a value that masks do not have.
    #[error("{}: the blue value of a mask is {found}, expected 0 or 255", path.display())]
    MaskValue {
        /// The file.
        path: PathBuf,
        /// The value.
        found: u8,
    },
    /// The devkit has no image of that id.
    #[error("no image \"{id}\": the ids run from {first} to {last}")]
    UnknownImage {
        /// The id.
        id: String,
        /// The first image's id.
        first: String,
        /// The last image's id.
        last: String,
    },
}

impl MiniVocError {
    /// For `map_err`: the file system refused `action` on `path`.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |cause| Self::Io { action, path, cause }
    }

    /// For `map_err`: something is wrong with the PNG file `path`.
    pub(crate) fn png(path: &Path) -> impl FnOnce(String) -> Self {
        let path = path.to_owned();
        move |problem| Self::Png { path, problem }
    }
}
