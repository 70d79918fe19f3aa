//! Sums of the mapping over batches of descriptors, some dimensions at a time.
//!
//! A perturbation measures the score after each batch. It needs the sums of all batches, but only one pass over them. In parts of some
//! hundred dimensions they stay in the cache; all dimensions of all batches are 16 MB at the numbers of the paper.

use std::ops::Range;

use crate::encoder::Mapping;

/// The sums `Σ_{l in batch} m_d(l)` of each batch of an order of descriptors, one part of the dimensions at a time.
///
/// [`Mapping::by_batch`] makes it. All mappings of one encoder have the same parts.
///
/// ```
/// use fisherlens_fisher::{DescriptorSet, Encoder, FisherVector};
/// use fisherlens_mixture::DiagonalGmm;
/// use ndarray::array;
///
/// let mixture = DiagonalGmm::from_parts(array![0.5, 0.5], array![[0.0], [9.0]], array![[1.0], [1.0]])?;
/// let encoder = FisherVector::params(mixture).check()?;
/// let values = array![[0.5_f32], [9.5], [8.0]];
/// let mapping = encoder.map(DescriptorSet { values: values.view(), positions: &[[0.5; 2]; 3] })?;
///
/// // Two batches: the descriptors 2 and 0, and the descriptor 1.
/// let by_batch = mapping.by_batch(&[2, 0, 1], 2);
/// let mut whole = vec![[0.0; 2]; mapping.n_dimensions()];
/// for part in 0..by_batch.n_parts() {
///     let dimensions: Vec<usize> = by_batch.dimensions(part).into_iter().flatten().collect();
///     let mut sums = vec![0.0; 2 * dimensions.len()];
///     by_batch.sum(part, &mut sums);
///     for (batch, sums) in sums.chunks(dimensions.len()).enumerate() {
///         for (&dimension, &sum) in dimensions.iter().zip(sums) {
///             whole[dimension][batch] = sum;
///         }
///     }
/// }
/// let mut last = vec![0.0; mapping.n_dimensions()];
/// mapping.row(1, &mut last);
/// assert!(whole.iter().zip(&last).all(|(found, expected)| (found[1] - expected).abs() < 1e-5));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait SumsByBatch {
    /// Number of batches; the last one may be shorter than the others.
    fn n_batches(&self) -> usize;

    /// Number of parts.
    fn n_parts(&self) -> usize;

    /// The dimensions of a part, in the order of its sums. Each dimension is in one part.
    ///
    /// # Panics
    /// When there is no such part.
    fn dimensions(&self, part: usize) -> Vec<Range<usize>>;

    /// Overwrites `sums` `(n_batches, number of dimensions of the part)`.
    ///
    /// # Panics
    /// When there is no such part, or `sums` has another length.
    fn sum(&self, part: usize, sums: &mut [f32]);
}

/// Dimensions of one part of [`WholeSums`].
const PART: usize = 512;

/// All sums, computed at once by [`Mapping::sum_few`].
pub(crate) struct WholeSums {
    n_dimensions: usize,
    /// One vector per batch.
    batches: Vec<Vec<f32>>,
}

impl WholeSums {
    pub(crate) fn new<M: Mapping + ?Sized>(mapping: &M, rows: &[u32], batch: usize) -> Self {
        let n_dimensions = mapping.n_dimensions();
        let of_batch = |rows: &[u32]| {
            let mut sums = vec![0.0; n_dimensions];
            mapping.sum_few(rows, &mut sums);
            sums
        };
        Self { n_dimensions, batches: rows.chunks(batch.max(1)).map(of_batch).collect() }
    }
}

impl SumsByBatch for WholeSums {
    fn n_batches(&self) -> usize {
        self.batches.len()
    }

    fn n_parts(&self) -> usize {
        self.n_dimensions.div_ceil(PART)
    }

    fn dimensions(&self, part: usize) -> Vec<Range<usize>> {
        std::iter::once(part * PART..self.n_dimensions.min((part + 1) * PART)).collect()
    }

    fn sum(&self, part: usize, sums: &mut [f32]) {
        let dimensions = part * PART..self.n_dimensions.min((part + 1) * PART);
        assert_eq!(sums.len(), self.batches.len() * dimensions.len(), "one row of sums per batch");
        for (sums, batch) in sums.chunks_exact_mut(dimensions.len()).zip(&self.batches) {
            sums.copy_from_slice(&batch[dimensions.clone()]);
        }
    }
}
