//! Square regions of an image, for the perturbation of pixels instead of descriptors.

use ndarray::{ArrayView2, s};

use crate::rect::Rect;

/// The regions of an image of this size, row by row. If `side` does not divide the size, the last regions of rows and columns are
/// smaller.
///
/// `side` is 9 pixels in `samek2017`. A `side` of 0 gives no regions.
///
/// ```
/// use fisherlens_eval::{region_relevance, regions};
/// use ndarray::array;
///
/// let relevance = array![[1.0_f32, 3.0, 5.0]];
/// assert_eq!(region_relevance(relevance.view(), &regions(3, 1, 2)), [2.0, 5.0]);
/// ```
pub fn regions(width: usize, height: usize, side: usize) -> Vec<Rect> {
    if side == 0 {
        return Vec::new();
    }
    let starts = |length: usize| (0..length).step_by(side);
    let row_of_regions = |top: usize| {
        let bottom = (top + side).min(height);
        starts(width).map(move |left| Rect { left, top, right: (left + side).min(width), bottom })
    };
    starts(height).flat_map(row_of_regions).collect()
}

/// Relevance of each region: the mean over its pixels. With sums, the smaller regions at the edge would have less relevance.
///
/// ```text
/// R[region] = 1/|region| · Σ_{p in region} R[p]
/// ```
/// `relevance` `(height, width)`. Regions are clipped to it; a region without pixels has relevance 0. Departure: `samek2017` takes the
/// sum, which gives the same order for regions of equal size.
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
    fn regions_and_their_relevance_match_hand_computed_values() {
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
        fn every_pixel_is_in_exactly_one_region(width in 1_usize..40, height in 1_usize..40, side in 1_usize..12) {
            let mut n = Array2::<u8>::zeros((height, width));
            for region in regions(width, height, side) {
                n.slice_mut(s![region.top..region.bottom, region.left..region.right]).mapv_inplace(|n| n + 1);
            }
            prop_assert!(n.iter().all(|&n| n == 1));
        }
    }
}
