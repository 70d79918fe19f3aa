//! Normalisation of raw vectors.

use multiversion::multiversion;

use crate::Layout;

/// Sums kept side by side: one AVX-512 register of `f64`, twice.
const LANES: usize = 16;

/// What is done to a raw vector before classification.
///
/// With a pyramid every step but the last is by cell. A vector, cell or block of zeros stays as it is.
///
/// # References
/// `perronnin2010` (improved); `lapuschkin2016`, supplement Eq. 3 (its two ends agree, its middle form is a misprint);
/// `arandjelovic2013` (intra).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum Normalization {
    /// Nothing.
    Raw,
    /// Signed square root, `sign(x)·√|x|`.
    Power,
    /// ℓ2 by cell, then over all.
    L2,
    /// Signed square root, ℓ2 by cell, then over all.
    #[default]
    Improved,
    /// Signed Hellinger map `sign(x)·√(|x|/‖x‖₁)` by cell, then ℓ2 over all: another way to [`Normalization::Improved`].
    Hellinger,
    /// ℓ2 by component, all its parts together, in each cell; then over all. No square root.
    Intra,
}

impl Normalization {
    /// Normalises the vector `x` of the layout `layout`, in place; sums in `f64`.
    ///
    /// # Panics
    /// When `x` has another length than the layout.
    pub fn apply(&self, x: &mut [f32], layout: &Layout) {
        assert_eq!(x.len(), layout.len(), "a vector is normalised with the layout of the encoder that made it");
        if x.is_empty() {
            return;
        }
        match self {
            Self::Raw => return,
            Self::Power => return signed_roots(x, 1.0),
            Self::L2 => x.chunks_exact_mut(layout.cell_len()).for_each(unit),
            Self::Improved => x.chunks_exact_mut(layout.cell_len()).for_each(|cell| {
                signed_roots(cell, 1.0);
                unit(cell);
            }),
            Self::Hellinger => x.chunks_exact_mut(layout.cell_len()).for_each(|cell| {
                let sum = sum_of_sizes(cell);
                if sum > 0.0 {
                    signed_roots(cell, 1.0 / sum);
                }
            }),
            Self::Intra => x.chunks_exact_mut(layout.cell_len()).for_each(|cell| unit_by_component(cell, layout)),
        }
        if layout.n_cells > 1 || *self == Self::Intra {
            unit(x);
        }
    }
}

impl Normalization {
    /// `Σ_d coefficients[d] · Φ(x)[d]` for a raw vector `x`, without keeping the normalised one where that is faster.
    ///
    /// What a classifier's score needs, less its bias. `scratch` is overwritten. Equals the product with what
    /// [`apply`](Self::apply) leaves up to rounding: one pass over x and the coefficients in place of five for [`Normalization::Improved`]
    /// without cells, whose ℓ2 norm is `√Σ|x|`.
    ///
    /// # Panics
    /// When `x` has another length than the layout, or the coefficients another than `x`.
    pub fn dot(&self, x: &[f32], coefficients: &[f32], layout: &Layout, scratch: &mut Vec<f32>) -> f64 {
        assert_eq!(x.len(), layout.len(), "a vector is normalised with the layout of the encoder that made it");
        assert_eq!(x.len(), coefficients.len(), "there must be a coefficient a dimension");
        if *self == Self::Improved && layout.n_cells == 1 {
            let (product, sizes) = dot_of_roots(x, coefficients);
            return if sizes > 0.0 { product / sizes.sqrt() } else { 0.0 };
        }
        scratch.clear();
        scratch.extend_from_slice(x);
        self.apply(scratch, layout);
        scratch.iter().zip(coefficients).map(|(&value, &coefficient)| f64::from(value) * f64::from(coefficient)).sum()
    }
}

/// `Σ w·sign(x)·√|x|` and `Σ |x|`: in `f32` over short runs, whose sums are added in `f64`.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl+fma+avx2", "x86_64+avx2+fma", "aarch64+neon"))]
fn dot_of_roots(x: &[f32], coefficients: &[f32]) -> (f64, f64) {
    const RUN: usize = 16 * LANES;
    let (mut products, mut sizes) = ([0.0_f64; LANES], [0.0_f64; LANES]);
    let (runs, rest) = x.as_chunks::<RUN>();
    for (run, coefficients) in runs.iter().zip(coefficients.as_chunks::<RUN>().0) {
        // A loop of its own, as sums over lanes in the same one keep the compiler from taking sixteen roots at a time.
        let mut roots = [0.0_f32; RUN];
        for (root, &x) in roots.iter_mut().zip(run) {
            *root = x.abs().sqrt().copysign(x);
        }
        let (mut product, mut size) = ([0.0_f32; LANES], [0.0_f32; LANES]);
        let chunks = run.as_chunks::<LANES>().0.iter().zip(roots.as_chunks::<LANES>().0);
        for ((x, roots), coefficients) in chunks.zip(coefficients.as_chunks::<LANES>().0) {
            for lane in 0..LANES {
                product[lane] += roots[lane] * coefficients[lane];
                size[lane] += x[lane].abs();
            }
        }
        for lane in 0..LANES {
            products[lane] += f64::from(product[lane]);
            sizes[lane] += f64::from(size[lane]);
        }
    }
    let (mut product, mut size) = (products.iter().sum::<f64>(), sizes.iter().sum::<f64>());
    for (&x, &coefficient) in rest.iter().zip(&coefficients[x.len() - rest.len()..]) {
        product += f64::from(x.abs().sqrt().copysign(x)) * f64::from(coefficient);
        size += f64::from(x.abs());
    }
    (product, size)
}

/// Length 1 for the entries of each component, which lie in one block a part.
fn unit_by_component(cell: &mut [f32], layout: &Layout) {
    for component in 0..layout.n_components {
        let mut first = 0;
        let blocks = layout.part_widths.iter().map(|&width| {
            let block = first + component * width..first + (component + 1) * width;
            first += layout.n_components * width;
            block
        });
        let blocks: Vec<_> = blocks.collect();
        let squares: f64 = blocks.iter().map(|block| sum_of_squares(&cell[block.clone()])).sum();
        if squares > 0.0 {
            let factor = 1.0 / squares.sqrt();
            for block in blocks {
                scale(&mut cell[block], factor);
            }
        }
    }
}

fn unit(x: &mut [f32]) {
    let squares = sum_of_squares(x);
    if squares > 0.0 {
        scale(x, 1.0 / squares.sqrt());
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl+fma+avx2", "x86_64+avx2+fma", "aarch64+neon"))]
fn sum_of_squares(x: &[f32]) -> f64 {
    sum(x, |value| value * value)
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl+fma+avx2", "x86_64+avx2+fma", "aarch64+neon"))]
fn sum_of_sizes(x: &[f32]) -> f64 {
    sum(x, f64::abs)
}

#[inline(always)]
fn sum(x: &[f32], term: impl Fn(f64) -> f64) -> f64 {
    let mut sums = [0.0_f64; LANES];
    let (whole, rest) = x.as_chunks::<LANES>();
    for chunk in whole {
        for lane in 0..LANES {
            sums[lane] += term(f64::from(chunk[lane]));
        }
    }
    let rest: f64 = rest.iter().map(|&value| term(f64::from(value))).sum();
    sums.iter().sum::<f64>() + rest
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl+fma+avx2", "x86_64+avx2+fma", "aarch64+neon"))]
fn scale(x: &mut [f32], factor: f64) {
    for value in x {
        *value = (f64::from(*value) * factor) as f32;
    }
}

/// `sign(x)·√(factor·|x|)`.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl+fma+avx2", "x86_64+avx2+fma", "aarch64+neon"))]
fn signed_roots(x: &mut [f32], factor: f64) {
    let root = factor.sqrt();
    if root == 1.0 {
        for value in x {
            *value = value.abs().sqrt().copysign(*value);
        }
    } else {
        for value in x {
            let size = (f64::from(value.abs().sqrt()) * root) as f32;
            *value = size.copysign(*value);
        }
    }
}
