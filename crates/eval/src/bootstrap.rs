//! How much the mean average precision would vary with another sample of images.

use ndarray::ArrayView2;
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::average_precision::{Interpolation, average_of_ranked, ranking};
use crate::error::{EvalError, check_length};

/// Share of the resamples below the interval, and also above it. The middle 95 % remain.
const TAIL: f64 = 0.025;

/// Mean and 95 % interval of a resampled value.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Interval {
    /// Mean over the resamples.
    pub mean: f64,
    /// The 2.5 % quantile.
    pub low: f64,
    /// The 97.5 % quantile.
    pub high: f64,
}

/// Percentile bootstrap of the mean average precision: images are drawn with replacement, each with the scores of all classes.
///
/// `scores` and `labels` `(n_images, n_classes)`; labels are −1, 0 (skipped) or +1. The value of a resample is the mean over those
/// classes that have a positive in it. A resample without any positive is drawn again from the same random stream. Quantiles are
/// interpolated linearly between neighbouring resamples. The same seed gives the same bits.
///
/// ```
/// use fisherlens_eval::{Interpolation, bootstrap_mean_average_precision};
/// use ndarray::array;
///
/// let (scores, labels) = (array![[0.9_f32], [0.1], [0.6], [0.4]], array![[1_i8], [-1], [-1], [1]]);
/// let interval = bootstrap_mean_average_precision(scores.view(), labels.view(), Interpolation::Area, 100, 1)?;
/// assert!(interval.low < interval.mean && interval.mean < interval.high);
/// # Ok::<(), fisherlens_eval::EvalError>(())
/// ```
///
/// # Errors
/// [`EvalError::Length`] when the two arrays differ in shape, [`EvalError::Parameter`] for 0 resamples, [`EvalError::Empty`]
/// without a positive in any class.
///
/// # References
/// `efron1993`, the percentile interval. Images are drawn, not single scores, because the classes of one image depend on each other.
pub fn bootstrap_mean_average_precision(
    scores: ArrayView2<'_, f32>,
    labels: ArrayView2<'_, i8>,
    interpolation: Interpolation,
    n_resamples: usize,
    seed: u64,
) -> Result<Interval, EvalError> {
    let (n_images, n_classes) = scores.dim();
    check_length("images with labels", n_images, labels.nrows())?;
    check_length("classes with labels", n_classes, labels.ncols())?;
    if n_resamples == 0 {
        return Err(EvalError::Parameter {
            name: "n_resamples",
            found: "0".to_owned(),
            expected: "at least 1; 1000 for a report",
        });
    }
    // Scores are ranked only once. A resample determines how many times each image appears in the ranking.
    let rankings: Vec<Vec<(u32, bool)>> = scores
        .columns()
        .into_iter()
        .zip(labels.columns())
        .map(|(scores, labels)| {
            let order = ranking(&scores.to_vec(), &labels.to_vec());
            order.into_iter().map(|image| (image, labels[image as usize] > 0)).collect()
        })
        .collect();
    if !rankings.iter().flatten().any(|image| image.1) {
        return Err(EvalError::Empty { what: "positive image" });
    }

    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut copies = vec![0_u32; n_images];
    let mut envelope = Vec::new();
    let mut means = Vec::with_capacity(n_resamples);
    while means.len() < n_resamples {
        copies.fill(0);
        for _ in 0..n_images {
            copies[rng.gen_range(0..n_images)] += 1;
        }
        let (mut sum, mut n_measured) = (0.0, 0);
        for ranking in &rankings {
            let hits = ranking
                .iter()
                .flat_map(|&(image, positive)| std::iter::repeat_n(positive, copies[image as usize] as usize));
            if let Some(value) = average_of_ranked(hits, interpolation, &mut envelope) {
                sum += value;
                n_measured += 1;
            }
        }
        if n_measured > 0 {
            means.push(sum / f64::from(n_measured));
        }
    }
    let mean = means.iter().sum::<f64>() / n_resamples as f64;
    means.sort_by(f64::total_cmp);
    Ok(Interval { mean, low: quantile(&means, TAIL), high: quantile(&means, 1.0 - TAIL) })
}

/// Quantile of sorted values, interpolated linearly between neighbours.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let position = share * (sorted.len() - 1) as f64;
    let below = position.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (sorted[above] - sorted[below]) * (position - below as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::average_precision::average_precision;
    use ndarray::{Array2, array};

    fn noisy(n_images: usize, seed: u64) -> (Array2<f32>, Array2<i8>) {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        let labels = Array2::from_shape_simple_fn((n_images, 3), || if rng.gen_bool(0.3) { 1 } else { -1 });
        let scores = labels.mapv(|label: i8| f32::from(label) + rng.gen_range(-2.0_f32..2.0));
        (scores, labels)
    }

    #[test]
    fn a_perfect_ranking_does_not_vary() {
        let scores = array![[3.0_f32], [2.0], [1.0], [0.0]];
        let labels = array![[1_i8], [1], [-1], [-1]];
        let found =
            bootstrap_mean_average_precision(scores.view(), labels.view(), Interpolation::Area, 200, 1).unwrap();
        assert_eq!(found, Interval { mean: 1.0, low: 1.0, high: 1.0 });
    }

    #[test]
    fn the_interval_contains_the_estimate_and_narrows_with_more_images() {
        let mut widths = Vec::new();
        for n_images in [60, 600] {
            let (scores, labels) = noisy(n_images, 3);
            let run = |seed| {
                let found = bootstrap_mean_average_precision(
                    scores.view(),
                    labels.view(),
                    Interpolation::ElevenPoint,
                    400,
                    seed,
                );
                found.unwrap()
            };
            let found = run(5);
            assert_eq!(found, run(5));
            assert_ne!(found, run(6));
            let estimate = (0..3)
                .map(|class| {
                    let (scores, labels) = (scores.column(class).to_vec(), labels.column(class).to_vec());
                    average_precision(&scores, &labels, Interpolation::ElevenPoint).unwrap()
                })
                .sum::<f64>()
                / 3.0;
            assert!(found.low < estimate && estimate < found.high, "{found:?} without {estimate}");
            widths.push(found.high - found.low);
        }
        assert!(widths[1] < widths[0] / 2.0, "{widths:?}");
    }

    #[test]
    fn quantiles_match_hand_computed_values() {
        assert_eq!(quantile(&[0.0, 1.0, 2.0], 0.5), 1.0);
        assert_eq!(quantile(&[0.0, 1.0, 2.0], 0.75), 1.5);
        assert_eq!(quantile(&[4.0], TAIL), 4.0);
    }

    #[test]
    fn invalid_input_is_refused() {
        let (scores, labels) = noisy(5, 1);
        let run = |labels: &Array2<i8>, n| {
            bootstrap_mean_average_precision(scores.view(), labels.view(), Interpolation::Area, n, 0)
        };
        assert!(matches!(run(&labels, 0), Err(EvalError::Parameter { .. })));
        assert!(matches!(run(&Array2::zeros((5, 3)), 5), Err(EvalError::Empty { .. })));
        assert!(matches!(run(&Array2::zeros((4, 3)), 5), Err(EvalError::Length { expected: 5, found: 4, .. })));
    }
}
