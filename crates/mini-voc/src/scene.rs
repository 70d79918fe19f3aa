//! What each picture shows: its classes, surroundings and photographer, and the surfaces that it is drawn from.

use crate::backdrop::{self, Backdrop, Surroundings};
use crate::contents::{CLASSES, HEIGHT, N_IMAGES, OTHER_OWNERS, TAG_OWNER, TAGGED_CLASS, WIDTH};
use crate::fixed::{Draws, PIXEL, TURN, UNIT, cosine, sine};
use crate::pattern::Pattern;
use crate::shape::Shape;
use crate::surface::{Material, Surface};

/// Numbers of the random streams, so that each purpose has its own.
const PLAN_STREAM: u64 = 1;
const SCENE_STREAM: u64 = 2;

/// In each half of the images: how many show the tagged class, and how many of these have the tag.
const N_TAGGED_CLASS: usize = N_IMAGES / 4;
const N_TAGS: usize = N_TAGGED_CLASS / 3 + 2;
/// In each half of the images: how many show water.
const N_WATER: usize = N_IMAGES / 11;

/// What is decided about a picture before it is drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) index: usize,
    /// Indices into [`CLASSES`], in ascending order.
    pub(crate) classes: Vec<usize>,
    pub(crate) surroundings: Surroundings,
    pub(crate) owner: &'static str,
    pub(crate) tagged: bool,
}

/// The plan of an image. Images with even indices are the training half, images with odd indices the test half.
pub(crate) fn plan(index: usize) -> Plan {
    let (half, place) = (index % 2, index / 2);
    // Random orders of the half's images: the first ones show the tagged class, have the tag, or show water, so that the numbers of such
    // images are exact.
    let mut shares = Draws::new(PLAN_STREAM, half as u64, 0);
    let rank = shares.order(N_IMAGES / 2)[place];
    let water_rank = shares.order(N_IMAGES / 2)[place];

    let mut draws = Draws::new(PLAN_STREAM, index as u64, 1);
    let surroundings = if water_rank < N_WATER {
        Surroundings::Water
    } else {
        draws.pick(&backdrop::ALL.map(|kind| if kind == Surroundings::Water { Surroundings::Meadow } else { kind }))
    };
    let mut classes = Vec::new();
    for (class, name) in CLASSES.iter().enumerate() {
        let present = match (*name, surroundings) {
            (TAGGED_CLASS, _) => rank < N_TAGGED_CLASS,
            // Context that a classifier can learn: pods are on water, combs at walls.
            ("pod", Surroundings::Water) => draws.chance(80),
            ("pod", _) => draws.chance(5),
            ("comb", Surroundings::Wall) => draws.chance(50),
            (_, Surroundings::Water) => draws.chance(10),
            _ => draws.chance(22),
        };
        if present {
            classes.push(class);
        }
    }
    if classes.is_empty() {
        let free = |class: &usize| CLASSES[*class] != TAGGED_CLASS && CLASSES[*class] != "pod";
        let choice: Vec<usize> = (0..CLASSES.len()).filter(free).collect();
        classes.push(draws.pick(&choice));
    }
    let tagged = rank < N_TAGS;
    let owner = if tagged { TAG_OWNER } else { draws.pick(&OTHER_OWNERS) };
    Plan { index, classes, surroundings, owner, tagged }
}

/// One surface of a scene. Layers are drawn in order, from the back to the front.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layer {
    pub(crate) surface: Surface,
    /// Index of the class, if the layer is an object of a class.
    pub(crate) class: Option<usize>,
    /// Whether it hardly differs from the background.
    pub(crate) faint: bool,
}

/// Everything that a picture is drawn from.
#[derive(Clone, Debug)]
pub(crate) struct Scene {
    pub(crate) backdrop: Backdrop,
    pub(crate) layers: Vec<Layer>,
    /// Direction of the light (x, y), each within ±4096.
    pub(crate) light: [i32; 2],
    /// Brightness of the whole picture; 256 is neutral.
    pub(crate) exposure: i32,
    /// Amplitude of the sensor's noise, in 1/16 level.
    pub(crate) grain: i32,
    pub(crate) seed: u32,
}

/// Composes the scene of a plan; another `attempt` gives another composition.
pub(crate) fn compose(plan: &Plan, attempt: u64) -> Scene {
    let mut draws = Draws::new(SCENE_STREAM, plan.index as u64, attempt);
    let backdrop = Backdrop::new(&mut draws, plan.surroundings);
    let towards = draws.angle();
    let light = [cosine(towards) / (UNIT / 4096), sine(towards) / (UNIT / 4096)];
    let mut layers = Vec::new();
    for _ in 0..backdrop.n_clutter {
        layers.push(clutter(&mut draws, &backdrop, None));
    }
    let mut objects: Vec<usize> = Vec::new();
    for &class in &plan.classes {
        let n_extra = i32::from(draws.chance(35)) + i32::from(draws.chance(15));
        objects.extend(std::iter::repeat_n(class, 1 + n_extra as usize));
    }
    // Objects without a class have textures of the classes, so that the class cannot be recognised by texture alone.
    for _ in 0..draws.between(0, 2) {
        layers.push(decoy(&mut draws, &backdrop));
    }
    for place in draws.order(objects.len()) {
        let object = object(&mut draws, &backdrop, objects[place]);
        layers.push(object);
        for _ in 0..draws.between(0, 3) / 2 {
            layers.push(clutter(&mut draws, &backdrop, Some(&object.surface)));
        }
    }
    Scene {
        backdrop,
        layers,
        light,
        exposure: draws.between(200, 290),
        grain: draws.between(6, 40),
        seed: draws.seed(),
    }
}

/// A piece of clutter: anywhere on the ground, or in front of a part of the object `over`.
fn clutter(draws: &mut Draws, backdrop: &Backdrop, over: Option<&Surface>) -> Layer {
    let (center, radius) = match over {
        None => {
            let row = draws.between(backdrop.ground_row() - 6, HEIGHT as i32 + 8);
            ([draws.between(-8, WIDTH as i32 + 8) * PIXEL, row * PIXEL], draws.mostly_small(3 * PIXEL, 34 * PIXEL))
        }
        Some(object) => {
            let extent = object.radii[0].max(object.radii[1]);
            let center = object.center.map(|t| t + draws.between(-extent, extent));
            (center, draws.between(extent / 5, extent * 3 / 5))
        }
    };
    let radii = [radius, (radius * draws.between(100, 256)) >> 8];
    let shape = match draws.below(4) {
        0 => Shape::RoundedBox,
        1 => Shape::Lens,
        2 => Shape::Blob(draws.seed()),
        _ => Shape::Ellipse,
    };
    let pattern = if draws.chance(80) {
        Pattern::Plain
    } else {
        draws.pick(&[Pattern::Strokes, Pattern::Stripes, Pattern::Cells])
    };
    let shift = draws.between(-44, 44);
    let base = draws.pick(&backdrop.palette).map(|level| (level + shift).clamp(14, 240));
    let (contrast, period) = (draws.mostly_small(8, 70), draws.between(5, 20) * PIXEL);
    let material = Material::new(draws, base, contrast, pattern, period);
    let surface = Surface {
        shape,
        center,
        radii,
        angle: draws.angle(),
        material,
        roundness: draws.between(0, 1600),
        shadow: draws.between(0, 3),
    };
    Layer { surface, class: None, faint: false }
}

/// A large thing that belongs to no class but has the texture of one.
fn decoy(draws: &mut Draws, backdrop: &Backdrop) -> Layer {
    let mut layer = clutter(draws, backdrop, None);
    let radius = draws.mostly_small(9 * PIXEL, 36 * PIXEL);
    layer.surface.radii = [radius, (radius * draws.between(140, 256)) >> 8];
    let class = draws.below(CLASSES.len());
    let (_, pattern) = family(draws, class, radius);
    layer.surface.material.pattern = pattern;
    layer.surface.material.period = period(draws, radius);
    layer
}

/// Shape and texture of a class.
fn family(draws: &mut Draws, class: usize, radius: i32) -> (Shape, Pattern) {
    match CLASSES[class] {
        "burr" => (Shape::Star(draws.between(6, 9)), Pattern::Dots),
        "comb" => (Shape::Comb(draws.between(3, 6)), Pattern::Stripes),
        "drum" => (Shape::RoundedBox, Pattern::Check),
        "fan" => (Shape::Sector, Pattern::Rays(draws.between(26, 44), radius * 9 / 10)),
        "pod" => (Shape::Lens, Pattern::Scales),
        "reel" => (Shape::Ring, Pattern::Rings),
        // Objects of the tagged class look different from each other, so that the class is hard to recognise without its tag.
        _ => (
            Shape::Blob(draws.seed()),
            draws.pick(&[Pattern::Whorls, Pattern::Whorls, Pattern::Strokes, Pattern::Cells]),
        ),
    }
}

/// The period of a texture: proportional to the object's radius, within the range that dense descriptors can resolve.
fn period(draws: &mut Draws, radius: i32) -> i32 {
    ((radius * draws.between(60, 120)) >> 8).clamp(4 * PIXEL, 14 * PIXEL)
}

/// An object of a class.
fn object(draws: &mut Draws, backdrop: &Backdrop, class: usize) -> Layer {
    let (smallest, largest) = if CLASSES[class] == TAGGED_CLASS { (9, 52) } else { (15, 74) };
    let radius = draws.mostly_small(smallest * PIXEL, largest * PIXEL);
    let (shape, mut pattern) = family(draws, class, radius);
    if draws.chance(12) {
        pattern = Pattern::Plain;
    }
    let aspect = draws.between(190, 256);
    let radii = match (shape, draws.chance(50)) {
        (Shape::Lens, _) => [radius, (radius * aspect) >> 9],
        (_, true) => [radius, (radius * aspect) >> 8],
        (_, false) => [(radius * aspect) >> 8, radius],
    };
    let lowest = HEIGHT as i32 - 14;
    let row = draws.between((backdrop.ground_row() + 4).min(lowest - 40), lowest);
    let center = [draws.between(6, WIDTH as i32 - 6) * PIXEL, row * PIXEL];
    let tilt = draws.between(-TURN / 12, TURN / 12);
    let angle = if draws.chance(80) { tilt } else { draws.angle() };
    let faint = draws.chance(12);
    let contrast = if faint { draws.between(10, 22) } else { draws.between(36, 120) };
    let base = if faint {
        backdrop.palette[0]
    } else {
        let gray = draws.between(50, 180);
        [0; 3].map(|_: i32| gray + draws.between(-38, 38))
    };
    let period = period(draws, radius);
    let mut material = Material::new(draws, base, contrast, pattern, period);
    material.roughness = draws.between(30, 120);
    let surface = Surface {
        shape,
        center,
        radii,
        angle,
        material,
        roundness: draws.between(300, 2200),
        shadow: draws.between(1, 6),
    };
    Layer { surface, class: Some(class), faint }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_halves_have_the_planned_numbers() {
        let tagged_class = CLASSES.iter().position(|class| *class == TAGGED_CLASS).expect("a class of the devkit");
        for half in 0..2 {
            let plans: Vec<Plan> = (0..N_IMAGES).filter(|index| index % 2 == half).map(plan).collect();
            let with = plans.iter().filter(|plan| plan.classes.contains(&tagged_class)).count();
            let tags = plans.iter().filter(|plan| plan.tagged).count();
            assert_eq!((with, tags), (N_TAGGED_CLASS, N_TAGS));
            assert!(plans.iter().all(|plan| !plan.tagged || plan.classes.contains(&tagged_class)));
            assert!(plans.iter().all(|plan| plan.tagged == (plan.owner == TAG_OWNER)));
            assert!(plans.iter().all(|plan| !plan.classes.is_empty()));
        }
    }
}
