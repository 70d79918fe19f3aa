//! Gaussian smoothing like VLFeat's `vl_imsmooth`.

use std::borrow::Cow;

use fisherlens_lanes::{has_fma, multiply_add, vectorised};
use ndarray::{Array2, ArrayView2};

use crate::error::DescriptorError;

/// Radius of the kernel in standard deviations (`vl_imsmooth`).
const RADIUS_IN_SIGMAS: f64 = 4.0;

/// With a smaller standard deviation the image is not changed (`vl_imsmooth`).
const MIN_SIGMA: f64 = 0.01;

/// Largest accepted standard deviation in pixels. The largest accepted bin size needs 171.
const MAX_SIGMA: f64 = 1000.0;

/// Bin size divided by the standard deviation of its smoothing (the magnification of `vl_phow`: σ = b / 6).
const MAGNIFICATION: f64 = 6.0;

/// Pixels that are smoothed at the same time; their sums stay in registers.
const PIXELS: usize = 64;

/// The image, smoothed by a Gaussian. The pixels at its edges are repeated outwards.
///
/// ```text
/// g[k] ∝ exp(−½ (k / σ)²),  |k| ≤ ceil(4 σ),  Σ g = 1;   along x, then along y
/// ```
/// `image` `(height, width)`, values of any range; `sigma` in pixels, from 0 to 1,000. Returns `(height, width)`.
///
/// # Errors
/// [`DescriptorError::Parameter`] if `sigma` is out of range.
///
/// # References
/// `vedaldi2010`, `vl_imsmooth`.
///
/// ```
/// use fisherlens_descriptors::smooth;
/// use ndarray::array;
///
/// let smoothed = smooth(array![[0.0, 0.0, 1.0, 0.0, 0.0]].view(), 0.5)?;
/// assert!(smoothed[[0, 2]] < 1.0 && smoothed[[0, 1]] > 0.0);
/// # Ok::<(), fisherlens_descriptors::DescriptorError>(())
/// ```
pub fn smooth(image: ArrayView2<'_, f32>, sigma: f64) -> Result<Array2<f32>, DescriptorError> {
    if !(0.0..=MAX_SIGMA).contains(&sigma) {
        return Err(DescriptorError::Parameter {
            field: "sigma",
            found: sigma.to_string(),
            expected: "a standard deviation from 0 to 1000 pixels",
        });
    }
    let (height, width) = image.dim();
    if sigma < MIN_SIGMA || height == 0 || width == 0 {
        return Ok(image.to_owned());
    }
    let source: Cow<'_, [f32]> = match image.as_slice() {
        Some(slice) => Cow::Borrowed(slice),
        None => Cow::Owned(image.iter().copied().collect()),
    };
    let mut smoothed = vec![0.0; height * width];
    smooth_into(&source, width, &gaussian_kernel(sigma), &mut smoothed);
    Ok(Array2::from_shape_vec((height, width), smoothed).expect("there is one value per pixel"))
}

/// Standard deviation of the smoothing before extraction at `bin_size` (`vl_phow`).
pub(crate) fn sigma_of_bin_size(bin_size: u16) -> f64 {
    f64::from(bin_size) / MAGNIFICATION
}

/// Number of pixels on each side that smoothing with this standard deviation reads.
pub(crate) fn smoothing_radius(sigma: f64) -> usize {
    (RADIUS_IN_SIGMAS * sigma).ceil() as usize
}

/// The whole kernel: its length is odd, its sum is 1.
pub(crate) fn gaussian_kernel(sigma: f64) -> Vec<f32> {
    let radius = smoothing_radius(sigma) as i64;
    let taps: Vec<f64> = (-radius..=radius).map(|k| (-0.5 * (k as f64 / sigma).powi(2)).exp()).collect();
    let sum: f64 = taps.iter().sum();
    taps.iter().map(|tap| (tap / sum) as f32).collect()
}

/// Smooths `image` into `smoothed`, which has the same size. Both are row-major with rows of length `width`, and not empty.
pub(crate) fn smooth_into(image: &[f32], width: usize, kernel: &[f32], smoothed: &mut [f32]) {
    let radius = kernel.len() / 2;
    let last_row = image.len() / width - 1;
    let mut padded = vec![0.0; width + 2 * radius];
    let mut rows: Vec<&[f32]> = Vec::with_capacity(kernel.len());
    for (y, target) in smoothed.chunks_exact_mut(width).enumerate() {
        rows.clear();
        rows.extend((0..kernel.len()).map(|tap| {
            let row = (y + tap).saturating_sub(radius).min(last_row);
            &image[row * width..][..width]
        }));
        weigh_rows(&rows, kernel, &mut padded[radius..][..width]);
        let (first, last) = (padded[radius], padded[radius + width - 1]);
        padded[..radius].fill(first);
        padded[radius + width..].fill(last);
        weigh_neighbours(&padded, kernel, target);
    }
}

vectorised!(
    /// `target[x] = Σ_k weights[k] · rows[k][x]`.
    fn weigh_rows(rows: &[&[f32]], weights: &[f32], target: &mut [f32]) {
        let fused = has_fma!();
        let mut start = 0;
        let mut chunks = target.chunks_exact_mut(PIXELS);
        for chunk in &mut chunks {
            let mut sums = [0.0_f32; PIXELS];
            for (row, &weight) in rows.iter().zip(weights) {
                let values: &[f32; PIXELS] = row[start..start + PIXELS].try_into().expect("the slice has this length");
                for (sum, &value) in sums.iter_mut().zip(values) {
                    *sum = multiply_add(fused, value, weight, *sum);
                }
            }
            chunk.copy_from_slice(&sums);
            start += PIXELS;
        }
        for (x, value) in chunks.into_remainder().iter_mut().enumerate() {
            *value = rows
                .iter()
                .zip(weights)
                .fold(0.0, |sum, (row, &weight)| multiply_add(fused, row[start + x], weight, sum));
        }
    }
);

vectorised!(
    /// `target[x] = Σ_k weights[k] · padded[x + k]`.
    fn weigh_neighbours(padded: &[f32], weights: &[f32], target: &mut [f32]) {
        let fused = has_fma!();
        let mut start = 0;
        let mut chunks = target.chunks_exact_mut(PIXELS);
        for chunk in &mut chunks {
            let mut sums = [0.0_f32; PIXELS];
            for (tap, &weight) in weights.iter().enumerate() {
                let from = start + tap;
                let values: &[f32; PIXELS] = padded[from..from + PIXELS].try_into().expect("the slice has this length");
                for (sum, &value) in sums.iter_mut().zip(values) {
                    *sum = multiply_add(fused, value, weight, *sum);
                }
            }
            chunk.copy_from_slice(&sums);
            start += PIXELS;
        }
        for (x, value) in chunks.into_remainder().iter_mut().enumerate() {
            *value = weights
                .iter()
                .enumerate()
                .fold(0.0, |sum, (tap, &weight)| multiply_add(fused, padded[start + x + tap], weight, sum));
        }
    }
);

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition in `f64`: a two-dimensional sum over pixels whose positions are clamped to the image.
    fn naive(image: &Array2<f32>, sigma: f64) -> Array2<f64> {
        let (height, width) = image.dim();
        let radius = (4.0 * sigma).ceil() as i64;
        let weight = |k: i64| (-0.5 * (k as f64 / sigma).powi(2)).exp();
        let total: f64 = (-radius..=radius).map(weight).sum();
        Array2::from_shape_fn((height, width), |(y, x)| {
            let mut sum = 0.0;
            for dy in -radius..=radius {
                for dx in -radius..=radius {
                    let row = (y as i64 + dy).clamp(0, height as i64 - 1) as usize;
                    let column = (x as i64 + dx).clamp(0, width as i64 - 1) as usize;
                    sum += weight(dy) * weight(dx) * f64::from(image[[row, column]]);
                }
            }
            sum / (total * total)
        })
    }

    #[test]
    fn smoothing_agrees_with_the_definition_at_every_size() {
        for (height, width) in [(1, 1), (1, 70), (5, 3), (17, 131)] {
            let image = Array2::from_shape_fn((height, width), |(y, x)| ((x * 7 + y * 13) % 11) as f32 / 11.0);
            for sigma in [0.02, 4.0 / 6.0, 10.0 / 6.0] {
                let expected = naive(&image, sigma);
                let found = smooth(image.view(), sigma).unwrap();
                for (found, expected) in found.iter().zip(&expected) {
                    assert!((f64::from(*found) - expected).abs() < 1e-6);
                }
                let turned = smooth(image.t(), sigma).unwrap();
                assert!(turned.t().iter().zip(&found).all(|(a, b)| (a - b).abs() < 1e-6));
            }
        }
    }

    #[test]
    fn standard_deviations_that_are_refused_or_change_nothing() {
        let image = Array2::from_elem((2, 3), 0.25_f32);
        for sigma in [-1.0, f64::NAN, 1e9] {
            assert!(smooth(image.view(), sigma).unwrap_err().to_string().contains("sigma is"));
        }
        assert_eq!(smooth(image.view(), 0.0).unwrap(), image);
        assert_eq!(smooth(Array2::zeros((0, 3)).view(), 1.0).unwrap().dim(), (0, 3));
    }
}
