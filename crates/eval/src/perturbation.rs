//! Perturbation: an image is changed step by step, and its score is measured after each step.

use crate::batch_sums::{BatchSums, RawSums};
use crate::error::{EvalError, check_length};

/// The score of one image while it is perturbed.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Trace {
    /// f(x), the score before any perturbation.
    pub start: f64,
    /// f(x(i)), the score of the changed vector at each of the I points of measurement, in order (Eq. 13).
    pub scores: Vec<f32>,
    /// Number of descriptors (or regions) that were replaced.
    pub n_replaced: usize,
    /// Number of descriptors (or regions) that should be replaced. It is larger than `n_replaced` if the image has too few.
    pub n_requested: usize,
}

/// A way to remove information from an image in steps, most relevant first. The score is measured after each step.
///
/// [`Replacement`] is one implementation: it replaces descriptors by others (in Algorithm 1 by draws from the mixture) or removes
/// them. A perturbation of pixels keeps [`RawSums`] and updates them with [`RawSums::exchange`] for the descriptors that changed.
///
/// ```
/// use fisherlens_eval::{Perturbation, perturbation_trace};
///
/// /// Sets one dimension of the vector to 0 per step.
/// struct Erase(Vec<f32>, usize);
///
/// impl Perturbation for Erase {
///     type Error = std::convert::Infallible;
///
///     fn n_points(&self) -> usize {
///         self.0.len()
///     }
///
///     fn mean(&self) -> Vec<f32> {
///         self.0.clone()
///     }
///
///     fn advance(&mut self, mean: &mut [f32]) -> Result<bool, Self::Error> {
///         self.0[self.1] = 0.0;
///         self.1 += 1;
///         mean.copy_from_slice(&self.0);
///         Ok(true)
///     }
///
///     fn progress(&self) -> (usize, usize) {
///         (self.1, self.0.len())
///     }
/// }
///
/// let mut sum = |mean: &[f32]| f64::from(mean.iter().sum::<f32>());
/// let trace = perturbation_trace(&mut Erase(vec![3.0, 1.0], 0), &mut sum)?;
/// assert_eq!((trace.start, trace.scores), (4.0, vec![1.0, 0.0]));
/// # Ok::<(), std::convert::Infallible>(())
/// ```
pub trait Perturbation {
    /// Error of [`advance`](Self::advance).
    type Error;

    /// Number of points of measurement after the start.
    fn n_points(&self) -> usize;

    /// The raw mean vector in the current state.
    fn mean(&self) -> Vec<f32>;

    /// Goes on to the next point and writes the raw mean vector there. Returns false, and writes nothing, if nothing is left to perturb.
    ///
    /// # Errors
    /// The implementation's own.
    fn advance(&mut self, mean: &mut [f32]) -> Result<bool, Self::Error>;

    /// Number of descriptors or regions perturbed so far, and number that should be perturbed in total.
    fn progress(&self) -> (usize, usize);
}

/// Runs a perturbation from its start to its last point. If an image has fewer descriptors or regions than should be perturbed, the
/// score of the last step fills the remaining points.
///
/// `score` gets the raw mean vector. It must apply the normalisation Φ and the classifier, and subtract the threshold if f has one.
///
/// # Errors
/// The errors of the perturbation.
pub fn perturbation_trace<P: Perturbation + ?Sized>(
    perturbation: &mut P,
    score: &mut dyn FnMut(&[f32]) -> f64,
) -> Result<Trace, P::Error> {
    let n_points = perturbation.n_points();
    let mut mean = perturbation.mean();
    let start = score(&mean);
    let mut scores = Vec::with_capacity(n_points);
    while scores.len() < n_points && perturbation.advance(&mut mean)? {
        scores.push(score(&mean) as f32);
    }
    let last = scores.last().copied().unwrap_or(start as f32);
    scores.resize(n_points, last);
    let (n_replaced, n_requested) = perturbation.progress();
    Ok(Trace { start, scores, n_replaced, n_requested })
}

/// Descriptors are replaced by others, or removed, batch by batch.
///
/// ```text
/// replaced   x(i) = x(i−1) + (m(new i) − m(descriptor order[i])) / |L|            (Algorithm 1, Eq. 13)
/// removed    x(i) = Σ_{l ∈ L(i)} m(l) / |L(i)|                                    L(i): the descriptors that remain
/// ```
/// In the paper the new descriptors are draws from the mixture. Another choice is the mean descriptor, repeated. The dimensions of a
/// cell without descriptors are 0.
#[derive(Debug)]
pub struct Replacement<'a> {
    current: RawSums,
    removals: &'a BatchSums,
    /// `None` if descriptors are removed without a replacement.
    additions: Option<&'a BatchSums>,
    /// The next batch.
    next: usize,
}

impl<'a> Replacement<'a> {
    /// Replaces descriptors. `start`: sums of the image. `removals` and `additions`: sums of the old and of the new descriptors,
    /// batch by batch.
    ///
    /// # Errors
    /// [`EvalError::Length`] when the sums come from different encoders, have different numbers of descriptors, or were made with
    /// different settings.
    pub fn new(start: &RawSums, removals: &'a BatchSums, additions: &'a BatchSums) -> Result<Self, EvalError> {
        let n_dimensions = start.n_dimensions();
        check_length("dimensions of the removals", n_dimensions, removals.n_dimensions())?;
        check_length("dimensions of the additions", n_dimensions, additions.n_dimensions())?;
        check_length("descriptors added", removals.n_rows(), additions.n_rows())?;
        let resampling = removals.resampling();
        check_length(
            "replacements of the additions",
            resampling.n_replacements,
            additions.resampling().n_replacements,
        )?;
        check_length("batch of the additions", resampling.batch, additions.resampling().batch)?;
        Ok(Self { current: start.clone(), removals, additions: Some(additions), next: 0 })
    }

    /// Removes descriptors without a replacement.
    ///
    /// # Errors
    /// [`EvalError::Length`] when start and removals come from different encoders, or when the mapping of the removals does not tell
    /// the cells of its descriptors (`Mapping::cell_counts_of`).
    pub fn by_nothing(start: &RawSums, removals: &'a BatchSums) -> Result<Self, EvalError> {
        check_length("dimensions of the removals", start.n_dimensions(), removals.n_dimensions())?;
        if removals.n_batches() > 0 {
            check_length("cells of the removals", start.cell_counts().len(), removals.cell_counts(0).len())?;
        }
        Ok(Self { current: start.clone(), removals, additions: None, next: 0 })
    }
}

impl Perturbation for Replacement<'_> {
    type Error = EvalError;

    fn n_points(&self) -> usize {
        self.removals.resampling().n_points()
    }

    fn mean(&self) -> Vec<f32> {
        self.current.mean()
    }

    fn advance(&mut self, mean: &mut [f32]) -> Result<bool, EvalError> {
        if self.next == self.removals.n_batches() {
            return Ok(false);
        }
        let removed = self.removals.batch(self.next);
        match self.additions {
            Some(additions) => self.current.replace(removed, additions.batch(self.next), mean),
            None => self.current.remove(removed, self.removals.cell_counts(self.next), mean),
        }
        self.next += 1;
        Ok(true)
    }

    fn progress(&self) -> (usize, usize) {
        let resampling = self.removals.resampling();
        ((self.next * resampling.batch).min(self.removals.n_rows()), resampling.n_replacements)
    }
}

#[cfg(test)]
mod tests {
    use approx::assert_relative_eq;
    use fisherlens_fisher::Mapping;
    use ndarray::{Array2, Axis, array};
    use proptest::prelude::*;

    use super::*;
    use crate::resampling::Resampling;

    /// m(l) as a table. `cells[l]` is the cell of descriptor l; row l is 0 in the dimensions of the other cells.
    struct Table {
        rows: Array2<f32>,
        cells: Vec<usize>,
        n_cells: usize,
    }

    impl Mapping for Table {
        fn n_descriptors(&self) -> usize {
            self.rows.nrows()
        }
        fn n_dimensions(&self) -> usize {
            self.rows.ncols()
        }
        fn row(&self, l: usize, out: &mut [f32]) {
            out.copy_from_slice(self.rows.row(l).as_slice().unwrap());
        }
        fn cell_counts(&self) -> Vec<usize> {
            self.cell_counts_of(&(0..self.rows.nrows() as u32).collect::<Vec<_>>())
        }
        fn cell_counts_of(&self, rows: &[u32]) -> Vec<usize> {
            (0..self.n_cells).map(|cell| rows.iter().filter(|&&l| self.cells[l as usize] == cell).count()).collect()
        }
    }

    fn plain(rows: Array2<f32>) -> Table {
        Table { cells: vec![0; rows.nrows()], n_cells: 1, rows }
    }

    const STEPS: Resampling = Resampling { n_replacements: 3, batch: 2 };

    #[test]
    fn removal_matches_hand_computed_values() {
        let image = plain(array![[4.0_f32], [8.0], [0.0], [-4.0]]);
        let removals = BatchSums::removals(&image, &[1, 0, 2], STEPS).unwrap();
        let mut removal = Replacement::by_nothing(&RawSums::new(&image), &removals).unwrap();
        let trace = perturbation_trace(&mut removal, &mut |mean| f64::from(mean[0])).unwrap();
        // 8/4, then −4/2, then −4/1.
        assert_eq!((trace.start, trace.scores), (2.0, vec![-2.0, -4.0]));
        assert_eq!((trace.n_replaced, trace.n_requested), (3, 3));
    }

    #[test]
    fn a_cell_without_descriptors_is_zero() {
        let rows = array![[3.0_f32, 0.0], [0.0, 8.0], [5.0, 0.0]];
        let image = Table { rows, cells: vec![0, 1, 0], n_cells: 2 };
        let removals = BatchSums::removals(&image, &[1, 0], Resampling { n_replacements: 2, batch: 1 }).unwrap();
        let mut removal = Replacement::by_nothing(&RawSums::new(&image), &removals).unwrap();
        let mut mean = removal.mean();
        assert_eq!(mean, [4.0, 8.0]);
        assert!(removal.advance(&mut mean).unwrap());
        assert_eq!(mean, [4.0, 0.0]);
        assert!(removal.advance(&mut mean).unwrap());
        assert_eq!(mean, [5.0, 0.0]);
        assert!(!removal.advance(&mut mean).unwrap());
        assert_eq!(removal.progress(), (2, 2));
    }

    #[test]
    fn a_mapping_that_does_not_tell_its_cells_is_refused() {
        /// Does not implement `cell_counts_of`.
        struct WithoutCells(Table);
        impl Mapping for WithoutCells {
            fn n_descriptors(&self) -> usize {
                self.0.n_descriptors()
            }
            fn n_dimensions(&self) -> usize {
                self.0.n_dimensions()
            }
            fn row(&self, l: usize, out: &mut [f32]) {
                self.0.row(l, out);
            }
            fn cell_counts(&self) -> Vec<usize> {
                self.0.cell_counts()
            }
        }
        let image = WithoutCells(Table { rows: array![[3.0_f32, 0.0], [0.0, 8.0]], cells: vec![0, 1], n_cells: 2 });
        let removals = BatchSums::removals(&image, &[1], Resampling { n_replacements: 1, batch: 1 }).unwrap();
        let refused = Replacement::by_nothing(&RawSums::new(&image), &removals).unwrap_err();
        assert!(matches!(refused, EvalError::Length { expected: 2, found: 1, .. }));
    }

    #[test]
    fn exchanged_descriptors_give_the_sums_of_the_changed_image() {
        let rows = Array2::from_shape_fn((20, 6), |(l, d)| ((l * 7 + d * 5) % 11) as f32 - 5.0);
        let (old, new) =
            (plain(rows.select(Axis(0), &[3, 9])), plain(array![[1.0; 6], [0.25; 6]].mapv(|v: f64| v as f32)));
        let mut altered = rows.clone();
        altered.row_mut(3).fill(1.0);
        altered.row_mut(9).fill(0.25);
        let mut sums = RawSums::new(&plain(rows));
        sums.exchange(&old, &new).unwrap();
        for (found, expected) in sums.mean().iter().zip(RawSums::new(&plain(altered)).mean()) {
            assert_relative_eq!(*found, expected, epsilon = 1e-6);
        }
        assert!(sums.exchange(&old, &plain(Array2::zeros((1, 6)))).is_err());
        assert!(sums.exchange(&old, &plain(Array2::zeros((2, 5)))).is_err());
    }

    proptest! {
        #[test]
        fn removal_gives_the_mean_of_the_remaining_descriptors(
            values in prop::collection::vec(-3.0_f32..3.0, 60), n in 1_usize..20, batch in 1_usize..5,
        ) {
            let rows = Array2::from_shape_vec((20, 3), values).unwrap();
            let order: Vec<u32> = (0..20).map(|i| (i * 7 % 20) as u32).collect();
            let image = plain(rows.clone());
            let removals = BatchSums::removals(&image, &order, Resampling { n_replacements: n, batch }).unwrap();
            let mut removal = Replacement::by_nothing(&RawSums::new(&image), &removals).unwrap();
            let mut mean = removal.mean();
            while removal.advance(&mut mean).unwrap() {
                let (done, _) = removal.progress();
                let left: Vec<usize> = order[done..].iter().map(|&l| l as usize).collect();
                let expected = rows.select(Axis(0), &left).mean_axis(Axis(0)).unwrap_or_else(|| ndarray::Array1::zeros(3));
                for (found, expected) in mean.iter().zip(expected) {
                    prop_assert!((found - expected).abs() < 1e-5, "{} {}", found, expected);
                }
            }
        }
    }
}
