//! Raw vectors with eight bits per entry.

use fisherlens_lanes::vectorised;

use crate::encoder::Layout;

/// The largest code.
const LARGEST: f32 = 127.0;

/// A raw vector with one byte per entry, and one scale per component of the mixture in each cell.
///
/// ```text
/// code[d] = round(127 · sign(x[d]) · √(|x[d]| / s[k]))        x'[d] = sign(code[d]) · s[k] · (code[d] / 127)²
/// ```
/// k is the component to which entry d belongs, and s is the largest |x| among the entries of this component in this cell, all parts
/// together. The square root is taken before rounding, because most normalisations take it afterwards: the error of the signed square root
/// is then at most `√s / 254` for every entry.
///
/// ```
/// use fisherlens_fisher::{Layout, Quantized};
///
/// let layout = Layout { n_cells: 1, n_components: 2, part_widths: vec![2] };
/// let vector = Quantized::of(&[4.0, -1.0, 0.0, 0.0], &layout);
/// assert_eq!((vector.codes.as_slice(), vector.scales.as_slice()), ([127, -64, 0, 0].as_slice(), [4.0, 0.0].as_slice()));
/// ```
///
/// # References
/// `sanchez2011` compresses Fisher vectors further and loses little.
#[derive(Debug, Clone, PartialEq)]
pub struct Quantized {
    /// One code per entry, −127 to 127.
    pub codes: Vec<i8>,
    /// One scale per cell and component, all components of a cell together; at least 0.
    pub scales: Vec<f32>,
}

impl Quantized {
    /// Rounds the raw vector `x` with the layout `layout`.
    ///
    /// # Panics
    /// When the length of `x` differs from the length of the layout.
    pub fn of(x: &[f32], layout: &Layout) -> Self {
        assert_eq!(x.len(), layout.len(), "a vector is rounded with the layout of the encoder that made it");
        let mut codes = vec![0; x.len()];
        let mut scales = vec![0.0_f32; n_scales(layout)];
        layout.for_each_block(|block, scale| scales[scale] = scales[scale].max(largest(&x[block])));
        layout.for_each_block(|block, scale| {
            if scales[scale] > 0.0 {
                round(&x[block.clone()], LARGEST / scales[scale].sqrt(), &mut codes[block]);
            }
        });
        Self { codes, scales }
    }
}

/// Number of scales of a rounded vector: cells times components.
pub fn n_scales(layout: &Layout) -> usize {
    layout.n_cells * layout.n_components
}

/// Writes the signed square roots `sign(x')·√|x'|` of a rounded vector into `roots`; see [`Quantized`].
///
/// [`crate::Normalization::apply_to_roots`] makes normalised vectors of them.
///
/// # Panics
/// When a length differs from the length that the layout asks for.
pub fn roots(codes: &[i8], scales: &[f32], layout: &Layout, roots: &mut [f32]) {
    assert_eq!(codes.len(), layout.len(), "a vector is read with the layout of the encoder that made it");
    assert_eq!(scales.len(), n_scales(layout), "there must be one scale per cell and component");
    assert_eq!(roots.len(), codes.len(), "there must be one root per code");
    layout.for_each_block(|block, scale| {
        scale_codes(&codes[block.clone()], scales[scale].sqrt() / LARGEST, &mut roots[block]);
    });
}

vectorised!(
    fn largest(x: &[f32]) -> f32 {
        x.iter().fold(0.0, |largest: f32, value| largest.max(value.abs()))
    }
);

vectorised!(
    fn round(x: &[f32], factor: f32, codes: &mut [i8]) {
        for (code, &value) in codes.iter_mut().zip(x) {
            let root = (value.abs().sqrt() * factor).min(LARGEST);
            // Half away from zero; adding 0.5 and cutting off is faster than `round`.
            *code = ((root + 0.5) as i32 as f32).copysign(value) as i8;
        }
    }
);

vectorised!(
    fn scale_codes(codes: &[i8], factor: f32, roots: &mut [f32]) {
        for (root, &code) in roots.iter_mut().zip(codes) {
            *root = f32::from(code) * factor;
        }
    }
);

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_xoshiro::Xoshiro256PlusPlus;

    use super::*;
    use crate::normalize::Normalization;

    fn layout() -> Layout {
        Layout { n_cells: 2, n_components: 3, part_widths: vec![1, 5, 5] }
    }

    fn vector() -> Vec<f32> {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(3);
        (0..layout().len()).map(|d| rng.gen_range(-1.0_f32..1.0) * if d % 7 == 0 { 0.0 } else { d as f32 }).collect()
    }

    #[test]
    fn the_error_of_every_root_is_at_most_half_a_step() {
        let (layout, x) = (layout(), vector());
        let rounded = Quantized::of(&x, &layout);
        let mut found = vec![f32::NAN; x.len()];
        roots(&rounded.codes, &rounded.scales, &layout, &mut found);
        layout.for_each_block(|block, scale| {
            let step = rounded.scales[scale].sqrt() / LARGEST;
            for d in block {
                let exact = x[d].abs().sqrt().copysign(x[d]);
                assert!((found[d] - exact).abs() <= 0.5001 * step, "{d}: {} {exact}", found[d]);
            }
        });
        let zeros = Quantized::of(&vec![0.0; x.len()], &layout);
        assert!(zeros.codes.iter().all(|code| *code == 0) && zeros.scales.iter().all(|scale| *scale == 0.0));
    }

    #[test]
    fn normalised_roots_equal_normalised_vectors() {
        let layout = layout();
        let rounded = Quantized::of(&vector(), &layout);
        let mut read = vec![0.0; layout.len()];
        roots(&rounded.codes, &rounded.scales, &layout, &mut read);
        let raw: Vec<f32> = read.iter().map(|root| root * root.abs()).collect();
        for normalization in [
            Normalization::Raw,
            Normalization::Power,
            Normalization::L2,
            Normalization::Improved,
            Normalization::Hellinger,
            Normalization::Intra,
        ] {
            let (mut expected, mut found) = (raw.clone(), read.clone());
            normalization.apply(&mut expected, &layout);
            normalization.apply_to_roots(&mut found, &layout);
            for (found, expected) in found.iter().zip(&expected) {
                assert!(
                    (found - expected).abs() <= 1e-6 * expected.abs().max(1.0),
                    "{normalization:?}: {found} {expected}"
                );
            }
        }
    }
}
