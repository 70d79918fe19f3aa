//! Sums over vectors that several crates need.
//!
//! Results do not depend on the processor: none of the functions fuses multiplications with additions.

use crate::lane_sums::LANES;
use crate::vectorised;

vectorised!(
    /// `sums[i] += values[i]`, in `f64`, for `values` of `f32` or `f64`.
    ///
    /// Only as many entries as the shorter slice has are added.
    ///
    /// ```
    /// let mut sums = [1.0, 2.0];
    /// fisherlens_lanes::add(&mut sums, &[0.5_f32, 0.25]);
    /// assert_eq!(sums, [1.5, 2.25]);
    /// ```
    pub fn add<T: Copy + Into<f64>>(sums: &mut [f64], values: &[T]) {
        for (sum, &value) in sums.iter_mut().zip(values) {
            *sum += value.into();
        }
    }
);

vectorised!(
    /// `sums[i] += factor · values[i]`, in `f64`, for `values` of `f32` or `f64`.
    ///
    /// Only as many entries as the shorter slice has are added. The product is rounded before it is added.
    ///
    /// ```
    /// let mut sums = [1.0, 2.0];
    /// fisherlens_lanes::add_scaled(&mut sums, &[0.5_f32, 0.25], 2.0);
    /// assert_eq!(sums, [2.0, 2.5]);
    /// ```
    pub fn add_scaled<T: Copy + Into<f64>>(sums: &mut [f64], values: &[T], factor: f64) {
        for (sum, &value) in sums.iter_mut().zip(values) {
            *sum += factor * value.into();
        }
    }
);

vectorised!(
    /// `sums[i] += factor · values[i]`, in `f32`.
    ///
    /// Only as many entries as the shorter slice has are added. The product is rounded before it is added.
    ///
    /// ```
    /// let mut sums = [1.0_f32, 2.0];
    /// fisherlens_lanes::add_scaled_f32(&mut sums, &[0.5, 0.25], 2.0);
    /// assert_eq!(sums, [2.0, 2.5]);
    /// ```
    pub fn add_scaled_f32(sums: &mut [f32], values: &[f32], factor: f32) {
        for (sum, &value) in sums.iter_mut().zip(values) {
            *sum += factor * value;
        }
    }
);

vectorised!(
    /// `Σ a[i]·b[i]`, in `f64`, for vectors of the same length.
    ///
    /// [`LANES`] sums are kept side by side and added one after the other. The products after the last full
    /// group of [`LANES`] are summed and added last.
    ///
    /// ```
    /// assert_eq!(fisherlens_lanes::dot(&[1.0, 2.0], &[3.0, 4.0]), 11.0);
    /// ```
    pub fn dot(a: &[f64], b: &[f64]) -> f64 {
        let mut sums = [0.0_f64; LANES];
        let (a_chunks, a_rest) = a.as_chunks::<LANES>();
        let (b_chunks, b_rest) = b.as_chunks::<LANES>();
        for (a, b) in a_chunks.iter().zip(b_chunks) {
            for lane in 0..LANES {
                sums[lane] += a[lane] * b[lane];
            }
        }
        sums.iter().sum::<f64>() + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f64>()
    }
);

#[cfg(test)]
mod tests {
    use super::{add, add_scaled, add_scaled_f32, dot};
    use crate::lane_sums::LANES;

    /// Numbers with many digits, so that an additional or a missing rounding changes bits.
    fn numbers(n: usize, start: u64) -> Vec<f64> {
        (0..n as u64).map(|i| ((i + start) as f64 * 0.618_033_988_749_894_9).fract() - 0.3).collect()
    }

    #[test]
    fn additions_equal_the_plain_loops_to_the_bit() {
        for n in [0, 1, 15, 16, 33, 100] {
            let (start, values, factor) = (numbers(n, 1), numbers(n, 500), 0.1);
            let narrow: Vec<f32> = values.iter().map(|&value| value as f32).collect();

            let mut sums = start.clone();
            add(&mut sums, &values);
            assert!((0..n).all(|i| sums[i] == start[i] + values[i]));

            let mut sums = start.clone();
            add(&mut sums, &narrow);
            assert!((0..n).all(|i| sums[i] == start[i] + f64::from(narrow[i])));

            let mut sums = start.clone();
            add_scaled(&mut sums, &values, factor);
            assert!((0..n).all(|i| sums[i] == start[i] + factor * values[i]));

            let mut sums = start.clone();
            add_scaled(&mut sums, &narrow, factor);
            assert!((0..n).all(|i| sums[i] == start[i] + factor * f64::from(narrow[i])));

            let start: Vec<f32> = start.iter().map(|&value| value as f32).collect();
            let mut sums = start.clone();
            add_scaled_f32(&mut sums, &narrow, 0.1);
            assert!((0..n).all(|i| sums[i] == start[i] + 0.1 * narrow[i]));
        }
    }

    #[test]
    fn the_shorter_slice_ends_the_addition() {
        let mut sums = [1.0; 3];
        add(&mut sums, &[1.0_f32, 2.0]);
        assert_eq!(sums, [2.0, 3.0, 1.0]);
        add_scaled(&mut sums[..1], &[1.0, 2.0], 2.0);
        assert_eq!(sums, [4.0, 3.0, 1.0]);
    }

    #[test]
    fn products_are_summed_lane_by_lane() {
        for n in [0, 1, 15, 16, 33, 100] {
            let (a, b) = (numbers(n, 1), numbers(n, 500));
            let whole = n - n % LANES;
            // The documented order: one sum per lane, the lanes in their order, then the rest.
            let lanes = (0..LANES).map(|lane| (lane..whole).step_by(LANES).fold(0.0, |sum, i| sum + a[i] * b[i]));
            let rest: f64 = (whole..n).map(|i| a[i] * b[i]).sum();
            assert_eq!(dot(&a, &b), lanes.sum::<f64>() + rest);
        }
    }
}
