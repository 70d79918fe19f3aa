//! PASCAL VOC devkit folders (`everingham2010`): image sets, labels with difficult objects, boxes, owners.
//!
//! The crate opens files only inside the folder that the caller gives. It finds image files but does not decode them. Class
//! names come from the lists of the image sets, so devkits with other classes or of other years work too.
//!
//! ```
//! use fisherlens_voc::{BoundingBox, parse_annotation};
//!
//! let annotation = parse_annotation(
//!     b"<annotation>
//!         <owner><name>Erin Vale</name></owner>
//!         <size><width>64</width><height>48</height><depth>3</depth></size>
//!         <object><name>boat</name><difficult>0</difficult>
//!           <bndbox><xmin>1</xmin><ymin>11</ymin><xmax>64</xmax><ymax>20</ymax></bndbox></object>
//!       </annotation>",
//! )
//! .expect("a complete annotation");
//! // The corners in the file count from 1 and are inclusive; a bounding box counts from 0 and is half-open.
//! assert_eq!(annotation.objects[0].bounds, BoundingBox { left: 0, top: 10, right: 64, bottom: 20 });
//! assert_eq!(annotation.owner.as_deref(), Some("Erin Vale"));
//! ```
//!
//! The images of a set, with what was left out:
//!
//! ```no_run
//! use std::path::Path;
//! use fisherlens_voc::{Devkit, Missing};
//!
//! let devkit = Devkit::open(Path::new("VOCdevkit"), Some(2007))?;
//! let train = devkit.image_set("train", Missing::Skip)?;
//! println!("{} images of {} classes", train.images.len(), train.classes.len());
//! for skipped in &train.skipped {
//!     println!("{}: {}", skipped.id, skipped.reason);
//! }
//! # Ok::<(), fisherlens_voc::VocError>(())
//! ```

mod annotation;
mod devkit;
mod error;
mod image_list;

pub use annotation::{Annotation, BoundingBox, Object, parse_annotation};
pub use devkit::{Devkit, ImageEntry, ImageSet, Missing, Skipped};
pub use error::VocError;
