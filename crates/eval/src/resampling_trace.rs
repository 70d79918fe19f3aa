//! Algorithm 1: the most relevant descriptors of an image are replaced by draws from the mixture, and the score is measured.

use fisherlens_fisher::Mapping;

use crate::batch_sums::{BatchSums, RawSums};
use crate::error::EvalError;
use crate::perturbation::{Replacement, Trace, perturbation_trace};
use crate::resampling::Resampling;

/// Replaces descriptors in order and measures the score after every batch (Algorithm 1, Eq. 13).
///
/// ```text
/// x(0) = 1/|L| Σ_l m(l)
/// x(i) = x(i−1) + (m(draw i) − m(descriptor order[i])) / |L|
/// ```
/// `image`: the mapping of the image's descriptors. `draws`: the mapping of new draws from the mixture; row i replaces descriptor
/// `order[i]` and has its position. `order`: descriptors, most relevant first. `score` gets the raw mean vector. It must apply the
/// normalisation Φ and the classifier, and subtract the threshold if f has one.
///
/// The image is not encoded again: its sums are stored in `f64` and changed batch by batch. With a pyramid, |L| is the number of
/// descriptors in the cell.
///
/// If an image has fewer descriptors than should be replaced, all of them are replaced, and the last score fills the remaining points.
///
/// ```
/// use fisherlens_eval::{Resampling, relevance_order, resampling_trace};
/// use fisherlens_fisher::{BagOfWords, DescriptorSet, Encoder};
/// use fisherlens_mixture::DiagonalGmm;
/// use linfa::ParamGuard;
/// use ndarray::array;
///
/// // Two visual words at 0 and 1; an image with two descriptors at 1 and one at 0, and two draws at 0.
/// let mixture = DiagonalGmm::from_parts(array![0.5, 0.5], array![[0.0], [1.0]], array![[0.01], [0.01]])?;
/// let encoder = BagOfWords::params(mixture).check()?;
/// let (values, draws, positions) = (array![[1.0], [0.0], [1.0]], array![[0.0], [0.0]], [[0.5; 2]; 3]);
/// let image = encoder.map(DescriptorSet { values: values.view(), positions: &positions })?;
/// let draws = encoder.map(DescriptorSet { values: draws.view(), positions: &positions[..2] })?;
///
/// // The score is the share of the second word.
/// let settings = Resampling { n_replacements: 2, batch: 1 };
/// let order = relevance_order(&[1.0, 0.0, 0.5]);
/// let trace = resampling_trace(image.as_ref(), draws.as_ref(), &order, settings, &mut |mean| mean[1].into())?;
/// assert!((trace.start - 2.0 / 3.0).abs() < 1e-6 && trace.scores[1].abs() < 1e-6);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// The errors of [`BatchSums::removals`] and [`BatchSums::additions`]; [`EvalError::Length`] when `draws` and `image` come from
/// different encoders.
///
/// # References
/// `lapuschkin2016`, supplement Algorithm 1; `samek2017`.
pub fn resampling_trace(
    image: &dyn Mapping,
    draws: &dyn Mapping,
    order: &[u32],
    resampling: Resampling,
    score: &mut dyn FnMut(&[f32]) -> f64,
) -> Result<Trace, EvalError> {
    let removals = BatchSums::removals(image, order, resampling)?;
    let additions = BatchSums::additions(draws, removals.n_rows(), resampling)?;
    trace_from_sums(&RawSums::new(image), &removals, &additions, score)
}

/// [`resampling_trace`] from sums that have already been computed, so that the removals of one order are summed only once for all
/// repeats.
///
/// # Errors
/// The errors of [`Replacement::new`].
pub fn trace_from_sums(
    start: &RawSums,
    removals: &BatchSums,
    additions: &BatchSums,
    score: &mut dyn FnMut(&[f32]) -> f64,
) -> Result<Trace, EvalError> {
    perturbation_trace(&mut Replacement::new(start, removals, additions)?, score)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::{random_order, relevance_order};
    use approx::assert_relative_eq;
    use ndarray::{Array2, array};
    use rand::{Rng, SeedableRng};
    use rand_xoshiro::Xoshiro256Plus;

    /// m(l) as a table. The rows of each cell are 0 in the dimensions of the other cells.
    struct Table {
        rows: Array2<f32>,
        cell_counts: Vec<usize>,
    }

    impl Table {
        fn new(rows: Array2<f32>) -> Self {
            let cell_counts = vec![rows.nrows()];
            Self { rows, cell_counts }
        }
    }

    impl Mapping for Table {
        fn n_descriptors(&self) -> usize {
            self.rows.nrows()
        }
        fn n_dimensions(&self) -> usize {
            self.rows.ncols()
        }
        fn row(&self, l: usize, out: &mut [f32]) {
            for (out, &value) in out.iter_mut().zip(self.rows.row(l)) {
                *out = value;
            }
        }
        fn cell_counts(&self) -> Vec<usize> {
            self.cell_counts.clone()
        }
    }

    fn random(n: usize, d: usize, seed: u64) -> Array2<f32> {
        let mut rng = Xoshiro256Plus::seed_from_u64(seed);
        Array2::from_shape_simple_fn((n, d), || rng.gen_range(-1.0_f32..1.0))
    }

    fn settings(n_replacements: usize, batch: usize) -> Resampling {
        Resampling { n_replacements, batch }
    }

    #[test]
    fn a_trace_matches_hand_computed_values() {
        let image = Table::new(array![[4.0_f32], [8.0], [0.0], [-4.0]]);
        let draws = Table::new(array![[1.0_f32], [1.0], [1.0]]);
        let order = relevance_order(&[0.5, 2.0, 0.0, -1.0]);
        assert_eq!(order, [1, 0, 2, 3]);
        let mut score = |mean: &[f32]| f64::from(mean[0]) - 0.5;
        let trace = resampling_trace(&image, &draws, &order, settings(3, 2), &mut score).unwrap();
        // Sums: 8, then 8 − 12 + 2 = −2, then −2 − 0 + 1 = −1; four descriptors; less 0.5.
        assert_eq!(trace.start, 1.5);
        assert_eq!(trace.scores, [-1.0, -0.75]);
        assert_eq!((trace.n_replaced, trace.n_requested), (3, 3));
    }

    #[test]
    fn every_point_equals_the_mean_of_the_changed_image() {
        let (image, draws) = (random(50, 7, 1), random(40, 7, 2));
        let mut rng = Xoshiro256Plus::seed_from_u64(3);
        let order = random_order(50, &mut rng);
        let resampling = settings(40, 6);
        let mut changed = image.clone();
        let mut expected = vec![image.mean_axis(ndarray::Axis(0)).unwrap()];
        for (i, &descriptor) in order.iter().take(40).enumerate() {
            changed.row_mut(descriptor as usize).assign(&draws.row(i));
            if (i + 1) % 6 == 0 || i + 1 == 40 {
                expected.push(changed.mean_axis(ndarray::Axis(0)).unwrap());
            }
        }
        let mut found = Vec::new();
        let trace = resampling_trace(&Table::new(image), &Table::new(draws), &order, resampling, &mut |mean| {
            found.push(mean.to_vec());
            f64::from(mean[0])
        })
        .unwrap();
        assert_eq!(found.len(), expected.len());
        assert_eq!(trace.scores.len(), resampling.n_points());
        for (found, expected) in found.iter().zip(&expected) {
            for (&found, &expected) in found.iter().zip(expected) {
                assert_relative_eq!(found, expected, epsilon = 1e-6);
            }
        }
    }

    #[test]
    fn sums_can_be_used_in_several_traces() {
        let image = Table::new(random(30, 5, 4));
        let order = random_order(30, &mut Xoshiro256Plus::seed_from_u64(5));
        let resampling = settings(20, 4);
        let start = RawSums::new(&image);
        let removals = BatchSums::removals(&image, &order, resampling).unwrap();
        for repeat in 0..3 {
            let draws = Table::new(random(20, 5, 10 + repeat));
            let additions = BatchSums::additions(&draws, removals.n_rows(), resampling).unwrap();
            let mut score = |mean: &[f32]| f64::from(mean.iter().sum::<f32>());
            let shared = trace_from_sums(&start, &removals, &additions, &mut score).unwrap();
            let direct = resampling_trace(&image, &draws, &order, resampling, &mut score).unwrap();
            assert_eq!(shared, direct);
        }
        assert_eq!(RawSums::from_signed(&image, start.sums()).unwrap(), start);
    }

    #[test]
    fn in_a_small_image_all_descriptors_are_replaced_and_then_the_score_stays() {
        let image = Table::new(random(5, 2, 6));
        let draws = Table::new(random(9, 2, 7));
        let order = random_order(5, &mut Xoshiro256Plus::seed_from_u64(8));
        let mut calls = 0;
        let trace = resampling_trace(&image, &draws, &order, settings(12, 2), &mut |mean| {
            calls += 1;
            f64::from(mean[0])
        })
        .unwrap();
        assert_eq!((trace.n_replaced, trace.n_requested, trace.scores.len()), (5, 12, 6));
        assert_eq!(trace.scores[2..], [trace.scores[2]; 4]);
        assert_eq!(calls, 4);
        let all_drawn = draws.rows.column(0).iter().take(5).sum::<f32>() / 5.0;
        assert_relative_eq!(trace.scores[5], all_drawn, epsilon = 1e-6);
    }

    #[test]
    fn without_descriptors_the_score_stays_from_the_start() {
        let none = Table::new(Array2::zeros((0, 2)));
        let trace = resampling_trace(&none, &none, &[], settings(4, 2), &mut |_| 0.5).unwrap();
        assert_eq!((trace.start, trace.scores, trace.n_replaced), (0.5, vec![0.5, 0.5], 0));
    }

    #[test]
    fn each_cell_is_divided_by_its_own_number_of_descriptors() {
        // Three cells of one dimension each: three descriptors in the first, one in the second, none in the third.
        let rows = array![[3.0_f32, 0.0, 0.0], [0.0, 8.0, 0.0], [3.0, 0.0, 0.0], [6.0, 0.0, 0.0]];
        let image = Table { rows, cell_counts: vec![3, 1, 0] };
        assert_eq!(RawSums::new(&image).mean(), [4.0, 8.0, 0.0]);
        let draws = Table { rows: array![[0.0_f32, 1.0, 0.0], [9.0, 0.0, 0.0]], cell_counts: vec![1, 1, 0] };
        let mut last = Vec::new();
        resampling_trace(&image, &draws, &[1, 0], settings(2, 1), &mut |mean| {
            last = mean.to_vec();
            0.0
        })
        .unwrap();
        assert_eq!(last, [6.0, 1.0, 0.0]);
    }

    #[test]
    fn invalid_input_is_refused() {
        let image = Table::new(random(4, 2, 9));
        let narrow = Table::new(random(4, 1, 9));
        let mut score = |_: &[f32]| 0.0;
        let mut trace = |draws: &Table, order: &[u32], resampling| {
            resampling_trace(&image, draws, order, resampling, &mut score).unwrap_err()
        };
        let two = settings(2, 1);
        assert!(matches!(trace(&image, &[0, 1], settings(0, 1)), EvalError::Parameter { .. }));
        assert!(matches!(trace(&image, &[0, 1], settings(2, 0)), EvalError::Parameter { .. }));
        assert!(matches!(trace(&image, &[0], two), EvalError::Length { expected: 2, found: 1, .. }));
        assert!(matches!(trace(&image, &[3, 3], two), EvalError::Order { position: 1, descriptor: 3, .. }));
        assert!(matches!(trace(&image, &[0, 4], two), EvalError::Order { position: 1, descriptor: 4, .. }));
        assert!(matches!(trace(&narrow, &[0, 1], two), EvalError::Length { expected: 2, found: 1, .. }));
        let few = Table::new(random(1, 2, 9));
        assert!(matches!(trace(&few, &[0, 1], two), EvalError::Length { expected: 2, found: 1, .. }));
        let start = RawSums::new(&image);
        let removals = BatchSums::removals(&image, &[0, 1], two).unwrap();
        let other = BatchSums::additions(&image, 2, settings(2, 2)).unwrap();
        assert!(trace_from_sums(&start, &removals, &other, &mut score).is_err());
        assert!(RawSums::from_signed(&image, &[0.0]).is_err());
    }
}
