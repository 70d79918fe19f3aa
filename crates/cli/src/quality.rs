//! The quality of a model on the test half: one row per class, means, accuracy and confusions. `train` and `report` print it.

use anyhow::Result;
use fisherlens_dataset::ImageSet;
use fisherlens_eval::Confusion;
use fisherlens_experiment::dataset::Dataset;
use fisherlens_experiment::experiment::Experiment;
use fisherlens_experiment::run::Run;
use fisherlens_experiment::stages::{calibration, scores};
use serde::Serialize;

use crate::answer;
use crate::console::print_json;

/// Largest number of classes whose whole table of confusions is printed. Of more classes, only the most frequent mistakes are.
const MAX_N_COLUMNS: usize = 12;
/// Number of mistakes that are printed instead.
const N_MISTAKES: usize = 10;

/// The answer of a command that judges a model.
#[derive(Debug, Serialize)]
pub(crate) struct Answer {
    pub(crate) program: &'static str,
    pub(crate) model: String,
    /// The page that was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) page: Option<String>,
    #[serde(flatten)]
    pub(crate) quality: Quality,
    pub(crate) seconds: f64,
}

impl Answer {
    /// Prints one JSON document, or tables for people with the line `last` below them.
    ///
    /// # Errors
    /// A value that JSON cannot hold.
    pub(crate) fn print(&self, as_json: bool, last: &str) -> Result<()> {
        if as_json {
            return Ok(print_json(self)?);
        }
        self.quality.print();
        answer!("{last}");
        Ok(())
    }
}

/// The quality on the test half.
#[derive(Debug, Serialize)]
pub(crate) struct Quality {
    n_train: usize,
    n_test: usize,
    skipped: Vec<Skipped>,
    warnings: Vec<String>,
    /// Training image and test image with the same bytes.
    equal: Vec<[String; 2]>,
    /// Training image and test image that are nearly equal.
    nearly_equal: Vec<[String; 2]>,
    classes: Vec<ClassRow>,
    /// Mean over the classes with an average precision; `None` if no class has one.
    mean_average_precision: Option<f64>,
    /// Of the probabilities, mean over the classes; `None` without probabilities.
    mean_calibration_error: Option<f64>,
    /// The same over all pairs of an image and a class.
    expected_calibration_error: Option<f64>,
    /// For photographs of exactly one class each.
    #[serde(skip_serializing_if = "Option::is_none")]
    accuracy: Option<f64>,
    /// Rows are true classes, columns predicted ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    confusion: Option<Vec<Vec<usize>>>,
    #[serde(skip)]
    counts: Option<Confusion>,
}

#[derive(Debug, Serialize)]
struct Skipped {
    id: String,
    reason: String,
}

/// The result of one class.
#[derive(Debug, Serialize)]
struct ClassRow {
    class: String,
    /// Positive training images.
    n_train: usize,
    /// Positive test images.
    n_test: usize,
    /// `None` without a positive or a negative test image.
    average_precision: Option<f64>,
    /// The score above which the class counts as found.
    threshold: Option<f64>,
}

impl Quality {
    /// Judges the scores of the test half.
    ///
    /// # Errors
    /// Damaged results of the stages.
    pub(crate) fn of(experiment: &Experiment, run: &Run) -> Result<Self> {
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
    pub(crate) fn card(&self) -> Vec<(String, String)> {
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

    fn print(&self) {
        let width = self.classes.iter().map(|row| row.class.chars().count()).max().unwrap_or(0).max("class".len());
        answer!("{:width$}  {:>6}  {:>6}  {:>6}  {:>9}", "class", "train", "test", "AP", "threshold");
        for row in &self.classes {
            let precision =
                row.average_precision.map_or_else(|| "-".to_owned(), |value| format!("{:.1}", 100.0 * value));
            let threshold = row.threshold.map_or_else(|| "-".to_owned(), |value| format!("{value:.3}"));
            let ClassRow { class, n_train, n_test, .. } = row;
            answer!("{class:width$}  {n_train:>6}  {n_test:>6}  {precision:>6}  {threshold:>9}");
        }
        match self.mean_average_precision {
            Some(mean) => answer!("mAP {:.2} % on {} test images", 100.0 * mean, self.n_test),
            None => answer!("no class has an average precision on the {} test images", self.n_test),
        }
        if let Some((mean, all)) = self.mean_calibration_error.zip(self.expected_calibration_error) {
            answer!(
                "calibration error of the probabilities {:.2} % (mean over the classes; {:.2} % over all pairs)",
                100.0 * mean,
                100.0 * all
            );
        }
        if let Some(confusion) = &self.counts {
            self.print_confusion(confusion, width);
        }
    }

    fn print_confusion(&self, confusion: &Confusion, width: usize) {
        let (n_right, n_all) = (confusion.counts.diag().sum(), confusion.counts.sum());
        answer!("accuracy {:.2} % ({n_right} of {n_all})", 100.0 * confusion.accuracy());
        let names: Vec<&str> = self.classes.iter().map(|row| row.class.as_str()).collect();
        if names.len() > MAX_N_COLUMNS {
            for (truth, predicted, n) in confusion.mistakes().into_iter().take(N_MISTAKES) {
                answer!("{n:>6} of class {} were taken for {}", names[truth], names[predicted]);
            }
            return;
        }
        let columns: Vec<usize> = names.iter().map(|name| name.chars().count().max(5)).collect();
        let row = |cells: &[String]| -> String {
            let cells = cells.iter().zip(&columns).map(|(cell, width)| format!("{cell:>width$}"));
            cells.collect::<Vec<_>>().join("  ")
        };
        let heads = row(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        answer!("{:width$}  {heads}   (columns: predicted)", "");
        for (name, counts) in names.iter().zip(confusion.counts.rows()) {
            let cells = row(&counts.iter().map(ToString::to_string).collect::<Vec<_>>());
            answer!("{name:width$}  {cells}");
        }
    }
}

/// What was opened, in one line.
pub(crate) fn opened(dataset: &Dataset) -> String {
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
