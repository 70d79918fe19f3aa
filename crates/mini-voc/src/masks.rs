//! Which pixels belong to which object, and which to the tag.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use crate::png_file;

/// The pixel masks of one image, row by row, as stored in `Masks/ID.png` (red, green, blue as below).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Masks {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// Red: the object, counting from 1 in the annotation's order; 0 elsewhere.
    pub objects: Vec<u8>,
    /// Green: the object's class, counting from 1 in the order of the devkit's classes; 0 elsewhere.
    pub classes: Vec<u8>,
    /// Blue, 255 or 0: the photographer's tag, which lies over everything.
    pub tag: Vec<bool>,
}

impl Masks {
    /// Reads a mask file.
    ///
    /// # Errors
    /// When the file cannot be read or is no 8-bit RGB PNG.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let (width, height, rgb) = png_file::decode(&bytes).with_context(|| format!("{}", path.display()))?;
        let mut masks = Self { width, height, objects: Vec::new(), classes: Vec::new(), tag: Vec::new() };
        for pixel in rgb.chunks_exact(3) {
            ensure!(matches!(pixel[2], 0 | 255), "{}: blue is 0 or 255, found {}", path.display(), pixel[2]);
            masks.objects.push(pixel[0]);
            masks.classes.push(pixel[1]);
            masks.tag.push(pixel[2] == 255);
        }
        Ok(masks)
    }

    /// The pixels of a class, given by its place among the devkit's classes.
    pub fn of_class(&self, class: usize) -> Vec<bool> {
        self.classes.iter().map(|&found| usize::from(found) == class + 1).collect()
    }

    /// Whether the image carries a tag.
    pub fn has_tag(&self) -> bool {
        self.tag.contains(&true)
    }

    /// The three bytes a pixel that the file holds.
    pub(super) fn rgb(&self) -> Vec<u8> {
        let pixels = self.objects.iter().zip(&self.classes).zip(&self.tag);
        pixels.flat_map(|((&object, &class), &tag)| [object, class, if tag { 255 } else { 0 }]).collect()
    }
}
