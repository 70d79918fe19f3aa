//! The projection of descriptors to fewer dimensions.

use std::time::Instant;

use anyhow::{Context as _, Result};
use fisherlens_descriptors::Pca;
use linfa::DatasetBase;
use linfa::traits::Fit;
use ndarray::{Array1, Array2};
use serde::{Deserialize, Serialize};

use super::{Stage, sample};
use crate::experiment::{Experiment, Keys};
use fisherlens_artifact::array;
use fisherlens_model::npz;

/// The stage's artifact.
#[derive(Debug, Serialize, Deserialize)]
struct StoredPca {
    /// `(n_features)`.
    #[serde(with = "array")]
    mean: Array1<f32>,
    /// `(n_components, n_features)`.
    #[serde(with = "array")]
    components: Array2<f32>,
    /// `(n_components)`.
    #[serde(with = "array")]
    explained_variance: Array1<f32>,
}

/// Learned from the sample, or read from `pca.from`.
///
/// # Errors
/// What the earlier stage, the fit or the file says.
pub fn get(experiment: &Experiment, keys: &Keys) -> Result<Pca> {
    if let Some(stored) = experiment.stored::<StoredPca>(Stage::Pca, keys.pca, None)? {
        return Ok(Pca::from_parts(stored.mean, stored.components, stored.explained_variance)?);
    }
    let settings = &experiment.settings.pca;
    let (pca, since) = if let Some(file) = &settings.from {
        (npz::read_pca(file)?, Instant::now())
    } else {
        let sample = sample::get(experiment, keys)?;
        let since = Instant::now();
        let params = Pca::params(settings.n_components).whitening(settings.whitening);
        let pca = params.fit(&DatasetBase::from(sample)).context("settings, section [pca]")?;
        (pca, since)
    };
    let stored = StoredPca {
        mean: pca.mean().to_owned(),
        components: pca.components().to_owned(),
        explained_variance: pca.explained_variance().to_owned(),
    };
    experiment.keep(Stage::Pca, keys.pca, None, since.elapsed().as_secs_f64(), &stored)?;
    experiment.progress.computed(
        "pca",
        &format!("{} → {} dimensions", pca.n_features(), pca.n_components()),
        since.elapsed(),
    );
    Ok(pca)
}
