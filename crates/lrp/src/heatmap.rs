//! Relevance turned into colours.

use std::fmt;
use std::str::FromStr;

use ndarray::{Array3, ArrayView2, ArrayView3};

use crate::LrpError;

/// Which colours stand for relevance between −1 and +1.
///
/// As text, in settings and on the command line: `diverging`, `positive`, `black-fire`, `gray`, `blue-orange`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum ColorMap {
    /// Blue for what speaks against the class, white for 0, red for what speaks for it.
    #[default]
    Diverging,
    /// White for 0 and below, red for what speaks for the class: the part that the context ratio reads.
    Positive,
    /// Black for 0; red, yellow, white for what speaks for the class; blue, cyan, white for what speaks against it.
    ///
    /// ```text
    /// (R, G, B) = (c(3r), c(3r − 1), c(3r − 2)) for r ≥ 0, (B, G, R) the same of −r;   c: cut off at 0 and 1
    /// ```
    /// The look of the heatmaps in papers on layer-wise relevance propagation, by a formula of our own.
    BlackFire,
    /// White for 0, black for ±1, whatever the sign.
    Gray,
    /// Blue, white, orange: told apart by people who confuse red and green, and as dark on one side as on the other.
    ///
    /// Straight lines in Oklab (`ottosson2020`) from white, (L, a, b) = (1, 0, 0), to (0.5, −0.03, −0.15) and (0.5, 0.09, 0.1).
    BlueOrange,
}

impl ColorMap {
    /// All of them, in the order of their names above.
    pub const ALL: [Self; 5] = [Self::Diverging, Self::Positive, Self::BlackFire, Self::Gray, Self::BlueOrange];

    /// The name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Diverging => "diverging",
            Self::Positive => "positive",
            Self::BlackFire => "black-fire",
            Self::Gray => "gray",
            Self::BlueOrange => "blue-orange",
        }
    }

    /// Red, green and blue for a relevance in −1 to 1; values beyond are clamped, what is not a number is drawn as 0.
    pub fn color(self, relevance: f32) -> [u8; 3] {
        let relevance = if relevance.is_nan() { 0.0 } else { relevance.clamp(-1.0, 1.0) };
        let (size, is_negative) = (relevance.abs(), relevance < 0.0);
        let byte = |share: f32| (255.0 * share.clamp(0.0, 1.0)).round() as u8;
        let faded = byte(1.0 - size);
        match (self, is_negative) {
            (Self::Diverging, true) => [faded, faded, 255],
            (Self::Positive, true) => [255, 255, 255],
            (Self::Diverging | Self::Positive, false) => [255, faded, faded],
            (Self::BlackFire, false) => [byte(3.0 * size), byte(3.0 * size - 1.0), byte(3.0 * size - 2.0)],
            (Self::BlackFire, true) => [byte(3.0 * size - 2.0), byte(3.0 * size - 1.0), byte(3.0 * size)],
            (Self::Gray, _) => [faded; 3],
            (Self::BlueOrange, true) => from_oklab(1.0 - 0.5 * size, -0.03 * size, -0.15 * size).map(byte),
            (Self::BlueOrange, false) => from_oklab(1.0 - 0.5 * size, 0.09 * size, 0.1 * size).map(byte),
        }
    }
}

/// Oklab to sRGB, 0 to 1 where the colour can be shown (`ottosson2020`).
fn from_oklab(lightness: f32, a: f32, b: f32) -> [f32; 3] {
    let l = (lightness + 0.396_337_78 * a + 0.215_803_76 * b).powi(3);
    let m = (lightness - 0.105_561_346 * a - 0.063_854_17 * b).powi(3);
    let s = (lightness - 0.089_484_18 * a - 1.291_485_5 * b).powi(3);
    let linear = [
        4.076_741_7 * l - 3.307_711_6 * m + 0.230_969_94 * s,
        -1.268_438 * l + 2.609_757_4 * m - 0.341_319_38 * s,
        -0.004_196_086_3 * l - 0.703_418_6 * m + 1.707_614_7 * s,
    ];
    linear.map(|value| if value <= 0.003_130_8 { 12.92 * value } else { 1.055 * value.powf(1.0 / 2.4) - 0.055 })
}

impl fmt::Display for ColorMap {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for ColorMap {
    type Err = LrpError;

    fn from_str(text: &str) -> Result<Self, LrpError> {
        let found = Self::ALL.into_iter().find(|map| map.name() == text.trim());
        found.ok_or_else(|| LrpError::UnknownColorMap {
            found: text.to_owned(),
            known: Self::ALL.map(Self::name).join(", "),
        })
    }
}

/// A picture of relevance.
///
/// `relevance` `(height, width)`, any unit; it is divided by `max |R|`, so 0 is neutral and the colours are symmetric about
/// it. All zeros give the neutral colour everywhere. Values that are not finite are drawn neutral and do not count for the
/// maximum. Returns `(height, width, 3)`, red, green, blue.
pub fn heatmap(relevance: ArrayView2<'_, f32>, map: ColorMap) -> Array3<u8> {
    heatmap_scaled(relevance, map, largest_size(relevance))
}

/// [`heatmap`] with the relevance that has the strongest colour given, so that several pictures can be compared: the largest of their
/// [`largest_size`]. Larger relevance has the strongest colour too; where `largest` is not above 0 all is neutral.
pub fn heatmap_scaled(relevance: ArrayView2<'_, f32>, map: ColorMap, largest: f32) -> Array3<u8> {
    let factor = 1.0 / largest;
    // The inverse of a subnormal number is infinite; such relevance is drawn as none.
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

/// `max |R|` over the finite values; 0 without any.
pub fn largest_size(relevance: ArrayView2<'_, f32>) -> f32 {
    relevance.iter().filter(|value| value.is_finite()).fold(0.0_f32, |largest, value| largest.max(value.abs()))
}

/// The picture of relevance laid over the photograph: [`blend`] of it and its [`heatmap`].
pub fn overlay(
    photograph: ArrayView3<'_, u8>,
    relevance: ArrayView2<'_, f32>,
    map: ColorMap,
    opacity: f32,
) -> Array3<u8> {
    blend(photograph, heatmap(relevance, map).view(), opacity)
}

/// A picture laid over the photograph.
///
/// ```text
/// out = (1 − opacity) · photograph + opacity · colors
/// ```
/// `photograph` `(height, width, 3)`; `colors` `(height', width', 3)`, stretched onto the photograph by the nearest pixel
/// where the sizes differ; `opacity` from 0, the photograph alone, to 1, the colours alone (clamped). Returns
/// the shape of the photograph; a photograph with other than 3 channels keeps the further ones as they are.
pub fn blend(photograph: ArrayView3<'_, u8>, colors: ArrayView3<'_, u8>, opacity: f32) -> Array3<u8> {
    let mut out = photograph.to_owned();
    let (height, width, _) = photograph.dim();
    let (from_height, from_width, n_colors) = colors.dim();
    if from_height == 0 || from_width == 0 {
        return out;
    }
    let opacity = if opacity.is_nan() { 0.0 } else { opacity.clamp(0.0, 1.0) };
    for ((y, x, channel), value) in out.indexed_iter_mut() {
        if channel < n_colors.min(3) {
            let color = colors[[y * from_height / height, x * from_width / width, channel]];
            let mixed = (1.0 - opacity) * f32::from(*value) + opacity * f32::from(color);
            *value = mixed.round() as u8;
        }
    }
    out
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
    fn names_are_read_and_others_refused_with_all_of_them() {
        for map in ColorMap::ALL {
            assert_eq!(map.to_string().parse::<ColorMap>().unwrap(), map);
        }
        let message = "jet".parse::<ColorMap>().unwrap_err().to_string();
        assert!(message.contains("jet") && message.contains("black-fire, gray"), "{message}");
    }

    #[test]
    fn ends_of_the_further_maps() {
        assert_eq!(ColorMap::BlackFire.color(0.0), [0, 0, 0]);
        assert_eq!(ColorMap::BlackFire.color(1.0 / 3.0), [255, 0, 0]);
        assert_eq!(ColorMap::BlackFire.color(2.0 / 3.0), [255, 255, 0]);
        assert_eq!(ColorMap::BlackFire.color(1.0), [255, 255, 255]);
        assert_eq!(ColorMap::BlackFire.color(-2.0 / 3.0), [0, 255, 255]);
        assert_eq!((ColorMap::Gray.color(-1.0), ColorMap::Gray.color(0.0)), ([0; 3], [255; 3]));
        assert_eq!(ColorMap::BlueOrange.color(0.0), [255, 255, 255]);
        let ([r, _, b], [blue_r, _, blue_b]) = (ColorMap::BlueOrange.color(1.0), ColorMap::BlueOrange.color(-1.0));
        assert!(r > 2 * b && blue_b > 2 * blue_r, "orange {r} {b}, blue {blue_r} {blue_b}");
    }

    #[test]
    fn lightness_rises_or_falls_with_the_size_of_relevance() {
        // Rec. 709 luminance of the linear values.
        let luminance = |color: [u8; 3]| {
            let linear = color.map(|value| (f32::from(value) / 255.0).powf(2.2));
            0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
        };
        for map in ColorMap::ALL {
            let rises = map == ColorMap::BlackFire;
            for sign in [-1.0_f32, 1.0] {
                let steps: Vec<f32> = (0_u8..=50).map(|i| luminance(map.color(sign * f32::from(i) / 50.0))).collect();
                let pairs = steps.windows(2);
                assert!(
                    pairs.into_iter().all(|pair| if rises { pair[1] >= pair[0] } else { pair[1] <= pair[0] }),
                    "{map}"
                );
            }
        }
        // The two sides of the map for everybody are equally dark.
        let dark = |relevance| luminance(ColorMap::BlueOrange.color(relevance));
        assert!((dark(0.7) - dark(-0.7)).abs() < 0.06, "{} {}", dark(0.7), dark(-0.7));
    }

    #[test]
    fn a_common_scale_leaves_pictures_comparable() {
        let (strong, weak) = (array![[4.0_f32, -2.0]], array![[1.0_f32, 0.0]]);
        let largest = largest_size(strong.view()).max(largest_size(weak.view()));
        assert_eq!(largest, 4.0);
        let weak = heatmap_scaled(weak.view(), ColorMap::Diverging, largest);
        assert_eq!(weak.slice(s![0, 0, ..]), array![255, 191, 191]);
        assert!(heatmap_scaled(strong.view(), ColorMap::Diverging, 0.0).iter().all(|&channel| channel == 255));
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
