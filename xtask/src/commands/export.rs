//! `cargo xtask export`: writes one result as a `.npz` file.
//!
//! | what | arrays |
//! |---|---|
//! | `descriptors IMAGE` | `x`, `y`, `norm` f32 (N), `bin_size` u32 (N), `descriptors` f32 (N, 128), `projected` f32 (N, D) |
//! | `pca` | `mean` f32 (128), `components` f32 (D, 128), `explained_variance` f32 (D) |
//! | `mixture` | `weights` f32 (K), `means` f32 (K, D), `variances` f32 (K, D) |
//! | `fisher-vectors SET` | `vectors` f32 (`n_images`, `n_dimensions`), raw; `n_descriptors` u32 (`n_images`) |
//! | `classifier` | `coefficients` f32 (`n_classes`, `n_dimensions`), `bias` f32 (`n_classes`) |
//! | | `alphas` f32 (`n_classes`, `n_images`) if they are known |
//! | `scores SET` | `scores` f32 and `labels` i8 (`n_images`, `n_classes`) |
//! | `relevance IMAGE` | `score` f64 (1), `dimensions` f64, `descriptors` f32 (N), `pixels` f32 (height, width), `x`, `y`, `bin_size` |
//! | `traces [SERIES]` | scores minus threshold, one array per series: f32 (`n_targets`, `n_repeats`, `n_points`) |
//! | | `start` f64, `image` and `class` u32 (`n_targets`) |
//!
//! `model` does not write a `.npz` file, but the file that `explain --model` reads. With `--f16` it has half the size.
//!
//! SERIES is an order, `epsilon=100`, `contrast` or `random`, which may be followed by `:least` (the lowest values are
//! replaced first), `:mean` or `:removal` (another substitute). SET is the name of one of the experiment's two image sets, or `train` or
//! `test` for its halves. IMAGE is the id of an image of the experiment, or a file, which is turned upright and shrunk to 500 pixels as
//! `explain` does. Images are in the order of the set's list, classes in alphabetical order. Positions are in pixels, with (0, 0)
//! at the centre of the top-left pixel.

use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use fisherlens_artifact::Header;
use fisherlens_classifier::Model as Classifier;
use fisherlens_cli::answer;
use fisherlens_cli::caller::Caller;
use fisherlens_cli::lookup::{self, Found, MAX_SIDE, ensure_learned};
use fisherlens_descriptors::Frame;
use fisherlens_experiment::dataset::Half;
use fisherlens_experiment::experiment::Experiment;
use fisherlens_experiment::interrupt::Interrupt;
use fisherlens_experiment::keys::Keys;
use fisherlens_experiment::share::Chosen;
use fisherlens_experiment::stage::Stage;
use fisherlens_experiment::stages::{classifier, learned, mixture, pca, rows, scores};
use fisherlens_experiment::work;
use fisherlens_lrp::Rule;
use fisherlens_model::{NpzFile, Precision, photograph};
use ndarray::Array1;

use crate::cli::{Export, What};
use crate::commands::traces;

/// Runs the command.
///
/// # Errors
/// A stage that was not reproduced yet; an unknown image, set, class or rule; the errors of the file system.
pub(crate) fn run(arguments: &Export, caller: &Caller, interrupt: &Interrupt) -> Result<()> {
    arguments.selection.start_threads()?;
    let experiment = arguments.selection.open(arguments.experiment.as_deref(), caller, interrupt)?;
    let keys = Keys::of(&experiment)?;
    if arguments.what == What::Model {
        return model(&experiment, &keys, arguments);
    }
    ensure!(
        !arguments.f16,
        "--f16: expected only with `export model`; a .npz file stores its arrays in full precision"
    );
    let mut file = NpzFile::create(&arguments.out)?;
    match arguments.what {
        What::Descriptors => descriptors(&experiment, &keys, arguments, &mut file)?,
        What::Pca => {
            ensure_learned(&experiment, &keys, Stage::Pca)?;
            file.add_pca(&pca::get(&experiment, &keys)?)?;
        }
        What::Mixture => {
            ensure_learned(&experiment, &keys, Stage::Mixture)?;
            file.add_mixture(&mixture::get(&experiment, &keys)?)?;
        }
        What::FisherVectors => {
            ensure_learned(&experiment, &keys, Stage::Mixture)?;
            let (vectors, n_descriptors) = rows::raw(&experiment, &keys, half(&experiment, arguments)?)?;
            file.add("vectors", &vectors)?;
            file.add("n_descriptors", &Array1::from(n_descriptors))?;
        }
        What::Classifier => {
            ensure_learned(&experiment, &keys, Stage::Classifier)?;
            match &classifier::get(&experiment, &keys)?.model {
                Classifier::Linear(model) => file.add_classifier(model)?,
                Classifier::Kernel(model) => file.add_kernel_classifier(model)?,
            }
        }
        What::Scores => {
            ensure_learned(&experiment, &keys, Stage::Classifier)?;
            let scores = match half(&experiment, arguments)? {
                Half::Test => scores::get(&experiment, &keys)?,
                Half::Train => scores::of_half(&experiment, &keys, Half::Train)?,
            };
            file.add("scores", &scores.scores)?;
            file.add("labels", &scores.labels)?;
        }
        What::Relevance => relevance(&experiment, &keys, arguments, &mut file)?,
        What::Model => unreachable!("the function has returned before for a model"),
        What::Traces => {
            ensure_learned(&experiment, &keys, Stage::Classifier)?;
            work::ensure_shards(&experiment, &keys, Stage::Resampling, Half::Test, Chosen::All)?;
            traces::add(&experiment, &keys, arguments.subject.as_deref(), &mut file)?;
        }
    }
    file.finish()?;
    answer!("{}", arguments.out.display());
    Ok(())
}

fn model(experiment: &Experiment, keys: &Keys, arguments: &Export) -> Result<()> {
    ensure_learned(experiment, keys, Stage::Classifier)?;
    let precision = if arguments.f16 { Precision::Half } else { Precision::Whole };
    let header = Header::new(&experiment.settings, 0.0)?;
    let n_bytes = learned::model(experiment, keys)?.write(&arguments.out, &header, precision)?;
    answer!("{}  {n_bytes} bytes", arguments.out.display());
    Ok(())
}

fn descriptors(experiment: &Experiment, keys: &Keys, arguments: &Export, file: &mut NpzFile) -> Result<()> {
    ensure_learned(experiment, keys, Stage::Pca)?;
    let Found { path, photograph, .. } = found(experiment, arguments)?;
    let local = photograph::extract(experiment.parts.extractor.value.as_ref(), &photograph, &path)?;
    add_frames(file, &local.frames)?;
    file.add("norm", &local.frames.iter().map(|frame| frame.norm).collect::<Array1<f32>>())?;
    file.add("projected", &pca::get(experiment, keys)?.transform(local.values.view())?)?;
    file.add("descriptors", &local.values)?;
    Ok(())
}

fn relevance(experiment: &Experiment, keys: &Keys, arguments: &Export, file: &mut NpzFile) -> Result<()> {
    ensure_learned(experiment, keys, Stage::Classifier)?;
    let Found { path, photograph, .. } = found(experiment, arguments)?;
    let class = arguments.class.as_deref().context("relevance needs a class: give it with --class CLASS")?;
    let class = experiment.core.dataset.class_index(class)?;
    let rule = match &arguments.rule {
        Some(text) => text.parse::<Rule>()?,
        None => experiment.settings.relevance.display_rule,
    };
    let explainer = learned::explainer(experiment, keys)?;
    let described = explainer.describe(&photograph, &path)?;
    let explanation = explainer.map(&described, &[rule])?.explain(class, rule)?;
    add_frames(file, &described.frames)?;
    file.add("score", &Array1::from(vec![explanation.score]))?;
    file.add("dimensions", &Array1::from(explanation.dimensions))?;
    file.add("descriptors", &Array1::from(explanation.descriptors))?;
    file.add("pixels", &explanation.pixels)?;
    Ok(())
}

fn add_frames(file: &mut NpzFile, frames: &[Frame]) -> Result<()> {
    file.add("x", &frames.iter().map(|frame| frame.x).collect::<Array1<f32>>())?;
    file.add("y", &frames.iter().map(|frame| frame.y).collect::<Array1<f32>>())?;
    file.add("bin_size", &frames.iter().map(|frame| u32::from(frame.bin_size)).collect::<Array1<u32>>())?;
    Ok(())
}

/// The photograph that the argument names, as `explain` reads it.
fn found(experiment: &Experiment, arguments: &Export) -> Result<Found> {
    lookup::photograph(Some(experiment), Path::new(subject(arguments, "an image (a file or an id)")?), MAX_SIDE)
}

fn subject<'a>(arguments: &'a Export, what: &str) -> Result<&'a str> {
    arguments.subject.as_deref().with_context(|| format!("an argument is missing: expected {what}"))
}

/// The half that the argument names: `train`, `test`, or the name of the image set.
fn half(experiment: &Experiment, arguments: &Export) -> Result<Half> {
    let name = subject(arguments, "an image set")?;
    let data = &experiment.settings.data;
    // Names of image sets come first: VOC has a set called train and a set called test.
    match name {
        _ if name == data.train => Ok(Half::Train),
        _ if name == data.test => Ok(Half::Test),
        "train" => Ok(Half::Train),
        "test" => Ok(Half::Test),
        _ => bail!(
            "experiment {} has no image set \"{name}\"; expected \"{}\" or \"{}\"",
            experiment.core.name,
            data.train,
            data.test
        ),
    }
}
