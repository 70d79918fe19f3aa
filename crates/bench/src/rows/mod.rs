//! What is measured: one file per group of stages.

pub(crate) mod classifier;
pub(crate) mod front;
pub(crate) mod mixture;
pub(crate) mod relevance;
mod start;
mod threads;

use crate::context::Stage;

/// All stages, in the order of the table.
pub(crate) const STAGES: &[Stage] = &[
    Stage { rows: &["jpeg-to-gray"], measure: front::gray },
    Stage { rows: &["dense-sift"], measure: front::dense_sift },
    Stage { rows: &["pca-projection"], measure: front::projection },
    Stage { rows: &["fisher-vector", "fisher-vector-numpy"], measure: front::fisher_vector },
    Stage { rows: &["jpeg-to-vector"], measure: front::jpeg_to_vector },
    Stage { rows: &["em"], measure: mixture::with_floor },
    Stage { rows: &["em-plain"], measure: mixture::plain },
    Stage { rows: &["k-means"], measure: mixture::k_means },
    Stage { rows: &["gram", "svm"], measure: classifier::svm },
    Stage { rows: &["relevance-descriptors"], measure: relevance::descriptors },
    Stage { rows: &["relevance-epsilon", "relevance-further-class", "relevance-absolute"], measure: relevance::maps },
    Stage { rows: &["resampling-trace"], measure: relevance::trace },
    Stage { rows: &["two-threads-vectors"], measure: threads::vectors },
    Stage { rows: &["two-threads-em"], measure: threads::em },
    Stage { rows: &["two-threads-relevance"], measure: threads::relevance },
    Stage { rows: &["one-image-two-threads"], measure: threads::one_image },
    Stage { rows: &["explain-one-thread", "explain-two-threads"], measure: start::explain },
];
