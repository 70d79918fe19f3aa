//! Vectors that are read in blocks, and the reading of one block while the block before it is in use.

use std::error::Error;
use std::ops::Range;

use ndarray::{Array2, ArrayView2, ArrayViewMut2, Axis, s};
use rayon::prelude::*;

use crate::error::ClassifierError;

/// Vectors that are read by one call of [`RowSource::read`]. Several calls run at the same time.
const ROWS_PER_CALL: usize = 16;

/// Vectors that are read in blocks, for samples that do not fit into memory.
///
/// A training reads all vectors several times, in an order that differs from time to time. It calls [`RowSource::read`] from several threads of
/// rayon at once, for at most 16 vectors per call. Every reading of a vector must give the same numbers.
///
/// ```
/// use std::ops::Range;
/// use std::error::Error;
///
/// use fisherlens_classifier::RowSource;
/// use ndarray::{Array2, ArrayViewMut2};
///
/// /// Vectors that are stored with 8 bits per number.
/// struct Bytes(Array2<i8>);
///
/// impl RowSource for Bytes {
///     fn n_rows(&self) -> usize {
///         self.0.nrows()
///     }
///
///     fn n_dimensions(&self) -> usize {
///         self.0.ncols()
///     }
///
///     fn read(&self, rows: Range<usize>, mut target: ArrayViewMut2<'_, f32>) -> Result<(), Box<dyn Error + Send + Sync>> {
///         for (row, mut target) in rows.zip(target.rows_mut()) {
///             target.zip_mut_with(&self.0.row(row), |to, &from| *to = f32::from(from) / 127.0);
///         }
///         Ok(())
///     }
/// }
///
/// let mut target = Array2::zeros((1, 2));
/// Bytes(ndarray::array![[0, 0], [127, -127]]).read(1..2, target.view_mut())?;
/// assert_eq!(target, ndarray::array![[1.0, -1.0]]);
/// # Ok::<(), Box<dyn Error + Send + Sync>>(())
/// ```
pub trait RowSource: Sync {
    /// Number of vectors.
    fn n_rows(&self) -> usize;

    /// D, the number of dimensions of each vector.
    fn n_dimensions(&self) -> usize;

    /// Writes the vectors `rows` into `target` `(rows.len(), n_dimensions)`, which is in C order.
    ///
    /// # Errors
    /// Any error ends the training with [`ClassifierError::Rows`].
    fn read(&self, rows: Range<usize>, target: ArrayViewMut2<'_, f32>) -> Result<(), Box<dyn Error + Send + Sync>>;
}

impl RowSource for ArrayView2<'_, f32> {
    fn n_rows(&self) -> usize {
        self.nrows()
    }

    fn n_dimensions(&self) -> usize {
        self.ncols()
    }

    fn read(&self, rows: Range<usize>, mut target: ArrayViewMut2<'_, f32>) -> Result<(), Box<dyn Error + Send + Sync>> {
        target.assign(&self.slice(s![rows, ..]));
        Ok(())
    }
}

/// Calls `process` for each of the blocks in turn, with the block and its vectors `(block.len(), D)`. While a block is processed, the next
/// one is read. `after` is called on the calling thread after each block. Two blocks are in memory.
pub(crate) fn for_each_block(
    rows: &dyn RowSource,
    blocks: &[Range<usize>],
    mut process: impl FnMut(&Range<usize>, ArrayView2<'_, f32>) -> Result<(), ClassifierError> + Send,
    mut after: impl FnMut(&Range<usize>) -> Result<(), ClassifierError>,
) -> Result<(), ClassifierError> {
    let longest = blocks.iter().map(ExactSizeIterator::len).max().unwrap_or(0);
    let buffer = || Array2::<f32>::zeros((longest, rows.n_dimensions()));
    let (mut current, mut next) = (buffer(), buffer());
    if let Some(block) = blocks.first() {
        read(rows, block, &mut current)?;
    }
    for (index, block) in blocks.iter().enumerate() {
        let (processed, was_read) = rayon::join(
            || process(block, current.slice(s![..block.len(), ..])),
            || blocks.get(index + 1).map_or(Ok(()), |following| read(rows, following, &mut next)),
        );
        processed?;
        was_read?;
        after(block)?;
        std::mem::swap(&mut current, &mut next);
    }
    Ok(())
}

/// Reads a block into the first rows of `target`. The first error in the order of the samples is returned.
fn read(rows: &dyn RowSource, block: &Range<usize>, target: &mut Array2<f32>) -> Result<(), ClassifierError> {
    let mut target = target.slice_mut(s![..block.len(), ..]);
    let parts: Vec<_> = target.axis_chunks_iter_mut(Axis(0), ROWS_PER_CALL).collect();
    let results: Vec<Result<(), ClassifierError>> = parts
        .into_par_iter()
        .enumerate()
        .map(|(index, part)| {
            let first = block.start + index * ROWS_PER_CALL;
            let end = first + part.nrows();
            rows.read(first..end, part).map_err(|source| ClassifierError::Rows { first, last: end - 1, source })
        })
        .collect();
    results.into_iter().collect()
}
