//! Grey values of colour images, by the formula of MATLAB's `rgb2gray`, which `vl_phow` uses.

use fisherlens_lanes::vectorised;
use ndarray::{Array2, ArrayView3};

use crate::error::DescriptorError;

/// Weight of red in the grey value (ITU-R BT.601, rounded as in the documentation of MATLAB's `rgb2gray`).
const RED: f32 = 0.2989;
/// Weight of green.
const GREEN: f32 = 0.587;
/// Weight of blue. The sum of the three weights is 0.9999, as in MATLAB.
const BLUE: f32 = 0.114;

/// The grey values of an 8-bit colour image.
///
/// ```text
/// grey = (0.2989 R + 0.587 G + 0.114 B) / 255
/// ```
/// `rgb` `(height, width, 3)`. Returns `(height, width)` in `[0, 1]`.
///
/// # Panics
/// If the length of the last axis of `rgb` is not 3.
///
/// ```
/// use fisherlens_descriptors::gray_from_rgb;
/// use ndarray::array;
///
/// let gray = gray_from_rgb(array![[[255_u8, 0, 0], [0, 255, 0]]].view());
/// assert!((gray[[0, 0]] - 0.2989).abs() < 1e-6 && (gray[[0, 1]] - 0.587).abs() < 1e-6);
/// ```
pub fn gray_from_rgb(rgb: ArrayView3<u8>) -> Array2<f32> {
    let (height, width, n_channels) = rgb.dim();
    assert_eq!(n_channels, 3, "an RGB image has 3 channels on its last axis");
    let mut gray = Array2::zeros((height, width));
    match (rgb.as_slice(), gray.as_slice_mut()) {
        (Some(rgb), Some(gray)) => mix_all(rgb.as_chunks().0, gray),
        _ => gray
            .indexed_iter_mut()
            .for_each(|((y, x), gray)| *gray = mix(&[0, 1, 2].map(|channel| rgb[[y, x, channel]]))),
    }
    gray
}

/// The grey values of a colour image whose values are not rounded to 8 bits.
///
/// ```text
/// grey = 0.2989 R + 0.587 G + 0.114 B
/// ```
/// `rgb` `(height, width, 3)` in `[0, 1]`. Returns `(height, width)`. Where the colours are multiples of 1 / 255, the result equals that of
/// [`gray_from_rgb`] up to rounding.
///
/// # Panics
/// If the length of the last axis of `rgb` is not 3.
pub fn gray_from_float_rgb(rgb: ArrayView3<f32>) -> Array2<f32> {
    let (height, width, n_channels) = rgb.dim();
    assert_eq!(n_channels, 3, "an RGB image has 3 channels on its last axis");
    Array2::from_shape_fn((height, width), |(y, x)| {
        RED * rgb[[y, x, 0]] + GREEN * rgb[[y, x, 1]] + BLUE * rgb[[y, x, 2]]
    })
}

#[inline(always)]
fn mix(&[red, green, blue]: &[u8; 3]) -> f32 {
    RED / 255.0 * f32::from(red) + GREEN / 255.0 * f32::from(green) + BLUE / 255.0 * f32::from(blue)
}

vectorised!(
    fn mix_all(rgb: &[[u8; 3]], gray: &mut [f32]) {
        for (pixel, gray) in rgb.iter().zip(gray) {
            *gray = mix(pixel);
        }
    }
);

/// Returns an error that names the first pixel outside `[0, 1]`, if there is one.
pub(crate) fn refuse_pixels_out_of_range(pixels: &[f32], width: usize) -> Result<(), DescriptorError> {
    let inside = |value: &f32| (0.0..=1.0).contains(value);
    match pixels.iter().position(|value| !inside(value)) {
        None => Ok(()),
        Some(index) => Err(DescriptorError::Pixel { x: index % width, y: index / width, found: pixels[index] }),
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array3, s};

    use super::*;

    #[test]
    fn primaries_and_white_by_hand() {
        let rgb = Array3::from_shape_vec((1, 4, 3), vec![255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255]).unwrap();
        let gray = gray_from_rgb(rgb.view());
        for (found, expected) in gray.iter().zip([0.2989, 0.587, 0.114, 0.9999]) {
            assert!((found - expected).abs() < 1e-6, "{found} {expected}");
        }
    }

    #[test]
    fn memory_order_does_not_matter() {
        let rgb = Array3::from_shape_fn((5, 7, 3), |(y, x, c)| (y * 37 + x * 11 + c * 5) as u8);
        let turned = rgb.slice(s![.., ..;-1, ..]);
        assert_eq!(gray_from_rgb(rgb.view()).slice(s![.., ..;-1]), gray_from_rgb(turned));
    }

    #[test]
    fn float_colours_give_the_grey_values_of_the_same_bytes() {
        let rgb = Array3::from_shape_fn((5, 7, 3), |(y, x, c)| (y * 37 + x * 11 + c * 5) as u8);
        let float = rgb.mapv(|value| f32::from(value) / 255.0);
        for (byte, float) in gray_from_rgb(rgb.view()).iter().zip(gray_from_float_rgb(float.view())) {
            assert!((byte - float).abs() < 1e-6, "{byte} {float}");
        }
    }

    #[test]
    fn an_image_without_pixels_has_no_grey_values() {
        assert_eq!(gray_from_rgb(Array3::zeros((0, 4, 3)).view()).dim(), (0, 4));
    }
}
