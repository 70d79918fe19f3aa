//! Kernel functions and their matrices.

use ndarray::{Array2, ArrayView2, Axis, s};
use rayon::prelude::*;

use crate::error::ClassifierError;
use crate::gram::{gram, mirror};
use crate::pairs::{chi_squared, shared_part, squared_distance};
use crate::params::check_positive;
use crate::product::product_transposed;

/// Rows and columns of a tile. The runs of dimensions of one tile stay in the second-level cache.
const TILE: usize = 16;
/// Dimensions whose terms are summed in `f32` before their sum is added to a sum in `f64`.
const RUN: usize = 1024;

/// The kind of a kernel, without its γ; [`Kernel`] includes γ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(
    feature = "serde",
    expect(clippy::unsafe_derive_deserialize, reason = "no unsafe code relies on the values of the fields")
)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
pub enum KernelKind {
    /// `Σ_d x_d y_d`.
    #[default]
    Linear,
    /// `Σ_d min(x_d, y_d)`, for entries of at least 0.
    HistogramIntersection,
    /// `exp(−γ Σ_d (x_d − y_d)² / (x_d + y_d))`, for entries of at least 0.
    ChiSquared,
    /// `exp(−γ ‖x − y‖²)`.
    Rbf,
}

/// A kernel function, with its γ where it has one. γ is finite and above 0; its unit is one over the unit of the distance.
///
/// ```text
/// Linear                  k(x, y) = Σ_d x_d y_d
/// HistogramIntersection   k(x, y) = Σ_d min(x_d, y_d)                            x, y ≥ 0
/// ChiSquared              k(x, y) = exp(−γ Σ_d (x_d − y_d)² / (x_d + y_d))       x, y ≥ 0, 0/0 = 0
/// Rbf                     k(x, y) = exp(−γ Σ_d (x_d − y_d)²)
/// ```
/// The two kernels for histograms are positive definite only if all entries are at least 0, as in bags of words. Training and
/// relevance therefore refuse other entries. In a score, an entry below 0 counts as 0: where the contribution of descriptors was subtracted
/// from a sum, rounding can leave a value slightly below 0.
///
/// ```
/// use fisherlens_classifier::Kernel;
///
/// assert_eq!(Kernel::HistogramIntersection.of(&[1.0, 0.0, 3.0], &[2.0, 1.0, 1.0]), 2.0);
/// assert_eq!(Kernel::Rbf { gamma: 0.5 }.of(&[1.0, 2.0], &[1.0, 2.0]), 1.0);
/// ```
///
/// # References
/// `bach2015`, section on bag-of-words features (kernels whose decisions are explained).
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
pub enum Kernel {
    /// The inner product.
    Linear,
    /// The part that two histograms share.
    HistogramIntersection,
    /// The exponential χ² kernel.
    ChiSquared {
        /// γ.
        gamma: f64,
    },
    /// The Gaussian kernel.
    Rbf {
        /// γ.
        gamma: f64,
    },
}

impl Kernel {
    /// The kind of this kernel.
    pub fn kind(&self) -> KernelKind {
        match self {
            Self::Linear => KernelKind::Linear,
            Self::HistogramIntersection => KernelKind::HistogramIntersection,
            Self::ChiSquared { .. } => KernelKind::ChiSquared,
            Self::Rbf { .. } => KernelKind::Rbf,
        }
    }

    /// γ, if the kernel has one.
    pub fn gamma(&self) -> Option<f64> {
        match *self {
            Self::Linear | Self::HistogramIntersection => None,
            Self::ChiSquared { gamma } | Self::Rbf { gamma } => Some(gamma),
        }
    }

    /// k(x, y) of two vectors of equal length. Terms are summed in `f32` over runs of dimensions, and the sums of the runs are added in
    /// `f64`.
    ///
    /// # Panics
    /// When the lengths differ.
    pub fn of(&self, x: &[f32], y: &[f32]) -> f64 {
        assert_eq!(x.len(), y.len(), "a kernel compares vectors of the same length");
        let sum: f64 = x.chunks(RUN).zip(y.chunks(RUN)).map(|(x, y)| f64::from(self.run(x, y))).sum();
        self.finish(sum)
    }

    /// `K[i,j] = k(a_i, b_j)` for `a` `(m, D)` and `b` `(n, D)`. Returns `(m, n)`.
    ///
    /// The linear and the Gaussian kernel use matrix products, the others vector loops over tiles. No bit of the result depends on the
    /// number of threads.
    ///
    /// # Panics
    /// When the vectors differ in length.
    pub fn matrix(&self, a: ArrayView2<'_, f32>, b: ArrayView2<'_, f32>) -> Array2<f32> {
        assert_eq!(a.ncols(), b.ncols(), "a kernel compares vectors of the same length");
        let mut values = self.kind().sums(a, b);
        values.mapv_inplace(|sum| self.finish(f64::from(sum)) as f32);
        values
    }

    /// The value of the kernel, computed from the sum over dimensions.
    fn finish(&self, sum: f64) -> f64 {
        match *self {
            Self::Linear | Self::HistogramIntersection => sum,
            Self::ChiSquared { gamma } | Self::Rbf { gamma } => (-gamma * sum).exp(),
        }
    }

    fn run(&self, x: &[f32], y: &[f32]) -> f32 {
        self.kind().run(x, y)
    }

    pub(crate) fn check(&self) -> Result<(), ClassifierError> {
        match self.gamma() {
            Some(gamma) => check_gamma(gamma),
            None => Ok(()),
        }
    }
}

pub(crate) fn check_gamma(gamma: f64) -> Result<(), ClassifierError> {
    check_positive("gamma", gamma, "a finite number above 0; if left out, it is one over the mean distance")
}

/// The entries of a symmetric matrix that are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Entries {
    /// All entries.
    All,
    /// Only the tiles on and below the diagonal.
    Lower,
}

impl KernelKind {
    /// The name that settings use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Linear => "linear",
            Self::HistogramIntersection => "histogram-intersection",
            Self::ChiSquared => "chi-squared",
            Self::Rbf => "rbf",
        }
    }

    /// Whether the kernel has a γ.
    pub fn has_gamma(self) -> bool {
        matches!(self, Self::ChiSquared | Self::Rbf)
    }

    /// Whether the kernel compares histograms, so that all entries must be at least 0.
    pub fn needs_histograms(self) -> bool {
        matches!(self, Self::HistogramIntersection | Self::ChiSquared)
    }

    /// Refuses entries for which the kernel is not defined.
    pub(crate) fn check(self, x: ArrayView2<'_, f32>) -> Result<(), ClassifierError> {
        for (sample, row) in x.rows().into_iter().enumerate() {
            for (dimension, &found) in row.iter().enumerate() {
                if !found.is_finite() {
                    return Err(ClassifierError::NotFinite { what: "an entry", sample, found });
                }
                if self.needs_histograms() && found < 0.0 {
                    return Err(ClassifierError::Negative { kernel: self.name(), sample, dimension, found });
                }
            }
        }
        Ok(())
    }

    /// The kernel for these training vectors, and their Gram matrix. If γ is missing, it is one over the mean distance between two
    /// different samples (`Σ_d (x−y)²/(x+y)` or `‖x−y‖²`), so that the exponents are −1 on average.
    pub(crate) fn fit(
        self,
        gamma: Option<f64>,
        x: ArrayView2<'_, f32>,
    ) -> Result<(Kernel, Array2<f32>), ClassifierError> {
        let mut values = self.own_sums(x);
        let kernel = match self {
            Self::Linear => Kernel::Linear,
            Self::HistogramIntersection => Kernel::HistogramIntersection,
            Self::ChiSquared => Kernel::ChiSquared { gamma: resolve_gamma(gamma, &values)? },
            Self::Rbf => Kernel::Rbf { gamma: resolve_gamma(gamma, &values)? },
        };
        if self.has_gamma() {
            values.mapv_inplace(|sum| kernel.finish(f64::from(sum)) as f32);
        }
        Ok((kernel, values))
    }

    fn run(self, x: &[f32], y: &[f32]) -> f32 {
        match self {
            Self::Linear => x.iter().zip(y).map(|(x, y)| x * y).sum(),
            Self::HistogramIntersection => shared_part(x, y),
            Self::ChiSquared => chi_squared(x, y),
            Self::Rbf => squared_distance(x, y),
        }
    }

    /// The sums over dimensions inside the kernel formula, for all pairs of a row of `a` and a row of `b`.
    fn sums(self, a: ArrayView2<'_, f32>, b: ArrayView2<'_, f32>) -> Array2<f32> {
        match self {
            Self::Linear => product_transposed(a, b).mapv(|value| value as f32),
            Self::Rbf => {
                let (a_lengths, b_lengths) = (squared_lengths(a), squared_lengths(b));
                let mut products = product_transposed(a, b);
                for ((i, j), product) in products.indexed_iter_mut() {
                    *product = (a_lengths[i] + b_lengths[j] - 2.0 * *product).max(0.0);
                }
                products.mapv(|value| value as f32)
            }
            Self::HistogramIntersection | Self::ChiSquared => self.tiles(a, b, Entries::All),
        }
    }

    /// [`KernelKind::sums`] of all pairs of samples. Exactly symmetric, and the distance of a sample to itself is exactly 0.
    fn own_sums(self, x: ArrayView2<'_, f32>) -> Array2<f32> {
        match self {
            Self::Linear => gram(x),
            Self::Rbf => {
                let products = gram(x);
                let lengths = products.diag().mapv(f64::from);
                Array2::from_shape_fn(products.dim(), |(i, j)| {
                    (lengths[i] + lengths[j] - 2.0 * f64::from(products[[i, j]])).max(0.0) as f32
                })
            }
            Self::HistogramIntersection | Self::ChiSquared => {
                let mut sums = self.tiles(x, x, Entries::Lower);
                mirror(&mut sums);
                sums
            }
        }
    }

    /// [`KernelKind::sums`] computed tile by tile.
    fn tiles(self, a: ArrayView2<'_, f32>, b: ArrayView2<'_, f32>, entries: Entries) -> Array2<f32> {
        let (a, b) = (a.as_standard_layout(), b.as_standard_layout());
        let mut sums = Array2::<f32>::zeros((a.nrows(), b.nrows()));
        let strips: Vec<_> = sums.axis_chunks_iter_mut(Axis(0), TILE).enumerate().collect();
        strips.into_par_iter().with_max_len(1).for_each(|(strip, mut target)| {
            let rows = a.slice(s![strip * TILE..strip * TILE + target.nrows(), ..]);
            for (index, columns) in b.axis_chunks_iter(Axis(0), TILE).enumerate() {
                if entries == Entries::Lower && index > strip {
                    break;
                }
                let tile = self.tile(rows, columns);
                for ((i, j), &value) in tile.indexed_iter() {
                    target[[i, index * TILE + j]] = value as f32;
                }
            }
        });
        sums
    }

    /// The sums of one tile: `f32` over a run of dimensions, `f64` over the runs.
    fn tile(self, a: ArrayView2<'_, f32>, b: ArrayView2<'_, f32>) -> Array2<f64> {
        let mut sums = Array2::<f64>::zeros((a.nrows(), b.nrows()));
        for start in (0..a.ncols()).step_by(RUN) {
            let run = start..a.ncols().min(start + RUN);
            for ((i, j), sum) in sums.indexed_iter_mut() {
                let x = &a.row(i).to_slice().expect("rows in C order")[run.clone()];
                let y = &b.row(j).to_slice().expect("rows in C order")[run.clone()];
                *sum += f64::from(self.run(x, y));
            }
        }
        sums
    }
}

/// The given γ, or one over the mean of the distances below the diagonal.
fn resolve_gamma(gamma: Option<f64>, distances: &Array2<f32>) -> Result<f64, ClassifierError> {
    if let Some(gamma) = gamma {
        return Ok(gamma);
    }
    let n = distances.nrows();
    let below = distances
        .rows()
        .into_iter()
        .enumerate()
        .map(|(i, row)| row.iter().take(i).copied().map(f64::from).sum::<f64>());
    let mean = below.sum::<f64>() / (n * n.saturating_sub(1) / 2).max(1) as f64;
    let gamma = 1.0 / mean;
    if gamma.is_finite() && gamma > 0.0 {
        return Ok(gamma);
    }
    Err(ClassifierError::Parameter {
        field: "gamma",
        found: format!("left out, and the mean distance between the samples is {mean}"),
        expected: "a number above 0, or samples that are not all equal and do not overflow",
    })
}

fn squared_lengths(x: ArrayView2<'_, f32>) -> Vec<f64> {
    x.rows().into_iter().map(|row| row.iter().map(|&value| f64::from(value) * f64::from(value)).sum()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_data::normal;
    use ndarray::array;

    const KERNELS: [Kernel; 4] = [
        Kernel::Linear,
        Kernel::HistogramIntersection,
        Kernel::ChiSquared { gamma: 0.01 },
        Kernel::Rbf { gamma: 0.003 },
    ];

    fn slow(kernel: Kernel, x: &[f32], y: &[f32]) -> f64 {
        let pairs = x.iter().zip(y).map(|(&x, &y)| (f64::from(x), f64::from(y)));
        match kernel {
            Kernel::Linear => pairs.map(|(x, y)| x * y).sum(),
            Kernel::HistogramIntersection => pairs.map(|(x, y)| x.min(y)).sum(),
            Kernel::ChiSquared { gamma } => {
                let terms = pairs.map(|(x, y)| if x + y == 0.0 { 0.0 } else { (x - y) * (x - y) / (x + y) });
                (-gamma * terms.sum::<f64>()).exp()
            }
            Kernel::Rbf { gamma } => (-gamma * pairs.map(|(x, y)| (x - y) * (x - y)).sum::<f64>()).exp(),
        }
    }

    /// Random entries of at least 0; many are 0, so some pairs are 0 in both vectors.
    fn histograms(n: usize, d: usize, seed: u64) -> Array2<f32> {
        normal(n, d, seed).mapv(|value| value.max(0.0))
    }

    #[test]
    fn kernels_by_hand() {
        let (x, y) = ([1.0_f32, 0.0, 3.0, 0.0], [2.0_f32, 1.0, 1.0, 0.0]);
        assert_eq!(Kernel::Linear.of(&x, &y), 5.0);
        assert_eq!(Kernel::HistogramIntersection.of(&x, &y), 2.0);
        // Distances: 1/3 + 1 + 4/4 for chi-squared, 1 + 1 + 4 for rbf.
        assert!((Kernel::ChiSquared { gamma: 0.3 }.of(&x, &y) - (-0.7_f64).exp()).abs() < 1e-7);
        assert!((Kernel::Rbf { gamma: 0.5 }.of(&x, &y) - (-3.0_f64).exp()).abs() < 1e-9);
        // An entry below 0 counts as 0.
        assert_eq!(Kernel::HistogramIntersection.of(&[-1.0], &[2.0]), 0.0);
        assert_eq!(KernelKind::ChiSquared.run(&[-1.0], &[2.0]), 2.0);
    }

    #[test]
    fn matrices_equal_the_formula() {
        for (n, m, d) in [(1, 1, 1), (5, 19, 33), (35, 17, 2500)] {
            let (a, b) = (histograms(n, d, 1), histograms(m, d, 2));
            for kernel in KERNELS {
                let found = kernel.matrix(a.view(), b.view());
                for ((i, j), &value) in found.indexed_iter() {
                    let (x, y) = (a.row(i).to_slice().unwrap().to_vec(), b.row(j).to_slice().unwrap().to_vec());
                    let expected = slow(kernel, &x, &y);
                    assert!(
                        (f64::from(value) - expected).abs() <= 3e-6 * expected.abs().max(1.0),
                        "{kernel:?} {n} {d}"
                    );
                    assert!(
                        (kernel.of(&x, &y) - expected).abs() <= 3e-6 * expected.abs().max(1.0),
                        "{kernel:?} {n} {d}"
                    );
                }
            }
        }
    }

    #[test]
    fn gram_matrices_are_symmetric_and_gamma_is_one_over_the_mean_distance() {
        let x = histograms(41, 70, 3);
        for kernel in KERNELS {
            let (fitted, values) = kernel.kind().fit(kernel.gamma(), x.view()).unwrap();
            assert_eq!(fitted, kernel);
            assert_eq!(values, values.t());
            let other = kernel.matrix(x.view(), x.view());
            assert!((&values - &other).iter().all(|gap| gap.abs() < 2e-5));
            if kernel.gamma().is_some() {
                assert!(values.diag().iter().all(|&one| one == 1.0));
                let (fitted, values) = kernel.kind().fit(None, x.view()).unwrap();
                let exponents: f64 =
                    values.indexed_iter().map(|(_, &k)| f64::from(k).ln()).sum::<f64>() / (41.0 * 40.0);
                assert!((exponents + 1.0).abs() < 1e-4, "{fitted:?} {exponents}");
            }
        }
    }

    #[test]
    fn the_number_of_threads_changes_no_bit() {
        let x = histograms(50, 1500, 4);
        for kernel in KERNELS {
            let run = |n_threads| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().unwrap();
                pool.install(|| kernel.kind().fit(None, x.view()).unwrap())
            };
            assert_eq!(run(1), run(3));
        }
    }

    #[test]
    fn entries_outside_the_domain_of_the_kernel_are_refused() {
        let signed = array![[1.0_f32, 0.0], [0.5, -0.25]];
        for kind in [KernelKind::HistogramIntersection, KernelKind::ChiSquared] {
            let error = kind.check(signed.view()).unwrap_err();
            assert!(
                matches!(error, ClassifierError::Negative { sample: 1, dimension: 1, found: -0.25, .. }),
                "{error}"
            );
        }
        assert!(KernelKind::Rbf.check(signed.view()).is_ok());
        assert!(KernelKind::Rbf.check(array![[f32::NAN]].view()).is_err());
        let same = array![[1.0_f32, 2.0], [1.0, 2.0]];
        assert!(matches!(
            KernelKind::Rbf.fit(None, same.view()),
            Err(ClassifierError::Parameter { field: "gamma", .. })
        ));
    }
}
