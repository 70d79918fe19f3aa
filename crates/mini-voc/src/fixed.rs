//! Arithmetic of the drawing in whole numbers: angles, sines, noise, random draws.
//!
//! No floating-point number is used here, so every machine draws the same bytes. The unit of lengths is 1/256 pixel, the unit of angles is
//! 1/65536 turn, and the unit of sines and cosines is 1/16384 (14 binary places).

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{RngCore as _, SeedableRng as _};

/// The length of a pixel.
pub(crate) const PIXEL: i32 = 256;
/// The angle of a whole turn.
pub(crate) const TURN: i32 = 1 << 16;
/// The sine 1.
pub(crate) const UNIT: i32 = 1 << 14;

/// Sine of an angle by Bhaskara's rational approximation; the error is below 0.002.
///
/// ```text
/// sin(x) ≈ 16 x (π − x) / (5 π² − 4 x (π − x)),  0 ≤ x ≤ π
/// ```
pub(crate) fn sine(angle: i32) -> i32 {
    const HALF: i64 = (TURN / 2) as i64;
    let angle = i64::from(angle & (TURN - 1));
    let (x, sign) = if angle < HALF { (angle, 1) } else { (angle - HALF, -1) };
    let product = x * (HALF - x);
    (sign * ((16 * product) << 14) / (5 * HALF * HALF - 4 * product)) as i32
}

/// Cosine of an angle, computed as a [`sine`].
pub(crate) fn cosine(angle: i32) -> i32 {
    sine(angle + TURN / 4)
}

/// The angle of a direction, 0 along +x and growing towards +y; the error is below 0.3 degrees.
///
/// ```text
/// atan(z) ≈ π/4 · z + 0.273 · z (1 − z),  0 ≤ z ≤ 1
/// ```
pub(crate) fn angle_of(x: i32, y: i32) -> i32 {
    let (width, height) = (i64::from(x).abs(), i64::from(y).abs());
    if width == 0 && height == 0 {
        return 0;
    }
    // z in 1/65536; 0.273 / 2π of a turn is 2847 of 65536.
    let z = (width.min(height) << 16) / width.max(height);
    let octant = (z * 8192 + ((z * (65536 - z)) >> 16) * 2847) >> 16;
    let quadrant = if width >= height { octant } else { 16384 - octant };
    let half = if x >= 0 { quadrant } else { 32768 - quadrant };
    (if y >= 0 { half } else { -half }) as i32 & (TURN - 1)
}

/// Length of a vector.
pub(crate) fn length(x: i32, y: i32) -> i32 {
    (i64::from(x) * i64::from(x) + i64::from(y) * i64::from(y)).unsigned_abs().isqrt() as i32
}

/// A hash of a lattice point: numbers of neighbouring points have no visible pattern.
pub(crate) fn scramble(seed: u32, x: i32, y: i32) -> u32 {
    let mut h = seed ^ (x as u32).wrapping_mul(0x85EB_CA6B) ^ (y as u32).wrapping_mul(0xC2B2_AE35).rotate_left(13);
    h = (h ^ (h >> 15)).wrapping_mul(0x2C1B_3C6D);
    h = (h ^ (h >> 12)).wrapping_mul(0x297A_2D39);
    h ^ (h >> 15)
}

/// Value noise: random numbers in ±32768 at lattice points that are 256 units apart, and a smooth interpolation between them.
pub(crate) fn noise(seed: u32, x: i32, y: i32) -> i32 {
    let corner = |dx: i32, dy: i32| (scramble(seed, (x >> 8) + dx, (y >> 8) + dy) >> 16) as i32 - 32768;
    let ease = |t: i32| (t * t * (768 - 2 * t)) >> 16;
    let (s, t) = (ease(x & 255), ease(y & 255));
    let upper = corner(0, 0) * (256 - s) + corner(1, 0) * s;
    let lower = corner(0, 1) * (256 - s) + corner(1, 1) * s;
    ((upper >> 8) * (256 - t) + (lower >> 8) * t) >> 8
}

/// A weighted mean of octaves of [`noise`], within ±32768. Each octave has half the period of the one before and `gain`/256 of its
/// amplitude.
///
/// Equal amplitudes (`gain` 256) give the 1/f amplitude spectrum of photographs. Each octave is turned by 45 degrees against the one
/// before, which hides the lattice.
pub(crate) fn fractal(seed: u32, x: i32, y: i32, n_octaves: u32, gain: i32) -> i32 {
    let (mut x, mut y, mut amplitude) = (x, y, 256);
    let (mut sum, mut total) = (0, 0);
    for octave in 0..n_octaves {
        sum += (noise(seed.wrapping_add(octave * 0x9E37), x, y) * amplitude) >> 8;
        total += amplitude;
        amplitude = (amplitude * gain) >> 8;
        // Turn by 45 degrees and double: √2 (x − y), √2 (x + y), with √2 ≈ 181/128.
        (x, y) = (((x - y) * 181) >> 7, ((x + y) * 181) >> 7);
    }
    sum * 256 / total.max(1)
}

/// Random draws. Only whole 64-bit numbers are taken from the generator. Ranges are made here, so that the result does not depend on how a
/// library draws from a range.
pub(crate) struct Draws(Xoshiro256PlusPlus);

impl Draws {
    /// An independent stream for each (purpose, index, attempt).
    pub(crate) fn new(purpose: u64, index: u64, attempt: u64) -> Self {
        let mut seed = [0; 32];
        for (word, bytes) in [purpose, index, attempt, 0x6669_7368_6572].into_iter().zip(seed.chunks_exact_mut(8)) {
            bytes.copy_from_slice(&u64::to_le_bytes(word.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ word));
        }
        let mut generator = Xoshiro256PlusPlus::from_seed(seed);
        // The first numbers of similar seeds are similar; some steps later they are not.
        for _ in 0..16 {
            generator.next_u64();
        }
        Self(generator)
    }

    /// A whole number from 0 to `n` − 1, all equally likely.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        (((self.0.next_u64() >> 32) * n as u64) >> 32) as usize
    }

    /// A whole number from `low` to `high`, both included, all equally likely.
    pub(crate) fn between(&mut self, low: i32, high: i32) -> i32 {
        low + self.below((high - low + 1) as usize) as i32
    }

    /// True with a probability of `percent` / 100.
    pub(crate) fn chance(&mut self, percent: i32) -> bool {
        self.between(0, 99) < percent
    }

    /// 32 random bits.
    pub(crate) fn seed(&mut self) -> u32 {
        (self.0.next_u64() >> 32) as u32
    }

    /// A random angle.
    pub(crate) fn angle(&mut self) -> i32 {
        self.between(0, TURN - 1)
    }

    /// A number between `low` and `high`; small ones are more frequent: the density is proportional to 1/x².
    pub(crate) fn mostly_small(&mut self, low: i32, high: i32) -> i32 {
        let (low, high) = (i64::from(low), i64::from(high));
        let t = i64::from(self.between(0, 65536));
        (low * high * 65536 / (high * (65536 - t) + low * t)) as i32
    }

    /// One of the given values, all equally likely.
    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// The numbers from 0 to `n` − 1 in random order.
    pub(crate) fn order(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        for last in (1..n).rev() {
            order.swap(last, self.below(last + 1));
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sine_and_angle_agree() {
        assert_eq!((sine(0), sine(TURN / 4), sine(TURN / 2), sine(3 * TURN / 4)), (0, UNIT, 0, -UNIT));
        for angle in (0..TURN).step_by(97) {
            let found = angle_of(cosine(angle), sine(angle));
            let off = (found - angle + TURN / 2).rem_euclid(TURN) - TURN / 2;
            assert!(off.abs() < TURN / 300, "{angle}: {found}");
        }
    }

    #[test]
    fn noise_is_bounded_and_continuous() {
        let mut last = fractal(7, -3000, 500, 5, 200);
        for x in -2999..3000 {
            let value = fractal(7, x, 500, 5, 200);
            assert!(value.abs() <= 32768 && (value - last).abs() < 8192, "{x}");
            last = value;
        }
    }

    #[test]
    fn draws_stay_in_range() {
        let mut draws = Draws::new(1, 2, 3);
        let mut order = draws.order(50);
        order.sort_unstable();
        assert!(order.into_iter().eq(0..50));
        for _ in 0..1000 {
            assert!((-3..=4).contains(&draws.between(-3, 4)));
            assert!((10..=99).contains(&draws.mostly_small(10, 99)));
        }
    }
}
