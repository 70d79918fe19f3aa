//! Prints the quality of a model on the test half. `train` and `report` use it.

use anyhow::Result;
use fisherlens_eval::Confusion;
use fisherlens_experiment::quality::{ClassRow, Quality};
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
        print(&self.quality);
        answer!("{last}");
        Ok(())
    }
}

fn print(quality: &Quality) {
    let width = quality.classes.iter().map(|row| row.class.chars().count()).max().unwrap_or(0).max("class".len());
    answer!("{:width$}  {:>6}  {:>6}  {:>6}  {:>9}", "class", "train", "test", "AP", "threshold");
    for row in &quality.classes {
        let precision = row.average_precision.map_or_else(|| "-".to_owned(), |value| format!("{:.1}", 100.0 * value));
        let threshold = row.threshold.map_or_else(|| "-".to_owned(), |value| format!("{value:.3}"));
        let ClassRow { class, n_train, n_test, .. } = row;
        answer!("{class:width$}  {n_train:>6}  {n_test:>6}  {precision:>6}  {threshold:>9}");
    }
    match quality.mean_average_precision {
        Some(mean) => answer!("mAP {:.2} % on {} test images", 100.0 * mean, quality.n_test),
        None => answer!("no class has an average precision on the {} test images", quality.n_test),
    }
    if let Some((mean, all)) = quality.mean_calibration_error.zip(quality.expected_calibration_error) {
        answer!(
            "calibration error of the probabilities {:.2} % (mean over the classes; {:.2} % over all pairs)",
            100.0 * mean,
            100.0 * all
        );
    }
    if let Some(confusion) = &quality.counts {
        print_confusion(quality, confusion, width);
    }
}

fn print_confusion(quality: &Quality, confusion: &Confusion, width: usize) {
    let (n_right, n_all) = (confusion.counts.diag().sum(), confusion.counts.sum());
    answer!("accuracy {:.2} % ({n_right} of {n_all})", 100.0 * confusion.accuracy());
    let names: Vec<&str> = quality.classes.iter().map(|row| row.class.as_str()).collect();
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
