//! The sections of the settings. The documentation of each field gives its meaning, its unit and the source of its usual value.

use std::path::PathBuf;

use fisherlens_classifier::{Difficult, KernelKind, Loss};
use fisherlens_descriptors::Whitening;
use fisherlens_eval::Interpolation;
use fisherlens_lrp::Rule;
use serde::{Deserialize, Serialize};

use crate::series::{Fill, Substitute};

/// The source of the photographs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DataSource {
    /// Synthetic photographs, which need no download.
    Mini,
    /// A PASCAL VOC devkit on the user's disk.
    Voc,
    /// Photographs of the user's own, in any layout.
    Own,
}

/// How the vectors of images are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VectorFormat {
    /// Four bytes per entry.
    #[default]
    F32,
    /// One byte per entry, and one scale per component; see [`fisherlens_fisher::Quantized`].
    Int8,
}

/// `[data]`: photographs and labels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataSettings {
    /// `mini`, `voc` or `own`.
    pub source: DataSource,
    /// The year of the VOC folder in the devkit. It may be left out if the devkit contains only one VOC folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub year: Option<u16>,
    /// Image set that the stages learn from.
    pub train: String,
    /// Image set that the classifiers are tested on.
    pub test: String,
    /// Classes of the devkit that are left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leave_out: Vec<String>,
    /// How images with label 0 are used, that is, images that contain only difficult instances of a class: `ignore` (`everingham2010`) or
    /// `negative` (the encoding toolbox of `chatfield2011`).
    pub difficult: Difficult,
    /// Number of images per shard. The vectors of a shard are one artifact; a stopped run loses at most one shard.
    pub shard_size: usize,
    /// How the vectors are stored: `f32` or `int8` (`sanchez2011`). `f32` is left out of written settings, so that the keys of older runs stay
    /// valid.
    #[serde(default, skip_serializing_if = "is_default")]
    pub vectors: VectorFormat,
}

/// What is in memory while projection and mixture are learned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InMemory {
    /// The whole sample.
    #[default]
    Whole,
    /// One shard of the sample at a time. The sums of the shards are added in their order.
    Shards,
}

/// `[sample]`: the descriptors that the projection and the mixture learn from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SampleSettings {
    /// Number of descriptors from all training images together, with the same number from each (up to 10⁶: `chatfield2011`).
    pub n_descriptors: usize,
    /// Number of training images from which they are drawn; only these are decoded. Default: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n_images: Option<usize>,
    /// Whether projection and mixture are learned from the sample as a `whole` or in `shards`. `whole` is left out of written settings.
    #[serde(default, skip_serializing_if = "is_default")]
    pub in_memory: InMemory,
}

/// `[pca]`: the projection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PcaSettings {
    /// Number of the 128 dimensions that are kept (80: `chatfield2011`; 41,216 = (1 + 2·80)·256 in `lapuschkin2016`).
    pub n_components: usize,
    /// Whether projected descriptors are scaled to unit variance: `off` or `on`.
    pub whitening: Whitening,
    /// A `.npz` file, or a model file (`.flm`), from which the projection is read, instead of learning it. The file then determines `n_components`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<PathBuf>,
}

/// The start of EM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InitKind {
    /// The clusters of k-means on a part of the sample.
    KMeans,
    /// Descriptors that are drawn at random.
    Random,
}

/// `[mixture]`: the Gaussian mixture, learned by EM.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MixtureSettings {
    /// Number of Gaussians (256: `perronnin2010`, `lapuschkin2016`).
    pub n_components: usize,
    /// Maximum number of EM steps.
    pub max_n_iterations: usize,
    /// Relative change of the log-likelihood at which EM stops (1e-5: `vedaldi2010`).
    pub tolerance: f64,
    /// `k-means` or `random`.
    pub init: InitKind,
    /// Number of descriptors that k-means uses.
    pub init_n_samples: usize,
    /// Number of steps of k-means.
    pub init_n_iterations: usize,
    /// Smallest variance of a component, as a share of the sample's variance in the same dimension (1e-4: the encoding example of
    /// `vedaldi2010`).
    pub variance_floor: f32,
    /// The M step ignores posteriors below this value (`vedaldi2010`: 0.01 / `n_components`).
    pub posterior_floor: f32,
    /// A `.npz` file, or a model file (`.flm`), from which the mixture is read, instead of learning it. The file then determines `n_components`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<PathBuf>,
}

/// The kind of classifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClassifierKind {
    /// One linear support vector machine per class.
    LinearSvm,
    /// One logistic regression per class.
    LogisticRegression,
}

/// How a linear SVM is trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Solver {
    /// On the inner products of all images. Memory grows with the square of their number.
    Gram,
    /// On blocks of images that are read again in every pass. Memory does not depend on the number of dimensions times images.
    Blocks,
}

/// `[classifier]`: one model per class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassifierSettings {
    /// `linear-svm` or `logistic-regression`.
    pub kind: ClassifierKind,
    /// Kernel of the support vector machine: `linear`, or `histogram-intersection`, `chi-squared` (both for bags of words) or `rbf`
    /// (`bach2015`). `linear` is left out of written settings, so that the keys of older runs stay valid.
    #[serde(default, skip_serializing_if = "is_default")]
    pub kernel: KernelKind,
    /// Width γ of the `chi-squared` and the `rbf` kernel. Default: one over the mean distance of the training vectors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gamma: Option<f64>,
    /// Costs C of a violated margin, from which cross-validation chooses. A single cost is used without cross-validation.
    pub c_grid: Vec<f64>,
    /// Loss of the linear SVM: `hinge` or `squared-hinge`.
    pub loss: Loss,
    /// Number of folds of the cross-validation.
    pub n_folds: usize,
    /// Relative duality gap at which training stops.
    pub tolerance: f64,
    /// Maximum number of passes over the training images.
    pub max_n_epochs: usize,
    /// How a linear SVM is trained: on the `gram` matrix, or on `blocks` of images without it. Default: `gram` where matrix and vectors fit
    /// into [`crate::solver::LARGEST_GRAM_BYTES`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub solver: Option<Solver>,
    /// A `.npz` file, or a model file (`.flm`), from which the classifiers are read, instead of training them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<PathBuf>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// `[relevance]`: from scores back to descriptors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RelevanceSettings {
    /// The rules that are compared: `naive`, `epsilon=NUMBER`, `absolute` (`lapuschkin2016`, eq. 9, 11, 12). ε applies to the sum over the
    /// descriptors of an image.
    pub rules: Vec<Rule>,
    /// The rule that pictures show, one of `rules` (`epsilon=100`: `lapuschkin2016`, Fig. 1).
    pub display_rule: Rule,
    /// Number of rows and of columns of a grid on which heatmaps are stored, instead of the relevance of every descriptor. Measures that are
    /// made from stored heatmaps are then approximate. Default: every descriptor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grid: Option<usize>,
}

/// `[resampling]`: Algorithm 1 of `lapuschkin2016`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResamplingSettings {
    /// Number of descriptors that are replaced in one trace (10,000).
    pub n_replacements: usize,
    /// Number of descriptors that are replaced between two scores (100).
    pub batch: usize,
    /// Number of traces per true positive, each with its own draws (5).
    pub n_repeats: usize,
    /// Rules whose orders are compared from both ends, together with the orders by contrast and at random: the rules of `relevance.rules`
    /// and further values of ε.
    pub rules: Vec<Rule>,
    /// Substitutes of descriptors that are compared with the draws of Algorithm 1: `mean`, `removal`. Used with the orders of
    /// `relevance.rules`.
    pub substitutes: Vec<Substitute>,
}

/// `[pixels]`: the same measurement with regions of pixels replaced (`samek2017`); the descriptors that they touch are computed again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PixelSettings {
    /// Side of a region in pixels (9).
    pub side: usize,
    /// Number of regions that are replaced in one trace (100).
    pub n_regions: usize,
    /// Number of regions that are replaced between two scores.
    pub batch: usize,
    /// What replaces the pixels: some of `blur`, `mean` and `noise`. An empty list leaves the stage out.
    pub fills: Vec<Fill>,
    /// Number of true positives per class that are measured, evenly spread. Each takes about as long as fifty traces of descriptors.
    pub n_targets: usize,
}

/// `[evaluation]`: from scores to measures of quality.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvaluationSettings {
    /// `eleven-point` (VOC 2007, `everingham2010`) or `area`.
    pub interpolation: Interpolation,
    /// Number of resampled test sets for the interval of the mean average precision.
    pub n_bootstrap: usize,
    /// Number of seeds with which everything up to the scores is computed, to show how large differences by chance are. The first seed is
    /// `seed`, the next `seed + 1`.
    pub n_seeds: usize,
}

/// `[report]`: the page.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportSettings {
    /// Number of best and of worst test images that the report shows per class.
    pub n_examples: usize,
}
