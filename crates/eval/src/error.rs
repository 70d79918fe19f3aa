//! Everything that can be wrong with what is to be evaluated.

use thiserror::Error;

/// Errors of scores, traces and their settings.
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
    /// There is nothing to evaluate.
    #[error("no {what}: give at least one")]
    Empty {
        /// What is missing.
        what: &'static str,
    },
    /// An order of replacement names a descriptor that does not exist, or one twice.
    #[error(
        "position {position} of the order names descriptor {descriptor}, expected each of the {n_descriptors} \
         descriptors, numbered from 0, at most once"
    )]
    Order {
        /// Place in the order, from 0.
        position: usize,
        /// The descriptor named there.
        descriptor: u32,
        /// Descriptors of the image.
        n_descriptors: usize,
    },
    /// Error rates need both positive and negative images.
    #[error(
        "{n_positives} positive and {n_negatives} negative images, expected at least one of each: the class is absent \
         from the image set, or everywhere in it"
    )]
    OneSided {
        /// Images labelled +1.
        n_positives: usize,
        /// Images labelled −1.
        n_negatives: usize,
    },
    /// A score is not a finite number.
    #[error("score {index} is {found}, expected a finite number: look at the vector of that image")]
    NotFinite {
        /// Place of the first such score, from 0.
        index: usize,
        /// Its value, written out.
        found: String,
    },
    /// A value of a heatmap or of a similarity cannot be compared.
    #[error(
        "value {index} is {found}, expected a finite number, of similarities none below 0: look at the relevance it came from"
    )]
    Relevance {
        /// Place of the first such value, from 0, row by row.
        index: usize,
        /// Its value, written out.
        found: String,
    },
    /// The eigenproblem or k-means did not come to an end.
    #[error("clustering failed: {reason}; leave out heatmaps that are all zero, or try other numbers of neighbours")]
    Clustering {
        /// What the library says.
        reason: String,
    },
}
