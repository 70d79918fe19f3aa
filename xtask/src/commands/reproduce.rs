//! `cargo xtask reproduce`: every stage in order, then the report.

use std::fmt::Write;
use std::time::Instant;

use anyhow::Result;

use crate::cli::Reproduce;
use crate::dataset::Half;
use crate::experiment::{Experiment, Keys};
use crate::interrupt::Interrupt;
use crate::progress::{Progress, duration};
use crate::session::{self, Session};
use crate::stages::{Stage, classifier, context, encode, mixture, pca, relevance, resampling, sample, scores};
use crate::{report, summary};

/// Runs the command.
///
/// # Errors
/// What the stages say.
pub fn run(arguments: &Reproduce, interrupt: &Interrupt) -> Result<()> {
    session::set_threads(arguments.selection.threads)?;
    let since = Instant::now();
    let session = Session::from_selection(arguments.experiment.as_deref(), &arguments.selection);
    let experiment = session.open(Progress::standard(), interrupt.clone())?;
    announce(&experiment);
    let run = stages(&experiment, arguments.until)?;
    let folder =
        arguments.report.clone().unwrap_or_else(|| session::root().join("report").join(report_name(&experiment.name)));
    let data = summary::collect(&experiment, &run)?;
    let page = report::write(&data, &folder)?;
    experiment.progress.line(&format!("{:>12}  {}  ({} in all)", "report", page.display(), duration(since.elapsed())));
    Ok(())
}

/// The built-in name, or the stem of a settings file.
fn report_name(experiment: &str) -> String {
    let stem = std::path::Path::new(experiment).file_stem();
    stem.map_or_else(|| "report".to_owned(), |stem| stem.to_string_lossy().into_owned())
}

fn announce(experiment: &Experiment) {
    let dataset = &experiment.dataset;
    let skipped = dataset.train.set.skipped.len() + dataset.test.set.skipped.len();
    let mut line = format!(
        "{:>12}  {}: {} images to learn from, {} to judge on, {} classes",
        "reproduce",
        experiment.name,
        dataset.train.len(),
        dataset.test.len(),
        dataset.classes().len()
    );
    if skipped > 0 {
        let _ = write!(line, ", {skipped} missing images skipped");
    }
    if !dataset.left_out.is_empty() {
        let _ = write!(line, "; without {}, of which the limited sets lack examples", dataset.left_out.join(", "));
    }
    experiment.progress.line(&line);
}

/// What a run went through.
#[derive(Debug)]
pub struct Run {
    /// The keys of the experiment's own seed.
    pub keys: Keys,
    /// The stages that were run, with the seconds each took in this run (next to nothing where it was stored).
    pub stages: Vec<(Stage, f64)>,
    /// Scores of the further seeds.
    pub other_seeds: Vec<(u64, scores::Scores)>,
}

/// Runs the stages in order, up to `until`.
///
/// # Errors
/// What the stages say.
pub fn stages(experiment: &Experiment, until: Option<Stage>) -> Result<Run> {
    let keys = experiment.keys()?;
    let until = until.unwrap_or(Stage::Report);
    let mut run = Run { keys, stages: Vec::new(), other_seeds: Vec::new() };
    for stage in Stage::ALL.into_iter().filter(|stage| *stage <= until && *stage != Stage::Report) {
        experiment.interrupt.check()?;
        let since = Instant::now();
        match stage {
            Stage::Sample => drop(stored_or(experiment, stage, &keys, || sample::get(experiment, &keys))?),
            Stage::Pca => drop(pca::get(experiment, &keys)?),
            Stage::Mixture => drop(mixture::get(experiment, &keys)?),
            Stage::Encode => {
                encode::ensure_shards(experiment, &keys, Half::Train)?;
                encode::ensure_shards(experiment, &keys, Half::Test)?;
            }
            Stage::Classifier => drop(classifier::get(experiment, &keys)?),
            Stage::Scores => {
                scores::get(experiment, &keys)?;
                run.other_seeds = other_seeds(experiment)?;
            }
            Stage::Relevance => relevance::ensure_shards(experiment, &keys)?,
            Stage::Resampling => resampling::ensure_shards(experiment, &keys)?,
            Stage::Context => drop(context::get(experiment, &keys)?),
            Stage::Report => {}
        }
        run.stages.push((stage, since.elapsed().as_secs_f64()));
    }
    Ok(run)
}

/// The sample is large and only its learners read it: it is not loaded where it is stored, nor drawn where both
/// models come from files.
fn stored_or<T>(
    experiment: &Experiment,
    stage: Stage,
    keys: &Keys,
    compute: impl FnOnce() -> Result<T>,
) -> Result<Option<T>> {
    let learned = experiment.has(Stage::Pca, keys.pca, None) && experiment.has(Stage::Mixture, keys.mixture, None);
    let settings = &experiment.settings;
    let given = settings.pca.from.is_some() && settings.mixture.from.is_some();
    if learned || given || experiment.has(stage, keys.sample, None) {
        return Ok(None);
    }
    compute().map(Some)
}

/// The scores of further seeds, whose samples and vectors are removed once the scores are there.
fn other_seeds(experiment: &Experiment) -> Result<Vec<(u64, scores::Scores)>> {
    let first = experiment.settings.seed;
    (1..experiment.settings.evaluation.n_seeds as u64)
        .map(|offset| {
            let keys = Keys::new(experiment, first + offset)?;
            let scores = scores::get(experiment, &keys)?;
            encode::forget(experiment, &keys)?;
            Ok((keys.seed, scores))
        })
        .collect()
}
