//! Errors of reading a devkit folder.

use std::path::PathBuf;

use crate::voc::image_list::ALLOWED;

/// Errors of reading a devkit folder.
///
/// Each message names the file, and is complete without the messages of its sources.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VocError {
    /// A file or folder could not be read.
    #[error("cannot read {}: {cause}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The error of the operating system.
        cause: std::io::Error,
    },
    /// The folder is not a `VOC<year>` folder and does not contain one.
    #[error(
        "{} is not a devkit: expected a VOC<year> folder (with ImageSets/Main inside) or a folder that holds one",
        path.display()
    )]
    NoDevkit {
        /// The folder given.
        path: PathBuf,
    },
    /// No list of `ImageSets/Main` has labels.
    #[error(
        "{} has no list <class>_<set>.txt with an image id and a label (-1, 0 or 1) per line: expected one list per class and image set",
        path.display()
    )]
    NoClassLists {
        /// The ImageSets/Main folder.
        path: PathBuf,
    },
    /// The requested year is missing, or no year was requested and there are several.
    #[error(
        "{} holds the years {found:?}, {}: choose one of them",
        path.display(),
        asked.map_or_else(|| "and no year was requested".to_owned(), |year| format!("not the requested year {year}"))
    )]
    Year {
        /// The folder given.
        path: PathBuf,
        /// The requested year.
        asked: Option<u16>,
        /// The years found.
        found: Vec<u16>,
    },
    /// The devkit has no image set of this name.
    #[error("{}: no image set \"{set}\", found {found:?}", path.display())]
    UnknownSet {
        /// The ImageSets/Main folder.
        path: PathBuf,
        /// The requested set.
        set: String,
        /// The sets of the devkit.
        found: Vec<String>,
    },
    /// A class has lists for other sets but not for this one.
    #[error("{}: the list of class \"{class}\" for set \"{set}\" is missing", path.display())]
    MissingClassList {
        /// The missing file.
        path: PathBuf,
        /// The class.
        class: String,
        /// The set.
        set: String,
    },
    /// A line of a list cannot be used.
    #[error("{}, line {line}: {problem}", path.display())]
    ListLine {
        /// The list.
        path: PathBuf,
        /// Number of the line; the first line is 1.
        line: usize,
        /// The problem.
        problem: String,
    },
    /// A list names an image that cannot be used, or whose annotation cannot be used.
    #[error("{}, line {line}: image {id}: {cause}", path.display())]
    Listed {
        /// The list.
        path: PathBuf,
        /// Number of the line; the first line is 1.
        line: usize,
        /// Id of the image.
        id: String,
        /// The problem.
        cause: Box<VocError>,
    },
    /// There is no image file with one of the known extensions.
    #[error("no image {}.{{jpg,jpeg,png}}", path.display())]
    MissingImage {
        /// The path without extension.
        path: PathBuf,
    },
    /// The annotation file is missing (the test sets of later years are published without annotations).
    #[error("no annotation {}", path.display())]
    MissingAnnotation {
        /// The missing file.
        path: PathBuf,
    },
    /// An annotation is not XML, or does not have the form of a VOC annotation.
    #[error("{}: {problem}", path.display())]
    Annotation {
        /// The file; empty for bytes that were not read from a file.
        path: PathBuf,
        /// The problem.
        problem: String,
    },
    /// An id is not a plain file name.
    #[error("\"{}\" is not an image id: expected {}", id.escape_debug(), ALLOWED)]
    Id {
        /// The id.
        id: String,
    },
}
