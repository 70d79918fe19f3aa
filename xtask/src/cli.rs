//! The command line: what `cargo xtask` understands.

use std::path::PathBuf;

use clap::builder::TypedValueParser as _;
use clap::{Args, Parser, Subcommand};
use fisherlens_lrp::ColorMap;

/// Fisher-vector image classifiers that can say why.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version, disable_help_subcommand = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run an experiment from photographs to report; what is there already is not computed again
    Reproduce(Reproduce),
    /// List the stored artifacts: stages, keys, sizes, times
    Status(Status),
    /// Remove stored artifacts
    Clean(Clean),
    /// Explain the decision on single photographs: heatmap, overlay, score, where relevance was lost
    Explain(Explain),
    /// Write one thing as a .npz file that numpy reads, or the model for `explain`
    Export(Export),
    /// Print what each step of relevance keeps, for every encoder, kernel and rule
    Conservation(ConservationTable),
    /// Measure every hot stage beside its peer and the machine's limit
    Bench(Bench),
}

/// Which experiment, on which data, stored where.
#[derive(Debug, Clone, Args)]
pub struct Selection {
    /// PASCAL VOC devkit: a folder that holds VOC2007, or VOC2007 itself
    #[arg(long, value_name = "DIR")]
    pub voc: Option<PathBuf>,
    /// Skip images that are missing or whose annotation is broken, and count them
    #[arg(long)]
    pub allow_missing: bool,
    /// Change a setting of the experiment, such as `mixture.n_components=64` (may be repeated)
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Take only N images of each set, evenly spread
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// Number of threads (0: one a core); the results do not depend on it
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub threads: usize,
    /// Folder of the artifacts
    #[arg(long, value_name = "DIR")]
    pub artifacts: Option<PathBuf>,
}

/// `cargo xtask reproduce`
#[derive(Debug, Clone, Args)]
pub struct Reproduce {
    /// mini, voc2007, voc2007-val or a settings file; without it mini, or voc2007 where --voc is given. With networks
    /// (`cargo xtask-cnn`): mini-cnn, voc2007-cnn
    pub experiment: Option<String>,
    /// Which experiment on which data.
    #[command(flatten)]
    pub selection: Selection,
    /// Stop after this stage: sample, pca, mixture, encode, classifier, scores, relevance, resampling, pixels, context or
    /// strategies; with a network features, retraining, scores, relevance or perturbation
    #[arg(long, value_name = "STAGE")]
    pub until: Option<String>,
    /// Folder of the report
    #[arg(long, value_name = "DIR")]
    pub report: Option<PathBuf>,
    /// Trained weights that a network starts from: .caffemodel or .safetensors
    #[arg(long, value_name = "FILE")]
    pub weights: Option<PathBuf>,
    /// Where a network computes: cpu, or cuda, webgpu, metal where the program was built with that feature
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    pub device: String,
}

/// `cargo xtask status`
#[derive(Debug, Clone, Args)]
pub struct Status {
    /// Folder of the artifacts
    #[arg(long, value_name = "DIR")]
    pub artifacts: Option<PathBuf>,
}

/// `cargo xtask clean`
#[derive(Debug, Clone, Args)]
pub struct Clean {
    /// Only this stage, as `status` names it; without it all of them
    #[arg(long, value_name = "STAGE")]
    pub stage: Option<String>,
    /// Folder of the artifacts
    #[arg(long, value_name = "DIR")]
    pub artifacts: Option<PathBuf>,
}

/// `cargo xtask explain`
#[derive(Debug, Clone, Args)]
pub struct Explain {
    /// JPEG or PNG files; with --experiment also ids of its images
    #[arg(required = true, value_name = "IMAGE")]
    pub images: Vec<String>,
    /// A class whose score is explained (may be repeated); without it all that the model finds in the photograph
    #[arg(long = "class", value_name = "CLASS")]
    pub classes: Vec<String>,
    /// naive, epsilon=NUMBER or absolute (may be repeated); without it the model's own choice
    #[arg(long = "rule", value_name = "RULE")]
    pub rules: Vec<String>,
    /// A model file that `export model` wrote; without it, and without --experiment, the one in data/models
    #[arg(long, value_name = "FILE", conflicts_with_all = ["experiment", "voc"])]
    pub model: Option<PathBuf>,
    /// The experiment whose model explains; it must have been reproduced up to its classifier
    #[arg(long, value_name = "E")]
    pub experiment: Option<String>,
    /// Which experiment on which data.
    #[command(flatten)]
    pub selection: Selection,
    /// Files are shrunk so that their longer side has at most N pixels (0: as they are); the models learned from photographs of 500
    #[arg(long, value_name = "N", default_value_t = 500)]
    pub max_side: usize,
    /// Colours: diverging, positive, black-fire, gray or blue-orange
    #[arg(long, value_name = "NAME", default_value = "diverging")]
    pub color_map: ColorMap,
    /// Strongest colour: the largest relevance of each picture (image), or of all pictures of the command (common)
    #[arg(long, value_name = "HOW", default_value = "image")]
    pub normalize: Normalize,
    /// How much the heatmap covers the photograph in overlays, 0 to 1
    #[arg(long, value_name = "SHARE", default_value_t = 0.6, value_parser = share)]
    pub opacity: f32,
    /// Also draw the N most relevant descriptors as squares
    #[arg(long, value_name = "N")]
    pub top: Option<usize>,
    /// Also write photograph, pixels, descriptors and scores as a .npz file
    #[arg(long)]
    pub npz: bool,
    /// Folder of the pictures
    #[arg(long, value_name = "DIR", default_value = "explained")]
    pub out: PathBuf,
    /// Networks instead of a Fisher-vector model.
    #[command(flatten, next_help_heading = "Networks (cargo xtask-cnn)")]
    pub networks: NetworkOptions,
}

/// `cargo xtask-cnn explain`: which networks, and how they are explained.
#[derive(Debug, Clone, Args)]
pub struct NetworkOptions {
    /// googlenet, caffenet or vgg-cnn-s (may be repeated: one column each)
    #[arg(long = "network", value_name = "NAME", requires = "weights", conflicts_with_all = ["model", "experiment", "voc", "rules", "top"])]
    pub networks: Vec<String>,
    /// Weights of each network, in the same order: .caffemodel or .safetensors
    #[arg(long, value_name = "FILE", requires = "networks")]
    pub weights: Vec<PathBuf>,
    /// Mean image of each network, in the same order (.binaryproto); without it 104, 117, 123 for blue, green, red
    #[arg(long, value_name = "FILE", requires = "networks")]
    pub mean: Vec<PathBuf>,
    /// Names of the classes, one a line; without it the 1000 of ImageNet
    #[arg(long, value_name = "FILE", requires = "networks")]
    pub class_names: Option<PathBuf>,
    /// Which rule each layer has: a preset (epsilon, alpha2-beta1, z-plus, gamma, epsilon-plus-flat, ...), SELECTOR=RULE,..., or gradient,
    /// gradient-times-input, integrated-gradients, occlusion (may be repeated); alpha2-beta1 without
    #[arg(long = "composite", value_name = "COMPOSITE", requires = "networks")]
    pub composites: Vec<String>,
    /// covering: shorter side to 256; padded: longer side to 256, the rest filled with the nearest pixel. The middle is looked at
    #[arg(long, value_name = "HOW", default_value = "covering", value_parser = ["covering", "padded"])]
    pub framing: String,
    /// Where networks compute: cpu, or cuda, webgpu, metal where the program was built with that feature
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    pub device: String,
}

/// What the strongest colour stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Normalize {
    /// The largest relevance of the picture
    Image,
    /// The largest relevance of all pictures
    Common,
}

fn share(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err(format!("found \"{text}\", expected a number from 0 to 1")),
    }
}

/// `cargo xtask conservation`
#[derive(Debug, Clone, Args)]
pub struct ConservationTable {
    /// Image files, or ids of images of the experiment; without any some of its test images
    #[arg(value_name = "IMAGE")]
    pub images: Vec<String>,
    /// The experiment; it must have been reproduced up to its mixture
    #[arg(long, value_name = "E")]
    pub experiment: Option<String>,
    /// Which experiment on which data.
    #[command(flatten)]
    pub selection: Selection,
    /// Training images that the small classifiers learn from, evenly spread
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u64).range(2..).map(|n| n as usize))]
    pub n_train: usize,
    /// Also write the table for a page
    #[arg(long, value_name = "FILE")]
    pub markdown: Option<PathBuf>,
}

/// `cargo xtask export`
#[derive(Debug, Clone, Args)]
pub struct Export {
    /// descriptors, pca, mixture, fisher-vectors, classifier, scores, relevance, traces or model
    #[arg(value_name = "WHAT")]
    pub what: What,
    /// The image (descriptors, relevance: a file or an id), the image set (fisher-vectors, scores) or the series (traces: all without)
    #[arg(value_name = "IMAGE|SET|SERIES")]
    pub subject: Option<String>,
    /// The class (relevance)
    #[arg(long)]
    pub class: Option<String>,
    /// The rule (relevance)
    #[arg(long)]
    pub rule: Option<String>,
    /// The experiment; it must have been reproduced as far as the thing needs
    #[arg(long, value_name = "E")]
    pub experiment: Option<String>,
    /// Which experiment on which data.
    #[command(flatten)]
    pub selection: Selection,
    /// Write the model's coefficients in two bytes each
    #[arg(long)]
    pub f16: bool,
    /// The file to write
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

/// What `export` writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum What {
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
pub struct Bench {
    /// Only rows whose name contains one of these words; a wrong word is answered with all names
    #[arg(value_name = "ROW")]
    pub rows: Vec<String>,
    /// Smaller work, run once, to try the command; goals then do not count
    #[arg(long)]
    pub quick: bool,
    /// Write the rows for programs
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write the table for a page, with machine and date
    #[arg(long, value_name = "FILE")]
    pub markdown: Option<PathBuf>,
    /// A photograph in place of the built-in one
    #[arg(long, value_name = "FILE")]
    pub image: Option<PathBuf>,
    /// VLFeat's shared library; without it the system's libvl.so.1
    #[arg(long, value_name = "PATH")]
    pub vlfeat: Option<PathBuf>,
    /// A Python with numpy, scikit-learn and threadpoolctl; without it python3
    #[arg(long, value_name = "PATH")]
    pub python: Option<PathBuf>,
    /// Measure no peer
    #[arg(long)]
    pub no_peers: bool,
    /// Timed runs of every row; without it as many as fit into some seconds
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub repeats: Option<u64>,
    /// Also run the whole experiment voc2007-val on this devkit, beside the sum of its rows
    #[arg(long, value_name = "DIR")]
    pub voc: Option<PathBuf>,
    /// Let the whole experiment skip images that are missing
    #[arg(long, requires = "voc")]
    pub allow_missing: bool,
    /// Empty folder for the whole experiment's artifacts; without it a temporary one
    #[arg(long, value_name = "DIR", requires = "voc")]
    pub artifacts: Option<PathBuf>,
    /// Instead measure GoogLeNet with these weights beside zennit on PyTorch (cargo xtask-cnn)
    #[arg(long, value_name = "FILE", conflicts_with_all = ["rows", "quick", "json", "markdown", "voc"])]
    pub weights: Option<PathBuf>,
    /// Count the instructions of the hot kernels by valgrind and compare them with the stored counts
    #[arg(long, conflicts_with_all = ["rows", "quick", "json", "markdown", "voc"])]
    pub instructions: bool,
    /// Store the counts
    #[arg(long, requires = "instructions")]
    pub update: bool,
    /// One piece of work for a process of its own
    #[arg(long, hide = true)]
    pub alone: Option<String>,
}
