//! What the readers of all layouts share: how they are called, and what they return.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::error::DatasetError;
use crate::image::{Missing, Object, Skipped};
use crate::split::Split;

/// How a collection is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// Whether entries that cannot be used are refused, or skipped and counted.
    pub missing: Missing,
    /// Whether symbolic links that lead out of the folder are followed.
    pub follow_links: bool,
    /// The folder that the paths of a table or of COCO's JSON are relative to, unless it is the folder of that file.
    pub images: Option<PathBuf>,
}

impl Default for Opening {
    fn default() -> Self {
        Self { missing: Missing::Skip, follow_links: false, images: None }
    }
}

/// An image as a reader finds it.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) id: String,
    pub(crate) path: PathBuf,
    pub(crate) size: Option<[u32; 2]>,
    pub(crate) objects: Vec<Object>,
    /// Classes of the image as a whole, besides those of the objects.
    pub(crate) classes: BTreeSet<String>,
    pub(crate) groups: BTreeMap<String, String>,
    pub(crate) split: Option<Split>,
}

/// Returns the error, or adds the entry to the skipped ones.
pub(crate) fn decide(
    opening: &Opening,
    error: DatasetError,
    id: &str,
    skipped: &mut Vec<Skipped>,
) -> Result<(), DatasetError> {
    match opening.missing {
        Missing::Refuse => Err(error),
        Missing::Skip => {
            skipped.push(Skipped { id: id.to_owned(), reason: error.to_string() });
            Ok(())
        }
    }
}

/// The path inside of `root`, with `/` between folders on all systems.
pub(crate) fn inside(root: &Path, path: &Path) -> String {
    let inside = path.strip_prefix(root).unwrap_or(path);
    inside.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
}

/// The image that `name` names, relative to the folder of the images, or else to that of the file. Other systems write `\` between folders.
pub(crate) fn resolve(file: &Path, opening: &Opening, name: &str) -> Result<PathBuf, String> {
    let folder = opening.images.as_deref().unwrap_or_else(|| fisherlens_files::folder_of(file));
    let path = folder.join(name);
    if path.is_file() {
        return Ok(path);
    }
    let turned = folder.join(name.replace('\\', "/"));
    if turned.is_file() {
        return Ok(turned);
    }
    Err(format!("there is no file {}", path.display()))
}
