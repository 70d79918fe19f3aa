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
    calibration, classifier, context, encode, mixture, pca, pixels, relevance, resampling, sample, scores, strategies,
};

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
        let run = Self::execute_only(experiment, &stages)?;
        if until < Stage::Scores {
            for offset in 1..experiment.settings.evaluation.n_seeds as u64 {
                let keys = Keys::new(experiment, experiment.settings.seed + offset)?;
                // The vectors of further seeds are removed when their scores are stored.
                if !experiment.core.has(&Stage::Scores.id().at(keys.scores)) {
                    Self::compute(experiment, &keys, until)?;
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
        let keys = Keys::of(experiment)?;
        given::check(experiment)?;
        experiment.core.warn(&experiment.core.dataset.warnings());
        if stages.contains(&Stage::Strategies) {
            // Wrong names of classes are refused here, before anything is computed. The settings could not check them without the
            // photographs.
            strategies::classes(experiment)?;
        }
        let mut run = Self { keys, stages: Vec::new(), other_seeds: Vec::new(), other_seeds_seconds: None };
        for stage in Stage::ALL.into_iter().filter(|stage| stages.contains(stage) && *stage != Stage::Report) {
            experiment.core.interrupt.check()?;
            let since = Instant::now();
            Self::compute(experiment, &keys, stage)?;
            run.stages.push((stage, since.elapsed().as_secs_f64()));
            if stage == Stage::Scores && experiment.settings.evaluation.n_seeds > 1 {
                let since = Instant::now();
                run.other_seeds = other_seeds(experiment)?;
                run.other_seeds_seconds = Some(since.elapsed().as_secs_f64());
            }
        }
        Ok(run)
    }

    /// Computes a stage for one seed, and everything that it needs. Stored results are not computed again. The report is not computed here.
    ///
    /// # Errors
    /// See [`Run::execute`].
    pub(crate) fn compute(experiment: &Experiment, keys: &Keys, stage: Stage) -> Result<()> {
        match stage {
            Stage::Sample => {
                if needs_sample(experiment, keys) {
                    sample::ensure_shards(experiment, keys, Chosen::All)?;
                }
            }
            Stage::Pca => drop(pca::get(experiment, keys)?),
            Stage::Mixture => drop(mixture::get(experiment, keys)?),
            Stage::Encode => {
                encode::ensure_shards(experiment, keys, Half::Train, Chosen::All)?;
                encode::ensure_shards(experiment, keys, Half::Test, Chosen::All)?;
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
            Stage::Relevance => relevance::ensure_shards(experiment, keys, Chosen::All)?,
            Stage::Resampling => resampling::ensure_shards(experiment, keys, Chosen::All)?,
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

/// The scores of the further seeds. Their samples and vectors are removed as soon as the scores are stored.
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
