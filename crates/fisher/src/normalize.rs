//! Normalisation of raw vectors.

use fisherlens_lanes::{LANES, vectorised};

use crate::encoder::Layout;

/// How a raw vector is normalised before classification.
///
/// With a pyramid, every step but the last is done per cell. A vector, cell or block of zeros is not changed.
///
/// ```
/// use fisherlens_fisher::{Layout, Normalization};
///
/// let layout = Layout { n_cells: 1, n_components: 1, part_widths: vec![3] };
/// let mut vector = [9.0, -16.0, 0.0];
/// Normalization::Power.apply(&mut vector, &layout);
/// assert_eq!(vector, [3.0, -4.0, 0.0]);
/// Normalization::L2.apply(&mut vector, &layout);
/// assert_eq!(vector, [0.6, -0.8, 0.0]);
/// ```
///
/// # References
/// `perronnin2010` (improved); `lapuschkin2016`, supplement Eq. 3 (its first and last forms are equal, the form between them is a
/// misprint); `arandjelovic2013` (intra).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum Normalization {
    /// The vector is not changed.
    Raw,
    /// Signed square root, `sign(x)·√|x|`.
    Power,
    /// ℓ2 norm 1 per cell, then for the whole vector.
    L2,
    /// Signed square root, then ℓ2 norm 1 per cell, then for the whole vector.
    #[default]
    Improved,
    /// Signed Hellinger map `sign(x)·√(|x|/‖x‖₁)` per cell, then ℓ2 norm 1 for the whole vector. The result equals
    /// [`Normalization::Improved`] up to rounding.
    Hellinger,
    /// ℓ2 norm 1 for the entries of each component in each cell, all parts together, then for the whole vector. No square root.
    Intra,
}

impl Normalization {
    /// Normalises the vector `x` with the layout `layout` in place. Sums are in `f64`.
    ///
    /// # Panics
    /// When the length of `x` differs from the length of the layout.
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
                let sum = sum_of_absolute_values(cell);
                if sum > 0.0 {
                    signed_roots(cell, 1.0 / sum);
                }
            }),
            Self::Intra => unit_by_component(x, layout),
        }
        // The last step. A single cell has norm 1 already.
        if layout.n_cells > 1 || *self == Self::Intra {
            unit(x);
        }
    }

    /// [`Normalization::apply`] for a vector of which the signed square roots `sign(x)·√|x|` are known.
    ///
    /// # Panics
    /// When the length of `roots` differs from the length of the layout.
    pub fn apply_to_roots(&self, roots: &mut [f32], layout: &Layout) {
        match self {
            Self::Power => {}
            // The signed root and ℓ2 norm 1: the roots make the difference between these two and `L2`.
            Self::Improved | Self::Hellinger => Self::L2.apply(roots, layout),
            Self::Raw | Self::L2 | Self::Intra => {
                signed_squares(roots);
                self.apply(roots, layout);
            }
        }
    }

    /// `Σ_d coefficients[d] · Φ(x)[d]` for a raw vector `x`, with Φ the normalisation.
    ///
    /// This is the score of a linear classifier without its bias. Up to rounding, it equals the product of the coefficients with the
    /// vector that [`apply`](Self::apply) makes. For [`Normalization::Improved`] with one cell it needs one pass over x and the
    /// coefficients instead of five, because the ℓ2 norm of the signed roots is `√Σ|x|`. `scratch` is overwritten.
    ///
    /// # Panics
    /// When the length of `x` or the number of coefficients differs from the length of the layout.
    pub fn dot(&self, x: &[f32], coefficients: &[f32], layout: &Layout, scratch: &mut Vec<f32>) -> f64 {
        assert_eq!(x.len(), layout.len(), "a vector is normalised with the layout of the encoder that made it");
        assert_eq!(x.len(), coefficients.len(), "there must be one coefficient per dimension");
        if *self == Self::Improved && layout.n_cells == 1 {
            let (product, sum) = dot_of_roots(x, coefficients);
            return if sum > 0.0 { product / sum.sqrt() } else { 0.0 };
        }
        scratch.clear();
        scratch.extend_from_slice(x);
        self.apply(scratch, layout);
        scratch.iter().zip(coefficients).map(|(&value, &coefficient)| f64::from(value) * f64::from(coefficient)).sum()
    }
}

vectorised!(
    /// `Σ w·sign(x)·√|x|` and `Σ |x|`, with w the coefficients. Short runs are summed in `f32`, and the sums of the runs in `f64`.
    fn dot_of_roots(x: &[f32], coefficients: &[f32]) -> (f64, f64) {
        const RUN: usize = 16 * LANES;
        let (mut product_sums, mut absolute_sums) = ([0.0_f64; LANES], [0.0_f64; LANES]);
        let (runs, rest) = x.as_chunks::<RUN>();
        for (run, coefficients) in runs.iter().zip(coefficients.as_chunks::<RUN>().0) {
            // The roots have a loop of their own: with the sums over lanes in the same loop, the compiler does not use vector
            // instructions for the roots.
            let mut roots = [0.0_f32; RUN];
            for (root, &x) in roots.iter_mut().zip(run) {
                *root = x.abs().sqrt().copysign(x);
            }
            let (mut product, mut absolute) = ([0.0_f32; LANES], [0.0_f32; LANES]);
            let chunks = run.as_chunks::<LANES>().0.iter().zip(roots.as_chunks::<LANES>().0);
            for ((x, roots), coefficients) in chunks.zip(coefficients.as_chunks::<LANES>().0) {
                for lane in 0..LANES {
                    product[lane] += roots[lane] * coefficients[lane];
                    absolute[lane] += x[lane].abs();
                }
            }
            for lane in 0..LANES {
                product_sums[lane] += f64::from(product[lane]);
                absolute_sums[lane] += f64::from(absolute[lane]);
            }
        }
        let (mut product, mut absolute) = (product_sums.iter().sum::<f64>(), absolute_sums.iter().sum::<f64>());
        for (&x, &coefficient) in rest.iter().zip(&coefficients[x.len() - rest.len()..]) {
            product += f64::from(x.abs().sqrt().copysign(x)) * f64::from(coefficient);
            absolute += f64::from(x.abs());
        }
        (product, absolute)
    }
);

/// Scales the entries of each component in each cell to ℓ2 norm 1. A component has one block of entries in each part.
fn unit_by_component(x: &mut [f32], layout: &Layout) {
    let mut squares = vec![0.0; layout.n_cells * layout.n_components];
    layout.for_each_block(|block, component| squares[component] += sum_of_squares(&x[block]));
    layout.for_each_block(|block, component| {
        if squares[component] > 0.0 {
            scale(&mut x[block], 1.0 / squares[component].sqrt());
        }
    });
}

/// Scales `x` to ℓ2 norm 1.
fn unit(x: &mut [f32]) {
    let squares = sum_of_squares(x);
    if squares > 0.0 {
        scale(x, 1.0 / squares.sqrt());
    }
}

vectorised!(
    fn sum_of_squares(x: &[f32]) -> f64 {
        sum(x, |value| value * value)
    }
);

vectorised!(
    fn sum_of_absolute_values(x: &[f32]) -> f64 {
        sum(x, f64::abs)
    }
);

/// `Σ term(x)`, one sum per lane, in `f64`.
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

vectorised!(
    fn scale(x: &mut [f32], factor: f64) {
        for value in x {
            *value = (f64::from(*value) * factor) as f32;
        }
    }
);

vectorised!(
    /// Replaces every x by `sign(x)·x²`.
    fn signed_squares(x: &mut [f32]) {
        for value in x {
            *value *= value.abs();
        }
    }
);

vectorised!(
    /// Replaces every x by `sign(x)·√(factor·|x|)`.
    fn signed_roots(x: &mut [f32], factor: f64) {
        let root = factor.sqrt();
        if root == 1.0 {
            for value in x {
                *value = value.abs().sqrt().copysign(*value);
            }
        } else {
            for value in x {
                let absolute = (f64::from(value.abs().sqrt()) * root) as f32;
                *value = absolute.copysign(*value);
            }
        }
    }
);
