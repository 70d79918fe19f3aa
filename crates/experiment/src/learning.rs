//! A model learned from photographs of one's own, and judged on those that it did not learn from.

use anyhow::Result;
use fisherlens_model::Model;

use crate::experiment::Experiment;
use crate::quality::Quality;
use crate::run::Run;
use crate::stage::Stage;
use crate::stages::learned;

/// The stages that learn and judge.
pub const LEARN_AND_JUDGE: [Stage; 7] =
    [Stage::Sample, Stage::Pca, Stage::Mixture, Stage::Encode, Stage::Classifier, Stage::Scores, Stage::Calibration];

/// A model, its quality, and the run that made it.
#[derive(Debug)]
pub struct Learned {
    /// The model. Its card tells its quality too.
    pub model: Model,
    /// The quality on the test half.
    pub quality: Quality,
    /// The run, for a page about it.
    pub run: Run,
}

/// Learns a model of the experiment and judges it; also runs the stages `more`.
///
/// # Errors
/// The errors of the stages; see [`learned::model`].
pub fn learn(experiment: &Experiment, more: &[Stage]) -> Result<Learned> {
    let run = Run::execute_only(experiment, &[&LEARN_AND_JUDGE, more].concat())?;
    let mut model = learned::model(experiment, &run.keys)?;
    let quality = Quality::of(experiment, &run)?;
    model.card.extend(quality.card());
    Ok(Learned { model, quality, run })
}
