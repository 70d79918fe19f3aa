//! Made-up mixtures, descriptors and encoders, and the formulas as simple code.

#![allow(dead_code, reason = "each test file uses some of these functions")]

use fisherlens_fisher::{DescriptorSet, Encoder, FisherError, Layout, Mapping};
use fisherlens_mixture::DiagonalGmm;
use ndarray::{Array1, Array2, ArrayView2};
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256Plus;

/// A mixture of `n_components` with random means. The mean of the last one is far from all descriptors that [`descriptors`] draws.
pub(crate) fn mixture(n_components: usize, n_features: usize) -> DiagonalGmm {
    let mut rng = Xoshiro256Plus::seed_from_u64(11);
    let mut weights = Array1::from_shape_simple_fn(n_components, || rng.gen_range(0.5_f32..1.5));
    weights /= weights.sum();
    let mut means = Array2::from_shape_simple_fn((n_components, n_features), || rng.gen_range(-2.0_f32..2.0));
    means.row_mut(n_components - 1).fill(60.0);
    let variances = Array2::from_shape_simple_fn((n_components, n_features), || rng.gen_range(0.3_f32..1.5));
    DiagonalGmm::from_parts(weights, means, variances).unwrap()
}

/// `n` descriptors near the components of [`mixture`], except the last one, and their positions.
pub(crate) fn descriptors(n: usize, n_features: usize, seed: u64) -> (Array2<f32>, Vec<[f32; 2]>) {
    let mut rng = Xoshiro256Plus::seed_from_u64(seed);
    let values = Array2::from_shape_simple_fn((n, n_features), || rng.gen_range(-3.0_f32..3.0));
    let positions = (0..n).map(|_| [rng.gen_range(0.0_f32..1.0), rng.gen_range(0.0_f32..1.0)]).collect();
    (values, positions)
}

/// Descriptors together with their positions.
pub(crate) fn set<'a>(values: &'a Array2<f32>, positions: &'a [[f32; 2]]) -> DescriptorSet<'a> {
    DescriptorSet { values: values.view(), positions }
}

/// The mean of Eq. 8 over the descriptors: weights, means, variances. Everything but the posteriors is computed in `f64`.
pub(crate) fn fisher_vector_in_f64(
    mixture: &DiagonalGmm,
    posteriors: ArrayView2<'_, f32>,
    x: ArrayView2<'_, f32>,
) -> Vec<f64> {
    let (n_components, n_features) = (mixture.n_components(), mixture.n_features());
    let (weights, means, variances) = (mixture.weights(), mixture.means(), mixture.variances());
    let mut sums = vec![0.0_f64; n_components * (1 + 2 * n_features)];
    for (x, posteriors) in x.rows().into_iter().zip(posteriors.rows()) {
        for k in 0..n_components {
            let weight = f64::from(weights[k]);
            let posterior = f64::from(posteriors[k]);
            sums[k] += (posterior - weight) / weight.sqrt();
            if posterior == 0.0 {
                continue;
            }
            for d in 0..n_features {
                let deviation = f64::from(variances[[k, d]]).sqrt();
                let z = (f64::from(x[d]) - f64::from(means[[k, d]])) / deviation;
                let first = n_components + k * n_features + d;
                sums[first] += posterior * z / weight.sqrt();
                sums[first + n_components * n_features] += posterior * (z * z - 1.0) / (2.0 * weight).sqrt();
            }
        }
    }
    let n_descriptors = x.nrows() as f64;
    sums.into_iter().map(|sum| sum / n_descriptors).collect()
}

/// `‖found − expected‖ / ‖expected‖`.
pub(crate) fn relative_difference(found: &[f32], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let pairs = found.iter().zip(expected);
    let difference: f64 = pairs.map(|(&found, expected)| (f64::from(found) - expected).powi(2)).sum();
    let squares: f64 = expected.iter().map(|value| value * value).sum();
    (difference / squares).sqrt()
}

/// An encoder as a user would write it, with the required methods only: m(l) = [l, l³].
pub(crate) struct Moments {
    pub n_features: usize,
}

struct MomentsOf<'a> {
    values: ArrayView2<'a, f32>,
}

impl Encoder for Moments {
    fn n_features(&self) -> usize {
        self.n_features
    }

    fn layout(&self) -> Layout {
        Layout { n_cells: 1, n_components: 1, part_widths: vec![self.n_features, self.n_features] }
    }

    fn map<'a>(&'a self, descriptors: DescriptorSet<'a>) -> Result<Box<dyn Mapping + 'a>, FisherError> {
        descriptors.check(self.n_features)?;
        Ok(Box::new(MomentsOf { values: descriptors.values }))
    }
}

impl Mapping for MomentsOf<'_> {
    fn n_descriptors(&self) -> usize {
        self.values.nrows()
    }

    fn n_dimensions(&self) -> usize {
        2 * self.values.ncols()
    }

    fn row(&self, l: usize, out: &mut [f32]) {
        let (first, third) = out.split_at_mut(self.values.ncols());
        for ((first, third), &value) in first.iter_mut().zip(third).zip(self.values.row(l)) {
            *first = value;
            *third = value.powi(3);
        }
    }
}
