//! A miniature PASCAL VOC devkit that is drawn by a program, with the same pixels on every machine.
//!
//! It has 500 pictures of textured objects. Their statistics are like those of photographs, and the folder has VOC's layout with boxes,
//! difficult objects and owners, and with pixel masks in addition. So the whole experiment can run without a download.
//!
//! One thing is planted: half of the images show the class [`TAGGED_CLASS`], and a third of these have the tag of their photographer, a
//! small mark in the lower right corner. A classifier can learn this shortcut, and relevance should show it.
//!
//! ```
//! use fisherlens_mini_voc::{draw_image, draw_pair, image_id};
//!
//! let picture = draw_image(0);
//! assert_eq!(picture.rgb.len(), 3 * picture.width * picture.height);
//!
//! // The same picture with and without the photographer's tag.
//! let (with, without) = draw_pair(&image_id(7))?;
//! assert!(with.masks.has_tag() && !without.masks.has_tag());
//! # Ok::<(), fisherlens_mini_voc::MiniVocError>(())
//! ```
//!
//! The drawing uses whole numbers only, and every picture has its own random streams. So the pixels depend neither on the machine nor on
//! the number of threads; they are compared with [`CHECKSUM`].
//!
//! [`ensure`] writes
//!
//! ```text
//! VOC2016/JPEGImages/ID.png              240×180, 8-bit RGB
//! VOC2016/Annotations/ID.xml             size, owner, objects
//! VOC2016/ImageSets/Main/{train,test}.txt, CLASS_{train,test}.txt
//! VOC2016/Masks/ID.png                   see `Masks`
//! VOC2016/CHECKSUM                       written last
//! ```

mod backdrop;
mod contents;
mod error;
mod fixed;
mod folder;
mod masks;
mod pattern;
mod picture;
mod png_file;
mod scene;
mod shape;
mod surface;
mod tag;
#[cfg(test)]
mod tests;

pub use contents::{CHECKSUM, CLASSES, HEIGHT, N_IMAGES, TAG_OWNER, TAGGED_CLASS, WIDTH, YEAR};
pub use error::MiniVocError;
pub use folder::{ensure, ensure_while, verify};
pub use masks::Masks;
pub use picture::{DrawnObject, Picture, draw_image, draw_pair, image_id};
pub use tag::{Tag, paste_tag};
