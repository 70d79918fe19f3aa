//! Images with labels, boxes and groups: what every reader returns.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Name of the group that holds the photographer in VOC's annotations.
pub const OWNER: &str = "owner";

/// How to treat an image that is listed but cannot be used.
///
/// Its file or its annotation is missing, the annotation is broken, or not all lists name the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// Refuse the set; the error names the file and the line.
    Refuse,
    /// Leave the image out and add it to the skipped ones.
    Skip,
}

/// The images of one set, with their labels and boxes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageSet {
    /// The set's name, such as "train".
    pub name: String,
    /// The classes, sorted, in the order of [`ImageEntry::labels`].
    pub classes: Vec<String>,
    /// The images.
    pub images: Vec<ImageEntry>,
    /// The images that were left out because of [`Missing::Skip`].
    pub skipped: Vec<Skipped>,
}

/// A listed image or a file that was left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Its id.
    pub id: String,
    /// The reason, with the file and, where there is one, the line.
    pub reason: String,
}

/// One image of a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageEntry {
    /// Its id, which no other image of the data has. In a VOC devkit it is the file name without extension.
    pub id: String,
    /// Path of the image file.
    pub path: PathBuf,
    /// One label per class: −1 without an object, 0 with difficult objects only, +1 with at least one other object.
    pub labels: Vec<i8>,
    /// Width and height in pixels, where the data say them.
    pub size: Option<[u32; 2]>,
    /// The objects, in the order of the data.
    pub objects: Vec<Object>,
    /// BLAKE3 digest of the file's bytes, once somebody has read them.
    pub digest: Option<[u8; 32]>,
    /// Further facts by name, such as the photographer or the camera.
    pub groups: BTreeMap<String, String>,
}

impl ImageEntry {
    /// The photographer's name, if the data give one.
    pub fn owner(&self) -> Option<&str> {
        self.groups.get(OWNER).map(String::as_str)
    }

    /// The name of the file without folder and extension. Random draws depend on it and not on the id, so that the same photographs in another
    /// layout give the same result.
    pub fn stem(&self) -> String {
        stem(&self.path)
    }
}

/// The name of a file without folder and extension.
pub(crate) fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// One object of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Name of its class.
    pub class: String,
    /// Its place in the image.
    pub bounds: BoundingBox,
    /// Whether it is marked as hard to recognise. Such an object makes its image neither positive nor negative for the class.
    pub difficult: bool,
    /// Whether it extends beyond the box, usually because it extends beyond the image.
    pub truncated: bool,
}

/// A rectangle of pixels, 0-based and half-open: `left ≤ x < right`, `top ≤ y < bottom`.
///
/// VOC's files hold 1-based inclusive corners, in later years with decimals ("45.70"). They are rounded to the nearest pixel:
///
/// ```text
/// left = round(xmin) − 1,  right = round(xmax),  both clipped to 0..width; likewise top and bottom
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BoundingBox {
    /// First column inside.
    pub left: u32,
    /// First row inside.
    pub top: u32,
    /// First column outside.
    pub right: u32,
    /// First row outside.
    pub bottom: u32,
}

impl BoundingBox {
    /// Number of pixels inside.
    pub fn area(&self) -> u64 {
        u64::from(self.right.saturating_sub(self.left)) * u64::from(self.bottom.saturating_sub(self.top))
    }

    /// The box with rounded edges (left, top, right, bottom), at least one pixel wide and high, clipped to the picture.
    ///
    /// # Errors
    /// An empty box, one with edges that are not finite, or one outside of the picture.
    pub(crate) fn rounded(edges: [f64; 4], size: Option<[u32; 2]>) -> Result<Self, String> {
        let [left, top, right, bottom] = edges;
        let is_sound = edges.iter().all(|edge| edge.is_finite()) && right > left && bottom > top;
        let [width, height] = size.unwrap_or([u32::MAX; 2]).map(f64::from);
        if !is_sound || right <= 0.0 || bottom <= 0.0 || left >= width || top >= height {
            return Err(format!(
                "the box from ({left}, {top}) to ({right}, {bottom}) is empty, or lies outside of the picture"
            ));
        }
        let span = |low: f64, high: f64, side: f64| {
            let low = low.round().clamp(0.0, side - 1.0);
            (low as u32, high.round().clamp(low + 1.0, side) as u32)
        };
        let ((left, right), (top, bottom)) = (span(left, right, width), span(top, bottom, height));
        Ok(Self { left, top, right, bottom })
    }
}
