//! Spectral clustering: a graph of nearest neighbours, the first eigenvectors of its Laplacian, and k-means on the eigenvectors.

use fisherlens_lapack as _;
use linfa::traits::{Fit, Predict};
use linfa::{DatasetBase, ParamGuard};
use linfa_clustering::{KMeans, KMeansError};
use ndarray::{Array1, Array2, ArrayView2, Axis, s};
use ndarray_linalg::{Eigh, UPLO};
use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::error::EvalError;

/// K-means is started this many times and the best run is taken (scikit-learn's `n_init`).
const N_RUNS: usize = 10;
/// Greatest number of iterations of one run (scikit-learn's `max_iter`).
const MAX_N_ITERATIONS: u64 = 300;
/// A run ends when the centroids move less than this.
const TOLERANCE: f64 = 1e-9;

/// Similarity of samples that are nearest neighbours of each other.
///
/// ```text
/// W[i,j] = max(0, cos(x_i, x_j)) · (a_ij + a_ji) / 2,   a_ij = 1 where j is among the k nearest of i
/// ```
/// `samples` `(N, D)`, any unit: the cosine depends only on the direction. The nearest samples are those with the greatest cosine;
/// of equal ones, the lower index comes first. `n_neighbours` is k, at least 1; if it is larger than N − 1, all other samples are
/// neighbours. Returns `(N, N)`, symmetric, 0 on the diagonal. A value is 1 if both samples are among the neighbours of the other and
/// have the same direction. A sample of zeros has similarity 0 with all others.
///
/// # Errors
/// [`EvalError::Empty`] without a sample, [`EvalError::Parameter`] for 0 neighbours, [`EvalError::Relevance`] for a value that
/// is not finite.
///
/// ```
/// use fisherlens_eval::neighbour_graph;
/// use ndarray::array;
///
/// let samples = array![[1.0, 0.0], [3.0, 0.0], [0.0, 2.0]];
/// assert_eq!(neighbour_graph(samples.view(), 1)?, array![[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]);
/// # Ok::<(), fisherlens_eval::EvalError>(())
/// ```
///
/// # References
/// `vonluxburg2007`, section 2.2, the k-nearest-neighbour graph with weighted edges. Departure: if only one of two samples is among
/// the neighbours of the other, the edge has half the weight (as in scikit-learn's `SpectralClustering`) instead of the whole.
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
    let mut is_neighbour = Array2::<f64>::zeros((n_samples, n_samples)); // a_ij, 0 or 1
    for i in 0..n_samples {
        let mut others: Vec<usize> = (0..n_samples).filter(|&j| j != i).collect();
        others.sort_by(|&a, &b| cosines[[i, b]].total_cmp(&cosines[[i, a]]));
        for &j in others.iter().take(n_neighbours) {
            is_neighbour[[i, j]] = 1.0;
        }
    }
    Ok(Array2::from_shape_fn((n_samples, n_samples), |(i, j)| {
        cosines[[i, j]].max(0.0) * f64::midpoint(is_neighbour[[i, j]], is_neighbour[[j, i]])
    }))
}

/// Cosines of all pairs; 0 for a pair with a sample of zeros. Rows are first divided by their largest absolute value, so that
/// squares neither overflow nor underflow.
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
///
/// ```
/// use fisherlens_eval::SpectralEmbedding;
/// use ndarray::array;
///
/// // Two pairs of similar samples.
/// let similarity = array![[0.0, 1.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0], [0.0, 0.0, 1.0, 0.0]];
/// let labels = SpectralEmbedding::new(similarity.view())?.cluster(2, 1)?;
/// assert_eq!(labels, [0, 0, 1, 1]);
/// # Ok::<(), fisherlens_eval::EvalError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct SpectralEmbedding {
    eigenvalues: Array1<f64>,
    eigenvectors: Array2<f64>,
}

impl SpectralEmbedding {
    /// Embedding of a similarity matrix `(N, N)`, symmetric and not negative. Only the diagonal and the values below it are used.
    ///
    /// # Errors
    /// [`EvalError::Empty`] without a sample, [`EvalError::Length`] for an array that is not square, [`EvalError::Relevance`]
    /// for a similarity that is negative or not finite, [`EvalError::Clustering`] when LAPACK fails.
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

    /// The eigenvalues `(N)`, in ascending order, from 0 to 2. The number of zeros is the number of components of the graph.
    pub fn eigenvalues(&self) -> &Array1<f64> {
        &self.eigenvalues
    }

    /// The eigengap `λ[c+1] − λ[c]`, counted from 1, for c = `n_clusters`. The larger it is, the more clearly the graph has c
    /// clusters. `None` if there are not more samples than clusters.
    pub fn eigengap(&self, n_clusters: usize) -> Option<f64> {
        let next = self.eigenvalues.get(n_clusters)?;
        Some(next - self.eigenvalues.get(n_clusters.checked_sub(1)?)?)
    }

    /// Clusters the samples by k-means on the rows of the first `n_clusters` eigenvectors, each row scaled to length 1.
    ///
    /// Returns the cluster of each sample. Clusters are numbered by descending size; of two with equal size, the one with the earlier
    /// first sample comes first. If samples are equal, there may be fewer than `n_clusters`. The same seed gives the same labels.
    ///
    /// # Errors
    /// [`EvalError::Parameter`] for 0 clusters or more clusters than samples, [`EvalError::Clustering`] when k-means fails.
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

/// The same partition with clusters numbered by descending size; of equal sizes, the one with the earlier first sample comes first.
fn by_size(labels: &[usize]) -> Vec<usize> {
    // (label, number of samples, first sample) of each cluster.
    let mut clusters: Vec<(usize, usize, usize)> = Vec::new();
    for (sample, &label) in labels.iter().enumerate() {
        match clusters.iter_mut().find(|(other, ..)| *other == label) {
            Some((_, n_members, _)) => *n_members += 1,
            None => clusters.push((label, 1, sample)),
        }
    }
    clusters.sort_by_key(|&(_, n_members, first)| (std::cmp::Reverse(n_members), first));
    let rank = |label: usize| clusters.iter().position(|(other, ..)| *other == label);
    labels.iter().map(|&label| rank(label).expect("every label was counted")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_abs_diff_eq;
    use ndarray::array;
    use proptest::prelude::*;
    use rand::seq::SliceRandom;

    /// Blocks of these sizes. Samples of the same block have similarity 1, all others 0.
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
    fn the_graph_matches_hand_computed_values() {
        let samples = array![[2.0, 0.0], [3.0, 0.0], [1.0, 1.0], [0.0, -5.0]];
        let graph = neighbour_graph(samples.view(), 1).unwrap();
        let half = 0.5_f64.sqrt();
        // Nearest neighbours: 1 of 0, 0 of 1, 0 of 2 (the first of two equal ones), 0 of 3 with cosine 0.
        let expected = array![
            [0.0, 1.0, half / 2.0, 0.0],
            [1.0, 0.0, 0.0, 0.0],
            [half / 2.0, 0.0, 0.0, 0.0],
            [0.0, 0.0, 0.0, 0.0]
        ];
        assert_abs_diff_eq!(graph, expected, epsilon = 1e-12);
    }

    #[test]
    fn the_number_of_zero_eigenvalues_is_the_number_of_components() {
        let (similarity, truth) = blocks(&[5, 3, 4]);
        let embedding = SpectralEmbedding::new(similarity.view()).unwrap();
        assert!(embedding.eigenvalues().iter().take(3).all(|value| value.abs() < 1e-12));
        // In a complete graph of n samples all other eigenvalues are n / (n − 1).
        assert_abs_diff_eq!(embedding.eigengap(3).unwrap(), 1.25, epsilon = 1e-9);
        let labels = embedding.cluster(3, 1).unwrap();
        assert!(same_partition(&labels, &truth));
        assert_eq!((labels[0], labels[5], labels[8]), (0, 2, 1));
    }

    #[test]
    fn equal_zero_and_single_samples() {
        let same = neighbour_graph(Array2::ones((5, 3)).view(), 10).unwrap();
        let labels = SpectralEmbedding::new(same.view()).unwrap().cluster(1, 0).unwrap();
        assert_eq!(labels, [0; 5]);
        assert_eq!(SpectralEmbedding::new(same.view()).unwrap().cluster(5, 0).unwrap().len(), 5);
        let zeros = neighbour_graph(Array2::zeros((3, 2)).view(), 2).unwrap();
        assert_eq!(zeros, Array2::<f64>::zeros((3, 3)));
        assert_eq!(SpectralEmbedding::new(zeros.view()).unwrap().eigenvalues(), &Array1::<f64>::zeros(3));
        let single = neighbour_graph(array![[1.0, 2.0]].view(), 10).unwrap();
        let embedding = SpectralEmbedding::new(single.view()).unwrap();
        assert_eq!((embedding.cluster(1, 0).unwrap(), embedding.eigengap(1)), (vec![0], None));
        // Very large and very small values neither matter nor overflow.
        let large = neighbour_graph(array![[1e300, 1e300], [1e-300, 1e-300]].view(), 1).unwrap();
        assert_abs_diff_eq!(large[[0, 1]], 1.0, epsilon = 1e-12);
    }

    #[test]
    fn invalid_input_is_refused() {
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
            let expected: Vec<usize> = order.iter().map(|&sample| truth[sample]).collect();
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
