//! What a report can show: plain values that the caller fills in and the report formats.
//!
//! Everything except the title is optional. A section whose value is `None` or an empty list is left out, so a run that stopped early gets
//! a report of what it has. Fractions (average precision, V, rates, shares) are in [0, 1] here and are shown in per cent. A value that is
//! not finite is shown as a dash.

pub(crate) mod calibration;
pub(crate) mod examples;
pub(crate) mod strategies;
pub(crate) mod table;

use crate::data::calibration::CalibrationSummary;
use crate::data::examples::{ClassExamples, Mistake};
use crate::data::strategies::StrategySummary;
use crate::data::table::{ExtraSection, Table};

/// The content of a whole report.
///
/// ```
/// use fisherlens_report::{ContextRow, ReportData};
///
/// let data = ReportData {
///     title: "A first look".to_owned(),
///     context: vec![ContextRow { class: "horse".to_owned(), n_images: 90, median: 0.8, ..ContextRow::default() }],
///     ..ReportData::default()
/// };
/// let folder = tempfile::tempdir()?;
/// let page = std::fs::read_to_string(fisherlens_report::write(&data, folder.path())?)?;
/// assert!(page.contains("Use of context") && !page.contains("Conservation of relevance"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ReportData {
    /// Heading of the page.
    pub title: String,
    /// Name of the experiment, for example `voc2007` or `mini`. Empty for a model that was not learned by one.
    pub experiment: String,
    /// When the report was made, as text. `None` if the same data should give the same bytes.
    pub generated_at: Option<String>,
    /// Whether the images are from PASCAL VOC, so that the published numbers can be compared with these.
    pub is_voc: bool,
    /// Sentences that are shown above everything else, for example that the data is made up.
    pub notes: Vec<String>,
    /// How many examples are shown, and how large.
    pub limits: Limits,
    /// The program, machine and data that the numbers come from.
    pub provenance: Option<Provenance>,
    /// The images and labels.
    pub data: Option<DataSummary>,
    /// Every setting as (name, value), in the order in which they are shown.
    pub settings: Vec<(String, String)>,
    /// Average precision of each class and its mean over classes.
    pub average_precision: Option<AveragePrecisionSummary>,
    /// Number of test images that were taken for their class, and of all test images. `None` unless every test image has exactly one class.
    pub accuracy: Option<(usize, usize)>,
    /// How the classifiers were trained.
    pub classifier: Option<ClassifierSummary>,
    /// One curve per class.
    pub precision_recall: Vec<PrecisionRecallCurve>,
    /// One row per class.
    pub equal_error: Vec<EqualErrorRow>,
    /// Whether the thresholds were chosen before, on other images than the test images. Otherwise they are the equal-error thresholds of the
    /// test images.
    pub has_own_thresholds: bool,
    /// How true the probabilities are.
    pub calibration: Option<CalibrationSummary>,
    /// Quality of the heatmaps under perturbation, as in Figure 1 of the supplement.
    pub perturbation: Option<PerturbationSummary>,
    /// One row per rule.
    pub conservation: Vec<ConservationRow>,
    /// One row per class: relevance outside and inside the boxes.
    pub context: Vec<ContextRow>,
    /// Further tables.
    pub extra_tables: Vec<Table>,
    /// Further sections; they follow the further tables.
    pub extra_sections: Vec<ExtraSection>,
    /// Strategies found among the heatmaps of a class.
    pub strategies: Vec<StrategySummary>,
    /// Test images for which a class was found that they do not have, the surest first.
    pub mistakes: Vec<Mistake>,
    /// Number of images with such a mistake; `mistakes` may be a part of them.
    pub n_mistakes: usize,
    /// Heatmaps of single images, for each class.
    pub examples: Vec<ClassExamples>,
    /// One row per stage, in the order in which the stages ran.
    pub stages: Vec<StageRow>,
}

/// How many examples a report shows, and how large. Photographs take most of the file's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Largest number of examples of each kind (best, worst, context) per class; the first ones are shown.
    pub n_examples: usize,
    /// Longest side of a photograph in pixels, at most 300. Larger photographs are averaged down to this size, and heatmaps, which are
    /// smooth, to half of it.
    pub thumbnail: usize,
}

impl Default for Limits {
    /// Two of each kind per class, 220 pixels: about 6 MB for twenty classes and three rules, because a photograph takes 32 kB and a
    /// heatmap 6 kB.
    fn default() -> Self {
        Self { n_examples: 2, thumbnail: 220 }
    }
}

/// The program, machine and data that the numbers come from.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Provenance {
    /// Version of the program.
    pub version: String,
    /// Commit that the program was built from, if known.
    pub commit: Option<String>,
    /// (crate, version) of the libraries that the numbers depend on.
    pub crates: Vec<(String, String)>,
    /// Name of the processor, as given by the operating system.
    pub processor: String,
    /// Instruction set that the inner loops used, for example `avx512` or `avx2`.
    pub code_path: String,
    /// Number of threads.
    pub n_threads: usize,
    /// (what the seed is for, seed).
    pub seeds: Vec<(String, u64)>,
    /// Digest of the images and annotations, in hexadecimal.
    pub data_digest: String,
    /// Digest of the settings, in hexadecimal.
    pub settings_digest: String,
    /// Operating system and architecture.
    pub operating_system: String,
    /// The command that the user typed.
    pub command_line: String,
    /// Largest resident memory of the process, in bytes.
    pub peak_memory: Option<u64>,
}

/// The images and labels.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DataSummary {
    /// Name of the training set, for example `trainval`.
    pub train_name: String,
    /// Name of the test set.
    pub test_name: String,
    /// Number of training images.
    pub n_train: usize,
    /// Number of test images.
    pub n_test: usize,
    /// Images that were left out.
    pub skipped: Vec<SkippedImage>,
    /// One row per class.
    pub classes: Vec<ClassCounts>,
}

/// An image that was left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SkippedImage {
    /// Id of the image.
    pub id: String,
    /// Why it was left out.
    pub reason: String,
}

/// Numbers of images of one class.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClassCounts {
    /// The class.
    pub class: String,
    /// Number of training images with label +1.
    pub n_positive_train: usize,
    /// Number of training images with label 0 (only difficult instances).
    pub n_difficult_train: usize,
    /// Number of test images with label +1.
    pub n_positive_test: usize,
    /// Number of test images with label 0.
    pub n_difficult_test: usize,
}

/// Average precision of each class and its mean over classes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AveragePrecisionSummary {
    /// One row per class.
    pub rows: Vec<AveragePrecisionRow>,
    /// Mean over classes of the 11-point average precision.
    pub mean_eleven_point: f64,
    /// Mean over classes of the area under the curve.
    pub mean_area: f64,
    /// 95 % interval of the 11-point mean, computed by resampling the test images.
    pub bootstrap: Option<BootstrapInterval>,
    /// Published mean for comparison; [`paper::MEAN_AVERAGE_PRECISION`](crate::paper::MEAN_AVERAGE_PRECISION) for VOC 2007.
    pub paper_mean: Option<f64>,
    /// Whether the test images are the paper's. If not, the report says that the paper's values are for other images.
    pub is_papers_test: bool,
    /// 11-point mean of runs that differ only in the seed, as (seed, mean), the present run first; empty if there was only one seed.
    pub seeds: Vec<(u64, f64)>,
}

/// Average precision of one class.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AveragePrecisionRow {
    /// The class.
    pub class: String,
    /// 11-point average precision as in VOC 2007; `None` if the class has no positive test image.
    pub eleven_point: Option<f64>,
    /// Area under the curve; `None` if the class has no positive test image.
    pub area: Option<f64>,
    /// Number of test images with label +1.
    pub n_positives: usize,
    /// Published value; [`paper::average_precision`](crate::paper::average_precision) has the values for VOC 2007.
    pub paper: Option<f64>,
}

/// 95 % interval over resampled test sets.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct BootstrapInterval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Number of resampled test sets.
    pub n_resamples: usize,
}

/// How the classifiers were trained.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ClassifierSummary {
    /// C of the support vector machine.
    pub chosen_c: f64,
    /// How C was chosen, for example `5-fold cross-validation by average precision` or `fixed by the settings`.
    pub choice: String,
    /// One row per value of C that was tried; empty if C was fixed.
    pub cross_validation: Vec<CrossValidationRow>,
    /// One row per class.
    pub classes: Vec<TrainingRow>,
}

/// One value of C that cross-validation tried.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CrossValidationRow {
    /// The value of C.
    pub c: f64,
    /// Mean average precision over held-out folds and classes.
    pub mean: f64,
    /// The same for each fold.
    pub folds: Vec<f64>,
    /// Number of problems (one per fold and class) in which the solver did not reach its tolerance.
    pub n_unsolved: usize,
}

/// How the training of one class ended.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TrainingRow {
    /// The class.
    pub class: String,
    /// Value of the primal objective.
    pub objective: f64,
    /// The duality gap as a share of the objective.
    pub relative_duality_gap: f64,
    /// Number of passes over the training images.
    pub n_epochs: usize,
    /// Whether the gap fell below the tolerance.
    pub converged: bool,
    /// Number of training images whose coefficient is not 0.
    pub n_support_vectors: usize,
}

/// Precision against recall of one class.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PrecisionRecallCurve {
    /// The class.
    pub class: String,
    /// Recall, in ascending order.
    pub recall: Vec<f64>,
    /// Precision at the same ranks.
    pub precision: Vec<f64>,
    /// 11-point average precision; it is shown above the curve.
    pub average_precision: Option<f64>,
}

/// The threshold at which false positive rate and false negative rate are equal.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EqualErrorRow {
    /// The class.
    pub class: String,
    /// The rate.
    pub rate: f64,
    /// The threshold on the score.
    pub threshold: f64,
    /// Number of test images with label +1.
    pub n_positives: usize,
    /// How many of them score above the threshold.
    pub n_true_positives: usize,
}

/// Quality of the heatmaps: how the score falls while the most relevant descriptors are replaced (Figure 1 of the supplement).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PerturbationSummary {
    /// Number of descriptors that are replaced in one trace.
    pub n_replacements: usize,
    /// Number of descriptors that are replaced between two points of the curve.
    pub batch: usize,
    /// Number of traces per image.
    pub n_repeats: usize,
    /// One entry per order of replacement: one for each rule, and the random order.
    pub orders: Vec<PerturbationOrder>,
    /// The classes; the `a_by_class` of each order has one entry per class.
    pub classes: Vec<String>,
}

/// The traces of one order of replacement.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PerturbationOrder {
    /// Name of the rule, as in the settings (`naive`, `epsilon=100`, `absolute`), or `random`.
    pub name: String,
    /// Whether the order is random.
    pub is_random: bool,
    /// Mean over traces and points of f(x) − f(x⁽ⁱ⁾), without i = 0 (Eq. 14).
    pub a: f64,
    /// 95 % interval of A over traces.
    pub a_interval: (f64, f64),
    /// Share of the traces whose prediction changes its sign at some point.
    pub v: f64,
    /// Area over the perturbation curve; it includes the point i = 0 (`samek2017`).
    pub aopc: f64,
    /// Number of traces.
    pub n_traces: usize,
    /// Number of traces of images with fewer descriptors than replacements; the end of their curve is constant.
    pub n_short: usize,
    /// Mean of f(x) − f(x⁽ⁱ⁾) after each batch i = 1, 2, …
    pub curve: Vec<f64>,
    /// Lower and upper end of the curve's 95 % interval at the same points; empty if unknown.
    pub curve_interval: Vec<(f64, f64)>,
    /// Number of traces whose sign first changes at each of these points.
    pub first_sign_changes: Vec<usize>,
    /// A over the traces of each class; `None` for a class without true positives.
    pub a_by_class: Vec<Option<f64>>,
    /// Whether the order does not use the classifier; this includes the random order.
    pub is_baseline: bool,
    /// A of the reversed order, which replaces the least relevant descriptors first.
    pub a_least_first: Option<f64>,
    /// Area between the curves of the order and of the reversed order, as a mean over points.
    pub abpc: Option<f64>,
    /// 95 % interval of `abpc`.
    pub abpc_interval: Option<(f64, f64)>,
    /// The curve of the reversed order; empty if it was not measured.
    pub curve_least_first: Vec<f64>,
    /// 95 % interval of `curve_least_first` at the same points.
    pub interval_least_first: Vec<(f64, f64)>,
}

/// A share of relevance, summarised over heatmaps.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Share {
    /// Mean, with its sign.
    pub mean: f64,
    /// Largest absolute value.
    pub max: f64,
}

/// How much relevance each step of one rule loses (below 0) or adds (above 0), as a share of the absolute value of the score or
/// of the bias; the larger of the two counts.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ConservationRow {
    /// The rule.
    pub rule: String,
    /// Number of heatmaps.
    pub n_heatmaps: usize,
    /// Step from the score to the dimensions of the vector (Eq. 6).
    pub dimensions: Share,
    /// Step from the dimensions to the descriptors (Eq. 9, 11, 12).
    pub descriptors: Share,
    /// Step from the descriptors to the pixels (Eq. 10).
    pub pixels: Share,
    /// The change in the step from dimensions to descriptors that follows from the rule's formula.
    pub predicted: Option<Share>,
    /// Share of the bias.
    pub bias: Option<Share>,
    /// Share on dimensions to which no descriptor contributes.
    pub unreached: Option<Share>,
}

/// Relevance outside and inside the boxes of one class.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ContextRow {
    /// The class.
    pub class: String,
    /// Number of images that have a ratio.
    pub n_images: usize,
    /// Number of images without a ratio: no pixel is outside the boxes, or there is no positive relevance inside.
    pub n_excluded: usize,
    /// Mean over images of (mean positive relevance outside) / (mean positive relevance inside).
    pub mean: f64,
    /// Median over images of the same ratio.
    pub median: f64,
    /// (sum over images of the means outside) / (sum over images of the means inside).
    pub ratio_of_sums: f64,
    /// Mean positive relevance of the outside pixels of all images, divided by the mean of the inside pixels of all images. Larger images
    /// have more weight.
    pub size_weighted: f64,
    /// Mean over images of (mean relevance outside − mean relevance inside) / max|R|; relevance keeps its sign.
    pub signed_difference: f64,
    /// Mean over images of the share of the positive relevance that is inside the boxes, and of the share of the pixels that is inside.
    pub inside: (f64, f64),
    /// Mean over images of the rank correlation of relevance and distance from the nearest box.
    pub distance_correlation: f64,
    /// Number of images whose most relevant pixel is in a box, and number of all images that were looked at.
    pub pointing_hits: Option<(usize, usize)>,
}

/// One stage of the run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StageRow {
    /// Name of the stage.
    pub name: String,
    /// Digest in the names of its artifacts.
    pub key: String,
    /// Number of files.
    pub n_artifacts: usize,
    /// Size of all files.
    pub bytes: u64,
    /// Wall-clock time of the computation.
    pub seconds: f64,
    /// Whether the artifacts existed already.
    pub cached: bool,
}
