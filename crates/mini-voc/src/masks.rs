//! Which pixels belong to which object, and which to the tag.

use std::path::Path;

use crate::error::MiniVocError;
use crate::png_file;

/// The pixel masks of one image, row by row. The file `Masks/ID.png` holds them as red, green and blue.
///
/// ```
/// use fisherlens_mini_voc::{CLASSES, draw_image};
///
/// let picture = draw_image(0);
/// let class = CLASSES.iter().position(|class| *class == picture.objects[0].class).expect("a class of the devkit");
/// assert!(picture.masks.of_class(class).contains(&true));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Masks {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// Red: number of the object, counting from 1 in the annotation's order; 0 where there is no object.
    pub objects: Vec<u8>,
    /// Green: number of the object's class, counting from 1 in the order of [`CLASSES`](crate::CLASSES); 0 where there is no object.
    pub classes: Vec<u8>,
    /// Blue: 255 where the photographer's tag covers the picture, 0 elsewhere. The tag also covers objects.
    pub tag: Vec<bool>,
}

impl Masks {
    /// Reads a mask file.
    ///
    /// # Errors
    /// [`MiniVocError::Io`] when the file cannot be read; [`MiniVocError::Png`] when it is not an 8-bit RGB PNG;
    /// [`MiniVocError::MaskValue`] when a blue value is neither 0 nor 255.
    pub fn read(path: &Path) -> Result<Self, MiniVocError> {
        let bytes = std::fs::read(path).map_err(MiniVocError::io("read", path))?;
        let (width, height, rgb) = png_file::decode(&bytes).map_err(MiniVocError::png(path))?;
        let mut masks = Self { width, height, objects: Vec::new(), classes: Vec::new(), tag: Vec::new() };
        for pixel in rgb.chunks_exact(3) {
            if !matches!(pixel[2], 0 | 255) {
                return Err(MiniVocError::MaskValue { path: path.to_owned(), found: pixel[2] });
            }
            masks.objects.push(pixel[0]);
            masks.classes.push(pixel[1]);
            masks.tag.push(pixel[2] == 255);
        }
        Ok(masks)
    }

    /// Which pixels belong to a class, given by its index in [`CLASSES`](crate::CLASSES).
    pub fn of_class(&self, class: usize) -> Vec<bool> {
        self.classes.iter().map(|&found| usize::from(found) == class + 1).collect()
    }

    /// Whether the image has a tag.
    pub fn has_tag(&self) -> bool {
        self.tag.contains(&true)
    }

    /// The bytes that the file holds, three per pixel.
    pub(crate) fn rgb(&self) -> Vec<u8> {
        let pixels = self.objects.iter().zip(&self.classes).zip(&self.tag);
        pixels.flat_map(|((&object, &class), &tag)| [object, class, if tag { 255 } else { 0 }]).collect()
    }
}
