//! Stages that come from files: `.npz` files of single stages, or a model file, which has all of them. They are checked against each other and
//! against the settings before anything is computed.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use fisherlens_classifier::{LinearModel, Sigmoid, Training, TrainingReport};
use fisherlens_descriptors::Pca;
use fisherlens_mixture::DiagonalGmm;
use fisherlens_model::{Model, npz};
use ndarray::{Array1, Array2, Axis};

use crate::experiment::Experiment;
use crate::settings::sections::PcaSettings;

/// Refuses files of `pca.from`, `mixture.from` and `classifier.from` whose sizes do not fit. Each stage would refuse them too, but only after
/// the stages before it have done their work.
///
/// # Errors
/// A file that cannot be read; a number of dimensions that the neighbouring stage does not have.
pub(crate) fn check(experiment: &Experiment) -> Result<()> {
    let settings = &experiment.settings;
    if settings.pca.from.is_none() && settings.mixture.from.is_none() && settings.classifier.from.is_none() {
        return Ok(());
    }
    let n_features = experiment.parts.extractor.value.n_features();
    let n_components = match &settings.pca {
        PcaSettings { from: Some(file), .. } => {
            let pca = pca(file)?;
            ensure!(
                pca.n_features() == n_features,
                "pca.from {}: it expects descriptors of {} entries, but the descriptors have {n_features}",
                file.display(),
                pca.n_features()
            );
            pca.n_components()
        }
        learned => learned.n_components,
    };
    let n_gaussians = match &settings.mixture.from {
        Some(file) => {
            let mixture = mixture(file)?;
            ensure!(
                mixture.n_features() == n_components,
                "mixture.from {}: it has {} dimensions, but the projection gives {n_components}",
                file.display(),
                mixture.n_features()
            );
            mixture.n_components()
        }
        None => settings.mixture.n_components,
    };
    if let Some(file) = &settings.classifier.from {
        let model = classifier(file, experiment.core.dataset.classes())?.model;
        if let Some(dual) = model.dual() {
            let (found, n_images) = (dual.alphas.ncols(), experiment.core.dataset.train.len());
            ensure!(
                found == n_images,
                "classifier.from {}: its alphas belong to {found} training images, but set {} has {n_images}; leave the alphas out of the file",
                file.display(),
                experiment.core.dataset.train.set.name
            );
        }
        // A mixture of the right size is enough to learn the length of the vectors.
        let weights = Array1::from_elem(n_gaussians, 1.0 / n_gaussians as f32);
        let (means, variances) =
            (Array2::zeros((n_gaussians, n_components)), Array2::ones((n_gaussians, n_components)));
        let encoder = (experiment.parts.encoder.value)(&DiagonalGmm::from_parts(weights, means, variances)?)?;
        ensure!(
            model.n_dimensions() == encoder.n_dimensions(),
            "classifier.from {}: it expects vectors of {} entries, but the encoder gives {}",
            file.display(),
            model.n_dimensions(),
            encoder.n_dimensions()
        );
    }
    Ok(())
}

/// Whether a file has all stages. NumPy's archives end in `.npz`, or begin as zip files do; any other file is read as a model.
fn is_model_file(path: &Path) -> bool {
    let is_called_npz = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("npz"));
    let mut start = [0; 2];
    let is_read = File::open(path).and_then(|mut file| file.read_exact(&mut start)).is_ok();
    !(is_called_npz || is_read && start == *b"PK")
}

/// The projection in a file.
///
/// # Errors
/// A file that cannot be read, or that has none.
pub(crate) fn pca(file: &Path) -> Result<Pca> {
    Ok(if is_model_file(file) { Model::read(file)?.pca } else { npz::read_pca(file)? })
}

/// The mixture in a file.
///
/// # Errors
/// A file that cannot be read, or that has none.
pub(crate) fn mixture(file: &Path) -> Result<DiagonalGmm> {
    Ok(if is_model_file(file) { Model::read(file)?.mixture } else { npz::read_mixture(file)? })
}

/// The classifiers of `classes`. In a model file they have names, and others may be there too.
///
/// # Errors
/// A file that cannot be read; a class that it does not have.
pub(crate) fn classifier(file: &Path, classes: &[String]) -> Result<Training> {
    if !is_model_file(file) {
        return Ok(npz::read_classifier(file, classes)?);
    }
    let model = Model::read(file)?;
    let rows = rows_of(&model, file, classes)?;
    let linear = &model.classifier;
    let model =
        LinearModel::from_parts(linear.coefficients().select(Axis(0), &rows), linear.bias().select(Axis(0), &rows))?;
    Ok(Training { model, report: TrainingReport::default() })
}

/// What a file says about the scores of classes.
#[derive(Default)]
pub(crate) struct Decisions {
    /// `None` if the file has none.
    pub(crate) sigmoids: Option<Vec<Sigmoid>>,
    /// 0 in a model file without thresholds; `None` for a file of another kind.
    pub(crate) thresholds: Option<Vec<f64>>,
}

/// The sigmoids and thresholds of `classes` in a model file. Files of another kind have neither.
///
/// # Errors
/// A file that cannot be read; a class that it does not have.
pub(crate) fn decisions(file: &Path, classes: &[String]) -> Result<Decisions> {
    if !is_model_file(file) {
        return Ok(Decisions::default());
    }
    let model = Model::read(file)?;
    let rows = rows_of(&model, file, classes)?;
    let thresholds = rows.iter().map(|&row| model.threshold(row)).collect();
    let sigmoids = model.calibration.map(|sigmoids| rows.iter().map(|&row| sigmoids[row]).collect());
    Ok(Decisions { sigmoids, thresholds: Some(thresholds) })
}

/// The place of each class in a model.
fn rows_of(model: &Model, file: &Path, classes: &[String]) -> Result<Vec<usize>> {
    let row = |class: &String| {
        model.classes.iter().position(|known| known == class).with_context(|| {
            format!(
                "the model {} has no class \"{class}\", which the images have: expected only classes of the model, which are {}",
                file.display(),
                model.classes.join(", ")
            )
        })
    };
    classes.iter().map(row).collect()
}
