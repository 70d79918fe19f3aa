//! How well clusters agree with labels that the clustering never saw.

use std::collections::BTreeMap;

use crate::error::{EvalError, check_length};

/// The cluster that agrees best with a property that some samples have: the result of [`best_cluster`].
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ClusterAgreement {
    /// Label of the cluster.
    pub cluster: usize,
    /// Number of samples in the cluster.
    pub n_members: usize,
    /// Number of samples in the cluster that have the property.
    pub n_hits: usize,
    /// Share of the cluster's samples that have the property.
    pub purity: f64,
    /// Share of the samples with the property that are in the cluster.
    pub recall: f64,
}

/// The cluster with the greatest harmonic mean of purity and recall. If several are equal, the one with the lowest label.
///
/// `labels` `(N)`: the cluster of each sample. `property` `(N)`: whether the sample has the property. Returns `None` if no sample
/// has it.
///
/// # Errors
/// [`EvalError::Length`] when `labels` and `property` differ in length.
///
/// ```
/// use fisherlens_eval::best_cluster;
///
/// let best = best_cluster(&[0, 0, 0, 1, 1], &[true, true, false, false, true])?.unwrap();
/// assert_eq!((best.cluster, best.n_members, best.n_hits), (0, 3, 2));
/// # Ok::<(), fisherlens_eval::EvalError>(())
/// ```
pub fn best_cluster(labels: &[usize], property: &[bool]) -> Result<Option<ClusterAgreement>, EvalError> {
    check_length("samples with the property", labels.len(), property.len())?;
    let n_property = property.iter().filter(|has_property| **has_property).count();
    let mut counts: BTreeMap<usize, (usize, usize)> = BTreeMap::new();
    for (&label, &has_property) in labels.iter().zip(property) {
        let (n_members, n_hits) = counts.entry(label).or_default();
        *n_members += 1;
        *n_hits += usize::from(has_property);
    }
    let mut best: Option<(f64, ClusterAgreement)> = None;
    for (cluster, (n_members, n_hits)) in counts {
        // 2 P R / (P + R) = 2 hits / (members + property).
        let mean = 2.0 * n_hits as f64 / (n_members + n_property) as f64;
        if n_hits > 0 && best.is_none_or(|(greatest, _)| mean > greatest) {
            let (purity, recall) = (n_hits as f64 / n_members as f64, n_hits as f64 / n_property as f64);
            best = Some((mean, ClusterAgreement { cluster, n_members, n_hits, purity, recall }));
        }
    }
    Ok(best.map(|(_, agreement)| agreement))
}

/// Adjusted mutual information of two labelings: corrected for chance and scaled, so that it is 1 for equal partitions and about 0
/// for independent ones.
///
/// ```text
/// AMI = (MI − E[MI]) / (½ (H(a) + H(b)) − E[MI])
/// E[MI] = Σ_i Σ_j Σ_n  n/N · ln(N n / (a_i b_j)) · p(n),   n from max(1, a_i + b_j − N) to min(a_i, b_j)
/// p(n)  = a_i! b_j! (N − a_i)! (N − b_j)! / (N! n! (a_i − n)! (b_j − n)! (N − a_i − b_j + n)!)
/// ```
/// `a_i`, `b_j`: sizes of the clusters. The expectation E is exact: it is taken over all labelings with clusters of these sizes.
/// The names of the clusters do not matter. The result is 1 if both labelings have one cluster, if every sample is its own
/// cluster in both, or if both are empty (as in scikit-learn).
///
/// # Errors
/// [`EvalError::Length`] when the labelings differ in length.
///
/// ```
/// use fisherlens_eval::adjusted_mutual_information;
///
/// // The same partition under other names.
/// assert_eq!(adjusted_mutual_information(&[0, 0, 1, 1], &[7, 7, 3, 3])?, 1.0);
/// # Ok::<(), fisherlens_eval::EvalError>(())
/// ```
///
/// # References
/// `vinh2010`, eq. 24a and the `sum` form of AMI (scikit-learn's `average_method="arithmetic"`).
pub fn adjusted_mutual_information(a: &[usize], b: &[usize]) -> Result<f64, EvalError> {
    check_length("samples of the second labeling", a.len(), b.len())?;
    let n_samples = a.len();
    let (sizes_a, sizes_b) = (sizes(a), sizes(b));
    let trivial = |n_clusters: usize| n_clusters <= 1 || n_clusters == n_samples;
    if sizes_a.len() == sizes_b.len() && trivial(sizes_a.len()) {
        return Ok(1.0);
    }
    let total = n_samples as f64;
    let mut joint: BTreeMap<(usize, usize), usize> = BTreeMap::new();
    for pair in a.iter().copied().zip(b.iter().copied()) {
        *joint.entry(pair).or_default() += 1;
    }
    let information: f64 = joint
        .iter()
        .map(|((i, j), &n)| {
            let product = sizes_a[i] as f64 * sizes_b[j] as f64;
            n as f64 / total * (total * n as f64 / product).ln()
        })
        .sum();
    let expected = expected_information(&sizes_a, &sizes_b, n_samples);
    let mean_entropy = f64::midpoint(entropy(&sizes_a, total), entropy(&sizes_b, total));
    // The denominator can be 0 (then the numerator is 0 too). It is kept away from 0 without changing its sign, as in scikit-learn.
    let denominator = mean_entropy - expected;
    let denominator = if denominator < 0.0 { denominator.min(-f64::EPSILON) } else { denominator.max(f64::EPSILON) };
    Ok((information - expected) / denominator)
}

/// Number of samples in each cluster.
fn sizes(labels: &[usize]) -> BTreeMap<usize, usize> {
    let mut sizes = BTreeMap::new();
    for &label in labels {
        *sizes.entry(label).or_insert(0) += 1;
    }
    sizes
}

/// Entropy H of a labeling with these cluster sizes, in nats.
fn entropy(sizes: &BTreeMap<usize, usize>, total: f64) -> f64 {
    sizes.values().map(|&size| size as f64 / total).map(|share| -share * share.ln()).sum()
}

/// `E[MI]`, the expected mutual information of two labelings with these cluster sizes.
fn expected_information(a: &BTreeMap<usize, usize>, b: &BTreeMap<usize, usize>, n_samples: usize) -> f64 {
    let mut log_factorial = vec![0.0; n_samples + 1];
    for n in 1..=n_samples {
        log_factorial[n] = log_factorial[n - 1] + (n as f64).ln();
    }
    let total = n_samples as f64;
    let mut sum = 0.0;
    // For each pair of clusters, n is the number of samples they share. Its probability p(n) comes from logarithms, because
    // factorials overflow.
    for &size_a in a.values() {
        for &size_b in b.values() {
            let fixed = log_factorial[size_a] + log_factorial[size_b] + log_factorial[n_samples - size_a]
                - log_factorial[n_samples]
                + log_factorial[n_samples - size_b];
            for n in (size_a + size_b).saturating_sub(n_samples).max(1)..=size_a.min(size_b) {
                let log_probability = fixed
                    - log_factorial[n]
                    - log_factorial[size_a - n]
                    - log_factorial[size_b - n]
                    - log_factorial[n_samples + n - size_a - size_b];
                let information = (total * n as f64 / (size_a as f64 * size_b as f64)).ln();
                sum += n as f64 / total * information * log_probability.exp();
            }
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_abs_diff_eq;
    use proptest::prelude::*;

    #[test]
    fn purity_and_recall_match_hand_computed_values() {
        let labels = [0, 0, 0, 1, 1, 2];
        let property = [true, true, false, true, false, false];
        let best = best_cluster(&labels, &property).unwrap().unwrap();
        assert_eq!((best.cluster, best.n_members, best.n_hits), (0, 3, 2));
        assert_abs_diff_eq!(best.purity, 2.0 / 3.0);
        assert_abs_diff_eq!(best.recall, 2.0 / 3.0);
        assert_eq!(best_cluster(&labels, &[false; 6]).unwrap(), None);
        assert!(matches!(best_cluster(&labels, &[true]), Err(EvalError::Length { expected: 6, found: 1, .. })));
    }

    /// `sklearn.metrics.adjusted_mutual_info_score` of scikit-learn 1.9.1.
    #[test]
    fn equals_scikit_learn() {
        let cases: [(&[usize], &[usize], f64); 6] = [
            (&[0, 0, 1, 1], &[0, 0, 1, 1], 1.0),
            (&[0, 0, 1, 1], &[0, 1, 0, 1], -0.5),
            (&[0, 0, 0, 1, 1, 2], &[0, 0, 1, 1, 1, 1], 0.105_390_385_862_821_15),
            (&[0, 0, 1, 1, 2, 2], &[0, 0, 0, 0, 0, 0], 0.0),
            (&[0, 1, 2, 3], &[0, 0, 1, 1], 0.0),
            (
                &[0, 1, 0, 2, 1, 1, 0, 0, 0, 0, 1, 2, 1, 0, 0, 2, 2, 1, 1, 0, 0, 1, 0, 0],
                &[2, 1, 0, 2, 2, 1, 3, 0, 0, 0, 1, 2, 1, 0, 2, 1, 2, 1, 1, 0, 0, 0, 0, 0],
                0.371_549_056_830_735_25,
            ),
        ];
        for (a, b, expected) in cases {
            assert_abs_diff_eq!(adjusted_mutual_information(a, b).unwrap(), expected, epsilon = 1e-12);
        }
        assert_eq!(adjusted_mutual_information(&[], &[]).unwrap(), 1.0);
        assert!(adjusted_mutual_information(&[0], &[]).is_err());
    }

    /// The exact expectation E[MI] equals the mean over all permutations of the second labeling.
    #[test]
    fn the_expectation_equals_the_mean_over_all_permutations() {
        let (a, mut b) = ([0, 0, 0, 1, 1, 2], vec![0, 0, 1, 1, 1, 1]);
        let information = |b: &[usize]| -> f64 {
            let joint = |i: usize, j: usize| a.iter().zip(b).filter(|(x, y)| **x == i && **y == j).count() as f64;
            let size = |labels: &[usize], i: usize| labels.iter().filter(|x| **x == i).count() as f64;
            let term = |i, j| match joint(i, j) {
                0.0 => 0.0,
                n => n / 6.0 * (6.0 * n / (size(&a, i) * size(b, j))).ln(),
            };
            (0..3).flat_map(|i| (0..2).map(move |j| (i, j))).map(|(i, j)| term(i, j)).sum()
        };
        let expected = expected_information(&sizes(&a), &sizes(&b), 6);
        let (mut sum, mut count) = (0.0, 0.0);
        permute(&mut b, 0, &mut |b| {
            sum += information(b);
            count += 1.0;
        });
        assert_eq!(count, 720.0);
        assert_abs_diff_eq!(expected, sum / count, epsilon = 1e-12);
    }

    /// Calls `visit` with every permutation of the values from `start` on.
    fn permute(values: &mut Vec<usize>, start: usize, visit: &mut impl FnMut(&[usize])) {
        if start == values.len() {
            return visit(values);
        }
        for i in start..values.len() {
            values.swap(start, i);
            permute(values, start + 1, visit);
            values.swap(start, i);
        }
    }

    proptest! {
        #[test]
        fn names_and_order_of_the_labelings_do_not_matter(
            pairs in proptest::collection::vec((0_usize..4, 0_usize..5), 2..40),
        ) {
            let (a, b): (Vec<usize>, Vec<usize>) = pairs.iter().copied().unzip();
            let found = adjusted_mutual_information(&a, &b).unwrap();
            let renamed: Vec<usize> = a.iter().map(|label| 9 - 2 * label).collect();
            prop_assert!((adjusted_mutual_information(&b, &renamed).unwrap() - found).abs() < 1e-9);
            prop_assert!(found <= 1.0 + 1e-9);
            prop_assert!((adjusted_mutual_information(&a, &a).unwrap() - 1.0).abs() < 1e-9);
        }
    }
}
