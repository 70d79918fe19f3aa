//! Everything that can go wrong between a sample and a mixture.

use thiserror::Error;

/// Errors of learning a mixture and of mixtures put together from parts.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MixtureError {
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
    /// Two arrays disagree about a size.
    #[error("{what}: expected {expected}, found {found}; give arrays of the same features and components")]
    Dimension {
        /// What is counted.
        what: &'static str,
        /// The number expected.
        expected: usize,
        /// The number found.
        found: usize,
    },
    /// There are fewer (distinct) samples than components.
    #[error("{found} distinct samples for {n_components} components: give more samples or ask for fewer components")]
    TooFewSamples {
        /// Components asked for.
        n_components: usize,
        /// Distinct samples found, at most `n_components` counted.
        found: usize,
    },
    /// A sample holds a value that is not finite.
    #[error(
        "feature {feature} of sample {sample} is {found}, expected a finite number: look at that sample's descriptor"
    )]
    NotFinite {
        /// Row of the value.
        sample: usize,
        /// Column of the value.
        feature: usize,
        /// The value.
        found: f32,
    },
    /// An entry of a mixture is outside its range.
    #[error("{field} of component {component} hold {found}, expected {expected}")]
    Part {
        /// `weights`, `means` or `variances`.
        field: &'static str,
        /// The component.
        component: usize,
        /// The value found.
        found: f32,
        /// What is accepted.
        expected: &'static str,
    },
    /// The weights do not sum to 1.
    #[error("the weights sum to {found}, expected 1: divide them by their sum")]
    WeightSum {
        /// Their sum.
        found: f64,
    },
    /// The clustering that finds the start failed.
    #[error("k-means of the start failed: {0}; try the random start")]
    Clustering(#[from] linfa_clustering::KMeansError),
    /// The data set was refused.
    #[error(transparent)]
    Dataset(#[from] linfa::Error),
}
