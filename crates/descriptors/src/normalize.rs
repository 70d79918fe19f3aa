//! From the sums of the bins to a descriptor: contrast, unit length, clamping, RootSIFT.

use fisherlens_lanes::LANES;

use crate::params::{DenseSift, LowContrast, RootSift};

/// Number of entries of a descriptor: 4 × 4 bins of 8 orientations.
pub(crate) const N_FEATURES: usize = 128;

/// Largest entry before the second normalisation (`lowe2004`, section 6.1).
const CLAMP: f32 = 0.2;

/// Added to a norm before the division by it (VLFeat's `VL_EPSILON_F`).
const MIN_NORM: f32 = f32::EPSILON;

/// The last steps of each descriptor, as the parameters ask for them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Finish {
    zero_below: f32,
    root_sift: bool,
    /// 1 / (3b + 1)² for bins of b pixels.
    inverse_area: f32,
}

impl Finish {
    pub(crate) fn new(sift: &DenseSift, bin_size: u16) -> Self {
        let span = (3 * bin_size + 1) as f32;
        let zeroes = sift.low_contrast == LowContrast::Zero;
        Self {
            zero_below: if zeroes { sift.contrast_threshold } else { 0.0 },
            root_sift: sift.root_sift == RootSift::On,
            inverse_area: 1.0 / (span * span),
        }
    }

    /// Normalises `sums` in place and returns the contrast.
    ///
    /// ```text
    /// contrast = inverse_area · Σ d;   d ← d / ‖d‖;   d ← min(d, 0.2);   d ← d / ‖d‖;   RootSIFT: d ← √(d / Σ d)
    /// ```
    #[inline(always)]
    pub(crate) fn apply(self, sums: &mut [f32; N_FEATURES]) -> f32 {
        let contrast = lane_sum(sums, |value| value) * self.inverse_area;
        if contrast < self.zero_below {
            sums.fill(0.0);
            return contrast;
        }
        let first = 1.0 / (lane_sum(sums, |value| value * value).sqrt() + MIN_NORM);
        for value in sums.iter_mut() {
            let scaled = *value * first;
            *value = if scaled < CLAMP { scaled } else { CLAMP };
        }
        let second = 1.0 / (lane_sum(sums, |value| value * value).sqrt() + MIN_NORM);
        for value in sums.iter_mut() {
            *value *= second;
        }
        if self.root_sift {
            let total = lane_sum(sums, |value| value);
            let inverse = if total > 0.0 { 1.0 / total } else { 0.0 };
            for value in sums.iter_mut() {
                *value = (*value * inverse).sqrt();
            }
        }
        contrast
    }
}

/// Σ `of`(value), in a fixed order that the compiler can vectorise.
#[inline(always)]
fn lane_sum(values: &[f32; N_FEATURES], of: impl Fn(f32) -> f32) -> f32 {
    let mut lanes = [0.0_f32; LANES];
    for chunk in values.as_chunks::<LANES>().0 {
        for (lane, &value) in lanes.iter_mut().zip(chunk) {
            *lane += of(value);
        }
    }
    // The same order of additions as in `sum_lanes`. Written here, the compiler keeps the sums in registers, which takes an eighth fewer
    // instructions per descriptor.
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            lanes[lane] += lanes[lane + width];
        }
        width /= 2;
    }
    lanes[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEEP: Finish = Finish { zero_below: 0.0, root_sift: false, inverse_area: 1.0 };

    #[test]
    fn a_single_peak_becomes_a_unit_vector() {
        let mut sums = [0.0; N_FEATURES];
        sums[17] = 5.0;
        assert_eq!(Finish { inverse_area: 0.1, ..KEEP }.apply(&mut sums), 0.5);
        assert!((sums[17] - 1.0).abs() < 1e-6, "0.2 / 0.2");
    }

    #[test]
    fn clamping_by_hand() {
        // (3, 4) / 5 = (0.6, 0.8); both entries are clamped to 0.2 and become 1/√2.
        let mut sums = [0.0; N_FEATURES];
        (sums[0], sums[127]) = (3.0, 4.0);
        KEEP.apply(&mut sums);
        assert!((sums[0] - 0.5_f32.sqrt()).abs() < 1e-6 && (sums[127] - 0.5_f32.sqrt()).abs() < 1e-6);
    }

    #[test]
    fn flat_patches_become_zeros_and_root_sift_takes_square_roots() {
        let mut sums = [0.0; N_FEATURES];
        assert_eq!(Finish { root_sift: true, ..KEEP }.apply(&mut sums), 0.0);
        assert_eq!(sums, [0.0; N_FEATURES]);
        let mut sums: [f32; N_FEATURES] = std::array::from_fn(|index| (index % 13) as f32);
        let twin = sums;
        Finish { root_sift: true, ..KEEP }.apply(&mut sums);
        let total: f32 = twin.iter().sum();
        for (found, value) in sums.iter().zip(twin) {
            assert!((found * found - value / total).abs() < 1e-6, "no entry is large enough to be clamped");
        }
        let mut sums = twin;
        let contrast = Finish { zero_below: 1e9, ..KEEP }.apply(&mut sums);
        assert_eq!((contrast, sums), (total, [0.0; N_FEATURES]));
    }
}
