//! Class folders: `DATA/<class>/…`, or `DATA/{train,val,test}/<class>/…`.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use fisherlens_files::check_class_name;

use crate::error::DatasetError;
use crate::found::{Found, Opening, decide, inside};
use crate::image::Skipped;
use crate::split::Split;

/// Extensions by which a file counts as an image. Whether it can be decoded is found out later, so formats that are not supported are
/// listed too: a message then says so.
const EXTENSIONS: [&str; 15] =
    ["jpg", "jpeg", "jpe", "jfif", "png", "webp", "bmp", "dib", "tif", "tiff", "gif", "heic", "heif", "avif", "jp2"];
/// Files that operating systems leave in folders.
const OF_SYSTEMS: [&str; 3] = ["thumbs.db", "desktop.ini", "icon\r"];

/// All files below a folder whose names say that they are images, sorted. Hidden files and symbolic links to folders are passed over.
///
/// # Errors
/// [`DatasetError::Io`] with the folder that cannot be read.
pub fn image_files(folder: &Path) -> Result<Vec<PathBuf>, DatasetError> {
    let mut found = Vec::new();
    for path in entries(folder)? {
        if path.is_dir() && !path.is_symlink() {
            found.extend(image_files(&path)?);
        } else if is_image(&path) && path.is_file() {
            found.push(path);
        }
    }
    Ok(found)
}

/// Whether the name of a file says that it is an image.
pub(crate) fn is_image(path: &Path) -> bool {
    let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    EXTENSIONS.contains(&extension.as_str())
}

/// Names that begin with a dot, and those of the operating system.
fn is_hidden(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    name.starts_with('.') || OF_SYSTEMS.contains(&name.as_str())
}

/// Whether the last part of a path is hidden.
fn is_hidden_part(path: &Path) -> bool {
    path.file_name().is_some() && is_hidden(path)
}

/// The entries of a folder without hidden ones, sorted.
pub(crate) fn entries(folder: &Path) -> Result<Vec<PathBuf>, DatasetError> {
    let io = || DatasetError::io(folder);
    let entries = fs::read_dir(folder).map_err(io())?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>, _>>().map_err(io())?;
    paths.retain(|path| !is_hidden(path));
    paths.sort();
    Ok(paths)
}

/// The folders inside a folder, if all of them have the name of a split and at least one is the training split.
pub(crate) fn split_folders(root: &Path) -> Result<Vec<(PathBuf, Split)>, DatasetError> {
    let folders: Vec<PathBuf> = entries(root)?.into_iter().filter(|path| path.is_dir()).collect();
    let named = |path: &PathBuf| Split::parse(&path.file_name()?.to_string_lossy());
    let splits: Option<Vec<Split>> = folders.iter().map(named).collect();
    Ok(match splits {
        Some(splits) if splits.contains(&Split::Train) => folders.into_iter().zip(splits).collect(),
        _ => Vec::new(),
    })
}

/// Reads class folders.
pub(crate) fn read(root: &Path, opening: &Opening) -> Result<(Vec<Found>, Vec<Skipped>), DatasetError> {
    let inside = root.canonicalize().map_err(DatasetError::io(root))?;
    let mut walk = Walk { root, inside, opening, seen: HashSet::new(), found: Vec::new(), skipped: Vec::new() };
    let splits = split_folders(root)?;
    if splits.is_empty() {
        walk.classes(root, None)?;
    }
    for (folder, split) in splits {
        walk.classes(&folder, Some(split))?;
    }
    Ok((walk.found, walk.skipped))
}

struct Walk<'a> {
    root: &'a Path,
    /// The root without symbolic links.
    inside: PathBuf,
    opening: &'a Opening,
    /// Folders that were read, without symbolic links, so that no circle of links is followed for ever.
    seen: HashSet<PathBuf>,
    found: Vec<Found>,
    skipped: Vec<Skipped>,
}

impl Walk<'_> {
    /// Reads the class folders of one split.
    fn classes(&mut self, folder: &Path, split: Option<Split>) -> Result<(), DatasetError> {
        for path in entries(folder)? {
            if path.is_dir() {
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                if let Err(problem) = check_class_name(&name) {
                    self.skip(&path, problem)?;
                    continue;
                }
                self.class(&path, &name, split)?;
            } else if is_image(&path) {
                self.skip(&path, "the image lies in no class folder")?;
            }
        }
        Ok(())
    }

    /// Reads the images of one class, in folders inside of folders too.
    fn class(&mut self, folder: &Path, class: &str, split: Option<Split>) -> Result<(), DatasetError> {
        if !self.may_enter(folder)? {
            return Ok(());
        }
        for path in entries(folder)? {
            if path.is_dir() {
                self.class(&path, class, split)?;
            } else if !is_image(&path) {
                self.skip(&path, "no image: its name has no extension of an image")?;
            } else if self.is_inside(&path)? {
                self.found.push(Found {
                    id: inside(self.root, &path),
                    path,
                    classes: BTreeSet::from([class.to_owned()]),
                    split,
                    ..Found::default()
                });
            }
        }
        Ok(())
    }

    fn may_enter(&mut self, folder: &Path) -> Result<bool, DatasetError> {
        if !self.is_inside(folder)? {
            return Ok(false);
        }
        let real = folder.canonicalize().map_err(DatasetError::io(folder))?;
        // A folder of the data belongs to the class at its own place. A link to it, or to a folder above, would give its images another class.
        if folder.is_symlink() && self.is_read_elsewhere(&real) {
            return self
                .skip(folder, "a link to a folder of the same data, which is read at its own place")
                .map(|()| false);
        }
        if self.seen.insert(real) {
            return Ok(true);
        }
        self.skip(folder, "a link to a folder that was read already").map(|()| false)
    }

    /// Whether a folder is read without this link, or has such folders inside: it is not hidden, and lies in the root or above it.
    fn is_read_elsewhere(&self, real: &Path) -> bool {
        self.inside.starts_with(real)
            || real.strip_prefix(&self.inside).is_ok_and(|inside| !inside.ancestors().any(is_hidden_part))
    }

    /// Whether a path lies inside of the root, or may be followed out of it. Only links can lead out, so only they are resolved.
    fn is_inside(&mut self, path: &Path) -> Result<bool, DatasetError> {
        let is_link = path.symlink_metadata().map_err(DatasetError::io(path))?.file_type().is_symlink();
        if !is_link {
            return Ok(true);
        }
        match path.canonicalize() {
            Ok(target) if self.opening.follow_links || target.starts_with(&self.inside) => Ok(true),
            Ok(target) => {
                let problem = format!(
                    "a symbolic link leads out of the folder, to {}; allow it with --follow-links",
                    target.display()
                );
                self.skip(path, problem).map(|()| false)
            }
            Err(error) => self.skip(path, format!("a symbolic link leads nowhere: {error}")).map(|()| false),
        }
    }

    fn skip(&mut self, path: &Path, problem: impl Into<String>) -> Result<(), DatasetError> {
        let id = inside(self.root, path);
        decide(self.opening, DatasetError::content(path, problem), &id, &mut self.skipped)
    }
}
