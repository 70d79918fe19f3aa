//! Projection and mixture learned shard by shard, for samples beyond memory: sums of each shard, added in the order of the shards.
//!
//! The sums of a shard can be computed by any process. Whoever adds them up gets the same bits, because the order of the shards is fixed.

use anyhow::{Context as _, Result, ensure};
use fisherlens_artifact::Address;
use fisherlens_descriptors::{Pca, PcaSums, PcaValidParams};
use fisherlens_mixture::{DiagonalGmm, DiagonalGmmValidParams, EmState, EmSums};
use linfa::ParamGuard as _;
use ndarray::{Array2, Axis};
use rayon::prelude::*;

use crate::experiment::Experiment;
use crate::keys::Keys;
use crate::share::Chosen;
use crate::stage::Stage;
use crate::stages::{mixture, pca, sample};

/// Computes and stores the sums of the chosen shards for the projection.
///
/// # Errors
/// The errors of the sample and of the file system; a stop on request.
pub fn ensure_pca_sums(experiment: &Experiment, keys: &Keys, chosen: Chosen) -> Result<()> {
    let core = &experiment.core;
    for shard in 0..sample::n_shards(experiment) {
        if chosen.contains(shard) && !has_pca_sums(experiment, keys, shard) {
            core.interrupt.check()?;
            let sums = PcaSums::of(sample::shard(experiment, keys, shard)?.view())?;
            core.keep(&pca_address(keys, shard), 0.0, &sums)?;
        }
    }
    Ok(())
}

/// Whether the sums of a shard for the projection are stored.
pub fn has_pca_sums(experiment: &Experiment, keys: &Keys, shard: usize) -> bool {
    experiment.core.has(&pca_address(keys, shard))
}

/// The projection, from the sums of all shards. Sums that are not stored are computed.
///
/// # Errors
/// The errors of the sample and of the fit; a stop on request.
pub(crate) fn learn_pca(experiment: &Experiment, keys: &Keys, params: &PcaValidParams) -> Result<Pca> {
    let core = &experiment.core;
    sample::ensure_shards(experiment, std::slice::from_ref(keys), Chosen::All)?;
    let mut total: Option<PcaSums> = None;
    for shard in 0..sample::n_shards(experiment) {
        core.interrupt.check()?;
        let sums = match core.stored(&pca_address(keys, shard))? {
            Some(sums) => sums,
            None => PcaSums::of(sample::shard(experiment, keys, shard)?.view())?,
        };
        match &mut total {
            None => total = Some(sums),
            Some(total) => total.append(&sums)?,
        }
    }
    sample::ensure_not_empty(total.as_ref().map_or(0, PcaSums::n_samples))?;
    params.fit_sums(total).context("settings, section [pca]")
}

/// Removes the sums for the projection, when it is stored.
///
/// # Errors
/// The errors of the file system.
pub(crate) fn forget_pca_sums(experiment: &Experiment, keys: &Keys) -> Result<()> {
    experiment.core.remove_parts(Stage::Pca.id(), keys.pca, "sums-")
}

/// The newest state of EM that is stored; `None` before the start.
///
/// # Errors
/// A damaged file.
pub fn newest_state(experiment: &Experiment, keys: &Keys) -> Result<Option<EmState>> {
    let core = &experiment.core;
    // The first states may be removed already.
    let last = experiment.settings.mixture.max_n_iterations + 1;
    for iteration in (0..=last).rev() {
        let address = state_address(keys, iteration);
        // Another process may remove the state between the two lines; then it has stored a newer one.
        if core.has(&address)
            && let Some(state) = core.stored(&address)?
        {
            return Ok(Some(state));
        }
    }
    Ok(None)
}

/// The number of the state: iterations, and one more when EM has ended.
pub fn number(state: &EmState) -> usize {
    state.n_iterations() + usize::from(state.is_finished())
}

/// Makes and stores the first state. Nothing happens if there is a state.
///
/// # Errors
/// The errors of the sample and of the start; a stop on request.
pub fn ensure_start(experiment: &Experiment, keys: &Keys) -> Result<EmState> {
    if let Some(state) = newest_state(experiment, keys)? {
        return Ok(state);
    }
    let (params, pca) = (valid_params(experiment, keys)?, pca::get(experiment, keys)?);
    sample::ensure_shards(experiment, std::slice::from_ref(keys), Chosen::All)?;
    let mut load = |shard: usize| {
        experiment.core.interrupt.check()?;
        projected(experiment, keys, &pca, shard)
    };
    let state = params.start_shards(sample::n_shards(experiment), &mut load).context("cannot start the mixture")?;
    experiment.core.keep(&state_address(keys, number(&state)), 0.0, &state)?;
    Ok(state)
}

/// Computes and stores the sums of the chosen shards for the state. Returns whether any were missing.
///
/// # Errors
/// The errors of the sample; a stop on request.
pub fn ensure_em_sums(experiment: &Experiment, keys: &Keys, state: &EmState, chosen: Chosen) -> Result<bool> {
    let chosen = (0..sample::n_shards(experiment)).filter(|&shard| chosen.contains(shard));
    let missing: Vec<usize> = chosen.filter(|&shard| !has_em_sums(experiment, keys, number(state), shard)).collect();
    if missing.is_empty() {
        return Ok(false);
    }
    let (params, pca) = (valid_params(experiment, keys)?, pca::get(experiment, keys)?);
    for shard in missing {
        experiment.core.interrupt.check()?;
        let sums = params.em_sums(state, projected(experiment, keys, &pca, shard)?.view())?;
        experiment.core.keep(&sums_address(keys, number(state), shard), 0.0, &sums)?;
    }
    Ok(true)
}

/// Whether the sums of a shard for the state with this number are stored.
pub fn has_em_sums(experiment: &Experiment, keys: &Keys, state: usize, shard: usize) -> bool {
    experiment.core.has(&sums_address(keys, state, shard))
}

/// Whether the sums of all shards for the state are stored.
pub fn has_all_em_sums(experiment: &Experiment, keys: &Keys, state: &EmState) -> bool {
    (0..sample::n_shards(experiment)).all(|shard| has_em_sums(experiment, keys, number(state), shard))
}

/// Makes and stores the next state from stored sums, and removes what nobody needs any more. `None` if sums are missing, or were removed by
/// another process that made the same step.
///
/// # Errors
/// The errors of the sums and of the file system.
pub fn advance(experiment: &Experiment, keys: &Keys, state: EmState) -> Result<Option<EmState>> {
    let core = &experiment.core;
    let of = number(&state);
    let mut total: Option<EmSums> = None;
    for shard in 0..sample::n_shards(experiment) {
        let Some(sums) = core.stored(&sums_address(keys, of, shard))? else { return Ok(None) };
        match &mut total {
            None => total = Some(sums),
            Some(total) => total.append(&sums)?,
        }
    }
    let next = valid_params(experiment, keys)?.advance(state, total).context("cannot learn the mixture")?;
    core.keep(&state_address(keys, number(&next)), 0.0, &next)?;
    core.remove_parts(Stage::Mixture.id(), keys.mixture, &format!("sums-{of:04}-"))?;
    // A process that has found the state a moment ago may still read it, so only the one before it is removed.
    if let Some(before) = of.checked_sub(1) {
        core.store.remove_part(&state_address(keys, before))?;
    }
    Ok(Some(next))
}

/// The mixture, learned shard by shard in this process. It goes on where other processes have stopped. `None` if another process has stored
/// the mixture in the meantime.
///
/// # Errors
/// The errors of the sample and of the fit; a stop on request. The states of finished iterations stay stored.
pub(crate) fn learn_mixture(experiment: &Experiment, keys: &Keys) -> Result<Option<DiagonalGmm>> {
    let bar = experiment.core.progress.bar("mixture", experiment.settings.mixture.max_n_iterations as u64);
    let mut state = ensure_start(experiment, keys)?;
    while !state.is_finished() {
        ensure_em_sums(experiment, keys, &state, Chosen::All)?;
        state = match advance(experiment, keys, state)? {
            Some(next) => next,
            // Another process has made the step, or even the last one.
            None => match newest_state(experiment, keys)? {
                Some(newest) => newest,
                None if experiment.core.has(&Stage::Mixture.id().at(keys.mixture)) => return Ok(None),
                None => ensure_start(experiment, keys)?,
            },
        };
        bar.set_position(state.n_iterations() as u64);
        if let Some(log_likelihood) = state.log_likelihood() {
            bar.set_message(&format!("log-likelihood {log_likelihood:.4}"));
        }
    }
    Ok(Some(state.into_mixture()))
}

/// Removes states and sums, when the mixture is stored.
///
/// # Errors
/// The errors of the file system.
pub(crate) fn forget_states(experiment: &Experiment, keys: &Keys) -> Result<()> {
    // Another process may have computed sums for a step that was already made.
    ["sums-", "state-"]
        .into_iter()
        .try_for_each(|of| experiment.core.remove_parts(Stage::Mixture.id(), keys.mixture, of))
}

fn valid_params(experiment: &Experiment, keys: &Keys) -> Result<DiagonalGmmValidParams> {
    mixture::params(experiment, keys.seed).check().context("settings, section [mixture]")
}

/// One shard of the sample, projected `(n_sampled, n_components)`.
fn projected(experiment: &Experiment, keys: &Keys, pca: &Pca, shard: usize) -> Result<Array2<f32>> {
    /// Rows that one task projects.
    const ROWS: usize = 4096;
    let sample = sample::shard(experiment, keys, shard)?;
    ensure!(
        sample.nrows() == 0 || sample.ncols() == pca.n_features(),
        "the projection expects descriptors of length {}, but the extractor gives length {}: learn the projection again, or load another \
         pca.from",
        pca.n_features(),
        sample.ncols()
    );
    let mut projected = Array2::zeros((sample.nrows(), pca.n_components()));
    let parts: Vec<_> =
        sample.axis_chunks_iter(Axis(0), ROWS).zip(projected.axis_chunks_iter_mut(Axis(0), ROWS)).collect();
    parts.into_par_iter().try_for_each(|(from, mut to)| -> Result<()> {
        to.assign(&pca.transform(from)?);
        Ok(())
    })?;
    Ok(projected)
}

fn pca_address(keys: &Keys, shard: usize) -> Address {
    Stage::Pca.id().part(keys.pca, &format!("sums-{shard:04}"))
}

fn state_address(keys: &Keys, number: usize) -> Address {
    Stage::Mixture.id().part(keys.mixture, &format!("state-{number:04}"))
}

fn sums_address(keys: &Keys, number: usize, shard: usize) -> Address {
    Stage::Mixture.id().part(keys.mixture, &format!("sums-{number:04}-{shard:04}"))
}
