//! Mean and variance of every feature, over one shard of samples or over all of them.

use std::borrow::Borrow;

use fisherlens_lanes::{add, vectorised};
use ndarray::{Array1, ArrayView2};
use rayon::prelude::*;

use crate::error::{MixtureError, in_shard};

/// Number of samples that one task sums.
const CHUNK: usize = 4096;

/// Number of samples of one shard, and mean and variance of every feature over them.
///
/// [`DiagonalGmmValidParams::variance_sums`](crate::DiagonalGmmValidParams::variance_sums) makes it. A shard without samples has zeros.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(try_from = "Parts"))]
pub struct VarianceSums {
    n_samples: usize,
    /// `(D)`.
    mean: Array1<f64>,
    /// `(D)`: variance with denominator N.
    variance: Array1<f64>,
}

/// The fields as they are read from a file, not checked yet.
#[cfg(feature = "serde")]
#[derive(serde::Deserialize)]
struct Parts {
    n_samples: usize,
    mean: Array1<f64>,
    variance: Array1<f64>,
}

#[cfg(feature = "serde")]
impl TryFrom<Parts> for VarianceSums {
    type Error = MixtureError;

    fn try_from(parts: Parts) -> Result<Self, MixtureError> {
        Self { n_samples: parts.n_samples, mean: parts.mean, variance: parts.variance }.check()
    }
}

impl VarianceSums {
    /// The sums of `x` `(N, D)`: finite samples in standard layout, D ≥ 1.
    ///
    /// Differences from the first sample are summed in `f64`, so that a large mean does not cost digits.
    pub(crate) fn of(x: ArrayView2<'_, f32>) -> Self {
        let (n_samples, n_features) = x.dim();
        if n_samples == 0 {
            return Self { n_samples, mean: Array1::zeros(n_features), variance: Array1::zeros(n_features) };
        }
        let values = x.as_slice().expect("the callers bring samples to standard layout");
        let origin: Vec<f64> = values[..n_features].iter().map(|&value| f64::from(value)).collect();
        // The chunks are fixed and their sums are added in order, so that the result does not depend on the number of threads.
        let parts: Vec<Vec<f64>> =
            values.par_chunks(CHUNK * n_features).map(|rows| sums_about(&origin, rows)).collect();
        let mut sums = vec![0.0; 2 * n_features];
        for part in &parts {
            add(&mut sums, part);
        }
        let n = n_samples as f64;
        let (first, second) = sums.split_at(n_features);
        let mean = origin.iter().zip(first).map(|(origin, first)| origin + first / n).collect();
        let variance =
            first.iter().zip(second).map(|(first, second)| (second / n - (first / n).powi(2)).max(0.0)).collect();
        Self { n_samples, mean, variance }
    }

    /// Combines the sums of all shards in their order. Returns `None` if there is no shard.
    pub(crate) fn total(shards: impl IntoIterator<Item: Borrow<Self>>) -> Result<Option<Self>, MixtureError> {
        let mut total: Option<Self> = None;
        for (shard, sums) in shards.into_iter().enumerate() {
            match &mut total {
                None => total = Some(sums.borrow().clone()),
                Some(total) => in_shard(shard, total.append(sums.borrow()))?,
            }
        }
        Ok(total)
    }

    /// Combines these sums with those of the shard that follows. The order of the shards decides the last bits.
    ///
    /// ```text
    /// n = n_a + n_b   δ = mean_b − mean_a   mean = mean_a + δ · n_b/n
    /// variance = (n_a · variance_a + n_b · variance_b)/n + δ² · n_a/n · n_b/n
    /// ```
    ///
    /// # Errors
    /// [`MixtureError::Dimension`] if the numbers of features differ.
    ///
    /// # References
    /// `chan1983`.
    pub fn append(&mut self, next: &Self) -> Result<(), MixtureError> {
        if next.n_features() != self.n_features() {
            let (expected, found) = (self.n_features(), next.n_features());
            return Err(MixtureError::Dimension { what: "features per sample", expected, found });
        }
        if next.n_samples == 0 {
            return Ok(());
        }
        if self.n_samples == 0 {
            self.clone_from(next);
            return Ok(());
        }
        let (n_a, n_b) = (self.n_samples as f64, next.n_samples as f64);
        let n = n_a + n_b;
        for d in 0..self.n_features() {
            let difference = next.mean[d] - self.mean[d];
            let within = (n_a * self.variance[d] + n_b * next.variance[d]) / n;
            self.variance[d] = within + difference * difference * (n_a / n) * (n_b / n);
            self.mean[d] += difference * (n_b / n);
        }
        self.n_samples = self.n_samples.saturating_add(next.n_samples);
        Ok(())
    }

    /// Number of samples, N.
    pub fn n_samples(&self) -> usize {
        self.n_samples
    }

    /// Number of features per sample, D.
    pub fn n_features(&self) -> usize {
        self.mean.len()
    }

    /// Variance of every feature, `(D)`, with denominator N.
    pub(crate) fn variance(&self) -> Array1<f32> {
        self.variance.mapv(|variance| variance as f32)
    }

    /// Refuses what [`VarianceSums::of`] cannot return.
    #[cfg(any(feature = "serde", test))]
    fn check(self) -> Result<Self, MixtureError> {
        use crate::params::refuse;

        if self.mean.is_empty() {
            return refuse("mean", "an empty array", "at least 1 feature");
        }
        if self.mean.len() != self.variance.len() {
            let (expected, found) = (self.mean.len(), self.variance.len());
            return Err(MixtureError::Dimension { what: "features of the variance", expected, found });
        }
        if let Some(found) = self.mean.iter().find(|value| !value.is_finite()) {
            return refuse("mean", found, "finite numbers");
        }
        if let Some(found) = self.variance.iter().find(|&&value| !(value.is_finite() && value >= 0.0)) {
            return refuse("variance", found, "finite numbers of at least 0");
        }
        Ok(self)
    }
}

vectorised!(
    /// Sums over rows of the differences from `origin` `(D)`, followed by the sums of their squares: `(2·D)`.
    fn sums_about(origin: &[f64], rows: &[f32]) -> Vec<f64> {
        let mut sums = vec![0.0; 2 * origin.len()];
        let (first, second) = sums.split_at_mut(origin.len());
        for row in rows.chunks_exact(origin.len()) {
            for (((first, second), &origin), &x) in first.iter_mut().zip(second.iter_mut()).zip(origin).zip(row) {
                let difference = f64::from(x) - origin;
                *first += difference;
                *second += difference * difference;
            }
        }
        sums
    }
);

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array, s};

    use super::*;

    #[test]
    fn shards_far_from_0_have_the_variance_of_the_whole() {
        let x = Array2::from_shape_fn((101, 2), |(n, d)| 1e5 + ((n * 37 + d * 11) % 50) as f32 / 8.0);
        let whole = VarianceSums::of(x.view());
        let bounds = [0, 1, 1, 40, 101];
        let shards = bounds.windows(2).map(|pair| VarianceSums::of(x.slice(s![pair[0]..pair[1], ..])));
        let total = VarianceSums::total(shards).unwrap().unwrap();
        assert_eq!(total.n_samples(), 101);
        for d in 0..2 {
            let mean = x.column(d).iter().map(|&x| f64::from(x)).sum::<f64>() / 101.0;
            let variance = x.column(d).iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / 101.0;
            for sums in [&whole, &total] {
                assert!((sums.mean[d] - mean).abs() < 1e-9, "{} {mean}", sums.mean[d]);
                assert!((sums.variance[d] - variance).abs() < 1e-9, "{} {variance}", sums.variance[d]);
            }
        }
    }

    #[test]
    fn shards_without_samples_change_nothing() {
        let sums = VarianceSums::of(array![[1.0_f32, 2.0], [0.25, 9.0]].view());
        let empty = VarianceSums::of(Array2::zeros((0, 2)).view());
        let total = VarianceSums::total([&empty, &sums, &empty]).unwrap().unwrap();
        assert_eq!(total, sums);
        assert!(VarianceSums::total([&empty; 0]).unwrap().is_none());
    }

    #[test]
    fn sums_that_no_shard_can_have_are_refused() {
        let message = |mean: Array1<f64>, variance: Array1<f64>| {
            VarianceSums { n_samples: 4, mean, variance }.check().unwrap_err().to_string()
        };
        assert!(VarianceSums::of(Array2::zeros((3, 2)).view()).check().is_ok());
        assert!(message(array![], array![]).contains("mean"));
        assert!(message(array![0.0], array![1.0, 1.0]).contains("features of the variance"));
        assert!(message(array![f64::NAN], array![1.0]).contains("mean is NaN"));
        assert!(message(array![0.0], array![-1.0]).contains("variance is -1"));
        assert!(message(array![0.0], array![f64::INFINITY]).contains("variance is inf"));
    }
}
