//! What is measured: one file a group of stages.

mod front;
mod mixture;

use anyhow::Result;

use super::context::Bench;
use super::row::Row;

/// Work that is measured together.
pub(crate) struct Stage {
    /// Names of the rows it gives, in their order.
    pub(crate) rows: &'static [&'static str],
    /// Measures them.
    pub(crate) measure: fn(&mut Bench) -> Result<Vec<Row>>,
}

/// Everything, in the order of the table.
pub(crate) const STAGES: &[Stage] = &[
    Stage { rows: &["jpeg-to-gray"], measure: front::gray },
    Stage { rows: &["dense-sift"], measure: front::dense_sift },
    Stage { rows: &["pca-projection"], measure: front::projection },
    Stage { rows: &["fisher-vector", "fisher-vector-numpy"], measure: front::fisher_vector },
    Stage { rows: &["jpeg-to-vector"], measure: front::jpeg_to_vector },
    Stage { rows: &["em"], measure: mixture::with_floor },
    Stage { rows: &["em-plain"], measure: mixture::plain },
];
