//! The Gaussian mixture of the projected descriptors.

use std::ops::ControlFlow;

use anyhow::{Context as _, Result, ensure};
use fisherlens_artifact::array;
use fisherlens_mixture::{DiagonalGmm, DiagonalGmmParams, FitReport, Init, VarianceFloor};
use linfa::ParamGuard;
use ndarray::{Array1, Array2};
use serde::{Deserialize, Serialize};

use crate::experiment::Experiment;
use crate::given;
use crate::keys::Keys;
use crate::settings::sections::{InMemory, InitKind};
use crate::stage::Stage;
use crate::stages::{in_shards, pca, sample};

/// The stage's artifact.
#[derive(Debug, Serialize, Deserialize)]
struct StoredMixture {
    /// `(K)`.
    #[serde(with = "array")]
    weights: Array1<f32>,
    /// `(K, D)`.
    #[serde(with = "array")]
    means: Array2<f32>,
    /// `(K, D)`.
    #[serde(with = "array")]
    variances: Array2<f32>,
    /// Report of the fit.
    report: FitReport,
}

/// The mixture, learned from the projected sample by EM, or read from the file `mixture.from`.
///
/// # Errors
/// The errors of the earlier stages, of the fit and of the file; a stop on request.
pub fn get(experiment: &Experiment, keys: &Keys) -> Result<DiagonalGmm> {
    let address = Stage::Mixture.id().at(keys.mixture);
    let was_stored = experiment.core.has(&address);
    let stored = experiment.core.cached(address.clone(), || {
        let mixture = match (&experiment.settings.mixture.from, experiment.settings.sample.in_memory) {
            (Some(file), _) => given::mixture(file)?,
            (None, InMemory::Whole) => learn(experiment, keys)?,
            (None, InMemory::Shards) => match in_shards::learn_mixture(experiment, keys)? {
                Some(mixture) => mixture,
                None => return Ok((experiment.core.needed(&address)?, "learned by another process".to_owned())),
            },
        };
        let report = mixture.report();
        let end = match (&experiment.settings.mixture.from, report.converged) {
            (Some(_), _) => "of the file".to_owned(),
            (None, true) => format!("{} EM steps, converged", report.n_iterations),
            (None, false) => format!("{} EM steps, stopped at the limit", report.n_iterations),
        };
        let what = format!("{} components, {end}", mixture.n_components());
        let stored = StoredMixture {
            weights: mixture.weights().to_owned(),
            means: mixture.means().to_owned(),
            variances: mixture.variances().to_owned(),
            report: report.clone(),
        };
        Ok((stored, what))
    })?;
    if experiment.settings.sample.in_memory == InMemory::Shards && !was_stored {
        in_shards::forget_states(experiment, keys)?;
    }
    Ok(DiagonalGmm::from_parts(stored.weights, stored.means, stored.variances)?)
}

/// The parameters of the mixture that the settings describe.
pub(crate) fn params(experiment: &Experiment, seed: u64) -> DiagonalGmmParams {
    let settings = &experiment.settings.mixture;
    let init = match settings.init {
        InitKind::KMeans => {
            Init::KMeans { n_samples: settings.init_n_samples, n_iterations: settings.init_n_iterations }
        }
        InitKind::Random => Init::Random,
    };
    DiagonalGmm::params(settings.n_components)
        .max_n_iterations(settings.max_n_iterations)
        .tolerance(settings.tolerance)
        .variance_floor(VarianceFloor { relative: settings.variance_floor, ..VarianceFloor::default() })
        .posterior_floor(settings.posterior_floor)
        .init(init)
        .seed(seed)
}

fn learn(experiment: &Experiment, keys: &Keys) -> Result<DiagonalGmm> {
    let settings = &experiment.settings.mixture;
    let pca = pca::get(experiment, keys)?;
    let sample = sample::get(experiment, keys)?;
    ensure!(
        sample.ncols() == pca.n_features(),
        "the projection expects descriptors of length {}, but the extractor gives length {}: learn the projection again, or load another \
         pca.from",
        pca.n_features(),
        sample.ncols()
    );
    let projected = pca.transform(sample.view())?;
    drop(sample);
    let params = params(experiment, keys.seed).check().context("settings, section [mixture]")?;
    let bar = experiment.core.progress.bar("mixture", settings.max_n_iterations as u64);
    let mixture = params
        .fit_with_progress(projected.view(), &mut |iteration, log_likelihood| {
            bar.set_position(iteration as u64);
            bar.set_message(&format!("log-likelihood {log_likelihood:.4}"));
            if experiment.core.interrupt.is_raised() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .context("cannot learn the mixture")?;
    // A fit that was stopped on request must not be stored.
    experiment.core.interrupt.check()?;
    Ok(mixture)
}
