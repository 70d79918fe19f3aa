//! What a report can show. Plain owned values: the stages fill them, the report only formats them.
//!
//! Everything but the title is optional. An empty list or `None` leaves its section out, so a run that stopped early still
//! gets a report of what it has. Fractions (average precision, V, rates, shares) lie in [0, 1] here and are shown in per cent;
//! a value that is not finite is shown as a dash.

use serde::{Deserialize, Serialize};

mod examples;
mod strategies;

pub use examples::{ClassExamples, Example, RgbImage, RuleHeatmap};
pub use strategies::{StrategyCluster, StrategyExample, StrategySummary};

/// One whole report.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ReportData {
    /// Heading of the page.
    pub title: String,
    /// Name of the experiment, as in `voc2007` or `mini`.
    pub experiment: String,
    /// When the report was made, already written out; left out when the caller wants the same bytes from the same data.
    pub generated_at: Option<String>,
    /// True when the images are PASCAL VOC's, so that the published numbers can be set beside these.
    pub is_voc: bool,
    /// Sentences shown above everything else, for example that this data is made up.
    pub notes: Vec<String>,
    /// How much of the examples to show and how large.
    pub limits: Limits,
    /// What made these numbers.
    pub provenance: Option<Provenance>,
    /// The images and labels.
    pub data: Option<DataSummary>,
    /// Every setting as (name, value), in the order to show.
    pub settings: Vec<(String, String)>,
    /// Average precision by class and over classes.
    pub average_precision: Option<AveragePrecisionSummary>,
    /// How the classifiers were trained.
    pub classifier: Option<ClassifierSummary>,
    /// One curve a class.
    pub precision_recall: Vec<PrecisionRecallCurve>,
    /// One row a class.
    pub equal_error: Vec<EqualErrorRow>,
    /// Figure 1 of the supplement.
    pub perturbation: Option<PerturbationSummary>,
    /// One row a rule.
    pub conservation: Vec<ConservationRow>,
    /// One row a class: relevance outside against inside the boxes.
    pub context: Vec<ContextRow>,
    /// Tables that only some experiments have.
    pub extra_tables: Vec<Table>,
    /// Sections that only some experiments have, after the further measurements.
    pub extra_sections: Vec<ExtraSection>,
    /// Strategies found among the heatmaps of a class.
    pub strategies: Vec<StrategySummary>,
    /// Heatmaps by class.
    pub examples: Vec<ClassExamples>,
    /// One row a stage, in the order they ran.
    pub stages: Vec<StageRow>,
}

/// How much of the examples a report shows; photographs are what makes the file large.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Most examples shown of one class and kind (best, worst, context); the first ones given.
    pub n_examples: usize,
    /// Longest side of a photograph in pixels, at most 300. Larger ones are averaged down to it; heatmaps, which are smooth, to
    /// half of it.
    pub thumbnail: usize,
}

impl Default for Limits {
    /// Two of each kind a class, 220 pixels: about 6 MB for twenty classes and three rules, as a photograph takes 32 kB and a
    /// heatmap 6.
    fn default() -> Self {
        Self { n_examples: 2, thumbnail: 220 }
    }
}

/// What made the numbers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// Version of this program.
    pub version: String,
    /// Commit it was built from, if known.
    pub commit: Option<String>,
    /// (crate, version) of what the numbers depend on.
    pub crates: Vec<(String, String)>,
    /// Processor, as the operating system names it.
    pub processor: String,
    /// Which instruction set the kernels ran with, as in `avx512` or `avx2`.
    pub code_path: String,
    /// Threads used.
    pub n_threads: usize,
    /// (what it seeds, seed).
    pub seeds: Vec<(String, u64)>,
    /// Digest of the images and annotations, in hexadecimal.
    pub data_digest: String,
    /// Digest of the settings, in hexadecimal.
    pub settings_digest: String,
    /// Operating system and architecture.
    pub operating_system: String,
    /// The command that was given.
    pub command_line: String,
    /// Largest resident memory of the process, in bytes.
    pub peak_memory: Option<u64>,
}

/// The images and labels.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DataSummary {
    /// Name of the training set, as in `trainval`.
    pub train_name: String,
    /// Name of the test set.
    pub test_name: String,
    /// Images trained on.
    pub n_train: usize,
    /// Images tested on.
    pub n_test: usize,
    /// Images left out.
    pub skipped: Vec<SkippedImage>,
    /// One row a class.
    pub classes: Vec<ClassCounts>,
}

/// An image that was left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SkippedImage {
    /// The image.
    pub id: String,
    /// Why.
    pub reason: String,
}

/// Images of one class.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassCounts {
    /// The class.
    pub class: String,
    /// Training images with label +1.
    pub n_positive_train: usize,
    /// Training images with label 0 (only difficult instances).
    pub n_difficult_train: usize,
    /// Test images with label +1.
    pub n_positive_test: usize,
    /// Test images with label 0.
    pub n_difficult_test: usize,
}

/// Average precision by class and over classes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct AveragePrecisionSummary {
    /// One row a class.
    pub rows: Vec<AveragePrecisionRow>,
    /// Mean over classes, 11-point.
    pub mean_eleven_point: f64,
    /// Mean over classes, area under the curve.
    pub mean_area: f64,
    /// 95 % interval of the 11-point mean by resampling the test images.
    pub bootstrap: Option<BootstrapInterval>,
    /// Published mean for comparison; [`super::paper::MEAN_AVERAGE_PRECISION`] for VOC 2007.
    pub paper_mean: Option<f64>,
    /// Whether the test images are those of the paper; if not, the report says that the values are of other images.
    pub is_papers_test: bool,
    /// 11-point mean of runs that differ in the seed alone, as (seed, mean), this one first; empty where there was one seed.
    pub seeds: Vec<(u64, f64)>,
}

/// Average precision of one class.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct AveragePrecisionRow {
    /// The class.
    pub class: String,
    /// VOC 2007's 11-point interpolation; `None` without a positive.
    pub eleven_point: Option<f64>,
    /// Area under the curve; `None` without a positive.
    pub area: Option<f64>,
    /// Test images with label +1.
    pub n_positives: usize,
    /// Published value; [`super::paper::average_precision`] knows those of VOC 2007.
    pub paper: Option<f64>,
}

/// Mean and 95 % interval over resampled test sets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct BootstrapInterval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Resampled test sets.
    pub n_resamples: usize,
}

/// How the classifiers were trained.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ClassifierSummary {
    /// C of the support vector machine.
    pub chosen_c: f64,
    /// Where C came from, as in `5-fold cross-validation by average precision` or `fixed by the settings`.
    pub choice: String,
    /// One row a tried C; empty when C was fixed.
    pub cross_validation: Vec<CrossValidationRow>,
    /// One row a class.
    pub classes: Vec<TrainingRow>,
}

/// One C that cross-validation tried.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CrossValidationRow {
    /// The C.
    pub c: f64,
    /// Mean average precision over held-out folds and classes.
    pub mean: f64,
    /// The same for each fold.
    pub folds: Vec<f64>,
}

/// How the training of one class ended.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TrainingRow {
    /// The class.
    pub class: String,
    /// Value of the primal objective.
    pub objective: f64,
    /// Relative duality gap.
    pub duality_gap: f64,
    /// Passes over the training images.
    pub n_epochs: usize,
    /// Whether the gap fell below the tolerance.
    pub converged: bool,
    /// Training images with a coefficient other than 0.
    pub n_support_vectors: usize,
}

/// Precision against recall of one class.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PrecisionRecallCurve {
    /// The class.
    pub class: String,
    /// Recall, rising.
    pub recall: Vec<f64>,
    /// Precision at the same ranks.
    pub precision: Vec<f64>,
    /// 11-point average precision, shown in the panel's title.
    pub average_precision: Option<f64>,
}

/// The threshold at which false positive rate and false negative rate are equal.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct EqualErrorRow {
    /// The class.
    pub class: String,
    /// The common rate.
    pub rate: f64,
    /// The threshold on the score.
    pub threshold: f64,
    /// Test images with label +1.
    pub n_positives: usize,
    /// Those above the threshold.
    pub n_true_positives: usize,
}

/// Figure 1 of the supplement: what happens to the score as the most relevant descriptors are replaced.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PerturbationSummary {
    /// Descriptors replaced in one trace.
    pub n_replacements: usize,
    /// Descriptors replaced between two points of the curve.
    pub batch: usize,
    /// Traces an image.
    pub n_repeats: usize,
    /// One entry an order: each rule, and random.
    pub orders: Vec<PerturbationOrder>,
    /// Classes of the table of A by class; each order's `a_by_class` has one entry a class.
    pub classes: Vec<String>,
}

/// The traces of one order of replacement.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PerturbationOrder {
    /// The rule as the settings name it (`naive`, `epsilon=100`, `absolute`), or `random`.
    pub name: String,
    /// True when the order is drawn at random instead of following relevance.
    pub is_random: bool,
    /// Mean over traces and points of f(x) − f(x⁽ⁱ⁾), without i = 0 (Eq. 14).
    pub a: f64,
    /// 95 % interval of A over traces.
    pub a_interval: (f64, f64),
    /// Share of traces whose prediction changes sign at some point.
    pub v: f64,
    /// Area over the perturbation curve, which counts the point i = 0 (`samek2017`).
    pub aopc: f64,
    /// Traces.
    pub n_traces: usize,
    /// Traces of images with fewer descriptors than replacements, whose curve stays level at the end.
    pub n_short: usize,
    /// Mean of f(x) − f(x⁽ⁱ⁾) at i = 1, 2, … in batches.
    pub curve: Vec<f64>,
    /// Lower and upper end of the curve's 95 % interval at the same points; empty if unknown.
    pub curve_interval: Vec<(f64, f64)>,
    /// Traces whose sign changes first at each of these points.
    pub first_sign_changes: Vec<usize>,
    /// A of each class's traces; `None` for a class without a true positive.
    pub a_by_class: Vec<Option<f64>>,
    /// True for orders that know nothing of the classifier, random order among them.
    pub is_baseline: bool,
    /// A of the same order from its other end.
    pub a_least_first: Option<f64>,
    /// Area between the curves of both ends, mean over points.
    pub abpc: Option<f64>,
    /// Its 95 % interval.
    pub abpc_interval: Option<(f64, f64)>,
    /// The curve from the other end; empty without one.
    pub curve_least_first: Vec<f64>,
    /// Its 95 % interval at the same points.
    pub interval_least_first: Vec<(f64, f64)>,
}

/// Mean over heatmaps and the largest magnitude.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// Signed mean.
    pub mean: f64,
    /// Largest magnitude.
    pub max: f64,
}

/// How much relevance each step of one rule loses (below 0) or makes (above 0), as a share of the magnitude of the score or
/// the bias, whichever is larger.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ConservationRow {
    /// The rule.
    pub rule: String,
    /// Heatmaps summed up.
    pub n_heatmaps: usize,
    /// Score to dimensions of the vector (Eq. 6).
    pub dimensions: Share,
    /// Dimensions to descriptors (Eq. 9, 11, 12).
    pub descriptors: Share,
    /// Descriptors to pixels (Eq. 10).
    pub pixels: Share,
    /// The change from dimensions to descriptors that the rule predicts.
    pub predicted: Option<Share>,
    /// Share that the bias holds.
    pub bias: Option<Share>,
    /// Share on dimensions that no descriptor reaches.
    pub unreached: Option<Share>,
}

/// Relevance outside against inside the boxes of one class.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ContextRow {
    /// The class.
    pub class: String,
    /// Images with a ratio.
    pub n_images: usize,
    /// Images without: nothing outside the boxes, or no positive relevance inside.
    pub n_excluded: usize,
    /// Mean over images of (mean positive relevance outside) / (mean inside).
    pub mean: f64,
    /// Median of the same.
    pub median: f64,
    /// (sum over images of the means outside) / (sum of the means inside).
    pub ratio_of_sums: f64,
    /// Mean positive relevance of all pixels outside over that of all pixels inside, images weighing by their size.
    pub size_weighted: f64,
    /// Mean of (mean relevance outside − mean inside) / max|R|, sign kept.
    pub signed_difference: f64,
    /// Mean share of the positive relevance that lies in the boxes, and of the pixels.
    pub inside: (f64, f64),
    /// Mean rank correlation of relevance and distance from the boxes.
    pub distance_correlation: f64,
    /// Images whose most relevant pixel lies in a box, of those looked at.
    pub pointing_hits: Option<(usize, usize)>,
}

/// A table that only some experiments have.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// Its caption.
    pub title: String,
    /// Head of each column. The first column heads the rows.
    pub columns: Vec<String>,
    /// One entry a column, already formatted; columns after the first are set right-aligned.
    pub rows: Vec<Vec<String>>,
    /// A sentence below, may be empty.
    pub note: String,
}

/// A section that only some experiments have.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExtraSection {
    /// What links lead to, made of its ASCII letters and digits; unique among these sections.
    pub id: String,
    /// Its heading.
    pub heading: String,
    /// One paragraph each.
    pub sentences: Vec<String>,
    /// Below the sentences.
    pub tables: Vec<Table>,
}

/// One stage of the run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct StageRow {
    /// Its name.
    pub name: String,
    /// Digest that names its artifacts.
    pub key: String,
    /// Files.
    pub n_artifacts: usize,
    /// Their size.
    pub bytes: u64,
    /// Wall-clock time in this run.
    pub seconds: f64,
    /// True when the artifacts were there already.
    pub cached: bool,
}
