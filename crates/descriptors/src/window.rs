//! Weights of the pixels around the centre of each of the four bins along one axis.

use crate::params::Window;

/// Number of bins along one axis of a descriptor.
pub(crate) const N_BINS: usize = 4;

/// Standard deviation of the Gaussian window in bins (`vedaldi2010`, the default of `vl_dsift`).
const WINDOW_SIZE: f64 = 1.5;

/// For each bin along one axis, the `2b − 1` weights of the pixels `−b+1 … b−1` around its centre; bin after bin.
///
/// ```text
/// flat       (1 − |x|/b) · mean of exp(−½ ((u − δ) / 1.5b)²) over u = −b+1 … b−1
/// Gaussian   (1 − |x|/b) · exp(−½ ((x + δ) / 1.5b)²)                    δ = b (i − 1.5)
/// ```
/// The weight of a pixel in a descriptor is the product of its weights along x and y. VLFeat writes the flat window as a triangle with
/// integral 1 times the factor b · mean; the two b cancel.
pub(crate) fn bin_kernels(window: Window, bin_size: u16) -> Vec<f32> {
    let b = f64::from(bin_size);
    let offsets = || (1 - i64::from(bin_size)..i64::from(bin_size)).map(|x| x as f64);
    let gauss = |distance: f64| (-0.5 * (distance / (WINDOW_SIZE * b)).powi(2)).exp();
    let mut kernels = Vec::with_capacity(N_BINS * (2 * usize::from(bin_size) - 1));
    for bin in 0..N_BINS {
        let delta = b * (bin as f64 - 1.5);
        let mean = offsets().map(|u| gauss(u - delta)).sum::<f64>() / (2.0 * b - 1.0);
        kernels.extend(offsets().map(|x| {
            let weight = match window {
                Window::Flat => mean,
                Window::Gaussian => gauss(x + delta),
            };
            ((1.0 - x.abs() / b) * weight) as f32
        }));
    }
    kernels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_symmetric() {
        for window in [Window::Flat, Window::Gaussian] {
            for bin_size in [1, 4, 5] {
                let kernels = bin_kernels(window, bin_size);
                let n = kernels.len();
                assert_eq!(n, 4 * (2 * usize::from(bin_size) - 1));
                for index in 0..n {
                    assert!((kernels[index] - kernels[n - 1 - index]).abs() < 1e-7, "{window:?} {bin_size}");
                }
            }
        }
    }

    #[test]
    fn weights_of_bins_of_one_pixel_by_hand() {
        let inner = (-0.5_f32 / 9.0).exp();
        let outer = (-0.5_f32).exp();
        for window in [Window::Flat, Window::Gaussian] {
            for (found, expected) in bin_kernels(window, 1).iter().zip([outer, inner, inner, outer]) {
                assert!((found - expected).abs() < 1e-6);
            }
        }
    }
}
