//! What can go wrong with a report.

use std::io;
use std::path::{Path, PathBuf};

/// What can go wrong when a report is made. Each sentence is complete without a chain of sources.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
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
    /// A file that is not of an earlier report is in the place of a new file.
    #[error(
        "{}: found a file that no earlier report wrote here, expected a file of an earlier report or none; \
         move it away, or write the report into another folder",
        path.display()
    )]
    NotOurs {
        /// The file.
        path: PathBuf,
    },
    /// Something that cannot be replaced is in the place of a new file or folder.
    #[error(
        "{}: found {found}, expected {expected} or nothing; move it away, or write the report into another folder",
        path.display()
    )]
    Blocked {
        /// The place.
        path: PathBuf,
        /// What is there, as in `a folder`.
        found: &'static str,
        /// What should be there, as in `a file`.
        expected: &'static str,
    },
    /// The list of the files of an earlier report cannot be read.
    #[error(
        "cannot read {}, the list of the files of an earlier report: {cause}; move it away, or write the report into another folder",
        path.display()
    )]
    List {
        /// The list.
        path: PathBuf,
        /// What the operating system said.
        cause: io::Error,
    },
    /// A row of a table has another number of cells than the table has columns.
    #[error("table \"{caption}\": a row has {found} cells, expected {expected}, one per column: {row:?}")]
    Row {
        /// Caption of the table.
        caption: String,
        /// Number of cells in the row.
        found: usize,
        /// Number of columns.
        expected: usize,
        /// The row.
        row: Vec<String>,
    },
    /// The number of bytes of a picture does not fit its size.
    #[error(
        "a picture of {width} × {height} pixels has {found} bytes, expected {expected}, three per pixel and at least one pixel"
    )]
    Picture {
        /// Width in pixels.
        width: usize,
        /// Height in pixels.
        height: usize,
        /// Number of bytes.
        found: usize,
        /// Number of bytes that the size needs.
        expected: usize,
    },
    /// A thumbnail could not be encoded.
    #[error("a thumbnail cannot be written as PNG: {problem}")]
    Png {
        /// What is wrong.
        problem: String,
    },
    /// A chart could not be drawn.
    #[error("the chart \"{label}\" cannot be drawn: {problem}")]
    Chart {
        /// What the chart shows.
        label: String,
        /// What is wrong.
        problem: String,
    },
    /// The page's template could not be filled.
    #[error("the template of the page cannot be filled: {problem}")]
    Template {
        /// What is wrong.
        problem: String,
    },
    /// Something is wrong with one part of the report.
    #[error("{part}: {cause}")]
    Part {
        /// The part, as in `example 000356 of horse`.
        part: String,
        /// What is wrong with it.
        cause: Box<ReportError>,
    },
}

impl ReportError {
    /// For `map_err`: the file system refused `action` on `path`.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |cause| Self::Io { action, path, cause }
    }

    /// For `map_err`: the error happened in this part of the report.
    pub(crate) fn part(part: String) -> impl FnOnce(Self) -> Self {
        move |cause| Self::Part { part, cause: Box::new(cause) }
    }
}
