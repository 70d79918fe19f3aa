//! Gaussian mixtures with diagonal covariances: learning by expectation maximisation, posteriors, log-likelihoods and random draws.
//!
//! ```text
//! p(x) = Σ_k w[k] · N(x; μ[k], diag σ²[k])
//! ```
//! A [`DiagonalGmm`] is learned from samples `(N, D)` with [`DiagonalGmm::params`], or made from given arrays with
//! [`DiagonalGmm::from_parts`].
//!
//! ```
//! use fisherlens_mixture::{DiagonalGmm, Init};
//! use linfa::{Dataset, traits::Fit};
//! use ndarray::array;
//!
//! let samples = array![[0.0_f32], [0.2], [0.1], [5.0], [5.2], [5.1]];
//! let mixture = DiagonalGmm::params(2).init(Init::Random).seed(7).fit(&Dataset::from(samples.clone()))?;
//! let posteriors = mixture.posteriors(samples.view(), 0.0);
//! assert!((posteriors.row(0).sum() - 1.0).abs() < 1e-6);
//! # Ok::<(), fisherlens_mixture::MixtureError>(())
//! ```
//!
//! Samples that do not fit into memory are learned from in shards: [`DiagonalGmmValidParams::fit_shards`] in one process, or its steps on
//! any number of workers, with the same result to the last bit.

mod by_component;
mod candidates;
mod diagonal_gmm;
mod em;
mod em_state;
mod em_sums;
mod error;
mod exponential;
mod init;
mod integer_tables;
mod params;
mod posteriors;
mod shards;
mod sparse_posteriors;
mod statistics;
mod variance;

pub use by_component::ByComponent;
pub use diagonal_gmm::{DiagonalGmm, FitReport};
pub use em_state::EmState;
pub use em_sums::EmSums;
pub use error::MixtureError;
pub use params::{DiagonalGmmParams, DiagonalGmmValidParams, Init, VarianceFloor};
pub use sparse_posteriors::SparsePosteriors;
pub use variance::VarianceSums;
