//! The background of a picture: a ground, sometimes with a sky above it, and how much clutter is on it.

use crate::contents::{HEIGHT, WIDTH};
use crate::fixed::{Draws, PIXEL, noise};
use crate::pattern::Pattern;
use crate::surface::{Color, LEVEL, Material};

/// The kinds of surroundings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Surroundings {
    Meadow,
    Water,
    Wall,
    Thicket,
    Sand,
    Stones,
}

/// All kinds of surroundings.
pub(crate) const ALL: [Surroundings; 6] = [
    Surroundings::Meadow,
    Surroundings::Water,
    Surroundings::Wall,
    Surroundings::Thicket,
    Surroundings::Sand,
    Surroundings::Stones,
];

/// Ground and sky of one picture.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backdrop {
    ground: Material,
    sky: Material,
    /// Row of the horizon at the left and at the right border; above the picture if no sky is seen.
    horizon: [i32; 2],
    /// Whether the ground is drawn in perspective, as a plane that leads to the horizon.
    recedes: bool,
    /// Whether the ground's pattern runs along the horizon instead of towards it.
    across: bool,
    seed: u32,
    /// Number of pieces of clutter.
    pub(crate) n_clutter: i32,
    /// Colours of the clutter.
    pub(crate) palette: [[i32; 3]; 3],
}

impl Backdrop {
    pub(crate) fn new(draws: &mut Draws, surroundings: Surroundings) -> Self {
        // Mean colour, pattern with its period and contrast, range of the number of pieces of clutter, and perspective.
        let (base, pattern, period, contrast, clutter, recedes) = match surroundings {
            Surroundings::Meadow => {
                ([84, 112, 58], Pattern::Strokes, draws.between(6, 14), draws.between(34, 80), (25, 70), true)
            }
            Surroundings::Water => {
                ([82, 112, 128], Pattern::Strokes, draws.between(10, 22), draws.between(24, 70), (2, 14), true)
            }
            Surroundings::Wall => {
                let pattern = draws.pick(&[Pattern::Bricks, Pattern::Plain, Pattern::Bricks, Pattern::Stripes]);
                ([142, 120, 104], pattern, draws.between(18, 44), draws.between(16, 60), (8, 36), false)
            }
            Surroundings::Thicket => {
                ([52, 62, 40], Pattern::Plain, draws.between(14, 40), draws.between(30, 70), (160, 330), false)
            }
            Surroundings::Sand => {
                ([176, 158, 126], Pattern::Plain, draws.between(16, 50), draws.between(12, 36), (10, 50), true)
            }
            Surroundings::Stones => {
                ([120, 116, 110], Pattern::Cells, draws.between(10, 26), draws.between(30, 80), (15, 50), true)
            }
        };
        let shift = draws.between(-28, 28);
        let base = base.map(|level| level + shift + draws.between(-9, 9));
        let mut ground = Material::new(draws, base, contrast, pattern, period * PIXEL);
        ground.roughness = draws.between(90, 200);
        let open_sky = recedes && draws.chance(75);
        let horizon = if open_sky { draws.between(HEIGHT as i32 / 10, HEIGHT as i32 * 11 / 20) } else { -60 };
        let tilt = draws.between(-7, 7);
        let brightness = draws.between(150, 222);
        let sky_contrast = draws.mostly_small(4, 44);
        let mut sky = Material::new(
            draws,
            [brightness - 16, brightness, brightness + 20],
            sky_contrast,
            Pattern::Plain,
            90 * PIXEL,
        );
        sky.roughness = draws.between(0, 60);
        sky.pores = draws.between(0, 3) * LEVEL;
        let gray = draws.between(50, 180);
        let other = [0; 3].map(|_: i32| gray + draws.between(-34, 34));
        Self {
            ground,
            sky,
            horizon: [horizon - tilt, horizon + tilt],
            recedes,
            across: surroundings == Surroundings::Water,
            seed: draws.seed(),
            n_clutter: draws.between(clutter.0, clutter.1),
            palette: [base, base.map(|level| level * 3 / 4 + 18), other],
        }
    }

    /// The first row below the horizon, as a mean over the columns.
    pub(crate) fn ground_row(&self) -> i32 {
        (i32::midpoint(self.horizon[0], self.horizon[1])).max(0)
    }

    /// The colour of a pixel.
    pub(crate) fn color(&self, x: i32, y: i32) -> Color {
        let line = self.horizon[0]
            + (self.horizon[1] - self.horizon[0]) * x / WIDTH as i32
            + (noise(self.seed, x * 12, 0) >> 13);
        let depth = y - line;
        if depth < 0 {
            return self.sky.color(x * PIXEL, y * PIXEL);
        }
        if !self.recedes {
            return self.ground.color(x * PIXEL, y * PIXEL);
        }
        // Perspective: at the lower border one pixel of the picture shows one pixel of the ground; towards the horizon each pixel
        // shows more and more of the ground.
        let (lowest, depth) = (HEIGHT as i32 - line + 30, depth + 30);
        let u = (x - WIDTH as i32 / 2) * PIXEL * lowest / depth;
        let v = lowest * PIXEL * lowest / depth;
        if self.across { self.ground.color(v, u) } else { self.ground.color(u, v) }
    }
}
