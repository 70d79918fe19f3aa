//! Files that the user has already: given by their paths, or found in the target under their own names.

use std::io;
use std::path::{Path, PathBuf};

use crate::client::Ended;
use crate::digest::Digest;
use crate::download::verify;
use crate::error::FetchError;
use crate::observer::{Observer, stopped};
use crate::package::{Expected, Package, RemoteFile};
use crate::part::part_of;

/// A file that is there already, and its digest.
#[derive(Debug, Clone)]
pub(crate) struct Local {
    pub(crate) path: PathBuf,
    pub(crate) digest: Digest,
}

/// The file of the package that each given path is: one entry per file of the package.
///
/// # Errors
/// [`FetchError::GivenSize`] and [`FetchError::Unrecognised`] for a file that is not wanted; [`FetchError::Io`], also for a folder; [`FetchError::Stopped`].
pub(crate) fn recognise(
    paths: &[PathBuf],
    package: &Package,
    observer: &dyn Observer,
) -> Result<Vec<Option<Local>>, FetchError> {
    let mut found = vec![None; package.files.len()];
    let mut sizes = Vec::new();
    // All sizes are looked at before the first file is read.
    for path in paths {
        let metadata = path.metadata().map_err(FetchError::io("read", path))?;
        if !metadata.is_file() {
            let cause = io::Error::new(io::ErrorKind::InvalidInput, "it is a folder or a device, expected a file");
            return Err(FetchError::io("read", path)(cause));
        }
        let n_bytes = metadata.len();
        if !package.files.iter().any(|file| file.size.allows(n_bytes)) {
            let expected = package.files.iter().map(|file| format!("{} with {} bytes", file.name, file.size));
            return Err(FetchError::GivenSize { path: path.clone(), n_bytes, expected: expected.collect() });
        }
        sizes.push(n_bytes);
    }
    for (path, n_bytes) in paths.iter().zip(sizes) {
        stopped(observer)?;
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        let digest = Digest::of_file(path, &name, observer)?;
        let mut fits = None;
        for (number, file) in package.files.iter().enumerate() {
            let is_it = match file.digest {
                Expected::Published(expected) => digest == expected,
                // Without a published digest, name, size and form must be right.
                Expected::Seen(_) | Expected::Unknown => {
                    name == file.name && file.size.allows(n_bytes) && is_right(path, file, observer)?
                }
            };
            if is_it {
                fits = Some(number);
            }
        }
        let Some(number) = fits else {
            return Err(FetchError::Unrecognised {
                path: path.clone(),
                found: format!("has {n_bytes} bytes and sha256 {digest}"),
                package: package.name.clone(),
                expected: package.files.iter().map(description).collect(),
            });
        };
        found[number] = Some(Local { path: path.clone(), digest });
    }
    Ok(found)
}

/// The file in the target under its own name; `None` if nothing is there.
///
/// # Errors
/// [`FetchError::Existing`] if it has another content, [`FetchError::NotAFile`], [`FetchError::Io`], [`FetchError::Stopped`].
pub(crate) fn find(path: &Path, file: &RemoteFile, observer: &dyn Observer) -> Result<Option<Local>, FetchError> {
    if path.symlink_metadata().is_err() {
        return Ok(None);
    }
    let metadata = path.metadata().map_err(FetchError::io("read", path))?;
    if !metadata.is_file() {
        return Err(FetchError::NotAFile { path: path.to_owned() });
    }
    let n_bytes = metadata.len();
    let existing = |problem: String| {
        let part = part_of(path);
        // Without a published digest, the beginning of a file of unknown origin is not continued.
        let is_published = matches!(file.digest, Expected::Published(_));
        let may_be_part = is_published && n_bytes < file.size.least && !part.exists();
        FetchError::Existing { path: path.to_owned(), problem, part: may_be_part.then_some(part) }
    };
    if !file.size.allows(n_bytes) {
        return Err(existing(format!("has {n_bytes} bytes, expected {}", file.size)));
    }
    match verify(path, file, observer) {
        Ok(digest) => Ok(Some(Local { path: path.to_owned(), digest })),
        Err(Ended::Error(error)) => Err(error),
        Err(Ended::Problem(problem)) => Err(existing(format!("is another file: {problem}"))),
    }
}

fn is_right(path: &Path, file: &RemoteFile, observer: &dyn Observer) -> Result<bool, FetchError> {
    match verify(path, file, observer) {
        Ok(_) => Ok(true),
        Err(Ended::Problem(_)) => Ok(false),
        Err(Ended::Error(error)) => Err(error),
    }
}

/// What a wanted file is recognised by.
fn description(file: &RemoteFile) -> String {
    let (name, size) = (&file.name, file.size);
    match file.digest {
        Expected::Published(digest) => format!("{name}: {size} bytes, sha256 {digest}"),
        Expected::Seen(_) | Expected::Unknown => {
            format!("{name}: {size} bytes, recognised by its name, because nobody has published its digest")
        }
    }
}
