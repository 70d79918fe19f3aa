//! Where a descriptor lies, and which pixels it was made from.

/// Place and contrast of one descriptor.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Frame {
    /// Column of the centre in pixels; 0 is the centre of the leftmost pixels.
    pub x: f32,
    /// Row of the centre in pixels; 0 is the centre of the topmost pixels.
    pub y: f32,
    /// Side of one of the 4 × 4 bins in pixels.
    pub bin_size: u16,
    /// Contrast: sum of the descriptor before normalisation, over (3 · `bin_size` + 1)².
    pub norm: f32,
}

/// Bins along one axis of a descriptor; the support is as many bins wide.
const BINS_ALONG_AXIS: i64 = 4;

impl Frame {
    /// The square of pixels that the descriptor's relevance is spread over, clipped to the image.
    ///
    /// ```text
    /// pixels floor(x) − 2b … floor(x) + 2b − 1, likewise y       b: bin_size
    /// ```
    /// The square is `4 · bin_size` wide. An odd bin size can put the centre between two pixels; the floor then takes
    /// the left and upper one. `width` and `height` are those of the image. A centre so far outside that no pixel is
    /// left gives an empty square.
    ///
    /// # References
    /// `lapuschkin2016`, supplement eq. 10 (area of a descriptor).
    pub fn support(&self, width: usize, height: usize) -> SupportSquare {
        let (left, right) = clipped_run(self.x, self.bin_size, width);
        let (top, bottom) = clipped_run(self.y, self.bin_size, height);
        SupportSquare { left, top, right, bottom }
    }
}

/// Half-open run of pixels of one axis around `centre`, clipped to `0 .. length`.
fn clipped_run(centre: f32, bin_size: u16, length: usize) -> (usize, usize) {
    let length = i64::try_from(length).unwrap_or(i64::MAX);
    let start = (centre.floor() as i64).saturating_sub(BINS_ALONG_AXIS / 2 * i64::from(bin_size));
    let end = start.saturating_add(BINS_ALONG_AXIS * i64::from(bin_size));
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
    /// One past the last column.
    pub right: usize,
    /// One past the last row.
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
    fn clipped_at_all_four_sides() {
        let square = frame(3.0, 8.0, 4).support(9, 12);
        assert_eq!(square, SupportSquare { left: 0, top: 0, right: 9, bottom: 12 });
        assert_eq!(square.area(), 108);
    }

    #[test]
    fn half_pixel_centres_take_the_left_pixel() {
        let square = frame(22.5, 22.5, 5).support(100, 100);
        assert_eq!(square, SupportSquare { left: 12, top: 12, right: 32, bottom: 32 });
    }

    #[test]
    fn centre_far_outside_gives_no_pixel() {
        assert_eq!(frame(1e9, 5.0, 4).support(10, 10).area(), 0);
        assert_eq!(frame(-1e9, 5.0, 4).support(10, 10).area(), 0);
        assert_eq!(frame(f32::NAN, 5.0, 4).support(0, 0).area(), 0);
    }
}
