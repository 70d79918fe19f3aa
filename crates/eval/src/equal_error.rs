//! The threshold at which the two error rates of a class are equal.

use crate::error::{EvalError, check_length};

/// The equal-error threshold of a class and the error rates at it: the result of [`equal_error_threshold`].
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct EqualError {
    /// An image is predicted positive if `score − threshold > 0`.
    pub threshold: f32,
    /// Mean of the two rates, in `[0, 1]`: the equal-error rate.
    pub rate: f64,
    /// Number of negatives predicted positive divided by the number of negatives.
    pub false_positive_rate: f64,
    /// Number of positives predicted negative divided by the number of positives.
    pub false_negative_rate: f64,
}

/// Finds the threshold at which the false positive rate and the false negative rate are closest to each other.
///
/// ```text
/// FPR(t) = #{negatives with score > t} / #negatives,   FNR(t) = #{positives with score ≤ t} / #positives
/// t = argmin |FPR(t) − FNR(t)|
/// ```
/// With a finite number of scores the rates are step functions, which may never be equal. Candidates are the midpoints between
/// neighbouring distinct scores, and the highest score (where nothing is predicted positive). Among candidates with equal
/// |FPR − FNR|, the one with the smaller sum of rates is taken, and then the lowest. Images with label 0 are skipped.
///
/// # Errors
/// [`EvalError::Length`] when `scores` and `labels` differ in length, [`EvalError::NotFinite`] when the score of an image that is
/// not skipped is not finite, [`EvalError::OneSided`] without a positive or without a negative.
///
/// ```
/// use fisherlens_eval::equal_error_threshold;
///
/// let found = equal_error_threshold(&[4.0, 3.0, 1.0, 2.0, 0.0], &[1, 1, 1, -1, -1])?;
/// assert_eq!((found.threshold, found.false_positive_rate), (1.5, 0.5));
/// # Ok::<(), fisherlens_eval::EvalError>(())
/// ```
///
/// # References
/// `lapuschkin2016`, supplement §4.1. The rules for ties and for rates that are never equal are our own.
pub fn equal_error_threshold(scores: &[f32], labels: &[i8]) -> Result<EqualError, EvalError> {
    check_length("labels", scores.len(), labels.len())?;
    let mut images = Vec::with_capacity(scores.len());
    for (index, (&score, &label)) in scores.iter().zip(labels).enumerate() {
        if label == 0 {
            continue;
        }
        if !score.is_finite() {
            return Err(EvalError::NotFinite { index, found: score.to_string() });
        }
        images.push((score + 0.0, label > 0));
    }
    let n_positives = images.iter().filter(|image| image.1).count();
    let n_negatives = images.len() - n_positives;
    if n_positives == 0 || n_negatives == 0 {
        return Err(EvalError::OneSided { n_positives, n_negatives });
    }
    images.sort_by(|one, other| one.0.total_cmp(&other.0));

    let mut best: Option<(Gap, EqualError)> = None;
    // The threshold rises from score to score. All images up to the current one are then predicted negative: `n_missed` positives
    // and `n_rejected` negatives.
    let (mut n_missed, mut n_rejected) = (0, 0);
    for (index, &(score, positive)) in images.iter().enumerate() {
        n_missed += usize::from(positive);
        n_rejected += usize::from(!positive);
        let next = images.get(index + 1).map(|image| image.0);
        if next == Some(score) {
            // No threshold can lie between equal scores.
            continue;
        }
        let n_false = n_negatives - n_rejected;
        let gap = Gap::new(n_missed, n_positives, n_false, n_negatives);
        if best.as_ref().is_none_or(|(least, _)| gap < *least) {
            let false_positive_rate = n_false as f64 / n_negatives as f64;
            let false_negative_rate = n_missed as f64 / n_positives as f64;
            let found = EqualError {
                threshold: next.map_or(score, |next| between(score, next)),
                rate: f64::midpoint(false_positive_rate, false_negative_rate),
                false_positive_rate,
                false_negative_rate,
            };
            best = Some((gap, found));
        }
    }
    // There are images of both kinds, so the loop has found at least one candidate.
    best.map(|(_, found)| found).ok_or(EvalError::OneSided { n_positives, n_negatives })
}

/// |FPR − FNR| and FPR + FNR, multiplied by the numbers of positives and of negatives. These are integers, so ties are exact.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Gap {
    difference: u128,
    sum: u128,
}

impl Gap {
    fn new(n_missed: usize, n_positives: usize, n_false: usize, n_negatives: usize) -> Self {
        let false_negative = n_missed as u128 * n_negatives as u128;
        let false_positive = n_false as u128 * n_positives as u128;
        Self { difference: false_positive.abs_diff(false_negative), sum: false_positive + false_negative }
    }
}

/// The midpoint, or `low` if the midpoint would be rounded to `high`: `high` must stay above the threshold.
fn between(low: f32, high: f32) -> f32 {
    let middle = f64::midpoint(f64::from(low), f64::from(high)) as f32;
    if middle < high { middle } else { low }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;
    use proptest::prelude::*;

    fn rates(scores: &[f32], labels: &[i8], threshold: f32) -> (f64, f64) {
        let share = |of: i8, wrong: &dyn Fn(f32) -> bool| {
            let all: Vec<f32> =
                scores.iter().zip(labels).filter(|(_, label)| **label == of).map(|(&score, _)| score).collect();
            all.iter().filter(|&&score| wrong(score)).count() as f64 / all.len() as f64
        };
        (share(-1, &|score| score - threshold > 0.0), share(1, &|score| score - threshold <= 0.0))
    }

    #[test]
    fn threshold_and_rates_match_hand_computed_values() {
        // Positives 1, 3, 4; negatives 0, 2. Between 2 and 3, FPR is 0 and FNR is 1/3; between 1 and 2 they are 1/2 and 1/3.
        let found = equal_error_threshold(&[1.0, 3.0, 4.0, 0.0, 2.0], &[1, 1, 1, -1, -1]).unwrap();
        assert_eq!(found.threshold, 1.5);
        assert_eq!((found.false_positive_rate, found.false_negative_rate), (0.5, 1.0 / 3.0));
        assert_relative_eq!(found.rate, 5.0 / 12.0, epsilon = 1e-12);
    }

    #[test]
    fn a_perfect_ranking_has_no_error() {
        let found = equal_error_threshold(&[2.0, 1.0, -1.0, 9.0], &[1, 1, -1, 0]).unwrap();
        assert_eq!((found.threshold, found.rate), (0.0, 0.0));
    }

    #[test]
    fn equal_scores_are_all_predicted_negative() {
        let found = equal_error_threshold(&[0.5, 0.5], &[1, -1]).unwrap();
        assert_eq!((found.threshold, found.false_positive_rate, found.false_negative_rate), (0.5, 0.0, 1.0));
    }

    #[test]
    fn scores_that_are_neighbouring_floats_are_separated() {
        let low = 1.0_f32;
        let high = f32::from_bits(low.to_bits() + 1);
        let found = equal_error_threshold(&[high, low], &[1, -1]).unwrap();
        assert_eq!((found.threshold, found.rate), (low, 0.0));
    }

    #[test]
    fn invalid_input_is_refused() {
        assert!(matches!(equal_error_threshold(&[1.0], &[]), Err(EvalError::Length { .. })));
        assert!(matches!(
            equal_error_threshold(&[1.0, 2.0], &[1, 0]),
            Err(EvalError::OneSided { n_positives: 1, n_negatives: 0 })
        ));
        assert!(matches!(
            equal_error_threshold(&[1.0, f32::NAN], &[1, -1]),
            Err(EvalError::NotFinite { index: 1, .. })
        ));
    }

    proptest! {
        #[test]
        fn no_other_threshold_is_better(images in prop::collection::vec((-20_i8..20, any::<bool>()), 2..40)) {
            let scores: Vec<f32> = images.iter().map(|image| f32::from(image.0) / 4.0).collect();
            let labels: Vec<i8> = images.iter().map(|image| if image.1 { 1 } else { -1 }).collect();
            prop_assume!(labels.contains(&1) && labels.contains(&-1));
            let found = equal_error_threshold(&scores, &labels).unwrap();
            let (false_positive, false_negative) = rates(&scores, &labels, found.threshold);
            prop_assert_eq!(found.false_positive_rate, false_positive);
            prop_assert_eq!(found.false_negative_rate, false_negative);
            for step in -50_i8..50 {
                let (one, other) = rates(&scores, &labels, f32::from(step) / 8.0);
                prop_assert!((false_positive - false_negative).abs() <= (one - other).abs() + 1e-12);
            }
        }
    }
}
