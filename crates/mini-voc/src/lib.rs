//! A miniature VOC devkit, drawn the same on every machine.
//!
//! 500 pictures of textured objects on surroundings with the statistics of photographs, in VOC's folder layout with
//! boxes, difficult objects and owners, and pixel masks beside them. It lets the whole experiment run without a download,
//! and has one thing planted: the class [`TAGGED_CLASS`] stands in half of the images and carries its photographer's tag,
//! a small mark in the lower right corner, in a third of these, so that whoever looks at relevance should find it.
//!
//! Only whole-number arithmetic is used and every picture has random streams of its own, so the drawn pixels depend
//! neither on the machine nor on the number of threads; [`CHECKSUM`] holds the drawing to that.
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
pub use folder::{ensure, verify};
pub use masks::Masks;
pub use picture::{DrawnObject, Picture, draw_image, draw_pair, image_id};
pub use tag::{TAG_HEIGHT, TAG_WIDTH, Tag, paste_tag};
