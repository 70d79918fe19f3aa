//! One process's share of a stage. Other processes do the other shares, on this machine or on others that have the same store.

use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};

use crate::agreement;
use crate::experiment::Experiment;
use crate::keys::Keys;
use crate::settings::sections::InMemory;
use crate::share::{Chosen, Share};
use crate::stage::Stage;
use crate::stages::{in_shards, mixture};
use crate::work::{Found, Phase, Piece, ensure_shards, halves, phases};

/// How often the store is looked at while the sums of other processes are missing.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Number of missing pieces that a message names.
const MAX_N_NAMED: usize = 8;

/// Computes the share of a stage, for the seed of the settings and, up to the scores, for the further seeds. Reports which pieces are still
/// missing. `patience`: how long to wait for the sums of other processes in each step of a mixture that is learned in shards.
///
/// # Errors
/// A stage that is one computation; earlier stages that are not complete; another program than the one that began the run; the errors of the
/// stage; a stop on request. Finished shards stay stored.
pub fn compute_share(experiment: &Experiment, stage: Stage, share: Share, patience: Duration) -> Result<()> {
    let core = &experiment.core;
    ensure!(is_divided(experiment, stage), "{}", undivided(experiment, stage, share));
    agreement::check(experiment)?;
    let first = experiment.settings.seed;
    let n_seeds = if stage <= Stage::Scores { experiment.settings.evaluation.n_seeds as u64 } else { 1 };
    let mut missing = Vec::new();
    for seed in first..first + n_seeds {
        let keys = Keys::new(experiment, seed)?;
        let phases = phases(experiment, stage);
        let of_stage =
            || phases.iter().filter(|phase| phase.stage == stage).flat_map(|phase| phase.pieces.iter().copied());
        let found = Found::new(experiment, &keys)?;
        if of_stage().any(|piece| !found.has(piece)) {
            ensure_ready(experiment, &found, &phases, stage)?;
            match stage {
                Stage::Pca => in_shards::ensure_pca_sums(experiment, &keys, Chosen::Share(share))?,
                Stage::Mixture => share_of_mixture(experiment, &keys, share, patience)?,
                _ => {
                    for &half in halves(stage) {
                        ensure_shards(experiment, &keys, stage, half, Chosen::Share(share))?;
                    }
                }
            }
        }
        let found = Found::new(experiment, &keys)?;
        for piece in of_stage() {
            let shard = match piece {
                Piece::Shard { shard, .. } | Piece::PcaSums { shard } => shard,
                Piece::MixtureSums { shard, state } if found.state() == Some(state) => shard,
                // The process with the first share makes the start.
                Piece::MixtureStart => 0,
                _ => continue,
            };
            if !found.has(piece) {
                let seed = if n_seeds > 1 { format!(", seed {seed}") } else { String::new() };
                missing.push(format!("{piece} (share {}{seed})", share.with(shard)));
            }
        }
    }
    let text = match missing.as_slice() {
        [] if matches!(stage, Stage::Pca) => {
            "all shards are complete; the same command without --shard adds them up".to_owned()
        }
        [] => "all shards are complete".to_owned(),
        [named @ .., _] if named.len() >= MAX_N_NAMED => {
            let more = missing.len() - MAX_N_NAMED;
            format!("share {share} is complete; missing: {} and {more} more", missing[..MAX_N_NAMED].join(", "))
        }
        missing => format!("share {share} is complete; missing: {}", missing.join(", ")),
    };
    core.progress.stage_line(stage.name(), &text);
    Ok(())
}

/// Whether a stage can be divided: it works shard by shard over images, or it adds up sums of shards.
fn is_divided(experiment: &Experiment, stage: Stage) -> bool {
    let settings = &experiment.settings;
    let in_shards = settings.sample.in_memory == InMemory::Shards;
    match stage {
        Stage::Pca => in_shards && settings.pca.from.is_none(),
        Stage::Mixture => in_shards && settings.mixture.from.is_none(),
        _ => !halves(stage).is_empty(),
    }
}

fn undivided(experiment: &Experiment, stage: Stage, share: Share) -> String {
    let divided: Vec<&str> =
        Stage::ALL.into_iter().filter(|stage| is_divided(experiment, *stage)).map(Stage::name).collect();
    let mut text = format!(
        "--until {name} --shard {share}: {name} is one computation, so one process does it: run it once, without --shard. Stages with \
         shards: photographs, {}",
        divided.join(", "),
        name = stage.name(),
    );
    if matches!(stage, Stage::Pca | Stage::Mixture) {
        text += "; with sample.in_memory=shards also pca and mixture";
    }
    text
}

/// Refuses a share whose earlier stages are not complete: every process would compute them again.
fn ensure_ready(experiment: &Experiment, found: &Found<'_>, phases: &[Phase], stage: Stage) -> Result<()> {
    let mut needed: BTreeSet<&str> =
        phases.iter().filter(|phase| phase.stage == stage).map(|phase| phase.name.as_str()).collect();
    let mut missing = Vec::new();
    for phase in phases.iter().rev() {
        if !needed.contains(phase.name.as_str()) {
            continue;
        }
        needed.extend(phase.needs.iter().map(String::as_str));
        if phase.stage == stage {
            continue;
        }
        for piece in phase.pieces.iter().rev() {
            if !found.has(*piece) {
                missing.push((phase.stage, piece.to_string()));
            }
        }
    }
    // The earliest stage is the one that can be computed now.
    let Some((earliest, piece)) = missing.last() else { return Ok(()) };
    let n_more = missing.iter().filter(|(stage, _)| stage == earliest).count() - 1;
    let more = if n_more == 0 { String::new() } else { format!(" and {n_more} more") };
    let how = if is_divided(experiment, *earliest) { ", with or without --shard" } else { "" };
    bail!(
        "--until {} --shard: {piece}{more} must be there first: run the command with --until {}{how}",
        stage.name(),
        earliest.name()
    )
}

/// Computes the sums of the share in every step of EM. The process that finds all sums of a step makes it.
fn share_of_mixture(experiment: &Experiment, keys: &Keys, share: Share, patience: Duration) -> Result<()> {
    let core = &experiment.core;
    let mut waits_since = Instant::now();
    let mut last = None;
    loop {
        core.interrupt.check()?;
        let looks_since = Instant::now();
        let state = match in_shards::newest_state(experiment, keys)? {
            Some(state) => Some(state),
            // States are removed when the mixture is stored, so this is looked for after them.
            None if core.has(&Stage::Mixture.id().at(keys.mixture)) => return Ok(()),
            // One process makes the start: it reads the whole sample.
            None if share.contains(0) => Some(in_shards::ensure_start(experiment, keys)?),
            None => None,
        };
        if let Some(state) = state {
            if state.is_finished() {
                mixture::get(experiment, keys)?;
                return Ok(());
            }
            if last != Some(in_shards::number(&state)) {
                last = Some(in_shards::number(&state));
                waits_since = Instant::now();
            }
            if in_shards::ensure_em_sums(experiment, keys, &state, Chosen::Share(share))? {
                waits_since = Instant::now();
            }
            if in_shards::has_all_em_sums(experiment, keys, &state) {
                in_shards::advance(experiment, keys, state)?;
                continue;
            }
        }
        if waits_since.elapsed() >= patience {
            return Ok(());
        }
        // Many processes look at the same folder, and a look at many shards takes its time.
        thread::sleep(LOOK_EVERY.max(9 * looks_since.elapsed()));
    }
}
