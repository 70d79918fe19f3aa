//! The threshold at which a class's two error rates meet.

use crate::EvalError;

/// Threshold of a class and the error rates there.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct EqualError {
    /// An image is predicted positive where `score − threshold > 0`.
    pub threshold: f32,
    /// Mean of the two rates, in `[0, 1]`: the equal-error rate.
    pub rate: f64,
    /// Negatives predicted positive, over all negatives.
    pub false_positive_rate: f64,
    /// Positives predicted negative, over all positives.
    pub false_negative_rate: f64,
}

/// Finds the threshold where false positive rate = false negative rate.
///
/// ```text
/// FPR(t) = #{negatives with score > t} / #negatives,   FNR(t) = #{positives with score ≤ t} / #positives
/// t = argmin |FPR(t) − FNR(t)|
/// ```
/// With finitely many scores the rates are steps and need not meet. Candidates are the midpoints between neighbouring
/// distinct scores, and the highest score itself (nothing is positive). Of candidates with equal |FPR − FNR| the one with the
/// smaller sum of rates is taken, then the lower one. Images labelled 0 are skipped.
///
/// # Errors
/// [`EvalError::Length`] when `scores` and `labels` differ in length, [`EvalError::NotFinite`] for a score that counts and is
/// not finite, [`EvalError::OneSided`] without a positive or without a negative.
///
/// # References
/// `lapuschkin2016`, supplement §4.1. How ties and gaps are settled is ours.
pub fn equal_error_threshold(scores: &[f32], labels: &[i8]) -> Result<EqualError, EvalError> {
    if scores.len() != labels.len() {
        return Err(EvalError::Length { what: "labels", expected: scores.len(), found: labels.len() });
    }
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
    let (mut n_missed, mut n_refused) = (0, 0);
    for (index, &(score, positive)) in images.iter().enumerate() {
        n_missed += usize::from(positive);
        n_refused += usize::from(!positive);
        let next = images.get(index + 1).map(|image| image.0);
        if next == Some(score) {
            continue;
        }
        let n_false = n_negatives - n_refused;
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
    // Both kinds of image are there, so the loop has met at least one candidate.
    best.map(|(_, found)| found).ok_or(EvalError::OneSided { n_positives, n_negatives })
}

/// |FPR − FNR| and FPR + FNR times both counts: whole numbers, so that ties are exact.
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

/// The midpoint, or `low` where rounding would reach `high`, which must stay above the threshold.
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
    fn by_hand() {
        // Positives 1, 3, 4; negatives 0, 2: between 2 and 3 FPR is 0 and FNR 1/3; between 1 and 2 they are 1/2 and 1/3.
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
    fn equal_scores_are_all_negative() {
        let found = equal_error_threshold(&[0.5, 0.5], &[1, -1]).unwrap();
        assert_eq!((found.threshold, found.false_positive_rate, found.false_negative_rate), (0.5, 0.0, 1.0));
    }

    #[test]
    fn neighbouring_floats_are_told_apart() {
        let low = 1.0_f32;
        let high = f32::from_bits(low.to_bits() + 1);
        let found = equal_error_threshold(&[high, low], &[1, -1]).unwrap();
        assert_eq!((found.threshold, found.rate), (low, 0.0));
    }

    #[test]
    fn what_cannot_be_measured_is_refused() {
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
