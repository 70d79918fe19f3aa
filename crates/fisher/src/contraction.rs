//! The product of the mapping of each descriptor with fixed coefficients, without writing the mapping down.

use fisherlens_lanes::{LANES, has_fma, multiply_add, sum_lanes, vectorised};
use fisherlens_mixture::SparsePosteriors;

use crate::encoder::{Rows, Sign};
use crate::tables::Tables;

/// Number of descriptors whose products are kept as one sum per lane, until a separate loop adds up the lanes.
const BLOCK: usize = 64;

/// One run of features of one component. The scales of the component are already multiplied into the coefficients.
#[derive(Clone, Copy)]
struct Chunk {
    mean: [f32; LANES],
    inverse: [f32; LANES],
    first: [f32; LANES],
    second: [f32; LANES],
}

/// The coefficients of the parts that have D entries per component, in the layout that [`Contraction::apply`] needs.
pub(crate) struct Contraction {
    n_features: usize,
    sign: Sign,
    /// Component by component. The features that fill up the last chunk of a component have the coefficient 0.
    chunks: Vec<Chunk>,
}

impl Contraction {
    /// `first` and `second` `(K, D)`: coefficients of the parts γ·z and γ·(z² − 1); a slice is empty where the encoder does not have
    /// that part.
    pub(crate) fn new(tables: &Tables, first: &[f32], second: &[f32], sign: Sign) -> Self {
        let chunks_each = if first.is_empty() && second.is_empty() { 0 } else { tables.n_features.div_ceil(LANES) };
        let zeros = [0.0; LANES];
        let mut chunks =
            vec![Chunk { mean: zeros, inverse: zeros, first: zeros, second: zeros }; tables.n_components * chunks_each];
        for at in 0..if chunks_each == 0 { 0 } else { tables.means.len() } {
            let (component, d) = (at / tables.n_features, at % tables.n_features);
            let chunk = &mut chunks[component * chunks_each + d / LANES];
            let lane = d % LANES;
            let scaled = |part: &[f32], factor: f64| {
                part.get(at).map_or(0.0, |&value| (factor * tables.scales[component] * f64::from(value)) as f32)
            };
            chunk.mean[lane] = tables.means[at];
            chunk.inverse[lane] = tables.inverse_deviations[at];
            chunk.first[lane] = scaled(first, 1.0);
            chunk.second[lane] = scaled(second, std::f64::consts::FRAC_1_SQRT_2);
        }
        Self { n_features: tables.n_features, sign, chunks }
    }

    /// `Σ_k γ_k Σ_d (first[k,d]·z + second[k,d]·(z² − 1))` of each descriptor in `rows`. With [`Sign::Absolute`], |z| and |z² − 1| take
    /// the place of z and z² − 1.
    ///
    /// `values` `(N, D)`: all descriptors of the image; `posteriors`: their posteriors γ; `products`: zeros, one per descriptor from the
    /// entry `start` of `rows` on.
    pub(crate) fn apply(
        &self,
        values: &[f32],
        posteriors: &SparsePosteriors,
        rows: Rows<'_>,
        start: usize,
        products: &mut [f32],
    ) {
        if !self.chunks.is_empty() {
            apply(self, values, posteriors, rows, start, products);
        }
    }
}

vectorised!(
    fn apply(
        contraction: &Contraction,
        values: &[f32],
        posteriors: &SparsePosteriors,
        rows: Rows<'_>,
        start: usize,
        products: &mut [f32],
    ) {
        let fused = has_fma!();
        match contraction.sign {
            Sign::Signed => apply_of::<false>(fused, contraction, values, posteriors, rows, start, products),
            Sign::Absolute => apply_of::<true>(fused, contraction, values, posteriors, rows, start, products),
        }
    }
);

#[inline(always)]
fn apply_of<const ABSOLUTE: bool>(
    fused: bool,
    contraction: &Contraction,
    values: &[f32],
    posteriors: &SparsePosteriors,
    rows: Rows<'_>,
    start: usize,
    products: &mut [f32],
) {
    let n_features = contraction.n_features;
    let chunks_each = n_features.div_ceil(LANES);
    let mut padded = vec![[0.0_f32; LANES]; chunks_each];
    let mut sums = [[0.0_f32; LANES]; BLOCK];
    for (block, products) in products.chunks_mut(BLOCK).enumerate() {
        for (n, sums) in sums.iter_mut().enumerate().take(products.len()) {
            let index = start + block * BLOCK + n;
            let row = match rows {
                Rows::All => index,
                Rows::Some(list) => list[index] as usize,
            };
            padded.as_flattened_mut()[..n_features].copy_from_slice(&values[row * n_features..][..n_features]);
            let (components, posteriors) = posteriors.row(row);
            let mut sum = [0.0_f32; LANES];
            for (&component, &posterior) in components.iter().zip(posteriors) {
                let chunks = &contraction.chunks[component as usize * chunks_each..][..chunks_each];
                let mut product = [0.0_f32; LANES];
                for (x, chunk) in padded.iter().zip(chunks) {
                    for lane in 0..LANES {
                        let z = (x[lane] - chunk.mean[lane]) * chunk.inverse[lane];
                        let square = multiply_add(fused, z, z, -1.0);
                        let (z, square) = if ABSOLUTE { (z.abs(), square.abs()) } else { (z, square) };
                        let so_far = multiply_add(fused, chunk.first[lane], z, product[lane]);
                        product[lane] = multiply_add(fused, chunk.second[lane], square, so_far);
                    }
                }
                for lane in 0..LANES {
                    sum[lane] = multiply_add(fused, posterior, product[lane], sum[lane]);
                }
            }
            // The lanes are stored here and added up in a loop of their own: with the addition in this loop, the compiler splits the
            // vector registers.
            *sums = sum;
        }
        for (product, sums) in products.iter_mut().zip(&sums) {
            *product = sum_lanes(sums);
        }
    }
}
