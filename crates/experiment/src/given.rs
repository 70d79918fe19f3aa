//! Checks models that come from files against each other and against the settings, before anything is computed.

use anyhow::{Result, ensure};
use fisherlens_mixture::DiagonalGmm;
use fisherlens_model::npz;
use ndarray::{Array1, Array2};

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
            let pca = npz::read_pca(file)?;
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
            let mixture = npz::read_mixture(file)?;
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
        let model = npz::read_classifier(file, experiment.core.dataset.classes())?.model;
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
