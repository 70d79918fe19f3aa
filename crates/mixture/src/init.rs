//! The mixture that expectation maximisation starts from.

use std::collections::HashSet;

use linfa::traits::{Fit, Predict};
use linfa::{DatasetBase, ParamGuard};
use linfa_clustering::{KMeans, KMeansError, KMeansInit};
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};
use rand::{SeedableRng, seq::SliceRandom};
use rand_xoshiro::Xoshiro256Plus;

use crate::diagonal_gmm::DiagonalGmm;
use crate::error::MixtureError;
use crate::params::{DiagonalGmmValidParams, Init};

/// k-means stops when its centroids move less than this. The value is so small that normally the number of iterations ends it.
const KMEANS_TOLERANCE: f32 = 1e-6;

/// The mixture that EM starts from. `variance` `(D)`: variance of all samples; `floor` `(D)`: lower bound of the variances.
pub(crate) fn start(
    params: &DiagonalGmmValidParams,
    x: ArrayView2<'_, f32>,
    variance: ArrayView1<'_, f32>,
    floor: ArrayView1<'_, f32>,
) -> Result<DiagonalGmm, MixtureError> {
    let n_components = params.n_components;
    let mut rng = Xoshiro256Plus::seed_from_u64(params.seed);
    let rows = distinct_rows(x, n_components, &mut rng)?;
    match params.init {
        Init::Random => {
            let variances = broadcast_floored(variance, floor, n_components);
            DiagonalGmm::from_parts(Array1::from_elem(n_components, 1.0 / n_components as f32), rows, variances)
        }
        Init::KMeans { n_samples, n_iterations } => {
            let sample = if n_samples < x.nrows() {
                let mut chosen = rand::seq::index::sample(&mut rng, x.nrows(), n_samples).into_vec();
                chosen.sort_unstable();
                x.select(Axis(0), &chosen)
            } else {
                x.to_owned()
            };
            let dataset = DatasetBase::from(sample);
            // linfa's k-means does not fail when it reaches the last iteration. It fails when a distance is not a finite number.
            let clusters = KMeans::params_with_rng(n_components, rng)
                .init_method(KMeansInit::Precomputed(rows))
                .n_runs(1)
                .max_n_iterations(n_iterations as u64)
                .tolerance(KMEANS_TOLERANCE)
                .check()
                .map_err(KMeansError::from)?
                .fit(&dataset)?;
            let memberships: Array1<usize> = clusters.predict(dataset.records());
            from_memberships(dataset.records().view(), &memberships, clusters.centroids(), variance, floor)
        }
    }
}

/// Random rows of `x` that all differ. Flat image areas give many equal descriptors, and components that start equal remain equal.
fn distinct_rows(x: ArrayView2<'_, f32>, n_rows: usize, rng: &mut Xoshiro256Plus) -> Result<Array2<f32>, MixtureError> {
    let mut order: Vec<usize> = (0..x.nrows()).collect();
    order.shuffle(rng);
    let mut seen = HashSet::with_capacity(n_rows);
    let mut chosen = Vec::with_capacity(n_rows);
    for row in order {
        if chosen.len() == n_rows {
            break;
        }
        // Adding 0 turns −0 into 0: the two are equal numbers with different bits.
        let bits: Vec<u32> = x.row(row).iter().map(|value| (value + 0.0).to_bits()).collect();
        if seen.insert(bits) {
            chosen.push(row);
        }
    }
    if chosen.len() < n_rows {
        return Err(MixtureError::TooFewSamples { n_components: n_rows, found: chosen.len() });
    }
    Ok(x.select(Axis(0), &chosen))
}

/// The variances of all samples, at least the floor, for every component: `(n_components, D)`.
fn broadcast_floored(variance: ArrayView1<'_, f32>, floor: ArrayView1<'_, f32>, n_components: usize) -> Array2<f32> {
    Array2::from_shape_fn((n_components, variance.len()), |(_, d)| variance[d].max(floor[d]))
}

/// A mixture from the weights, means and variances of the clusters.
///
/// A cluster with fewer than two samples gets the variance of all samples. An empty cluster keeps its centroid and gets the weight of
/// a single sample. `memberships` `(N)`: the cluster of each row of `x`; `centroids` `(K, D)`.
fn from_memberships(
    x: ArrayView2<'_, f32>,
    memberships: &Array1<usize>,
    centroids: &Array2<f32>,
    variance: ArrayView1<'_, f32>,
    floor: ArrayView1<'_, f32>,
) -> Result<DiagonalGmm, MixtureError> {
    let (n_components, n_features) = centroids.dim();
    // Moments about the centroids, because moments about 0 would lose digits.
    let mut counts = vec![0_usize; n_components];
    let mut first = Array2::<f64>::zeros((n_components, n_features));
    let mut second = Array2::<f64>::zeros((n_components, n_features));
    for (row, &k) in x.rows().into_iter().zip(memberships) {
        counts[k] += 1;
        for d in 0..n_features {
            let difference = f64::from(row[d]) - f64::from(centroids[[k, d]]);
            first[[k, d]] += difference;
            second[[k, d]] += difference * difference;
        }
    }
    let mut means = centroids.clone();
    let mut variances = broadcast_floored(variance, floor, n_components);
    for (k, &count) in counts.iter().enumerate().filter(|&(_, &count)| count > 0) {
        for d in 0..n_features {
            let shift = first[[k, d]] / count as f64;
            means[[k, d]] = (f64::from(centroids[[k, d]]) + shift) as f32;
            if count > 1 {
                variances[[k, d]] = ((second[[k, d]] / count as f64 - shift * shift) as f32).max(floor[d]);
            }
        }
    }
    let total: usize = counts.iter().map(|&count| count.max(1)).sum();
    let weights = counts.iter().map(|&count| (count.max(1) as f64 / total as f64) as f32).collect();
    DiagonalGmm::from_parts(weights, means, variances)
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn clusters_become_components_with_their_moments() {
        let x = array![[0.0_f32], [2.0], [10.0], [7.0]];
        let found = from_memberships(
            x.view(),
            &array![0, 0, 1, 0],
            &array![[1.0], [9.0], [50.0]],
            array![5.0].view(),
            array![0.5].view(),
        )
        .expect("a mixture");
        assert_eq!(found.weights(), array![0.6, 0.2, 0.2]);
        assert_eq!(found.means(), array![[3.0], [10.0], [50.0]]);
        assert_eq!(found.variances(), array![[26.0_f32 / 3.0], [5.0], [5.0]]);
    }

    #[test]
    fn start_rows_are_all_different() {
        let mut x = Array2::<f32>::zeros((1000, 2));
        x[[17, 0]] = 1.0;
        x[[18, 0]] = -0.0;
        let mut rng = Xoshiro256Plus::seed_from_u64(3);
        let rows = distinct_rows(x.view(), 2, &mut rng).expect("two different rows");
        assert_eq!(rows.sum(), 1.0);
        let error = distinct_rows(x.view(), 3, &mut rng).expect_err("only two rows differ");
        assert!(matches!(error, MixtureError::TooFewSamples { n_components: 3, found: 2 }));
    }
}
