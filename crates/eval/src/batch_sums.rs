//! Sums of the mapping over an image and over batches of descriptors. Traces are computed from these sums.

use fisherlens_fisher::{Mapping, Rows, Sign};
use fisherlens_lanes::vectorised;
use ndarray::{Array2, ArrayView1};

use crate::error::{EvalError, check_length};
use crate::resampling::Resampling;

/// The sums from which an image's raw mean vector is computed, `S[d] = Σ_l m[d](l)`, and the number of descriptors in each cell.
#[derive(Debug, Clone, PartialEq)]
pub struct RawSums {
    sums: Vec<f64>,
    cell_counts: Vec<usize>,
}

impl RawSums {
    /// Sums over all descriptors of the image.
    pub fn new(image: &dyn Mapping) -> Self {
        let mut sums = vec![0.0; image.n_dimensions()];
        image.accumulate(Rows::All, Sign::Signed, &mut sums);
        Self { sums, cell_counts: image.cell_counts() }
    }

    /// Like [`RawSums::new`], but from sums that have already been computed, such as `MappingSums::signed` of `fisherlens-lrp`.
    ///
    /// # Errors
    /// [`EvalError::Length`] when `signed` has another length than the vector of this image.
    pub fn from_signed(image: &dyn Mapping, signed: &[f64]) -> Result<Self, EvalError> {
        check_length("signed sums", image.n_dimensions(), signed.len())?;
        Ok(Self { sums: signed.to_vec(), cell_counts: image.cell_counts() })
    }

    /// Length of the vector.
    pub(crate) fn n_dimensions(&self) -> usize {
        self.sums.len()
    }

    /// The raw mean vector `S[d] / n`, where n is the number of descriptors in the cell of dimension d. An empty cell gives zeros.
    pub fn mean(&self) -> Vec<f32> {
        let mut mean = vec![0.0; self.sums.len()];
        self.write_mean(&mut mean);
        mean
    }

    /// Sums of the mapping, one per dimension.
    pub fn sums(&self) -> &[f64] {
        &self.sums
    }

    /// Replaces one batch by another and writes the raw mean vector.
    pub(crate) fn replace(&mut self, removed: ArrayView1<'_, f32>, added: ArrayView1<'_, f32>, mean: &mut [f32]) {
        let (removed, added) = (removed.to_slice(), added.to_slice());
        let (removed, added) =
            (removed.expect("a row of sums is contiguous"), added.expect("a row of sums is contiguous"));
        // The dimensions of one cell lie together, and all cells have the same number of dimensions.
        let cell_len = self.sums.len() / self.cell_counts.len().max(1);
        for (cell, &count) in self.cell_counts.iter().enumerate() {
            let run = cell * cell_len..(cell + 1) * cell_len;
            let factor = if count == 0 { 0.0 } else { 1.0 / count as f64 };
            replace(&mut self.sums[run.clone()], &removed[run.clone()], &added[run.clone()], factor, &mut mean[run]);
        }
    }

    /// Removes one batch, with `counts` descriptors in each cell, and writes the raw mean vector. A cell without descriptors gives 0.
    pub(crate) fn remove(&mut self, removed: ArrayView1<'_, f32>, counts: &[usize], mean: &mut [f32]) {
        for (count, &n_removed) in self.cell_counts.iter_mut().zip(counts) {
            *count = count.saturating_sub(n_removed);
        }
        for (sum, &removed) in self.sums.iter_mut().zip(removed) {
            *sum -= f64::from(removed);
        }
        self.write_mean(mean);
    }

    /// Replaces descriptors by others in the same cells. The sums change; the number of descriptors in each cell stays the same.
    ///
    /// `before`: the mapping of the old descriptors. `after`: the mapping of the new ones.
    ///
    /// # Errors
    /// [`EvalError::Length`] when a mapping comes from another encoder, or when they differ in their number of descriptors.
    pub fn exchange(&mut self, before: &dyn Mapping, after: &dyn Mapping) -> Result<(), EvalError> {
        check_length("dimensions of the old descriptors", self.n_dimensions(), before.n_dimensions())?;
        check_length("dimensions of the new descriptors", self.n_dimensions(), after.n_dimensions())?;
        check_length("new descriptors", before.n_descriptors(), after.n_descriptors())?;
        let mut change = vec![0.0; self.sums.len()];
        before.accumulate(Rows::All, Sign::Signed, &mut change);
        for change in &mut change {
            *change = -*change;
        }
        after.accumulate(Rows::All, Sign::Signed, &mut change);
        for (sum, change) in self.sums.iter_mut().zip(change) {
            *sum += change;
        }
        Ok(())
    }

    /// Number of descriptors in each cell.
    pub(crate) fn cell_counts(&self) -> &[usize] {
        &self.cell_counts
    }

    /// Writes the raw mean vector that [`RawSums::mean`] returns into `mean`.
    pub fn write_mean(&self, mean: &mut [f32]) {
        let cell_len = self.sums.len() / self.cell_counts.len().max(1);
        if cell_len == 0 {
            return;
        }
        let cells = self.sums.chunks_exact(cell_len).zip(mean.chunks_exact_mut(cell_len));
        for ((sums, mean), &count) in cells.zip(&self.cell_counts) {
            let factor = if count == 0 { 0.0 } else { 1.0 / count as f64 };
            for (mean, &sum) in mean.iter_mut().zip(sums) {
                *mean = (sum * factor) as f32;
            }
        }
    }
}

/// The sum of the mapping over each batch of descriptors, `(n_batches, n_dimensions)`.
///
/// The sums of removed descriptors do not depend on the draws. The sums of drawn descriptors do not depend on the order, except through
/// the cells of a pyramid. So both are computed once and used in several traces. They are summed in `f64` and stored in `f32`:
/// 16 MB for the paper's 100 batches of 41,216 dimensions.
#[derive(Debug, Clone, PartialEq)]
pub struct BatchSums {
    sums: Array2<f32>,
    /// Number of descriptors of each batch in each cell.
    cell_counts: Vec<Vec<usize>>,
    n_rows: usize,
    resampling: Resampling,
}

/// The part of `order` that is replaced.
///
/// # Errors
/// [`EvalError::Length`] for an order that is too short, [`EvalError::Order`] when this part contains a descriptor that does not exist, or
/// contains one twice.
pub(crate) fn replaced(order: &[u32], n_descriptors: usize, resampling: Resampling) -> Result<&[u32], EvalError> {
    let n_replaced = resampling.n_replaced(n_descriptors);
    let Some(order) = order.get(..n_replaced) else {
        return Err(EvalError::Length { what: "order of replacement", expected: n_replaced, found: order.len() });
    };
    let mut seen = vec![false; n_descriptors];
    for (position, &descriptor) in order.iter().enumerate() {
        match seen.get_mut(descriptor as usize) {
            Some(seen) if !*seen => *seen = true,
            _ => return Err(EvalError::Order { position, descriptor, n_descriptors }),
        }
    }
    Ok(order)
}

vectorised!(
    /// `sums += added − removed`, `mean = factor · sums`.
    fn replace(sums: &mut [f64], removed: &[f32], added: &[f32], factor: f64, mean: &mut [f32]) {
        for (((sum, &removed), &added), mean) in sums.iter_mut().zip(removed).zip(added).zip(mean) {
            *sum += f64::from(added) - f64::from(removed);
            *mean = (*sum * factor) as f32;
        }
    }
);

impl BatchSums {
    /// Sums of the descriptors that are replaced: the first ones of `order`, batch by batch.
    ///
    /// `order`: rows of `image`, most relevant first. Only the descriptors that are replaced are read from it.
    ///
    /// # Errors
    /// [`EvalError::Parameter`] for settings without a point of measurement, [`EvalError::Length`] for an order that is too
    /// short, [`EvalError::Order`] when the order contains a descriptor that does not exist, or contains one twice.
    pub fn removals(image: &dyn Mapping, order: &[u32], resampling: Resampling) -> Result<Self, EvalError> {
        Self::of_rows(image, replaced(order, image.n_descriptors(), resampling)?, resampling)
    }

    /// Sums of the new descriptors: the first `n_replaced` rows of `draws`, batch by batch.
    ///
    /// Row i of `draws` replaces descriptor `order[i]`. It has the position of that descriptor and so, in a pyramid, its cell.
    ///
    /// # Errors
    /// [`EvalError::Parameter`] for settings without a point of measurement, [`EvalError::Length`] for too few draws.
    pub fn additions(draws: &dyn Mapping, n_replaced: usize, resampling: Resampling) -> Result<Self, EvalError> {
        if draws.n_descriptors() < n_replaced {
            return Err(EvalError::Length {
                what: "draws from the mixture",
                expected: n_replaced,
                found: draws.n_descriptors(),
            });
        }
        let rows: Vec<u32> = (0..n_replaced as u32).collect();
        Self::of_rows(draws, &rows, resampling)
    }

    fn of_rows(mapping: &dyn Mapping, rows: &[u32], resampling: Resampling) -> Result<Self, EvalError> {
        resampling.check()?;
        let n_batches = rows.len().div_ceil(resampling.batch);
        let mut sums = Array2::zeros((n_batches, mapping.n_dimensions()));
        for (batch, mut sums) in rows.chunks(resampling.batch).zip(sums.rows_mut()) {
            mapping.sum_few(batch, sums.as_slice_mut().expect("a row of sums is contiguous"));
        }
        let cell_counts = rows.chunks(resampling.batch).map(|batch| mapping.cell_counts_of(batch)).collect();
        Ok(Self { sums, cell_counts, n_rows: rows.len(), resampling })
    }

    /// The settings that determined the batches.
    pub(crate) fn resampling(&self) -> Resampling {
        self.resampling
    }

    /// Number of batches. The last batch may be shorter than the others.
    pub(crate) fn n_batches(&self) -> usize {
        self.sums.nrows()
    }

    /// Length of the vector.
    pub(crate) fn n_dimensions(&self) -> usize {
        self.sums.ncols()
    }

    /// Sum of the mapping over one batch.
    pub(crate) fn batch(&self, batch: usize) -> ArrayView1<'_, f32> {
        self.sums.row(batch)
    }

    /// Number of descriptors of one batch in each cell.
    pub(crate) fn cell_counts(&self, batch: usize) -> &[usize] {
        &self.cell_counts[batch]
    }

    /// Number of descriptors in all batches together.
    pub fn n_rows(&self) -> usize {
        self.n_rows
    }
}
