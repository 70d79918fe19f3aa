//! The stages of a network's experiment in their order.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result};
use fisherlens_cnn::{Network, write_safetensors};

use crate::dataset::Half;
use crate::networks::comparison::Compared;
use crate::networks::experiment::NetworkExperiment;
use crate::networks::report::{self, NetworkFindings};
use crate::networks::stage::NetworkStage;
use crate::networks::{features, gallery, perturbation, relevance, retraining, scores};
use crate::session::Session;

/// Runs the stages in order, up to and including `until` (all stages if it is `None`). As soon as the weights are retrained, writes them
/// and the names of their classes into `folder`, in the form that `explain --network` reads. After the last stage, writes the report and
/// returns its path.
///
/// # Errors
/// The errors of the stages.
pub fn run(
    experiment: &NetworkExperiment,
    session: &Session,
    folder: &Path,
    until: Option<NetworkStage>,
) -> Result<Option<PathBuf>> {
    experiment.core.warn(&experiment.core.dataset.warnings());
    if until == Some(NetworkStage::Features) {
        for half in [Half::Train, Half::Test] {
            features::get(experiment, half)?;
        }
        return Ok(None);
    }
    // The retraining computes the features if they are not stored, so their time is part of its time.
    let mut seconds = vec![(NetworkStage::Features, 0.0)];
    let mut since = Instant::now();
    let mut ended = |stage: NetworkStage| {
        seconds.push((stage, since.elapsed().as_secs_f64()));
        since = Instant::now();
        Some(stage) == until
    };
    let (network, state) = retraining::get(experiment)?;
    keep_weights(experiment, &network, folder)?;
    if ended(NetworkStage::Retraining) {
        return Ok(None);
    }
    let scores = scores::get(experiment)?;
    experiment.core.progress.stage_line("scores", &report::line(experiment, &scores));
    if ended(NetworkStage::Scores) {
        return Ok(None);
    }
    let measured = relevance::get(experiment)?;
    if ended(NetworkStage::Relevance) {
        return Ok(None);
    }
    let perturbed = perturbation::get(experiment)?;
    if ended(NetworkStage::Perturbation) {
        return Ok(None);
    }
    let compared = Compared::open(session, &experiment.settings.comparison.experiment, &experiment.core.interrupt)?;
    let examples = gallery::get(experiment, &measured, compared.as_ref())?;
    let conservation = relevance::conservation(experiment)?;
    ended(NetworkStage::Report);
    let found = NetworkFindings {
        state: &state,
        scores: &scores,
        measured: &measured,
        perturbed: &perturbed,
        conservation: &conservation,
        compared: compared.as_ref(),
        seconds: &seconds,
    };
    Ok(Some(fisherlens_report::write(&report::collect(experiment, &found, examples)?, folder)?))
}

fn keep_weights(experiment: &NetworkExperiment, network: &Network, folder: &Path) -> Result<()> {
    let classes = experiment.core.dataset.classes().join("\n") + "\n";
    std::fs::create_dir_all(folder).with_context(|| format!("cannot create the folder {}", folder.display()))?;
    for (name, bytes) in
        [("retrained.safetensors", write_safetensors(&network.parameters())?), ("classes.txt", classes.into_bytes())]
    {
        let path = folder.join(name);
        std::fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}
