//! Context: how much of the relevance lies outside the objects, measured with the bounding boxes of a class.

use ndarray::ArrayView2;

use crate::distance::distance_correlation;
use crate::rect::Rect;

/// Relevance inside and outside the boxes of one class in one image: the result of [`context()`].
///
/// Means are per pixel, in the unit of the relevance.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Context {
    /// Number of pixels inside at least one box.
    pub n_inside: usize,
    /// Number of pixels outside all boxes.
    pub n_outside: usize,
    /// Mean of the positive part `max(R[p], 0)` over the pixels inside; 0 if there are none.
    pub mean_inside: f64,
    /// Mean of the positive part over the pixels outside; 0 if there are none.
    pub mean_outside: f64,
    /// `mean_outside / mean_inside`; `None` if no pixel is outside, or if there is no positive relevance inside.
    pub ratio: Option<f64>,
    /// (mean of R outside − mean of R inside) / max |R|, with the signs of R. In −2 to 2, above 0 if the context has more
    /// relevance. `None` if no pixel is inside, no pixel is outside, or all relevance is 0. A ratio of signed means would divide
    /// by values near 0; this difference does not.
    pub signed_difference: Option<f64>,
    /// Whether the pixel with the largest relevance is inside (of several, the first one, row by row). `None` without positive
    /// relevance, or if no pixel is inside: an image without boxes says nothing about the context.
    pub pointing_hit: Option<bool>,
    /// Share of the positive relevance that lies inside, 0 to 1; `None` without positive relevance, or if no pixel is inside.
    pub inside_share: Option<f64>,
    /// Rank correlation of relevance and distance from the boxes, over the pixels outside: see [`distance_correlation`].
    pub distance_correlation: Option<f64>,
}

/// Compares the relevance outside all boxes of a class with the relevance inside them.
///
/// ```text
/// ratio = (1/|outside| · Σ_{p outside} max(R[p], 0)) / (1/|inside| · Σ_{p inside} max(R[p], 0))
/// ```
/// `relevance` `(height, width)`: the heatmap of one class. `boxes`: the boxes of that class, in pixels of the heatmap. Boxes are
/// clipped to the image. They may overlap: a pixel in two boxes counts once. An empty box covers nothing. The caller chooses which
/// objects count, for instance whether difficult ones do. Relevance that is not finite counts as 0. Sums are `f64`.
///
/// ```
/// use fisherlens_eval::{Rect, context};
/// use ndarray::array;
///
/// let relevance = array![[4.0_f32, 2.0, 1.0], [0.0, 2.0, -1.0]];
/// let found = context(relevance.view(), &[Rect { left: 0, top: 0, right: 2, bottom: 2 }]);
/// assert_eq!((found.mean_inside, found.mean_outside), (2.0, 0.5));
/// assert_eq!((found.ratio, found.pointing_hit), (Some(0.25), Some(true)));
/// ```
///
/// # References
/// `lapuschkin2016`, main paper, for the context; `zhang2016` for the pointing game, from which the pointing hit comes.
pub fn context(relevance: ArrayView2<'_, f32>, boxes: &[Rect]) -> Context {
    let (height, width) = relevance.dim();
    let mut inside = vec![false; width * height];
    for rect in boxes {
        let (left, right) = (rect.left.min(width), rect.right.min(width));
        if left < right {
            for y in rect.top.min(height)..rect.bottom.min(height) {
                inside[y * width + left..y * width + right].fill(true);
            }
        }
    }
    // In these arrays index 1 is inside and index 0 is outside.
    let mut counts = [0_usize; 2];
    let mut positive = [0.0_f64; 2];
    let mut signed = [0.0_f64; 2];
    let mut largest_size = 0.0_f64;
    let mut highest = (0.0_f32, false);
    for (&value, &is_inside) in relevance.iter().zip(&inside) {
        let side = usize::from(is_inside);
        let value = if value.is_finite() { value } else { 0.0 };
        counts[side] += 1;
        positive[side] += f64::from(value.max(0.0));
        signed[side] += f64::from(value);
        largest_size = largest_size.max(f64::from(value.abs()));
        if value > highest.0 {
            highest = (value, is_inside);
        }
    }
    let mean = |sums: [f64; 2], side: usize| {
        if counts[side] == 0 { 0.0 } else { sums[side] / counts[side] as f64 }
    };
    let (mean_outside, mean_inside) = (mean(positive, 0), mean(positive, 1));
    let both_sides = counts[0] > 0 && counts[1] > 0;
    let is_measured = counts[1] > 0 && highest.0 > 0.0;
    Context {
        n_inside: counts[1],
        n_outside: counts[0],
        mean_inside,
        mean_outside,
        ratio: (both_sides && mean_inside > 0.0).then(|| mean_outside / mean_inside),
        signed_difference: (both_sides && largest_size > 0.0)
            .then(|| (mean(signed, 0) - mean(signed, 1)) / largest_size),
        pointing_hit: is_measured.then_some(highest.1),
        inside_share: is_measured.then(|| positive[1] / (positive[0] + positive[1])),
        distance_correlation: distance_correlation(relevance, boxes),
    }
}

/// Context over the images of one class: the result of [`summarize_context`].
#[derive(Debug, Clone, PartialEq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ContextSummary {
    /// Number of images.
    pub n_images: usize,
    /// Number of images without a ratio: no pixel is outside the boxes, no pixel is inside, or there is no positive relevance
    /// inside. These images count neither in `mean` and `median` nor in `ratio_of_sums`.
    pub n_excluded: usize,
    /// Mean of the images' ratios. A single image with little relevance inside can dominate it; `median` is robust against this.
    pub mean: Option<f64>,
    /// Median of the images' ratios; the mean of the middle two if their number is even.
    pub median: Option<f64>,
    /// Sum of the images' means outside divided by the sum of their means inside.
    pub ratio_of_sums: Option<f64>,
    /// Mean positive relevance of the outside pixels of all images, divided by the mean of the inside pixels. So larger
    /// images and images with more relevance have more weight. All images with a box count, also those without a ratio. `None` if
    /// there is no outside pixel or no positive relevance inside in any image.
    pub size_weighted: Option<f64>,
    /// Mean of the signed differences of those images that have one.
    pub mean_signed_difference: Option<f64>,
    /// Number of images without a signed difference.
    pub n_excluded_signed: usize,
    /// Among the images with a box and with positive relevance: the share whose largest relevance is inside a box.
    pub pointing_rate: Option<f64>,
    /// Mean share of the positive relevance that is inside the boxes, over the same images.
    pub mean_inside_share: Option<f64>,
    /// Mean share of the pixels that are inside the boxes, over the same images. A uniform heatmap would have this share of its
    /// relevance inside.
    pub mean_inside_area: Option<f64>,
    /// Mean rank correlation of relevance and distance from the boxes, over those images that have one.
    pub mean_distance_correlation: Option<f64>,
}

/// Means, median and ratio of sums over the images of one class. A value is `None` if no image contributes to it.
pub fn summarize_context(contexts: &[Context]) -> ContextSummary {
    let included: Vec<&Context> = contexts.iter().filter(|each| each.ratio.is_some()).collect();
    let mut ratios: Vec<f64> = included.iter().filter_map(|each| each.ratio).collect();
    ratios.sort_unstable_by(f64::total_cmp);
    let middle = ratios.len() / 2;
    let median = match ratios.len() {
        0 => None,
        n if n % 2 == 1 => Some(ratios[middle]),
        _ => Some(f64::midpoint(ratios[middle - 1], ratios[middle])),
    };
    let outside: f64 = included.iter().map(|each| each.mean_outside).sum();
    let inside: f64 = included.iter().map(|each| each.mean_inside).sum();
    let signed: Vec<f64> = contexts.iter().filter_map(|each| each.signed_difference).collect();
    let hits: Vec<f64> =
        contexts.iter().filter_map(|each| each.pointing_hit.map(|hit| f64::from(u8::from(hit)))).collect();
    let shares: Vec<f64> = contexts.iter().filter_map(|each| each.inside_share).collect();
    let area = |each: &Context| each.n_inside as f64 / (each.n_inside + each.n_outside) as f64;
    let areas: Vec<f64> = contexts.iter().filter(|each| each.inside_share.is_some()).map(area).collect();
    let correlations: Vec<f64> = contexts.iter().filter_map(|each| each.distance_correlation).collect();
    // Mean relevance over the pixels of all images on one side. `side` gives an image's mean and its number of pixels there.
    let with_box = || contexts.iter().filter(|each| each.n_inside > 0);
    let pooled = |side: fn(&Context) -> (f64, usize)| {
        let (relevance, n_pixels) = with_box().fold((0.0, 0), |(relevance, n_pixels), each| {
            let (mean, n) = side(each);
            (relevance + mean * n as f64, n_pixels + n)
        });
        if n_pixels == 0 { 0.0 } else { relevance / n_pixels as f64 }
    };
    let pooled_inside = pooled(|each| (each.mean_inside, each.n_inside));
    let pooled_outside = pooled(|each| (each.mean_outside, each.n_outside));
    let any_outside = with_box().any(|each| each.n_outside > 0);
    ContextSummary {
        n_images: contexts.len(),
        n_excluded: contexts.len() - included.len(),
        mean: mean(&ratios),
        median,
        ratio_of_sums: (!included.is_empty()).then(|| outside / inside),
        mean_signed_difference: mean(&signed),
        n_excluded_signed: contexts.len() - signed.len(),
        pointing_rate: mean(&hits),
        mean_inside_share: mean(&shares),
        mean_inside_area: mean(&areas),
        size_weighted: (any_outside && pooled_inside > 0.0).then(|| pooled_outside / pooled_inside),
        mean_distance_correlation: mean(&correlations),
    }
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;
    use ndarray::{Array2, array};
    use proptest::prelude::*;

    fn rect(left: usize, top: usize, right: usize, bottom: usize) -> Rect {
        Rect { left, top, right, bottom }
    }

    #[test]
    fn context_matches_hand_computed_values() {
        let relevance = array![[4.0_f32, 2.0, -1.0, 0.0], [0.0, 2.0, 3.0, -3.0]];
        let found = context(relevance.view(), &[rect(0, 0, 2, 2)]);
        assert_eq!((found.n_inside, found.n_outside), (4, 4));
        // Positive part: 4 + 2 + 0 + 2 inside, 3 outside.
        assert_eq!((found.mean_inside, found.mean_outside), (2.0, 0.75));
        assert_eq!(found.ratio, Some(0.375));
        // Signed: 8/4 inside, −1/4 outside, max 4.
        assert_relative_eq!(found.signed_difference.unwrap(), (-0.25 - 2.0) / 4.0);
        assert_eq!(found.pointing_hit, Some(true));
        assert_relative_eq!(found.inside_share.unwrap(), 8.0 / 11.0);
    }

    #[test]
    fn images_without_a_ratio() {
        let ones = Array2::from_elem((3, 3), 1.0_f32);
        let covered = context(ones.view(), &[rect(0, 0, 9, 9)]);
        assert_eq!((covered.ratio, covered.signed_difference), (None, None));
        assert_eq!((covered.n_outside, covered.inside_share), (0, Some(1.0)));
        let without_boxes = context(ones.view(), &[rect(2, 2, 2, 3), rect(7, 0, 9, 3)]);
        assert_eq!((without_boxes.n_inside, without_boxes.ratio), (0, None));
        assert_eq!((without_boxes.pointing_hit, without_boxes.inside_share), (None, None));
        let summary = summarize_context(&[without_boxes, covered]);
        assert_eq!((summary.pointing_rate, summary.mean_inside_share), (Some(1.0), Some(1.0)));
        // The relevance of an image without boxes is not context either.
        let half = context(ones.view(), &[rect(0, 0, 3, 1)]);
        let [alone, together] =
            [vec![half], vec![half, without_boxes]].map(|all| summarize_context(&all).size_weighted);
        assert_eq!(alone, together);
        let negative_inside = context(array![[-1.0_f32, 2.0]].view(), &[rect(0, 0, 1, 1)]);
        assert_eq!(negative_inside.ratio, None);
        assert_eq!(negative_inside.signed_difference, Some(1.5));
        let nothing = context(Array2::zeros((2, 2)).view(), &[rect(0, 0, 1, 1)]);
        assert_eq!((nothing.pointing_hit, nothing.inside_share), (None, None));
        assert_eq!(context(Array2::zeros((0, 0)).view(), &[]), Context::default());
        let not_finite = context(array![[f32::NAN, 1.0], [f32::INFINITY, 0.0]].view(), &[rect(1, 0, 2, 1)]);
        assert_eq!(not_finite.ratio, Some(0.0));
    }

    #[test]
    fn a_rectangle_whose_right_edge_is_left_of_its_left_edge_covers_nothing() {
        let ones = Array2::from_elem((3, 3), 1.0_f32);
        assert_eq!(context(ones.view(), &[rect(2, 2, 1, 1)]).n_inside, 0);
    }

    #[test]
    fn the_summary_matches_hand_computed_values() {
        let with = |outside: f64, inside: f64| Context {
            mean_outside: outside,
            mean_inside: inside,
            ratio: (inside > 0.0).then(|| outside / inside),
            signed_difference: Some(outside - inside),
            pointing_hit: Some(inside > outside),
            inside_share: Some(0.5),
            ..Context::default()
        };
        let summary = summarize_context(&[with(1.0, 2.0), with(3.0, 1.0), with(1.0, 1.0), with(7.0, 0.0)]);
        assert_eq!((summary.n_images, summary.n_excluded), (4, 1));
        assert_relative_eq!(summary.mean.unwrap(), 1.5);
        assert_relative_eq!(summary.median.unwrap(), 1.0);
        assert_relative_eq!(summary.ratio_of_sums.unwrap(), 1.25);
        assert_relative_eq!(summary.mean_signed_difference.unwrap(), 2.0);
        assert_relative_eq!(summary.pointing_rate.unwrap(), 0.25);
        let sized = |outside, n_outside, inside, n_inside| Context { n_inside, n_outside, ..with(outside, inside) };
        let pooled = summarize_context(&[sized(1.0, 10, 2.0, 30), sized(4.0, 5, 1.0, 20), sized(0.0, 0, 3.0, 10)]);
        assert_relative_eq!(pooled.size_weighted.unwrap(), (30.0 / 15.0) / (110.0 / 60.0));
        assert_relative_eq!(pooled.mean_inside_area.unwrap(), (0.75 + 0.8 + 1.0) / 3.0);
        let even = summarize_context(&[with(1.0, 2.0), with(3.0, 1.0)]);
        assert_relative_eq!(even.median.unwrap(), 1.75);
        assert_eq!(summarize_context(&[]), ContextSummary::default());
    }

    proptest! {
        #[test]
        fn uniform_relevance_has_ratio_one_and_scale_does_not_matter(
            values in prop::collection::vec(-2.0_f32..2.0, 48),
            left in 0_usize..7, top in 0_usize..5, wide in 1_usize..8, high in 1_usize..6, scale in 0.1_f32..50.0,
        ) {
            let boxes = [rect(left, top, left + wide, top + high)];
            let uniform = context(Array2::from_elem((6, 8), scale).view(), &boxes);
            if let Some(ratio) = uniform.ratio {
                prop_assert!((ratio - 1.0).abs() < 1e-12);
                prop_assert!(uniform.signed_difference.unwrap().abs() < 1e-12);
            }
            let relevance = Array2::from_shape_vec((6, 8), values).unwrap();
            let one = context(relevance.view(), &boxes);
            let scaled = context(relevance.mapv(|value| value * scale).view(), &boxes);
            prop_assert_eq!(one.n_inside + one.n_outside, 48);
            prop_assert_eq!(one.pointing_hit, scaled.pointing_hit);
            for (a, b) in [
                (one.ratio, scaled.ratio),
                (one.signed_difference, scaled.signed_difference),
                (one.inside_share, scaled.inside_share),
            ] {
                prop_assert_eq!(a.is_some(), b.is_some());
                prop_assert!((a.unwrap_or(0.0) - b.unwrap_or(0.0)).abs() <= 1e-5 * a.unwrap_or(0.0).abs().max(1.0));
            }
            // A box that is given twice counts once.
            prop_assert_eq!(context(relevance.view(), &[boxes[0], boxes[0]]), one);
        }
    }
}
