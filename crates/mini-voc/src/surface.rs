//! Surfaces, which a scene consists of: outlines with a material, one in front of the other.

use crate::fixed::{Draws, PIXEL, cosine, fractal, sine};
use crate::pattern::{LIGHTEST, Pattern};
use crate::shape::{RADIUS, Shape};

/// A colour: red, green and blue, in units of 1/16 level of an 8-bit picture.
pub(crate) type Color = [i32; 3];

/// One level of an 8-bit picture.
pub(crate) const LEVEL: i32 = 16;

/// Two colours and the pattern that mixes them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Material {
    pub(crate) dark: Color,
    pub(crate) light: Color,
    pub(crate) pattern: Pattern,
    /// Period of the pattern, in 1/256 pixel.
    pub(crate) period: i32,
    /// Share of noise in the pattern; 256 is all noise.
    pub(crate) roughness: i32,
    /// Amplitude of a fine noise that does not depend on the two colours, in 1/16 level.
    pub(crate) pores: i32,
    pub(crate) seed: u32,
}

impl Material {
    /// Two colours around `base` (in levels) that differ by `contrast` levels.
    pub(crate) fn new(draws: &mut Draws, base: [i32; 3], contrast: i32, pattern: Pattern, period: i32) -> Self {
        let tint = [0; 3].map(|_: i32| draws.between(-12, 12));
        let side =
            |sign: i32| std::array::from_fn(|c| (base[c] + tint[c] / 2 + sign * (contrast / 2 + tint[c] / 4)) * LEVEL);
        let roughness = draws.between(40, 110);
        let pores = draws.mostly_small(5, 30) * LEVEL;
        Self { dark: side(-1), light: side(1), pattern, period, roughness, pores, seed: draws.seed() }
    }

    /// The colour at (`u`, `v`), which are in 1/256 pixel.
    pub(crate) fn color(&self, u: i32, v: i32) -> Color {
        let regular = self.pattern.value(u, v, self.period, self.seed);
        let scale = |t: i32| t / 24;
        let rough = LIGHTEST / 2 + ((fractal(self.seed ^ 0xA5, scale(u), scale(v), 4, 215) * 5) >> 5);
        let t = (regular * (256 - self.roughness) + rough * self.roughness) >> 8;
        let fine = (fractal(self.seed ^ 0x5A, u / 9, v / 9, 3, 230) * self.pores) >> 14;
        std::array::from_fn(|c| self.dark[c] + (((self.light[c] - self.dark[c]) * t) >> 12) + fine)
    }
}

/// An outline with a material and a position in the picture.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Surface {
    pub(crate) shape: Shape,
    /// Centre, in 1/256 pixel.
    pub(crate) center: [i32; 2],
    /// Half-width and half-height before the surface is turned, in 1/256 pixel.
    pub(crate) radii: [i32; 2],
    /// Angle by which the surface is turned.
    pub(crate) angle: i32,
    pub(crate) material: Material,
    /// How much lighter one side is than the other, in 1/4096; the scene has the direction of the light.
    pub(crate) roundness: i32,
    /// Length of the shadow that it casts on what is behind it, in pixels.
    pub(crate) shadow: i32,
}

impl Surface {
    /// A pixel in the surface's own coordinates, which are turned with it, in 1/256 pixel.
    pub(crate) fn local(&self, x: i32, y: i32) -> (i32, i32) {
        let (dx, dy) = (i64::from(x * PIXEL - self.center[0]), i64::from(y * PIXEL - self.center[1]));
        let (c, s) = (i64::from(cosine(self.angle)), i64::from(sine(self.angle)));
        (((dx * c + dy * s) >> 14) as i32, ((dy * c - dx * s) >> 14) as i32)
    }

    /// A point of [`Surface::local`] in units of the radii, for [`Shape::covers`].
    pub(crate) fn normalized(&self, (u, v): (i32, i32)) -> (i32, i32) {
        let unit = |t: i32, radius: i32| (i64::from(t) * i64::from(RADIUS) / i64::from(radius)) as i32;
        (unit(u, self.radii[0]), unit(v, self.radii[1]))
    }

    /// Calls `visit(x, y)` for each covered pixel, also for those outside the picture.
    pub(crate) fn covered(&self, mut visit: impl FnMut(i32, i32)) {
        // Half-width and half-height of the bounding box after the surface is turned.
        let (c, s) = (cosine(self.angle).abs(), sine(self.angle).abs());
        let reach = |a: i32, b: i32| {
            ((i64::from(self.radii[0]) * i64::from(a) + i64::from(self.radii[1]) * i64::from(b)) >> 14) as i32
        };
        let (half_width, half_height) = (reach(c, s), reach(s, c));
        for y in (self.center[1] - half_height).div_euclid(PIXEL)..=(self.center[1] + half_height).div_euclid(PIXEL) + 1
        {
            for x in
                (self.center[0] - half_width).div_euclid(PIXEL)..=(self.center[0] + half_width).div_euclid(PIXEL) + 1
            {
                let (p, q) = self.normalized(self.local(x, y));
                if self.shape.covers(p, q) {
                    visit(x, y);
                }
            }
        }
    }

    /// The colour of a covered pixel under light from the direction `light` (x, y, each within ±4096).
    pub(crate) fn color(&self, x: i32, y: i32, light: [i32; 2]) -> Color {
        let local = self.local(x, y);
        let color = self.material.color(local.0, local.1);
        let (p, q) = ((x * PIXEL - self.center[0]) * 16, (y * PIXEL - self.center[1]) * 16);
        let radius = self.radii[0].max(self.radii[1]);
        let towards = (p / radius * light[0] + q / radius * light[1]) >> 8;
        let gain = (4096 + ((towards * self.roundness) >> 8)).clamp(1400, 7000);
        color.map(|level| (level * gain) >> 12)
    }
}
