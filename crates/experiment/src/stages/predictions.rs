//! Which classes are found in the test images.

use anyhow::Result;

use crate::experiment::Experiment;
use crate::keys::Keys;
use crate::settings::sections::DataSource;
use crate::stages::scores::Prediction;
use crate::stages::{calibration, scores};

/// The predictions on the test half.
///
/// In the experiments of the paper, thresholds are chosen on the test images, where the two kinds of mistakes are equally frequent
/// (`lapuschkin2016`, supplement §4.1). On photographs of one's own they are those of the model, which were chosen on held-out folds of the
/// training images, so that the test half judges them too.
///
/// # Errors
/// The errors of the earlier stages.
pub fn get(experiment: &Experiment, keys: &Keys) -> Result<Vec<Prediction>> {
    let scores = scores::get(experiment, keys)?;
    let difficult = experiment.settings.data.difficult;
    Ok(match of_model(experiment, keys)? {
        Some(thresholds) => scores.predictions_at(&thresholds, difficult),
        None => scores.predictions(difficult),
    })
}

/// The thresholds of the model, if the test half is judged by them.
///
/// # Errors
/// The errors of the earlier stages.
pub fn of_model(experiment: &Experiment, keys: &Keys) -> Result<Option<Vec<f64>>> {
    match experiment.settings.data.source {
        DataSource::Own => Ok(calibration::get(experiment, keys)?.thresholds),
        DataSource::Mini | DataSource::Voc => Ok(None),
    }
}
