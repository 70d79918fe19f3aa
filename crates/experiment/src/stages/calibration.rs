//! Probabilities for scores, learned from scores of training images by classifiers that have not seen them.

use anyhow::{Context as _, Result};
use fisherlens_classifier::{BlockProgress, Difficult, HeldOut, Sigmoid};
use fisherlens_eval::Reliability;
use linfa::ParamGuard as _;
use ndarray::Array2;
use serde::{Deserialize, Serialize};

use crate::dataset::Half;
use crate::experiment::Experiment;
use crate::given::{self, Decisions};
use crate::keys::Keys;
use crate::parts::linear_svm;
use crate::stage::Stage;
use crate::stages::scores::{Scores, thresholds};
use crate::stages::{classifier, rows};

/// Number of intervals of a reliability diagram.
const N_BINS: usize = 10;

/// The stage's artifact.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Calibration {
    /// One per class. `None` if none can be learned or read: the classifiers are not support vector machines that this experiment trains by its
    /// settings, and they do not come from a model file.
    pub sigmoids: Option<Vec<Sigmoid>>,
    /// The score of each class above which it counts as found: the equal-error threshold of the held-out scores, or that of the model file.
    /// `None` where there are no sigmoids either, but a model file without sigmoids may have thresholds.
    pub thresholds: Option<Vec<f64>>,
    /// What they were learned from; `None` if they come from a model file.
    pub held_out: Option<HeldOutScores>,
}

/// Scores of the training images by classifiers that learned from the other folds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct HeldOutScores {
    /// The scores. Where a class has no image outside of a fold, they are 0 and the label is 0.
    pub scores: Scores,
    /// Number of folds.
    pub n_folds: usize,
    /// Number of problems that were solved: one per fold and class.
    pub n_problems: usize,
    /// Number of those problems in which the solver did not reach its tolerance.
    pub n_unsolved: usize,
}

/// Learns, reads or loads the sigmoids.
///
/// # Errors
/// The errors of the earlier stages and of the solver.
pub fn get(experiment: &Experiment, keys: &Keys) -> Result<Calibration> {
    experiment.core.cached(Stage::Calibration.id().at(keys.calibration()), || {
        if let Some(file) = &experiment.settings.classifier.from {
            let Decisions { sigmoids, thresholds } = given::decisions(file, experiment.core.dataset.classes())?;
            let what = if sigmoids.is_some() { "sigmoids of the model file" } else { "none in the file" };
            return Ok((Calibration { sigmoids, thresholds, held_out: None }, what.to_owned()));
        }
        let Some(held_out) = held_out(experiment, keys)? else {
            return Ok((Calibration::default(), "not for these classifiers".to_owned()));
        };
        let difficult = experiment.settings.data.difficult;
        let n_classes = experiment.core.dataset.classes().len();
        let sigmoids = (0..n_classes).map(|class| sigmoid(&held_out.scores, class, difficult));
        let sigmoids = sigmoids.collect::<Result<Vec<_>>>()?;
        let thresholds = thresholds(&held_out.scores.predictions(difficult));
        let what = format!("{} sigmoids, {} folds", sigmoids.len(), held_out.n_folds);
        Ok((Calibration { sigmoids: Some(sigmoids), thresholds: Some(thresholds), held_out: Some(held_out) }, what))
    })
}

impl Calibration {
    /// The probability of a class for a score.
    pub fn probability(&self, class: usize, score: f64) -> Option<f64> {
        self.sigmoids.as_ref().map(|sigmoids| sigmoids[class].probability(score))
    }

    /// How true the probabilities are, over all pairs of an image and a class; `None` without probabilities.
    ///
    /// # Errors
    /// Scores that are all of difficult images.
    pub fn reliability(&self, scores: &Scores, difficult: Difficult) -> Result<Option<Reliability>> {
        let Some(sigmoids) = &self.sigmoids else { return Ok(None) };
        let (mut probabilities, mut labels) = (Vec::new(), Vec::new());
        for (class, sigmoid) in sigmoids.iter().enumerate() {
            probabilities.extend(scores.of_class(class).iter().map(|&score| sigmoid.probability(f64::from(score))));
            labels.extend(scores.labels_of_class(class, difficult));
        }
        let found = Reliability::new(&probabilities, &labels, N_BINS);
        Ok(Some(found.context("the probabilities of the test images")?))
    }

    /// How true the probabilities of one class are; `None` without probabilities, and for a class of which all images are difficult.
    pub fn reliability_of_class(&self, scores: &Scores, class: usize, difficult: Difficult) -> Option<Reliability> {
        let sigmoid = self.sigmoids.as_ref()?[class];
        let of_class = scores.of_class(class);
        let probabilities: Vec<f64> = of_class.iter().map(|&score| sigmoid.probability(f64::from(score))).collect();
        Reliability::new(&probabilities, &scores.labels_of_class(class, difficult), N_BINS).ok()
    }

    /// What a user must know.
    pub fn warnings(&self, classes: &[String]) -> Vec<String> {
        let mut warnings: Vec<String> = self.held_out.iter().filter_map(HeldOutScores::warning).collect();
        let flat = self.sigmoids.iter().flatten().zip(classes).filter(|(sigmoid, _)| sigmoid.slope == 0.0);
        let flat: Vec<&str> = flat.map(|(_, class)| class.as_str()).collect();
        if !flat.is_empty() {
            warnings.push(format!(
                "the scores of {} say nothing about images that were not learned from, so their probability is the same for every image",
                flat.join(", ")
            ));
        }
        warnings
    }
}

impl HeldOutScores {
    /// A warning if some of the problems were not solved.
    pub fn warning(&self) -> Option<String> {
        (self.n_unsolved > 0).then(|| {
            format!(
                "{} of {} problems of the held-out folds were not solved to the tolerance",
                self.n_unsolved, self.n_problems
            )
        })
    }
}

/// The sigmoid of one class. A class without a positive or a negative image among the scores keeps its share as its probability.
fn sigmoid(scores: &Scores, class: usize, difficult: Difficult) -> Result<Sigmoid> {
    let labels = scores.labels_of_class(class, difficult);
    Sigmoid::fit_or_flat(&scores.of_class(class), &labels).with_context(|| format!("class {}", scores.classes[class]))
}

/// Scores of the training images by classifiers that learned from the other folds.
fn held_out(experiment: &Experiment, keys: &Keys) -> Result<Option<HeldOutScores>> {
    let Experiment { core, settings, .. } = experiment;
    let is_svm = classifier::is_built_in_svm(experiment)?;
    let c = classifier::get(experiment, keys)?.report.c;
    let Some(c) = c.filter(|_| is_svm) else { return Ok(None) };
    let targets = core.dataset.train.label_matrix();
    let (held_out, n_descriptors) = match classifier::svm_in_blocks(experiment, keys)? {
        None => {
            let (vectors, n_descriptors) = rows::normalized(experiment, keys, Half::Train)?;
            let svm = linear_svm(settings).check().context("settings, section [classifier]")?;
            (svm.held_out_scores(vectors.view(), targets.view(), c)?, n_descriptors)
        }
        Some(svm) => {
            let (rows, n_descriptors) = rows::open(experiment, keys, Half::Train)?;
            let bar = core.progress.bar("calibration", settings.classifier.max_n_epochs as u64);
            let mut watch = |progress: &BlockProgress| classifier::watch(experiment, bar.as_ref(), progress);
            let held_out = svm.held_out_scores_rows(&rows, targets.view(), c, &mut watch);
            // A solver that was stopped returns an error of its own.
            core.interrupt.check()?;
            (held_out?, n_descriptors)
        }
    };
    let HeldOut { mut scores, n_problems, n_unsolved } = held_out;
    let mut labels: Array2<i8> = targets;
    for (score, label) in scores.iter_mut().zip(&mut labels).filter(|(score, _)| score.is_nan()) {
        (*score, *label) = (0.0, 0);
    }
    let scores = Scores {
        ids: core.dataset.train.set.images.iter().map(|entry| entry.id.clone()).collect(),
        classes: core.dataset.classes().to_vec(),
        scores,
        labels,
        n_descriptors,
    };
    let n_folds = settings.classifier.n_folds.min(scores.ids.len());
    Ok(Some(HeldOutScores { scores, n_folds, n_problems, n_unsolved }))
}
