//! From a scene to pixels, masks and boxes.

use fisherlens_dataset::BoundingBox;

use crate::contents::{CLASSES, HEIGHT, N_IMAGES, TAGGED_CLASS, WIDTH, YEAR};
use crate::error::MiniVocError;
use crate::fixed::{fractal, scramble};
use crate::masks::Masks;
use crate::scene::{Plan, Scene, compose, plan};
use crate::surface::LEVEL;
use crate::tag::{Tag, paste_tag};

/// An object with fewer visible pixels, or with a smaller visible share of its pixels (in per cent), is not drawn at all.
const MIN_PIXELS: usize = 90;
const MIN_SHARE: usize = 15;
/// An object with fewer visible pixels, or with a smaller visible share (in per cent), is difficult. In VOC the annotators decide this
/// (`everingham2010`).
const MIN_PIXELS_NOT_DIFFICULT: usize = 300;
const MIN_SHARE_NOT_DIFFICULT: usize = 42;
/// An object with a smaller visible share (in per cent) is truncated.
const MIN_SHARE_NOT_TRUNCATED: usize = 95;

/// A drawn object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DrawnObject {
    /// Its class, one of [`CLASSES`].
    pub class: &'static str,
    /// Bounding box of its visible pixels.
    pub bounds: BoundingBox,
    /// Whether it is small, mostly hidden, or hardly different from the background.
    pub difficult: bool,
    /// Whether a part of it is hidden or outside the image.
    pub truncated: bool,
}

/// A drawn image with everything that is known about it.
///
/// ```
/// use fisherlens_mini_voc::{CLASSES, draw_image};
///
/// let picture = draw_image(3);
/// assert_eq!(picture.id, "2016_000004");
/// assert!(picture.objects.iter().all(|object| CLASSES.contains(&object.class)));
/// assert_eq!(picture.tag.is_some(), picture.masks.has_tag());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Its id, such as `2016_000007`.
    pub id: String,
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// The pixels: `height · width · 3` bytes, row by row.
    pub rgb: Vec<u8>,
    /// The objects that are visible.
    pub objects: Vec<DrawnObject>,
    /// Name of the photographer.
    pub owner: &'static str,
    /// The tag, if the image has one.
    pub tag: Option<Tag>,
    /// Which pixels belong to which object, class and tag.
    pub masks: Masks,
}

/// The id of an image; `index` counts from 0, as in [`draw_image`].
pub fn image_id(index: usize) -> String {
    format!("{YEAR}_{:06}", index + 1)
}

/// Draws an image of the devkit. `index` is from 0 to [`N_IMAGES`] − 1.
///
/// # Panics
/// When `index` is not below [`N_IMAGES`].
pub fn draw_image(index: usize) -> Picture {
    let plan = plan_of(index);
    let mut picture = draw_untagged(&plan);
    if plan.tagged {
        let tag = Tag::drawn(index as u64);
        picture.masks.tag = paste_tag(&mut picture.rgb, WIDTH, HEIGHT, tag);
        picture.tag = Some(tag);
    }
    picture
}

/// Draws the image `id` twice: with a photographer's tag and without. The two differ in the tag's pixels only, and one of
/// them is the image in the devkit.
///
/// # Errors
/// [`MiniVocError::UnknownImage`] when no image has that id.
pub fn draw_pair(id: &str) -> Result<(Picture, Picture), MiniVocError> {
    let number = id.strip_prefix(&format!("{YEAR}_")).and_then(|number| number.parse::<usize>().ok());
    let index =
        number.and_then(|number| number.checked_sub(1)).filter(|&index| index < N_IMAGES && image_id(index) == id);
    let index = index.ok_or_else(|| MiniVocError::UnknownImage {
        id: id.to_owned(),
        first: image_id(0),
        last: image_id(N_IMAGES - 1),
    })?;
    let without = draw_untagged(&plan_of(index));
    let mut with = without.clone();
    let tag = Tag::drawn(index as u64);
    with.masks.tag = paste_tag(&mut with.rgb, WIDTH, HEIGHT, tag);
    with.tag = Some(tag);
    Ok((with, without))
}

fn plan_of(index: usize) -> Plan {
    assert!(index < N_IMAGES, "the devkit has {N_IMAGES} images, but index {index} was asked for");
    plan(index)
}

/// Composes the scene again and again until an object is visible. If the tagged class is planned, an object of it must be visible and not
/// difficult.
fn draw_untagged(plan: &Plan) -> Picture {
    const MAX_ATTEMPTS: u64 = 1000;
    for attempt in 0..MAX_ATTEMPTS {
        let mut scene = compose(plan, attempt);
        let (top_layers, shadows, objects) = cover(&mut scene);
        let required = plan.classes.iter().any(|&class| CLASSES[class] == TAGGED_CLASS);
        let seen = objects.iter().any(|(object, _)| object.class == TAGGED_CLASS && !object.difficult);
        if !objects.is_empty() && (seen || !required) {
            let masks = masks(&scene, &top_layers, &objects);
            let rgb = shade(&scene, &top_layers, &shadows);
            let objects = objects.into_iter().map(|(object, _)| object).collect();
            let id = image_id(plan.index);
            return Picture { id, width: WIDTH, height: HEIGHT, rgb, objects, owner: plan.owner, tag: None, masks };
        }
    }
    unreachable!("no composition of image {} shows its object; the checksum's test draws all images", plan.index)
}

/// Number of the topmost layer at each pixel, counting from 1; 0 is the background.
type TopLayers = Vec<u16>;

/// Finds the topmost layer of each pixel, removes objects that are hardly visible, and computes the bounding boxes of the others.
///
/// Returns the topmost layers, the strength of the shadow on each pixel (256 would be black), and each object with the index of its layer.
fn cover(scene: &mut Scene) -> (TopLayers, Vec<u8>, Vec<(DrawnObject, usize)>) {
    // When an object is removed, what it hid becomes visible, so everything is computed again.
    loop {
        let mut top_layers = vec![0_u16; WIDTH * HEIGHT];
        let mut shadows = vec![0_u8; WIDTH * HEIGHT];
        let mut sizes = vec![0_usize; scene.layers.len()];
        let place = |x: i32, y: i32| {
            let inside = (0..WIDTH as i32).contains(&x) && (0..HEIGHT as i32).contains(&y);
            inside.then(|| y as usize * WIDTH + x as usize)
        };
        for (number, layer) in scene.layers.iter().enumerate() {
            let mut size = 0;
            let offset = scene.light.map(|towards| -towards * layer.surface.shadow / 4096);
            let mut covered = Vec::new();
            layer.surface.covered(|x, y| {
                size += 1;
                covered.extend(place(x, y));
                if let Some(place) = place(x + offset[0], y + offset[1] + layer.surface.shadow) {
                    shadows[place] = shadows[place].max(96);
                }
            });
            for place in covered {
                top_layers[place] = number as u16 + 1;
                shadows[place] = 0;
            }
            sizes[number] = size;
        }
        let mut bounds = vec![None; scene.layers.len()];
        let mut seen = vec![0_usize; scene.layers.len()];
        for (place, &top) in top_layers.iter().enumerate() {
            if top > 0 {
                let number = usize::from(top) - 1;
                seen[number] += 1;
                extend(bounds[number].get_or_insert(None), (place % WIDTH) as u32, (place / WIDTH) as u32);
            }
        }
        let hidden = |number: usize| {
            scene.layers[number].class.is_some()
                && (seen[number] < MIN_PIXELS || seen[number] * 100 < sizes[number] * MIN_SHARE)
        };
        if let Some(number) = (0..scene.layers.len()).find(|&number| hidden(number)) {
            scene.layers.remove(number);
            continue;
        }
        let objects = scene.layers.iter().enumerate().filter_map(|(number, layer)| {
            let object = DrawnObject {
                class: CLASSES[layer.class?],
                bounds: bounds[number].flatten()?,
                difficult: layer.faint
                    || seen[number] < MIN_PIXELS_NOT_DIFFICULT
                    || seen[number] * 100 < sizes[number] * MIN_SHARE_NOT_DIFFICULT,
                truncated: seen[number] * 100 < sizes[number] * MIN_SHARE_NOT_TRUNCATED,
            };
            Some((object, number))
        });
        let objects = objects.collect();
        return (top_layers, shadows, objects);
    }
}

/// Extends a bounding box so that it contains the pixel (`x`, `y`).
fn extend(bounds: &mut Option<BoundingBox>, x: u32, y: u32) {
    let before = bounds.unwrap_or(BoundingBox { left: x, top: y, right: x + 1, bottom: y + 1 });
    *bounds = Some(BoundingBox {
        left: before.left.min(x),
        top: before.top.min(y),
        right: before.right.max(x + 1),
        bottom: before.bottom.max(y + 1),
    });
}

fn masks(scene: &Scene, top_layers: &TopLayers, objects: &[(DrawnObject, usize)]) -> Masks {
    // Number of the object and of its class for each layer; the first entry is the background.
    let mut numbers = vec![(0_u8, 0_u8); scene.layers.len() + 1];
    for (rank, (_, number)) in objects.iter().enumerate() {
        let class = scene.layers[*number].class.map_or(0, |class| class + 1);
        numbers[number + 1] = (rank as u8 + 1, class as u8);
    }
    Masks {
        width: WIDTH,
        height: HEIGHT,
        objects: top_layers.iter().map(|&top| numbers[usize::from(top)].0).collect(),
        classes: top_layers.iter().map(|&top| numbers[usize::from(top)].1).collect(),
        tag: vec![false; WIDTH * HEIGHT],
    }
}

/// The pixels: the colours of the surfaces under light and shadow, blurred as by a lens, with the noise of a sensor.
fn shade(scene: &Scene, top_layers: &TopLayers, shadows: &[u8]) -> Vec<u8> {
    let mut planes = vec![[0_i32; 3]; WIDTH * HEIGHT];
    for (place, pixel) in planes.iter_mut().enumerate() {
        let (x, y) = ((place % WIDTH) as i32, (place / WIDTH) as i32);
        let color = match top_layers[place] {
            0 => scene.backdrop.color(x, y),
            top => scene.layers[usize::from(top) - 1].surface.color(x, y, scene.light),
        };
        // Light that falls off across the picture and has soft patches; `gain` has 4096 for 1.
        let across = ((x - WIDTH as i32 / 2) * scene.light[0] + (y - HEIGHT as i32 / 2) * scene.light[1]) / 1024;
        let patches = fractal(scene.seed, x * 3, y * 3, 2, 150) >> 5;
        let gain = ((4096 + across + patches) * scene.exposure) >> 8;
        let gain = (gain * (256 - i32::from(shadows[place]))) >> 8;
        *pixel = color.map(|level| (level * gain) >> 12);
    }
    lens(&mut planes);
    let mut rgb = Vec::with_capacity(WIDTH * HEIGHT * 3);
    for (place, pixel) in planes.iter().enumerate() {
        for (channel, level) in pixel.iter().enumerate() {
            // The sum of four uniform numbers is close to a normal distribution.
            let draws = scramble(scene.seed ^ 0x77, place as i32, channel as i32).to_le_bytes();
            let noise = ((draws.into_iter().map(i32::from).sum::<i32>() - 510) * scene.grain) >> 8;
            rgb.push(((level + noise) / LEVEL).clamp(0, 255) as u8);
        }
    }
    rgb
}

/// The blur of a lens: weights 1/4, 1/2, 1/4 along both axes, with border pixels repeated. It also smooths the steps of slanted edges.
fn lens(planes: &mut [[i32; 3]]) {
    let mix = |a: [i32; 3], b: [i32; 3], c: [i32; 3]| std::array::from_fn(|i| (a[i] + 2 * b[i] + c[i] + 2) >> 2);
    for row in planes.chunks_exact_mut(WIDTH) {
        let before = row.to_vec();
        for (x, pixel) in row.iter_mut().enumerate() {
            *pixel = mix(before[x.saturating_sub(1)], before[x], before[(x + 1).min(WIDTH - 1)]);
        }
    }
    let before = planes.to_vec();
    for (place, pixel) in planes.iter_mut().enumerate() {
        let above = place.checked_sub(WIDTH).unwrap_or(place);
        let below = if place + WIDTH < before.len() { place + WIDTH } else { place };
        *pixel = mix(before[above], before[place], before[below]);
    }
}
