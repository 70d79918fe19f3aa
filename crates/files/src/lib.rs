//! Files from outside read with a limit, and files that get their name only when they are complete.
//!
//! ```
//! use std::io::Write as _;
//!
//! let folder = tempfile::tempdir()?;
//! let path = folder.path().join("notes.txt");
//! let mut file = fisherlens_files::NewFile::create(&path)?;
//! file.write_all(b"complete")?;
//! file.finish()?;
//! assert_eq!(fisherlens_files::read(&path, 1_000)?, b"complete");
//! assert!(fisherlens_files::read(&path, 4).unwrap_err().to_string().contains("at most 4 bytes"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

/// Largest file of a model or of weights that is read, 8 GiB. It is a limit against mistakes and against files that unpack to far more than they
/// hold: the weights of VGG CNN S have 0.4 GB.
pub const LARGEST_MODEL: u64 = 8 << 30;

mod free;
mod names;
mod reading;
mod unfinished;
mod unfinished_folder;

pub use free::free_bytes;
pub use names::{check_class_name, is_formula, is_hidden, visible};
pub use reading::{read, read_stream, read_text};
pub use unfinished::{NewFile, folder_of, is_unfinished};
pub use unfinished_folder::TemporaryFolder;
