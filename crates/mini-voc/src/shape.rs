//! Outlines: which points a surface covers.

use crate::fixed::{TURN, angle_of, length, noise, sine};

/// Half-width and half-height of every shape, in the units of [`Shape::covers`].
pub(crate) const RADIUS: i32 = 4096;

/// The kinds of outlines. Their centre is the origin, and their units are the half-width and half-height of the surface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Ellipse,
    RoundedBox,
    /// Number of points.
    Star(i32),
    /// A bar with this number of teeth.
    Comb(i32),
    /// A sector of a disc.
    Sector,
    Ring,
    /// An irregular outline, which depends on this seed.
    Blob(u32),
    /// Pointed at both ends.
    Lens,
}

impl Shape {
    /// Whether the shape covers the point (`p`, `q`). It covers nothing outside ±[`RADIUS`].
    pub(crate) fn covers(self, p: i32, q: i32) -> bool {
        if p.abs() > RADIUS || q.abs() > RADIUS {
            return false;
        }
        let r = length(p, q);
        match self {
            Self::Ellipse => r <= RADIUS,
            Self::RoundedBox => {
                let fourth = |t: i32| {
                    let square = (i64::from(t) * i64::from(t)) >> 12;
                    (square * square) >> 12
                };
                fourth(p) + fourth(q) <= i64::from(RADIUS)
            }
            Self::Star(n_points) => {
                let wave = sine(angle_of(p, q).wrapping_mul(n_points) & (TURN - 1));
                r <= 2900 + ((wave * 1190) >> 14)
            }
            Self::Comb(n_teeth) => {
                let phase = ((p + RADIUS) * n_teeth) & 8191;
                q < -1300 || phase < 4700
            }
            Self::Sector => {
                // The sector's corner is near the lower edge, and the sector opens upwards.
                let (x, y) = (p, q - 3700);
                let angle = angle_of(x, y) - 3 * TURN / 4;
                length(x, y) <= 7400 && angle.abs() <= TURN / 10 && y < 0
            }
            Self::Ring => (1500..=RADIUS).contains(&r),
            Self::Blob(seed) => {
                // The radius is changed by noise that is read along a circle, so that the outline is closed.
                let scale = |t: i32| if r == 0 { 0 } else { t * 300 / r };
                r <= 2900 + ((noise(seed, scale(p) + 1000, scale(q) + 1000) * 1500) >> 15)
            }
            Self::Lens => {
                let width = RADIUS - ((i64::from(p) * i64::from(p)) >> 12) as i32;
                q.abs() <= width
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_covers_a_part_of_its_square() {
        let shapes = [
            Shape::Ellipse,
            Shape::RoundedBox,
            Shape::Star(7),
            Shape::Comb(5),
            Shape::Sector,
            Shape::Ring,
            Shape::Blob(5),
            Shape::Lens,
        ];
        for shape in shapes {
            let grid = || (-RADIUS - 200..=RADIUS + 200).step_by(100);
            let covered = grid().flat_map(|p| grid().map(move |q| (p, q))).filter(|&(p, q)| shape.covers(p, q)).count();
            assert!((1500..7000).contains(&covered), "{shape:?} covers {covered} of 7396");
        }
    }
}
