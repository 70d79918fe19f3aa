//! The projection of descriptors to fewer dimensions.

use anyhow::{Context as _, Result};
use fisherlens_artifact::array;
use fisherlens_descriptors::Pca;
use linfa::DatasetBase;
use linfa::ParamGuard as _;
use linfa::traits::Fit;
use ndarray::{Array1, Array2};
use serde::{Deserialize, Serialize};

use crate::experiment::Experiment;
use crate::given;
use crate::keys::Keys;
use crate::settings::sections::InMemory;
use crate::stage::Stage;
use crate::stages::{in_shards, sample};

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
    let address = Stage::Pca.id().at(keys.pca);
    let was_stored = experiment.core.has(&address);
    let stored = experiment.core.cached(address, || {
        let pca = if let Some(file) = &settings.from {
            given::pca(file)?
        } else {
            let params = Pca::params(settings.n_components).whitening(settings.whitening);
            let params = params.check().context("settings, section [pca]")?;
            match experiment.settings.sample.in_memory {
                InMemory::Whole => {
                    let sample = DatasetBase::from(sample::get(experiment, keys)?);
                    params.fit(&sample).context("settings, section [pca]")?
                }
                InMemory::Shards => in_shards::learn_pca(experiment, keys, &params)?,
            }
        };
        let what = format!("{} → {} dimensions", pca.n_features(), pca.n_components());
        let stored = StoredPca {
            mean: pca.mean().to_owned(),
            components: pca.components().to_owned(),
            explained_variance: pca.explained_variance().to_owned(),
        };
        Ok((stored, what))
    })?;
    if experiment.settings.sample.in_memory == InMemory::Shards && !was_stored {
        in_shards::forget_pca_sums(experiment, keys)?;
    }
    Ok(Pca::from_parts(stored.mean, stored.components, stored.explained_variance)?)
}
