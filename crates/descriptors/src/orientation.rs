//! Which way up a photograph was taken, as its EXIF data says.

use std::io::Cursor;

/// The eight ways in which a camera can have held its sensor (EXIF tag 0x0112).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Orientation {
    /// Rows and columns are swapped first.
    transposed: bool,
    /// Then columns run from right to left.
    mirrored: bool,
    /// And rows from the bottom up.
    upside_down: bool,
}

impl Orientation {
    /// From the bytes of a whole JPEG or PNG file; upright where they do not say, or say nonsense.
    pub(crate) fn read(bytes: &[u8]) -> Self {
        let read = exif::Reader::new().read_from_container(&mut Cursor::new(bytes));
        let field = read.ok().and_then(|exif| {
            exif.get_field(exif::Tag::Orientation, exif::In::PRIMARY).and_then(|field| field.value.get_uint(0))
        });
        Self::from_tag(field.unwrap_or(1))
    }

    /// 1 to 8 as EXIF numbers them: where row 0 and column 0 of the stored picture are to be seen.
    fn from_tag(tag: u32) -> Self {
        let (transposed, mirrored, upside_down) = match tag {
            2 => (false, true, false),
            3 => (false, true, true),
            4 => (false, false, true),
            5 => (true, false, false),
            6 => (true, true, false),
            7 => (true, true, true),
            8 => (true, false, true),
            _ => (false, false, false),
        };
        Self { transposed, mirrored, upside_down }
    }

    /// Whether width becomes height.
    pub(crate) fn swaps_sides(self) -> bool {
        self.transposed
    }

    /// Pixels of `CHANNELS` bytes, row by row, of a picture stored with this width and height, as they are to be seen.
    pub(crate) fn turn<const CHANNELS: usize>(self, values: Vec<u8>, width: usize, height: usize) -> Vec<u8> {
        if self == Self::from_tag(1) {
            return values;
        }
        let (seen_width, seen_height) = if self.transposed { (height, width) } else { (width, height) };
        let pixels = values.as_chunks::<CHANNELS>().0;
        let mut turned = Vec::with_capacity(values.len());
        for y in 0..seen_height {
            for x in 0..seen_width {
                let x = if self.mirrored { seen_width - 1 - x } else { x };
                let y = if self.upside_down { seen_height - 1 - y } else { y };
                let (stored_x, stored_y) = if self.transposed { (y, x) } else { (x, y) };
                turned.extend_from_slice(&pixels[stored_y * width + stored_x]);
            }
        }
        turned
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_eight_orientations_of_exif() {
        // Stored as 1 2 3 over 4 5 6, three wide and two high.
        let seen = |tag| Orientation::from_tag(tag).turn::<1>(vec![1, 2, 3, 4, 5, 6], 3, 2);
        assert_eq!(seen(1), [1, 2, 3, 4, 5, 6]);
        assert_eq!(seen(2), [3, 2, 1, 6, 5, 4]);
        assert_eq!(seen(3), [6, 5, 4, 3, 2, 1]);
        assert_eq!(seen(4), [4, 5, 6, 1, 2, 3]);
        // Two wide and three high: row 0 is the left side, column 0 the top; …
        assert_eq!(seen(5), [1, 4, 2, 5, 3, 6]);
        // … row 0 is the right side, column 0 the top, as a telephone held upright stores it; …
        assert_eq!(seen(6), [4, 1, 5, 2, 6, 3]);
        assert_eq!(seen(7), [6, 3, 5, 2, 4, 1]);
        assert_eq!(seen(8), [3, 6, 2, 5, 1, 4]);
        assert_eq!(seen(9), seen(1));
    }

    #[test]
    fn bytes_without_exif_are_upright() {
        for bytes in [&b""[..], b"\xff\xd8\xff\xe1\x00\x10Exif\x00\x00MM\x00\x2a\xff\xff\xff\xff", b"\x89PNG"] {
            assert_eq!(Orientation::read(bytes), Orientation::from_tag(1));
        }
    }
}
