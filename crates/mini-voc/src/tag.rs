//! The photographer's tag: the name in fixed glyphs, light with a dark rim, in the lower right corner.

use crate::fixed::Draws;

/// The glyphs; each character is one pixel.
const GLYPHS: [&str; 10] = [
    "..####.....#####.####..###.#...#...#...#...#...#.....#####",
    ".#....#....#.....#...#..#..##..#...#...#..#.#..#.....#....",
    "#..##..#...#.....#...#..#..##..#...#...#..#.#..#.....#....",
    "#.#....#...####..#...#..#..#.#.#...#...#.#...#.#.....####.",
    "#.#....#...#.....####...#..#.#.#....#.#..#####.#.....#....",
    "#..##..#...#.....#.#....#..#..##....#.#..#...#.#.....#....",
    ".#....#....#.....#..#...#..#..##.....#...#...#.#.....#....",
    "..####.....#####.#...#.###.#...#.....#...#...#.#####.#####",
    "..........................................................",
    "..........################################################",
];

/// Width of the tag with its rim, in pixels.
const TAG_WIDTH: usize = GLYPHS[0].len() + 2;
/// Height of the tag with its rim, in pixels.
const TAG_HEIGHT: usize = GLYPHS.len() + 2;

/// Number of the tag's random stream; the other numbers are in `scene.rs`.
const TAG_STREAM: u64 = 3;

/// Position and strength of a tag.
///
/// ```
/// use fisherlens_mini_voc::{Tag, paste_tag};
///
/// let (width, height) = (120, 80);
/// let mut rgb = vec![90; width * height * 3];
/// let covered = paste_tag(&mut rgb, width, height, Tag::drawn(1));
/// assert!(covered.contains(&true) && !covered[0]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tag {
    /// Distance of its right edge from the right edge of the picture, in pixels.
    pub from_right: usize,
    /// Distance of its lower edge from the lower edge of the picture, in pixels.
    pub from_bottom: usize,
    /// Lightness of the glyphs, 0 to 255.
    pub lightness: u8,
    /// Opacity of the tag, from 0 to 256: 256 hides the picture.
    pub opacity: u16,
}

impl Tag {
    /// A tag whose position and strength vary a little with `seed`, like the tags of the photographer's images.
    pub fn drawn(seed: u64) -> Self {
        let mut draws = Draws::new(TAG_STREAM, seed, 0);
        Self {
            from_right: draws.between(3, 7) as usize,
            from_bottom: draws.between(3, 6) as usize,
            lightness: draws.between(225, 255) as u8,
            opacity: draws.between(190, 245) as u16,
        }
    }

    /// The tag's pixels in a picture of this size as (index, lightness); the index counts pixels row by row.
    ///
    /// If the picture is smaller than the tag, the parts outside the picture are left out.
    fn pixels(self, width: usize, height: usize) -> impl Iterator<Item = (usize, u8)> {
        let glyph = |x: i32, y: i32| {
            let row = usize::try_from(y).ok().and_then(|y| GLYPHS.get(y));
            let byte = row.and_then(|row| usize::try_from(x).ok().and_then(|x| row.as_bytes().get(x)));
            byte == Some(&b'#')
        };
        let places = (0..TAG_HEIGHT).flat_map(|y| (0..TAG_WIDTH).map(move |x| (x, y)));
        places.filter_map(move |(x, y)| {
            let (gx, gy) = (x as i32 - 1, y as i32 - 1);
            let near = || (-1..=1).any(|dy| (-1..=1).any(|dx| glyph(gx + dx, gy + dy)));
            let lightness = if glyph(gx, gy) {
                self.lightness
            } else if near() {
                // A dark rim makes the glyphs readable on a light background too.
                28
            } else {
                return None;
            };
            let column = (width + x).checked_sub(self.from_right + TAG_WIDTH)?;
            let row = (height + y).checked_sub(self.from_bottom + TAG_HEIGHT)?;
            (column < width && row < height).then_some((row * width + column, lightness))
        })
    }
}

/// Pastes a tag into `rgb`, which has `height · width · 3` bytes, row by row. Returns for each pixel whether the tag covers it.
///
/// # Panics
/// When `rgb` has another length.
pub fn paste_tag(rgb: &mut [u8], width: usize, height: usize, tag: Tag) -> Vec<bool> {
    assert_eq!(rgb.len(), width * height * 3, "a picture of {width}×{height} pixels has three bytes per pixel");
    let mut covered = vec![false; width * height];
    for (index, lightness) in tag.pixels(width, height) {
        covered[index] = true;
        for channel in &mut rgb[3 * index..3 * index + 3] {
            let opacity = u32::from(tag.opacity.min(256));
            *channel = ((u32::from(*channel) * (256 - opacity) + u32::from(lightness) * opacity) >> 8) as u8;
        }
    }
    covered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tag_is_in_the_lower_right_corner() {
        assert!(GLYPHS.iter().all(|row| row.len() == GLYPHS[0].len()));
        let (width, height) = (140, 90);
        let mut rgb = vec![100; width * height * 3];
        let tag = Tag::drawn(5);
        let covered = paste_tag(&mut rgb, width, height, tag);
        for (index, &covered) in covered.iter().enumerate() {
            let (x, y) = (index % width, index / width);
            assert_eq!(covered, rgb[3 * index] != 100, "({x}, {y})");
            assert!(!covered || (x >= 60 && y >= 70), "({x}, {y})");
        }
        assert!(covered.iter().filter(|&&covered| covered).count() > 250);
    }

    #[test]
    fn small_pictures_show_a_part_of_the_tag() {
        let mut rgb = vec![0; 20 * 8 * 3];
        let covered = paste_tag(&mut rgb, 20, 8, Tag::drawn(1));
        assert_eq!(covered.len(), 160);
        assert!(paste_tag(&mut [], 0, 0, Tag::drawn(1)).is_empty());
    }
}
