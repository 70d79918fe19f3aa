//! Whole-number arithmetic of the drawing: angles, sines, noise, random draws.
//!
//! Nothing here uses a floating-point number, so every machine draws the same bytes. Lengths are pixels in 1/256, angles
//! are 1/65536 of a turn, sines have 14 binary places.

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{RngCore as _, SeedableRng as _};

/// A pixel.
pub(super) const PIXEL: i32 = 256;
/// A whole turn.
pub(super) const TURN: i32 = 1 << 16;
/// A sine of one.
pub(super) const UNIT: i32 = 1 << 14;

/// Sine of an angle by Bhaskara's rational approximation, within 0.2 % of one.
///
/// ```text
/// sin(x) ≈ 16 x (π − x) / (5 π² − 4 x (π − x)),  0 ≤ x ≤ π
/// ```
pub(super) fn sine(angle: i32) -> i32 {
    const HALF: i64 = (TURN / 2) as i64;
    let angle = i64::from(angle & (TURN - 1));
    let (x, sign) = if angle < HALF { (angle, 1) } else { (angle - HALF, -1) };
    let product = x * (HALF - x);
    (sign * ((16 * product) << 14) / (5 * HALF * HALF - 4 * product)) as i32
}

/// Cosine, as [`sine`].
pub(super) fn cosine(angle: i32) -> i32 {
    sine(angle + TURN / 4)
}

/// The angle of a direction, 0 along +x and growing towards +y, within 0.3 degrees.
///
/// ```text
/// atan(z) ≈ π/4 · z + 0.273 · z (1 − z),  0 ≤ z ≤ 1
/// ```
pub(super) fn angle_of(x: i32, y: i32) -> i32 {
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
pub(super) fn length(x: i32, y: i32) -> i32 {
    (i64::from(x) * i64::from(x) + i64::from(y) * i64::from(y)).unsigned_abs().isqrt() as i32
}

/// A number without visible pattern for a lattice point.
pub(super) fn scramble(seed: u32, x: i32, y: i32) -> u32 {
    let mut h = seed ^ (x as u32).wrapping_mul(0x85EB_CA6B) ^ (y as u32).wrapping_mul(0xC2B2_AE35).rotate_left(13);
    h = (h ^ (h >> 15)).wrapping_mul(0x2C1B_3C6D);
    h = (h ^ (h >> 12)).wrapping_mul(0x297A_2D39);
    h ^ (h >> 15)
}

/// Value noise: random numbers in ±32768 at lattice points 256 apart, smoothly joined.
pub(super) fn noise(seed: u32, x: i32, y: i32) -> i32 {
    let corner = |dx: i32, dy: i32| (scramble(seed, (x >> 8) + dx, (y >> 8) + dy) >> 16) as i32 - 32768;
    let ease = |t: i32| (t * t * (768 - 2 * t)) >> 16;
    let (s, t) = (ease(x & 255), ease(y & 255));
    let upper = corner(0, 0) * (256 - s) + corner(1, 0) * s;
    let lower = corner(0, 1) * (256 - s) + corner(1, 1) * s;
    ((upper >> 8) * (256 - t) + (lower >> 8) * t) >> 8
}

/// Octaves of [`noise`], each of half the period and `gain`/256 of the amplitude of the one before, within ±32768.
///
/// Equal amplitudes (256) give the 1/f amplitude spectrum of photographs; the octaves turn by an eighth of a turn each,
/// which hides the lattice.
pub(super) fn fractal(seed: u32, x: i32, y: i32, n_octaves: u32, gain: i32) -> i32 {
    let (mut x, mut y, mut amplitude) = (x, y, 256);
    let (mut sum, mut total) = (0, 0);
    for octave in 0..n_octaves {
        sum += (noise(seed.wrapping_add(octave * 0x9E37), x, y) * amplitude) >> 8;
        total += amplitude;
        amplitude = (amplitude * gain) >> 8;
        // Turned by an eighth and doubled: √2 (x − y), √2 (x + y), with √2 as 181/128.
        (x, y) = (((x - y) * 181) >> 7, ((x + y) * 181) >> 7);
    }
    sum * 256 / total.max(1)
}

/// Random draws. Only whole 64-bit draws of the generator are used, and narrowed here, so that no library's choice of
/// how to draw from a range matters.
pub(super) struct Draws(Xoshiro256PlusPlus);

impl Draws {
    /// A stream of its own for each (purpose, index, attempt).
    pub(super) fn new(purpose: u64, index: u64, attempt: u64) -> Self {
        let mut seed = [0; 32];
        for (word, bytes) in [purpose, index, attempt, 0x6669_7368_6572].into_iter().zip(seed.chunks_exact_mut(8)) {
            bytes.copy_from_slice(&u64::to_le_bytes(word.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ word));
        }
        let mut generator = Xoshiro256PlusPlus::from_seed(seed);
        // Near-equal seeds part after some steps.
        for _ in 0..16 {
            generator.next_u64();
        }
        Self(generator)
    }

    /// Evenly from 0 to `n` − 1.
    pub(super) fn below(&mut self, n: usize) -> usize {
        (((self.0.next_u64() >> 32) * n as u64) >> 32) as usize
    }

    /// Evenly from `low` to `high`, both included.
    pub(super) fn between(&mut self, low: i32, high: i32) -> i32 {
        low + self.below((high - low + 1) as usize) as i32
    }

    /// True in `percent` of 100 cases.
    pub(super) fn chance(&mut self, percent: i32) -> bool {
        self.between(0, 99) < percent
    }

    /// Any 32 bits.
    pub(super) fn seed(&mut self) -> u32 {
        (self.0.next_u64() >> 32) as u32
    }

    /// Any angle.
    pub(super) fn angle(&mut self) -> i32 {
        self.between(0, TURN - 1)
    }

    /// Between `low` and `high` in such a way that small ones are more frequent: density 1/x².
    pub(super) fn mostly_small(&mut self, low: i32, high: i32) -> i32 {
        let (low, high) = (i64::from(low), i64::from(high));
        let t = i64::from(self.between(0, 65536));
        (low * high * 65536 / (high * (65536 - t) + low * t)) as i32
    }

    /// One of a few.
    pub(super) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// Random order of 0 to `n` − 1.
    pub(super) fn order(&mut self, n: usize) -> Vec<usize> {
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
