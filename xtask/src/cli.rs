//! The command line: what `cargo xtask` understands.

use std::path::PathBuf;

use clap::builder::TypedValueParser as _;
use clap::{Args, Parser, Subcommand};
use fisherlens_cli::arguments::{Explain, Selection};

/// Fisher-vector image classifiers that can say why.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version, disable_help_subcommand = true)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run an experiment from photographs to report; what is there already is not computed again
    Reproduce(Reproduce),
    /// List the stored artifacts: stages, keys, sizes, times
    Status(Status),
    /// Remove stored artifacts
    Clean(Clean),
    /// Explain the decision on single photographs: heatmap, overlay, score, where relevance was lost
    Explain(Box<Explain>),
    /// Write one thing as a .npz file that numpy reads, or the model for `explain`
    Export(Export),
    /// Print what each step of relevance keeps, for every encoder, kernel and rule
    Conservation(ConservationTable),
    /// Measure every hot stage beside its peer and the machine's limit
    Bench(Bench),
}

/// `cargo xtask reproduce`
#[derive(Debug, Clone, Args)]
pub(crate) struct Reproduce {
    /// mini, voc2007, voc2007-val or a settings file; without it mini, or voc2007 where --voc is given. With networks
    /// (`cargo xtask-cnn`): mini-cnn, voc2007-cnn
    pub(crate) experiment: Option<String>,
    /// Which experiment on which data.
    #[command(flatten)]
    pub(crate) selection: Selection,
    /// Stop after this stage: sample, pca, mixture, encode, classifier, scores, relevance, resampling, pixels, context or
    /// strategies; with a network features, retraining, scores, relevance or perturbation
    #[arg(long, value_name = "STAGE")]
    pub(crate) until: Option<String>,
    /// Folder of the report
    #[arg(long, value_name = "DIR")]
    pub(crate) report: Option<PathBuf>,
    /// Trained weights that a network starts from: .caffemodel or .safetensors
    #[arg(long, value_name = "FILE")]
    pub(crate) weights: Option<PathBuf>,
    /// Where a network computes: cpu, or cuda, webgpu, metal where the program was built with that feature
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    pub(crate) device: String,
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
    /// Only this stage, as `status` names it; without it all of them
    #[arg(long, value_name = "STAGE")]
    pub(crate) stage: Option<String>,
    /// Folder of the artifacts
    #[arg(long, value_name = "DIR")]
    pub(crate) artifacts: Option<PathBuf>,
}

/// `cargo xtask conservation`
#[derive(Debug, Clone, Args)]
pub(crate) struct ConservationTable {
    /// Image files, or ids of images of the experiment; without any some of its test images
    #[arg(value_name = "IMAGE")]
    pub(crate) images: Vec<String>,
    /// The experiment; it must have been reproduced up to its mixture
    #[arg(long, value_name = "E")]
    pub(crate) experiment: Option<String>,
    /// Which experiment on which data.
    #[command(flatten)]
    pub(crate) selection: Selection,
    /// Training images that the small classifiers learn from, evenly spread
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u64).range(2..).map(|n| n as usize))]
    pub(crate) n_train: usize,
    /// Also write the table for a page
    #[arg(long, value_name = "FILE")]
    pub(crate) markdown: Option<PathBuf>,
}

/// `cargo xtask export`
#[derive(Debug, Clone, Args)]
pub(crate) struct Export {
    /// descriptors, pca, mixture, fisher-vectors, classifier, scores, relevance, traces or model
    #[arg(value_name = "WHAT")]
    pub(crate) what: What,
    /// The image (descriptors, relevance: a file or an id), the image set (fisher-vectors, scores) or the series (traces: all without)
    #[arg(value_name = "IMAGE|SET|SERIES")]
    pub(crate) subject: Option<String>,
    /// The class (relevance)
    #[arg(long)]
    pub(crate) class: Option<String>,
    /// The rule (relevance)
    #[arg(long)]
    pub(crate) rule: Option<String>,
    /// The experiment; it must have been reproduced as far as the thing needs
    #[arg(long, value_name = "E")]
    pub(crate) experiment: Option<String>,
    /// Which experiment on which data.
    #[command(flatten)]
    pub(crate) selection: Selection,
    /// Write the model's coefficients in two bytes each
    #[arg(long)]
    pub(crate) f16: bool,
    /// The file to write
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
}

/// What `export` writes.
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
    /// Everything that explains a photograph, for `explain --model`
    Model,
}

/// `cargo xtask bench`
#[derive(Debug, Clone, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a word of the command line")]
pub(crate) struct Bench {
    /// Only rows whose name contains one of these words; a wrong word is answered with all names
    #[arg(value_name = "ROW")]
    pub(crate) rows: Vec<String>,
    /// Smaller work, run once, to try the command; goals then do not count
    #[arg(long)]
    pub(crate) quick: bool,
    /// Write the rows for programs
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Write the table for a page, with machine and date
    #[arg(long, value_name = "FILE")]
    pub(crate) markdown: Option<PathBuf>,
    /// A photograph in place of the built-in one
    #[arg(long, value_name = "FILE")]
    pub(crate) image: Option<PathBuf>,
    /// VLFeat's shared library; without it the system's libvl.so.1
    #[arg(long, value_name = "PATH")]
    pub(crate) vlfeat: Option<PathBuf>,
    /// A Python with numpy, scikit-learn and threadpoolctl; without it python3
    #[arg(long, value_name = "PATH")]
    pub(crate) python: Option<PathBuf>,
    /// Measure no peer
    #[arg(long)]
    pub(crate) no_peers: bool,
    /// Timed runs of every row; without it as many as fit into some seconds
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) repeats: Option<u64>,
    /// Also run the whole experiment voc2007-val on this devkit, beside the sum of its rows
    #[arg(long, value_name = "DIR")]
    pub(crate) voc: Option<PathBuf>,
    /// Let the whole experiment skip images that are missing
    #[arg(long, requires = "voc")]
    pub(crate) allow_missing: bool,
    /// Empty folder for the whole experiment's artifacts; without it a temporary one
    #[arg(long, value_name = "DIR", requires = "voc")]
    pub(crate) artifacts: Option<PathBuf>,
    /// Instead measure GoogLeNet with these weights beside zennit on PyTorch (cargo xtask-cnn)
    #[arg(long, value_name = "FILE", conflicts_with_all = ["rows", "quick", "json", "markdown", "voc"])]
    pub(crate) weights: Option<PathBuf>,
    /// Count the instructions of the hot kernels by valgrind and compare them with the stored counts
    #[arg(long, conflicts_with_all = ["rows", "quick", "json", "markdown", "voc"])]
    pub(crate) instructions: bool,
    /// Store the counts
    #[arg(long, requires = "instructions")]
    pub(crate) update: bool,
    /// One piece of work for a process of its own
    #[arg(long, hide = true)]
    pub(crate) alone: Option<String>,
}
