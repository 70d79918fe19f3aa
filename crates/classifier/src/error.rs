//! Errors of training, and of building models from arrays.

use thiserror::Error;

/// Errors of training, and of building models from arrays.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ClassifierError {
    /// A parameter lies outside its range.
    #[error("{field} is {found}, expected {expected}")]
    Parameter {
        /// Name of the parameter.
        field: &'static str,
        /// The value given.
        found: String,
        /// The values that are accepted, and advice where it helps.
        expected: &'static str,
    },
    /// Two arrays that belong together have different sizes.
    #[error("{what}: expected {expected}, found {found}; pass arrays for the same samples and classes")]
    Length {
        /// What was counted.
        what: &'static str,
        /// The number expected.
        expected: usize,
        /// The number found.
        found: usize,
    },
    /// An array is empty, so there is nothing to learn from.
    #[error("there is no {what}; pass at least one")]
    Empty {
        /// What is missing.
        what: &'static str,
    },
    /// A target is a number other than −1, 0 and +1.
    #[error("the target of sample {sample}, class {class} is {found}, expected -1, 0 (difficult) or +1")]
    Target {
        /// Row of the target.
        sample: usize,
        /// Column of the target.
        class: usize,
        /// Its value.
        found: i8,
    },
    /// A class has no positive or no negative sample, so there is nothing to separate.
    #[error(
        "class {class} has {n_positives} positive and {n_negatives} negative samples, expected at least one of each: \
         leave the class out or add samples"
    )]
    OneSided {
        /// Column of the targets.
        class: usize,
        /// Samples with target +1.
        n_positives: usize,
        /// Samples with target −1.
        n_negatives: usize,
    },
    /// A vector contains a value that is not finite, or its squared length overflows.
    #[error("{what} of sample {sample} is {found}, expected a finite number: check the vector of this sample")]
    NotFinite {
        /// The number that was checked.
        what: &'static str,
        /// Row of the sample.
        sample: usize,
        /// The value found.
        found: f32,
    },
    /// A vector contains an entry below 0, and the kernel is defined only for histograms.
    #[error(
        "entry {dimension} of sample {sample} is {found}, expected at least 0 for the {kernel} kernel, which compares histograms: \
         use a histogram such as a bag of words, or choose the linear or the rbf kernel"
    )]
    Negative {
        /// Name of the kernel.
        kernel: &'static str,
        /// Row of the sample.
        sample: usize,
        /// Index of the entry.
        dimension: usize,
        /// Its value.
        found: f32,
    },
    /// Cross-validation cannot measure any class on one of the folds.
    #[error(
        "fold {fold} of {n_folds} of the cross-validation cannot be measured: no class has a positive sample in it and both positive \
         and negative samples outside it; use fewer folds, more samples, or a single c"
    )]
    Fold {
        /// Number of the fold, counted from 0.
        fold: usize,
        /// Number of all folds.
        n_folds: usize,
    },
    /// Vectors that are read in blocks could not be read.
    #[error("the vectors of the samples {first} to {last} cannot be read: {source}")]
    Rows {
        /// First sample of the part that was being read.
        first: usize,
        /// Last sample of this part.
        last: usize,
        /// The error of [`RowSource::read`](crate::RowSource::read).
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The observer of the training asked to stop.
    #[error("the training was stopped before all problems were solved")]
    Stopped,
    /// The optimiser of logistic regression failed.
    #[error("logistic regression of class {class} failed: {reason}; try a smaller c or a larger tolerance")]
    Optimizer {
        /// Column of the targets.
        class: usize,
        /// The optimiser's message.
        reason: String,
    },
    /// An error of linfa.
    #[error("linfa: {0}")]
    Linfa(#[from] linfa::Error),
}
