//! The sections of the settings; each field says what it is, its unit, and where its usual value comes from.

use std::path::PathBuf;

use fisherlens_classifier::{Difficult, KernelKind, Loss};
use fisherlens_descriptors::Whitening;
use fisherlens_eval::Interpolation;
use fisherlens_lrp::Rule;
use serde::{Deserialize, Serialize};

use crate::series::{Fill, Substitute};

/// Where photographs come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DataSource {
    /// Made-up photographs that need no download.
    Mini,
    /// A PASCAL VOC devkit on the user's disk.
    Voc,
}

/// `[data]`: photographs and labels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataSettings {
    /// `mini` or `voc`.
    pub source: DataSource,
    /// Which VOC folder of the devkit; may be left out where it holds one only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub year: Option<u16>,
    /// Image set that the stages learn from.
    pub train: String,
    /// Image set that they are judged on.
    pub test: String,
    /// Label 0, an image with nothing but difficult instances of a class: `ignore` (`everingham2010`) or `negative`
    /// (the encoding toolbox of `chatfield2011`).
    pub difficult: Difficult,
    /// Images whose vectors share one artifact; one shard is what an interrupted run loses at most.
    pub shard_size: usize,
}

/// `[sample]`: what projection and mixture learn from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SampleSettings {
    /// Descriptors of all training images together, the same number from each (up to 10⁶: `chatfield2011`).
    pub n_descriptors: usize,
}

/// `[pca]`: the projection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PcaSettings {
    /// Dimensions kept of 128 (80: `chatfield2011`; 41,216 = (1 + 2·80)·256 of `lapuschkin2016`).
    pub n_components: usize,
    /// Projected descriptors scaled to unit variance: `off` or `on`.
    pub whitening: Whitening,
    /// A `.npz` file to read the projection from instead of learning it; `n_components` is then the file's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<PathBuf>,
}

/// Where EM starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InitKind {
    /// At the clusters of k-means on a part of the sample.
    KMeans,
    /// At descriptors drawn at random.
    Random,
}

/// `[mixture]`: the Gaussian mixture, learned by EM.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MixtureSettings {
    /// Gaussians (256: `perronnin2010`, `lapuschkin2016`).
    pub n_components: usize,
    /// EM steps at most.
    pub max_n_iterations: usize,
    /// Relative change of the log-likelihood at which EM stops (1e-5: `vedaldi2010`).
    pub tolerance: f64,
    /// `k-means` or `random`.
    pub init: InitKind,
    /// Descriptors that k-means looks at.
    pub init_n_samples: usize,
    /// Steps of k-means.
    pub init_n_iterations: usize,
    /// Smallest variance of a component as a share of the sample's own in the same dimension (1e-4: the encoding
    /// example of `vedaldi2010`).
    pub variance_floor: f32,
    /// Posteriors below it are passed over in the M step (`vedaldi2010`: 0.01 / `n_components`).
    pub posterior_floor: f32,
    /// A `.npz` file to read the mixture from instead of learning it; `n_components` is then the file's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<PathBuf>,
}

/// What turns vectors into scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClassifierKind {
    /// One linear support vector machine a class.
    LinearSvm,
    /// One logistic regression a class.
    LogisticRegression,
}

/// `[classifier]`: one linear model a class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassifierSettings {
    /// `linear-svm` or `logistic-regression`.
    pub kind: ClassifierKind,
    /// Kernel of the support vector machine: `linear`, or `histogram-intersection`, `chi-squared` (both for bags of words) or `rbf`
    /// (`bach2015`). A linear one is left out where settings are written, so that older runs keep their keys.
    #[serde(default, skip_serializing_if = "is_linear")]
    pub kernel: KernelKind,
    /// Width γ of the `chi-squared` and the `rbf` kernel; left out, it is one over the mean distance of the training vectors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gamma: Option<f64>,
    /// Costs of a violated margin to choose from by cross-validation; a single one is taken as it is.
    pub c_grid: Vec<f64>,
    /// Loss of the linear SVM: `hinge` or `squared-hinge`.
    pub loss: Loss,
    /// Folds of the cross-validation.
    pub n_folds: usize,
    /// Relative duality gap at which training stops.
    pub tolerance: f64,
    /// Passes over the training images at most.
    pub max_n_epochs: usize,
    /// A `.npz` file to read the classifiers from instead of training them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<PathBuf>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_linear(kernel: &KernelKind) -> bool {
    *kernel == KernelKind::Linear
}

/// `[relevance]`: scores back to descriptors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RelevanceSettings {
    /// The rules compared: `naive`, `epsilon=NUMBER`, `absolute` (`lapuschkin2016`, eq. 9, 11, 12). ε is measured
    /// against the sum over an image's descriptors.
    pub rules: Vec<Rule>,
    /// The one of them that pictures show (`epsilon=100`: `lapuschkin2016`, Fig. 1).
    pub display_rule: Rule,
}

/// `[resampling]`: Algorithm 1 of `lapuschkin2016`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResamplingSettings {
    /// Descriptors replaced in a trace (10,000).
    pub n_replacements: usize,
    /// Descriptors replaced between two scores (100).
    pub batch: usize,
    /// Traces of each true positive, with draws of their own (5).
    pub n_repeats: usize,
    /// Rules whose orders are compared, from both ends, beside contrast and random order: those of `relevance.rules` and further
    /// values of ε.
    pub rules: Vec<Rule>,
    /// What takes a descriptor's place besides the draws of Algorithm 1, to compare: `mean`, `removal`, in the orders of `relevance.rules`.
    pub substitutes: Vec<Substitute>,
}

/// `[pixels]`: the same measure with regions of pixels replaced (`samek2017`) and the descriptors they touch computed anew.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PixelSettings {
    /// Side of a region in pixels (9).
    pub side: usize,
    /// Regions replaced in a trace (100).
    pub n_regions: usize,
    /// Regions replaced between two scores.
    pub batch: usize,
    /// What takes their place: some of `blur`, `mean` and `noise`; none leaves the stage out.
    pub fills: Vec<Fill>,
    /// True positives of each class that are looked at, evenly spread; each takes about as long as fifty traces of descriptors.
    pub n_targets: usize,
}

/// `[evaluation]`: scores to numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvaluationSettings {
    /// `eleven-point` (VOC 2007, `everingham2010`) or `area`.
    pub interpolation: Interpolation,
    /// Resamples of the test images behind the interval of the mean average precision.
    pub n_bootstrap: usize,
    /// Seeds with which everything up to the scores is done, to tell how much of a difference is chance; the first is
    /// `seed`, the next `seed + 1`.
    pub n_seeds: usize,
}

/// `[report]`: the page.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportSettings {
    /// Best and worst test images shown of each class.
    pub n_examples: usize,
}
