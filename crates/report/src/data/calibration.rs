//! How true the probabilities of the test images are.

/// Probabilities compared with labels, over all classes together and for each class.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CalibrationSummary {
    /// Where the sigmoids come from, as the end of a sentence, for example `learned from 4 held-out folds of the training images`.
    pub origin: String,
    /// Mean distance between probability and share over all pairs of an image and a class (`guo2017`).
    pub expected_calibration_error: f64,
    /// Mean squared distance between probability and label (`brier1950`).
    pub brier_score: f64,
    /// The points of the reliability diagram, from probability 0 to 1.
    pub bins: Vec<ReliabilityPoint>,
    /// One row per class.
    pub rows: Vec<CalibrationRow>,
}

impl CalibrationSummary {
    /// Mean of the calibration errors of the classes; NaN without any. Over all pairs together, the many images without a class hide the few
    /// with it.
    pub fn mean_of_classes(&self) -> f64 {
        self.rows.iter().map(|row| row.expected_calibration_error).sum::<f64>() / self.rows.len() as f64
    }
}

/// The pairs of an image and a class whose probability lies in one interval.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ReliabilityPoint {
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
    /// Number of pairs.
    pub n: usize,
    /// Mean of their probabilities.
    pub mean_probability: f64,
    /// Share of them in which the image has the class.
    pub share: f64,
}

/// The probabilities of one class.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CalibrationRow {
    /// The class.
    pub class: String,
    /// Mean distance between probability and share.
    pub expected_calibration_error: f64,
    /// Mean squared distance between probability and label.
    pub brier_score: f64,
    /// Slope of the sigmoid.
    pub slope: f64,
    /// Offset of the sigmoid.
    pub offset: f64,
}
