//! The orientation of a photograph according to its EXIF data.

use std::io::Cursor;

/// What precedes the EXIF data in a JPEG file. Some programs also write it to other files, where it does not belong.
const JPEG_HEADER: &[u8] = b"Exif\0\0";

/// One of the eight orientations of EXIF tag 0x0112, as the steps from the stored to the upright picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Orientation {
    /// First, rows and columns are swapped.
    transposed: bool,
    /// Then, the order of the columns is reversed.
    mirrored: bool,
    /// Then, the order of the rows is reversed.
    upside_down: bool,
}

impl Orientation {
    /// Reads the orientation from the bytes of a whole file; upright if there is no valid one. Other fields of the EXIF data may
    /// be broken.
    pub(crate) fn read(bytes: &[u8]) -> Self {
        let mut reader = exif::Reader::new();
        reader.continue_on_error(true);
        let chunk = exif_of_png(bytes).or_else(|| exif_of_webp(bytes));
        let read = match chunk.and_then(|chunk| chunk.strip_prefix(JPEG_HEADER)) {
            // The reader does not skip the header.
            Some(data) => reader.read_raw(data.to_vec()),
            None => reader.read_from_container(&mut Cursor::new(bytes)),
        };
        let read = read.or_else(|error| error.distill_partial_result(|_| ()));
        let field = read.ok().and_then(|exif| {
            exif.get_field(exif::Tag::Orientation, exif::In::PRIMARY).and_then(|field| field.value.get_uint(0))
        });
        Self::from_tag(field.unwrap_or(1))
    }

    /// The orientation of an EXIF number from 1 to 8, which says at which sides row 0 and column 0 of the stored picture belong.
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

    /// Whether width and height are exchanged.
    pub(crate) fn swaps_sides(self) -> bool {
        self.transposed
    }

    /// Turns a picture upright. `values`: pixels of `CHANNELS` bytes, row by row; `width` and `height`: size of the stored picture.
    pub(crate) fn turn<const CHANNELS: usize>(self, values: Vec<u8>, width: usize, height: usize) -> Vec<u8> {
        if self == Self::from_tag(1) {
            return values;
        }
        let (upright_width, upright_height) = if self.transposed { (height, width) } else { (width, height) };
        let pixels = values.as_chunks::<CHANNELS>().0;
        let mut turned = Vec::with_capacity(values.len());
        for y in 0..upright_height {
            for x in 0..upright_width {
                let x = if self.mirrored { upright_width - 1 - x } else { x };
                let y = if self.upside_down { upright_height - 1 - y } else { y };
                let (stored_x, stored_y) = if self.transposed { (y, x) } else { (x, y) };
                turned.extend_from_slice(&pixels[stored_y * width + stored_x]);
            }
        }
        turned
    }
}

/// The content of the first chunk with EXIF data of a PNG file.
fn exif_of_png(bytes: &[u8]) -> Option<&[u8]> {
    let mut rest = bytes.strip_prefix(b"\x89PNG\r\n\x1a\n")?;
    loop {
        let (length, after) = rest.split_first_chunk::<4>()?;
        let (name, after) = after.split_first_chunk::<4>()?;
        let (content, after) = after.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        if name == b"eXIf" {
            return Some(content);
        }
        // A checksum of four bytes follows.
        rest = after.get(4..)?;
    }
}

/// The same for a WebP file.
fn exif_of_webp(bytes: &[u8]) -> Option<&[u8]> {
    let mut rest = bytes.strip_prefix(b"RIFF")?.get(4..)?.strip_prefix(b"WEBP")?;
    loop {
        let (name, after) = rest.split_first_chunk::<4>()?;
        let (length, after) = after.split_first_chunk::<4>()?;
        let length = u32::from_le_bytes(*length) as usize;
        if name == b"EXIF" {
            return after.get(..length);
        }
        // The next chunk begins at an even place.
        rest = after.get(length.checked_next_multiple_of(2)?..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// EXIF data with nothing but orientation 6.
    const TIFF: &[u8] = b"MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";

    #[test]
    fn the_eight_orientations_by_hand() {
        // The stored picture: 1 2 3 above 4 5 6, three pixels wide and two high.
        let upright = |tag| Orientation::from_tag(tag).turn::<1>(vec![1, 2, 3, 4, 5, 6], 3, 2);
        assert_eq!(upright(1), [1, 2, 3, 4, 5, 6]);
        assert_eq!(upright(2), [3, 2, 1, 6, 5, 4]);
        assert_eq!(upright(3), [6, 5, 4, 3, 2, 1]);
        assert_eq!(upright(4), [4, 5, 6, 1, 2, 3]);
        // From here on, the upright picture is two pixels wide and three high. 5: row 0 is the left side, column 0 the top.
        assert_eq!(upright(5), [1, 4, 2, 5, 3, 6]);
        // 6: row 0 is the right side, column 0 the top. Phones that are held upright store this one.
        assert_eq!(upright(6), [4, 1, 5, 2, 6, 3]);
        assert_eq!(upright(7), [6, 3, 5, 2, 4, 1]);
        assert_eq!(upright(8), [3, 6, 2, 5, 1, 4]);
        assert_eq!(upright(9), upright(1));
    }

    #[test]
    fn a_broken_field_does_not_hide_the_orientation() {
        // Two entries: a name of 100 letters that lie behind the end of the file, and orientation 6.
        let make = [&[0x01, 0x0f, 0, 2][..], &100_u32.to_be_bytes(), &60_000_u32.to_be_bytes()].concat();
        let orientation = [&[0x01, 0x12, 0, 3][..], &1_u32.to_be_bytes(), &[0, 6, 0, 0]].concat();
        let tiff = [b"MM\0\x2a\0\0\0\x08\0\x02", &make[..], &orientation, &[0; 4]].concat();
        let exif = [b"Exif\0\0", &tiff[..]].concat();
        let length = u16::try_from(exif.len() + 2).unwrap().to_be_bytes();
        let jpeg = [b"\xff\xd8\xff\xe1", &length[..], &exif, b"\xff\xd9"].concat();
        assert_eq!(Orientation::read(&jpeg), Orientation::from_tag(6));
    }

    /// Some programs write the header of JPEG files before the EXIF data of other files; Pillow turns such pictures too.
    #[test]
    fn the_header_of_jpeg_files_is_skipped_in_png_and_webp_files() {
        for header in [b"", JPEG_HEADER] {
            let exif = [header, TIFF].concat();
            let length = u32::try_from(exif.len()).unwrap();
            let chunk = |name: &[u8], content: &[u8]| {
                [&u32::try_from(content.len()).unwrap().to_be_bytes(), name, content, &[0; 4]].concat()
            };
            let png = [b"\x89PNG\r\n\x1a\n", &chunk(b"IHDR", &[0; 13])[..], &chunk(b"eXIf", &exif)].concat();
            assert_eq!(Orientation::read(&png), Orientation::from_tag(6), "PNG, {header:?}");
            // A chunk of one byte, and a byte that makes the length even, come before.
            let body = [b"WEBPABCD\x01\0\0\0\0\0EXIF", &length.to_le_bytes()[..], &exif].concat();
            let webp = [b"RIFF", &u32::try_from(body.len()).unwrap().to_le_bytes()[..], &body].concat();
            assert_eq!(Orientation::read(&webp), Orientation::from_tag(6), "WebP, {header:?}");
        }
    }

    #[test]
    fn pictures_without_valid_exif_data_are_upright() {
        for bytes in [&b""[..], b"\xff\xd8\xff\xe1\x00\x10Exif\x00\x00MM\x00\x2a\xff\xff\xff\xff", b"\x89PNG"] {
            assert_eq!(Orientation::read(bytes), Orientation::from_tag(1));
        }
    }
}
