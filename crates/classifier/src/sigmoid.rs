//! From a score to a probability: a sigmoid that is learned from held-out scores.

use crate::error::ClassifierError;

/// Largest number of Newton steps. The loss is convex in two numbers, so a few steps are enough.
const MAX_N_STEPS: usize = 100;
/// The steps end when no component of the gradient is larger than this share of the number of samples.
const TOLERANCE: f64 = 1e-12;
/// A step is halved at most so often.
const MAX_N_HALVINGS: usize = 60;

/// The probability that a sample belongs to the class, given its score.
///
/// ```text
/// P(class | score) = 1 / (1 + exp(−(slope · score + offset)))
/// ```
///
/// ```
/// use fisherlens_classifier::Sigmoid;
///
/// let scores = [2.0_f32, 1.5, 1.0, 0.5, 0.0, -0.5, -1.0, -1.5];
/// let labels = [1_i8, 1, 1, -1, 1, -1, -1, -1];
/// let sigmoid = Sigmoid::fit(&scores, &labels)?;
/// assert!(sigmoid.probability(2.0) > 0.8 && sigmoid.probability(-1.5) < 0.2);
/// # Ok::<(), fisherlens_classifier::ClassifierError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Sigmoid {
    /// At least 0: a higher score never makes the class less probable.
    pub slope: f64,
    /// Logit of the probability at score 0.
    pub offset: f64,
}

/// Gradient and matrix of second derivatives of the loss, and the loss.
struct Expansion {
    loss: f64,
    gradient: [f64; 2],
    /// Entries (slope, slope), (slope, offset), (offset, offset).
    hessian: [f64; 3],
}

impl Sigmoid {
    /// Learns the sigmoid by maximum likelihood.
    ///
    /// `scores` must come from classifiers that have not seen the samples, as [`LinearSvm::held_out_scores`](crate::LinearSvm::held_out_scores)
    /// gives them: scores on training samples are too far from the threshold, and the probabilities would be too. `labels`: −1 or +1; samples
    /// with label 0 are skipped.
    ///
    /// The targets are (N₊ + 1) / (N₊ + 2) for positive and 1 / (N₋ + 2) for negative samples instead of 1 and 0, so that few samples, or samples
    /// that are separated without a mistake, do not lead to certainty. Newton's steps with halving find the minimum. If the best slope is
    /// negative, the scores are worth nothing: the slope is then 0, and the probability is the same for every score.
    ///
    /// # Errors
    /// [`ClassifierError::Length`] when `scores` and `labels` differ in length; [`ClassifierError::NotFinite`] for a score of a sample that is
    /// not skipped; [`ClassifierError::OneSided`] without a positive or without a negative sample.
    ///
    /// # References
    /// `platt1999`; the targets are its Eq. for Tⁱ, the steps are those of `lin2007`.
    pub fn fit(scores: &[f32], labels: &[i8]) -> Result<Self, ClassifierError> {
        if scores.len() != labels.len() {
            return Err(ClassifierError::Length { what: "labels", expected: scores.len(), found: labels.len() });
        }
        let count = |of: fn(i8) -> bool| labels.iter().filter(|&&label| of(label)).count();
        let (n_positives, n_negatives) = (count(|label| label > 0), count(|label| label < 0));
        if n_positives == 0 || n_negatives == 0 {
            return Err(ClassifierError::OneSided { class: 0, n_positives, n_negatives });
        }
        let (positive, negative) = targets(n_positives, n_negatives);
        let mut samples = Vec::with_capacity(n_positives + n_negatives);
        for (sample, (&score, &label)) in scores.iter().zip(labels).enumerate() {
            if label == 0 {
                continue;
            }
            if !score.is_finite() {
                return Err(ClassifierError::NotFinite { what: "the score", sample, found: score });
            }
            samples.push((f64::from(score), if label > 0 { positive } else { negative }));
        }
        let n = samples.len() as f64;
        let mean = samples.iter().map(|(score, _)| score).sum::<f64>() / n;
        let spread = (samples.iter().map(|(score, _)| (score - mean).powi(2)).sum::<f64>() / n).sqrt();
        let flat = Self::flat(n_positives, n_negatives);
        if spread <= f64::EPSILON * mean.abs() {
            return Ok(flat);
        }
        // Scores of mean 0 and deviation 1 make the two numbers alike, whatever the unit of the scores.
        for (score, _) in &mut samples {
            *score = (*score - mean) / spread;
        }
        let found = newton(&samples, flat);
        if found.slope <= 0.0 {
            return Ok(flat);
        }
        let slope = found.slope / spread;
        Ok(Self { slope, offset: found.offset - slope * mean })
    }

    /// [`Sigmoid::fit`], or [`Sigmoid::flat`] where all samples that are not skipped are positive, or all are negative.
    ///
    /// # Errors
    /// The other errors of [`Sigmoid::fit`].
    pub fn fit_or_flat(scores: &[f32], labels: &[i8]) -> Result<Self, ClassifierError> {
        match Self::fit(scores, labels) {
            Err(ClassifierError::OneSided { n_positives, n_negatives, .. }) => Ok(Self::flat(n_positives, n_negatives)),
            other => other,
        }
    }

    /// The best sigmoid that does not look at the score: its slope is 0. It is the answer if the scores are all equal or worth nothing, or if
    /// there are none.
    pub fn flat(n_positives: usize, n_negatives: usize) -> Self {
        let (positive, negative) = targets(n_positives, n_negatives);
        if n_positives + n_negatives == 0 {
            return Self { slope: 0.0, offset: 0.0 };
        }
        // At least 1 / (n + 2) and at most (n + 1) / (n + 2), so the logit is finite.
        let share =
            (n_positives as f64 * positive + n_negatives as f64 * negative) / (n_positives + n_negatives) as f64;
        Self { slope: 0.0, offset: (share / (1.0 - share)).ln() }
    }

    /// The probability of a score, 0 to 1. NaN for a score that is not a number.
    pub fn probability(&self, score: f64) -> f64 {
        // A slope of 0 ignores scores that are infinite.
        let logit = if self.slope == 0.0 { self.offset } else { self.slope * score + self.offset };
        1.0 / (1.0 + (-logit).exp())
    }
}

/// The targets of positive and of negative samples.
fn targets(n_positives: usize, n_negatives: usize) -> (f64, f64) {
    ((n_positives as f64 + 1.0) / (n_positives as f64 + 2.0), 1.0 / (n_negatives as f64 + 2.0))
}

/// The minimum of the loss. `samples`: score and target.
fn newton(samples: &[(f64, f64)], start: Sigmoid) -> Sigmoid {
    let mut at = start;
    let mut here = expand(samples, at);
    for _ in 0..MAX_N_STEPS {
        let [slope, offset] = here.gradient;
        if slope.abs().max(offset.abs()) <= TOLERANCE * samples.len() as f64 {
            break;
        }
        let [ss, so, oo] = here.hessian;
        // Keeps the determinant above 0 where nearly all probabilities are 0 or 1.
        let (ss, oo) = (ss + 1e-12, oo + 1e-12);
        let determinant = ss * oo - so * so;
        let step = [-(oo * slope - so * offset) / determinant, -(ss * offset - so * slope) / determinant];
        let descent = slope * step[0] + offset * step[1];
        let mut length = 1.0;
        let next = (0..MAX_N_HALVINGS).find_map(|_| {
            let there = Sigmoid { slope: at.slope + length * step[0], offset: at.offset + length * step[1] };
            let expansion = expand(samples, there);
            let is_lower = expansion.loss < here.loss + 1e-4 * length * descent;
            length /= 2.0;
            is_lower.then_some((there, expansion))
        });
        // The loss cannot be told from that of a neighbour any more.
        let Some((there, expansion)) = next else { break };
        (at, here) = (there, expansion);
    }
    at
}

/// The loss −Σ [t ln p + (1 − t) ln(1 − p)] and its derivatives.
fn expand(samples: &[(f64, f64)], at: Sigmoid) -> Expansion {
    let mut expansion = Expansion { loss: 0.0, gradient: [0.0; 2], hessian: [0.0; 3] };
    for &(score, target) in samples {
        let logit = at.slope * score + at.offset;
        // ln(1 + exp(x)) without overflow.
        expansion.loss += logit.max(0.0) + (-logit.abs()).exp().ln_1p() - target * logit;
        let probability = at.probability(score);
        let error = probability - target;
        let weight = probability * (1.0 - probability);
        expansion.gradient[0] += error * score;
        expansion.gradient[1] += error;
        expansion.hessian[0] += weight * score * score;
        expansion.hessian[1] += weight * score;
        expansion.hessian[2] += weight;
    }
    expansion
}

#[cfg(test)]
mod tests {
    use approx::assert_relative_eq;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn scores_with_two_values_give_the_smoothed_shares() {
        // Of the samples with score 1, three of four are positive; with score −1, one of four. Both sides have the targets 5/6 and 1/6.
        let scores = [1.0, 1.0, 1.0, 1.0, -1.0, -1.0, -1.0, -1.0];
        let labels = [1, 1, 1, -1, 1, -1, -1, -1];
        let sigmoid = Sigmoid::fit(&scores, &labels).unwrap();
        let share = (3.0 * 5.0 / 6.0 + 1.0 / 6.0) / 4.0;
        assert_relative_eq!(sigmoid.probability(1.0), share, epsilon = 1e-9);
        assert_relative_eq!(sigmoid.probability(-1.0), 1.0 - share, epsilon = 1e-9);
        assert_relative_eq!(sigmoid.offset, 0.0, epsilon = 1e-9);
    }

    #[test]
    fn samples_that_are_separated_do_not_lead_to_certainty() {
        let sigmoid = Sigmoid::fit(&[3.0, 2.0, -2.0, -3.0], &[1, 1, -1, -1]).unwrap();
        assert!(sigmoid.slope.is_finite() && sigmoid.slope > 0.0, "{sigmoid:?}");
        assert!(sigmoid.probability(2.0) < 0.9 && sigmoid.probability(-2.0) > 0.1, "{sigmoid:?}");
    }

    #[test]
    fn scores_that_are_worth_nothing_give_the_share_of_the_class() {
        // Two positive samples of six; the targets are 3/4 and 1/6.
        let share = (2.0 * 0.75 + 4.0 / 6.0) / 6.0;
        for scores in [[0.5; 6], [-1.0, -2.0, 1.0, 2.0, 3.0, 4.0]] {
            let sigmoid = Sigmoid::fit(&scores, &[1, 1, -1, -1, -1, -1]).unwrap();
            assert_eq!(sigmoid.slope, 0.0);
            assert_relative_eq!(sigmoid.probability(123.0), share, epsilon = 1e-12);
            assert_relative_eq!(sigmoid.probability(f64::INFINITY), share, epsilon = 1e-12);
        }
    }

    #[test]
    fn samples_with_label_0_are_skipped_and_impossible_input_is_refused() {
        let with = Sigmoid::fit(&[1.0, f32::NAN, 0.2, -1.0], &[1, 0, -1, -1]).unwrap();
        assert_eq!(with, Sigmoid::fit(&[1.0, 0.2, -1.0], &[1, -1, -1]).unwrap());
        assert!(matches!(Sigmoid::fit(&[1.0], &[]), Err(ClassifierError::Length { .. })));
        assert!(matches!(Sigmoid::fit(&[1.0, 2.0], &[1, 0]), Err(ClassifierError::OneSided { n_negatives: 0, .. })));
        let problem = Sigmoid::fit(&[1.0, f32::INFINITY], &[1, -1]);
        assert!(matches!(problem, Err(ClassifierError::NotFinite { sample: 1, .. })));
    }

    proptest! {
        /// The fast way against the slow one: no neighbour in any direction has a smaller loss. The unit of the scores does not matter.
        #[test]
        fn no_neighbour_is_better(
            samples in prop::collection::vec((-8_i8..8, any::<bool>()), 4..60),
            exponent in -20_i32..20,
        ) {
            let unit = 2.0_f32.powi(exponent);
            let scores: Vec<f32> = samples.iter().map(|sample| unit * (f32::from(sample.0) + f32::from(i8::from(sample.1)))).collect();
            let labels: Vec<i8> = samples.iter().map(|sample| if sample.1 { 1 } else { -1 }).collect();
            prop_assume!(labels.contains(&1) && labels.contains(&-1));
            let found = Sigmoid::fit(&scores, &labels).unwrap();
            prop_assert!(found.slope >= 0.0 && found.slope.is_finite() && found.offset.is_finite());
            let n_positives = labels.iter().filter(|label| **label > 0).count() as f64;
            let n_negatives = labels.len() as f64 - n_positives;
            let target = |label: i8| if label > 0 { (n_positives + 1.0) / (n_positives + 2.0) } else { 1.0 / (n_negatives + 2.0) };
            let targets: Vec<(f64, f64)> =
                scores.iter().zip(&labels).map(|(&score, &label)| (f64::from(score / unit), target(label))).collect();
            let loss = |slope: f64, offset: f64| expand(&targets, Sigmoid { slope, offset }).loss;
            let slope = found.slope * f64::from(unit);
            let least = loss(slope, found.offset);
            for (along, across) in [(1e-3, 0.0), (-1e-3, 0.0), (0.0, 1e-3), (0.0, -1e-3), (1e-3, 1e-3), (-1e-3, 1e-3)] {
                prop_assert!(slope + along < 0.0 || loss(slope + along, found.offset + across) >= least - 1e-9);
            }
        }
    }
}
