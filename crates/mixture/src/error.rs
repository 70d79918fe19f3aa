//! What can go wrong when a mixture is learned, made from parts or used.

use thiserror::Error;

/// Errors of learning a mixture, of making one from parts, and of using it.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MixtureError {
    /// A parameter is outside its range.
    #[error("{field} is {found}, expected {expected}")]
    Parameter {
        /// Name of the parameter.
        field: &'static str,
        /// The value that was given.
        found: String,
        /// The values that are allowed.
        expected: &'static str,
    },
    /// The sizes of two arrays disagree.
    #[error(
        "{what}: expected {expected}, found {found}; the arrays must have the same numbers of features and components"
    )]
    Dimension {
        /// What is counted.
        what: &'static str,
        /// The expected number.
        expected: usize,
        /// The number that was found.
        found: usize,
    },
    /// There are fewer distinct samples than components.
    #[error("{found} distinct samples for {n_components} components: give more samples or ask for fewer components")]
    TooFewSamples {
        /// Number of components that the mixture should have.
        n_components: usize,
        /// Number of distinct samples, or of all samples if there are fewer samples than components.
        found: usize,
    },
    /// A sample holds a value that is not finite.
    #[error(
        "feature {feature} of sample {sample} is {found}, expected a finite number: check the program that made this sample"
    )]
    NotFinite {
        /// The row of the value.
        sample: usize,
        /// The column of the value.
        feature: usize,
        /// The value.
        found: f32,
    },
    /// A weight, mean or variance of a mixture is outside its range.
    #[error("component {component} has {found} among its {field}, expected {expected}")]
    Part {
        /// `weights`, `means` or `variances`.
        field: &'static str,
        /// The component.
        component: usize,
        /// The value that was found.
        found: f32,
        /// The values that are allowed.
        expected: &'static str,
    },
    /// The weights do not sum to 1.
    #[error("the weights sum to {found}, expected 1: divide them by their sum")]
    WeightSum {
        /// The sum of the weights.
        found: f64,
    },
    /// Sums do not belong to the state of EM, or to the sums of other shards.
    #[error(
        "the {what} is {found}, expected {expected}: compute the sums of every shard from the same state, with the same parameters"
    )]
    Sums {
        /// What is compared.
        what: &'static str,
        /// The expected number.
        expected: u64,
        /// The number that was found.
        found: u64,
    },
    /// The shards do not have as many samples as before.
    #[error(
        "there are {found} samples, expected {expected}: give every shard exactly once, and do not change shards while learning"
    )]
    SampleCount {
        /// The number of samples before.
        expected: usize,
        /// The number that was found.
        found: usize,
    },
    /// A state of EM that has ended was given where an iteration is still to be made.
    #[error("EM has ended after {n_iterations} iterations: take the mixture of the state")]
    Finished {
        /// Number of iterations that were made.
        n_iterations: usize,
    },
    /// One shard or its sums were refused.
    #[error("shard {shard}: {reason}")]
    Shard {
        /// Position of the shard in the order of shards, from 0.
        shard: usize,
        /// Why it was refused.
        reason: Box<MixtureError>,
    },
    /// The k-means clustering that makes the start failed.
    #[error("the k-means clustering for the start failed: {0}; try the random start")]
    Clustering(#[from] linfa_clustering::KMeansError),
    /// linfa refused the data set.
    #[error(transparent)]
    Dataset(#[from] linfa::Error),
}

/// Adds the position of the shard to an error.
pub(crate) fn in_shard<T>(shard: usize, result: Result<T, MixtureError>) -> Result<T, MixtureError> {
    result.map_err(|reason| MixtureError::Shard { shard, reason: Box::new(reason) })
}
