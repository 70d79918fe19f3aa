//! The command line of `cargo xtask`.

use std::path::{Path, PathBuf};

use clap::builder::TypedValueParser as _;
use clap::{Args, Parser, Subcommand};
use fisherlens_cli::arguments::{Explain, Selection};
use fisherlens_cli::division::Division;
use fisherlens_cli::fetch::Fetch;

use crate::checkout;

/// Fisher-vector image classifiers that explain their decisions.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version, disable_help_subcommand = true)]
pub(crate) struct Cli {
    /// The command to run.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run an experiment from photographs to report; stored results are not computed again
    Reproduce(Reproduce),
    /// Download a data set, or the weights of a network; check, and unpack
    Fetch(Fetch),
    /// List the stored artifacts: stages, keys, sizes, times
    Status(Status),
    /// Remove stored artifacts
    Clean(Clean),
    /// Explain the decision on single photographs: heatmap, overlay, score, where relevance was lost
    Explain(Box<Explain>),
    /// Write one result as a .npz file for numpy, or the model as a file for `explain`
    Export(Export),
    /// Print how much relevance each step adds or loses, for every encoder, kernel and rule
    Conservation(ConservationTable),
    /// Measure the time of every expensive stage, and compare it with its peer (another program) and with the machine's limit
    Bench(Bench),
}

/// `cargo xtask reproduce`
#[derive(Debug, Clone, Args)]
pub(crate) struct Reproduce {
    /// mini, voc2007, voc2007-val or a settings file; default: mini, or voc2007 with --voc. With networks (`cargo xtask-cnn`): mini-cnn,
    /// voc2007-cnn
    pub(crate) experiment: Option<String>,
    /// Which experiment is used, on which data.
    #[command(flatten)]
    pub(crate) selection: Selection,
    /// Stop after this stage: photographs, sample, pca, mixture, encode, classifier, scores, relevance, resampling, pixels, context or
    /// strategies; for a network: features, retraining, scores, relevance or perturbation
    #[arg(long, value_name = "STAGE")]
    pub(crate) until: Option<String>,
    /// Which share of the stage this process computes.
    #[command(flatten)]
    pub(crate) division: Division,
    /// Folder for the report
    #[arg(long, value_name = "DIR")]
    pub(crate) report: Option<PathBuf>,
    /// Trained weights that a network starts from: .caffemodel or .safetensors
    #[arg(long, value_name = "FILE")]
    pub(crate) weights: Option<PathBuf>,
    /// The device on which a network computes: cpu, or cuda, webgpu or metal if the program was built with that feature
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    pub(crate) device: String,
}

impl Reproduce {
    /// The folder of the report: the one of `--report`, or else one with the name of the experiment or of its settings file.
    pub(crate) fn report_folder(&self, experiment: &str) -> PathBuf {
        let name = Path::new(experiment).file_stem().unwrap_or_else(|| "report".as_ref());
        self.report.clone().unwrap_or_else(|| checkout::root().join("report").join(name))
    }
}

/// `cargo xtask status`
#[derive(Debug, Clone, Args)]
pub(crate) struct Status {
    /// One line per file instead, with the digest (BLAKE3) of its content without the header: equal results have equal digests
    #[arg(long)]
    pub(crate) digests: bool,
    /// Folder of the artifacts
    #[arg(long, value_name = "DIR")]
    pub(crate) artifacts: Option<PathBuf>,
}

/// `cargo xtask clean`
#[derive(Debug, Clone, Args)]
pub(crate) struct Clean {
    /// Remove only the artifacts of this stage, such as pca; default: of all stages
    #[arg(long, value_name = "STAGE")]
    pub(crate) stage: Option<String>,
    /// Folder of the artifacts
    #[arg(long, value_name = "DIR")]
    pub(crate) artifacts: Option<PathBuf>,
}

/// `cargo xtask conservation`
#[derive(Debug, Clone, Args)]
pub(crate) struct ConservationTable {
    /// Image files, or ids of images of the experiment; default: some of its test images
    #[arg(value_name = "IMAGE")]
    pub(crate) images: Vec<String>,
    /// The experiment; it must have been reproduced up to its mixture
    #[arg(long, value_name = "E")]
    pub(crate) experiment: Option<String>,
    /// Which experiment is used, on which data.
    #[command(flatten)]
    pub(crate) selection: Selection,
    /// Number of training images for the small classifiers, evenly spread
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u64).range(2..).map(|n| n as usize))]
    pub(crate) n_train: usize,
    /// Also write the table as Markdown
    #[arg(long, value_name = "FILE")]
    pub(crate) markdown: Option<PathBuf>,
}

/// `cargo xtask export`
#[derive(Debug, Clone, Args)]
pub(crate) struct Export {
    /// descriptors, pca, mixture, fisher-vectors, classifier, scores, relevance, traces or model
    #[arg(value_name = "WHAT")]
    pub(crate) what: What,
    /// For descriptors and relevance, the image (a file or an id); for fisher-vectors and scores, the image set; for traces, the series
    /// (default: all series)
    #[arg(value_name = "IMAGE|SET|SERIES")]
    pub(crate) subject: Option<String>,
    /// The class, for relevance
    #[arg(long)]
    pub(crate) class: Option<String>,
    /// The rule, for relevance
    #[arg(long)]
    pub(crate) rule: Option<String>,
    /// The experiment; it must have been reproduced up to the stage that the export needs
    #[arg(long, value_name = "E")]
    pub(crate) experiment: Option<String>,
    /// Which experiment is used, on which data.
    #[command(flatten)]
    pub(crate) selection: Selection,
    /// Store each coefficient of the model in two bytes
    #[arg(long)]
    pub(crate) f16: bool,
    /// The file to write
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
}

/// The result that `export` writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum What {
    /// Frames and descriptors of one image, before and after PCA
    Descriptors,
    /// Mean, axes and explained variance of the projection
    Pca,
    /// Weights, means and variances of the mixture
    Mixture,
    /// Raw vectors of one image set
    FisherVectors,
    /// Coefficients, bias and dual coefficients
    Classifier,
    /// Scores and labels of one image set
    Scores,
    /// Relevance of dimensions, descriptors and pixels of one image
    Relevance,
    /// Scores at every point of every trace of Algorithm 1
    Traces,
    /// The whole model, for `explain --model`
    Model,
}

/// `cargo xtask bench`
#[derive(Debug, Clone, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is an argument of the command line")]
pub(crate) struct Bench {
    /// Measure only rows whose name contains one of these words; an unknown word prints all names
    #[arg(value_name = "ROW")]
    pub(crate) rows: Vec<String>,
    /// Do less work and run it once, to try the command; goals are not checked
    #[arg(long)]
    pub(crate) quick: bool,
    /// Write the rows as JSON, for programs
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Write the table as Markdown, with machine and date; in docs/benchmarks.md it replaces the numbers of this kind of processor
    #[arg(long, value_name = "FILE")]
    pub(crate) markdown: Option<PathBuf>,
    /// Use this photograph instead of the built-in one
    #[arg(long, value_name = "FILE")]
    pub(crate) image: Option<PathBuf>,
    /// VLFeat's shared library; default: the system's libvl.so.1
    #[arg(long, value_name = "PATH")]
    pub(crate) vlfeat: Option<PathBuf>,
    /// A Python interpreter with numpy, scikit-learn and threadpoolctl; default: python3
    #[arg(long, value_name = "PATH")]
    pub(crate) python: Option<PathBuf>,
    /// Do not measure peers
    #[arg(long)]
    pub(crate) no_peers: bool,
    /// Number of timed runs of every row; default: as many as fit into a few seconds
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) repeats: Option<u64>,
    /// Also run the whole experiment voc2007-val on this devkit, and compare its time with the sum of its rows
    #[arg(long, value_name = "DIR")]
    pub(crate) voc: Option<PathBuf>,
    /// Skip images that are missing in the whole experiment
    #[arg(long, requires = "voc")]
    pub(crate) allow_missing: bool,
    /// Empty folder for the artifacts of the whole experiment; default: a temporary folder
    #[arg(long, value_name = "DIR", requires = "voc")]
    pub(crate) artifacts: Option<PathBuf>,
    /// Only measure GoogLeNet with these weights, and compare it with zennit on PyTorch (needs cargo xtask-cnn)
    #[arg(long, value_name = "FILE", conflicts_with_all = ["rows", "quick", "json", "markdown", "voc"])]
    pub(crate) weights: Option<PathBuf>,
    /// Count the instructions of the hot kernels with valgrind and compare them with the stored counts
    #[arg(long, conflicts_with_all = ["rows", "quick", "json", "markdown", "voc"])]
    pub(crate) instructions: bool,
    /// Store the new counts
    #[arg(long, requires = "instructions")]
    pub(crate) update: bool,
    /// Run one piece of work in this process; the program calls itself with it
    #[arg(long, hide = true)]
    pub(crate) alone: Option<String>,
}
