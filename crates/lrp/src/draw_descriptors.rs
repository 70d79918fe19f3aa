//! A picture of the most relevant descriptors at their places.

use fisherlens_descriptors::{Frame, SupportSquare};
use ndarray::{Array3, ArrayView3};

use crate::color_map::ColorMap;
use crate::error::LrpError;

/// The photograph with the outlines of the squares that its `n` most relevant descriptors cover.
///
/// `photograph` `(height, width, 3)`. `frames` and `relevance`: one entry per descriptor. Descriptors are ranked by `|R[l]|`, and an
/// outline has the colour of `R[l] / max |R|` in `map`. The most relevant descriptors are drawn last, on top of the others. The photograph
/// is drawn at half its brightness, so that the outlines are visible. Descriptors whose relevance is not finite are not drawn.
///
/// # Errors
/// [`LrpError::Length`] when frames and relevance have different lengths.
///
/// ```
/// use fisherlens_descriptors::Frame;
/// use fisherlens_lrp::{ColorMap, draw_descriptors};
/// use ndarray::{Array3, array, s};
///
/// let photograph = Array3::from_elem((12, 12, 3), 200_u8);
/// let frame = Frame { x: 4.0, y: 4.0, bin_size: 1, norm: 1.0 };
/// let picture = draw_descriptors(photograph.view(), &[frame], &[1.0], 1, ColorMap::Diverging)?;
/// assert_eq!(picture.slice(s![2, 2, ..]), array![255, 0, 0]);
/// assert_eq!(picture.slice(s![3, 3, ..]), array![100, 100, 100]);
/// # Ok::<(), fisherlens_lrp::LrpError>(())
/// ```
pub fn draw_descriptors(
    photograph: ArrayView3<'_, u8>,
    frames: &[Frame],
    relevance: &[f32],
    n: usize,
    map: ColorMap,
) -> Result<Array3<u8>, LrpError> {
    if frames.len() != relevance.len() {
        return Err(LrpError::Length {
            what: "relevance of descriptors",
            expected: frames.len(),
            found: relevance.len(),
            hint: "pass the frames of the descriptors, in the same order",
        });
    }
    let (height, width, _) = photograph.dim();
    let mut order: Vec<usize> = (0..frames.len()).filter(|&l| relevance[l].is_finite()).collect();
    order.sort_by(|&a, &b| relevance[b].abs().total_cmp(&relevance[a].abs()));
    order.truncate(n);
    let largest = order.first().map_or(0.0, |&l| relevance[l].abs());
    let mut picture = photograph.mapv(|value| value / 2);
    for &l in order.iter().rev() {
        let share = if largest > 0.0 { relevance[l] / largest } else { 0.0 };
        outline(&mut picture, frames[l].support(width, height), map.color(share));
    }
    Ok(picture)
}

fn outline(picture: &mut Array3<u8>, square: SupportSquare, color: [u8; 3]) {
    if square.area() == 0 {
        return;
    }
    let (last_x, last_y) = (square.right - 1, square.bottom - 1);
    let rows = (square.left..=last_x).flat_map(|x| [(x, square.top), (x, last_y)]);
    let columns = (square.top..=last_y).flat_map(|y| [(square.left, y), (last_x, y)]);
    for (x, y) in rows.chain(columns) {
        for (channel, value) in color.into_iter().enumerate().take(picture.dim().2) {
            picture[[y, x, channel]] = value;
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::s;

    use super::*;

    fn frame(x: f32, y: f32) -> Frame {
        Frame { x, y, bin_size: 1, norm: 1.0 }
    }

    #[test]
    fn outlines_by_hand() {
        let photograph = Array3::from_elem((12, 12, 3), 200_u8);
        let frames = [frame(4.0, 4.0), frame(9.0, 9.0), frame(5.0, 4.0)];
        let picture = draw_descriptors(photograph.view(), &frames, &[1.0, -2.0, 0.5], 2, ColorMap::Diverging).unwrap();
        // The square of the first descriptor covers pixels 2 … 5 in both directions. The third descriptor is not drawn.
        assert_eq!(picture.slice(s![2, 2, ..]).to_vec(), [255, 128, 128]);
        assert_eq!(picture.slice(s![5, 5, ..]).to_vec(), [255, 128, 128]);
        assert_eq!(picture.slice(s![3, 3, ..]).to_vec(), [100, 100, 100]);
        assert_eq!(picture.slice(s![2, 6, ..]).to_vec(), [100, 100, 100]);
        assert_eq!(picture.slice(s![7, 7, ..]).to_vec(), [0, 0, 255]);
        let none = draw_descriptors(photograph.view(), &[], &[], 5, ColorMap::Gray).unwrap();
        assert!(none.iter().all(|&value| value == 100));
    }

    #[test]
    fn squares_across_the_edge_are_clipped_and_nan_is_not_drawn() {
        let photograph = Array3::from_elem((6, 6, 3), 200_u8);
        let frames = [frame(0.0, 0.0), frame(500.0, 2.0), frame(3.0, 3.0)];
        let picture =
            draw_descriptors(photograph.view(), &frames, &[1.0, 1.0, f32::NAN], 9, ColorMap::BlackFire).unwrap();
        assert_eq!(picture.slice(s![0, 0, ..]).to_vec(), [255, 255, 255]);
        assert_eq!(picture.slice(s![3, 3, ..]).to_vec(), [100, 100, 100]);
        assert!(draw_descriptors(photograph.view(), &frames, &[1.0], 9, ColorMap::Gray).is_err());
    }
}
