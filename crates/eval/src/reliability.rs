//! Whether probabilities are true: of the images with a probability of 0.7, seven of ten should have the class.

use crate::error::{EvalError, check_length};

/// The images whose probabilities lie in one interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReliabilityBin {
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval. It belongs to the next interval, but 1 belongs to the last one.
    pub high: f64,
    /// Number of images.
    pub n_images: usize,
    /// Mean of their probabilities; NaN without images.
    pub mean_probability: f64,
    /// Share of them that have the class; NaN without images.
    pub share: f64,
}

/// How true probabilities are: the result of [`Reliability::new`].
///
/// ```
/// use fisherlens_eval::Reliability;
///
/// let probabilities = [0.9, 0.9, 0.9, 0.9, 0.1, 0.1];
/// let reliability = Reliability::new(&probabilities, &[1, 1, 1, -1, -1, -1], 10)?;
/// // Four images with 0.9, of which three of four have the class; two with 0.1, of which none has it.
/// let expected = (4.0 * 0.15 + 2.0 * 0.1) / 6.0;
/// assert!((reliability.expected_calibration_error - expected).abs() < 1e-12);
/// # Ok::<(), fisherlens_eval::EvalError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Reliability {
    /// Intervals of equal width from 0 to 1: the points of a reliability diagram.
    pub bins: Vec<ReliabilityBin>,
    /// Number of images.
    pub n_images: usize,
    /// Mean over the images of |share − mean probability| of their interval, 0 to 1.
    pub expected_calibration_error: f64,
    /// Mean of (probability − 1)² of the images with the class and probability² of the others, 0 to 1.
    pub brier_score: f64,
}

impl Reliability {
    /// Compares probabilities with labels.
    ///
    /// ```text
    /// ECE = Σ_b n_b / N · |share_b − mean probability_b|,    Brier = 1 / N · Σ_i (p_i − [label_i = 1])²
    /// ```
    /// `probabilities` are from 0 to 1, `labels` −1 or +1; images with label 0 are skipped. For several classes, give the values of all classes
    /// one after the other.
    ///
    /// # Errors
    /// [`EvalError::Length`] when the arrays differ in length; [`EvalError::Parameter`] for 0 intervals or for a probability that is not from 0
    /// to 1; [`EvalError::Empty`] without an image.
    ///
    /// # References
    /// `guo2017`, Eq. 5; `brier1950`.
    pub fn new(probabilities: &[f64], labels: &[i8], n_bins: usize) -> Result<Self, EvalError> {
        check_length("labels", probabilities.len(), labels.len())?;
        let refuse = |name: &'static str, found: String, expected: &'static str| {
            Err(EvalError::Parameter { name, found, expected })
        };
        if n_bins == 0 {
            return refuse("n_bins", n_bins.to_string(), "at least 1");
        }
        // Number of images, sum of their probabilities, number of images with the class.
        let mut sums = vec![(0_usize, 0.0_f64, 0_usize); n_bins];
        let mut squares = 0.0;
        for (&probability, &label) in probabilities.iter().zip(labels) {
            if label == 0 {
                continue;
            }
            if !(0.0..=1.0).contains(&probability) {
                return refuse("a probability", probability.to_string(), "a number from 0 to 1");
            }
            let (n_images, sum, n_positives) = &mut sums[((probability * n_bins as f64) as usize).min(n_bins - 1)];
            *n_images += 1;
            *sum += probability;
            *n_positives += usize::from(label > 0);
            let outcome = if label > 0 { 1.0 } else { 0.0 };
            squares += (probability - outcome) * (probability - outcome);
        }
        let n_images: usize = sums.iter().map(|sum| sum.0).sum();
        if n_images == 0 {
            return Err(EvalError::Empty { what: "image with a label other than 0" });
        }
        let bins: Vec<ReliabilityBin> = sums
            .iter()
            .enumerate()
            .map(|(bin, &(n, sum, n_positives))| ReliabilityBin {
                low: bin as f64 / n_bins as f64,
                high: (bin + 1) as f64 / n_bins as f64,
                n_images: n,
                mean_probability: sum / n as f64,
                share: n_positives as f64 / n as f64,
            })
            .collect();
        let errors = bins.iter().filter(|bin| bin.n_images > 0);
        let sum: f64 = errors.map(|bin| bin.n_images as f64 * (bin.share - bin.mean_probability).abs()).sum();
        Ok(Self {
            bins,
            n_images,
            expected_calibration_error: sum / n_images as f64,
            brier_score: squares / n_images as f64,
        })
    }
}

#[cfg(test)]
mod tests {
    use approx::assert_relative_eq;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_ends_of_the_intervals_are_where_they_should_be() {
        let reliability = Reliability::new(&[0.0, 0.25, 0.5, 1.0, 0.3], &[-1, 1, -1, 1, 0], 4).unwrap();
        let counts: Vec<usize> = reliability.bins.iter().map(|bin| bin.n_images).collect();
        assert_eq!(counts, [1, 1, 1, 1]);
        assert_eq!((reliability.bins[3].low, reliability.bins[3].high, reliability.bins[3].share), (0.75, 1.0, 1.0));
        assert_eq!(reliability.n_images, 4, "the image with label 0 is skipped");
        // |0 − 0|, |1 − 0.25|, |0 − 0.5|, |1 − 1|.
        assert_relative_eq!(reliability.expected_calibration_error, 1.25 / 4.0);
        assert_relative_eq!(reliability.brier_score, (0.75 * 0.75 + 0.25) / 4.0);
    }

    #[test]
    fn impossible_input_is_refused() {
        assert!(matches!(Reliability::new(&[0.5], &[], 10), Err(EvalError::Length { .. })));
        assert!(matches!(Reliability::new(&[0.5], &[1], 0), Err(EvalError::Parameter { name: "n_bins", .. })));
        for wrong in [f64::NAN, 1.5, -0.1] {
            assert!(matches!(Reliability::new(&[wrong], &[1], 10), Err(EvalError::Parameter { .. })));
        }
        assert!(matches!(Reliability::new(&[0.5], &[0], 10), Err(EvalError::Empty { .. })));
    }

    proptest! {
        /// With one interval, the error is the difference of two means. More intervals cannot make it smaller.
        #[test]
        fn finer_intervals_find_more(images in prop::collection::vec((0.0_f64..=1.0, any::<bool>()), 1..80), n in 1_usize..6) {
            let probabilities: Vec<f64> = images.iter().map(|image| image.0).collect();
            let labels: Vec<i8> = images.iter().map(|image| if image.1 { 1 } else { -1 }).collect();
            let mean = |values: &mut dyn Iterator<Item = f64>| values.sum::<f64>() / images.len() as f64;
            let difference = mean(&mut probabilities.iter().copied()) - mean(&mut images.iter().map(|image| f64::from(u8::from(image.1))));
            let error = |n_bins: usize| Reliability::new(&probabilities, &labels, n_bins).unwrap().expected_calibration_error;
            prop_assert!((error(1) - difference.abs()).abs() < 1e-9);
            prop_assert!(error(2 * n) >= error(n) - 1e-9);
        }
    }
}
