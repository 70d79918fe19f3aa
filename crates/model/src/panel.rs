//! Several pictures in one, with a title above them and a caption below each.

use ndarray::{Array3, ArrayView3, s};

use crate::text::Text;

/// Smallest height of an em in pixels. Captions of this size are readable when each pixel of the panel is one pixel of the screen.
const MIN_EM: f32 = 18.0;
/// The widest column is at most this many ems wide, so that larger pictures have captions with larger letters.
const MAX_EMS_PER_COLUMN: f32 = 30.0;
/// Size of the title's letters relative to the captions.
const TITLE_SCALE: f32 = 1.25;
/// Smallest width of a column in ems, so that captions are readable: 162 pixels with the smallest letters.
const MIN_EMS_PER_COLUMN: f32 = 9.0;
/// Space between pictures and around them, in ems.
const GAP: f32 = 0.8;
/// Width divided by height that a grid should come near: the shape of a screen.
const ASPECT: f64 = 1.5;
/// Weight of the share of empty cells against the deviation from that shape. With 3, three photographs lie in one row, and five in two
/// rows.
const EMPTY_CELL_PENALTY: f64 = 3.0;

/// A picture and the text below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// Lines that are too long are wrapped; a line feed begins a new one.
    pub caption: String,
    /// Red, green and blue `(height, width, 3)`. A picture that is smaller than the narrowest column is enlarged by a whole number.
    pub picture: Array3<u8>,
}

/// Pictures in rows and columns on white paper.
///
/// A column is as wide as its widest picture, and wide enough for a readable caption. A row is as high as its highest picture and its
/// longest caption. Nothing is cut off.
///
/// ```
/// use fisherlens_model::{Cell, Panel};
/// use ndarray::Array3;
///
/// let cell = |caption: &str| Cell { caption: caption.to_owned(), picture: Array3::from_elem((90, 120, 3), 128) };
/// let panel = Panel::grid("photograph.jpg", ["photograph", "horse  +1.27", "person  +0.41"].map(cell).to_vec());
/// let (height, width, channels) = panel.draw().dim();
/// assert!(width > 3 * 120 && height > 90 && channels == 3);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Panel {
    title: String,
    rows: Vec<Vec<Cell>>,
}

/// Where everything stands, in pixels.
struct Layout {
    caption_text: Text,
    title_text: Text,
    gap: usize,
    /// Smallest width of a column.
    min_width: usize,
    /// Width of each column.
    widths: Vec<usize>,
    title: Vec<String>,
    rows: Vec<RowLayout>,
    width: usize,
    height: usize,
}

/// One row of pictures and captions.
struct RowLayout {
    top: usize,
    picture_height: usize,
    /// Lines of each cell's caption.
    captions: Vec<Vec<String>>,
}

impl Panel {
    /// Arranges the cells in the given rows, which may have different lengths.
    pub fn rows(title: &str, rows: Vec<Vec<Cell>>) -> Self {
        Self { title: title.to_owned(), rows }
    }

    /// Arranges the cells from left to right and from top to bottom. The number of columns is chosen so that the panel has about the shape
    /// of a screen and few empty cells.
    pub fn grid(title: &str, cells: Vec<Cell>) -> Self {
        let cost = |n_columns: usize| {
            let rows: Vec<&[Cell]> = cells.chunks(n_columns).collect();
            let n_cells = n_columns * rows.len();
            let layout = Layout::new(title, &rows);
            let aspect = layout.width as f64 / layout.height as f64;
            let n_empty = n_cells - cells.len();
            (aspect / ASPECT).ln().abs() + EMPTY_CELL_PENALTY * n_empty as f64 / n_cells as f64
        };
        let costs = (1..=cells.len()).map(|n_columns| (cost(n_columns), n_columns));
        let best = costs.min_by(|a, b| a.0.total_cmp(&b.0)).map_or(1, |(_, n_columns)| n_columns);
        let mut rest = cells.into_iter();
        let mut rows = Vec::new();
        while rest.len() > 0 {
            rows.push(rest.by_ref().take(best).collect());
        }
        Self::rows(title, rows)
    }

    /// Draws the panel: red, green and blue `(height, width, 3)`.
    pub fn draw(&self) -> Array3<u8> {
        let rows: Vec<&[Cell]> = self.rows.iter().map(Vec::as_slice).collect();
        let layout = Layout::new(&self.title, &rows);
        let gap = layout.gap;
        let mut panel = Array3::from_elem((layout.height, layout.width, 3), 255);
        let write = |panel: &mut Array3<u8>, text: Text, lines: &[String], left: usize, top: usize| {
            for (index, line) in lines.iter().enumerate() {
                text.draw(panel, line, left, top + index * text.line_height());
            }
        };
        write(&mut panel, layout.title_text, &layout.title, gap, gap);
        for (row, place) in self.rows.iter().zip(&layout.rows) {
            let mut left = gap;
            for ((cell, caption), width) in row.iter().zip(&place.captions).zip(&layout.widths) {
                put(&mut panel, cell.picture.view(), enlargement(&cell.picture, layout.min_width), left, place.top);
                write(&mut panel, layout.caption_text, caption, left, place.top + place.picture_height + gap / 2);
                left += width + gap;
            }
        }
        panel
    }
}

impl Layout {
    fn new(title: &str, rows: &[&[Cell]]) -> Self {
        let pictures = || rows.iter().flat_map(|row| row.iter()).map(|cell| &cell.picture);
        let widest = pictures().map(|picture| picture.dim().1).max().unwrap_or(0);
        let em = MIN_EM.max(widest as f32 / MAX_EMS_PER_COLUMN);
        let (caption_text, title_text) = (Text::new(em), Text::new(em * TITLE_SCALE));
        let gap = (em * GAP).round() as usize;
        let min_width = (em * MIN_EMS_PER_COLUMN).round() as usize;
        let enlarged = |cell: &Cell| {
            let (height, width, _) = cell.picture.dim();
            let times = enlargement(&cell.picture, min_width);
            (height * times, width * times)
        };

        let n_columns = rows.iter().map(|row| row.len()).max().unwrap_or(0);
        let width_of = |column: usize| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| enlarged(cell).1).max().unwrap_or(0).max(min_width)
        };
        let widths: Vec<usize> = (0..n_columns).map(width_of).collect();
        let width = gap + widths.iter().map(|width| width + gap).sum::<usize>();

        let title = title_text.wrap(title, width.saturating_sub(2 * gap).max(min_width));
        let mut top = gap;
        if !title.is_empty() {
            top += title.len() * title_text.line_height() + gap;
        }
        let mut places = Vec::new();
        for row in rows {
            let picture_height = row.iter().map(|cell| enlarged(cell).0).max().unwrap_or(0);
            let wrap = |(cell, &width): (&Cell, &usize)| caption_text.wrap(&cell.caption, width);
            let captions: Vec<Vec<String>> = row.iter().zip(&widths).map(wrap).collect();
            let n_lines = captions.iter().map(Vec::len).max().unwrap_or(0);
            places.push(RowLayout { top, picture_height, captions });
            top += picture_height + gap / 2 + n_lines * caption_text.line_height() + gap;
        }
        // A title without pictures still has the width of one column.
        let width = if title.is_empty() { width } else { width.max(2 * gap + min_width) };
        Self { caption_text, title_text, gap, min_width, widths, title, rows: places, width, height: top }
    }
}

/// The whole number by which a picture is enlarged: the largest one with which both sides fit into the narrowest column, at least 1.
fn enlargement(picture: &Array3<u8>, min_width: usize) -> usize {
    let (height, width, _) = picture.dim();
    (min_width / height.max(width).max(1)).max(1)
}

/// Copies a picture, each pixel `times` × `times` times.
fn put(panel: &mut Array3<u8>, picture: ArrayView3<'_, u8>, times: usize, left: usize, top: usize) {
    let (height, width, _) = picture.dim();
    let mut target = panel.slice_mut(s![top..top + height * times, left..left + width * times, ..]);
    for ((y, x, channel), value) in target.indexed_iter_mut() {
        *value = picture[[y / times, x / times, channel]];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(caption: &str, height: usize, width: usize, value: u8) -> Cell {
        Cell { caption: caption.to_owned(), picture: Array3::from_elem((height, width, 3), value) }
    }

    /// Numbers of the cells in each row.
    fn lengths(panel: &Panel) -> Vec<usize> {
        panel.rows.iter().map(Vec::len).collect()
    }

    fn grid(n: usize, height: usize, width: usize) -> Vec<usize> {
        lengths(&Panel::grid(
            "title",
            (0..n).map(|_| cell("horse +1.27\nrule epsilon=100", height, width, 0)).collect(),
        ))
    }

    #[test]
    fn grids_have_the_shape_of_a_screen_and_few_empty_cells() {
        assert_eq!((grid(2, 375, 500), grid(3, 375, 500)), (vec![2], vec![3]));
        assert_eq!((grid(4, 375, 500), grid(6, 375, 500)), (vec![2, 2], vec![3, 3]));
        assert_eq!((grid(5, 375, 500), grid(7, 375, 500)), (vec![3, 2], vec![4, 3]));
        assert_eq!((grid(3, 500, 375), grid(8, 500, 375)), (vec![3], vec![4, 4]));
        assert_eq!(grid(6, 30, 30), [3, 3]);
        assert_eq!(grid(0, 1, 1), Vec::<usize>::new());
        for n in 1..=21 {
            let rows = grid(n, 375, 500);
            let n_empty = rows[0] * rows.len() - n;
            assert!(rows.iter().sum::<usize>() == n && 4 * n_empty <= rows[0] * rows.len(), "{rows:?}");
        }
    }

    #[test]
    fn pictures_lie_where_the_layout_says_and_captions_below_them() {
        let rows =
            vec![vec![cell("a", 20, 200, 7), cell("", 180, 250, 9)], vec![cell("line\nline\nline", 175, 150, 5)]];
        let layout = Layout::new("title", &rows.iter().map(Vec::as_slice).collect::<Vec<_>>());
        assert_eq!(layout.widths, [200, 250]);
        assert_eq!(layout.width, layout.gap + 200 + layout.gap + 250 + layout.gap);
        let line = layout.caption_text.line_height();
        let [first, second] = layout.rows.as_slice() else { panic!("two rows") };
        assert_eq!((first.picture_height, second.picture_height), (180, 175));
        assert_eq!(second.top - first.top, 180 + layout.gap / 2 + line + layout.gap);
        assert_eq!(layout.height - second.top, 175 + layout.gap / 2 + 3 * line + layout.gap);

        let panel = Panel::rows("title", rows).draw();
        assert_eq!(panel.dim(), (layout.height, layout.width, 3));
        let (left, right) = (layout.gap, layout.gap + 200 + layout.gap);
        assert_eq!(
            (panel[[first.top, left, 0]], panel[[first.top, right, 1]], panel[[second.top, left, 2]]),
            (7, 9, 5)
        );
        assert_eq!((panel[[first.top + 179, right + 249, 0]], panel[[first.top + 180, right, 0]]), (9, 255));
        let caption = first.top + 180 + layout.gap / 2;
        assert!(
            panel.slice(s![caption..caption + line, left..left + 20, 0]).iter().any(|&value| value < 100),
            "the letter"
        );
    }

    #[test]
    fn small_pictures_are_enlarged_and_columns_leave_room_for_captions() {
        let panel = Panel::rows("", vec![vec![cell("caption", 30, 20, 7)]]);
        let layout = Layout::new("", &[&panel.rows[0]]);
        assert_eq!((layout.widths.as_slice(), layout.rows[0].picture_height), ([162].as_slice(), 150));
        let drawn = panel.draw();
        assert_eq!(
            (drawn[[layout.gap + 149, layout.gap + 99, 0]], drawn[[layout.gap + 149, layout.gap + 100, 0]]),
            (7, 255)
        );
        assert_eq!(Layout::new("", &[&[cell("", 2000, 3000, 0)]]).caption_text.line_height(), 135);
    }

    /// The panel has as many dark pixels as the same lines on a large sheet, and its margins stay white.
    #[test]
    fn nothing_is_cut_off() {
        let long = "a-very-long-class-name-without-spaces_and_more_of_it\n+1.27 (0.78 above its threshold)\nrule epsilon=100 jgÅ";
        let name =
            "a photograph with quite a long name that needs several lines, Größenwahn in Ελλάδα и Россия, 馬.jpeg";
        for (height, width, n) in [(30, 30, 1), (375, 500, 3), (500, 333, 2), (40, 900, 1), (1, 1, 4)] {
            let cells: Vec<Cell> = (0..n).map(|_| cell(long, height, width, 255)).collect();
            let panel = Panel::rows(name, vec![cells]);
            let layout = Layout::new(&panel.title, &[&panel.rows[0]]);
            let words = |text: &str| text.chars().filter(|letter| !letter.is_whitespace()).collect::<String>();
            assert_eq!(words(&layout.title.concat()), words(name));
            assert_eq!(words(&layout.rows[0].captions[0].concat()), words(long));
            let sheet = |text: Text, lines: &[String]| -> usize {
                let drawn = |line: &String| {
                    let mut sheet = Array3::from_elem((200, 4000, 3), 255);
                    text.draw(&mut sheet, line, 50, 50);
                    sheet.iter().filter(|&&value| value < 128).count()
                };
                lines.iter().map(drawn).sum()
            };
            let expected =
                sheet(layout.title_text, &layout.title) + n * sheet(layout.caption_text, &layout.rows[0].captions[0]);
            let drawn = panel.draw();
            assert_eq!(drawn.iter().filter(|&&value| value < 128).count(), expected, "{height} {width}");
            let (bottom, right) = (layout.height - layout.gap / 2, layout.width - layout.gap / 2);
            for margin in
                [s![bottom.., .., ..], s![.., right.., ..], s![..layout.gap / 2, .., ..], s![.., ..layout.gap / 2, ..]]
            {
                assert!(drawn.slice(margin).iter().all(|&value| value == 255), "{height} {width}");
            }
        }
    }

    #[test]
    fn a_panel_without_cells_is_small() {
        assert_eq!(Panel::rows("", Vec::new()).draw().dim(), (14, 14, 3));
        let (height, width, _) = Panel::grid("only a title", Vec::new()).draw().dim();
        assert!(height > 14 && width > 162);
    }
}
