//! The projection of descriptors to fewer dimensions.

use anyhow::{Context as _, Result};
use fisherlens_artifact::array;
use fisherlens_descriptors::Pca;
use linfa::DatasetBase;
use linfa::traits::Fit;
use ndarray::{Array1, Array2};
use serde::{Deserialize, Serialize};

use crate::experiment::Experiment;
use crate::given;
use crate::keys::Keys;
use crate::stage::Stage;
use crate::stages::sample;

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

/// The projection, learned from the sample, or read from the file `pca.from`.
///
/// # Errors
/// The errors of the earlier stage, of the fit and of the file.
pub fn get(experiment: &Experiment, keys: &Keys) -> Result<Pca> {
    let settings = &experiment.settings.pca;
    let stored = experiment.core.cached(Stage::Pca.id().at(keys.pca), || {
        let pca = if let Some(file) = &settings.from {
            given::pca(file)?
        } else {
            let sample = sample::get(experiment, keys)?;
            let params = Pca::params(settings.n_components).whitening(settings.whitening);
            params.fit(&DatasetBase::from(sample)).context("settings, section [pca]")?
        };
        let what = format!("{} → {} dimensions", pca.n_features(), pca.n_components());
        let stored = StoredPca {
            mean: pca.mean().to_owned(),
            components: pca.components().to_owned(),
            explained_variance: pca.explained_variance().to_owned(),
        };
        Ok((stored, what))
    })?;
    Ok(Pca::from_parts(stored.mean, stored.components, stored.explained_variance)?)
}
