//! A photographer's tag: estimated from the corners of photographs that carry it, pasted on other photographs, and removed.

pub mod scores;

use fisherlens_artifact::array;
use ndarray::{Array2, Array3, ArrayView2, ArrayViewMut3, Zip, s};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::settings::strategies::Corner;

/// Radius of the square whose median grey value is the background of the tag. It is wider than the strokes of letters.
const BACKGROUND_RADIUS: usize = 8;
/// Maximum shift of two tags against each other, in pixels.
const MAX_SHIFT: isize = 6;
/// Minimum correlation of photographs that carry the same tag as the reference.
const SAME_TAG: f64 = 0.3;
/// Maximum number of photographs that are tried as the reference.
const MAX_N_REFERENCES: usize = 8;
/// Minimum opacity of a pixel that belongs to the tag.
const MIN_OPACITY: f32 = 0.1;

/// A tag that can be pasted on a photograph.
#[allow(clippy::unsafe_derive_deserialize, reason = "the only unsafe code is inside the slicing macro of ndarray")]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tag {
    /// Opacity of the tag in each pixel, from −1 (opaque black) to 1 (opaque white), `(height, width)`.
    #[serde(with = "array")]
    pub matte: Array2<f32>,
    /// The corner of the tag. The tag keeps its distance, in pixels, from the two borders.
    pub corner: Corner,
    /// Number of photographs from which it was estimated.
    pub n_photographs: usize,
    /// Number of photographs that were examined.
    pub n_candidates: usize,
}

/// A rectangle in a corner of an image, as first row, first column, height, width.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region {
    /// First row.
    pub top: usize,
    /// First column.
    pub left: usize,
    /// Number of rows.
    pub height: usize,
    /// Number of columns.
    pub width: usize,
}

impl Region {
    /// The rectangle of this size in a corner of an image `(image_height, image_width)`, clipped if the image is smaller.
    pub fn in_corner(corner: Corner, (image_height, image_width): (usize, usize), height: usize, width: usize) -> Self {
        let (height, width) = (height.min(image_height), width.min(image_width));
        let top = if corner.is_upper() { 0 } else { image_height - height };
        let left = if corner.is_left() { 0 } else { image_width - width };
        Self { top, left, height, width }
    }

    /// The corner whose width and height are these shares of the image's width and height, at least one pixel each.
    pub fn of_share(corner: Corner, (image_height, image_width): (usize, usize), [width, height]: [f64; 2]) -> Self {
        let pixels = |share: f64, length: usize| ((share * length as f64).round() as usize).max(1);
        Self::in_corner(corner, (image_height, image_width), pixels(height, image_height), pixels(width, image_width))
    }

    /// Share of the positive relevance of an image that lies in this rectangle; 0 if there is no positive relevance.
    pub fn share(self, relevance: ArrayView2<'_, f32>) -> f64 {
        let sum = |part: ArrayView2<'_, f32>| part.iter().map(|&value| f64::from(value.max(0.0))).sum::<f64>();
        let total = sum(relevance);
        let rows = self.top..self.top + self.height;
        let inside = sum(relevance.slice(s![rows, self.left..self.left + self.width]));
        if total > 0.0 { inside / total } else { 0.0 }
    }
}

impl Tag {
    /// The tag that most of the corners share; `None` if no two corners agree.
    ///
    /// `corners`: grey values 0 to 255 `(height, width)`, all of the same size, each at the two borders of its photograph. The background
    /// of a pixel is the median of the square of 17 × 17 pixels around it. Up to eight corners are tried as the reference. For each
    /// reference, the other corners are shifted by up to 6 pixels so that their difference from the background correlates most with the
    /// reference. Corners with a correlation of 0.3 or more carry the same tag; they are the group of the reference. The group with the
    /// greatest sum of correlations is used. The matte is the median over this group of
    ///
    /// ```text
    /// m = (I − B) / (255 − B)  where I ≥ B,   (I − B) / B  elsewhere
    /// ```
    /// I: grey value, B: background. The median removes the photographs behind the tag. If the tag has several forms, the result is the
    /// most frequent one.
    pub fn estimate(corners: &[Array2<u8>], corner: Corner) -> Option<Self> {
        let residuals: Vec<Array2<f32>> = corners.par_iter().map(matte_of).collect();
        let step = corners.len().div_ceil(MAX_N_REFERENCES).max(1);
        let groups: Vec<Group> = (0..corners.len())
            .step_by(step)
            .collect::<Vec<_>>()
            .into_par_iter()
            .map(|reference| Group::around(&residuals, reference))
            .collect();
        // Of equal groups, the first one is used, so that the result does not depend on the order of the work.
        let members = groups.into_iter().rev().max_by(|a, b| a.correlation.total_cmp(&b.correlation))?.members;
        if members.len() < 2 {
            return None;
        }
        let (height, width) = residuals[0].dim();
        let matte = Array2::from_shape_fn((height, width), |(y, x)| {
            let mut values: Vec<f32> =
                members.iter().map(|&(image, shift)| moved(&residuals[image], y, x, shift)).collect();
            values.sort_by(f32::total_cmp);
            let middle = values.len() / 2;
            let median =
                if values.len() % 2 == 1 { values[middle] } else { f32::midpoint(values[middle - 1], values[middle]) };
            if median.abs() < MIN_OPACITY { 0.0 } else { median }
        });
        Some(Self { matte, corner, n_photographs: members.len(), n_candidates: corners.len() })
    }

    /// Pastes the tag on a photograph `(height, width, 3)`, in its corner.
    pub fn paste(&self, mut rgb: ArrayViewMut3<'_, u8>) {
        let (image_height, image_width, _) = rgb.dim();
        let (height, width) = self.matte.dim();
        let region = Region::in_corner(self.corner, (image_height, image_width), height, width);
        // A photograph smaller than the matte shows the part next to the corner.
        let matte = Region::in_corner(self.corner, (height, width), region.height, region.width);
        let matte = self.matte.slice(s![matte.top..matte.top + matte.height, matte.left..matte.left + matte.width]);
        let mut below =
            rgb.slice_mut(s![region.top..region.top + region.height, region.left..region.left + region.width, ..]);
        Zip::from(below.lanes_mut(ndarray::Axis(2))).and(matte).for_each(|mut pixel, &matte| {
            let color = if matte > 0.0 { 255.0 } else { 0.0 };
            for channel in &mut pixel {
                *channel = (f32::from(*channel) * (1.0 - matte.abs()) + color * matte.abs()).round() as u8;
            }
        });
    }
}

/// Fills a corner with the mirrored pixels next to it: the pixels above a lower corner, or below an upper corner. So it gets similar
/// texture, without an edge. If the corner is higher than half the image, the last row of the image is repeated.
pub fn fill(rgb: &mut Array3<u8>, region: Region) {
    let last_row = rgb.dim().0.saturating_sub(1);
    let columns = region.left..region.left + region.width;
    // The rows are filled from the inner border outwards, so that a row is read before it is overwritten if the corner is too high.
    for row in 0..region.height {
        let (target, source) = if region.top == 0 {
            (region.height - 1 - row, (region.height + row).min(last_row))
        } else {
            (region.top + row, (region.top - 1).saturating_sub(row))
        };
        let mirrored = rgb.slice(s![source, columns.clone(), ..]).to_owned();
        rgb.slice_mut(s![target, columns.clone(), ..]).assign(&mirrored);
    }
}

/// The difference from the background, as a matte of white and black.
fn matte_of(corner: &Array2<u8>) -> Array2<f32> {
    let background = background(corner);
    Zip::from(corner).and(&background).map_collect(|&value, &background| {
        let (value, background) = (f32::from(value), f32::from(background));
        let room = if value >= background { 255.0 - background } else { background };
        if room > 0.0 { (value - background) / room } else { 0.0 }
    })
}

/// Median of the square around each pixel, clipped at the borders. A histogram moves along each row.
fn background(corner: &Array2<u8>) -> Array2<u8> {
    let (height, width) = corner.dim();
    let mut background = Array2::zeros((height, width));
    for y in 0..height {
        let rows = y.saturating_sub(BACKGROUND_RADIUS)..(y + BACKGROUND_RADIUS + 1).min(height);
        let mut counts = [0_u32; 256];
        let mut n_pixels = 0;
        for x in 0..width + BACKGROUND_RADIUS {
            if x < width {
                rows.clone().for_each(|row| counts[usize::from(corner[[row, x]])] += 1);
                n_pixels += rows.len();
            }
            if let Some(left) = x.checked_sub(2 * BACKGROUND_RADIUS + 1) {
                rows.clone().for_each(|row| counts[usize::from(corner[[row, left]])] -= 1);
                n_pixels -= rows.len();
            }
            if let Some(centre) = x.checked_sub(BACKGROUND_RADIUS).filter(|centre| *centre < width) {
                let mut below = 0;
                let median = counts.iter().position(|&count| {
                    below += count as usize;
                    2 * below >= n_pixels
                });
                background[[y, centre]] = median.expect("the counts add up to the number of pixels") as u8;
            }
        }
    }
    background
}

/// The corners that carry the same tag as a reference.
struct Group {
    /// Sum of their correlations with the reference.
    correlation: f64,
    /// Indices of the corners, with their shifts.
    members: Vec<(usize, [isize; 2])>,
}

impl Group {
    fn around(residuals: &[Array2<f32>], reference: usize) -> Self {
        let mut group = Self { correlation: 0.0, members: Vec::new() };
        for (image, residual) in residuals.iter().enumerate() {
            let (correlation, shift) =
                if image == reference { (1.0, [0, 0]) } else { best_shift(&residuals[reference], residual) };
            if correlation >= SAME_TAG {
                group.correlation += correlation;
                group.members.push((image, shift));
            }
        }
        group
    }
}

/// The shift at which `other` correlates most with the reference. Of equal correlations, the smallest shift is used.
fn best_shift(reference: &Array2<f32>, other: &Array2<f32>) -> (f64, [isize; 2]) {
    let squares = |residual: &Array2<f32>| residual.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>();
    let scale = (squares(reference) * squares(other)).sqrt();
    if scale == 0.0 {
        return (0.0, [0, 0]);
    }
    let mut shifts: Vec<[isize; 2]> =
        (-MAX_SHIFT..=MAX_SHIFT).flat_map(|y| (-MAX_SHIFT..=MAX_SHIFT).map(move |x| [y, x])).collect();
    shifts.sort_by_key(|[y, x]| y * y + x * x);
    let (height, width) = reference.dim();
    let mut best = (f64::NEG_INFINITY, [0, 0]);
    for [dy, dx] in shifts {
        // The pixel reference[y, x] is compared with other[y + dy, x + dx].
        let span = |shift: isize, length: usize| {
            let n = length.saturating_sub(shift.unsigned_abs());
            let (start, other) = ((-shift).max(0) as usize, shift.max(0) as usize);
            (start.min(length - n), other.min(length - n), n)
        };
        let ((y, other_y, n_y), (x, other_x, n_x)) = (span(dy, height), span(dx, width));
        let here = reference.slice(s![y..y + n_y, x..x + n_x]);
        let there = other.slice(s![other_y..other_y + n_y, other_x..other_x + n_x]);
        let product: f32 = here
            .outer_iter()
            .zip(there.outer_iter())
            .map(|(here, there)| here.iter().zip(there).map(|(a, b)| a * b).sum::<f32>())
            .sum();
        let correlation = f64::from(product) / scale;
        if correlation > best.0 {
            best = (correlation, [dy, dx]);
        }
    }
    best
}

/// The value of a shifted residual; 0 outside of it.
fn moved(residual: &Array2<f32>, y: usize, x: usize, [dy, dx]: [isize; 2]) -> f32 {
    let place = |at: usize, shift: isize| at.checked_add_signed(shift);
    match (place(y, dy), place(x, dx)) {
        (Some(y), Some(x)) => residual.get([y, x]).copied().unwrap_or(0.0),
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    /// Different backgrounds, with white strokes of opacity 200/255 that are shifted by one or two pixels.
    fn corners() -> (Vec<Array2<u8>>, Array2<bool>) {
        let stroke = |y: isize, x: isize| (8..16).contains(&y) && (10..40).contains(&x) && (x % 5 == 0 || y == 8);
        let one = |image: usize| {
            let shift = [[0, 0], [1, 0], [0, 2], [-1, -1], [0, 0], [2, 1]][image];
            Array2::from_shape_fn((24, 50), |(y, x)| {
                let background = 60 + 20 * image + ((y * (7 + image) + x * (3 + 2 * image)) % 9) * 2;
                let tagged = stroke(y as isize - shift[0], x as isize - shift[1]);
                (if tagged { (background * 55 + 255 * 200) / 255 } else { background }) as u8
            })
        };
        ((0..6).map(one).collect(), Array2::from_shape_fn((24, 50), |(y, x)| stroke(y as isize, x as isize)))
    }

    #[test]
    fn the_tag_is_estimated_from_corners_with_different_backgrounds() {
        let (corners, truth) = corners();
        let tag = Tag::estimate(&corners, Corner::LowerLeft).unwrap();
        assert_eq!((tag.n_photographs, tag.n_candidates), (6, 6));
        for ((place, &inside), &matte) in truth.indexed_iter().zip(&tag.matte) {
            let expected = if inside { 200.0 / 255.0 } else { 0.0 };
            assert!((matte - expected).abs() < 0.15, "{place:?}: {matte}");
        }
        // Corners that share nothing have no tag.
        let other = Array2::from_shape_fn((24, 50), |(y, x)| ((y * 13 + x * 29) % 251) as u8);
        assert_eq!(Tag::estimate(&[corners[0].clone(), other], Corner::LowerLeft), None);
        assert_eq!(Tag::estimate(&[], Corner::LowerLeft), None);
    }

    #[test]
    fn pasting_by_hand() {
        let matte = array![[0.0, 0.5], [-1.0, 0.0]];
        let tag = Tag { matte, corner: Corner::LowerRight, n_photographs: 2, n_candidates: 2 };
        let mut rgb = Array3::from_elem((3, 3, 3), 100_u8);
        tag.paste(rgb.view_mut());
        let red = rgb.slice(s![.., .., 0]).to_owned();
        assert_eq!(red, array![[100, 100, 100], [100, 100, 178], [100, 0, 100]]);
        // A photograph of one pixel gets the corner pixel of the tag, which is transparent.
        let mut small = Array3::from_elem((1, 1, 3), 9_u8);
        tag.paste(small.view_mut());
        assert_eq!(small, Array3::from_elem((1, 1, 3), 9));
    }

    #[test]
    fn a_corner_is_filled_with_the_pixels_next_to_it() {
        let mut rgb = Array3::from_shape_fn((4, 3, 3), |(y, x, _)| (10 * y + x) as u8);
        fill(&mut rgb, Region::of_share(Corner::LowerLeft, (4, 3), [0.5, 0.5]));
        assert_eq!(rgb.slice(s![.., .., 1]).to_owned(), array![[0, 1, 2], [10, 11, 12], [10, 11, 22], [0, 1, 32]]);
        fill(&mut rgb, Region::in_corner(Corner::UpperRight, (4, 3), 1, 1));
        assert_eq!(rgb[[0, 2, 0]], 12);
    }

    #[test]
    fn corners_and_their_shares() {
        let region = Region::of_share(Corner::LowerRight, (10, 20), [0.25, 0.2]);
        assert_eq!(region, Region { top: 8, left: 15, height: 2, width: 5 });
        let mut relevance = Array2::from_elem((10, 20), -1.0_f32);
        assert_eq!(region.share(relevance.view()), 0.0);
        relevance[[9, 19]] = 3.0;
        relevance[[0, 0]] = 1.0;
        assert_eq!(region.share(relevance.view()), 0.75);
    }
}
