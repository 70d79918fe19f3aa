//! Evaluation of classifiers and of their relevance.
//!
//! - Classifiers: average precision as PASCAL VOC defines it (`everingham2010`), a bootstrap interval for its mean, and the
//!   equal-error threshold.
//! - Relevance of descriptors: the most relevant descriptors of an image are replaced and the score is followed (Algorithm 1 of
//!   `lapuschkin2016`).
//! - Heatmaps: relevance outside the boxes of a class compared with relevance inside them, and strategies that heatmaps show
//!   (`lapuschkin2019`).
//!
//! ```
//! use fisherlens_eval::{Interpolation, average_precision, equal_error_threshold};
//!
//! let scores = [0.9, 0.2, 0.4, -0.3];
//! let labels = [1, 0, -1, -1]; // 0: the image has only difficult instances and is skipped
//! assert_eq!(average_precision(&scores, &labels, Interpolation::ElevenPoint), Some(1.0));
//! let equal_error = equal_error_threshold(&scores, &labels)?;
//! assert_eq!((equal_error.threshold, equal_error.rate), (0.65, 0.0));
//! # Ok::<(), fisherlens_eval::EvalError>(())
//! ```

mod agreement;
mod area_between;
mod average_precision;
mod batch_sums;
mod bootstrap;
mod confusion;
mod context;
mod distance;
mod downsized;
mod equal_error;
mod error;
mod linear_traces;
mod order;
mod perturbation;
mod quality;
mod rect;
mod regions;
mod reliability;
mod resampling;
mod resampling_trace;
mod spectral;
mod strategies;

pub use agreement::{ClusterAgreement, adjusted_mutual_information, best_cluster};
pub use area_between::{AreaBetween, area_between};
pub use average_precision::{Interpolation, PrecisionRecall, average_precision, precision_recall};
pub use batch_sums::{BatchSums, RawSums};
pub use bootstrap::{Interval, bootstrap_mean_average_precision};
pub use confusion::Confusion;
pub use context::{Context, ContextSummary, context, summarize_context};
pub use distance::distance_correlation;
pub use downsized::{downsized, spread_evenly};
pub use equal_error::{EqualError, equal_error_threshold};
pub use error::EvalError;
pub use linear_traces::{LinearScore, TracePair, linear_traces, removals_by_batch};
pub use order::{random_order, relevance_order};
pub use perturbation::{Perturbation, Replacement, Trace, perturbation_trace};
pub use quality::{Quality, quality, quality_by_image};
pub use rect::Rect;
pub use regions::{region_relevance, regions};
pub use reliability::{Reliability, ReliabilityBin};
pub use resampling::Resampling;
pub use resampling_trace::{resampling_trace, trace_from_sums};
pub use spectral::{SpectralEmbedding, neighbour_graph};
pub use strategies::{ExcessWindow, Strategies, SweepRow, excess_window, find_strategies};
