//! What can go wrong when encoding.

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FisherError {
    /// The descriptors have another length than the mixture.
    #[error(
        "descriptors: rows have {found} entries, the mixture was trained on {expected}; project them with the PCA it belongs to"
    )]
    Features {
        /// Length of a row.
        found: usize,
        /// Length that the encoder takes.
        expected: usize,
    },
    /// The descriptors and their positions differ in number.
    #[error("positions: {positions} for {descriptors} descriptors; give one position a row")]
    Positions {
        /// Rows of the descriptors.
        descriptors: usize,
        /// Positions given.
        positions: usize,
    },
    /// A parameter outside its range.
    #[error("{name}: {found} is not allowed; give {expected}")]
    Parameter {
        /// Name of the parameter.
        name: &'static str,
        /// Value found.
        found: String,
        /// What was expected.
        expected: &'static str,
    },
    /// The mixture refused the descriptors.
    #[error(transparent)]
    Mixture(#[from] fisherlens_mixture::MixtureError),
}
