//! What can be done to an image step by step while its score is watched.

use crate::batch_sums::same;
use crate::{BatchSums, EvalError, RawSums};

/// The score of one image while it is perturbed.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Trace {
    /// f(x), before any perturbation.
    pub start: f64,
    /// f of the altered vector at each point of measurement, in their order; I of them (Eq. 13).
    pub scores: Vec<f32>,
    /// Descriptors (or regions) replaced in the end.
    pub n_replaced: usize,
    /// How many were to be replaced; more than `n_replaced` for an image that has fewer.
    pub n_requested: usize,
}

/// A way of taking information out of an image, most relevant first, in steps between which the score is measured.
///
/// [`Replacement`] of descriptors by others, draws from the mixture in Algorithm 1, or by nothing, is one. One that alters pixels
/// keeps [`RawSums`] and exchanges in them the descriptors that it touched ([`RawSums::exchange`]).
pub trait Perturbation {
    /// What can go wrong on the way.
    type Error;

    /// Points of measurement after the start.
    fn n_points(&self) -> usize;

    /// The raw mean vector of the image as it is.
    fn mean(&self) -> Vec<f32>;

    /// Goes on to the next point and writes the raw mean vector there; false, with nothing written, once there is nothing left to perturb.
    ///
    /// # Errors
    /// The implementation's own.
    fn advance(&mut self, mean: &mut [f32]) -> Result<bool, Self::Error>;

    /// Units perturbed so far, descriptors or regions, and units asked for in all.
    fn progress(&self) -> (usize, usize);
}

/// Follows a perturbation from its start to its last point. Where an image has less to perturb than was asked for, the curve stays level.
///
/// `score` gets the raw mean vector and applies the normalisation Φ and the classifier itself, less the threshold where f has one.
///
/// # Errors
/// Those of the perturbation.
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

/// Descriptors are replaced by others, or taken away, batch by batch.
///
/// ```text
/// replaced   x(i) = x(i−1) + (m(other i) − m(descriptor order[i])) / |L|            (Algorithm 1, Eq. 13)
/// removed    x(i) = Σ_{l still there} m(l) / |still there|
/// ```
/// The others are draws from the mixture in the paper; the mean descriptor, repeated, is another choice. Once a cell has no descriptor left its
/// dimensions are 0.
#[derive(Debug)]
pub struct Replacement<'a> {
    current: RawSums,
    removals: &'a BatchSums,
    /// Nothing comes where descriptors are taken away.
    additions: Option<&'a BatchSums>,
    next: usize,
}

impl<'a> Replacement<'a> {
    /// `start`: sums of the image; `removals` and `additions`: what goes and what comes, batch by batch.
    ///
    /// # Errors
    /// [`EvalError::Length`] when the sums are of different encoders or stand for different numbers of descriptors, and when
    /// the removals and additions were made with different settings.
    pub fn new(start: &RawSums, removals: &'a BatchSums, additions: &'a BatchSums) -> Result<Self, EvalError> {
        let n_dimensions = start.n_dimensions();
        same("dimensions of the removals", n_dimensions, removals.n_dimensions())?;
        same("dimensions of the additions", n_dimensions, additions.n_dimensions())?;
        same("descriptors added", removals.n_rows(), additions.n_rows())?;
        let resampling = removals.resampling();
        same("replacements of the additions", resampling.n_replacements, additions.resampling().n_replacements)?;
        same("batch of the additions", resampling.batch, additions.resampling().batch)?;
        Ok(Self { current: start.clone(), removals, additions: Some(additions), next: 0 })
    }

    /// Nothing takes the place of what goes.
    ///
    /// # Errors
    /// [`EvalError::Length`] when start and removals are of different encoders, or when the mapping that the removals were made from does not
    /// say which cells its descriptors are in (`Mapping::cell_counts_of`).
    pub fn by_nothing(start: &RawSums, removals: &'a BatchSums) -> Result<Self, EvalError> {
        same("dimensions of the removals", start.n_dimensions(), removals.n_dimensions())?;
        if removals.n_batches() > 0 {
            same("cells of the removals", start.cell_counts().len(), removals.cell_counts(0).len())?;
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
    use crate::Resampling;

    /// m(l) as a table; `cells[l]` is the cell of descriptor l, and rows are 0 in the dimensions of the others.
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
    fn removal_by_hand() {
        let image = plain(array![[4.0_f32], [8.0], [0.0], [-4.0]]);
        let removals = BatchSums::removals(&image, &[1, 0, 2], STEPS).unwrap();
        let mut removal = Replacement::by_nothing(&RawSums::new(&image), &removals).unwrap();
        let trace = perturbation_trace(&mut removal, &mut |mean| f64::from(mean[0])).unwrap();
        // 8/4, then −4/2, then −4/1.
        assert_eq!((trace.start, trace.scores), (2.0, vec![-2.0, -4.0]));
        assert_eq!((trace.n_replaced, trace.n_requested), (3, 3));
    }

    #[test]
    fn an_emptied_cell_is_zero() {
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
    fn a_mapping_that_does_not_know_its_cells_is_refused() {
        struct Silent(Table);
        impl Mapping for Silent {
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
        let image = Silent(Table { rows: array![[3.0_f32, 0.0], [0.0, 8.0]], cells: vec![0, 1], n_cells: 2 });
        let removals = BatchSums::removals(&image, &[1], Resampling { n_replacements: 1, batch: 1 }).unwrap();
        let refused = Replacement::by_nothing(&RawSums::new(&image), &removals).unwrap_err();
        assert!(matches!(refused, EvalError::Length { expected: 2, found: 1, .. }));
    }

    #[test]
    fn exchanged_descriptors_are_those_of_a_new_image() {
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
        fn removal_equals_the_mean_of_what_is_left(
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
