//! Text for panels: the font in one size, lines that are broken at a width, and letters drawn into a picture.

use std::sync::LazyLock;

use ab_glyph::{Font as _, FontRef, GlyphId, PxScale, point};
use ndarray::Array3;

/// The font; `font/README.md` says where it comes from.
static FONT: LazyLock<FontRef<'static>> = LazyLock::new(|| {
    FontRef::try_from_slice(include_bytes!("../font/NotoSans-subset.ttf")).expect("the font in this crate is a font")
});

/// Drawn in place of every character that the font lacks.
const REPLACEMENT: char = '\u{fffd}';
/// How far the highest letter reaches above the base line, in ems.
const ASCENT: f32 = 1.07;
/// How far the lowest letter reaches below the base line, in ems.
const DESCENT: f32 = 0.28;
/// Value of a pixel that a letter covers completely.
const INK: f32 = 30.0;
/// Value of a pixel without a letter.
const PAPER: f32 = 255.0;

/// The font in one size.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Text {
    /// Height of an em in pixels.
    em: f32,
}

/// One letter of a line.
struct Placed {
    glyph: GlyphId,
    /// Its position, in units of the font from the left end of the line.
    x: f32,
}

impl Text {
    pub(crate) fn new(em: f32) -> Self {
        Self { em }
    }

    /// Pixels from one line to the next; every letter lies inside its line.
    pub(crate) fn line_height(self) -> usize {
        (self.em * (ASCENT + DESCENT)).ceil() as usize
    }

    /// Length of a line in pixels.
    pub(crate) fn width(self, line: &str) -> f32 {
        place(line).1 * self.em / units_per_em()
    }

    /// The lines of a text in a column of `width` pixels.
    ///
    /// Lines end at line feeds, and where the next word does not fit: after spaces, after hyphens between words, or anywhere in a word that
    /// is longer than a whole line. A text without characters has no line.
    pub(crate) fn wrap(self, text: &str, width: usize) -> Vec<String> {
        if text.is_empty() {
            return Vec::new();
        }
        // Spaces at the end of a line need no room.
        let fits = |line: &str, more: &str| self.width(format!("{line}{more}").trim_end()) <= width as f32;
        let mut lines = Vec::new();
        for paragraph in text.split('\n') {
            let mut line = String::new();
            let mut end = |line: &mut String| lines.push(std::mem::take(line).trim_end().to_owned());
            for word in words(paragraph) {
                if !line.is_empty() && !fits(&line, word) {
                    end(&mut line);
                }
                if fits("", word) {
                    line.push_str(word);
                    continue;
                }
                for character in word.chars() {
                    let mut bytes = [0; 4];
                    let character: &str = character.encode_utf8(&mut bytes);
                    if !line.is_empty() && !is_combining(character) && !fits(&line, character) {
                        end(&mut line);
                    }
                    line.push_str(character);
                }
            }
            end(&mut line);
        }
        lines
    }

    /// Draws dark letters; `left` and `top` are the corner of the line. Pixels outside the picture are left out.
    pub(crate) fn draw(self, picture: &mut Array3<u8>, line: &str, left: usize, top: usize) {
        let units = units_per_em();
        // `PxScale` is the height from the font's descent to its ascent, which is not the height of an em.
        let scale = PxScale::from(self.em * FONT.height_unscaled() / units);
        let base_line = top as f32 + self.em * ASCENT;
        for Placed { glyph, x } in place(line).0 {
            let position = point(left as f32 + x * self.em / units, base_line);
            let Some(outlined) = FONT.outline_glyph(glyph.with_scale_and_position(scale, position)) else {
                continue; // A space has no outline.
            };
            let corner = outlined.px_bounds().min;
            outlined.draw(|x, y, coverage| {
                let (x, y) = (i64::from(x) + corner.x as i64, i64::from(y) + corner.y as i64);
                let (Ok(x), Ok(y)) = (usize::try_from(x), usize::try_from(y)) else { return };
                let value = (PAPER + (INK - PAPER) * coverage.clamp(0.0, 1.0)).round() as u8;
                for channel in 0..3 {
                    if let Some(pixel) = picture.get_mut([y, x, channel]) {
                        *pixel = value.min(*pixel);
                    }
                }
            });
        }
    }
}

fn units_per_em() -> f32 {
    FONT.units_per_em().expect("a TrueType font says how many units an em has")
}

/// The glyph of a character, or of the replacement.
fn glyph(character: char) -> GlyphId {
    // Glyph 0 is the font's own sign for "not defined".
    match FONT.glyph_id(character) {
        GlyphId(0) => FONT.glyph_id(REPLACEMENT),
        glyph => glyph,
    }
}

/// Whether the character is an accent on the character before it.
fn is_combining(character: &str) -> bool {
    character.chars().all(|character| FONT.h_advance_unscaled(glyph(character)) == 0.0)
}

/// The letters of a line, and its length; both in units of the font.
fn place(line: &str) -> (Vec<Placed>, f32) {
    let mut placed = Vec::new();
    let (mut end, mut previous_advance) = (0.0, 0.0);
    for character in line.chars() {
        let glyph = glyph(character);
        let advance = FONT.h_advance_unscaled(glyph);
        if advance == 0.0 {
            // The middle of a combining accent lies over the middle of the letter before it.
            let middle =
                FONT.outline(glyph).map_or(0.0, |outline| f32::midpoint(outline.bounds.min.x, outline.bounds.max.x));
            placed.push(Placed { glyph, x: end - previous_advance / 2.0 - middle });
            continue;
        }
        placed.push(Placed { glyph, x: end });
        end += advance;
        previous_advance = advance;
    }
    (placed, end)
}

/// Cuts a line after its spaces, and after hyphens that join two words; a minus sign stays with its number.
fn words(line: &str) -> Vec<&str> {
    let characters: Vec<(usize, char)> = line.char_indices().collect();
    let mut words = Vec::new();
    let mut start = 0;
    for window in characters.windows(2) {
        let [(_, character), (next_at, next)] = window else { unreachable!("windows of two characters") };
        let is_joined = line[start..*next_at].chars().rev().nth(1).is_some_and(char::is_alphanumeric);
        let ends_after_space = character.is_whitespace() && !next.is_whitespace();
        let ends_after_hyphen = *character == '-' && is_joined && next.is_alphabetic();
        if ends_after_space || ends_after_hyphen {
            words.push(&line[start..*next_at]);
            start = *next_at;
        }
    }
    words.push(&line[start..]);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Smallest and largest `[y, x]` of the pixels that are not paper.
    fn ink(picture: &Array3<u8>) -> Option<([usize; 2], [usize; 2])> {
        let dark = picture.indexed_iter().filter(|(_, value)| **value < 255).map(|((y, x, _), _)| [y, x]);
        dark.fold(None, |found, [y, x]| {
            let (low, high) = found.unwrap_or(([y, x], [y, x]));
            Some(([low[0].min(y), low[1].min(x)], [high[0].max(y), high[1].max(x)]))
        })
    }

    #[test]
    fn lines_break_at_spaces_and_at_hyphens_between_words() {
        assert_eq!(words("rule alpha2-beta1  now"), ["rule ", "alpha2-", "beta1  ", "now"]);
        assert_eq!(words("-0.43 1e-9 -a"), ["-0.43 ", "1e-9 ", "-a"]);
        assert_eq!(words(""), [""]);
        let text = Text::new(18.0);
        let width = text.width("its threshold") as usize + 1;
        assert_eq!(text.wrap("0.78 above its threshold", width), ["0.78 above", "its threshold"]);
        assert_eq!(text.wrap("first\nsecond", 1000), ["first", "second"]);
        assert_eq!(text.wrap("", 100), Vec::<String>::new());
    }

    #[test]
    fn a_long_word_breaks_anywhere_and_no_character_is_lost() {
        let text = Text::new(18.0);
        let word = "Donaudampfschifffahrtsgesellschaftskapitän_0123456789";
        for width in [1, 20, 100, 160, 161, 500] {
            let lines = text.wrap(word, width);
            assert_eq!(lines.concat(), word);
            assert!(lines.iter().all(|line| text.width(line) <= width as f32 || line.chars().count() == 1));
        }
        // An accent stays with its letter.
        assert!(text.wrap(&"e\u{301}".repeat(40), 50).iter().all(|line| line.starts_with('e')));
    }

    #[test]
    fn every_letter_of_the_font_lies_inside_its_line() {
        for (glyph, character) in FONT.codepoint_ids() {
            let Some(outline) = FONT.outline(glyph) else { continue };
            let (top, bottom) =
                (outline.bounds.min.y.max(outline.bounds.max.y), outline.bounds.min.y.min(outline.bounds.max.y));
            let units = units_per_em();
            assert!(top <= ASCENT * units && bottom >= -DESCENT * units, "{character:?}: {top} {bottom}");
        }
        let text = Text::new(20.0);
        let mut picture = Array3::from_elem((100, 400, 3), 255);
        text.draw(&mut picture, "ÅẾgjpq|§ĢỖЏ", 30, 40);
        let (low, high) = ink(&picture).unwrap();
        assert!(low[0] >= 40 && high[0] < 40 + text.line_height(), "{low:?} {high:?}");
        assert!(low[1] >= 29 && high[1] as f32 <= 31.0 + text.width("ÅẾgjpq|§ĢỖЏ"), "{low:?} {high:?}");
    }

    #[test]
    fn letters_of_many_languages_are_there_and_others_get_a_visible_sign() {
        for character in "AzÄßéñÇøŁőșğİřĐẠữαβγεΣЖщї0123456789+-−=±×·≤≥≈∞√→←↑↓…–—‘’“”„«»%&@#_".chars()
        {
            assert_ne!(FONT.glyph_id(character), GlyphId(0), "{character}");
        }
        let drawn = |line: &str| {
            let mut picture = Array3::from_elem((40, 60, 3), 255);
            Text::new(20.0).draw(&mut picture, line, 5, 5);
            picture
        };
        for unknown in ["馬", "\u{1f40e}", "\t", "\u{200b}"] {
            assert!(ink(&drawn(unknown)).is_some());
            assert_eq!(drawn(unknown), drawn("\u{fffd}"), "{unknown:?}");
        }
    }

    #[test]
    fn a_combining_accent_lies_over_its_letter() {
        let draw = |line: &str| {
            let mut picture = Array3::from_elem((40, 60, 3), 255);
            Text::new(20.0).draw(&mut picture, line, 5, 5);
            ink(&picture).unwrap()
        };
        let (composed, combining) = (draw("é"), draw("e\u{301}"));
        assert!((0..2).all(|side| composed.0[side].abs_diff(combining.0[side]) <= 1), "{composed:?} {combining:?}");
        assert!((0..2).all(|side| composed.1[side].abs_diff(combining.1[side]) <= 1), "{composed:?} {combining:?}");
    }

    #[test]
    fn pixels_outside_the_picture_are_left_out() {
        let mut picture = Array3::from_elem((10, 10, 3), 255);
        Text::new(30.0).draw(&mut picture, "gj", 5, 0);
        Text::new(30.0).draw(&mut picture, "gj", 500, 500);
    }
}
