//! The product of the mapping of each descriptor with fixed coefficients, without writing the mapping down.

use fisherlens_lanes::{LANES, has_fma, multiply_add, sum_lanes, vectorised};
use fisherlens_mixture::{ByComponent, SparsePosteriors};

use crate::encoder::{Rows, Sign};
use crate::tables::Tables;

/// Number of descriptors whose products are kept as one sum per lane, until a separate loop adds up the lanes.
const BLOCK: usize = 512;

/// Largest number of sets of coefficients that are multiplied in one pass. The sums of one descriptor and component stay in registers.
pub(crate) const SETS: usize = 4;

/// One run of features of one component.
#[derive(Clone, Copy)]
struct Chunk {
    mean: [f32; LANES],
    inverse: [f32; LANES],
}

/// The coefficients for one run of features of one component. The scales of the component are already multiplied into them.
#[derive(Clone, Copy)]
struct Coefficients {
    first: [f32; LANES],
    second: [f32; LANES],
}

/// The coefficients of the parts that have D entries per component, in the layout that [`Contraction::apply`] needs.
pub(crate) struct Contraction<'a> {
    tables: &'a Tables,
    sign: Sign,
    n_sets: usize,
    /// Component by component.
    chunks: Vec<Chunk>,
    /// The same order, one after another for all sets. The features that fill up the last chunk of a component have the coefficient 0.
    coefficients: Vec<Coefficients>,
}

impl<'a> Contraction<'a> {
    /// `sets`: at most [`SETS`] sets of coefficients, each as long as the vector.
    pub(crate) fn new(tables: &'a Tables, sets: &[&[f32]], sign: Sign) -> Self {
        let has_parts = tables.block_starts().next().is_some();
        let chunks_each = if has_parts { tables.n_features.div_ceil(LANES) } else { 0 };
        let (zeros, n_sets) = ([0.0; LANES], sets.len());
        let n_chunks = tables.n_components * chunks_each;
        let mut chunks = vec![Chunk { mean: zeros, inverse: zeros }; n_chunks];
        let mut coefficients = vec![Coefficients { first: zeros, second: zeros }; n_chunks * n_sets];
        for at in 0..if has_parts { tables.means.len() } else { 0 } {
            let (component, d) = (at / tables.n_features, at % tables.n_features);
            let (place, lane) = (component * chunks_each + d / LANES, d % LANES);
            chunks[place].mean[lane] = tables.means[at];
            chunks[place].inverse[lane] = tables.inverse_deviations[at];
            for (set, coefficients) in sets.iter().zip(&mut coefficients[place * n_sets..]) {
                let scaled = |start: Option<usize>, factor: f64| {
                    start.map_or(0.0, |start| (factor * tables.scales[component] * f64::from(set[start + at])) as f32)
                };
                coefficients.first[lane] = scaled(tables.first_start, 1.0);
                coefficients.second[lane] = scaled(tables.second_start, std::f64::consts::FRAC_1_SQRT_2);
            }
        }
        Self { tables, sign, n_sets, chunks, coefficients }
    }

    /// `Σ_k γ_k Σ_d (first[k,d]·z + second[k,d]·(z² − 1))` of each descriptor, for each set of coefficients. With [`Sign::Absolute`], |z|
    /// and |z² − 1| take the place of z and z² − 1.
    ///
    /// `values` `(N, D)`: all descriptors of the image; `posteriors`: their posteriors γ; `products` `(n, n_sets)`: overwritten, for the
    /// descriptors from the entry `start` of `rows` on.
    pub(crate) fn apply(
        &self,
        values: &[f32],
        posteriors: &SparsePosteriors,
        rows: Rows<'_>,
        start: usize,
        products: &mut [f32],
    ) {
        products.fill(0.0);
        if self.chunks.is_empty() {
            return;
        }
        let n_features = self.tables.n_features;
        let chunks_each = n_features.div_ceil(LANES);
        let mut padded = vec![[0.0_f32; LANES]; BLOCK * chunks_each];
        let mut sums = vec![[0.0_f32; LANES]; BLOCK * self.n_sets];
        let mut by_component = ByComponent::new(self.tables.n_components);
        for (block, products) in products.chunks_mut(BLOCK * self.n_sets).enumerate() {
            let first = start + block * BLOCK;
            let row = |n: usize| match rows {
                Rows::All => first + n,
                Rows::Some(list) => list[first + n] as usize,
            };
            let n_rows = products.len() / self.n_sets;
            for (n, padded) in padded.chunks_exact_mut(chunks_each).enumerate().take(n_rows) {
                padded.as_flattened_mut()[..n_features].copy_from_slice(&values[row(n) * n_features..][..n_features]);
            }
            // The parameters of one component are used for all its descriptors, while they are in the first-level cache.
            by_component.fill_labelled(posteriors, (0..n_rows).map(|n| (n as u32, row(n) as u32)));
            sums.fill([0.0; LANES]);
            match self.n_sets {
                1 => add_products::<1>(self, &by_component, &padded, &mut sums),
                2 => add_products::<2>(self, &by_component, &padded, &mut sums),
                3 => add_products::<3>(self, &by_component, &padded, &mut sums),
                _ => add_products::<SETS>(self, &by_component, &padded, &mut sums),
            }
            for (product, sums) in products.iter_mut().zip(&sums) {
                *product = sum_lanes(sums);
            }
        }
    }
}

vectorised!(
    /// Adds the products of all descriptors of a block: one sum per descriptor, set and lane.
    fn add_products<const N: usize>(
        contraction: &Contraction<'_>,
        by_component: &ByComponent,
        padded: &[[f32; LANES]],
        sums: &mut [[f32; LANES]],
    ) {
        let fused = has_fma!();
        match contraction.sign {
            Sign::Signed => add_products_of::<N, false>(fused, contraction, by_component, padded, sums),
            Sign::Absolute => add_products_of::<N, true>(fused, contraction, by_component, padded, sums),
        }
    }
);

#[inline(always)]
fn add_products_of<const N: usize, const ABSOLUTE: bool>(
    fused: bool,
    contraction: &Contraction<'_>,
    by_component: &ByComponent,
    padded: &[[f32; LANES]],
    sums: &mut [[f32; LANES]],
) {
    let chunks_each = contraction.tables.n_features.div_ceil(LANES);
    let sums = sums.as_chunks_mut::<N>().0;
    let components = contraction.chunks.chunks_exact(chunks_each);
    let coefficients = contraction.coefficients.as_chunks::<N>().0.chunks_exact(chunks_each);
    for (component, (chunks, coefficients)) in components.zip(coefficients).enumerate() {
        let entries = by_component.component(component);
        add_component::<N, ABSOLUTE>(fused, entries, padded, chunks, coefficients, sums);
    }
}

#[inline(always)]
fn add_component<const N: usize, const ABSOLUTE: bool>(
    fused: bool,
    (rows, posteriors): (&[u32], &[f32]),
    padded: &[[f32; LANES]],
    chunks: &[Chunk],
    coefficients: &[[Coefficients; N]],
    sums: &mut [[[f32; LANES]; N]],
) {
    for (&row, &posterior) in rows.iter().zip(posteriors) {
        let x = &padded[row as usize * chunks.len()..][..chunks.len()];
        let mut products = [[0.0_f32; LANES]; N];
        for ((x, chunk), coefficients) in x.iter().zip(chunks).zip(coefficients) {
            let (mut first, mut second) = ([0.0_f32; LANES], [0.0_f32; LANES]);
            for lane in 0..LANES {
                let z = (x[lane] - chunk.mean[lane]) * chunk.inverse[lane];
                let square = multiply_add(fused, z, z, -1.0);
                (first[lane], second[lane]) = if ABSOLUTE { (z.abs(), square.abs()) } else { (z, square) };
            }
            for (product, coefficients) in products.iter_mut().zip(coefficients) {
                for lane in 0..LANES {
                    let so_far = multiply_add(fused, coefficients.first[lane], first[lane], product[lane]);
                    product[lane] = multiply_add(fused, coefficients.second[lane], second[lane], so_far);
                }
            }
        }
        for (sum, product) in sums[row as usize].iter_mut().zip(&products) {
            for lane in 0..LANES {
                sum[lane] = multiply_add(fused, posterior, product[lane], sum[lane]);
            }
        }
    }
}
