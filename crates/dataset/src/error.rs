//! Errors of opening labelled photographs.

use std::path::PathBuf;

/// Errors of opening labelled photographs.
///
/// Each message names the file and, where there is one, the line, and is complete without the messages of its sources.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatasetError {
    /// A file or folder could not be read.
    #[error("cannot read {}: {cause}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The error of the operating system.
        cause: std::io::Error,
    },
    /// A line of a table cannot be used.
    #[error("{}, line {line}: {problem}", path.display())]
    Line {
        /// The table.
        path: PathBuf,
        /// Number of the line; the first line is 1.
        line: u64,
        /// The problem.
        problem: String,
    },
    /// A file or folder as a whole cannot be used.
    #[error("{}: {problem}", path.display())]
    Content {
        /// The file or folder.
        path: PathBuf,
        /// The problem.
        problem: String,
    },
}

impl DatasetError {
    pub(crate) fn content(path: &std::path::Path, problem: impl Into<String>) -> Self {
        Self::Content { path: path.to_owned(), problem: problem.into() }
    }

    pub(crate) fn io(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        |cause| Self::Io { path, cause }
    }
}
