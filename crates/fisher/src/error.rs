//! What can go wrong when an encoder is made or used.

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FisherError {
    /// The descriptors do not have as many features as the encoder expects.
    #[error(
        "the descriptors have {found} features, the encoder expects {expected}: project them with the PCA that belongs to its mixture"
    )]
    Features {
        /// Number of features of the descriptors.
        found: usize,
        /// Number of features that the encoder expects.
        expected: usize,
    },
    /// There are not as many positions as descriptors.
    #[error("{positions} positions for {descriptors} descriptors: give one position per descriptor")]
    Positions {
        /// Number of descriptors.
        descriptors: usize,
        /// Number of positions.
        positions: usize,
    },
    /// A parameter is outside its range.
    #[error("{name} is {found}, expected {expected}")]
    Parameter {
        /// Name of the parameter.
        name: &'static str,
        /// The value that was given.
        found: String,
        /// The values that are allowed.
        expected: &'static str,
    },
    /// The mixture refused the descriptors.
    #[error(transparent)]
    Mixture(#[from] fisherlens_mixture::MixtureError),
}
