//! What can be wrong with a devkit folder.

use std::path::PathBuf;

/// What can be wrong with a devkit folder, always with the place; each sentence is complete without a chain of sources.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VocError {
    /// A file or folder could not be read.
    #[error("cannot read {}: {cause}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        cause: std::io::Error,
    },
    /// The folder is neither a `VOC<year>` folder nor one that holds some.
    #[error(
        "{} is no devkit: expected a VOC<year> folder (with ImageSets/Main inside) or a folder that holds one",
        path.display()
    )]
    NoDevkit {
        /// The folder given.
        path: PathBuf,
    },
    /// No year was asked for and several are there, or the year asked for is not among them.
    #[error(
        "{} holds the years {found:?}, asked for {}: name one that is there",
        path.display(),
        asked.map_or_else(|| "none of them".to_owned(), |year| year.to_string())
    )]
    Year {
        /// The folder given.
        path: PathBuf,
        /// The year asked for.
        asked: Option<u16>,
        /// The years found.
        found: Vec<u16>,
    },
    /// The devkit has no list of that name.
    #[error("{}: no image set \"{set}\", found {found:?}", path.display())]
    UnknownSet {
        /// The ImageSets/Main folder.
        path: PathBuf,
        /// The set asked for.
        set: String,
        /// The sets there.
        found: Vec<String>,
    },
    /// A class has lists for other sets but not for this one.
    #[error("{}: the list of class \"{class}\" for set \"{set}\" is missing", path.display())]
    MissingClassList {
        /// The file expected.
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
        /// The line, the first being 1.
        line: usize,
        /// What is wrong.
        problem: String,
    },
    /// A list names an image, or its annotation, that cannot be used.
    #[error("{}, line {line}: image {id}: {cause}", path.display())]
    Listed {
        /// The list.
        path: PathBuf,
        /// The line, the first being 1.
        line: usize,
        /// The image's id.
        id: String,
        /// What is wrong with it.
        cause: Box<VocError>,
    },
    /// No image file of any known extension.
    #[error("no image {}.{{jpg,jpeg,png}}", path.display())]
    MissingImage {
        /// The path without extension.
        path: PathBuf,
    },
    /// The annotation's file is not there (the later years' test sets come without).
    #[error("no annotation {}", path.display())]
    MissingAnnotation {
        /// The file expected.
        path: PathBuf,
    },
    /// An annotation is no XML, or not what VOC writes.
    #[error("{}: {problem}", path.display())]
    Annotation {
        /// The file; empty for bytes that came from no file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// An id that is no plain file name.
    #[error("\"{id}\" is no image id: expected letters, digits, '_', '-' and '.', not starting with '.'")]
    Id {
        /// What was found.
        id: String,
    },
}
