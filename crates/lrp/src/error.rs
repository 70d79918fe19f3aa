//! What can go wrong while relevance is passed down.

/// Why relevance could not be computed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum LrpError {
    /// A rule's name is not one of those known.
    #[error(
        "rule: found {found:?}, expected \"naive\", \"absolute\" or \"epsilon=NUMBER\" (for instance \"epsilon=100\")"
    )]
    UnknownRule {
        /// The text that was read.
        found: String,
    },
    /// A colour map's name is not one of those known.
    #[error("colour map: found {found:?}, expected one of {known}")]
    UnknownColorMap {
        /// The text that was read.
        found: String,
        /// All names.
        known: String,
    },
    /// The stabiliser of the epsilon rule is not a positive number.
    #[error("rule: epsilon is {found}, expected a finite number above 0; use \"naive\" for no stabiliser")]
    Epsilon {
        /// The value found.
        found: f32,
    },
    /// Two lengths that belong together differ.
    #[error("{what}: found {found}, expected {expected}; {hint}")]
    Length {
        /// What was measured, for instance "relevance of dimensions".
        what: &'static str,
        /// The length the other operand asks for.
        expected: usize,
        /// The length found.
        found: usize,
        /// What to do about it.
        hint: &'static str,
    },
    /// The model has no such class.
    #[error("class {found}: the model has {n_classes} classes, numbered from 0")]
    Class {
        /// The class asked for.
        found: usize,
        /// How many there are.
        n_classes: usize,
    },
    /// The model was made without its dual view.
    #[error("the model holds no dual view; train it with one, or use the primal form of Eq. 6")]
    NoDualView,
    /// A relevance is infinite or not a number.
    #[error(
        "relevance of dimension {dimension} is {value}, expected a finite number; look for it in the vector or in the model"
    )]
    NotFinite {
        /// Index of the dimension.
        dimension: usize,
        /// The value found.
        value: f64,
    },
    /// An entry lies below 0 where the kernel compares histograms.
    #[error(
        "entry {dimension} of the vector is {value}, expected at least 0 for the {kernel} kernel; encode the image with the encoder \
         that the model was trained on"
    )]
    Negative {
        /// Index of the entry.
        dimension: usize,
        /// The value found.
        value: f32,
        /// Name of the kernel.
        kernel: &'static str,
    },
}
