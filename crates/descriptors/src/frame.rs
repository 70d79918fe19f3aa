//! The place of a descriptor, and the square of pixels that its relevance is spread over.

use crate::window::N_BINS;

/// Place and contrast of one descriptor.
///
/// ```
/// use fisherlens_descriptors::{Frame, SupportSquare};
///
/// let frame = Frame { x: 21.0, y: 30.0, bin_size: 4, norm: 0.1 };
/// let square = frame.support(100, 100);
/// assert_eq!(square, SupportSquare { left: 13, top: 22, right: 29, bottom: 38 });
/// assert_eq!(square.area(), 256);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Frame {
    /// Column of the centre in pixels; 0 is the centre of the leftmost pixels.
    pub x: f32,
    /// Row of the centre in pixels; 0 is the centre of the topmost pixels.
    pub y: f32,
    /// Side of one of the 4 × 4 bins in pixels.
    pub bin_size: u16,
    /// Contrast: the sum of the descriptor before normalisation, divided by (3 · `bin_size` + 1)².
    pub norm: f32,
}

impl Frame {
    /// The square of pixels that the descriptor's relevance is spread over, clipped to the image.
    ///
    /// ```text
    /// pixels floor(x) − 2b … floor(x) + 2b − 1, likewise y       b: bin_size
    /// ```
    /// The square is `4 · bin_size` pixels wide. With an odd bin size the centre can lie between two pixels; the floor then chooses
    /// the left and the upper one. `width` and `height` are the size of the image. If the centre lies so far outside that no pixel is
    /// left, the square is empty.
    ///
    /// # References
    /// `lapuschkin2016`, supplement eq. 10 (area of a descriptor).
    pub fn support(&self, width: usize, height: usize) -> SupportSquare {
        let (left, right) = clipped_run(self.x, self.bin_size, width);
        let (top, bottom) = clipped_run(self.y, self.bin_size, height);
        SupportSquare { left, top, right, bottom }
    }
}

/// Half-open range of pixels along one axis around `centre`, clipped to `0 .. length`.
fn clipped_run(centre: f32, bin_size: u16, length: usize) -> (usize, usize) {
    let length = i64::try_from(length).unwrap_or(i64::MAX);
    let side = N_BINS as i64 * i64::from(bin_size);
    let start = (centre.floor() as i64).saturating_sub(side / 2);
    let end = start.saturating_add(side);
    let start = start.clamp(0, length);
    (start as usize, end.clamp(start, length) as usize)
}

/// Half-open rectangle of pixels inside an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct SupportSquare {
    /// First column.
    pub left: usize,
    /// First row.
    pub top: usize,
    /// First column after the rectangle.
    pub right: usize,
    /// First row below the rectangle.
    pub bottom: usize,
}

impl SupportSquare {
    /// Number of pixels.
    pub fn area(&self) -> usize {
        self.right.saturating_sub(self.left) * self.bottom.saturating_sub(self.top)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(x: f32, y: f32, bin_size: u16) -> Frame {
        Frame { x, y, bin_size, norm: 0.0 }
    }

    #[test]
    fn square_inside_the_image_by_hand() {
        let square = frame(21.0, 30.0, 4).support(100, 100);
        assert_eq!(square, SupportSquare { left: 13, top: 22, right: 29, bottom: 38 });
        assert_eq!(square.area(), 256);
    }

    #[test]
    fn the_square_is_clipped_at_all_four_sides() {
        let square = frame(3.0, 8.0, 4).support(9, 12);
        assert_eq!(square, SupportSquare { left: 0, top: 0, right: 9, bottom: 12 });
        assert_eq!(square.area(), 108);
    }

    #[test]
    fn a_centre_between_two_pixels_belongs_to_the_left_one() {
        let square = frame(22.5, 22.5, 5).support(100, 100);
        assert_eq!(square, SupportSquare { left: 12, top: 12, right: 32, bottom: 32 });
    }

    #[test]
    fn a_centre_far_outside_gives_an_empty_square() {
        assert_eq!(frame(1e9, 5.0, 4).support(10, 10).area(), 0);
        assert_eq!(frame(-1e9, 5.0, 4).support(10, 10).area(), 0);
        assert_eq!(frame(f32::NAN, 5.0, 4).support(0, 0).area(), 0);
    }
}
