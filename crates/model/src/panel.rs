//! Several pictures in one, with a line of text above each.

use font8x8::{BASIC_FONTS, LATIN_FONTS, UnicodeFonts};
use ndarray::{Array3, ArrayView3, s};

/// Pixels a dot of the font is wide and high.
const DOT: usize = 2;
/// Dots of a character each way.
const CHARACTER: usize = 8;
/// Space around pictures, in pixels.
const GAP: usize = 8;
/// Height of a line of text with the space below it.
const LINE: usize = CHARACTER * DOT + GAP / 2;

/// A picture `(height, width, 3)` and the text above it.
pub struct Cell {
    /// Cut off at the picture's width.
    pub label: String,
    /// The picture.
    pub picture: Array3<u8>,
}

/// Rows of pictures on white; columns are as wide as their widest picture, rows as high as their highest. None of the rows need be full.
pub fn panel(rows: &[Vec<Cell>]) -> Array3<u8> {
    let n_columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width_of = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.picture.dim().1).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..n_columns).map(width_of).collect();
    let heights: Vec<usize> =
        rows.iter().map(|row| row.iter().map(|cell| cell.picture.dim().0).max().unwrap_or(0)).collect();
    let total = |sides: &[usize], extra: usize| GAP + sides.iter().map(|side| side + extra + GAP).sum::<usize>();
    let mut panel = Array3::from_elem((total(&heights, LINE), total(&widths, 0), 3), 255);
    let mut top = GAP;
    for (row, height) in rows.iter().zip(heights) {
        let mut left = GAP;
        for (cell, &width) in row.iter().zip(&widths) {
            write_text(&mut panel, &cell.label, left, top, width);
            put(&mut panel, cell.picture.view(), left, top + LINE);
            left += width + GAP;
        }
        top += LINE + height + GAP;
    }
    panel
}

fn put(panel: &mut Array3<u8>, picture: ArrayView3<'_, u8>, left: usize, top: usize) {
    let (height, width, _) = picture.dim();
    panel.slice_mut(s![top..top + height, left..left + width, ..]).assign(&picture);
}

/// Dark letters; a character that the font lacks is a question mark.
fn write_text(panel: &mut Array3<u8>, text: &str, left: usize, top: usize, width: usize) {
    for (at, character) in text.chars().take(width / (CHARACTER * DOT)).enumerate() {
        let glyph = BASIC_FONTS.get(character).or_else(|| LATIN_FONTS.get(character)).or_else(|| BASIC_FONTS.get('?'));
        for (y, row) in glyph.unwrap_or_default().iter().enumerate() {
            for x in (0..CHARACTER).filter(|x| row >> x & 1 == 1) {
                let (left, top) = (left + (at * CHARACTER + x) * DOT, top + y * DOT);
                panel.slice_mut(s![top..top + DOT, left..left + DOT, ..]).fill(30);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(label: &str, height: usize, width: usize, value: u8) -> Cell {
        Cell { label: label.to_owned(), picture: Array3::from_elem((height, width, 3), value) }
    }

    #[test]
    fn pictures_stand_below_their_labels() {
        let rows = [vec![cell("a", 20, 40, 7), cell("wide", 10, 70, 9)], vec![cell("é…", 15, 50, 5)]];
        let panel = panel(&rows);
        // Columns of 50 and 70, rows of 20 and 15.
        assert_eq!(panel.dim(), (GAP + 20 + LINE + GAP + 15 + LINE + GAP, GAP + 50 + GAP + 70 + GAP, 3));
        assert_eq!(panel[[GAP + LINE, GAP, 0]], 7);
        assert_eq!(panel[[GAP + LINE, GAP + 50 + GAP, 0]], 9);
        assert_eq!(panel[[GAP + LINE + 20 + GAP + LINE, GAP, 2]], 5);
        assert!(panel.slice(s![GAP..GAP + LINE, GAP..GAP + 16, 0]).iter().any(|&value| value == 30), "the letter");
        assert_eq!(panel[[GAP + LINE, GAP + 45, 0]], 255, "beside a narrower picture");
    }

    #[test]
    fn labels_are_cut_off_and_nothing_is_a_small_picture() {
        let panel_of = |label: &str| panel(&[vec![cell(label, 4, 33, 0)]]);
        assert_eq!(panel_of("long label"), panel_of("lo"));
        assert_eq!(panel(&[]).dim(), (GAP, GAP, 3));
    }
}
