//! Spectral clustering: a graph of nearest neighbours, its Laplacian's first eigenvectors, k-means on these.

use fisherlens_lapack as _;
use linfa::traits::{Fit, Predict};
use linfa::{DatasetBase, ParamGuard};
use linfa_clustering::{KMeans, KMeansError};
use ndarray::{Array1, Array2, ArrayView2, Axis, s};
use ndarray_linalg::{Eigh, UPLO};
use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::EvalError;

/// Starts of k-means, the best of which counts (scikit-learn's `n_init`).
const N_RUNS: usize = 10;
/// Steps of one start at most (scikit-learn's `max_iter`).
const MAX_N_ITERATIONS: u64 = 300;
/// Movement of the centroids at which a start ends.
const TOLERANCE: f64 = 1e-9;

/// Similarity of samples that are among each other's nearest.
///
/// ```text
/// W[i,j] = max(0, cos(x_i, x_j)) · (a_ij + a_ji) / 2,   a_ij = 1 where j is among the k nearest of i
/// ```
/// `samples` `(N, D)`, any unit: the cosine looks at directions only. Nearest means greatest cosine; of equal ones the lower
/// index. `n_neighbours` k is at least 1 and more than N − 1 is all others. Returns `(N, N)`, symmetric, 0 on the diagonal; 1
/// where both are among the other's nearest and point the same way. A sample of zeros is similar to nothing.
///
/// # Errors
/// [`EvalError::Empty`] without a sample, [`EvalError::Parameter`] for 0 neighbours, [`EvalError::Relevance`] for a value that
/// is no finite number.
///
/// # References
/// `vonluxburg2007`, section 2.2, the k-nearest-neighbour graph with weighted edges. Departure: an edge that only one of the two
/// wants counts half (as in scikit-learn's `SpectralClustering`) instead of fully.
pub fn neighbour_graph(samples: ArrayView2<'_, f64>, n_neighbours: usize) -> Result<Array2<f64>, EvalError> {
    let n_samples = samples.nrows();
    if n_samples == 0 {
        return Err(EvalError::Empty { what: "sample" });
    }
    if n_neighbours == 0 {
        return Err(EvalError::Parameter {
            name: "n_neighbours",
            found: "0".to_owned(),
            expected: "at least 1; 10 is usual",
        });
    }
    if let Some((index, value)) = samples.iter().enumerate().find(|(_, value)| !value.is_finite()) {
        return Err(EvalError::Relevance { index, found: value.to_string() });
    }
    let cosines = cosines(samples);
    let mut wanted = Array2::<f64>::zeros((n_samples, n_samples));
    for i in 0..n_samples {
        let mut others: Vec<usize> = (0..n_samples).filter(|&j| j != i).collect();
        others.sort_by(|&a, &b| cosines[[i, b]].total_cmp(&cosines[[i, a]]));
        for &j in others.iter().take(n_neighbours) {
            wanted[[i, j]] = 1.0;
        }
    }
    Ok(Array2::from_shape_fn((n_samples, n_samples), |(i, j)| {
        cosines[[i, j]].max(0.0) * f64::midpoint(wanted[[i, j]], wanted[[j, i]])
    }))
}

/// Cosines of all pairs; 0 with a sample of zeros. Rows are divided by their largest magnitude first, so that squares neither
/// overflow nor vanish.
fn cosines(samples: ArrayView2<'_, f64>) -> Array2<f64> {
    let mut directions = samples.to_owned();
    for mut row in directions.rows_mut() {
        let largest = row.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
        if largest > 0.0 {
            row.mapv_inplace(|value| value / largest);
            let norm = row.dot(&row).sqrt();
            row.mapv_inplace(|value| value / norm);
        }
    }
    let n_samples = samples.nrows();
    let mut cosines = Array2::zeros((n_samples, n_samples));
    for i in 0..n_samples {
        for j in 0..i {
            let cosine = directions.row(i).dot(&directions.row(j));
            cosines[[i, j]] = cosine;
            cosines[[j, i]] = cosine;
        }
    }
    cosines
}

/// Eigenvalues and eigenvectors of a graph's normalised Laplacian.
///
/// ```text
/// L = I − D^(−1/2) W D^(−1/2),   D = diag(Σ_j W[i,j])
/// ```
/// A sample without neighbours is a component of its own: its row of L is 0.
#[derive(Debug, Clone, PartialEq)]
pub struct SpectralEmbedding {
    eigenvalues: Array1<f64>,
    eigenvectors: Array2<f64>,
}

impl SpectralEmbedding {
    /// Of a similarity `(N, N)`, symmetric, not negative; only what is on and below the diagonal is read.
    ///
    /// # Errors
    /// [`EvalError::Empty`] without a sample, [`EvalError::Length`] for an array that is not square, [`EvalError::Relevance`]
    /// for a similarity that is negative or no finite number, [`EvalError::Clustering`] when LAPACK gives up.
    ///
    /// # References
    /// `vonluxburg2007`, section 3.2 (`L_sym`).
    pub fn new(similarity: ArrayView2<'_, f64>) -> Result<Self, EvalError> {
        let n_samples = similarity.nrows();
        if n_samples == 0 {
            return Err(EvalError::Empty { what: "sample" });
        }
        if similarity.ncols() != n_samples {
            let (expected, found) = (n_samples, similarity.ncols());
            return Err(EvalError::Length { what: "columns of the similarity", expected, found });
        }
        if let Some((index, value)) = similarity.iter().enumerate().find(|(_, v)| !(v.is_finite() && **v >= 0.0)) {
            return Err(EvalError::Relevance { index, found: value.to_string() });
        }
        let at = |i: usize, j: usize| similarity[[i.max(j), i.min(j)]];
        let degrees: Vec<f64> = (0..n_samples).map(|i| (0..n_samples).map(|j| at(i, j)).sum()).collect();
        let laplacian = Array2::from_shape_fn((n_samples, n_samples), |(i, j)| {
            let scale = (degrees[i] * degrees[j]).sqrt();
            let own = if i == j && degrees[i] > 0.0 { 1.0 } else { 0.0 };
            own - if scale > 0.0 { at(i, j) / scale } else { 0.0 }
        });
        let solved =
            laplacian.eigh(UPLO::Lower).map_err(|error| EvalError::Clustering { reason: error.to_string() })?;
        Ok(Self { eigenvalues: solved.0, eigenvectors: solved.1 })
    }

    /// The eigenvalues `(N)`, smallest first, from 0 to 2. As many are 0 as the graph has components.
    pub fn eigenvalues(&self) -> &Array1<f64> {
        &self.eigenvalues
    }

    /// `λ[c+1] − λ[c]`, counted from 1: how clearly the graph falls into `n_clusters` c. None where there are not more samples.
    pub fn eigengap(&self, n_clusters: usize) -> Option<f64> {
        let next = self.eigenvalues.get(n_clusters)?;
        Some(next - self.eigenvalues.get(n_clusters.checked_sub(1)?)?)
    }

    /// Parts the samples by k-means on the rows of the first `n_clusters` eigenvectors, each row scaled to length 1.
    ///
    /// Clusters are numbered by falling size, of equal ones the one with the earlier sample first; there may be fewer than
    /// asked for where samples are alike. The same seed gives the same labels.
    ///
    /// # Errors
    /// [`EvalError::Parameter`] for 0 clusters or more than samples, [`EvalError::Clustering`] from k-means.
    ///
    /// # References
    /// `ng2001`, steps 3 to 6.
    pub fn cluster(&self, n_clusters: usize, seed: u64) -> Result<Vec<usize>, EvalError> {
        let n_samples = self.eigenvalues.len();
        if n_clusters == 0 || n_clusters > n_samples {
            return Err(EvalError::Parameter {
                name: "n_clusters",
                found: n_clusters.to_string(),
                expected: "at least 1 and at most as many as samples",
            });
        }
        let mut rows = self.eigenvectors.slice(s![.., ..n_clusters]).to_owned();
        for mut row in rows.axis_iter_mut(Axis(0)) {
            let norm = row.dot(&row).sqrt();
            if norm > 0.0 {
                row.mapv_inplace(|value| value / norm);
            }
        }
        let failed = |error: KMeansError| EvalError::Clustering { reason: error.to_string() };
        let dataset = DatasetBase::from(rows);
        let clusters = KMeans::params_with_rng(n_clusters, Xoshiro256PlusPlus::seed_from_u64(seed))
            .n_runs(N_RUNS)
            .max_n_iterations(MAX_N_ITERATIONS)
            .tolerance(TOLERANCE)
            .check()
            .map_err(|error| failed(error.into()))?
            .fit(&dataset)
            .map_err(failed)?;
        let labels: Array1<usize> = clusters.predict(dataset.records());
        Ok(by_size(&labels.to_vec()))
    }
}

/// The same partition with clusters numbered by falling size, of equal ones the one with the earlier sample first.
fn by_size(labels: &[usize]) -> Vec<usize> {
    let mut found: Vec<(usize, usize, usize)> = Vec::new();
    for (place, &label) in labels.iter().enumerate() {
        match found.iter_mut().find(|(other, ..)| *other == label) {
            Some((_, n_members, _)) => *n_members += 1,
            None => found.push((label, 1, place)),
        }
    }
    found.sort_by_key(|&(_, n_members, first)| (std::cmp::Reverse(n_members), first));
    let rank = |label: usize| found.iter().position(|(other, ..)| *other == label);
    labels.iter().map(|&label| rank(label).expect("every label was counted")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_abs_diff_eq;
    use ndarray::array;
    use proptest::prelude::*;
    use rand::seq::SliceRandom;

    /// Blocks of these sizes, similar inside and not at all between.
    fn blocks(sizes: &[usize]) -> (Array2<f64>, Vec<usize>) {
        let truth: Vec<usize> = sizes.iter().enumerate().flat_map(|(b, &n)| std::iter::repeat_n(b, n)).collect();
        let n = truth.len();
        let similar = |i: usize, j: usize| if i != j && truth[i] == truth[j] { 1.0 } else { 0.0 };
        (Array2::from_shape_fn((n, n), |(i, j)| similar(i, j)), truth)
    }

    fn same_partition(a: &[usize], b: &[usize]) -> bool {
        (0..a.len()).all(|i| (0..i).all(|j| (a[i] == a[j]) == (b[i] == b[j])))
    }

    #[test]
    fn the_graph_by_hand() {
        let samples = array![[2.0, 0.0], [3.0, 0.0], [1.0, 1.0], [0.0, -5.0]];
        let graph = neighbour_graph(samples.view(), 1).unwrap();
        let half = 0.5_f64.sqrt();
        // 0 and 1 want each other, 2 wants 0 (the earlier of equals), 3 wants 0 at cosine 0.
        let expected = array![
            [0.0, 1.0, half / 2.0, 0.0],
            [1.0, 0.0, 0.0, 0.0],
            [half / 2.0, 0.0, 0.0, 0.0],
            [0.0, 0.0, 0.0, 0.0]
        ];
        assert_abs_diff_eq!(graph, expected, epsilon = 1e-12);
    }

    #[test]
    fn components_are_zeros_among_the_eigenvalues() {
        let (similarity, truth) = blocks(&[5, 3, 4]);
        let embedding = SpectralEmbedding::new(similarity.view()).unwrap();
        assert!(embedding.eigenvalues().iter().take(3).all(|value| value.abs() < 1e-12));
        // A full graph of n has the further eigenvalue n / (n − 1).
        assert_abs_diff_eq!(embedding.eigengap(3).unwrap(), 1.25, epsilon = 1e-9);
        let labels = embedding.cluster(3, 1).unwrap();
        assert!(same_partition(&labels, &truth));
        assert_eq!((labels[0], labels[5], labels[8]), (0, 2, 1));
    }

    #[test]
    fn edges() {
        // Identical heatmaps, a constant one, one of zeros, and one alone.
        let same = neighbour_graph(Array2::ones((5, 3)).view(), 10).unwrap();
        let labels = SpectralEmbedding::new(same.view()).unwrap().cluster(1, 0).unwrap();
        assert_eq!(labels, [0; 5]);
        assert_eq!(SpectralEmbedding::new(same.view()).unwrap().cluster(5, 0).unwrap().len(), 5);
        let zeros = neighbour_graph(Array2::zeros((3, 2)).view(), 2).unwrap();
        assert_eq!(zeros, Array2::<f64>::zeros((3, 3)));
        assert_eq!(SpectralEmbedding::new(zeros.view()).unwrap().eigenvalues(), &Array1::<f64>::zeros(3));
        let alone = neighbour_graph(array![[1.0, 2.0]].view(), 10).unwrap();
        let embedding = SpectralEmbedding::new(alone.view()).unwrap();
        assert_eq!((embedding.cluster(1, 0).unwrap(), embedding.eigengap(1)), (vec![0], None));
        // Magnitudes do not matter, nor do they overflow.
        let large = neighbour_graph(array![[1e300, 1e300], [1e-300, 1e-300]].view(), 1).unwrap();
        assert_abs_diff_eq!(large[[0, 1]], 1.0, epsilon = 1e-12);
    }

    #[test]
    fn what_is_refused() {
        let refused = |samples: Array2<f64>, k| neighbour_graph(samples.view(), k).unwrap_err();
        assert_eq!(refused(array![[0.0, f64::NAN]], 1), EvalError::Relevance { index: 1, found: "NaN".to_owned() });
        assert!(matches!(refused(array![[0.0]], 0), EvalError::Parameter { name: "n_neighbours", .. }));
        assert!(matches!(refused(Array2::zeros((0, 3)), 1), EvalError::Empty { .. }));
        let of = |similarity: Array2<f64>| SpectralEmbedding::new(similarity.view()).unwrap_err();
        assert!(matches!(of(Array2::zeros((2, 3))), EvalError::Length { expected: 2, found: 3, .. }));
        assert!(matches!(of(array![[0.0, 1.0], [-1.0, 0.0]]), EvalError::Relevance { index: 2, .. }));
        let embedding = SpectralEmbedding::new(Array2::ones((2, 2)).view()).unwrap();
        for n_clusters in [0, 3] {
            assert!(matches!(
                embedding.cluster(n_clusters, 0).unwrap_err(),
                EvalError::Parameter { name: "n_clusters", .. }
            ));
        }
    }

    proptest! {
        #[test]
        fn blocks_are_found_in_any_order(
            sizes in proptest::collection::vec(3_usize..8, 1..5), seed in 0_u64..100,
        ) {
            let (similarity, truth) = blocks(&sizes);
            let mut order: Vec<usize> = (0..truth.len()).collect();
            order.shuffle(&mut Xoshiro256PlusPlus::seed_from_u64(seed));
            let moved = similarity.select(Axis(0), &order).select(Axis(1), &order);
            let labels = SpectralEmbedding::new(moved.view()).unwrap().cluster(sizes.len(), seed).unwrap();
            let expected: Vec<usize> = order.iter().map(|&place| truth[place]).collect();
            prop_assert!(same_partition(&labels, &expected), "{labels:?} {expected:?}");
        }

        #[test]
        fn eigenvalues_lie_between_0_and_2(
            values in proptest::collection::vec(-1.0_f64..1.0, 6 * 4), k in 1_usize..7,
        ) {
            let samples = Array2::from_shape_vec((6, 4), values).unwrap();
            let graph = neighbour_graph(samples.view(), k).unwrap();
            prop_assert_eq!(&graph.t(), &graph);
            let embedding = SpectralEmbedding::new(graph.view()).unwrap();
            let values = embedding.eigenvalues();
            prop_assert!(values[0].abs() < 1e-9 && values.iter().all(|v| (-1e-9..=2.0 + 1e-9).contains(v)));
        }
    }
}
