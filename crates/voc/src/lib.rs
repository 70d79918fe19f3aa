//! PASCAL VOC devkit folders (`everingham2010`): image sets, labels with difficult objects, boxes, owners.
//!
//! This is the one library crate that opens files, and it opens them only below the folder it is given. Images are
//! located and never decoded. Classes come from the image set lists, so a devkit with other classes, or of another
//! year, needs no change.
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
//! // 1-based inclusive corners became 0-based half-open ones.
//! assert_eq!(annotation.objects[0].bounds, BoundingBox { left: 0, top: 10, right: 64, bottom: 20 });
//! assert_eq!(annotation.owner.as_deref(), Some("Erin Vale"));
//! ```
//!
//! Walking a devkit:
//!
//! ```no_run
//! use std::path::Path;
//! use fisherlens_voc::{Devkit, Missing};
//!
//! let devkit = Devkit::open(Path::new("VOCdevkit"), Some(2007))?;
//! let train = devkit.image_set("train", Missing::Skip)?;
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
