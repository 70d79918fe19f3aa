//! Sums of the mapping over an image and over batches of its replacements, from which traces are made.

use fisherlens_fisher::{Mapping, Rows, Sign};
use multiversion::multiversion;
use ndarray::{Array2, ArrayView1};

use crate::{EvalError, Resampling};

/// The sums behind an image's raw vector, `S[d] = Σ_l m[d](l)`, with the number of descriptors in each cell.
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

    /// The same from sums at hand, `MappingSums::signed` of `fisherlens-lrp`.
    ///
    /// # Errors
    /// [`EvalError::Length`] when they are not those of this image.
    pub fn from_signed(image: &dyn Mapping, signed: &[f64]) -> Result<Self, EvalError> {
        same("signed sums", image.n_dimensions(), signed.len())?;
        Ok(Self { sums: signed.to_vec(), cell_counts: image.cell_counts() })
    }

    /// Length of the vector.
    pub fn n_dimensions(&self) -> usize {
        self.sums.len()
    }

    /// The raw mean vector `S[d] / n`, with n the descriptors of d's cell; zeros for an empty cell.
    pub fn mean(&self) -> Vec<f32> {
        let mut mean = vec![0.0; self.sums.len()];
        self.write_mean(&mut mean);
        mean
    }

    /// Sums of the mapping, one a dimension.
    pub fn sums(&self) -> &[f64] {
        &self.sums
    }

    /// Takes one batch away, puts another in its place and writes the raw mean vector.
    pub(crate) fn replace(&mut self, removed: ArrayView1<'_, f32>, added: ArrayView1<'_, f32>, mean: &mut [f32]) {
        let (removed, added) = (removed.to_slice(), added.to_slice());
        let (removed, added) =
            (removed.expect("a row of sums is one slice"), added.expect("a row of sums is one slice"));
        let cell_len = self.sums.len() / self.cell_counts.len().max(1);
        for (cell, &count) in self.cell_counts.iter().enumerate() {
            let run = cell * cell_len..(cell + 1) * cell_len;
            let factor = if count == 0 { 0.0 } else { 1.0 / count as f64 };
            replace(&mut self.sums[run.clone()], &removed[run.clone()], &added[run.clone()], factor, &mut mean[run]);
        }
    }

    /// Takes one batch away, so that fewer descriptors remain, and writes the raw mean vector. What remains of an emptied cell is 0.
    pub(crate) fn remove(&mut self, removed: ArrayView1<'_, f32>, counts: &[usize], mean: &mut [f32]) {
        for (count, &fewer) in self.cell_counts.iter_mut().zip(counts) {
            *count = count.saturating_sub(fewer);
        }
        for (sum, &removed) in self.sums.iter_mut().zip(removed) {
            *sum -= f64::from(removed);
        }
        self.write_mean(mean);
    }

    /// Puts descriptors in the place of others of the same cells: their sums change, the number in each cell does not.
    ///
    /// `before` and `after`: the mapping of those that go and of those that come.
    ///
    /// # Errors
    /// [`EvalError::Length`] when the mappings are of another encoder, or differ in their number of descriptors.
    pub fn exchange(&mut self, before: &dyn Mapping, after: &dyn Mapping) -> Result<(), EvalError> {
        same("dimensions of the descriptors that go", self.n_dimensions(), before.n_dimensions())?;
        same("dimensions of the descriptors that come", self.n_dimensions(), after.n_dimensions())?;
        same("descriptors that come", before.n_descriptors(), after.n_descriptors())?;
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

    /// Descriptors in each cell.
    pub fn cell_counts(&self) -> &[usize] {
        &self.cell_counts
    }

    /// Writes the raw mean vector, as [`RawSums::mean`] returns it.
    ///
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
/// What an order removes does not depend on the draws, and what draws add does not depend on the order (a pyramid's
/// cells aside), so either is computed once and used in several traces. Summed in `f64`, kept in `f32`: 16 MB for the
/// paper's 100 batches of 41,216 dimensions.
#[derive(Debug, Clone, PartialEq)]
pub struct BatchSums {
    sums: Array2<f32>,
    /// Descriptors of each batch in each cell.
    cell_counts: Vec<Vec<usize>>,
    n_rows: usize,
    resampling: Resampling,
}

/// `sums += added − removed`, `mean = factor · sums`.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl+fma+avx2", "x86_64+avx2+fma", "aarch64+neon"))]
fn replace(sums: &mut [f64], removed: &[f32], added: &[f32], factor: f64, mean: &mut [f32]) {
    for (((sum, &removed), &added), mean) in sums.iter_mut().zip(removed).zip(added).zip(mean) {
        *sum += f64::from(added) - f64::from(removed);
        *mean = (*sum * factor) as f32;
    }
}

impl BatchSums {
    /// What the replacements take away: the first descriptors of `order`, batch by batch.
    ///
    /// `order`: rows of `image`, most relevant first; as many as are replaced are read.
    ///
    /// # Errors
    /// [`EvalError::Parameter`] for settings without a point of measurement, [`EvalError::Length`] for an order that is too
    /// short, [`EvalError::Order`] when it names a descriptor that does not exist or names one twice.
    pub fn removals(image: &dyn Mapping, order: &[u32], resampling: Resampling) -> Result<Self, EvalError> {
        let n_descriptors = image.n_descriptors();
        let n_replaced = resampling.n_replaced(n_descriptors);
        if order.len() < n_replaced {
            return Err(EvalError::Length { what: "order of replacement", expected: n_replaced, found: order.len() });
        }
        let order = &order[..n_replaced];
        let mut seen = vec![false; n_descriptors];
        for (position, &descriptor) in order.iter().enumerate() {
            match seen.get_mut(descriptor as usize) {
                Some(seen) if !*seen => *seen = true,
                _ => {
                    return Err(EvalError::Order { position, descriptor, n_descriptors });
                }
            }
        }
        Self::of_rows(image, order, resampling)
    }

    /// What the replacements bring: the first `n_replaced` rows of `draws`, batch by batch.
    ///
    /// Row i of `draws` replaces descriptor `order[i]` and has its place, hence its cell, where the encoder is a pyramid.
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
            mapping.sum_few(batch, sums.as_slice_mut().expect("a row of sums is one slice"));
        }
        let cell_counts = rows.chunks(resampling.batch).map(|batch| mapping.cell_counts_of(batch)).collect();
        Ok(Self { sums, cell_counts, n_rows: rows.len(), resampling })
    }

    /// The settings that the batches were cut by.
    pub fn resampling(&self) -> Resampling {
        self.resampling
    }

    /// Batches summed; the last one may be shorter than the others.
    pub fn n_batches(&self) -> usize {
        self.sums.nrows()
    }

    /// Length of the vector.
    pub fn n_dimensions(&self) -> usize {
        self.sums.ncols()
    }

    /// Sum of the mapping over one batch.
    pub(crate) fn batch(&self, batch: usize) -> ArrayView1<'_, f32> {
        self.sums.row(batch)
    }

    /// Descriptors of one batch in each cell.
    pub(crate) fn cell_counts(&self, batch: usize) -> &[usize] {
        &self.cell_counts[batch]
    }

    /// Descriptors summed.
    pub fn n_rows(&self) -> usize {
        self.n_rows
    }
}

/// Refuses two lengths that differ.
pub(crate) fn same(what: &'static str, expected: usize, found: usize) -> Result<(), EvalError> {
    if expected == found { Ok(()) } else { Err(EvalError::Length { what, expected, found }) }
}
