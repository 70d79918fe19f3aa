//! One classifier a class, learned from the normalised training vectors.

use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use fisherlens_classifier::{DualView, Kernel, KernelModel, LinearModel, Model, Training, TrainingReport};
use ndarray::{Array1, Array2};
use serde::{Deserialize, Serialize};

use super::{Stage, encode};
use crate::dataset::Half;
use crate::experiment::{Experiment, Keys};
use fisherlens_artifact::{Block, array};
use fisherlens_model::npz;

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
    fn new(model: &LinearModel, report: &TrainingReport) -> Self {
        Self {
            coefficients: model.coefficients().to_owned(),
            bias: model.bias().to_owned(),
            alphas: model.dual().map(|dual| Block(dual.alphas.clone())),
            report: report.clone(),
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

/// The stage's artifact where the settings ask for a kernel.
#[derive(Debug, Serialize, Deserialize)]
struct StoredKernelTraining {
    kernel: Kernel,
    /// `(n_support, n_dimensions)`.
    #[serde(with = "array")]
    support: Array2<f32>,
    /// `(n_classes, n_support)`.
    #[serde(with = "array")]
    alphas: Array2<f32>,
    /// `(n_classes)`.
    #[serde(with = "array")]
    bias: Array1<f32>,
    /// How the training went.
    report: TrainingReport,
}

impl StoredKernelTraining {
    fn new(model: &KernelModel, report: &TrainingReport) -> Self {
        Self {
            kernel: model.kernel(),
            support: model.support().to_owned(),
            alphas: model.alphas().to_owned(),
            bias: model.bias().to_owned(),
            report: report.clone(),
        }
    }

    fn training(self) -> Result<Training<Model>> {
        let model = KernelModel::from_parts(self.kernel, self.support, self.alphas, self.bias)?;
        Ok(Training { model: Model::Kernel(model), report: self.report })
    }
}

fn either(training: Training) -> Training<Model> {
    Training { model: Model::Linear(training.model), report: training.report }
}

fn stored(experiment: &Experiment, keys: &Keys) -> Result<Option<Training<Model>>> {
    if experiment.parts.kernel.is_some() {
        let stored = experiment.stored::<StoredKernelTraining>(Stage::Classifier, keys.classifier, None)?;
        return stored.map(StoredKernelTraining::training).transpose();
    }
    let stored = experiment.stored::<StoredTraining>(Stage::Classifier, keys.classifier, None)?;
    Ok(stored.map(StoredTraining::training).transpose()?.map(either))
}

/// Trained, or read from `classifier.from`.
///
/// # Errors
/// What the earlier stages, the trainer or the file says.
pub fn get(experiment: &Experiment, keys: &Keys) -> Result<Training<Model>> {
    if let Some(training) = stored(experiment, keys)? {
        return Ok(training);
    }
    let classes = experiment.dataset.classes();
    let (training, since) = if let Some(file) = &experiment.settings.classifier.from {
        (either(npz::read_classifier(file, classes)?), Instant::now())
    } else {
        let (vectors, _) = encode::normalized(experiment, keys, Half::Train)?;
        let since = Instant::now();
        let bar = experiment.progress.bar("classifier", classes.len() as u64);
        let targets = experiment.dataset.train.label_matrix();
        let training = match &experiment.parts.kernel {
            Some(svm) => svm
                .train(vectors.view(), targets.view())
                .map(|training| Training { model: Model::Kernel(training.model), report: training.report }),
            None => experiment.parts.trainer.value.train(vectors.view(), targets.view()).map(either),
        };
        let training = training
            .with_context(|| format!("the classifiers of {} (numbered from 0 in this order)", classes.join(", ")))?;
        drop(bar);
        (training, since)
    };
    ensure!(
        training.model.n_classes() == classes.len(),
        "the classifier knows {} classes, the data {}",
        training.model.n_classes(),
        classes.len()
    );
    experiment.interrupt.check()?;
    let seconds = since.elapsed().as_secs_f64();
    match &training.model {
        Model::Linear(model) => {
            let stored = StoredTraining::new(model, &training.report);
            experiment.keep(Stage::Classifier, keys.classifier, None, seconds, &stored)?;
        }
        Model::Kernel(model) => {
            let stored = StoredKernelTraining::new(model, &training.report);
            experiment.keep(Stage::Classifier, keys.classifier, None, seconds, &stored)?;
        }
    }
    experiment.progress.computed("classifier", &format!("{} classes", classes.len()), since.elapsed());
    Ok(training)
}
