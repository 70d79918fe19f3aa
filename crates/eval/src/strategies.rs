//! Strategies of a classifier: groups of heatmaps with the same pattern, found without knowing the patterns before.

use std::ops::Range;

use ndarray::{Array2, ArrayView2, ArrayView3, s};

use crate::agreement::adjusted_mutual_information;
use crate::error::{EvalError, check_length};
use crate::spectral::{SpectralEmbedding, neighbour_graph};

/// Greatest share of the image that the window of [`excess_window`] may cover. Tags, watermarks and borders are smaller.
const MAX_WINDOW_SHARE: f64 = 0.125;
/// The excess of a window is lowered by this many standard errors, so that a few heatmaps do not look suspicious by chance.
const N_STANDARD_ERRORS: f64 = 2.0;

/// One setting of the sweep, with its clusters.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct SweepRow {
    /// Number of neighbours in the graph.
    pub n_neighbours: usize,
    /// Number of clusters.
    pub n_clusters: usize,
    /// Eigengap `λ[c+1] − λ[c]`, where c is the number of clusters.
    pub eigengap: f64,
    /// Mean adjusted mutual information with the partitions that have the same number of clusters and another number of
    /// neighbours; `None` if only one number of neighbours was tried.
    pub agreement: Option<f64>,
    /// Cluster of each heatmap. Cluster 0 is the largest.
    pub labels: Vec<usize>,
}

/// The partitions of one set of heatmaps: the result of [`find_strategies`].
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Strategies {
    /// All settings, ordered by number of neighbours and then number of clusters; empty with fewer than three heatmaps.
    pub sweep: Vec<SweepRow>,
    /// Index of the chosen setting in the sweep.
    pub chosen: Option<usize>,
    /// The smallest eigenvalues for each number of neighbours: one more than the greatest number of clusters.
    pub eigenvalues: Vec<Vec<f64>>,
}

impl Strategies {
    /// The chosen setting, with its clusters.
    pub fn choice(&self) -> Option<&SweepRow> {
        self.sweep.get(self.chosen?)
    }
}

/// Spectral relevance analysis: divides heatmaps into clusters. The numbers of neighbours and of clusters are chosen from the
/// heatmaps alone.
///
/// `heatmaps` `(N, D)`: one downsized heatmap per row, with signs, any unit. Heatmaps are compared by the cosine, so their strength
/// does not matter, only their pattern. For every number of neighbours, the graph of [`neighbour_graph`] is built and divided into
/// every number of clusters. The setting with the greatest eigengap is chosen (the first one if several are equal). Numbers of
/// neighbours or clusters of N or more are left out. With fewer than three heatmaps, the sweep is empty.
///
/// # Errors
/// [`EvalError::Empty`] without a number of neighbours or of clusters, [`EvalError::Parameter`] for 0 neighbours or fewer than 2
/// clusters, and the errors of [`neighbour_graph`].
///
/// ```
/// use fisherlens_eval::find_strategies;
/// use ndarray::array;
///
/// // Three heatmaps with relevance on the left and three with relevance on the right, of different strength.
/// let heatmaps = array![[1.0, 0.1], [2.0, 0.1], [9.0, 0.2], [0.0, 1.0], [0.1, 3.0], [0.2, 4.0]];
/// let strategies = find_strategies(heatmaps.view(), &[2], &[2, 3], 1)?;
/// assert_eq!(strategies.choice().unwrap().labels, [0, 0, 0, 1, 1, 1]);
/// # Ok::<(), fisherlens_eval::EvalError>(())
/// ```
///
/// # References
/// `lapuschkin2019`, methods, "Spectral relevance analysis". Departures: the heatmaps keep their signs and are scaled to the same
/// ℓ2 norm, edges are weighted by the cosine, and the eigengap chooses also the number of neighbours. An eigengap limits how much
/// the clusters can change when the graph changes a little (`vonluxburg2007`, section 7), so the greatest eigengap gives the most
/// reliable partition. Signs, scaling and edge weights were fixed once, after a comparison on the horse images of VOC 2007, whose
/// photographers were known. The numbers of neighbours and clusters were never chosen in this way.
pub fn find_strategies(
    heatmaps: ArrayView2<'_, f64>,
    n_neighbours: &[usize],
    n_clusters: &[usize],
    seed: u64,
) -> Result<Strategies, EvalError> {
    if n_neighbours.is_empty() || n_clusters.is_empty() {
        return Err(EvalError::Empty { what: "number of neighbours or of clusters to try" });
    }
    if let Some(found) = n_clusters.iter().find(|found| **found < 2) {
        return Err(EvalError::Parameter {
            name: "n_clusters",
            found: found.to_string(),
            expected: "at least 2, because one cluster divides nothing",
        });
    }
    let n_heatmaps = heatmaps.nrows();
    let mut strategies = Strategies { sweep: Vec::new(), chosen: None, eigenvalues: Vec::new() };
    let max_n_clusters = n_clusters.iter().copied().fold(0, usize::max);
    for &n_neighbours in n_neighbours {
        // The graph is built even if there are too few heatmaps, because it checks the numbers.
        let graph = neighbour_graph(heatmaps, n_neighbours)?;
        if n_heatmaps < 3 || n_neighbours >= n_heatmaps {
            continue;
        }
        let embedding = SpectralEmbedding::new(graph.view())?;
        strategies.eigenvalues.push(embedding.eigenvalues().iter().copied().take(max_n_clusters + 1).collect());
        for &n_clusters in n_clusters {
            let Some(eigengap) = embedding.eigengap(n_clusters) else { continue };
            let labels = embedding.cluster(n_clusters, seed)?;
            strategies.sweep.push(SweepRow { n_neighbours, n_clusters, eigengap, agreement: None, labels });
        }
    }
    for index in 0..strategies.sweep.len() {
        strategies.sweep[index].agreement = agreement(&strategies.sweep, index)?;
    }
    // `max_by` returns the last of several equal rows, so the rows are visited from the end to get the first.
    let rows = strategies.sweep.iter().enumerate();
    strategies.chosen = rows.rev().max_by(|(_, a), (_, b)| a.eigengap.total_cmp(&b.eigengap)).map(|(index, _)| index);
    Ok(strategies)
}

/// The `agreement` of one row of the sweep.
fn agreement(sweep: &[SweepRow], index: usize) -> Result<Option<f64>, EvalError> {
    let row = &sweep[index];
    let others =
        sweep.iter().filter(|other| other.n_clusters == row.n_clusters && other.n_neighbours != row.n_neighbours);
    let values =
        others.map(|other| adjusted_mutual_information(&row.labels, &other.labels)).collect::<Result<Vec<f64>, _>>()?;
    Ok((!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64))
}

/// A part of the image in which the heatmaps of a cluster have more relevance than the other heatmaps: the result of
/// [`excess_window`].
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ExcessWindow {
    /// Rows of the window in the grid.
    pub rows: Range<usize>,
    /// Columns of the window in the grid.
    pub columns: Range<usize>,
    /// Mean share of the positive relevance in the window, over the heatmaps of the cluster.
    pub inside: f64,
    /// Mean share of the positive relevance in the window, over all other heatmaps.
    pub elsewhere: f64,
    /// `inside − elsewhere`, lowered by two standard errors: how suspicious the cluster is.
    pub suspicion: f64,
}

/// Finds the small rectangle that distinguishes a cluster most. In this rectangle the cluster's mean share of the positive relevance
/// exceeds the mean share of the other heatmaps most. It covers at most an eighth of the image.
///
/// A strategy that uses the same small part of every image, such as a tag or a border, has a large excess. A strategy that follows
/// an object has a small excess, because the object has another position in each image.
///
/// `heatmaps` `(N, rows, columns)`: downsized, with signs. `members` `(N)`: whether the heatmap is in the cluster. Heatmaps without
/// positive relevance are left out. Returns `None` if fewer than two heatmaps remain in the cluster or outside it.
///
/// ```text
/// suspicion = x̄ − ȳ − 2 √(s²_x / n_x + s²_y / n_y)
/// ```
/// x: shares of the positive relevance in the rectangle, over the cluster. y: the same over the other heatmaps. x̄, ȳ: their means;
/// s²: their variances; n: their numbers.
///
/// # Errors
/// [`EvalError::Length`] when `members` and `heatmaps` differ in length.
pub fn excess_window(heatmaps: ArrayView3<'_, f64>, members: &[bool]) -> Result<Option<ExcessWindow>, EvalError> {
    let (n_heatmaps, n_rows, n_columns) = heatmaps.dim();
    check_length("members", n_heatmaps, members.len())?;
    // Shares of the positive relevance; a heatmap without positive relevance has none.
    let shares: Vec<(bool, Array2<f64>)> = heatmaps
        .outer_iter()
        .zip(members)
        .filter_map(|(heatmap, &member)| {
            let positive = heatmap.mapv(|value| value.max(0.0));
            let sum = positive.sum();
            (sum > 0.0).then(|| (member, positive / sum))
        })
        .collect();
    let of = |member: bool| shares.iter().filter(move |(other, _)| *other == member).map(|(_, share)| share);
    let (n_inside, n_outside) = (of(true).count(), of(false).count());
    if n_inside < 2 || n_outside < 2 {
        return Ok(None);
    }
    // Summed-area table of the excess: sums[[i, j]] is its sum over the rows before i and the columns before j. The sum over any
    // rectangle then takes four values.
    let mut sums = Array2::<f64>::zeros((n_rows + 1, n_columns + 1));
    let mean =
        |member: bool, i: usize, j: usize, n: usize| of(member).map(|share| share[[i, j]]).sum::<f64>() / n as f64;
    for i in 0..n_rows {
        for j in 0..n_columns {
            let excess = mean(true, i, j, n_inside) - mean(false, i, j, n_outside);
            sums[[i + 1, j + 1]] = excess + sums[[i, j + 1]] + sums[[i + 1, j]] - sums[[i, j]];
        }
    }
    let max_n_cells = ((MAX_WINDOW_SHARE * (n_rows * n_columns) as f64) as usize).max(1);
    let mut best = (f64::NEG_INFINITY, 0..0, 0..0);
    for top in 0..n_rows {
        for bottom in top + 1..=n_rows {
            for left in 0..n_columns {
                let max_width = (max_n_cells / (bottom - top)).min(n_columns - left);
                for right in left + 1..=left + max_width {
                    let excess = sums[[bottom, right]] - sums[[top, right]] - sums[[bottom, left]] + sums[[top, left]];
                    if excess > best.0 {
                        best = (excess, top..bottom, left..right);
                    }
                }
            }
        }
    }
    let (_, rows, columns) = best;
    let in_window = |member: bool| -> Vec<f64> {
        of(member).map(|share| share.slice(s![rows.clone(), columns.clone()]).sum()).collect()
    };
    let (inside, inside_error) = mean_and_squared_error(&in_window(true));
    let (elsewhere, elsewhere_error) = mean_and_squared_error(&in_window(false));
    let suspicion = inside - elsewhere - N_STANDARD_ERRORS * (inside_error + elsewhere_error).sqrt();
    Ok(Some(ExcessWindow { rows, columns, inside, elsewhere, suspicion }))
}

/// Mean and squared standard error of at least two values.
fn mean_and_squared_error(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (mean, variance / n)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agreement::best_cluster;
    use approx::assert_abs_diff_eq;
    use ndarray::{Array3, array};
    use rand::{Rng, SeedableRng};
    use rand_xoshiro::Xoshiro256PlusPlus;

    /// Noisy heatmaps of 8 × 8. The first third of them has additional relevance in the lower left corner.
    fn planted(n: usize, seed: u64) -> (Array3<f64>, Vec<bool>) {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        let mut heatmaps = Array3::zeros((n, 8, 8));
        let tagged: Vec<bool> = (0..n).map(|i| i < n / 3).collect();
        for (mut heatmap, &tagged) in heatmaps.outer_iter_mut().zip(&tagged) {
            heatmap.mapv_inplace(|_: f64| rng.gen_range(-1.0..1.0));
            let (y, x) = (rng.gen_range(0..4), rng.gen_range(0..6));
            heatmap.slice_mut(s![y..y + 2, x..x + 2]).mapv_inplace(|value| value + 2.0);
            if tagged {
                heatmap.slice_mut(s![7.., ..4]).mapv_inplace(|value| value + 5.0);
            }
        }
        (heatmaps, tagged)
    }

    fn flat(heatmaps: &Array3<f64>) -> Array2<f64> {
        heatmaps.to_shape((heatmaps.dim().0, 64)).unwrap().to_owned()
    }

    #[test]
    fn a_planted_strategy_is_found_and_has_the_highest_suspicion() {
        let (heatmaps, tagged) = planted(60, 3);
        let found = find_strategies(flat(&heatmaps).view(), &[5, 10], &[2, 3, 4], 1).unwrap();
        assert_eq!((found.sweep.len(), found.eigenvalues.len()), (6, 2));
        let choice = found.choice().unwrap();
        assert!(found.sweep.iter().all(|row| row.eigengap <= choice.eigengap));
        let best = best_cluster(&choice.labels, &tagged).unwrap().unwrap();
        assert!(best.purity > 0.95 && best.recall > 0.95, "{best:?}");
        let suspicion = |cluster: usize| {
            let members: Vec<bool> = choice.labels.iter().map(|label| *label == cluster).collect();
            excess_window(heatmaps.view(), &members).unwrap().unwrap()
        };
        let window = suspicion(best.cluster);
        assert_eq!((window.rows.clone(), window.columns.clone()), (7..8, 0..4));
        assert!((0..choice.n_clusters).all(|c| c == best.cluster || suspicion(c).suspicion < window.suspicion));
        // The same seed gives the same partition.
        assert_eq!(find_strategies(flat(&heatmaps).view(), &[5, 10], &[2, 3, 4], 1).unwrap(), found);
    }

    #[test]
    fn the_choice_does_not_depend_on_strength_or_order() {
        let (heatmaps, _) = planted(45, 5);
        let samples = flat(&heatmaps);
        let of = |samples: &Array2<f64>| find_strategies(samples.view(), &[6], &[2, 3], 1).unwrap();
        let found = of(&samples);
        let mut scaled = samples.clone();
        for (i, mut row) in scaled.rows_mut().into_iter().enumerate() {
            row.mapv_inplace(|value| value * (1.0 + i as f64));
        }
        assert_eq!(of(&scaled).choice().unwrap().labels, found.choice().unwrap().labels);
        let order: Vec<usize> = (0..45).map(|i| i * 7 % 45).collect();
        let moved = of(&samples.select(ndarray::Axis(0), &order));
        let expected: Vec<usize> = order.iter().map(|&i| found.choice().unwrap().labels[i]).collect();
        assert_abs_diff_eq!(
            adjusted_mutual_information(&moved.choice().unwrap().labels, &expected).unwrap(),
            1.0,
            epsilon = 1e-9
        );
    }

    #[test]
    fn few_or_equal_heatmaps_are_accepted() {
        for n in 1..3 {
            let found = find_strategies(Array2::ones((n, 4)).view(), &[10], &[2], 0).unwrap();
            assert_eq!((found.sweep.len(), found.choice()), (0, None));
        }
        // A number of neighbours that is not smaller than the number of heatmaps is left out.
        let found = find_strategies(array![[1.0, 0.0], [0.0, 1.0], [1.0, 0.1]].view(), &[1, 10], &[2, 9], 0).unwrap();
        assert_eq!(found.sweep.len(), 1);
        assert_eq!((found.sweep[0].n_neighbours, found.sweep[0].agreement), (1, None));
        let same = find_strategies(Array2::ones((12, 4)).view(), &[3, 5], &[2], 0).unwrap();
        assert_eq!(same.sweep.len(), 2);
        let zeros = find_strategies(Array2::zeros((12, 4)).view(), &[3], &[2], 0).unwrap();
        assert_eq!(zeros.sweep[0].eigengap, 0.0);
    }

    #[test]
    fn invalid_input_is_refused() {
        let samples = Array2::ones((4, 2));
        assert!(matches!(find_strategies(samples.view(), &[], &[2], 0), Err(EvalError::Empty { .. })));
        assert!(matches!(
            find_strategies(samples.view(), &[2], &[1], 0),
            Err(EvalError::Parameter { name: "n_clusters", .. })
        ));
        assert!(matches!(
            find_strategies(samples.view(), &[0], &[2], 0),
            Err(EvalError::Parameter { name: "n_neighbours", .. })
        ));
        assert!(matches!(
            find_strategies(array![[f64::NAN, 1.0]].view(), &[1], &[2], 0),
            Err(EvalError::Relevance { .. })
        ));
        assert!(matches!(excess_window(Array3::zeros((2, 2, 2)).view(), &[true]), Err(EvalError::Length { .. })));
    }

    #[test]
    fn a_window_matches_hand_computed_values() {
        let mut heatmaps = Array3::from_elem((4, 4, 4), 1.0);
        for i in 0..2 {
            heatmaps[[i, 3, 1]] = 17.0;
        }
        let members = [true, true, false, false];
        let window = excess_window(heatmaps.view(), &members).unwrap().unwrap();
        assert_eq!((window.rows, window.columns), (3..4, 1..2));
        assert_abs_diff_eq!(window.inside, 17.0 / 32.0, epsilon = 1e-12);
        assert_abs_diff_eq!(window.elsewhere, 1.0 / 16.0, epsilon = 1e-12);
        assert_abs_diff_eq!(window.suspicion, 17.0 / 32.0 - 1.0 / 16.0, epsilon = 1e-12);
        assert_eq!(excess_window(heatmaps.view(), &[true; 4]).unwrap(), None);
        assert_eq!(excess_window(heatmaps.mapv(|value| -value).view(), &members).unwrap(), None);
    }
}
