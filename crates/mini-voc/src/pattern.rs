//! Textures: the lightness at each point of a surface.

use crate::fixed::{TURN, UNIT, angle_of, fractal, length, noise, scramble, sine};

/// The largest value of a pattern; the smallest is 0.
pub(crate) const LIGHTEST: i32 = 4096;

/// The families of textures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pattern {
    /// Noise with the spectrum of photographs.
    Plain,
    Stripes,
    Check,
    Dots,
    Scales,
    Rings,
    /// Number of rays, and how far below the origin the point is that they start from.
    Rays(i32, i32),
    /// Strokes along v, like fur or grass; turned, they look like water.
    Strokes,
    Cells,
    /// Contour lines of noise, like a fingerprint.
    Whorls,
    /// Rows of bricks with mortar between them.
    Bricks,
}

impl Pattern {
    /// Value from 0 to [`LIGHTEST`] at (`u`, `v`). Coordinates and period are in units of 1/256 pixel.
    pub(crate) fn value(self, u: i32, v: i32, period: i32, seed: u32) -> i32 {
        // A coordinate in units of 1/256 period, and as an angle that makes one turn per period.
        let cell = |t: i32| (i64::from(t) * 256 / i64::from(period)) as i32;
        let phase = |t: i32| (i64::from(t) * i64::from(TURN) / i64::from(period)) as i32;
        // Noise that is added to angles, so that lines are not quite straight: they are moved by up to a third of a period.
        let warp = |strength: i32| (noise(seed ^ 0x51, cell(u) / 4, cell(v) / 4) * strength) >> 1;
        match self {
            Self::Plain => (LIGHTEST / 2 + ((fractal(seed, cell(u), cell(v), 4, 190) * 3) >> 5)).clamp(0, LIGHTEST),
            Self::Stripes => level(sine(phase(u).wrapping_add(warp(1)))),
            Self::Check => {
                let bend = warp(1) / 2;
                level((sine(phase(u) / 2 + bend) >> 7) * (sine(phase(v) / 2 - bend) >> 7))
            }
            Self::Dots => {
                let (row, shift) = (cell(v) >> 8, (cell(v) >> 8 & 1) * 128);
                let column = (cell(u) + shift) >> 8;
                let random = scramble(seed, column, row);
                let x = ((cell(u) + shift) & 255) - 128 + (random & 63) as i32 - 32;
                let y = (cell(v) & 255) - 128 + (random >> 8 & 63) as i32 - 32;
                level((88 - length(x, y)) * 400)
            }
            Self::Scales => {
                let y = cell(v) * 3 / 2;
                let shift = (y >> 8 & 1) * 128;
                let (x, y) = (((cell(u) + shift) & 255) - 128, y & 255);
                level((150 - length(x, y)) * 180)
            }
            Self::Rings => level(sine(phase(length(u, v)).wrapping_add(warp(1)))),
            Self::Rays(n_rays, below) => {
                level(sine(angle_of(u, v - below).wrapping_mul(n_rays).wrapping_add(warp(1) / 2)))
            }
            Self::Strokes => {
                let (u, v) = (cell(u) * 2, cell(v) / 3);
                let bent = u + (noise(seed ^ 0x7, u / 8, v) >> 7);
                level(noise(seed, bent, v) + noise(seed ^ 0x3, bent * 2, v * 2) / 2)
            }
            Self::Cells => level((edge_distance(seed, cell(u), cell(v)) - 36) * 300),
            Self::Whorls => {
                let height = fractal(seed, cell(u) / 5, cell(v) / 5, 2, 110);
                level(sine(height.wrapping_mul(7)))
            }
            Self::Bricks => {
                let y = cell(v) * 2;
                let shift = (y >> 8 & 1) * 128;
                let x = cell(u) + shift;
                let mortar = (x & 255).min(255 - (x & 255)).min((y & 255).min(255 - (y & 255)) / 2);
                let tone = (scramble(seed, x >> 8, y >> 8) & 0x1FFF) as i32 - 4096;
                level((mortar - 14).min(22) * 700 - 4000 + tone)
            }
        }
    }
}

/// Maps ±[`UNIT`] to 0..=[`LIGHTEST`]. Values are multiplied by 1.5 and cut off, so that edges are steeper than the slopes of a sine.
fn level(signed: i32) -> i32 {
    (((signed.saturating_mul(3) / 2).clamp(-UNIT, UNIT) + UNIT) * (LIGHTEST / 32)) >> 10
}

/// One point is placed at random in each lattice cell; the result is the distance from (`x`, `y`) to the second nearest point minus the
/// distance to the nearest one. It is 0 on the borders of Voronoi cells.
fn edge_distance(seed: u32, x: i32, y: i32) -> i32 {
    let (mut nearest, mut second) = (i32::MAX, i32::MAX);
    for row in -1..=1 {
        for column in -1..=1 {
            let (cell_x, cell_y) = ((x >> 8) + column, (y >> 8) + row);
            let random = scramble(seed, cell_x, cell_y);
            let dx = (cell_x << 8) + (random & 255) as i32 - x;
            let dy = (cell_y << 8) + (random >> 8 & 255) as i32 - y;
            let distance = dx * dx + dy * dy;
            if distance < nearest {
                (nearest, second) = (distance, nearest);
            } else if distance < second {
                second = distance;
            }
        }
    }
    i32::isqrt(second) - i32::isqrt(nearest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_has_dark_and_light_values() {
        let patterns = [
            Pattern::Plain,
            Pattern::Stripes,
            Pattern::Check,
            Pattern::Dots,
            Pattern::Scales,
            Pattern::Rings,
            Pattern::Rays(9, 2560),
            Pattern::Strokes,
            Pattern::Cells,
            Pattern::Whorls,
            Pattern::Bricks,
        ];
        for pattern in patterns {
            let values = (-60..60).flat_map(|y| (-60..60).map(move |x| (x * 256, y * 256)));
            let values: Vec<i32> = values.map(|(u, v)| pattern.value(u, v, 10 * 256, 3)).collect();
            assert!(values.iter().all(|value| (0..=LIGHTEST).contains(value)), "{pattern:?}");
            let (low, high) = (values.iter().min(), values.iter().max());
            assert!(low < Some(&1400) && high > Some(&2700), "{pattern:?}: {low:?} {high:?}");
        }
    }
}
