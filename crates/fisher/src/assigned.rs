//! The mapping of all encoders that assign descriptors to components: the tables of the encoder and the posteriors of the image.

use std::borrow::Cow;
use std::ops::Range;

use fisherlens_lanes::{add_scaled, add_scaled_f32, is_divided};
use fisherlens_mixture::{ByComponent, DiagonalGmm, SparsePosteriors};
use ndarray::ArrayView2;
use rayon::prelude::*;

use crate::assigned_by_batch::AssignedByBatch;
use crate::by_batch::SumsByBatch;
use crate::contraction::Contraction;
use crate::encoder::{DescriptorSet, Mapping, Rows, Sign};
use crate::error::FisherError;
use crate::moments::moments;
use crate::params::Assignment;
use crate::tables::{PosteriorPart, Tables};

/// Number of descriptors that are summed in `f32`; the sums of such blocks are added in `f64`. The vector then differs by less than
/// 2e-6 from one that is summed in `f64` throughout.
const BLOCK: usize = 512;
/// Number of descriptors whose relevance one thread computes at a time.
const SHARED_ROWS: usize = 4096;

/// The descriptors of one image with their posteriors.
pub(crate) struct AssignedMapping<'a> {
    tables: &'a Tables,
    values: Cow<'a, [f32]>,
    posteriors: SparsePosteriors,
}

impl<'a> AssignedMapping<'a> {
    pub(crate) fn new(
        tables: &'a Tables,
        mixture: &DiagonalGmm,
        descriptors: DescriptorSet<'a>,
        assignment: Assignment,
    ) -> Result<Self, FisherError> {
        descriptors.check(tables.n_features)?;
        let posteriors = assign(mixture, descriptors.values, assignment)?;
        let values = match descriptors.values.to_slice() {
            Some(slice) => Cow::Borrowed(slice),
            None => Cow::Owned(descriptors.values.iter().copied().collect()),
        };
        Ok(Self { tables, values, posteriors })
    }

    /// Descriptor `l`.
    fn x(&self, l: usize) -> &[f32] {
        &self.values[l * self.tables.n_features..(l + 1) * self.tables.n_features]
    }

    fn n_rows(&self, rows: Rows<'_>) -> usize {
        match rows {
            Rows::All => self.posteriors.len(),
            Rows::Some(list) => list.len(),
        }
    }

    /// Adds m(l) of the descriptors `rows` to `sums`, block after block.
    fn accumulate_blocks(&self, rows: Rows<'_>, scratch: &mut Scratch, sign: Sign, sums: &mut [f64]) {
        match rows {
            Rows::All => {
                let n_rows = self.n_descriptors();
                let mut block = Vec::with_capacity(BLOCK);
                for start in (0..n_rows).step_by(BLOCK) {
                    block.clear();
                    block.extend(start as u32..n_rows.min(start + BLOCK) as u32);
                    self.accumulate_rows(&block, scratch, sign, sums);
                }
            }
            Rows::Some(list) => {
                for block in list.chunks(BLOCK) {
                    self.accumulate_rows(block, scratch, sign, sums);
                }
            }
        }
    }

    /// Adds m(l) of the descriptors `rows`, or its absolute values, to `sums`, component by component.
    ///
    /// The constant that each descriptor adds to the centred posterior part of the components it does not reach is left out; the
    /// callers add it for all descriptors at once.
    fn accumulate_rows<T: Entry>(&self, rows: &[u32], scratch: &mut Scratch, sign: Sign, sums: &mut [T]) {
        let tables = self.tables;
        let Scratch { components, by_component, first, second } = scratch;
        if components.len() == tables.n_components {
            by_component.fill(&self.posteriors, rows.iter().copied());
        } else {
            by_component.fill_range(&self.posteriors, rows.iter().copied(), components);
        }
        for component in components.clone() {
            let (rows, posteriors) = by_component.component(component);
            if rows.is_empty() {
                continue;
            }
            let total = |posteriors: &[f32]| posteriors.iter().map(|&posterior| f64::from(posterior)).sum::<f64>();
            match (tables.posterior_part, sign) {
                (PosteriorPart::Absent, _) => {}
                (PosteriorPart::Plain, _) => sums[component].add(total(posteriors)),
                // The entry of a descriptor is (γ − π)/√π, or its absolute value. Its difference from the constant, which is the entry
                // at γ = 0, is γ/√π, or (|γ − π| − π)/√π.
                (PosteriorPart::Centred, Sign::Signed) => {
                    sums[component].add(total(posteriors) * tables.scales[component]);
                }
                (PosteriorPart::Centred, Sign::Absolute) => {
                    let weight = f64::from(tables.weights[component]);
                    let more = |&posterior: &f32| (f64::from(posterior) - weight).abs() - weight;
                    sums[component].add(posteriors.iter().map(more).sum::<f64>() * tables.scales[component]);
                }
            }
            if tables.first_start.is_none() && tables.second_start.is_none() {
                continue;
            }
            let block = tables.block(component);
            let (mean, inverse) = (&tables.means[block.clone()], &tables.inverse_deviations[block.clone()]);
            moments(&self.values, rows, posteriors, mean, inverse, sign, first, second);
            let scale = tables.scales[component];
            if let Some(start) = tables.first_start {
                T::add_block(&mut sums[start + block.start..start + block.end], first, scale);
            }
            if let Some(start) = tables.second_start {
                let scale = scale * std::f64::consts::FRAC_1_SQRT_2;
                T::add_block(&mut sums[start + block.start..start + block.end], second, scale);
            }
        }
    }
}

/// The type of the sums: `f64` for a whole image, `f32` for a batch of some hundred descriptors.
trait Entry: Sized {
    fn add(&mut self, value: f64);

    /// `sums += scale · block`.
    fn add_block(sums: &mut [Self], block: &[f32], scale: f64);
}

impl Entry for f64 {
    fn add(&mut self, value: f64) {
        *self += value;
    }

    fn add_block(sums: &mut [Self], block: &[f32], scale: f64) {
        add_scaled(sums, block, scale);
    }
}

impl Entry for f32 {
    fn add(&mut self, value: f64) {
        *self += value as f32;
    }

    fn add_block(sums: &mut [Self], block: &[f32], scale: f64) {
        add_scaled_f32(sums, block, scale as f32);
    }
}

/// The posteriors γ of the descriptors. With [`Assignment::Hard`], each descriptor has γ = 1 for the component of its largest posterior.
fn assign(
    mixture: &DiagonalGmm,
    values: ArrayView2<'_, f32>,
    assignment: Assignment,
) -> Result<SparsePosteriors, FisherError> {
    let floor = match assignment {
        Assignment::Soft { floor } => floor,
        // The largest of K posteriors is at least 1/K. Half of this leaves room for rounding errors.
        Assignment::Hard => 0.5 / mixture.n_components() as f32,
    };
    let soft = mixture.sparse_posteriors(values, floor)?;
    if assignment != Assignment::Hard {
        return Ok(soft);
    }
    let n_descriptors = values.nrows();
    let mut components = Vec::with_capacity(n_descriptors);
    let mut offsets = Vec::with_capacity(n_descriptors + 1);
    offsets.push(0);
    for l in 0..n_descriptors {
        let mut best: Option<(u32, f32)> = None;
        let (reached, posteriors) = soft.row(l);
        for (&component, &posterior) in reached.iter().zip(posteriors) {
            if best.is_none_or(|(_, largest)| posterior > largest) {
                best = Some((component, posterior));
            }
        }
        components.extend(best.map(|(component, _)| component));
        offsets.push(components.len());
    }
    let values = vec![1.0; components.len()];
    Ok(SparsePosteriors { offsets, components, values })
}

/// Memory for the sums of one block of descriptors.
struct Scratch {
    /// The components whose sums are computed.
    components: Range<usize>,
    by_component: ByComponent,
    first: Vec<f32>,
    second: Vec<f32>,
}

impl Scratch {
    fn new(tables: &Tables) -> Self {
        Self::of(tables, 0..tables.n_components)
    }

    fn of(tables: &Tables, components: Range<usize>) -> Self {
        Self {
            components,
            by_component: ByComponent::new(tables.n_components),
            first: vec![0.0; tables.n_features],
            second: vec![0.0; tables.n_features],
        }
    }
}

impl Mapping for AssignedMapping<'_> {
    fn n_descriptors(&self) -> usize {
        self.posteriors.len()
    }

    fn n_dimensions(&self) -> usize {
        self.tables.layout().len()
    }

    fn row(&self, l: usize, out: &mut [f32]) {
        out.fill(0.0);
        if self.tables.posterior_part == PosteriorPart::Centred {
            // (γ − π)/√π is not 0 at γ = 0, so components that the descriptor does not reach have an entry, too.
            for (component, out) in out[..self.tables.n_components].iter_mut().enumerate() {
                *out = self.tables.posterior_entry(component, 0.0) as f32;
            }
        }
        let (components, posteriors) = self.posteriors.row(l);
        for (&component, &posterior) in components.iter().zip(posteriors) {
            self.tables.write(component as usize, posterior, self.x(l), out);
        }
    }

    fn accumulate(&self, rows: Rows<'_>, sign: Sign, sums: &mut [f64]) {
        let tables = self.tables;
        let n_rows = self.n_rows(rows);
        if is_divided() && n_rows > BLOCK {
            // Each thread takes some of the components, so that the order of the additions is the same.
            let n_each = tables.n_components.div_ceil(rayon::current_num_threads());
            let starts = (0..tables.n_components).step_by(n_each);
            let ranges: Vec<_> = starts.map(|start| start..tables.n_components.min(start + n_each)).collect();
            let before = &*sums;
            let some = |components: &Range<usize>| {
                let mut sums = before.to_vec();
                self.accumulate_blocks(rows, &mut Scratch::of(tables, components.clone()), sign, &mut sums);
                sums
            };
            let parts: Vec<Vec<f64>> = ranges.par_iter().with_max_len(1).map(some).collect();
            for (components, part) in ranges.iter().zip(&parts) {
                for entries in tables.entries(components) {
                    sums[entries.clone()].copy_from_slice(&part[entries]);
                }
            }
        } else {
            self.accumulate_blocks(rows, &mut Scratch::new(tables), sign, sums);
        }
        if tables.posterior_part == PosteriorPart::Centred {
            for (component, sum) in sums[..tables.n_components].iter_mut().enumerate() {
                let constant = tables.posterior_entry(component, 0.0) * n_rows as f64;
                *sum += if sign == Sign::Absolute { constant.abs() } else { constant };
            }
        }
    }

    fn sum_few(&self, rows: &[u32], out: &mut [f32]) {
        let tables = self.tables;
        let mut scratch = Scratch::new(tables);
        out.fill(0.0);
        for block in rows.chunks(BLOCK) {
            self.accumulate_rows(block, &mut scratch, Sign::Signed, out);
        }
        if tables.posterior_part == PosteriorPart::Centred {
            for (component, sum) in out[..tables.n_components].iter_mut().enumerate() {
                sum.add(tables.posterior_entry(component, 0.0) * rows.len() as f64);
            }
        }
    }

    fn by_batch<'m>(&'m self, rows: &'m [u32], batch: usize) -> Box<dyn SumsByBatch + 'm> {
        Box::new(AssignedByBatch::new(self.tables, &self.values, &self.posteriors, rows, batch))
    }

    fn contract(&self, coefficients: &[f32], sign: Sign) -> Vec<f32> {
        self.contract_rows(Rows::All, coefficients, sign)
    }

    fn contract_rows(&self, rows: Rows<'_>, coefficients: &[f32], sign: Sign) -> Vec<f32> {
        let tables = self.tables;
        let n_components = tables.n_components;
        let part =
            |start: Option<usize>| start.map_or(&[][..], |start| &coefficients[start..start + tables.means.len()]);
        let contraction = Contraction::new(tables, part(tables.first_start), part(tables.second_start), sign);

        // The posterior part: the product of the entries at γ = 0 is the same for all descriptors. Each component that a descriptor
        // reaches then adds the difference of its entry from the entry at γ = 0.
        let has_posterior_part = tables.posterior_part != PosteriorPart::Absent;
        let posterior_coefficients = if has_posterior_part { &coefficients[..n_components] } else { &[] };
        let entry = |component: usize, posterior: f32| {
            let entry = tables.posterior_entry(component, posterior);
            if sign == Sign::Absolute { entry.abs() } else { entry }
        };
        let entries_at_zero: Vec<f64> =
            (0..posterior_coefficients.len()).map(|component| entry(component, 0.0)).collect();
        let constant: f64 = posterior_coefficients
            .iter()
            .zip(&entries_at_zero)
            .map(|(&coefficient, entry)| f64::from(coefficient) * entry)
            .sum();
        let whole_product = |l: usize, block_product: f32| {
            let (components, posteriors) = self.posteriors.row(l);
            let mut sum = constant + f64::from(block_product);
            if has_posterior_part {
                for (&component, &posterior) in components.iter().zip(posteriors) {
                    let component = component as usize;
                    let difference = entry(component, posterior) - entries_at_zero[component];
                    sum += f64::from(posterior_coefficients[component]) * difference;
                }
            }
            sum as f32
        };
        let n_rows = self.n_rows(rows);
        let mut products = vec![0.0; n_rows];
        let piece = |(piece, products): (usize, &mut [f32])| {
            let start = piece * SHARED_ROWS;
            contraction.apply(&self.values, &self.posteriors, rows, start, products);
            for (n, product) in products.iter_mut().enumerate() {
                let l = match rows {
                    Rows::All => start + n,
                    Rows::Some(list) => list[start + n] as usize,
                };
                *product = whole_product(l, *product);
            }
        };
        if is_divided() {
            products.par_chunks_mut(SHARED_ROWS).enumerate().for_each(piece);
        } else {
            products.chunks_mut(SHARED_ROWS).enumerate().for_each(piece);
        }
        products
    }

    fn unreached(&self) -> Vec<bool> {
        let tables = self.tables;
        let mut unreached = vec![true; self.n_dimensions()];
        let n_descriptors = self.n_descriptors();
        let mut n_reaching = vec![0; tables.n_components];
        for &component in &self.posteriors.components {
            n_reaching[component as usize] += 1;
        }
        let has_posterior_part = tables.posterior_part != PosteriorPart::Absent;
        // Components of which some entries were 0 for all descriptors so far. Almost always, all entries of the first descriptor that
        // reaches a component are different from 0, so that few descriptors are looked at.
        let mut is_open: Vec<bool> = n_reaching.iter().map(|&n_reaching| n_reaching > 0).collect();
        let mut n_open = is_open.iter().filter(|is_open| **is_open).count();
        let mut block = vec![0.0; unreached.len()];
        let n_entries = tables.block_starts().count() * tables.n_features;
        // Number of entries of each component that were 0 for all descriptors so far.
        let mut n_left = vec![n_entries; tables.n_components];
        // The last descriptor that was looked at. Many descriptors of flat image areas are equal.
        let mut last: Vec<Option<usize>> = vec![None; tables.n_components];
        for l in 0..n_descriptors {
            if n_open == 0 {
                break;
            }
            let (components, posteriors) = self.posteriors.row(l);
            for (&component, &posterior) in components.iter().zip(posteriors) {
                let component = component as usize;
                if !is_open[component] || last[component].is_some_and(|last| self.x(last) == self.x(l)) {
                    continue;
                }
                last[component] = Some(l);
                // Without a posterior part, `unreached[component]` would be an entry of another part.
                if has_posterior_part && tables.posterior_entry(component, posterior) != 0.0 {
                    unreached[component] = false;
                }
                tables.write(component, posterior, self.x(l), &mut block);
                n_left[component] = 0;
                for start in tables.block_starts() {
                    for at in tables.block(component) {
                        unreached[start + at] &= block[start + at] == 0.0;
                        n_left[component] += usize::from(unreached[start + at]);
                    }
                }
                if n_left[component] == 0 && !(has_posterior_part && unreached[component]) {
                    is_open[component] = false;
                    n_open -= 1;
                }
            }
        }
        if tables.posterior_part == PosteriorPart::Centred {
            // A descriptor that does not reach a component has the entry at γ = 0, which is −√π.
            for (component, &n_reaching) in n_reaching.iter().enumerate() {
                if n_reaching < n_descriptors && tables.posterior_entry(component, 0.0) != 0.0 {
                    unreached[component] = false;
                }
            }
        }
        unreached
    }
}
