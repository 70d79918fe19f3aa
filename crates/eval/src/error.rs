//! Errors of the evaluation, and the check of two lengths that most functions need.

use thiserror::Error;

/// What can be wrong with scores, labels, heatmaps, traces and their settings.
///
/// ```
/// use fisherlens_eval::{EvalError, equal_error_threshold};
///
/// let error = equal_error_threshold(&[0.5, 0.25], &[1]).unwrap_err();
/// assert_eq!(error, EvalError::Length { what: "labels", expected: 2, found: 1 });
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EvalError {
    /// A setting lies outside its range.
    #[error("{name} is {found}, expected {expected}")]
    Parameter {
        /// Name of the setting.
        name: &'static str,
        /// The value given.
        found: String,
        /// What is accepted.
        expected: &'static str,
    },
    /// Two arrays that belong together have different lengths.
    #[error("{what}: expected {expected}, found {found}; give arrays of the same images and classes")]
    Length {
        /// What is counted.
        what: &'static str,
        /// The number expected.
        expected: usize,
        /// The number found.
        found: usize,
    },
    /// The input is empty.
    #[error("no {what}: give at least one")]
    Empty {
        /// What is missing.
        what: &'static str,
    },
    /// An order of replacement contains a descriptor that does not exist, or contains one twice.
    #[error(
        "position {position} of the order contains descriptor {descriptor}, expected each of the {n_descriptors} \
         descriptors, numbered from 0, at most once"
    )]
    Order {
        /// Position in the order, counted from 0.
        position: usize,
        /// The descriptor at this position.
        descriptor: u32,
        /// Number of descriptors of the image.
        n_descriptors: usize,
    },
    /// Error rates need both positive and negative images.
    #[error(
        "{n_positives} positive and {n_negatives} negative images, expected at least one of each: the image set has no \
         image of the class, or all its images are of the class"
    )]
    OneSided {
        /// Number of images with label +1.
        n_positives: usize,
        /// Number of images with label −1.
        n_negatives: usize,
    },
    /// A score is not a finite number.
    #[error("score {index} is {found}, expected a finite number: look at the vector of that image")]
    NotFinite {
        /// Index of the first such score, counted from 0.
        index: usize,
        /// Its value as text.
        found: String,
    },
    /// A value of a heatmap is not finite, or a similarity is not finite or is negative.
    #[error(
        "value {index} is {found}, expected a finite number, and for a similarity at least 0: look at the relevance from which \
         it was computed"
    )]
    Relevance {
        /// Index of the first such value, counted from 0, row by row.
        index: usize,
        /// Its value as text.
        found: String,
    },
    /// The eigenvalue solver or k-means failed.
    #[error("clustering failed: {reason}; leave out heatmaps that are all zero, or try other numbers of neighbours")]
    Clustering {
        /// Message of the library.
        reason: String,
    },
}

/// Returns an error when two lengths differ.
pub(crate) fn check_length(what: &'static str, expected: usize, found: usize) -> Result<(), EvalError> {
    if expected == found { Ok(()) } else { Err(EvalError::Length { what, expected, found }) }
}
