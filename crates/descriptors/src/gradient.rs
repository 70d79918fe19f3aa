//! Gradient of the smoothed image, distributed over 8 orientations.

use fisherlens_lanes::{has_fma, multiply_add, vectorised};

/// Number of orientations, 45° apart: the first one along +x, the third one along +y (down).
pub(crate) const N_ORIENTATIONS: usize = 8;

/// Coefficients of 4/π · atan(r) / r in powers of r², |r| ≤ 1: a minimax fit. Evaluated in `f32`, its error is at most 1.6e-7 rad.
const ATAN_IN_EIGHTHS: [f32; 8] = [
    1.273_238_7,
    -0.424_368_98,
    0.253_967_55,
    -0.177_090_17,
    0.122_768_26,
    -0.071_189_776,
    0.027_836_77,
    -0.005_162_433_7,
];

/// The functions that compute magnitude and angle of a gradient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Polar {
    /// Square root and arc tangent to the precision of `f32`.
    Exact,
    /// VLFeat's approximations, so that tests can compare closely with its output.
    #[cfg(test)]
    VlFeat,
}

/// Buffers for one row of the gradient, each `width` long.
#[derive(Debug)]
pub(crate) struct GradientRow {
    horizontal: Vec<f32>,
    vertical: Vec<f32>,
    magnitude: Vec<f32>,
    angle: Vec<f32>,
}

impl GradientRow {
    pub(crate) fn new(width: usize) -> Self {
        let row = || vec![0.0; width];
        Self { horizontal: row(), vertical: row(), magnitude: row(), angle: row() }
    }

    /// Distributes the gradient of row `y` of `image` over the orientations.
    ///
    /// `spread[8 x + t]` is the part of the magnitude at `x` for orientation `t`: the magnitude is divided linearly between the two
    /// orientations next to the angle. Rows of `image` have length `width` ≥ 2. Inside the image, differences are central and halved; at
    /// its borders they are one-sided.
    pub(crate) fn spread(&mut self, image: &[f32], width: usize, y: usize, polar: Polar, spread: &mut [f32]) {
        let last_row = image.len() / width - 1;
        let row = |y: usize| &image[y * width..][..width];
        let (above, below) = (y.saturating_sub(1), (y + 1).min(last_row));
        let vertical_factor = if below - above == 2 { 0.5 } else { 1.0 };
        differences(row(y), row(above), row(below), vertical_factor, &mut self.horizontal, &mut self.vertical);
        match polar {
            Polar::Exact => {
                exact_polar(&self.horizontal, &self.vertical, &mut self.magnitude, &mut self.angle);
            }
            #[cfg(test)]
            Polar::VlFeat => {
                vlfeat_polar(&self.horizontal, &self.vertical, &mut self.magnitude, &mut self.angle);
            }
        }
        split(&self.magnitude, &self.angle, spread);
    }
}

vectorised!(
    /// Horizontal and vertical differences of one row.
    fn differences(
        row: &[f32],
        above: &[f32],
        below: &[f32],
        vertical_factor: f32,
        horizontal: &mut [f32],
        vertical: &mut [f32],
    ) {
        let last = row.len() - 1;
        for ((value, &below), &above) in vertical.iter_mut().zip(below).zip(above) {
            *value = vertical_factor * (below - above);
        }
        for ((value, &after), &before) in horizontal[1..last].iter_mut().zip(&row[2..]).zip(&row[..last - 1]) {
            *value = 0.5 * (after - before);
        }
        horizontal[0] = row[1] - row[0];
        horizontal[last] = row[last] - row[last - 1];
    }
);

vectorised!(
    /// Magnitude and angle; the angle in eighths of a full turn, within `[0, 8]`.
    fn exact_polar(horizontal: &[f32], vertical: &[f32], magnitude: &mut [f32], angle: &mut [f32]) {
        let fused = has_fma!();
        for (((&x, &y), magnitude), angle) in horizontal.iter().zip(vertical).zip(magnitude).zip(angle) {
            let (width, height) = (x.abs(), y.abs());
            *magnitude = (x * x + y * y).sqrt();
            let smaller = if width < height { width } else { height };
            let larger = if width < height { height } else { width };
            // If both are 0, the magnitude is 0 too, and any angle except NaN will do.
            let ratio = smaller / if larger > f32::MIN_POSITIVE { larger } else { f32::MIN_POSITIVE };
            let squared = ratio * ratio;
            let mut polynomial = ATAN_IN_EIGHTHS[7];
            for &coefficient in ATAN_IN_EIGHTHS[..7].iter().rev() {
                polynomial = multiply_add(fused, polynomial, squared, coefficient);
            }
            let within_octant = polynomial * ratio;
            let within_quadrant = if height > width { 2.0 - within_octant } else { within_octant };
            let within_half = if x < 0.0 { 4.0 - within_quadrant } else { within_quadrant };
            *angle = if y < 0.0 { 8.0 - within_half } else { within_half };
        }
    }
);

/// VLFeat's `vl_fast_atan2_f` and `vl_fast_sqrt_f`, used as in its `dsift.c`.
#[cfg(test)]
fn vlfeat_polar(horizontal: &[f32], vertical: &[f32], magnitude: &mut [f32], angle: &mut [f32]) {
    /// Squared magnitude below which VLFeat's square root returns 0.
    const MIN_SQUARE: f32 = 1e-8;
    for (((&x, &y), magnitude), angle) in horizontal.iter().zip(vertical).zip(magnitude).zip(angle) {
        let height = y.abs() + 1.19e-7;
        let (ratio, start) = if x < 0.0 {
            ((x + height) / (height - x), 3.0 * std::f32::consts::FRAC_PI_4)
        } else {
            ((x - height) / (x + height), std::f32::consts::FRAC_PI_4)
        };
        let turn = start + (0.1821 * ratio * ratio - 0.9675) * ratio;
        let turn = if y < 0.0 { -turn } else { turn };
        *angle = (turn * std::f32::consts::FRAC_2_PI * 2.0).rem_euclid(8.0);
        let square = x * x + y * y;
        *magnitude = if square < MIN_SQUARE { 0.0 } else { square.sqrt() };
    }
}

vectorised!(
    /// Divides each magnitude linearly between the two orientations next to its angle.
    fn split(magnitude: &[f32], angle: &[f32], spread: &mut [f32]) {
        const ORIENTATIONS: [f32; N_ORIENTATIONS] = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0];
        let (targets, _) = spread.as_chunks_mut::<N_ORIENTATIONS>();
        for ((&magnitude, &angle), target) in magnitude.iter().zip(angle).zip(targets) {
            for (value, orientation) in target.iter_mut().zip(ORIENTATIONS) {
                let distance = (angle - orientation).abs();
                let around = N_ORIENTATIONS as f32 - distance;
                let share = 1.0 - if distance < around { distance } else { around };
                *value = magnitude * if share > 0.0 { share } else { 0.0 };
            }
        }
    }
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn angle_and_magnitude_agree_with_the_standard_library() {
        let mut horizontal: Vec<f32> = Vec::new();
        let mut vertical: Vec<f32> = Vec::new();
        for degree in 0..3600 {
            for length in [1e-6_f64, 0.3, 1.0] {
                let radians = (f64::from(degree) / 10.0).to_radians();
                horizontal.push((length * radians.cos()) as f32);
                vertical.push((length * radians.sin()) as f32);
            }
        }
        let mut magnitude = vec![0.0; horizontal.len()];
        let mut angle = magnitude.clone();
        exact_polar(&horizontal, &vertical, &mut magnitude, &mut angle);
        for index in 0..horizontal.len() {
            let (x, y) = (f64::from(horizontal[index]), f64::from(vertical[index]));
            assert!((f64::from(magnitude[index]) / x.hypot(y) - 1.0).abs() < 3e-7);
            let expected = y.atan2(x).rem_euclid(std::f64::consts::TAU);
            let found = f64::from(angle[index]) * std::f64::consts::FRAC_PI_4;
            let apart = (found - expected).abs();
            assert!(apart.min(std::f64::consts::TAU - apart) < 1e-6, "{found} {expected}");
        }
    }

    #[test]
    fn angles_along_and_between_the_orientations_by_hand() {
        let mut magnitude = [0.0; 5];
        let mut angle = [0.0; 5];
        exact_polar(&[1.0, 0.0, -2.0, 0.0, 0.0], &[0.0, 1.0, 0.0, -3.0, 0.0], &mut magnitude, &mut angle);
        assert_eq!(magnitude, [1.0, 1.0, 2.0, 3.0, 0.0]);
        assert_eq!(angle, [0.0, 2.0, 4.0, 6.0, 0.0]);
        let mut spread = [9.0; 24];
        split(&[2.0, 1.0, 1.0], &[0.25, 7.5, 8.0], &mut spread);
        assert_eq!(spread[..8], [1.5, 0.5, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
        assert_eq!(spread[8..16], [0.5, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.5]);
        assert_eq!(spread[16..], [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn differences_at_borders_are_one_sided_and_not_halved() {
        let image = [0.0, 0.1, 0.4, 0.2, 0.3, 0.8, 0.6, 0.5, 0.4];
        let mut row = GradientRow::new(3);
        let mut spread = [0.0; 24];
        row.spread(&image, 3, 0, Polar::Exact, &mut spread);
        let close = |found: &[f32], expected: [f32; 3]| found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6);
        assert!(close(&row.horizontal, [0.1, 0.2, 0.3]), "{row:?}");
        assert!(close(&row.vertical, [0.2, 0.2, 0.4]), "{row:?}");
        row.spread(&image, 3, 1, Polar::Exact, &mut spread);
        assert!(close(&row.horizontal, [0.1, 0.3, 0.5]), "{row:?}");
        assert!(close(&row.vertical, [0.3, 0.2, 0.0]), "{row:?}");
        row.spread(&image, 3, 2, Polar::Exact, &mut spread);
        assert!(close(&row.vertical, [0.4, 0.2, -0.4]), "{row:?}");
    }
}
