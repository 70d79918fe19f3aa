//! One linear classifier a class, learned from the normalised training vectors.

use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use fisherlens_classifier::{DualView, LinearModel, Training, TrainingReport};
use ndarray::{Array1, Array2};
use serde::{Deserialize, Serialize};

use super::{Stage, encode};
use crate::artifact::{Block, array};
use crate::dataset::Half;
use crate::experiment::{Experiment, Keys};
use crate::npz;

/// The stage's artifact.
#[derive(Debug, Serialize, Deserialize)]
struct StoredTraining {
    /// `(n_classes, n_dimensions)`.
    #[serde(with = "array")]
    coefficients: Array2<f32>,
    /// `(n_classes)`.
    #[serde(with = "array")]
    bias: Array1<f32>,
    /// Dual coefficients `(n_classes, n_images)`, where the trainer gives them.
    alphas: Option<Block<Array2<f32>>>,
    /// How the training went.
    report: TrainingReport,
}

impl StoredTraining {
    fn new(training: &Training) -> Self {
        let model = &training.model;
        Self {
            coefficients: model.coefficients().to_owned(),
            bias: model.bias().to_owned(),
            alphas: model.dual().map(|dual| Block(dual.alphas.clone())),
            report: training.report.clone(),
        }
    }

    fn training(self) -> Result<Training> {
        let model = LinearModel::from_parts(self.coefficients, self.bias)?;
        let model = match self.alphas {
            Some(Block(alphas)) => model.with_dual(DualView { alphas })?,
            None => model,
        };
        Ok(Training { model, report: self.report })
    }
}

/// Trained, or read from `classifier.from`.
///
/// # Errors
/// What the earlier stages, the trainer or the file says.
pub fn get(experiment: &Experiment, keys: &Keys) -> Result<Training> {
    if let Some(stored) = experiment.stored::<StoredTraining>(Stage::Classifier, keys.classifier, None)? {
        return stored.training();
    }
    let classes = experiment.dataset.classes();
    let (training, since) = if let Some(file) = &experiment.settings.classifier.from {
        (npz::read_classifier(file, classes)?, Instant::now())
    } else {
        let (vectors, _) = encode::normalized(experiment, keys, Half::Train)?;
        let since = Instant::now();
        let spinner = experiment.progress.bar("classifier", classes.len() as u64);
        spinner.enable_steady_tick(std::time::Duration::from_millis(200));
        let targets = experiment.dataset.train.label_matrix();
        let training =
            experiment.parts.trainer.value.train(vectors.view(), targets.view()).with_context(|| {
                format!("the classifiers of {} (numbered from 0 in this order)", classes.join(", "))
            })?;
        spinner.finish_and_clear();
        (training, since)
    };
    ensure!(
        training.model.n_classes() == classes.len(),
        "the classifier knows {} classes, the data {}",
        training.model.n_classes(),
        classes.len()
    );
    experiment.interrupt.check()?;
    experiment.keep(
        Stage::Classifier,
        keys.classifier,
        None,
        since.elapsed().as_secs_f64(),
        &StoredTraining::new(&training),
    )?;
    experiment.progress.computed("classifier", &format!("{} classes", classes.len()), since);
    Ok(training)
}
