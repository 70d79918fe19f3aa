//! The quality of a model on the test half: one row per class, means, accuracy and confusions.

use anyhow::Result;
use fisherlens_dataset::ImageSet;
use fisherlens_eval::Confusion;
use serde::Serialize;

use crate::dataset::Dataset;
use crate::experiment::Experiment;
use crate::run::Run;
use crate::stages::{calibration, scores};

/// The quality on the test half.
#[derive(Debug, Serialize)]
pub struct Quality {
    /// Number of training images.
    pub n_train: usize,
    /// Number of test images.
    pub n_test: usize,
    /// Files and entries that were not used.
    pub skipped: Vec<Skipped>,
    /// Classes that were left out: those that the settings name, and those that all training images have or none has.
    pub left_out: Vec<String>,
    /// What the user must know about the data.
    pub warnings: Vec<String>,
    /// Training image and test image with the same bytes.
    pub equal: Vec<[String; 2]>,
    /// Training image and test image that are nearly equal.
    pub nearly_equal: Vec<[String; 2]>,
    /// One row per class.
    pub classes: Vec<ClassRow>,
    /// Mean over the classes with an average precision; `None` if no class has one.
    pub mean_average_precision: Option<f64>,
    /// Of the probabilities, mean over the classes; `None` without probabilities.
    pub mean_calibration_error: Option<f64>,
    /// The same over all pairs of an image and a class.
    pub expected_calibration_error: Option<f64>,
    /// For photographs of exactly one class each.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<f64>,
    /// Rows are true classes, columns predicted ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confusion: Option<Vec<Vec<usize>>>,
    /// The confusions as a matrix.
    #[serde(skip)]
    pub counts: Option<Confusion>,
}

/// A file or entry that was not used.
#[derive(Debug, Serialize)]
pub struct Skipped {
    /// Its name.
    pub id: String,
    /// Why it was not used.
    pub reason: String,
}

/// The result of one class.
#[derive(Debug, Serialize)]
pub struct ClassRow {
    /// Name of the class.
    pub class: String,
    /// Positive training images.
    pub n_train: usize,
    /// Positive test images.
    pub n_test: usize,
    /// `None` without a positive or a negative test image.
    pub average_precision: Option<f64>,
    /// The score above which the class counts as found.
    pub threshold: Option<f64>,
}

impl Quality {
    /// Judges the scores of the test half.
    ///
    /// # Errors
    /// Damaged results of the stages.
    pub fn of(experiment: &Experiment, run: &Run) -> Result<Self> {
        let scores = scores::get(experiment, &run.keys)?;
        let dataset = &experiment.core.dataset;
        let settings = &experiment.settings;
        let (difficult, interpolation) = (settings.data.difficult, settings.evaluation.interpolation);
        let calibration = calibration::get(experiment, &run.keys)?;
        let row = |(class, name): (usize, &String)| ClassRow {
            class: name.clone(),
            n_train: n_positives(&dataset.train.set, class),
            n_test: n_positives(&dataset.test.set, class),
            average_precision: scores.average_precision(class, difficult, interpolation),
            threshold: calibration.thresholds.as_ref().map(|thresholds| thresholds[class]),
        };
        let classes: Vec<ClassRow> = dataset.classes().iter().enumerate().map(row).collect();
        let is_any_judged = classes.iter().any(|row| row.average_precision.is_some());
        let reliability = calibration.reliability(&scores, difficult)?;
        let of_classes: Vec<f64> = (0..classes.len())
            .filter_map(|class| calibration.reliability_of_class(&scores, class, difficult))
            .map(|found| found.expected_calibration_error)
            .collect();
        let counts = scores.confusion();
        let skipped = dataset.train.set.skipped.iter();
        Ok(Self {
            n_train: dataset.train.len(),
            n_test: dataset.test.len(),
            skipped: skipped.map(|s| Skipped { id: s.id.clone(), reason: s.reason.clone() }).collect(),
            left_out: dataset.left_out.clone(),
            warnings: dataset.warnings(),
            equal: dataset.shared.clone(),
            nearly_equal: dataset.near.clone(),
            classes,
            mean_average_precision: is_any_judged.then(|| scores.mean_average_precision(difficult, interpolation)),
            mean_calibration_error: (!of_classes.is_empty())
                .then(|| of_classes.iter().sum::<f64>() / of_classes.len() as f64),
            expected_calibration_error: reliability.map(|found| found.expected_calibration_error),
            accuracy: counts.as_ref().map(Confusion::accuracy),
            confusion: counts.as_ref().map(|counts| counts.counts.rows().into_iter().map(|row| row.to_vec()).collect()),
            counts,
        })
    }

    /// What the model's card says about its quality.
    pub fn card(&self) -> Vec<(String, String)> {
        let judged = self.classes.iter().filter_map(|row| Some((row, row.average_precision?)));
        let each = judged.map(|(row, value)| format!("{} {:.1} %", row.class, 100.0 * value)).collect::<Vec<_>>();
        let mut card = Vec::new();
        if let Some(mean) = self.mean_average_precision {
            card.push((format!("mAP on {} test images", self.n_test), format!("{:.2} %", 100.0 * mean)));
        }
        if !each.is_empty() {
            card.push(("average precision".to_owned(), each.join(", ")));
        }
        if let Some((mean, all)) = self.mean_calibration_error.zip(self.expected_calibration_error) {
            let what = format!("expected calibration error on {} test images", self.n_test);
            let value = format!(
                "{:.2} % (mean over the classes), {:.2} % (all pairs of image and class)",
                100.0 * mean,
                100.0 * all
            );
            card.push((what, value));
        }
        if let Some(accuracy) = self.accuracy {
            card.push((format!("accuracy on {} test images", self.n_test), format!("{:.2} %", 100.0 * accuracy)));
        }
        card.push(("licence".to_owned(), "what the photographs that it was learned from allow".to_owned()));
        card
    }
}

/// What was opened, in one line.
pub fn opened(dataset: &Dataset) -> String {
    let layout = dataset.layout.map_or_else(String::new, |layout| format!("{layout}: "));
    let mut parts = vec![
        format!("{layout}{} training images", dataset.train.len()),
        format!("{} test images", dataset.test.len()),
        format!("{} classes", dataset.classes().len()),
    ];
    let skipped = dataset.train.set.skipped.len();
    if skipped > 0 {
        parts.push(format!("{skipped} files skipped"));
    }
    if !dataset.left_out.is_empty() {
        let names = dataset.left_out.join(", ");
        parts.push(format!("classes left out: {names}"));
    }
    parts.join(", ")
}

fn n_positives(set: &ImageSet, class: usize) -> usize {
    set.images.iter().filter(|entry| entry.labels[class] == 1).count()
}
