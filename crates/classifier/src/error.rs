//! Everything that can go wrong between vectors with targets and linear models.

use thiserror::Error;

/// Errors of training and of models put together from parts.
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
        /// What is accepted, and what to do.
        expected: &'static str,
    },
    /// Two arrays that belong together have different sizes.
    #[error("{what}: expected {expected}, found {found}; give arrays of the same samples and classes")]
    Length {
        /// What is counted.
        what: &'static str,
        /// The number expected.
        expected: usize,
        /// The number found.
        found: usize,
    },
    /// There is nothing to learn from.
    #[error("no {what}: give at least one")]
    Empty {
        /// What is missing.
        what: &'static str,
    },
    /// A target is none of the three labels.
    #[error("the target of sample {sample}, class {class} is {found}, expected -1, 0 (difficult) or +1")]
    Target {
        /// Row of the target.
        sample: usize,
        /// Column of the target.
        class: usize,
        /// Its value.
        found: i8,
    },
    /// A class has no positive or no negative sample, so that nothing separates it from the rest.
    #[error(
        "class {class} has {n_positives} positive and {n_negatives} negative samples, expected at least one of each: \
         leave the class out or give more samples"
    )]
    OneSided {
        /// Column of the targets.
        class: usize,
        /// Samples with target +1.
        n_positives: usize,
        /// Samples with target −1.
        n_negatives: usize,
    },
    /// A vector holds a value that is not finite, or its squared length overflows.
    #[error("{what} of sample {sample} is {found}, expected a finite number: look at that sample's vector")]
    NotFinite {
        /// What was looked at.
        what: &'static str,
        /// Row of the sample.
        sample: usize,
        /// The value found.
        found: f32,
    },
    /// A vector holds an entry below 0 where the kernel compares histograms.
    #[error(
        "entry {dimension} of sample {sample} is {found}, expected at least 0 for the {kernel} kernel: it compares histograms such \
         as bags of words; take those, or the linear or rbf kernel"
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
    /// Cross-validation could measure nothing on a part of the samples.
    #[error(
        "part {fold} of {n_folds} of the cross-validation has no class with a positive sample in it and both kinds outside: \
         give fewer folds, more samples, or a single c"
    )]
    Fold {
        /// Number of the part, from 0.
        fold: usize,
        /// Parts in all.
        n_folds: usize,
    },
    /// The optimiser behind logistic regression gave up.
    #[error("logistic regression of class {class} failed: {reason}; try a smaller c or a larger tolerance")]
    Optimizer {
        /// Column of the targets.
        class: usize,
        /// What the optimiser said.
        reason: String,
    },
    /// An error of linfa.
    #[error("linfa: {0}")]
    Linfa(#[from] linfa::Error),
}
