//! The annotation of one image: size, owner, and objects with their boxes.

use std::borrow::Cow;
use std::path::PathBuf;

use serde::Deserialize;

use crate::image::{BoundingBox, Object};
use crate::text::without_mark;
use crate::voc::error::VocError;

/// Longest accepted side of an image in pixels. No photograph is as large; a larger number means a damaged file.
const MAX_SIDE: u32 = 1 << 20;

/// The contents of one annotation file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Annotation {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// The photographer's name, if the file gives one.
    pub owner: Option<String>,
    /// The objects, in the order of the file.
    pub objects: Vec<Object>,
}

/// Reads the bytes of an annotation file.
///
/// Unknown elements (segmentation, poses, body parts) are ignored, and the known elements may have any order. Bytes that are not UTF-8 are
/// read as Latin-1; only names of owners contain other letters than ASCII. A box that extends beyond the image is clipped to it.
///
/// # Errors
/// [`VocError::Annotation`] with an empty path, for broken XML, a missing size or a size of 0, a corner that is not a number, or a box that
/// is empty or lies outside the image.
///
/// ```
/// use fisherlens_dataset::parse_annotation;
///
/// let annotation = parse_annotation(b"<annotation><size><width>64</width><height>48</height></size></annotation>")?;
/// assert_eq!((annotation.width, annotation.height, annotation.objects.len()), (64, 48, 0));
/// # Ok::<(), fisherlens_dataset::VocError>(())
/// ```
pub fn parse_annotation(bytes: &[u8]) -> Result<Annotation, VocError> {
    read(bytes).map_err(|problem| VocError::Annotation { path: PathBuf::new(), problem })
}

/// Like [`parse_annotation`], with the problem in words, for callers that know the path of the file.
pub(crate) fn read(bytes: &[u8]) -> Result<Annotation, String> {
    let text = decode(without_mark(bytes)?);
    let raw: RawAnnotation =
        quick_xml::de::from_str(&text).map_err(|error| format!("not a VOC annotation: {error}"))?;
    let width = side("size/width", &raw.size.width)?;
    let height = side("size/height", &raw.size.height)?;
    let owner = raw.owner.and_then(|owner| owner.name);
    let objects = raw.object.into_iter().enumerate();
    let objects = objects
        .map(|(index, object)| {
            let place = format!("object {} ({})", index + 1, object.name.trim());
            object.check(width, height).map_err(|problem| format!("{place}: {problem}"))
        })
        .collect::<Result<_, _>>()?;
    Ok(Annotation { width, height, owner: owner.filter(|name| !name.is_empty()), objects })
}

fn decode(bytes: &[u8]) -> Cow<'_, str> {
    std::str::from_utf8(bytes).map_or_else(|_| bytes.iter().map(|&byte| char::from(byte)).collect(), Cow::Borrowed)
}

#[derive(Deserialize)]
struct RawAnnotation {
    size: RawSize,
    owner: Option<RawOwner>,
    #[serde(default)]
    object: Vec<RawObject>,
}

#[derive(Deserialize)]
struct RawOwner {
    name: Option<String>,
}

#[derive(Deserialize)]
struct RawSize {
    width: String,
    height: String,
}

#[derive(Deserialize)]
struct RawObject {
    name: String,
    difficult: Option<String>,
    truncated: Option<String>,
    bndbox: RawBox,
}

#[derive(Deserialize)]
struct RawBox {
    xmin: String,
    ymin: String,
    xmax: String,
    ymax: String,
}

impl RawObject {
    fn check(self, width: u32, height: u32) -> Result<Object, String> {
        let class = self.name.trim();
        if class.is_empty() {
            return Err("the name is empty".to_owned());
        }
        self.bndbox.refuse_shares()?;
        let (left, right) = span("x", &self.bndbox.xmin, &self.bndbox.xmax, width)?;
        let (top, bottom) = span("y", &self.bndbox.ymin, &self.bndbox.ymax, height)?;
        Ok(Object {
            class: class.to_owned(),
            bounds: BoundingBox { left, top, right, bottom },
            difficult: flag("difficult", self.difficult.as_deref())?,
            truncated: is_truncated(self.truncated.as_deref()),
        })
    }
}

impl RawBox {
    /// Some tools write shares of the width and height. As pixels, each of them would be the first one.
    fn refuse_shares(&self) -> Result<(), String> {
        let corners = [&self.xmin, &self.ymin, &self.xmax, &self.ymax].map(|text| text.trim().parse::<f64>());
        let is_share = |corner: &Result<f64, _>| corner.as_ref().is_ok_and(|corner| (0.0..=1.0).contains(corner));
        let is_whole = |corner: &Result<f64, _>| corner.as_ref().is_ok_and(|corner| corner.fract() == 0.0);
        if corners.iter().all(is_share) && !corners.iter().all(is_whole) {
            return Err(format!(
                "bndbox: the corners {}, {}, {} and {} are shares of the picture, expected pixels counted from 1",
                self.xmin, self.ymin, self.xmax, self.ymax
            ));
        }
        Ok(())
    }
}

fn side(name: &str, text: &str) -> Result<u32, String> {
    match text.trim().parse() {
        Ok(side @ 1..=MAX_SIDE) => Ok(side),
        _ => Err(format!("{name}: expected a whole number from 1 to {MAX_SIDE}, found \"{text}\"")),
    }
}

fn flag(name: &str, text: Option<&str>) -> Result<bool, String> {
    match text.map(str::trim) {
        None | Some("" | "0") => Ok(false),
        Some("1") => Ok(true),
        Some(other) => Err(format!("{name}: expected 0 or 1, found \"{other}\"")),
    }
}

/// Some tools write the hidden share of the object, or a word. No file is refused because of a field that only describes.
fn is_truncated(text: Option<&str>) -> bool {
    text.and_then(|text| text.trim().parse::<f64>().ok()).is_some_and(|share| share > 0.0)
}

/// Converts 1-based inclusive ends to 0-based half-open ends, clipped to the image.
fn span(axis: &str, lowest: &str, highest: &str, side: u32) -> Result<(u32, u32), String> {
    let number = |name: &str, text: &str| {
        let value = text.trim().parse::<f64>().ok().filter(|value| value.is_finite());
        value.ok_or_else(|| format!("bndbox/{axis}{name}: expected a number, found \"{text}\""))
    };
    let (low, high) = (number("min", lowest)?.round(), number("max", highest)?.round());
    if high < low {
        return Err(format!("bndbox: {axis}max {highest} lies before {axis}min {lowest}"));
    }
    let limit = f64::from(side);
    let (start, end) = ((low - 1.0).clamp(0.0, limit), high.clamp(0.0, limit));
    if end <= start {
        return Err(format!("bndbox: {axis} from {lowest} to {highest} lies outside the image's {side} pixels"));
    }
    Ok((start as u32, end as u32))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn xml(corners: [&str; 4]) -> String {
        let [xmin, ymin, xmax, ymax] = corners;
        format!(
            "<annotation><folder>VOC2011</folder><owner><flickrid>f</flickrid><name>Ann &amp; Bo</name></owner>\
             <size><width>500</width><height>375</height><depth>3</depth></size><segmented>0</segmented>\
             <object><name>person</name><pose>Left</pose><truncated>1</truncated><difficult>0</difficult>\
             <bndbox><xmax>{xmax}</xmax><xmin>{xmin}</xmin><ymax>{ymax}</ymax><ymin>{ymin}</ymin></bndbox>\
             <part><name>head</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>2</xmax><ymax>2</ymax></bndbox></part>\
             </object></annotation>"
        )
    }

    fn bounds(corners: [&str; 4]) -> Result<BoundingBox, String> {
        read(xml(corners).as_bytes()).map(|annotation| annotation.objects[0].bounds)
    }

    #[test]
    fn corners_become_zero_based_and_half_open() {
        let annotation = read(xml(["141", "50", "500", "330"]).as_bytes()).expect("a complete annotation");
        assert_eq!((annotation.width, annotation.height), (500, 375));
        assert_eq!(annotation.owner.as_deref(), Some("Ann & Bo"));
        let object = &annotation.objects[0];
        assert_eq!((object.class.as_str(), object.difficult, object.truncated), ("person", false, true));
        assert_eq!(object.bounds, BoundingBox { left: 140, top: 49, right: 500, bottom: 330 });
        assert_eq!(object.bounds.area(), 360 * 281);
    }

    #[test]
    fn decimals_are_rounded_and_boxes_are_clipped() {
        let decimals = bounds(["45.70", " 1.2 ", "99.4", "100.5"]);
        assert_eq!(decimals, Ok(BoundingBox { left: 45, top: 0, right: 99, bottom: 101 }));
        let beyond = bounds(["0", "-4", "501", "1e9"]);
        assert_eq!(beyond, Ok(BoundingBox { left: 0, top: 0, right: 500, bottom: 375 }));
        let one_pixel = bounds(["500", "375", "500", "375"]);
        assert_eq!(one_pixel, Ok(BoundingBox { left: 499, top: 374, right: 500, bottom: 375 }));
    }

    #[test]
    fn boxes_in_shares_are_refused() {
        let problem = bounds(["0.1", "0.2", "0.9", "1"]).expect_err("refused");
        assert!(problem.contains("shares of the picture"), "{problem}");
        assert!(bounds(["1", "1", "1", "1"]).is_ok());
    }

    #[test]
    fn impossible_boxes_are_refused() {
        for corners in [
            ["10", "10", "9", "20"],
            ["501", "1", "510", "20"],
            ["1", "-9", "5", "0"],
            ["NaN", "1", "5", "5"],
            ["1", "1", "inf", "5"],
            ["a", "1", "5", "5"],
            ["", "1", "5", "5"],
        ] {
            let problem = bounds(corners).expect_err("refused");
            assert!(problem.contains("object 1 (person): bndbox"), "{problem}");
        }
    }

    #[test]
    fn text_that_is_not_an_annotation_is_refused() {
        for text in ["", "<annotation>", "<annotation></annotation>", "plain words", "<a></b>"] {
            assert!(read(text.as_bytes()).is_err(), "{text}");
        }
        let empty = "<annotation><size><width>0</width><height>5</height></size></annotation>";
        assert!(read(empty.as_bytes()).expect_err("empty image").contains("size/width"));
        let maybe = xml(["1", "1", "5", "5"]).replace("<difficult>0<", "<difficult>maybe<");
        assert!(read(maybe.as_bytes()).expect_err("flag").contains("difficult: expected 0 or 1"));
    }

    #[test]
    fn objects_and_owner_may_be_absent() {
        let text =
            "<annotation><size><width>4</width><height>5</height></size><owner><name></name></owner></annotation>";
        let annotation = read(text.as_bytes()).expect("an image without objects");
        assert_eq!((annotation.owner, annotation.objects.len()), (None, 0));
    }

    #[test]
    fn latin_1_names_are_read() {
        let bytes = xml(["1", "1", "5", "5"]).replace("Ann &amp; Bo", "J?rg").into_bytes();
        let bytes: Vec<u8> = bytes.into_iter().map(|byte| if byte == b'?' { 0xF6 } else { byte }).collect();
        assert_eq!(read(&bytes).expect("Latin-1").owner.as_deref(), Some("Jörg"));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse_annotation(&bytes);
        }

        #[test]
        fn mutated_annotations_never_panic(
            edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
            cut in any::<prop::sample::Index>(),
        ) {
            let mut bytes = xml(["141", "50", "500", "330"]).into_bytes();
            for (place, byte) in edits {
                let place = place.index(bytes.len());
                bytes[place] = byte;
            }
            let _ = parse_annotation(&bytes);
            bytes.truncate(cut.index(bytes.len()));
            let _ = parse_annotation(&bytes);
        }

        #[test]
        fn accepted_boxes_lie_inside_the_image(corners in prop::array::uniform4(-50.0_f64..600.0)) {
            let [a, b, c, d] = corners.map(|corner| format!("{corner:.2}"));
            if let Ok(found) = bounds([&a, &b, &c, &d]) {
                prop_assert!(found.left < found.right && found.right <= 500);
                prop_assert!(found.top < found.bottom && found.bottom <= 375);
            }
        }
    }
}
