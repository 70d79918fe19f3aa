//! The stages of a network's experiment in their order.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Result;

use super::comparison::Compared;
use super::report::{self, Found};
use super::{NetworkExperiment, NetworkStage, gallery, perturbation, relevance, retraining, scores};
use crate::session::Session;

/// Runs all stages and writes the report into `folder`, beside it the retrained weights and the names of their classes, as `explain --network` takes
/// them.
///
/// # Errors
/// What the stages say.
pub fn run(experiment: &NetworkExperiment, session: &Session, folder: &Path) -> Result<PathBuf> {
    let mut seconds = Vec::new();
    let mut since = Instant::now();
    let mut ended = |stage: NetworkStage| {
        seconds.push((stage, since.elapsed().as_secs_f64()));
        since = Instant::now();
    };
    let (network, state) = retraining::get(experiment)?;
    // Features are computed on the way to the weights.
    ended(NetworkStage::Retraining);
    let scores = scores::get(experiment)?;
    experiment.progress.line(&format!("{:>12}  {}", "scores", report::line(experiment, &scores)));
    ended(NetworkStage::Scores);
    let measured = relevance::get(experiment)?;
    ended(NetworkStage::Relevance);
    let perturbed = perturbation::get(experiment)?;
    ended(NetworkStage::Perturbation);
    let compared = Compared::open(session, &experiment.settings.comparison.experiment, &experiment.interrupt)?;
    let examples = gallery::get(experiment, &measured, compared.as_ref())?;
    let conservation = relevance::conservation(experiment)?;
    ended(NetworkStage::Report);
    seconds.insert(0, (NetworkStage::Features, 0.0));
    let found = Found {
        state: &state,
        scores: &scores,
        measured: &measured,
        perturbed: &perturbed,
        conservation: &conservation,
        compared: compared.as_ref(),
        seconds: &seconds,
    };
    let page = crate::report::write(&report::collect(experiment, &found, examples)?, folder)?;
    let weights = fisherlens_cnn::write_safetensors(&network.parameters())?;
    std::fs::write(folder.join("retrained.safetensors"), weights)?;
    std::fs::write(folder.join("classes.txt"), experiment.dataset.classes().join("\n") + "\n")?;
    Ok(page)
}
