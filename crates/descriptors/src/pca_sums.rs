//! Mean and covariance of descriptors, over one shard or over all of them.

use std::borrow::Borrow;

use ndarray::{Array, Array1, Array2, ArrayView2, Axis, Dimension};
use rayon::prelude::*;

use crate::error::DescriptorError;
use crate::pca::refuse_not_finite;

/// Rows that one task sums; fixed, so that sums do not depend on the number of threads.
const ROWS: usize = 4096;

/// Number of partial sums in memory at a time.
const TASKS: usize = 16;

/// Number of descriptors of one shard, their mean, and their second moments about it, from which a projection is learned.
///
/// ```text
/// mean = 1/N · Σ_n x[n]     moments = Σ_n (x[n] − mean) (x[n] − mean)ᵀ
/// ```
/// A sample that does not fit into memory is divided into shards. Any number of workers makes the sums of the shards;
/// [`PcaValidParams::fit_sums`](crate::PcaValidParams::fit_sums) combines them in the order of the shards. The result does not depend on
/// the number of workers and threads, to the last bit. Other borders between the shards change the rounding.
///
/// ```
/// use fisherlens_descriptors::{Pca, PcaSums};
/// use linfa::ParamGuard;
/// use ndarray::Array2;
///
/// let shard = |first: usize| Array2::from_shape_fn((50, 3), |(row, column)| ((first + row) * (column + 1)) as f32);
/// let sums = [PcaSums::of(shard(0).view())?, PcaSums::of(shard(50).view())?];
/// let pca = Pca::params(1).check()?.fit_sums(&sums)?;
/// assert_eq!(pca.mean()[0], 49.5);
/// # Ok::<(), fisherlens_descriptors::DescriptorError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(try_from = "Parts"))]
pub struct PcaSums {
    n_samples: usize,
    /// `(n_features)`.
    mean: Array1<f64>,
    /// `(n_features, n_features)`, symmetric. The eigenvalues are computed from the entries on and below the diagonal.
    moments: Array2<f64>,
}

/// The fields as they are read from a file, not checked yet.
#[cfg(feature = "serde")]
#[derive(serde::Deserialize)]
struct Parts {
    n_samples: usize,
    mean: Array1<f64>,
    moments: Array2<f64>,
}

#[cfg(feature = "serde")]
impl TryFrom<Parts> for PcaSums {
    type Error = DescriptorError;

    fn try_from(parts: Parts) -> Result<Self, DescriptorError> {
        Self { n_samples: parts.n_samples, mean: parts.mean, moments: parts.moments }.check()
    }
}

impl PcaSums {
    /// The sums of the rows of `x` `(N, n_features)`, in `f64` and on all threads. A shard can have no rows; its sums are zeros.
    ///
    /// # Errors
    /// [`DescriptorError::NotFinite`] for a value that is infinite or NaN.
    pub fn of(x: ArrayView2<'_, f32>) -> Result<Self, DescriptorError> {
        refuse_not_finite("the sample", x)?;
        let (n_samples, n_features) = x.dim();
        let zeros = Array2::zeros((n_features, n_features));
        if n_samples == 0 {
            return Ok(Self { n_samples, mean: Array1::zeros(n_features), moments: zeros });
        }
        let sum_rows = |rows: ArrayView2<'_, f32>| {
            let mut sums = Array1::<f64>::zeros(n_features);
            for row in rows.rows() {
                sums.zip_mut_with(&row, |sum, &value| *sum += f64::from(value));
            }
            sums
        };
        let mean = ordered_sum(x, Array1::zeros(n_features), sum_rows) / n_samples as f64;
        let multiply_rows = |rows: ArrayView2<'_, f32>| {
            let centred = rows.mapv(f64::from) - &mean;
            centred.t().dot(&centred)
        };
        let moments = ordered_sum(x, zeros, multiply_rows);
        Ok(Self { n_samples, mean, moments })
    }

    /// Combines the sums of all shards in their order. Returns `None` if there is no shard.
    pub(crate) fn total(shards: impl IntoIterator<Item: Borrow<Self>>) -> Result<Option<Self>, DescriptorError> {
        let mut total: Option<Self> = None;
        for sums in shards {
            match &mut total {
                None => total = Some(sums.borrow().clone()),
                Some(total) => total.append(sums.borrow())?,
            }
        }
        Ok(total)
    }

    /// Combines these sums with those of the shard that follows. The order of the shards decides the last bits.
    ///
    /// ```text
    /// N = N_a + N_b   δ = mean_b − mean_a   mean = mean_a + δ · N_b/N
    /// moments = moments_a + moments_b + δ δᵀ · N_a · N_b/N
    /// ```
    ///
    /// # Errors
    /// [`DescriptorError::Dimension`] if the numbers of features differ.
    ///
    /// # References
    /// `chan1983`.
    pub fn append(&mut self, next: &Self) -> Result<(), DescriptorError> {
        if next.n_features() != self.n_features() {
            let (expected, found) = (self.n_features(), next.n_features());
            return Err(DescriptorError::Dimension { what: "the shard", expected, found });
        }
        if next.n_samples == 0 {
            return Ok(());
        }
        if self.n_samples == 0 {
            self.clone_from(next);
            return Ok(());
        }
        let (n_a, n_b) = (self.n_samples as f64, next.n_samples as f64);
        let share = n_b / (n_a + n_b);
        let difference = &next.mean - &self.mean;
        self.moments += &next.moments;
        for (mut row, &along) in self.moments.rows_mut().into_iter().zip(&difference) {
            row.scaled_add(1.0, &difference.mapv(|across| n_a * share * (along * across)));
        }
        self.mean.scaled_add(share, &difference);
        self.n_samples = self.n_samples.saturating_add(next.n_samples);
        Ok(())
    }

    /// Number of rows, N.
    pub fn n_samples(&self) -> usize {
        self.n_samples
    }

    /// Number of entries per row.
    pub fn n_features(&self) -> usize {
        self.mean.len()
    }

    /// Mean of the rows `(n_features)`.
    pub(crate) fn mean(&self) -> &Array1<f64> {
        &self.mean
    }

    /// Covariance matrix `(n_features, n_features)`, with denominator N − 1, of at least two samples.
    pub(crate) fn covariance(&self) -> Array2<f64> {
        &self.moments / (self.n_samples - 1) as f64
    }

    /// Refuses what [`PcaSums::of`] cannot return.
    #[cfg(any(feature = "serde", test))]
    fn check(self) -> Result<Self, DescriptorError> {
        let n_features = self.n_features();
        let (n_rows, n_columns) = self.moments.dim();
        for (what, found) in [("moments", n_columns), ("the transposed moments", n_rows)] {
            if found != n_features {
                return Err(DescriptorError::Dimension { what, expected: n_features, found });
            }
        }
        refuse_not_finite("mean", self.mean.view().insert_axis(Axis(0)))?;
        refuse_not_finite("moments", self.moments.view())?;
        if let Some(found) = self.moments.diag().iter().find(|&&value| value < 0.0) {
            let (found, expected) = (found.to_string(), "sums of squares of at least 0 on the diagonal");
            return Err(DescriptorError::Parameter { field: "moments", found, expected });
        }
        Ok(self)
    }
}

/// Sum of `partial` over blocks of rows of fixed size. The blocks are computed in parallel and added in their order.
fn ordered_sum<D: Dimension>(
    x: ArrayView2<'_, f32>,
    zero: Array<f64, D>,
    partial: impl Fn(ArrayView2<'_, f32>) -> Array<f64, D> + Sync,
) -> Array<f64, D> {
    let mut sum = zero;
    for wave in x.axis_chunks_iter(Axis(0), ROWS * TASKS) {
        let blocks: Vec<_> = wave.axis_chunks_iter(Axis(0), ROWS).collect();
        let partials: Vec<_> = blocks.into_par_iter().map(&partial).collect();
        for partial in partials {
            sum += &partial;
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use linfa::traits::Fit;
    use linfa::{DatasetBase, ParamGuard};
    use ndarray::{array, s};
    use rayon::ThreadPoolBuilder;

    use super::*;
    use crate::params::{PcaValidParams, Whitening};
    use crate::pca::Pca;

    /// Rows whose columns depend on each other, with different variances, around `offset`.
    fn sample(n_samples: usize, n_features: usize, offset: f32) -> Array2<f32> {
        let noise = |n: usize, d: usize| ((n * 7919 + d * 104_729 + n * n * 13) % 1009) as f32 / 1009.0 - 0.5;
        Array2::from_shape_fn((n_samples, n_features), |(n, d)| {
            offset + 8.0 * noise(n, d) / (1.0 + d as f32) + 2.0 * noise(n, 99)
        })
    }

    fn shards(x: &Array2<f32>, bounds: &[usize]) -> Vec<PcaSums> {
        bounds.windows(2).map(|pair| PcaSums::of(x.slice(s![pair[0]..pair[1], ..])).unwrap()).collect()
    }

    fn params(n_components: usize) -> PcaValidParams {
        Pca::params(n_components).whitening(Whitening::On).check().unwrap()
    }

    #[test]
    fn one_shard_has_the_bits_of_the_fit() {
        for n_samples in [2, 500, 10_000] {
            let x = sample(n_samples, 6, 3.0);
            let whole = params(4).fit(&DatasetBase::from(x.view())).unwrap();
            let empty = PcaSums::of(x.slice(s![..0, ..])).unwrap();
            let shard = PcaSums::of(x.view()).unwrap();
            assert_eq!(params(4).fit_sums([&shard]).unwrap(), whole);
            assert_eq!(params(4).fit_sums([&empty, &shard, &empty]).unwrap(), whole);
        }
    }

    #[test]
    fn shards_have_the_projection_of_the_whole_also_far_from_0() {
        for offset in [0.0, 3e4] {
            let x = sample(9001, 5, offset);
            let whole = params(5).fit(&DatasetBase::from(x.view())).unwrap();
            let found = params(5).fit_sums(shards(&x, &[0, 1, 1, 700, 5000, 9001])).unwrap();
            let close = |a: &f32, b: &f32, scale: f32| (a - b).abs() <= 1e-6 * scale;
            assert!(found.mean().iter().zip(whole.mean()).all(|(a, b)| close(a, b, offset.max(1.0))));
            assert!(found.components().iter().zip(whole.components()).all(|(a, b)| close(a, b, 1.0)), "{offset}");
            for (a, b) in found.explained_variance().iter().zip(whole.explained_variance()) {
                assert!(close(a, b, *b), "{a} {b}");
            }
        }
    }

    #[test]
    fn moments_equal_their_definition() {
        let x = sample(300, 3, 1e4);
        let total = PcaSums::total(shards(&x, &[0, 100, 250, 300])).unwrap().unwrap();
        assert_eq!(total.n_samples(), 300);
        let mean = |d: usize| x.column(d).iter().map(|&x| f64::from(x)).sum::<f64>() / 300.0;
        for (i, j) in [(0, 0), (0, 1), (2, 1), (2, 2)] {
            let products =
                x.rows().into_iter().map(|row| (f64::from(row[i]) - mean(i)) * (f64::from(row[j]) - mean(j)));
            let expected: f64 = products.sum();
            assert!((total.moments[[i, j]] - expected).abs() < 1e-9 * expected.abs().max(1.0), "{expected}");
        }
    }

    #[test]
    fn the_number_of_threads_and_the_order_of_work_do_not_change_any_bit() {
        let x = sample(20_000, 7, 1.0);
        let bounds = [0, 9000, 9000, 13_000, 20_000];
        let with_threads = |n_threads| {
            let pool = ThreadPoolBuilder::new().num_threads(n_threads).build().unwrap();
            pool.install(|| params(3).fit_sums(shards(&x, &bounds)).unwrap())
        };
        let one = with_threads(1);
        assert_eq!(one, with_threads(4));
        // The last shard first, then combined in order, once by hand.
        let mut sums: Vec<PcaSums> =
            (0..4).rev().map(|n| PcaSums::of(x.slice(s![bounds[n]..bounds[n + 1], ..])).unwrap()).collect();
        sums.reverse();
        let mut total = sums[0].clone();
        sums[1..].iter().for_each(|next| total.append(next).unwrap());
        assert_eq!(params(3).fit_sums([total]).unwrap(), one);
    }

    #[test]
    fn bad_shards_are_refused() {
        let refused = |sums: &[PcaSums]| params(3).fit_sums(sums).unwrap_err();
        assert!(matches!(refused(&[]), DescriptorError::TooFewSamples { expected: 2, found: 0 }));
        let one = PcaSums::of(sample(1, 4, 0.0).view()).unwrap();
        assert!(matches!(
            refused(std::slice::from_ref(&one)),
            DescriptorError::TooFewSamples { expected: 2, found: 1 }
        ));
        let other = PcaSums::of(sample(9, 5, 0.0).view()).unwrap();
        assert!(matches!(refused(&[one, other]), DescriptorError::Dimension { expected: 4, found: 5, .. }));
        let narrow = PcaSums::of(sample(9, 2, 0.0).view()).unwrap();
        assert!(refused(&[narrow]).to_string().contains("n_components is 3 for 2 features"));
        let error = PcaSums::of(array![[0.0, f32::NAN]].view()).unwrap_err();
        assert!(matches!(error, DescriptorError::NotFinite { row: 0, column: 1, .. }));
    }

    #[test]
    fn sums_that_no_shard_can_have_are_refused() {
        let message = |mean: Array1<f64>, moments: Array2<f64>| {
            PcaSums { n_samples: 3, mean, moments }.check().unwrap_err().to_string()
        };
        let sums = PcaSums::of(sample(5000, 16, 1.0).view()).unwrap();
        assert_eq!(sums.clone().check().unwrap(), sums);
        assert!(message(array![0.0], array![[1.0, 0.0]]).contains("moments has 2 entries"));
        assert!(message(array![0.0], array![[1.0], [0.0]]).contains("transposed moments has 2 entries"));
        assert!(message(array![f64::NAN], array![[1.0]]).contains("mean holds NaN"));
        assert!(message(array![0.0], array![[f64::INFINITY]]).contains("moments holds inf"));
        assert!(message(array![0.0], array![[-1.0]]).contains("moments is -1"));
        let huge =
            |mean: f64| PcaSums { n_samples: 2, mean: array![mean], moments: array![[f64::MAX]] }.check().unwrap();
        let error = params(1).fit_sums([huge(1e300), huge(-1e300)]).unwrap_err();
        assert!(error.to_string().contains("the covariance matrix holds inf"), "{error}");
    }
}
