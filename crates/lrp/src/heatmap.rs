//! Pictures of relevance: heatmaps, alone or over the photograph.

use ndarray::{Array3, ArrayView2, ArrayView3, Axis};

use crate::color_map::{ColorMap, nearest_byte};

/// A picture of relevance.
///
/// `relevance` `(height, width)`, in any unit. It is divided by `max |R|`, so 0 has the neutral colour and the colours are symmetric
/// about 0. If all values are 0, the whole picture has the neutral colour. Values that are not finite are drawn as 0 and do not count for
/// the maximum. Returns `(height, width, 3)`: red, green, blue.
///
/// ```
/// use fisherlens_lrp::{ColorMap, heatmap};
/// use ndarray::{array, s};
///
/// let picture = heatmap(array![[2.0_f32, 0.0, -2.0]].view(), ColorMap::Diverging);
/// assert_eq!(picture.slice(s![0, .., ..]), array![[255, 0, 0], [255, 255, 255], [0, 0, 255]]);
/// ```
pub fn heatmap(relevance: ArrayView2<'_, f32>, map: ColorMap) -> Array3<u8> {
    heatmap_scaled(relevance, map, largest_size(relevance))
}

/// [`heatmap`] with a given relevance for the strongest colour, so that the colours of several pictures can be compared.
///
/// For this, pass the largest [`largest_size`] of the pictures as `largest`. Relevance above `largest` has the strongest colour too. If
/// `largest` is not above 0, the whole picture has the neutral colour.
pub fn heatmap_scaled(relevance: ArrayView2<'_, f32>, map: ColorMap, largest: f32) -> Array3<u8> {
    let factor = 1.0 / largest;
    // The inverse of a subnormal number can be infinite; such small relevance is drawn as 0.
    let factor = if factor.is_finite() && factor > 0.0 { factor } else { 0.0 };
    let (height, width) = relevance.dim();
    let mut colors = Array3::zeros((height, width, 3));
    for (&value, mut pixel) in relevance.iter().zip(colors.lanes_mut(ndarray::Axis(2))) {
        let value = if value.is_finite() { value } else { 0.0 };
        for (channel, color) in pixel.iter_mut().zip(map.color(value * factor)) {
            *channel = color;
        }
    }
    colors
}

/// `max |R|` over the finite values; 0 if there are no finite values.
pub fn largest_size(relevance: ArrayView2<'_, f32>) -> f32 {
    relevance.iter().filter(|value| value.is_finite()).fold(0.0_f32, |largest, value| largest.max(value.abs()))
}

/// The [`heatmap`] over the photograph, mixed by [`blend`].
pub fn overlay(
    photograph: ArrayView3<'_, u8>,
    relevance: ArrayView2<'_, f32>,
    map: ColorMap,
    opacity: f32,
) -> Array3<u8> {
    blend(photograph, heatmap(relevance, map).view(), opacity)
}

/// Mixes a photograph and a picture.
///
/// ```text
/// out = (1 − opacity) · photograph + opacity · colors
/// ```
/// `photograph` `(height, width, 3)`. `colors` `(height', width', 3)`; if the sizes differ, it is stretched to the size of the photograph
/// with the nearest pixel. `opacity` goes from 0 (only the photograph) to 1 (only the colours) and is clamped to this range. Returns an
/// array with the shape of the photograph. If the photograph has more than 3 channels, the other channels do not change.
pub fn blend(photograph: ArrayView3<'_, u8>, colors: ArrayView3<'_, u8>, opacity: f32) -> Array3<u8> {
    let mut out = photograph.to_owned();
    let (height, width, _) = photograph.dim();
    let (from_height, from_width, n_colors) = colors.dim();
    if from_height == 0 || from_width == 0 {
        return out;
    }
    let opacity = if opacity.is_nan() { 0.0 } else { opacity.clamp(0.0, 1.0) };
    let mix = |value: &mut u8, color: u8| {
        *value = nearest_byte((1.0 - opacity) * f32::from(*value) + opacity * f32::from(color));
    };
    for (y, mut row) in out.outer_iter_mut().enumerate() {
        let colors = colors.index_axis(Axis(0), y * from_height / height);
        for (x, mut pixel) in row.outer_iter_mut().enumerate() {
            let colors = colors.index_axis(Axis(0), x * from_width / width);
            pixel.iter_mut().zip(colors).take(n_colors.min(3)).for_each(|(value, &color)| mix(value, color));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, array, s};

    #[test]
    fn pictures_with_a_common_largest_relevance_have_comparable_colors() {
        let (strong, weak) = (array![[4.0_f32, -2.0]], array![[1.0_f32, 0.0]]);
        let largest = largest_size(strong.view()).max(largest_size(weak.view()));
        assert_eq!(largest, 4.0);
        let weak = heatmap_scaled(weak.view(), ColorMap::Diverging, largest);
        assert_eq!(weak.slice(s![0, 0, ..]), array![255, 191, 191]);
        assert!(heatmap_scaled(strong.view(), ColorMap::Diverging, 0.0).iter().all(|&channel| channel == 255));
    }

    #[test]
    fn colors_are_symmetric_about_zero() {
        let relevance = array![[2.0_f32, -1.0], [0.0, 1.0]];
        let colors = heatmap(relevance.view(), ColorMap::Diverging);
        assert_eq!(colors.dim(), (2, 2, 3));
        assert_eq!(colors.slice(s![0, 0, ..]), array![255, 0, 0]);
        assert_eq!(colors.slice(s![0, 1, ..]), array![128, 128, 255]);
        assert_eq!(colors.slice(s![1, 0, ..]), array![255, 255, 255]);
        assert_eq!(colors.slice(s![1, 1, ..]), array![255, 128, 128]);
        // A common factor does not change the picture. Opposite signs exchange red and blue.
        let larger = relevance.mapv(|value| value * 1e6);
        assert_eq!(heatmap(larger.view(), ColorMap::Diverging), colors);
        let turned = heatmap(relevance.mapv(|value| -value).view(), ColorMap::Diverging);
        assert_eq!(turned.slice(s![.., .., 0]), colors.slice(s![.., .., 2]));
    }

    #[test]
    fn zeros_and_values_that_are_not_finite_are_neutral() {
        for relevance in [Array2::zeros((2, 3)), Array2::from_elem((2, 3), f32::NAN)] {
            let colors = heatmap(relevance.view(), ColorMap::Diverging);
            assert!(colors.iter().all(|&channel| channel == 255));
        }
        let tiny = Array2::from_elem((1, 1), f32::from_bits(1));
        assert_eq!(heatmap(tiny.view(), ColorMap::Diverging)[[0, 0, 1]], 255);
        assert_eq!(heatmap(Array2::zeros((0, 4)).view(), ColorMap::Positive).dim(), (0, 4, 3));
    }

    #[test]
    fn overlay_mixes_and_stretches() {
        let photograph = Array3::from_elem((2, 4, 3), 100_u8);
        let relevance = array![[1.0_f32, -1.0]];
        let view = photograph.view();
        assert_eq!(overlay(view, relevance.view(), ColorMap::Diverging, 0.0), photograph);
        let half = overlay(view, relevance.view(), ColorMap::Diverging, 0.5);
        assert_eq!(half.slice(s![1, 1, ..]), array![178, 50, 50]);
        assert_eq!(half.slice(s![0, 2, ..]), array![50, 50, 178]);
        let whole = overlay(view, relevance.view(), ColorMap::Diverging, 9.0);
        assert_eq!(whole.slice(s![0, 0, ..]), array![255, 0, 0]);
        let none = Array2::zeros((0, 0));
        assert_eq!(overlay(view, none.view(), ColorMap::Diverging, 1.0), photograph);
    }
}
