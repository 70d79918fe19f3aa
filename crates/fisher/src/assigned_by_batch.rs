//! Sums over batches for the encoders that assign descriptors to components: one part per component, because only the descriptors that
//! reach a component change its dimensions.

use std::ops::Range;

use fisherlens_mixture::SparsePosteriors;

use crate::by_batch::SumsByBatch;
use crate::moments::{BatchedEntries, moments_by_batch};
use crate::tables::{PosteriorPart, Tables};

/// The descriptors of all batches, sorted by component and batch. The entries of the posterior part of all components are the last part.
pub(crate) struct AssignedByBatch<'a> {
    tables: &'a Tables,
    /// All descriptors, `(N, D)`.
    values: &'a [f32],
    /// Number of descriptors of each batch.
    lengths: Vec<usize>,
    /// Batch b of component k has the entries `bounds[k · n_batches + b] .. bounds[k · n_batches + b + 1]`.
    bounds: Vec<u32>,
    rows: Vec<u32>,
    posteriors: Vec<f32>,
}

impl<'a> AssignedByBatch<'a> {
    /// `values` `(N, D)`: all descriptors of the image; `of_image`: their posteriors; `rows`: the descriptors of the batches, in order.
    pub(crate) fn new(
        tables: &'a Tables,
        values: &'a [f32],
        of_image: &SparsePosteriors,
        rows: &[u32],
        batch: usize,
    ) -> Self {
        let lengths: Vec<usize> = rows.chunks(batch.max(1)).map(<[u32]>::len).collect();
        let n_batches = lengths.len();
        // A counting sort: count the entries of each place, turn the counts into bounds, then write each entry to its place.
        let mut bounds = vec![0_u32; tables.n_components * n_batches + 1];
        let place = |component: u32, batch: usize| component as usize * n_batches + batch;
        for (batch, rows) in rows.chunks(batch.max(1)).enumerate() {
            for &row in rows {
                for &component in of_image.row(row as usize).0 {
                    bounds[place(component, batch) + 1] += 1;
                }
            }
        }
        for at in 1..bounds.len() {
            bounds[at] += bounds[at - 1];
        }
        let n_entries = *bounds.last().unwrap_or(&0) as usize;
        let mut cursors = bounds.clone();
        let (mut sorted, mut posteriors) = (vec![0; n_entries], vec![0.0; n_entries]);
        for (batch, rows) in rows.chunks(batch.max(1)).enumerate() {
            for &row in rows {
                let (components, values) = of_image.row(row as usize);
                for (&component, &posterior) in components.iter().zip(values) {
                    let cursor = &mut cursors[place(component, batch)];
                    sorted[*cursor as usize] = row;
                    posteriors[*cursor as usize] = posterior;
                    *cursor += 1;
                }
            }
        }
        Self { tables, values, lengths, bounds, rows: sorted, posteriors }
    }

    /// Whether the dimensions of each component are a part.
    fn has_blocks(&self) -> bool {
        self.tables.block_starts().next().is_some()
    }

    /// Number of the parts that are components.
    fn n_blocks(&self) -> usize {
        if self.has_blocks() { self.tables.n_components } else { 0 }
    }

    /// The entries of a component in one batch.
    fn entries(&self, component: usize, batch: usize) -> Range<usize> {
        let at = component * self.lengths.len() + batch;
        self.bounds[at] as usize..self.bounds[at + 1] as usize
    }

    /// The sums of the posterior part of all components.
    fn sum_posteriors(&self, sums: &mut [f32]) {
        let tables = self.tables;
        assert_eq!(sums.len(), self.lengths.len() * tables.n_components, "one row of sums per batch");
        for (batch, (sums, &length)) in sums.chunks_exact_mut(tables.n_components).zip(&self.lengths).enumerate() {
            for (component, sum) in sums.iter_mut().enumerate() {
                let posteriors = &self.posteriors[self.entries(component, batch)];
                let total = posteriors.iter().map(|&posterior| f64::from(posterior)).sum::<f64>();
                // The entry of a descriptor is its entry at γ = 0 and γ/√π; without the centre it is γ.
                let constant = tables.posterior_entry(component, 0.0) * length as f64;
                *sum = (total * tables.scales[component]) as f32 + constant as f32;
            }
        }
    }
}

impl SumsByBatch for AssignedByBatch<'_> {
    fn n_batches(&self) -> usize {
        self.lengths.len()
    }

    fn n_parts(&self) -> usize {
        self.n_blocks() + usize::from(self.tables.posterior_part != PosteriorPart::Absent)
    }

    fn dimensions(&self, part: usize) -> Vec<Range<usize>> {
        let tables = self.tables;
        if part < self.n_blocks() {
            let block = tables.block(part);
            return tables.block_starts().map(|start| start + block.start..start + block.end).collect();
        }
        assert!(part < self.n_parts(), "there is no part {part}");
        std::iter::once(0..tables.n_components).collect()
    }

    fn sum(&self, part: usize, sums: &mut [f32]) {
        if part >= self.n_blocks() {
            assert!(part < self.n_parts(), "there is no part {part}");
            return self.sum_posteriors(sums);
        }
        let tables = self.tables;
        let block = tables.block(part);
        let n_batches = self.lengths.len();
        let width = block.len() * tables.block_starts().count();
        assert_eq!(sums.len(), n_batches * width, "one row of sums per batch");
        let scale = tables.scales[part];
        let first = tables.first_start.map(|_| (scale as f32, 0));
        let second_place = if first.is_some() { block.len() } else { 0 };
        let second = tables.second_start.map(|_| ((scale * std::f64::consts::FRAC_1_SQRT_2) as f32, second_place));
        let entries = BatchedEntries {
            bounds: &self.bounds[part * n_batches..][..=n_batches],
            rows: &self.rows,
            posteriors: &self.posteriors,
        };
        let (mean, inverse) = (&tables.means[block.clone()], &tables.inverse_deviations[block]);
        moments_by_batch(self.values, &entries, mean, inverse, first, second, width, sums);
    }
}
