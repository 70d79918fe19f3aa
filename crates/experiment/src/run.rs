//! The stages in the order in which data flows through them.

use std::time::Instant;

use anyhow::Result;

use crate::dataset::Half;
use crate::experiment::Experiment;
use crate::given;
use crate::keys::Keys;
use crate::share::Chosen;
use crate::stage::Stage;
use crate::stages::{
    calibration, classifier, context, encode, explained, mixture, pca, pixels, sample, scores, strategies,
};

/// Seeds that are computed side by side, so that photographs are read and described once for all of them. Their vectors are stored at the
/// same time.
const SEEDS_AT_ONCE: usize = 4;

/// The result of a run.
#[derive(Debug)]
pub struct Run {
    /// The keys of the experiment's own seed.
    pub keys: Keys,
    /// The stages that were run, with the seconds that each took in this run (almost 0 if its result was stored already).
    pub stages: Vec<(Stage, f64)>,
    /// Scores of the further seeds.
    pub other_seeds: Vec<(u64, scores::Scores)>,
    /// Seconds that the further seeds took in this run; `None` without further seeds.
    pub other_seeds_seconds: Option<f64>,
}

impl Run {
    /// Runs the stages in order, up to and including `until`, up to the scores for the further seeds too. Stored results are not computed again.
    ///
    /// # Errors
    /// The errors of the stages; a stop on request. Finished artifacts stay stored.
    pub fn execute(experiment: &Experiment, until: Option<Stage>) -> Result<Self> {
        let until = until.unwrap_or(Stage::Report);
        let stages: Vec<Stage> = Stage::ALL.into_iter().filter(|stage| *stage <= until).collect();
        let further = further_seeds(experiment)?;
        let at_first = further.len().min(SEEDS_AT_ONCE - 1);
        let run = Self::execute_for(experiment, &stages, &further[..at_first])?;
        if until < Stage::Scores {
            for seeds in further[at_first..].chunks(SEEDS_AT_ONCE) {
                for &stage in &stages {
                    Self::compute(experiment, seeds, stage)?;
                }
            }
        }
        Ok(run)
    }

    /// Runs these stages, in their order. A stage that they need but that is not among them is computed on the way.
    ///
    /// # Errors
    /// See [`Run::execute`].
    pub fn execute_only(experiment: &Experiment, stages: &[Stage]) -> Result<Self> {
        Self::execute_for(experiment, stages, &[])
    }

    /// `further`: seeds whose stages before the scores are computed side by side with those of the first one.
    fn execute_for(experiment: &Experiment, stages: &[Stage], further: &[Keys]) -> Result<Self> {
        let keys = Keys::of(experiment)?;
        given::check(experiment)?;
        experiment.core.warn(&experiment.core.dataset.warnings());
        if stages.contains(&Stage::Strategies) {
            // Wrong names of classes are refused here, before anything is computed. The settings could not check them without the
            // photographs.
            strategies::classes(experiment)?;
        }
        let mut run = Self { keys, stages: Vec::new(), other_seeds: Vec::new(), other_seeds_seconds: None };
        let mut in_one_pass = None;
        for stage in Stage::ALL.into_iter().filter(|stage| stages.contains(stage) && *stage != Stage::Report) {
            experiment.core.interrupt.check()?;
            let since = Instant::now();
            let seeds = [&[keys], further].concat();
            if stage == Stage::Relevance && stages.contains(&Stage::Resampling) {
                // Both in one pass; the stage of the traces then finds them.
                in_one_pass =
                    Some(explained::ensure_shards(experiment, &keys, Chosen::All, &[stage, Stage::Resampling])?);
            }
            Self::compute(experiment, &seeds, stage)?;
            let seconds = match (stage, in_one_pass) {
                (Stage::Relevance, Some(spent)) => spent.relevance.as_secs_f64(),
                (Stage::Resampling, Some(spent)) => spent.resampling.as_secs_f64(),
                _ => since.elapsed().as_secs_f64(),
            };
            run.stages.push((stage, seconds));
            if stage == Stage::Scores && experiment.settings.evaluation.n_seeds > 1 {
                let since = Instant::now();
                run.other_seeds = other_seeds(experiment)?;
                run.other_seeds_seconds = Some(since.elapsed().as_secs_f64());
            }
        }
        Ok(run)
    }

    /// Computes a stage, and everything that it needs: the stages before the classifiers for all `seeds`, the others for the first one.
    /// Stored results are not computed again. The report is not computed here.
    ///
    /// # Errors
    /// See [`Run::execute`].
    pub(crate) fn compute(experiment: &Experiment, seeds: &[Keys], stage: Stage) -> Result<()> {
        let Some(keys) = seeds.first() else { return Ok(()) };
        match stage {
            Stage::Sample => {
                let drawn: Vec<Keys> = seeds.iter().copied().filter(|keys| needs_sample(experiment, keys)).collect();
                sample::ensure_shards(experiment, &drawn, Chosen::All)?;
            }
            Stage::Pca => seeds.iter().try_for_each(|keys| pca::get(experiment, keys).map(drop))?,
            Stage::Mixture => seeds.iter().try_for_each(|keys| mixture::get(experiment, keys).map(drop))?,
            Stage::Encode => {
                encode::ensure_shards(experiment, seeds, Half::Train, Chosen::All)?;
                encode::ensure_shards(experiment, seeds, Half::Test, Chosen::All)?;
            }
            Stage::Classifier => {
                let report = classifier::get(experiment, keys)?.report;
                experiment.core.warn(&classifier::unsolved(&report, experiment.core.dataset.classes()));
            }
            Stage::Scores => drop(scores::get(experiment, keys)?),
            Stage::Calibration => {
                let calibration = calibration::get(experiment, keys)?;
                experiment.core.warn(&calibration.warnings(experiment.core.dataset.classes()));
            }
            Stage::Relevance | Stage::Resampling => {
                explained::ensure_shards(experiment, keys, Chosen::All, &[stage])?;
            }
            Stage::Pixels => drop(pixels::get(experiment, keys)?),
            Stage::Context => drop(context::get(experiment, keys)?),
            Stage::Strategies => drop(strategies::get(experiment, keys)?),
            Stage::Report => {}
        }
        Ok(())
    }
}

/// Whether the sample must be drawn. It is large, and only the projection and the mixture learn from it. So it is not drawn if both models are
/// stored or both come from files.
pub(crate) fn needs_sample(experiment: &Experiment, keys: &Keys) -> bool {
    let core = &experiment.core;
    let learned = core.has(&Stage::Pca.id().at(keys.pca)) && core.has(&Stage::Mixture.id().at(keys.mixture));
    let given = experiment.settings.pca.from.is_some() && experiment.settings.mixture.from.is_some();
    !learned && !given
}

/// The further seeds without scores. Their samples and vectors are removed as soon as the scores are stored, so they are not computed again.
fn further_seeds(experiment: &Experiment) -> Result<Vec<Keys>> {
    let first = experiment.settings.seed;
    let mut further = Vec::new();
    for offset in 1..experiment.settings.evaluation.n_seeds as u64 {
        let keys = Keys::new(experiment, first + offset)?;
        if !experiment.core.has(&Stage::Scores.id().at(keys.scores)) {
            further.push(keys);
        }
    }
    Ok(further)
}

/// The scores of the further seeds. Their samples and vectors are removed as soon as the scores are stored.
fn other_seeds(experiment: &Experiment) -> Result<Vec<(u64, scores::Scores)>> {
    let first = experiment.settings.seed;
    let all: Vec<u64> = (1..experiment.settings.evaluation.n_seeds as u64).map(|offset| first + offset).collect();
    let mut found = Vec::with_capacity(all.len());
    // The first ones are computed side by side with the experiment's own seed.
    let (first, others) = all.split_at(all.len().min(SEEDS_AT_ONCE - 1));
    for seeds in [first].into_iter().chain(others.chunks(SEEDS_AT_ONCE)) {
        let missing: Vec<Keys> =
            further_seeds(experiment)?.into_iter().filter(|keys| seeds.contains(&keys.seed)).collect();
        for stage in [Stage::Sample, Stage::Pca, Stage::Mixture, Stage::Encode] {
            Run::compute(experiment, &missing, stage)?;
        }
        for &seed in seeds {
            let keys = Keys::new(experiment, seed)?;
            let scores = scores::get(experiment, &keys)?;
            encode::forget(experiment, &keys)?;
            found.push((seed, scores));
        }
    }
    Ok(found)
}
