//! The quality of an order of replacement, A and V, computed from many traces.

use std::collections::BTreeMap;

use crate::error::{EvalError, check_length};
use crate::perturbation::Trace;

/// Half width of a 95 % interval in standard errors: `Φ⁻¹(0.975)` of the normal distribution.
const NORMAL_95: f64 = 1.959_963_984_540_054;

/// How fast scores fall while the most relevant descriptors are replaced. The higher A, the better the relevance.
///
/// Intervals are 95 % intervals of the normal approximation, `mean ± 1.96 · standard error`. The standard error groups the traces
/// of one image ([`quality_by_image`]), because repeats and classes of one image are not independent. A single image has no spread:
/// then both ends of the interval are the mean.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Quality {
    /// A, the mean over traces of Eq. 14.
    pub a: f64,
    /// Lower and upper end of the interval of A.
    pub a_interval: (f64, f64),
    /// V, the share of traces whose prediction `f > 0` changes at some point, 0 to 1.
    pub v: f64,
    /// At each point: the number of traces whose prediction changes there for the first time. The sum is `v · n_traces`.
    pub first_sign_changes: Vec<usize>,
    /// Mean of `f(x) − f(x(i))` at each point.
    pub curve: Vec<f64>,
    /// Lower ends of the intervals of the curve.
    pub curve_low: Vec<f64>,
    /// Upper ends of the intervals of the curve.
    pub curve_high: Vec<f64>,
    /// AOPC of Samek et al. It includes the step k = 0 and divides by L + 1, so it equals `A · I / (I + 1)`.
    pub aopc: f64,
    /// Number of traces.
    pub n_traces: usize,
    /// Number of images from which the traces come; in [`quality`] the number of traces.
    pub n_images: usize,
    /// Number of traces in which fewer descriptors were replaced than should be, because the image has too few.
    pub n_short: usize,
}

/// A, V and the mean curve over traces. The traces are assumed to be independent.
///
/// ```text
/// A    = mean over traces of 1/I Σ_{i=1..I} (f(x) − f(x(i)))          (Eq. 14; no term i = 0)
/// AOPC = mean over traces of 1/(L+1) Σ_{k=0..L} (f(x) − f(x(k)))       (L = I; the term k = 0 is 0)
/// V    = share of traces with a point i where (f(x(i)) > 0) ≠ (f(x) > 0)
/// ```
/// f is the score minus its threshold. It is positive at the start of the trace of a true positive.
///
/// ```
/// use fisherlens_eval::{Trace, quality};
///
/// let trace = Trace { start: 1.0, scores: vec![0.5, -0.5], n_replaced: 2, n_requested: 2 };
/// let found = quality(&[trace])?;
/// assert_eq!((found.a, found.v), (1.0, 1.0));
/// # Ok::<(), fisherlens_eval::EvalError>(())
/// ```
///
/// # Errors
/// [`EvalError::Empty`] without traces or without points, [`EvalError::Length`] when traces have different numbers of points.
///
/// # References
/// `lapuschkin2016`, supplement Eq. 14 and Fig. 1; `samek2017` for AOPC.
pub fn quality(traces: &[Trace]) -> Result<Quality, EvalError> {
    let images: Vec<usize> = (0..traces.len()).collect();
    quality_by_image(traces, &images)
}

/// [`quality`] with the image of each trace. The means are the same. The intervals take into account that repeats and classes of
/// one image are not independent.
///
/// ```text
/// standard error² = G/(G−1) · Σ_g (Σ_{t∈g} (a[t] − A))² / T²           G images, T traces
/// ```
/// `images[t]`: any number that identifies the image of trace t.
///
/// # Errors
/// The errors of [`quality`]; [`EvalError::Length`] when `images` and `traces` differ in length.
pub fn quality_by_image(traces: &[Trace], images: &[usize]) -> Result<Quality, EvalError> {
    let n_points = checked_n_points(traces, images)?;
    let groups = groups_of(images);
    let drop_at = |trace: usize, point: usize| traces[trace].start - f64::from(traces[trace].scores[point]);

    let areas: Vec<f64> = (0..traces.len())
        .map(|trace| (0..n_points).map(|point| drop_at(trace, point)).sum::<f64>() / n_points as f64)
        .collect();
    let (a, a_half) = mean_and_half_width(&groups, |trace| areas[trace]);
    let points: Vec<(f64, f64)> =
        (0..n_points).map(|point| mean_and_half_width(&groups, |trace| drop_at(trace, point))).collect();

    let mut first_sign_changes = vec![0; n_points];
    for trace in traces {
        let predicted = trace.start > 0.0;
        if let Some(point) = trace.scores.iter().position(|&score| (score > 0.0) != predicted) {
            first_sign_changes[point] += 1;
        }
    }
    Ok(Quality {
        a,
        a_interval: (a - a_half, a + a_half),
        v: first_sign_changes.iter().sum::<usize>() as f64 / traces.len() as f64,
        first_sign_changes,
        curve: points.iter().map(|&(mean, _)| mean).collect(),
        curve_low: points.iter().map(|&(mean, half)| mean - half).collect(),
        curve_high: points.iter().map(|&(mean, half)| mean + half).collect(),
        aopc: a * n_points as f64 / (n_points + 1) as f64,
        n_traces: traces.len(),
        n_images: groups.len(),
        n_short: traces.iter().filter(|trace| trace.n_replaced < trace.n_requested).count(),
    })
}

/// Checks that all traces have the same number of points, and that there is one image per trace. Returns the number of points.
pub(crate) fn checked_n_points(traces: &[Trace], images: &[usize]) -> Result<usize, EvalError> {
    let n_points = traces.first().map_or(0, |trace| trace.scores.len());
    if n_points == 0 {
        return Err(EvalError::Empty { what: "traces with points of measurement" });
    }
    for trace in traces {
        check_length("points of a trace", n_points, trace.scores.len())?;
    }
    check_length("images of the traces", traces.len(), images.len())?;
    Ok(n_points)
}

/// Indices of the traces of each image.
pub(crate) fn groups_of(images: &[usize]) -> Vec<Vec<usize>> {
    let mut members: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (trace, &image) in images.iter().enumerate() {
        members.entry(image).or_default().push(trace);
    }
    members.into_values().collect()
}

/// Mean over all traces and half the width of its 95 % interval. The traces of one group are not assumed to be independent.
pub(crate) fn mean_and_half_width(groups: &[Vec<usize>], value: impl Fn(usize) -> f64) -> (f64, f64) {
    let n_traces = groups.iter().map(Vec::len).sum::<usize>() as f64;
    let mean = groups.iter().flatten().map(|&trace| value(trace)).sum::<f64>() / n_traces;
    if groups.len() < 2 {
        return (mean, 0.0);
    }
    // Σ_g (Σ_{t∈g} (a[t] − A))²
    let squares: f64 =
        groups.iter().map(|group| group.iter().map(|&trace| value(trace) - mean).sum::<f64>().powi(2)).sum();
    let n_groups = groups.len() as f64;
    let variance = n_groups / (n_groups - 1.0) * squares / (n_traces * n_traces);
    (mean, NORMAL_95 * variance.sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    fn trace(start: f64, scores: &[f32]) -> Trace {
        Trace { start, scores: scores.to_vec(), n_replaced: 10, n_requested: 10 }
    }

    #[test]
    fn quality_matches_hand_computed_values() {
        let traces = [
            trace(1.0, &[0.5, 0.0, -1.0]),
            trace(2.0, &[1.0, 1.0, 1.0]),
            Trace { n_replaced: 4, ..trace(0.5, &[-0.5, 0.5, -0.5]) },
        ];
        let found = quality(&traces).unwrap();
        // Drops: 0.5 1 2 | 1 1 1 | 1 0 1.
        assert_relative_eq!(found.a, (3.5 / 3.0 + 1.0 + 2.0 / 3.0) / 3.0);
        assert_relative_eq!(found.aopc, found.a * 0.75);
        assert_relative_eq!(found.v, 2.0 / 3.0);
        assert_eq!(found.first_sign_changes, [1, 1, 0]);
        assert_relative_eq!(found.curve[0], 2.5 / 3.0);
        assert_relative_eq!(found.curve[2], 4.0 / 3.0);
        assert_eq!((found.n_traces, found.n_images, found.n_short), (3, 3, 1));
        let mean_of_curve = found.curve.iter().sum::<f64>() / 3.0;
        assert_relative_eq!(mean_of_curve, found.a, max_relative = 1e-12);
        // Standard error of 7/6, 1, 2/3: variance 7/108 · … by the usual formula s²/n.
        let areas = [3.5 / 3.0, 1.0, 2.0 / 3.0_f64];
        let variance = areas.iter().map(|area| (area - found.a).powi(2)).sum::<f64>() / 2.0;
        let half = NORMAL_95 * (variance / 3.0).sqrt();
        assert_relative_eq!(found.a_interval.0, found.a - half, max_relative = 1e-12);
        assert_relative_eq!(found.a_interval.1, found.a + half, max_relative = 1e-12);
    }

    #[test]
    fn aopc_divides_by_the_number_of_points_plus_one() {
        let found = quality(&[trace(1.0, &[0.0, 0.0])]).unwrap();
        assert_relative_eq!(found.a, 1.0);
        assert_relative_eq!(found.aopc, 2.0 / 3.0);
        assert_eq!(found.a_interval, (1.0, 1.0));
    }

    #[test]
    fn repeats_of_an_image_do_not_narrow_the_interval() {
        let one = [trace(1.0, &[0.0]), trace(1.0, &[-1.0]), trace(1.0, &[0.5])];
        let many: Vec<Trace> = one.iter().flat_map(|trace| vec![trace.clone(); 5]).collect();
        let images: Vec<usize> = (0..15).map(|trace| 100 - trace / 5).collect();
        let single = quality(&one).unwrap();
        let repeated = quality_by_image(&many, &images).unwrap();
        assert_relative_eq!(single.a, repeated.a, max_relative = 1e-12);
        assert_relative_eq!(single.a_interval.0, repeated.a_interval.0, max_relative = 1e-12);
        assert_relative_eq!(single.curve_high[0], repeated.curve_high[0], max_relative = 1e-12);
        assert_eq!((repeated.n_traces, repeated.n_images), (15, 3));
        let independent = quality(&many).unwrap();
        assert!(independent.a_interval.0 > repeated.a_interval.0);
    }

    #[test]
    fn constant_traces_give_0_and_a_rising_score_gives_a_negative_a() {
        let constant = quality(&[trace(0.25, &[0.25, 0.25])]).unwrap();
        assert_eq!((constant.a, constant.v, constant.aopc), (0.0, 0.0, 0.0));
        assert!(quality(&[trace(0.25, &[1.25, 1.25])]).unwrap().a < 0.0);
        // If the start is negative, a score above 0 is a change of the prediction.
        assert_eq!(quality(&[trace(-0.25, &[0.25])]).unwrap().v, 1.0);
    }

    #[test]
    fn traces_of_different_lengths_are_refused() {
        assert!(matches!(quality(&[]), Err(EvalError::Empty { .. })));
        assert!(matches!(quality(&[trace(1.0, &[])]), Err(EvalError::Empty { .. })));
        let unequal = [trace(1.0, &[1.0]), trace(1.0, &[1.0, 1.0])];
        assert!(matches!(quality(&unequal), Err(EvalError::Length { .. })));
        assert!(matches!(quality_by_image(&unequal[..1], &[]), Err(EvalError::Length { expected: 1, found: 0, .. })));
    }
}
