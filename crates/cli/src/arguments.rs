//! The arguments of commands: which experiment is used, and how photographs are explained. `fisherlens` and `cargo xtask` share them.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use fisherlens_dataset::Missing;
use fisherlens_experiment::experiment::Experiment;
use fisherlens_experiment::interrupt::Interrupt;
use fisherlens_experiment::session::Session;
use fisherlens_lrp::{ColorMap, Rule};

use crate::caller::Caller;
use crate::lookup::MAX_SIDE;
use crate::terminal;

/// The largest number of threads that is accepted. Millions of threads would make the machine stop answering.
const MAX_THREADS: u64 = 1024;

/// Which experiment is used, on which data, and where its results are stored.
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
    /// Use only N images of each set, evenly spread
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..).map(|n| n as usize))]
    pub limit: Option<usize>,
    /// Number of threads (0: one per core); the results do not depend on it
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = threads())]
    pub threads: usize,
    /// Folder of the artifacts
    #[arg(long, value_name = "DIR")]
    pub artifacts: Option<PathBuf>,
}

impl Selection {
    /// The session that the arguments describe. Without a name, the experiment is `mini`, or `voc2007` if a devkit is given.
    pub fn session(&self, experiment: Option<&str>, caller: &Caller) -> Session {
        let default = if self.voc.is_some() { "voc2007" } else { "mini" };
        Session {
            set: self.set.clone(),
            voc: self.voc.clone(),
            missing: if self.allow_missing { Missing::Skip } else { Missing::Refuse },
            limit: self.limit,
            artifacts: caller.artifacts(self.artifacts.as_deref()),
            program: caller.program.clone(),
            ..Session::new(experiment.unwrap_or(default), &caller.folder)
        }
    }

    /// Opens the experiment of [`Selection::session`], which reports to this program's terminal.
    ///
    /// # Errors
    /// See [`Experiment::open`].
    pub fn open(&self, experiment: Option<&str>, caller: &Caller, interrupt: &Interrupt) -> Result<Experiment> {
        Experiment::open(&self.session(experiment, caller), terminal::progress(), interrupt.clone())
    }

    /// The first option given that belongs to an experiment.
    pub(crate) fn first_of_experiment(&self) -> Option<&'static str> {
        [
            (!self.set.is_empty(), "--set"),
            (self.limit.is_some(), "--limit"),
            (self.artifacts.is_some(), "--artifacts"),
            (self.allow_missing, "--allow-missing"),
        ]
        .into_iter()
        .find_map(|(given, option)| given.then_some(option))
    }

    /// Starts the threads for all computations of the program.
    ///
    /// # Errors
    /// When threads were started before.
    pub fn start_threads(&self) -> Result<()> {
        start_threads(self.threads)
    }
}

/// Starts the threads for all computations of the program; 0 means one per core.
///
/// # Errors
/// When threads were started before.
pub(crate) fn start_threads(n: usize) -> Result<()> {
    let built = rayon::ThreadPoolBuilder::new().num_threads(n).build_global();
    built.context("cannot start the threads, because they were started before")
}

/// Reads a number of threads.
pub(crate) fn threads() -> impl clap::builder::TypedValueParser<Value = usize> {
    clap::value_parser!(u64).range(..=MAX_THREADS).map(|n| n as usize)
}

/// `explain`
#[derive(Debug, Clone, Args)]
pub struct Explain {
    /// Photographs (JPEG, PNG, WebP, BMP, TIFF), or - for standard input; with --experiment also ids of its images
    #[arg(required = true, value_name = "IMAGE")]
    pub images: Vec<PathBuf>,
    /// A class whose score is explained (may be repeated); default: all classes that the model finds in the photograph
    #[arg(long = "class", value_name = "CLASS")]
    pub classes: Vec<String>,
    /// The rule of relevance: naive, epsilon=NUMBER or absolute (may be repeated); default: the rule that the model names
    #[arg(long = "rule", value_name = "RULE")]
    pub rules: Vec<Rule>,
    /// A model file, written by `export model`; default: the model inside this program
    #[arg(long, value_name = "FILE", conflicts_with_all = ["experiment", "voc"])]
    pub model: Option<PathBuf>,
    /// Use the model of this experiment; the experiment must have been reproduced up to its classifier
    #[arg(long, value_name = "E")]
    pub experiment: Option<String>,
    /// Which experiment on which data.
    #[command(flatten)]
    pub selection: Selection,
    /// Shrink files so that the longer side has at most N pixels (0: do not shrink); the models were trained on photographs of 500 pixels
    #[arg(long, value_name = "N", default_value_t = MAX_SIDE)]
    pub max_side: usize,
    /// Colour map
    #[arg(long, value_name = "NAME", default_value = "diverging", value_parser = color_map())]
    pub color_map: ColorMap,
    /// Relevance with the strongest colour: the largest of each picture (image), or the largest of all pictures (common)
    #[arg(long, value_name = "HOW", default_value = "image")]
    pub normalize: Normalize,
    /// Opacity of the heatmap over the photograph in overlays, 0 to 1
    #[arg(long, value_name = "SHARE", default_value_t = 0.6, value_parser = share)]
    pub opacity: f32,
    /// Also draw the N most relevant descriptors as squares
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..).map(|n| n as usize))]
    pub top: Option<usize>,
    /// Also write photograph, pixels, descriptors and scores as a .npz file
    #[arg(long)]
    pub npz: bool,
    /// Print one JSON document instead of lines: scores, thresholds, conservation, files written
    #[arg(long)]
    pub json: bool,
    /// Folder for the pictures
    #[arg(long, value_name = "DIR", default_value = "explained")]
    pub out: PathBuf,
    /// Networks that explain instead of a Fisher-vector model.
    #[command(flatten, next_help_heading = "Networks (with the feature cnn)")]
    pub networks: NetworkOptions,
}

/// `explain --network`: which networks, and how they are explained.
#[derive(Debug, Clone, Args)]
pub struct NetworkOptions {
    /// The network: googlenet, caffenet or vgg-cnn-s (may be repeated; each network has a column in the panel)
    #[arg(long = "network", value_name = "NAME", requires = "weights", conflicts_with_all = ["model", "experiment", "voc", "rules", "top"])]
    pub networks: Vec<String>,
    /// Weights of each network, in the same order: .caffemodel or .safetensors
    #[arg(long, value_name = "FILE", requires = "networks")]
    pub weights: Vec<PathBuf>,
    /// Mean image of each network, in the same order (.binaryproto); default: 104, 117, 123 for blue, green, red
    #[arg(long, value_name = "FILE", requires = "networks")]
    pub mean: Vec<PathBuf>,
    /// File with the names of the classes, one per line; default: the 1000 classes of ImageNet
    #[arg(long, value_name = "FILE", requires = "networks")]
    pub class_names: Option<PathBuf>,
    /// The method (may be repeated): a preset of rules for the layers (epsilon, alpha2-beta1, z-plus, gamma, epsilon-plus-flat, ...),
    /// SELECTOR=RULE,..., or gradient, gradient-times-input, integrated-gradients, occlusion; default: alpha2-beta1
    #[arg(long = "composite", value_name = "COMPOSITE", requires = "networks")]
    pub composites: Vec<String>,
    /// How photographs are resized. covering: the shorter side to 256 pixels; padded: the longer side to 256 pixels, and the rest is filled
    /// with the nearest pixels. The networks get the centre
    #[arg(long, requires = "networks", value_name = "HOW", default_value = "covering", value_parser = ["covering", "padded"])]
    pub framing: String,
    /// The device that computes: cpu, or cuda, webgpu or metal if the program was built with that feature
    #[arg(long, requires = "networks", value_name = "DEVICE", default_value = "cpu")]
    pub device: String,
}

/// The relevance with the strongest colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Normalize {
    /// The largest relevance of the picture
    Image,
    /// The largest relevance of all pictures
    Common,
}

/// Reads the name of a colour map. Help texts and completions list all names.
fn color_map() -> impl clap::builder::TypedValueParser<Value = ColorMap> {
    let names = ColorMap::ALL.map(ColorMap::name);
    PossibleValuesParser::new(names).map(|name| name.parse().expect("every listed name is the name of a colour map"))
}

fn share(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err(format!("found \"{text}\", expected a number from 0 to 1")),
    }
}

/// The values without repetitions, in the order in which they first occur.
pub(crate) fn distinct<T: PartialEq>(values: Vec<T>) -> Vec<T> {
    let mut distinct = Vec::with_capacity(values.len());
    for value in values {
        if !distinct.contains(&value) {
            distinct.push(value);
        }
    }
    distinct
}
