//! One classifier per class, learned from the normalised training vectors.

use std::ops::ControlFlow;

use anyhow::{Context as _, Result, bail, ensure};
use fisherlens_artifact::{Block, array};
use fisherlens_classifier::{
    BlockProgress, DualView, Kernel, KernelModel, LinearModel, LinearSvm, Model, Training, TrainingReport,
};
use linfa::ParamGuard as _;
use ndarray::{Array1, Array2};
use serde::{Deserialize, Serialize};

use crate::dataset::Half;
use crate::experiment::Experiment;
use crate::given;
use crate::keys::Keys;
use crate::parts::{Parts, linear_svm};
use crate::progress::Bar;
use crate::settings::sections::{ClassifierKind, Solver};
use crate::solver::chosen;
use crate::stage::Stage;
use crate::stages::{encode, rows};

/// The stage's artifact.
#[derive(Debug, Serialize, Deserialize)]
struct StoredTraining {
    /// `(n_classes, n_dimensions)`.
    #[serde(with = "array")]
    coefficients: Array2<f32>,
    /// `(n_classes)`.
    #[serde(with = "array")]
    bias: Array1<f32>,
    /// Dual coefficients `(n_classes, n_images)`; `None` if the trainer does not compute them.
    alphas: Option<Block<Array2<f32>>>,
    /// Report of the training.
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

/// The stage's artifact if the settings ask for a kernel.
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
    /// Report of the training.
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

fn as_linear_model(training: Training) -> Training<Model> {
    Training { model: Model::Linear(training.model), report: training.report }
}

/// The classifiers, trained or read from the file `classifier.from`.
///
/// # Errors
/// The errors of the earlier stages, of the trainer and of the file.
pub fn get(experiment: &Experiment, keys: &Keys) -> Result<Training<Model>> {
    let address = Stage::Classifier.id().at(keys.classifier);
    let what = format!("{} classes", experiment.core.dataset.classes().len());
    if experiment.parts.kernel.is_some() {
        let stored = experiment.core.cached(address, || {
            let training = learn(experiment, keys)?;
            let Model::Kernel(model) = &training.model else {
                bail!("the trainer of a kernel returned a linear model")
            };
            Ok((StoredKernelTraining::new(model, &training.report), what))
        })?;
        return stored.training();
    }
    let stored = experiment.core.cached(address, || {
        let training = learn(experiment, keys)?;
        let Model::Linear(model) = &training.model else { bail!("the trainer returned a model with a kernel") };
        Ok((StoredTraining::new(model, &training.report), what))
    })?;
    Ok(as_linear_model(stored.training()?))
}

/// What a user must know about problems that were not solved; nothing if all were.
pub fn unsolved(report: &TrainingReport, classes: &[String]) -> Vec<String> {
    const ADVICE: &str = "raise classifier.max_n_epochs, or choose smaller values of C in classifier.c_grid";
    let mut lines = Vec::new();
    let unsolved = || report.classes.iter().zip(classes).filter(|(class, _)| !class.converged);
    if unsolved().next().is_some() {
        let names: Vec<&str> = unsolved().map(|(_, name)| name.as_str()).collect();
        let largest = unsolved().filter_map(|(class, _)| class.relative_duality_gap()).fold(0.0_f64, f64::max);
        lines.push(format!(
            "the classifiers of {} of {} classes were not solved to the tolerance (largest relative duality gap {largest:.2e}): {}; {ADVICE}",
            names.len(),
            report.classes.len(),
            names.join(", ")
        ));
    }
    for row in report.cross_validation.iter().filter(|row| row.n_unsolved > 0) {
        lines.push(format!(
            "cross-validation: {} of {} problems were not solved to the tolerance for C = {}, so the choice of C is uncertain; {ADVICE}",
            row.n_unsolved, row.n_problems, row.c
        ));
    }
    lines
}

fn learn(experiment: &Experiment, keys: &Keys) -> Result<Training<Model>> {
    let core = &experiment.core;
    let classes = core.dataset.classes();
    let training = if let Some(file) = &experiment.settings.classifier.from {
        as_linear_model(given::classifier(file, classes)?)
    } else {
        let training = match svm_in_blocks(experiment, keys)? {
            Some(svm) => learn_in_blocks(experiment, keys, &svm),
            None => learn_at_once(experiment, keys),
        };
        // A solver that was stopped returns an error of its own.
        core.interrupt.check()?;
        training
            .with_context(|| format!("the classifiers of {} (numbered from 0 in this order)", classes.join(", ")))?
    };
    ensure!(
        training.model.n_classes() == classes.len(),
        "the classifier has {} classes, expected {} as in the data",
        training.model.n_classes(),
        classes.len()
    );
    Ok(training)
}

/// The support vector machine that is trained on blocks of images; `None` if the trainer gets all vectors at once.
///
/// # Errors
/// The errors of the earlier stages.
pub(crate) fn svm_in_blocks(experiment: &Experiment, keys: &Keys) -> Result<Option<LinearSvm>> {
    let Experiment { core, settings, .. } = experiment;
    if !is_built_in_svm(experiment)? {
        return Ok(None);
    }
    let n_dimensions = encode::encoder(experiment, keys)?.n_dimensions();
    Ok(match chosen(settings, core.dataset.train.len(), n_dimensions) {
        Solver::Gram => None,
        Solver::Blocks => Some(linear_svm(settings).check().context("settings, section [classifier]")?),
    })
}

/// Whether the trainer is the linear support vector machine of the settings, and not one of the calling program.
pub(crate) fn is_built_in_svm(experiment: &Experiment) -> Result<bool> {
    let Experiment { settings, parts, .. } = experiment;
    let is_svm = settings.classifier.kind == ClassifierKind::LinearSvm && parts.kernel.is_none();
    Ok(is_svm && parts.trainer.identity == Parts::from_settings(settings)?.trainer.identity)
}

fn learn_at_once(experiment: &Experiment, keys: &Keys) -> Result<Training<Model>> {
    let core = &experiment.core;
    // The time of loading the vectors does not count as training.
    let timer = core.start();
    let (vectors, _) = rows::normalized(experiment, keys, Half::Train)?;
    core.stop(&timer);
    let _bar = core.progress.bar("classifier", core.dataset.classes().len() as u64);
    let targets = core.dataset.train.label_matrix();
    Ok(match &experiment.parts.kernel {
        Some(svm) => {
            let training = svm.train(vectors.view(), targets.view())?;
            Training { model: Model::Kernel(training.model), report: training.report }
        }
        None => as_linear_model(experiment.parts.trainer.value.train(vectors.view(), targets.view())?),
    })
}

fn learn_in_blocks(experiment: &Experiment, keys: &Keys, svm: &LinearSvm) -> Result<Training<Model>> {
    let core = &experiment.core;
    let timer = core.start();
    let (rows, _) = rows::open(experiment, keys, Half::Train)?;
    core.stop(&timer);
    let targets = core.dataset.train.label_matrix();
    let bar = core.progress.bar("classifier", experiment.settings.classifier.max_n_epochs as u64);
    Ok(as_linear_model(
        svm.train_rows(&rows, targets.view(), &mut |progress| watch(experiment, bar.as_ref(), progress))?,
    ))
}

/// Shows the progress of a solver, and stops it if the user wants that.
pub(crate) fn watch(experiment: &Experiment, bar: &dyn Bar, progress: &BlockProgress) -> ControlFlow<()> {
    bar.set_position(progress.n_passes as u64);
    bar.set_message(&format!("{} unsolved, largest gap {:.1e}", progress.n_unsolved, progress.largest_gap));
    if experiment.core.interrupt.is_raised() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}

#[cfg(test)]
mod tests {
    use fisherlens_classifier::{ClassReport, CrossValidationRow};

    use super::*;

    #[test]
    fn every_problem_that_was_not_solved_is_announced() {
        let class = |converged: bool| ClassReport {
            objective: 20.0,
            duality_gap: Some(if converged { 1e-3 } else { 5.0 }),
            n_epochs: Some(9),
            converged,
            n_support_vectors: 1,
        };
        let row = |c: f64, n_unsolved: usize| CrossValidationRow {
            c,
            mean_average_precision: 0.5,
            folds: vec![0.5],
            n_problems: 8,
            n_unsolved,
        };
        let classes = ["cat".to_owned(), "dog".to_owned()];
        let mut report =
            TrainingReport { c: Some(1.0), classes: vec![class(true); 2], cross_validation: vec![row(1.0, 0)] };
        assert!(unsolved(&report, &classes).is_empty());
        report.classes[1] = class(false);
        report.cross_validation.push(row(10.0, 3));
        let [of_classes, of_rows] = unsolved(&report, &classes).try_into().unwrap();
        assert!(of_classes.contains("1 of 2 classes") && of_classes.contains("dog") && of_classes.contains("2.50e-1"));
        assert!(of_rows.contains("3 of 8 problems") && of_rows.contains("C = 10"), "{of_rows}");
    }
}
