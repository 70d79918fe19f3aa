//! The area between two perturbation curves of the same images.

use crate::error::{EvalError, check_length};
use crate::perturbation::Trace;
use crate::quality::{checked_n_points, groups_of, mean_and_half_width};

/// How much faster the score falls in one order of perturbation than in another.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct AreaBetween {
    /// Mean over traces and points of `f_other(x(i)) − f_one(x(i))`. It is above 0 if the score falls faster in the order `one`.
    pub area: f64,
    /// 95 % interval of the area. Traces of the same image are grouped as in [`quality_by_image`](crate::quality_by_image).
    pub interval: (f64, f64),
}

/// Area between the score curves of two orders, computed trace by trace.
///
/// ```text
/// area = mean over traces of 1/I Σ_{i=1..I} (f(x_other(i)) − f(x_one(i)))
/// ```
/// If `one` has the most relevant first and `other` the least relevant first, this is the area between perturbation curves, ABPC.
/// If `other` is a random order, it is the difference A(one) − A(random). Its interval is narrower than the intervals of the two A
/// alone, because both orders use the same images and replacements.
///
/// `one[t]` and `other[t]` belong to the same image, class and repeat. `images[t]` is any number that identifies the image of
/// this pair of traces.
///
/// # Errors
/// [`EvalError::Empty`] without traces or without points, [`EvalError::Length`] when the numbers of traces, points or images differ.
///
/// ```
/// use fisherlens_eval::{Trace, area_between};
///
/// let trace = |scores: [f32; 2]| Trace { start: 1.0, scores: scores.to_vec(), n_replaced: 2, n_requested: 2 };
/// let (most_relevant_first, random) = ([trace([0.5, 0.0])], [trace([1.0, 0.5])]);
/// assert_eq!(area_between(&most_relevant_first, &random, &[0])?.area, 0.5);
/// # Ok::<(), fisherlens_eval::EvalError>(())
/// ```
///
/// # References
/// `schulz2020` for the area between the curves, `samek2017` for perturbation.
pub fn area_between(one: &[Trace], other: &[Trace], images: &[usize]) -> Result<AreaBetween, EvalError> {
    let n_points = checked_n_points(one, images)?;
    check_length("traces of the other order", one.len(), other.len())?;
    check_length("points of the other order", n_points, checked_n_points(other, images)?)?;
    let gap = |trace: usize, point: usize| f64::from(other[trace].scores[point]) - f64::from(one[trace].scores[point]);
    let areas: Vec<f64> = (0..one.len())
        .map(|trace| (0..n_points).map(|point| gap(trace, point)).sum::<f64>() / n_points as f64)
        .collect();
    let (area, half) = mean_and_half_width(&groups_of(images), |trace| areas[trace]);
    Ok(AreaBetween { area, interval: (area - half, area + half) })
}

#[cfg(test)]
mod tests {
    use approx::assert_relative_eq;

    use super::*;
    use crate::quality::quality;

    fn trace(scores: &[f32]) -> Trace {
        Trace { start: 1.0, scores: scores.to_vec(), n_replaced: 10, n_requested: 10 }
    }

    #[test]
    fn the_area_matches_hand_computed_values() {
        let most = [trace(&[0.5, 0.0]), trace(&[0.0, -1.0]), trace(&[1.0, 1.0])];
        let least = [trace(&[1.0, 1.0]), trace(&[1.0, 0.5]), trace(&[0.5, 1.0])];
        let found = area_between(&most, &least, &[4, 4, 9]).unwrap();
        // Gaps: 0.5 1 | 1 1.5 | −0.5 0.
        assert_relative_eq!(found.area, (0.75 + 1.25 - 0.25) / 3.0);
        assert_relative_eq!(found.area, quality(&most).unwrap().a - quality(&least).unwrap().a, max_relative = 1e-12);
        // Two images: sums of their deviations are s and −s, so that the variance is 2 · 2 s² / 9.
        let s = 0.75 + 1.25 - 2.0 * found.area;
        assert_relative_eq!(found.interval.1 - found.area, 1.959_963_984_540_054 * 2.0 * s / 3.0, max_relative = 1e-12);
        let turned = area_between(&least, &most, &[4, 4, 9]).unwrap();
        assert_eq!((turned.area, turned.interval.0), (-found.area, -found.interval.1));
    }

    #[test]
    fn traces_that_cannot_be_paired_are_refused() {
        let one = [trace(&[0.5]), trace(&[0.5])];
        assert!(matches!(area_between(&[], &[], &[]), Err(EvalError::Empty { .. })));
        assert!(matches!(area_between(&one, &one[..1], &[0, 1]), Err(EvalError::Length { expected: 2, found: 1, .. })));
        assert!(matches!(area_between(&one, &one, &[0]), Err(EvalError::Length { .. })));
        let longer = [trace(&[0.5, 0.5]), trace(&[0.5, 0.5])];
        assert!(matches!(area_between(&one, &longer, &[0, 1]), Err(EvalError::Length { expected: 1, found: 2, .. })));
    }
}
