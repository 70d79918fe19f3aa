//! Colour maps: which colour a relevance has.

use std::fmt;
use std::str::FromStr;

use crate::error::LrpError;

/// Which colours represent relevance between −1 and +1.
///
/// Names in settings and on the command line: `diverging`, `positive`, `black-fire`, `gray`, `blue-orange`.
///
/// ```
/// use fisherlens_lrp::ColorMap;
///
/// let map: ColorMap = "diverging".parse()?;
/// assert_eq!(map.color(0.0), [255, 255, 255]);
/// assert_eq!(map.color(-1.0), [0, 0, 255]);
/// # Ok::<(), fisherlens_lrp::LrpError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum ColorMap {
    /// Blue for relevance against the class, white for 0, red for relevance for the class.
    #[default]
    Diverging,
    /// White for 0 and below, red for relevance for the class. The context ratio uses only this positive part.
    Positive,
    /// Black for 0; red, yellow and white for relevance for the class; blue, cyan and white for relevance against it.
    ///
    /// ```text
    /// (R, G, B) = (c(3r), c(3r − 1), c(3r − 2))     for r ≥ 0
    /// (B, G, R) = (c(−3r), c(−3r − 1), c(−3r − 2))  for r < 0;   c: clamp to 0 … 1
    /// ```
    /// Looks like the heatmaps in papers on layer-wise relevance propagation; the formula is our own.
    BlackFire,
    /// White for 0, black for +1 and −1; the sign does not show.
    Gray,
    /// Blue, white, orange. People who confuse red and green can tell these colours apart, and both sides are equally dark.
    ///
    /// Straight lines in Oklab (`ottosson2020`) from white, (L, a, b) = (1, 0, 0), to (0.5, −0.03, −0.15) and (0.5, 0.09, 0.1).
    BlueOrange,
}

impl ColorMap {
    /// All colour maps, in the order of the names above.
    pub const ALL: [Self; 5] = [Self::Diverging, Self::Positive, Self::BlackFire, Self::Gray, Self::BlueOrange];

    /// The name of the colour map.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Diverging => "diverging",
            Self::Positive => "positive",
            Self::BlackFire => "black-fire",
            Self::Gray => "gray",
            Self::BlueOrange => "blue-orange",
        }
    }

    /// Red, green and blue for a relevance from −1 to 1. Values outside this range are clamped; NaN is drawn as 0.
    pub fn color(self, relevance: f32) -> [u8; 3] {
        let relevance = if relevance.is_nan() { 0.0 } else { relevance.clamp(-1.0, 1.0) };
        let (size, is_negative) = (relevance.abs(), relevance < 0.0);
        let byte = |share: f32| nearest_byte(255.0 * share.clamp(0.0, 1.0));
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

/// Converts Oklab to sRGB (`ottosson2020`). Colours that a screen can show have values from 0 to 1.
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

/// The whole number nearest to `value`, which lies in 0 … 255. `f32::round` is a call on processors without an instruction for it.
pub(crate) fn nearest_byte(value: f32) -> u8 {
    let whole = value as u8;
    whole + u8::from(value - f32::from(whole) >= 0.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_and_middle_of_the_first_two_maps() {
        assert_eq!(ColorMap::Diverging.color(1.0), [255, 0, 0]);
        assert_eq!(ColorMap::Diverging.color(0.0), [255, 255, 255]);
        assert_eq!(ColorMap::Diverging.color(-1.0), [0, 0, 255]);
        assert_eq!(ColorMap::Diverging.color(7.0), [255, 0, 0]);
        assert_eq!(ColorMap::Diverging.color(f32::NAN), [255, 255, 255]);
        assert_eq!(ColorMap::Positive.color(-1.0), [255, 255, 255]);
        assert_eq!(ColorMap::Positive.color(0.5), [255, 128, 128]);
    }

    #[test]
    fn names_are_parsed_and_the_error_for_others_lists_all_names() {
        for map in ColorMap::ALL {
            assert_eq!(map.to_string().parse::<ColorMap>().unwrap(), map);
        }
        let message = "jet".parse::<ColorMap>().unwrap_err().to_string();
        assert!(message.contains("jet") && message.contains("black-fire, gray"), "{message}");
    }

    #[test]
    fn ends_of_the_other_maps() {
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
    fn luminance_is_monotonic_in_the_absolute_relevance() {
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
        // Both sides of the blue-orange map are equally dark.
        let dark = |relevance| luminance(ColorMap::BlueOrange.color(relevance));
        assert!((dark(0.7) - dark(-0.7)).abs() < 0.06, "{} {}", dark(0.7), dark(-0.7));
    }
}
