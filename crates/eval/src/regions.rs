//! An image cut into square regions, for perturbing pixels instead of descriptors.

use ndarray::{ArrayView2, s};

use crate::Rect;

/// The regions of an image of this size, row by row; the last ones of a row or column are smaller where `side` does not divide the size.
///
/// 9 pixels in `samek2017`. A `side` of 0 gives none.
pub fn regions(width: usize, height: usize, side: usize) -> Vec<Rect> {
    if side == 0 {
        return Vec::new();
    }
    let starts = |length: usize| (0..length).step_by(side);
    let of_row = |top: usize| {
        let bottom = (top + side).min(height);
        starts(width).map(move |left| Rect { left, top, right: (left + side).min(width), bottom })
    };
    starts(height).flat_map(of_row).collect()
}

/// Relevance of each region: the mean over its pixels, so that smaller regions at the edge are not at a disadvantage.
///
/// ```text
/// R[region] = 1/|region| · Σ_{p in region} R[p]
/// ```
/// `relevance` `(height, width)`; regions are clipped to it, and one without a pixel has 0. `samek2017` sums, which is the same order
/// of regions of one size.
pub fn region_relevance(relevance: ArrayView2<'_, f32>, regions: &[Rect]) -> Vec<f32> {
    let (height, width) = relevance.dim();
    let mean = |region: &Rect| {
        let (right, bottom) = (region.right.min(width), region.bottom.min(height));
        let pixels = relevance.slice(s![region.top.min(bottom)..bottom, region.left.min(right)..right]);
        let sum: f64 = pixels.iter().map(|&value| f64::from(value)).sum();
        (sum / pixels.len().max(1) as f64) as f32
    };
    regions.iter().map(mean).collect()
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn by_hand() {
        let found = regions(5, 3, 2);
        assert_eq!(found.len(), 6);
        assert_eq!(found[2], Rect { left: 4, top: 0, right: 5, bottom: 2 });
        assert_eq!(found[3], Rect { left: 0, top: 2, right: 2, bottom: 3 });
        let relevance = array![[1.0_f32, 2.0, 0.0, 0.0, -1.0], [3.0, 2.0, 0.0, 4.0, -3.0], [5.0, 7.0, 0.0, 0.0, 9.0]];
        assert_eq!(region_relevance(relevance.view(), &found), [2.0, 1.0, -2.0, 6.0, 0.0, 9.0]);
        let outside = Rect { left: 7, top: 7, right: 9, bottom: 9 };
        assert_eq!(region_relevance(relevance.view(), &[outside]), [0.0]);
        assert!(regions(5, 3, 0).is_empty() && regions(0, 3, 2).is_empty());
    }

    proptest! {
        #[test]
        fn every_pixel_is_in_one_region(width in 1_usize..40, height in 1_usize..40, side in 1_usize..12) {
            let mut n = Array2::<u8>::zeros((height, width));
            for region in regions(width, height, side) {
                n.slice_mut(s![region.top..region.bottom, region.left..region.right]).mapv_inplace(|n| n + 1);
            }
            prop_assert!(n.iter().all(|&n| n == 1));
        }
    }
}
