//! Posteriors sorted by component.
//!
//! The sums over the samples of one component then stay in vector registers until all its samples are added.

use std::ops::Range;

use fisherlens_lanes::{LANES, has_fma, multiply_add, vectorised};

use crate::sparse_posteriors::SparsePosteriors;

/// The entries of some rows of [`SparsePosteriors`], sorted by component. One value is filled again and again, block of rows after
/// block of rows, so that memory is allocated once.
///
/// ```
/// use fisherlens_mixture::{ByComponent, SparsePosteriors};
///
/// // Two rows: row 0 has the components 0 and 2, row 1 has the component 2.
/// let (offsets, components, values) = (vec![0, 2, 3], vec![0, 2, 2], vec![0.25, 0.75, 1.0]);
/// let posteriors = SparsePosteriors { offsets, components, values };
/// let mut sorted = ByComponent::new(3);
/// sorted.fill(&posteriors, 0..2);
/// assert_eq!(sorted.component(2), (&[0, 1][..], &[0.75, 1.0][..]));
/// ```
#[derive(Debug, Clone)]
pub struct ByComponent {
    /// Component k has the entries `bounds[k]..bounds[k + 1]`.
    bounds: Vec<usize>,
    /// Where the next entry of each component is written while the entries are filled in.
    cursors: Vec<usize>,
    rows: Vec<u32>,
    values: Vec<f32>,
}

impl ByComponent {
    /// Without entries, for a mixture of `n_components` components.
    pub fn new(n_components: usize) -> Self {
        Self { bounds: vec![0; n_components + 1], cursors: vec![0; n_components], rows: Vec::new(), values: Vec::new() }
    }

    /// Replaces all entries by those of the given `rows` of `posteriors`. The entries of each component are in the order of `rows`.
    ///
    /// # Panics
    /// When there is no such row, or a row has a component that is not below `n_components`.
    pub fn fill(&mut self, posteriors: &SparsePosteriors, rows: impl Iterator<Item = u32> + Clone) {
        self.fill_where(posteriors, rows, |_| true);
    }

    /// [`ByComponent::fill`] with the entries of the components in `range`; the other components have no entries.
    ///
    /// # Panics
    /// See [`ByComponent::fill`].
    pub fn fill_range(
        &mut self,
        posteriors: &SparsePosteriors,
        rows: impl Iterator<Item = u32> + Clone,
        range: &Range<usize>,
    ) {
        self.fill_where(posteriors, rows, |component| range.contains(&(component as usize)));
    }

    #[inline(always)]
    fn fill_where(
        &mut self,
        posteriors: &SparsePosteriors,
        rows: impl Iterator<Item = u32> + Clone,
        is_wanted: impl Fn(u32) -> bool,
    ) {
        // A counting sort: count the entries of each component, turn the counts into bounds, then write each entry to its place.
        self.bounds.fill(0);
        for row in rows.clone() {
            for &component in posteriors.row(row as usize).0 {
                self.bounds[component as usize + 1] += usize::from(is_wanted(component));
            }
        }
        for component in 0..self.cursors.len() {
            self.cursors[component] = self.bounds[component];
            self.bounds[component + 1] += self.bounds[component];
        }
        let n_entries = *self.bounds.last().unwrap_or(&0);
        self.rows.resize(n_entries, 0);
        self.values.resize(n_entries, 0.0);
        for row in rows {
            let (components, values) = posteriors.row(row as usize);
            for (&component, &value) in components.iter().zip(values).filter(|(component, _)| is_wanted(**component)) {
                let cursor = &mut self.cursors[component as usize];
                self.rows[*cursor] = row;
                self.values[*cursor] = value;
                *cursor += 1;
            }
        }
    }

    /// Rows and posteriors of one component.
    ///
    /// # Panics
    /// When there is no such component.
    pub fn component(&self, component: usize) -> (&[u32], &[f32]) {
        let entries = self.bounds[component]..self.bounds[component + 1];
        (&self.rows[entries.clone()], &self.values[entries])
    }

    /// Moments of the samples of one component about its mean: returns `Σ γ`, summed in `f64`, and overwrites `first` with
    /// `Σ γ (x − μ)` and `second` with `Σ γ (x − μ)²`, both summed in `f32`.
    ///
    /// `values` `(N, D)`: the samples that the posteriors belong to, row after row; `mean` `(D)`: μ; `first` and `second`: `(D)`.
    pub(crate) fn moments(
        &self,
        component: usize,
        values: &[f32],
        mean: &[f32],
        first: &mut [f32],
        second: &mut [f32],
    ) -> f64 {
        let (rows, posteriors) = self.component(component);
        moments(values, rows, posteriors, mean, first, second);
        sum_in_f64(posteriors)
    }
}

vectorised!(
    fn sum_in_f64(values: &[f32]) -> f64 {
        let (chunks, rest) = values.as_chunks::<LANES>();
        let mut sums = [0.0_f64; LANES];
        for chunk in chunks {
            for (sum, &value) in sums.iter_mut().zip(chunk) {
                *sum += f64::from(value);
            }
        }
        sums.iter().sum::<f64>() + rest.iter().map(|&value| f64::from(value)).sum::<f64>()
    }
);

vectorised!(
    /// The loops of [`ByComponent::moments`]; `rows` and `posteriors` are the entries of the component.
    fn moments(values: &[f32], rows: &[u32], posteriors: &[f32], mean: &[f32], first: &mut [f32], second: &mut [f32]) {
        let fused = has_fma!();
        let n_features = mean.len();
        // The outer loop goes over runs of features and the inner one over samples, so that the sums of a run stay in registers.
        let (means, mean_rest) = mean.as_chunks::<LANES>();
        for (chunk, mean) in means.iter().enumerate() {
            let start = chunk * LANES;
            let (mut sum_first, mut sum_second) = ([0.0_f32; LANES], [0.0_f32; LANES]);
            for (&row, &posterior) in rows.iter().zip(posteriors) {
                let x: &[f32; LANES] =
                    values[row as usize * n_features + start..].first_chunk().expect("a row has all its features");
                for lane in 0..LANES {
                    let difference = x[lane] - mean[lane];
                    let weighted = posterior * difference;
                    sum_first[lane] += weighted;
                    sum_second[lane] = multiply_add(fused, weighted, difference, sum_second[lane]);
                }
            }
            first[start..start + LANES].copy_from_slice(&sum_first);
            second[start..start + LANES].copy_from_slice(&sum_second);
        }
        // The features that do not fill a vector register.
        for d in n_features - mean_rest.len()..n_features {
            let (mut sum_first, mut sum_second) = (0.0, 0.0);
            for (&row, &posterior) in rows.iter().zip(posteriors) {
                let difference = values[row as usize * n_features + d] - mean[d];
                sum_first += posterior * difference;
                sum_second += posterior * difference * difference;
            }
            first[d] = sum_first;
            second[d] = sum_second;
        }
    }
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_sorted_by_component() {
        let posteriors = SparsePosteriors {
            offsets: vec![0, 2, 2, 5],
            components: vec![0, 3, 0, 1, 3],
            values: vec![0.25, 0.75, 0.5, 0.375, 0.125],
        };
        let mut sorted = ByComponent::new(4);
        sorted.fill(&posteriors, 0..3);
        assert_eq!(sorted.component(0), (&[0, 2][..], &[0.25, 0.5][..]));
        assert_eq!(sorted.component(1), (&[2][..], &[0.375][..]));
        assert_eq!(sorted.component(2), (&[][..], &[][..]));
        assert_eq!(sorted.component(3), (&[0, 2][..], &[0.75, 0.125][..]));
        sorted.fill(&posteriors, [2, 0].into_iter());
        assert_eq!(sorted.component(3), (&[2, 0][..], &[0.125, 0.75][..]));
        sorted.fill(&posteriors, std::iter::empty());
        assert_eq!(sorted.component(3), (&[][..], &[][..]));
    }

    #[test]
    fn moments_equal_the_formula() {
        for n_features in [1, 5, 16, 37] {
            let n_rows = 60;
            let values: Vec<f32> = (0..n_rows * n_features).map(|i| ((i * 37) % 101) as f32 / 25.0 - 2.0).collect();
            let mean: Vec<f32> = (0..n_features).map(|d| (d % 7) as f32 / 5.0 - 0.5).collect();
            // Every second row has component 1, with one of four posteriors.
            let posterior = |row: usize| [0.125, 0.5, 0.75, 1.0][row % 4];
            let mut posteriors = SparsePosteriors { offsets: vec![0], components: Vec::new(), values: Vec::new() };
            for row in 0..n_rows {
                if row % 2 == 0 {
                    posteriors.components.push(1);
                    posteriors.values.push(posterior(row));
                }
                posteriors.offsets.push(posteriors.values.len());
            }
            let mut sorted = ByComponent::new(3);
            sorted.fill(&posteriors, 0..n_rows as u32);
            let (mut first, mut second) = (vec![9.0; n_features], vec![9.0; n_features]);
            let mass = sorted.moments(1, &values, &mean, &mut first, &mut second);
            let rows = || (0..n_rows).step_by(2);
            assert_eq!(mass, rows().map(|row| f64::from(posterior(row))).sum::<f64>());
            for d in 0..n_features {
                let difference = |row: usize| f64::from(values[row * n_features + d]) - f64::from(mean[d]);
                let expected: f64 = rows().map(|row| f64::from(posterior(row)) * difference(row)).sum();
                assert!((f64::from(first[d]) - expected).abs() < 1e-4);
                let expected: f64 = rows().map(|row| f64::from(posterior(row)) * difference(row).powi(2)).sum();
                assert!((f64::from(second[d]) - expected).abs() < 1e-4);
            }
        }
    }
}
