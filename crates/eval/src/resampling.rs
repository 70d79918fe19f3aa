//! Algorithm 1: the most relevant descriptors of an image are replaced by draws from the mixture, and the score is watched.

use fisherlens_fisher::Mapping;

use crate::{BatchSums, EvalError, RawSums, Replacement, Trace, perturbation_trace};

/// Replacements of an image, in the paper (supplement §4.1).
const N_REPLACEMENTS: usize = 10_000;
/// Replacements between two measurements, in the paper (supplement §4.1).
const BATCH: usize = 100;

/// How many descriptors are replaced and how often the score is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Resampling {
    /// Descriptors to replace, the first of the order; 10,000 in the paper.
    pub n_replacements: usize,
    /// Replacements between two measurements; 100 in the paper.
    pub batch: usize,
}

impl Default for Resampling {
    fn default() -> Self {
        Self { n_replacements: N_REPLACEMENTS, batch: BATCH }
    }
}

impl Resampling {
    /// I, the points of measurement after the start: 100 in the paper. A last batch may be shorter than the others.
    pub fn n_points(&self) -> usize {
        if self.batch == 0 { 0 } else { self.n_replacements.div_ceil(self.batch) }
    }

    /// Replacements that an image of `n_descriptors` allows.
    pub fn n_replaced(&self, n_descriptors: usize) -> usize {
        self.n_replacements.min(n_descriptors)
    }

    /// Refuses settings without a point of measurement.
    ///
    /// # Errors
    /// [`EvalError::Parameter`] when either number is 0.
    pub fn check(&self) -> Result<(), EvalError> {
        for (name, found) in [("n_replacements", self.n_replacements), ("batch", self.batch)] {
            if found == 0 {
                return Err(EvalError::Parameter { name, found: found.to_string(), expected: "a number above 0" });
            }
        }
        Ok(())
    }
}

/// Replaces descriptors in order and measures the score after every batch (Algorithm 1, Eq. 13).
///
/// ```text
/// x(0) = 1/|L| Σ_l m(l)
/// x(i) = x(i−1) + (m(draw i) − m(descriptor order[i])) / |L|
/// ```
/// `image`: the mapping of the image's descriptors. `draws`: that of fresh draws from the mixture; row i replaces descriptor
/// `order[i]` and has its place. `order`: most relevant first. `score` gets the raw mean vector and applies the normalisation Φ
/// and the classifier itself, less the threshold where f has one. The vector is never encoded anew: its sums are
/// kept in `f64` and altered batch by batch. With a pyramid, |L| is the number of descriptors in the cell.
///
/// An image with fewer descriptors than are to be replaced has all of them replaced; from there on the curve stays level.
///
/// # Errors
/// Those of [`BatchSums::removals`] and [`BatchSums::additions`]; [`EvalError::Length`] when `draws` and `image` are of
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

/// [`resampling_trace`] from sums made before, so that repeats of one order do not sum its removals again.
///
/// # Errors
/// Those of [`Replacement::new`].
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
    use crate::{random_order, relevance_order};
    use approx::assert_relative_eq;
    use ndarray::{Array2, array};
    use rand::{Rng, SeedableRng};
    use rand_xoshiro::Xoshiro256Plus;

    /// m(l) as a table; the rows of each cell are zero in the dimensions of the others.
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
    fn the_paper_measures_at_a_hundred_points() {
        assert_eq!(Resampling::default(), settings(10_000, 100));
        assert_eq!(Resampling::default().n_points(), 100);
        assert_eq!(settings(7, 3).n_points(), 3);
    }

    #[test]
    fn by_hand() {
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
    fn every_point_equals_a_vector_made_anew() {
        let (image, draws) = (random(50, 7, 1), random(40, 7, 2));
        let mut rng = Xoshiro256Plus::seed_from_u64(3);
        let order = random_order(50, &mut rng);
        let resampling = settings(40, 6);
        let mut altered = image.clone();
        let mut expected = vec![image.mean_axis(ndarray::Axis(0)).unwrap()];
        for (i, &descriptor) in order.iter().take(40).enumerate() {
            altered.row_mut(descriptor as usize).assign(&draws.row(i));
            if (i + 1) % 6 == 0 || i + 1 == 40 {
                expected.push(altered.mean_axis(ndarray::Axis(0)).unwrap());
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
    fn removals_and_additions_can_be_shared() {
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
            let whole = resampling_trace(&image, &draws, &order, resampling, &mut score).unwrap();
            assert_eq!(shared, whole);
        }
        assert_eq!(RawSums::from_signed(&image, start.sums()).unwrap(), start);
    }

    #[test]
    fn a_small_image_replaces_all_and_then_stays_level() {
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
    fn an_image_without_descriptors_is_level_from_the_start() {
        let none = Table::new(Array2::zeros((0, 2)));
        let trace = resampling_trace(&none, &none, &[], settings(4, 2), &mut |_| 0.5).unwrap();
        assert_eq!((trace.start, trace.scores, trace.n_replaced), (0.5, vec![0.5, 0.5], 0));
    }

    #[test]
    fn cells_are_divided_by_their_own_counts() {
        // Two cells of one dimension: three descriptors in the first, one in the second, and a third cell that is empty.
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
    fn what_does_not_fit_is_refused() {
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
