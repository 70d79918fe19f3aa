//! Errors of relevance propagation.

/// Reasons why relevance cannot be computed or drawn.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum LrpError {
    /// The text is not the name of a rule.
    #[error(
        "rule: found {found:?}, expected \"naive\", \"absolute\" or \"epsilon=NUMBER\" (for example \"epsilon=100\")"
    )]
    UnknownRule {
        /// The text that was read.
        found: String,
    },
    /// The text is not the name of a colour map.
    #[error("colour map: found {found:?}, expected one of {known}")]
    UnknownColorMap {
        /// The text that was read.
        found: String,
        /// The names of all colour maps.
        known: String,
    },
    /// The stabiliser of the epsilon rule is not a positive number.
    #[error("rule: epsilon is {found}, expected a finite number above 0; for no stabiliser use the rule \"naive\"")]
    Epsilon {
        /// The value found.
        found: f32,
    },
    /// Two lengths that must be equal differ.
    #[error("{what}: found {found}, expected {expected}; {hint}")]
    Length {
        /// What has this length, for example "relevance of dimensions".
        what: &'static str,
        /// The length that the other argument requires.
        expected: usize,
        /// The length found.
        found: usize,
        /// How to correct it.
        hint: &'static str,
    },
    /// The model does not have this class.
    #[error("there is no class {found}; the model has {n_classes} classes, counted from 0")]
    Class {
        /// The class that was requested.
        found: usize,
        /// Number of classes of the model.
        n_classes: usize,
    },
    /// The model has no dual view.
    #[error("the model has no dual view; use a model that has one, or use the primal form (Eq. 6)")]
    NoDualView,
    /// A value is infinite or NaN.
    #[error("relevance of dimension {dimension} is {value}, expected a finite number; check the vector and the model")]
    NotFinite {
        /// Index of the dimension.
        dimension: usize,
        /// The value found.
        value: f64,
    },
    /// An entry is below 0, and the kernel is defined only for histograms.
    #[error(
        "entry {dimension} of the vector is {value}, expected at least 0 for the {kernel} kernel; encode the image with the encoder \
         with which the model was trained"
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
