//! Labelled photographs, from the layouts in which people keep them: PASCAL VOC devkits (`everingham2010`), class folders, tables (CSV, TSV),
//! COCO's instances in JSON, and annotations in VOC's XML as labelling tools write them.
//!
//! The crate finds image files but does not decode them.
//!
//! Any layout but a devkit is opened with [`Collection::open`], which finds out the layout by itself:
//!
//! ```
//! use fisherlens_dataset::{Collection, Opening};
//!
//! let folder = tempfile::tempdir()?;
//! for (class, name) in [("cat", "a.jpg"), ("cat", "b.jpg"), ("dog", "c.png")] {
//!     std::fs::create_dir_all(folder.path().join(class))?;
//!     std::fs::write(folder.path().join(class).join(name), "not decoded here")?;
//! }
//! let photographs = Collection::open(folder.path(), &Opening::default())?;
//! assert_eq!(photographs.classes, ["cat", "dog"]);
//! assert_eq!((photographs.images[2].id.as_str(), photographs.images[2].labels.as_slice()), ("dog/c.png", &[-1, 1][..]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The images of a devkit's set, with what was left out:
//!
//! ```no_run
//! use std::path::Path;
//! use fisherlens_dataset::{Devkit, Missing};
//!
//! let devkit = Devkit::open(Path::new("VOCdevkit"), Some(2007))?;
//! let train = devkit.image_set("train", Missing::Skip)?;
//! println!("{} images of {} classes", train.images.len(), train.classes.len());
//! for skipped in &train.skipped {
//!     println!("{}: {}", skipped.id, skipped.reason);
//! }
//! # Ok::<(), fisherlens_dataset::VocError>(())
//! ```

mod coco;
mod collection;
mod error;
mod folders;
mod found;
mod halves;
mod image;
mod split;
mod table;
mod text;
mod voc;
mod xml;

pub use collection::{Collection, Layout};
pub use error::DatasetError;
pub use folders::image_files;
pub use found::Opening;
pub use halves::SplitOptions;
pub use image::{BoundingBox, ImageEntry, ImageSet, Missing, OWNER, Object, Skipped};
pub use split::Split;
pub use voc::annotation::{Annotation, parse_annotation};
pub use voc::devkit::Devkit;
pub use voc::error::VocError;
