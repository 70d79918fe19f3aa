//! Principal component analysis: a projection learned from a sample of descriptors.

use std::borrow::Borrow;

use fisherlens_lanes::vectorised;
use fisherlens_product::{Target, multiply};
use linfa::dataset::DatasetBase;
use linfa::traits::{Fit, Transformer};
use ndarray::{Array1, Array2, ArrayBase, ArrayView1, ArrayView2, ArrayViewMut2, Axis, Data, Ix2};
use ndarray_linalg::{Eigh, UPLO};

use crate::error::DescriptorError;
use crate::params::{PcaParams, PcaValidParams, Whitening};
use crate::pca_sums::PcaSums;

/// Added to each variance before whitening, as a fraction of the largest variance, so that a direction without variance is not scaled up.
const WHITENING_FLOOR: f64 = 1e-7;

/// Rows that are projected at a time; with their centred copies they stay in the second-level cache.
const TRANSFORM_ROWS: usize = 512;

/// A learned linear projection.
///
/// ```text
/// y = C (x − mean)
/// ```
/// The rows of C `(n_components, n_features)` are the leading eigenvectors of the covariance matrix of the sample; with whitening, they
/// are divided by `√(λ + 1e-7 λ₁)`. The sign of each row is chosen so that its entry of largest magnitude is positive.
///
/// ```
/// use fisherlens_descriptors::Pca;
/// use linfa::{DatasetBase, traits::Fit};
/// use ndarray::{Array2, array};
///
/// let sample = Array2::from_shape_fn((50, 3), |(row, column)| (row * (column + 1)) as f32);
/// let pca = Pca::params(1).fit(&DatasetBase::from(sample))?;
/// let projected = pca.transform(array![[1.0, 2.0, 3.0]].view())?;
/// assert_eq!(projected.dim(), (1, 1));
/// # Ok::<(), fisherlens_descriptors::DescriptorError>(())
/// ```
#[allow(clippy::unsafe_derive_deserialize, reason = "the only unsafe code is inside the slicing macro of ndarray")]
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(try_from = "Parts"))]
pub struct Pca {
    mean: Array1<f32>,
    components: Array2<f32>,
    explained_variance: Array1<f32>,
}

/// The fields as they are read from a file, before they are checked.
#[cfg(feature = "serde")]
#[derive(serde::Deserialize)]
struct Parts {
    mean: Array1<f32>,
    components: Array2<f32>,
    explained_variance: Array1<f32>,
}

#[cfg(feature = "serde")]
impl TryFrom<Parts> for Pca {
    type Error = DescriptorError;

    fn try_from(parts: Parts) -> Result<Self, DescriptorError> {
        Self::from_parts(parts.mean, parts.components, parts.explained_variance)
    }
}

impl Pca {
    /// Parameters of a projection to `n_components` dimensions, without whitening.
    pub fn params(n_components: usize) -> PcaParams {
        PcaParams::new(n_components)
    }

    /// A projection from its arrays: `mean` `(n_features)`, `components` `(n_components, n_features)`,
    /// `explained_variance` `(n_components)`.
    ///
    /// # Errors
    /// [`DescriptorError::Dimension`] if the lengths disagree, [`DescriptorError::NotFinite`] for a value that is infinite or NaN,
    /// [`DescriptorError::Parameter`] if there is no component or no feature.
    pub fn from_parts(
        mean: Array1<f32>,
        components: Array2<f32>,
        explained_variance: Array1<f32>,
    ) -> Result<Self, DescriptorError> {
        let (n_components, n_features) = components.dim();
        if components.is_empty() {
            return Err(DescriptorError::Parameter {
                field: "components",
                found: format!("{n_components} × {n_features}"),
                expected: "at least one component of at least one feature",
            });
        }
        let dimension = |what, expected, found| {
            if expected == found { Ok(()) } else { Err(DescriptorError::Dimension { what, expected, found }) }
        };
        dimension("mean", n_features, mean.len())?;
        dimension("explained_variance", n_components, explained_variance.len())?;
        refuse_not_finite("mean", mean.view().insert_axis(Axis(0)))?;
        refuse_not_finite("components", components.view())?;
        refuse_not_finite("explained_variance", explained_variance.view().insert_axis(Axis(0)))?;
        let components = components.as_standard_layout().into_owned();
        Ok(Self { mean, components, explained_variance })
    }

    /// Mean of the sample `(n_features)`.
    pub fn mean(&self) -> ArrayView1<'_, f32> {
        self.mean.view()
    }

    /// Axes as rows `(n_components, n_features)`, in descending order of their variances.
    pub fn components(&self) -> ArrayView2<'_, f32> {
        self.components.view()
    }

    /// Variance of the sample along each axis `(n_components)`, before whitening, with denominator N − 1.
    pub fn explained_variance(&self) -> ArrayView1<'_, f32> {
        self.explained_variance.view()
    }

    /// Number of dimensions before the projection.
    pub fn n_features(&self) -> usize {
        self.components.ncols()
    }

    /// Number of dimensions after the projection.
    pub fn n_components(&self) -> usize {
        self.components.nrows()
    }

    /// Projects rows: `x` `(N, n_features)` to `(N, n_components)`, on the calling thread.
    ///
    /// The mean is subtracted before the product. Subtracting its projection after the product would lose digits to cancellation.
    ///
    /// # Errors
    /// [`DescriptorError::Dimension`] if `x` has another number of columns.
    pub fn transform(&self, x: ArrayView2<'_, f32>) -> Result<Array2<f32>, DescriptorError> {
        let mut projected = Vec::new();
        self.project_onto(x, &mut projected)?;
        Ok(Array2::from_shape_vec((x.nrows(), self.n_components()), projected).expect("there is one row per sample"))
    }

    /// Like [`transform`](Self::transform), but appends the rows to `projected`, so that a caller can project block after block.
    ///
    /// # Errors
    /// [`DescriptorError::Dimension`] if `x` has another number of columns.
    pub fn project_onto(&self, x: ArrayView2<'_, f32>, projected: &mut Vec<f32>) -> Result<(), DescriptorError> {
        let start = projected.len();
        projected.resize(start + x.nrows() * self.n_components(), 0.0);
        let done = self.project_into(x, &mut projected[start..]);
        if done.is_err() {
            projected.truncate(start);
        }
        done
    }

    /// Like [`transform`](Self::transform), but overwrites `projected`, which has as many entries as the result of `transform`.
    ///
    /// # Errors
    /// [`DescriptorError::Dimension`] if `x` has another number of columns, or if `projected` has another length.
    pub fn project_into(&self, x: ArrayView2<'_, f32>, projected: &mut [f32]) -> Result<(), DescriptorError> {
        let (n_samples, n_features) = x.dim();
        let n_components = self.n_components();
        for (what, expected, found) in [
            ("the array to project", self.n_features(), n_features),
            ("the array for projected rows", n_samples * n_components, projected.len()),
        ] {
            if expected != found {
                return Err(DescriptorError::Dimension { what, expected, found });
            }
        }
        let mut centred = Vec::with_capacity(TRANSFORM_ROWS.min(n_samples) * n_features);
        let targets = projected.chunks_mut(TRANSFORM_ROWS * n_components);
        for (rows, target) in x.axis_chunks_iter(Axis(0), TRANSFORM_ROWS).zip(targets) {
            centred.clear();
            for row in rows.rows() {
                match (row.as_slice(), self.mean.as_slice()) {
                    (Some(row), Some(mean)) => append_differences(row, mean, &mut centred),
                    _ => centred.extend(row.iter().zip(&self.mean).map(|(x, mean)| x - mean)),
                }
            }
            let shape = "there are as many values as rows times columns";
            let centred = ArrayView2::from_shape((rows.nrows(), n_features), &centred).expect(shape);
            let target = ArrayViewMut2::from_shape((rows.nrows(), n_components), target).expect(shape);
            multiply(Target::Overwrite(target), centred, self.components.t());
        }
        Ok(())
    }
}

vectorised!(
    /// Appends `row − mean`.
    fn append_differences(row: &[f32], mean: &[f32], centred: &mut Vec<f32>) {
        centred.extend(row.iter().zip(mean).map(|(x, mean)| x - mean));
    }
);

/// [`Pca::transform`] as a transformer of linfa.
impl<S: Data<Elem = f32>> Transformer<&ArrayBase<S, Ix2>, Result<Array2<f32>, DescriptorError>> for Pca {
    fn transform(&self, x: &ArrayBase<S, Ix2>) -> Result<Array2<f32>, DescriptorError> {
        Self::transform(self, x.view())
    }
}

/// Returns an error that names the first entry that is infinite or NaN, if there is one.
pub(crate) fn refuse_not_finite<T: Copy + Into<f64>>(
    what: &'static str,
    x: ArrayView2<'_, T>,
) -> Result<(), DescriptorError> {
    match x.indexed_iter().find(|&(_, &value)| !value.into().is_finite()) {
        None => Ok(()),
        Some(((row, column), &found)) => {
            Err(DescriptorError::NotFinite { what, row, column, found: found.into() as f32 })
        }
    }
}

impl<D: Data<Elem = f32>, T> Fit<ArrayBase<D, Ix2>, T, DescriptorError> for PcaValidParams {
    type Object = Pca;

    /// Learns the projection from records `(N, n_features)`, N ≥ 2, with sums in `f64`. The targets are ignored.
    ///
    /// # Errors
    /// [`DescriptorError::TooFewSamples`], [`DescriptorError::NotFinite`], [`DescriptorError::Parameter`] if there are fewer features than
    /// components, and [`DescriptorError::Eigenvalues`].
    fn fit(&self, dataset: &DatasetBase<ArrayBase<D, Ix2>, T>) -> Result<Pca, DescriptorError> {
        let x = dataset.records.view();
        let (n_samples, n_features) = x.dim();
        self.check_sizes(n_samples, n_features)?;
        self.fit_total(&PcaSums::of(x)?)
    }
}

impl PcaValidParams {
    /// Learns the projection from the sums of all shards, which are combined in the given order. With the sums of one shard that holds all
    /// samples, the result is that of [`Fit::fit`], to the last bit; otherwise it differs by rounding.
    ///
    /// # Errors
    /// [`DescriptorError::TooFewSamples`], [`DescriptorError::Dimension`] if the shards have different numbers of features,
    /// [`DescriptorError::Parameter`] if there are fewer features than components, [`DescriptorError::NotFinite`] if sums from a file are too
    /// large, and [`DescriptorError::Eigenvalues`].
    pub fn fit_sums(&self, sums: impl IntoIterator<Item: Borrow<PcaSums>>) -> Result<Pca, DescriptorError> {
        let total = PcaSums::total(sums)?.ok_or(DescriptorError::TooFewSamples { expected: 2, found: 0 })?;
        self.check_sizes(total.n_samples(), total.n_features())?;
        self.fit_total(&total)
    }

    fn check_sizes(&self, n_samples: usize, n_features: usize) -> Result<(), DescriptorError> {
        if n_samples < 2 {
            return Err(DescriptorError::TooFewSamples { expected: 2, found: n_samples });
        }
        if self.n_components > n_features {
            return Err(DescriptorError::Parameter {
                field: "n_components",
                found: format!("{} for {n_features} features", self.n_components),
                expected: "at most as many components as features",
            });
        }
        Ok(())
    }

    /// The projection from the sums over all samples.
    fn fit_total(&self, sums: &PcaSums) -> Result<Pca, DescriptorError> {
        let n_features = sums.n_features();
        let covariance = sums.covariance();
        // Sums of finite descriptors cannot be too large for `f64`, but sums from a file can.
        refuse_not_finite("the covariance matrix", covariance.view())?;
        let (variances, vectors) =
            covariance.eigh(UPLO::Lower).map_err(|error| DescriptorError::Eigenvalues { reason: error.to_string() })?;
        let largest = variances[n_features - 1].max(0.0);
        let mut components = Array2::zeros((self.n_components, n_features));
        let mut explained_variance = Array1::zeros(self.n_components);
        for index in 0..self.n_components {
            // The eigenvalues are in ascending order, the components begin with the largest. Rounding can make an eigenvalue of 0 negative.
            let column = n_features - 1 - index;
            let variance = variances[column].max(0.0);
            let axis = vectors.column(column);
            let peak = axis.iter().fold(0.0_f64, |peak, &v| if v.abs() > peak.abs() { v } else { peak });
            let scale = match self.whitening {
                Whitening::Off => 1.0,
                // All samples are equal, so no axis has variance: the axes are not scaled.
                Whitening::On if largest == 0.0 => 1.0,
                Whitening::On => 1.0 / (variance + WHITENING_FLOOR * largest).sqrt(),
            };
            components.row_mut(index).assign(&axis.mapv(|v| (v * scale.copysign(scale * peak)) as f32));
            explained_variance[index] = variance as f32;
        }
        Pca::from_parts(sums.mean().mapv(|v| v as f32), components, explained_variance)
    }
}
