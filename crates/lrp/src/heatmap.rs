//! Relevance turned into colours.

use ndarray::{Array3, ArrayView2, ArrayView3};

/// Which colours stand for relevance between −1 and +1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "lowercase"))]
#[non_exhaustive]
pub enum ColorMap {
    /// Blue for what speaks against the class, white for 0, red for what speaks for it.
    #[default]
    Diverging,
    /// White for 0 and below, red for what speaks for the class: the part that the context ratio reads.
    Positive,
}

impl ColorMap {
    /// Red, green and blue for a relevance in −1 to 1; values beyond are clamped, what is not a number is white.
    pub fn color(self, relevance: f32) -> [u8; 3] {
        let relevance = if relevance.is_nan() { 0.0 } else { relevance.clamp(-1.0, 1.0) };
        let faded = |by: f32| (255.0 * (1.0 - by)).round() as u8;
        match (self, relevance < 0.0) {
            (Self::Diverging, true) => [faded(-relevance), faded(-relevance), 255],
            (Self::Positive, true) => [255, 255, 255],
            (_, false) => [255, faded(relevance), faded(relevance)],
        }
    }
}

/// A picture of relevance.
///
/// `relevance` `(height, width)`, any unit; it is divided by `max |R|`, so 0 is neutral and the colours are symmetric about
/// it. All zeros give the neutral colour everywhere. Values that are not finite are drawn neutral and do not count for the
/// maximum. Returns `(height, width, 3)`, red, green, blue.
pub fn heatmap(relevance: ArrayView2<'_, f32>, map: ColorMap) -> Array3<u8> {
    let factor = factor(relevance);
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

/// The picture of relevance laid over the photograph.
///
/// ```text
/// out = (1 − opacity) · photograph + opacity · heatmap
/// ```
/// `photograph` `(height, width, 3)`; `relevance` `(height', width')`, stretched onto the photograph by the nearest pixel
/// where the sizes differ; `opacity` from 0, the photograph alone, to 1, the heatmap alone (clamped). Returns
/// the shape of the photograph; a photograph with other than 3 channels keeps the further ones as they are.
pub fn overlay(
    photograph: ArrayView3<'_, u8>,
    relevance: ArrayView2<'_, f32>,
    map: ColorMap,
    opacity: f32,
) -> Array3<u8> {
    let mut out = photograph.to_owned();
    let colors = heatmap(relevance, map);
    let (height, width, _) = photograph.dim();
    let (from_height, from_width, _) = colors.dim();
    if from_height == 0 || from_width == 0 {
        return out;
    }
    let opacity = if opacity.is_nan() { 0.0 } else { opacity.clamp(0.0, 1.0) };
    for ((y, x, channel), value) in out.indexed_iter_mut() {
        if channel < 3 {
            let color = colors[[y * from_height / height, x * from_width / width, channel]];
            let mixed = (1.0 - opacity) * f32::from(*value) + opacity * f32::from(color);
            *value = mixed.round() as u8;
        }
    }
    out
}

/// `1 / max |R|` over the finite values; 0 where all are zero.
fn factor(relevance: ArrayView2<'_, f32>) -> f32 {
    let largest =
        relevance.iter().filter(|value| value.is_finite()).fold(0.0_f32, |largest, value| largest.max(value.abs()));
    let factor = 1.0 / largest;
    // The inverse of a subnormal number is infinite; such relevance is drawn as none.
    if factor.is_finite() { factor } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, array, s};

    #[test]
    fn ends_and_middle_of_the_maps() {
        assert_eq!(ColorMap::Diverging.color(1.0), [255, 0, 0]);
        assert_eq!(ColorMap::Diverging.color(0.0), [255, 255, 255]);
        assert_eq!(ColorMap::Diverging.color(-1.0), [0, 0, 255]);
        assert_eq!(ColorMap::Diverging.color(7.0), [255, 0, 0]);
        assert_eq!(ColorMap::Diverging.color(f32::NAN), [255, 255, 255]);
        assert_eq!(ColorMap::Positive.color(-1.0), [255, 255, 255]);
        assert_eq!(ColorMap::Positive.color(0.5), [255, 128, 128]);
    }

    #[test]
    fn the_scale_is_symmetric_about_zero() {
        let relevance = array![[2.0_f32, -1.0], [0.0, 1.0]];
        let colors = heatmap(relevance.view(), ColorMap::Diverging);
        assert_eq!(colors.dim(), (2, 2, 3));
        assert_eq!(colors.slice(s![0, 0, ..]), array![255, 0, 0]);
        assert_eq!(colors.slice(s![0, 1, ..]), array![128, 128, 255]);
        assert_eq!(colors.slice(s![1, 0, ..]), array![255, 255, 255]);
        assert_eq!(colors.slice(s![1, 1, ..]), array![255, 128, 128]);
        // A common factor changes nothing; swapping the signs swaps red and blue.
        let larger = relevance.mapv(|value| value * 1e6);
        assert_eq!(heatmap(larger.view(), ColorMap::Diverging), colors);
        let turned = heatmap(relevance.mapv(|value| -value).view(), ColorMap::Diverging);
        assert_eq!(turned.slice(s![.., .., 0]), colors.slice(s![.., .., 2]));
    }

    #[test]
    fn nothing_to_show_is_neutral() {
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
