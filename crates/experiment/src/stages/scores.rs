//! Scores of the test images, and their true positives.

use anyhow::{Result, ensure};
use fisherlens_artifact::array;
use fisherlens_classifier::{Difficult, Model};
use fisherlens_eval::{Confusion, Interpolation, average_precision, equal_error_threshold};
use ndarray::{Array2, ArrayView1};
use serde::{Deserialize, Serialize};

use crate::dataset::Half;
use crate::experiment::Experiment;
use crate::keys::Keys;
use crate::solver::is_in_blocks;
use crate::spread::spread;
use crate::stage::Stage;
use crate::stages::{classifier, encode, rows};

/// The stage's artifact.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Scores {
    /// Ids of the test images.
    pub ids: Vec<String>,
    /// Names of the classes.
    pub classes: Vec<String>,
    /// `(n_images, n_classes)`.
    #[serde(with = "array")]
    pub scores: Array2<f32>,
    /// −1, 0 or +1 `(n_images, n_classes)`.
    #[serde(with = "array")]
    pub labels: Array2<i8>,
    /// Number of local descriptors of each image.
    pub n_descriptors: Vec<u32>,
}

/// The predictions of one class at its threshold.
#[derive(Debug, Clone)]
pub struct Prediction {
    /// An image whose score is above it counts as one of the class.
    pub threshold: f64,
    /// Mean of the share of the other images that lie above the threshold and of the share of the class's images that do not. `None` without
    /// images of the class, or without others.
    pub rate: Option<f64>,
    /// Test images of the class whose score lies above the threshold.
    pub true_positives: Vec<usize>,
}

/// Scores of one half's images by the learned classifiers.
///
/// # Errors
/// The errors of the earlier stages.
pub fn of_half(experiment: &Experiment, keys: &Keys, half: Half) -> Result<Scores> {
    let model = classifier::get(experiment, keys)?.model;
    let images = experiment.core.dataset.half(half);
    let n_dimensions = encode::encoder(experiment, keys)?.n_dimensions();
    ensure!(
        n_dimensions == model.n_dimensions(),
        "the vectors have {n_dimensions} dimensions, but the classifier expects {}: train it again, or load another classifier.from",
        model.n_dimensions()
    );
    let (scores, n_descriptors) = match &model {
        Model::Linear(model) if is_in_blocks(images.len(), n_dimensions) => {
            let (rows, n_descriptors) = rows::open(experiment, keys, half)?;
            (model.decision_function_rows(&rows)?, n_descriptors)
        }
        _ => {
            let (vectors, n_descriptors) = rows::normalized(experiment, keys, half)?;
            (model.decision_function(vectors.view()), n_descriptors)
        }
    };
    Ok(Scores {
        ids: images.set.images.iter().map(|entry| entry.id.clone()).collect(),
        classes: images.set.classes.clone(),
        scores,
        labels: images.label_matrix(),
        n_descriptors,
    })
}

/// Scores of the test half.
///
/// # Errors
/// The errors of the earlier stages.
pub fn get(experiment: &Experiment, keys: &Keys) -> Result<Scores> {
    experiment.core.cached(Stage::Scores.id().at(keys.scores), || {
        let scores = of_half(experiment, keys, Half::Test)?;
        let settings = &experiment.settings;
        let mean = scores.mean_average_precision(settings.data.difficult, settings.evaluation.interpolation);
        let mean = if mean.is_nan() { "no average precision".to_owned() } else { format!("mAP {:.2}", 100.0 * mean) };
        Ok((scores, format!("{mean} (seed {})", keys.seed)))
    })
}

impl Scores {
    /// Scores of one class.
    pub fn of_class(&self, class: usize) -> Vec<f32> {
        self.scores.column(class).to_vec()
    }

    /// The class of each image, if every image has exactly one and no class is difficult.
    pub fn single_classes(&self) -> Option<Vec<usize>> {
        let class_of = |labels: ArrayView1<'_, i8>| {
            let is_single =
                labels.iter().filter(|label| **label == 1).count() == 1 && !labels.iter().any(|label| *label == 0);
            labels.iter().position(|label| *label == 1).filter(|_| is_single)
        };
        self.labels.rows().into_iter().map(class_of).collect()
    }

    /// The class with the highest score; among equal scores, the first. `None` without classes.
    pub fn best_class(&self, image: usize) -> Option<usize> {
        let scores = self.scores.row(image);
        (0..scores.len()).rev().max_by(|&one, &other| scores[one].total_cmp(&scores[other]))
    }

    /// Which class was taken for which, if every image has exactly one class.
    pub fn confusion(&self) -> Option<Confusion> {
        Confusion::new(self.scores.view(), &self.single_classes()?).ok()
    }

    /// Labels of one class for the evaluation: label 0, for difficult instances, stays 0 and is ignored, or becomes −1.
    pub fn labels_of_class(&self, class: usize, difficult: Difficult) -> Vec<i8> {
        self.labels.column(class).iter().map(|&label| difficult.resolve(label)).collect()
    }

    /// Average precision of a class, 0 to 1; `None` without a positive or without a negative image.
    pub fn average_precision(&self, class: usize, difficult: Difficult, interpolation: Interpolation) -> Option<f64> {
        let labels = self.labels_of_class(class, difficult);
        let is_judged = labels.contains(&1) && labels.contains(&-1);
        average_precision(&self.of_class(class), &labels, interpolation).filter(|_| is_judged)
    }

    /// Mean over the classes that have an average precision, 0 to 1; NaN if no class has one.
    pub fn mean_average_precision(&self, difficult: Difficult, interpolation: Interpolation) -> f64 {
        let precisions: Vec<f64> = (0..self.classes.len())
            .filter_map(|class| self.average_precision(class, difficult, interpolation))
            .collect();
        precisions.iter().sum::<f64>() / precisions.len() as f64
    }

    /// The predictions at the equal-error threshold of every class. It is 0 for a class without positive or without negative images, which then
    /// has no true positives.
    pub fn predictions(&self, difficult: Difficult) -> Vec<Prediction> {
        let of_class = |class: usize| {
            let (scores, labels) = (self.of_class(class), self.labels_of_class(class, difficult));
            match equal_error_threshold(&scores, &labels) {
                Ok(found) => prediction(&scores, &labels, f64::from(found.threshold)),
                Err(_) => Prediction { threshold: 0.0, rate: None, true_positives: Vec::new() },
            }
        };
        (0..self.classes.len()).map(of_class).collect()
    }

    /// The predictions at thresholds that were chosen elsewhere.
    pub fn predictions_at(&self, thresholds: &[f64], difficult: Difficult) -> Vec<Prediction> {
        let of_class = |(class, &threshold): (usize, &f64)| {
            prediction(&self.of_class(class), &self.labels_of_class(class, difficult), threshold)
        };
        thresholds.iter().enumerate().map(of_class).collect()
    }
}

fn prediction(scores: &[f32], labels: &[i8], threshold: f64) -> Prediction {
    let is_above = |image: usize| f64::from(scores[image]) > threshold;
    let of = |label: i8| (0..scores.len()).filter(move |&image| labels[image] == label);
    let share = |label: i8, wrong: bool| {
        let n = of(label).count();
        (n > 0).then(|| of(label).filter(|&image| is_above(image) == wrong).count() as f64 / n as f64)
    };
    let rate =
        share(-1, true).zip(share(1, false)).map(|(false_positive, missed)| f64::midpoint(false_positive, missed));
    Prediction { threshold, rate, true_positives: of(1).filter(|&image| is_above(image)).collect() }
}

/// The threshold of every class.
pub fn thresholds(predictions: &[Prediction]) -> Vec<f64> {
    predictions.iter().map(|prediction| prediction.threshold).collect()
}

/// Class and image of at most `n` true positives of each class, evenly spread.
pub fn spread_targets(predictions: &[Prediction], n: usize) -> Vec<(usize, usize)> {
    let of_class = |(class, prediction): (usize, &Prediction)| {
        spread(&prediction.true_positives, n).into_iter().map(move |image| (class, image)).collect::<Vec<_>>()
    };
    predictions.iter().enumerate().flat_map(of_class).collect()
}

/// Classes to explain in each test image: the classes for which it is a true positive.
pub fn targets(predictions: &[Prediction], n_images: usize) -> Vec<Vec<usize>> {
    let mut targets = vec![Vec::new(); n_images];
    for (class, prediction) in predictions.iter().enumerate() {
        for &image in &prediction.true_positives {
            targets[image].push(class);
        }
    }
    targets
}
