//! A folder of artifacts: where each file is, how it is written, read and removed, and which files there are.

use std::fs::{self, File};
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use fisherlens_files::{NewFile, folder_of, free_bytes, is_unfinished};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::address::Address;
use crate::envelope::{self, Header};
use crate::error::ArtifactError;
use crate::key::Key;

/// Largest file that is read. It is a limit against mistakes: one artifact is read into memory as a whole.
const MAX_BYTES: u64 = 256 << 30;
/// Extension of the files.
const EXTENSION: &str = "msgpack";

/// An artifact that was loaded from a store; its checksum was verified.
#[derive(Debug, Clone)]
pub struct Loaded<T> {
    /// How the artifact was made.
    pub header: Header,
    /// The stage's value.
    pub value: T,
    /// Size of the file.
    pub n_bytes: u64,
}

/// A file of a store, as [`Store::entries`] lists it.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Name of the stage.
    pub stage: String,
    /// Format version of the stage that computed it.
    pub format_version: u32,
    /// First 16 digits of the key: the name of the folder.
    pub key: String,
    /// Name of the part.
    pub part: String,
    /// Size of the file.
    pub n_bytes: u64,
    /// The header, or `None` when it cannot be read. The checksum was not verified.
    pub header: Option<Header>,
    /// Path of the file.
    pub path: PathBuf,
}

impl Entry {
    /// BLAKE3 of the payload, 64 hexadecimal digits. Equal results have equal digests, whatever the header says. The checksum is verified.
    ///
    /// # Errors
    /// A file that cannot be read or is damaged.
    pub fn payload_digest(&self) -> Result<String, ArtifactError> {
        let path = self.path.clone();
        let bytes = fisherlens_files::read(&path, MAX_BYTES).map_err(|cause| ArtifactError::Io {
            action: "read the artifact",
            path: path.clone(),
            cause,
        })?;
        let digest = envelope::payload_digest(&bytes)
            .map_err(|cause| ArtifactError::Unusable { path, cause: Box::new(cause) })?;
        Ok(blake3::Hash::from_bytes(digest).to_hex().to_string())
    }
}

/// A folder of artifacts.
///
/// ```
/// use std::collections::BTreeMap;
/// use fisherlens_artifact::{Address, Header, Key, Store};
///
/// let folder = tempfile::tempdir()?;
/// let store = Store::open(folder.path())?;
/// let address = Address::new("count", 1, Key::builder("count", 1).finish(), None);
/// let n_bytes = store.save(&address, &Header::new(&BTreeMap::<String, u8>::new(), 0.0)?, &42_u32)?;
/// assert_eq!(store.load::<u32>(&address)?.expect("it is there").value, 42);
/// assert_eq!(store.entries()?.len(), 1);
/// assert_eq!(store.remove_stage("count")?, n_bytes);
/// assert!(!store.contains(&address));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    root: PathBuf,
}

impl Store {
    /// The store in the folder `root`, which is made if it does not exist.
    ///
    /// # Errors
    /// [`ArtifactError::Io`] when the folder cannot be made.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, ArtifactError> {
        let root = root.into();
        fs::create_dir_all(&root).map_err(ArtifactError::io("make the folder of artifacts", &root))?;
        Ok(Self { root })
    }

    /// The store's folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The path of an artifact's file. The file does not have to exist.
    pub fn path(&self, address: &Address) -> PathBuf {
        let folder = self.folder(&address.stage, address.format_version, address.key);
        folder.join(format!("{}.{EXTENSION}", address.part))
    }

    /// Whether the artifact's file exists. It may be damaged; only [`Store::load`] verifies it.
    pub fn contains(&self, address: &Address) -> bool {
        self.path(address).is_file()
    }

    /// Reads and verifies an artifact; `None` when its file does not exist.
    ///
    /// # Errors
    /// [`ArtifactError::Io`] when the file cannot be read; [`ArtifactError::Unusable`] when it is damaged or holds something else.
    pub fn load<T: DeserializeOwned>(&self, address: &Address) -> Result<Option<Loaded<T>>, ArtifactError> {
        let path = self.path(address);
        let bytes = match fisherlens_files::read(&path, MAX_BYTES) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(ArtifactError::io("read the artifact", &path)(error)),
        };
        match envelope::read(&bytes, address) {
            Ok((header, value)) => Ok(Some(Loaded { header, value, n_bytes: bytes.len() as u64 })),
            Err(cause) => Err(ArtifactError::Unusable { path, cause: Box::new(cause) }),
        }
    }

    /// Stores an artifact and returns its size in bytes. An old file of the same address is replaced; if something goes wrong, the old file
    /// stays as it was.
    ///
    /// # Errors
    /// [`ArtifactError::Io`] and [`ArtifactError::MissingRoot`] from the file system; [`ArtifactError::Encode`] when the value cannot be
    /// written, for example because an array is too large for one file.
    pub fn save<T: Serialize>(&self, address: &Address, header: &Header, value: &T) -> Result<u64, ArtifactError> {
        let path = self.path(address);
        if !self.root.is_dir() {
            return Err(ArtifactError::MissingRoot { path, root: self.root.clone() });
        }
        let folder = self.folder(&address.stage, address.format_version, address.key);
        fs::create_dir_all(&folder).map_err(ArtifactError::io("make the folder", &folder))?;
        replace(&path, address, header, value)
    }

    /// The store's files, sorted by stage, format version, key and part. Only their headers are read.
    ///
    /// # Errors
    /// [`ArtifactError::Io`] when a folder cannot be listed.
    pub fn entries(&self) -> Result<Vec<Entry>, ArtifactError> {
        let mut entries = Vec::new();
        for stage_folder in list(&self.root)? {
            let Some((stage, format_version)) = stage_of(&stage_folder) else {
                continue;
            };
            for key_folder in list(&stage_folder)?.iter().filter(|path| path.is_dir()) {
                for path in list(key_folder)? {
                    let part = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
                    if path.extension().is_none_or(|extension| extension != EXTENSION) || part.starts_with('.') {
                        continue;
                    }
                    let (part, key) = (part.to_owned(), name_of(key_folder).to_owned());
                    // Another process may remove the file after the folder was listed.
                    let Ok(n_bytes) = fs::metadata(&path).map(|metadata| metadata.len()) else {
                        continue;
                    };
                    let head = File::open(&path).ok().map(|file| envelope::read_head(BufReader::new(file)));
                    let header = head.and_then(Result::ok).map(|head| head.header);
                    entries.push(Entry { stage: stage.clone(), format_version, key, part, n_bytes, header, path });
                }
            }
        }
        entries.sort_by(|a, b| {
            (&a.stage, a.format_version, &a.key, &a.part).cmp(&(&b.stage, b.format_version, &b.key, &b.part))
        });
        Ok(entries)
    }

    /// Removes all parts of one artifact. Nothing happens if the artifact does not exist.
    ///
    /// # Errors
    /// [`ArtifactError::Io`] when a file cannot be removed.
    pub fn remove(&self, stage: &str, format_version: u32, key: Key) -> Result<(), ArtifactError> {
        let folder = self.folder(stage, format_version, key);
        if folder.is_dir() { remove_artifacts(&folder).map(|_| ()) } else { Ok(()) }
    }

    /// Removes one part of an artifact. Nothing happens if it does not exist.
    ///
    /// # Errors
    /// [`ArtifactError::Io`] when the file cannot be removed.
    pub fn remove_part(&self, address: &Address) -> Result<(), ArtifactError> {
        remove_file(&self.path(address))
    }

    /// Removes the parts of one artifact whose names begin with `prefix`.
    ///
    /// # Errors
    /// [`ArtifactError::Io`] when the folder cannot be listed or a file cannot be removed.
    pub fn remove_parts(&self, stage: &str, format_version: u32, key: Key, prefix: &str) -> Result<(), ArtifactError> {
        let folder = self.folder(stage, format_version, key);
        let paths = if folder.is_dir() { list(&folder)? } else { Vec::new() };
        let is_part = |path: &&PathBuf| {
            path.extension().is_some_and(|extension| extension == EXTENSION) && name_of(path).starts_with(prefix)
        };
        paths.iter().filter(is_part).try_for_each(|path| remove_file(path))
    }

    /// Removes all artifacts of one stage, of all format versions, and returns their size in bytes. Files that are no artifacts stay.
    ///
    /// # Errors
    /// [`ArtifactError::Io`] when a folder cannot be listed or removed.
    pub fn remove_stage(&self, stage: &str) -> Result<u64, ArtifactError> {
        self.remove_stages(|name| name == stage)
    }

    /// Removes all artifacts and returns their size in bytes. Files that are no artifacts stay, whatever the name of their folder is.
    ///
    /// # Errors
    /// [`ArtifactError::Io`] when a folder cannot be listed or removed.
    pub fn clean(&self) -> Result<u64, ArtifactError> {
        self.remove_stages(|_| true)
    }

    fn remove_stages(&self, chosen: impl Fn(&str) -> bool) -> Result<u64, ArtifactError> {
        let mut n_bytes = 0;
        for folder in list(&self.root)? {
            if stage_of(&folder).is_some_and(|(stage, _)| chosen(&stage)) {
                for key_folder in list(&folder)?.iter().filter(|path| path.is_dir()) {
                    n_bytes += remove_artifacts(key_folder)?;
                }
                // A folder that has other files stays.
                let _ = fs::remove_dir(&folder);
            }
        }
        Ok(n_bytes)
    }

    fn folder(&self, stage: &str, format_version: u32, key: Key) -> PathBuf {
        self.root.join(format!("{stage}-v{format_version}")).join(key.short())
    }
}

/// Writes an artifact under a temporary name and then renames it to `path`, so that `path` never holds half a file.
pub(crate) fn replace<T: Serialize>(
    path: &Path,
    address: &Address,
    header: &Header,
    value: &T,
) -> Result<u64, ArtifactError> {
    let failed = || ArtifactError::io("write", path);
    let file = NewFile::create(path).map_err(failed())?;
    let n_bytes = match envelope::write(file.as_file(), address, header, value) {
        Ok(n_bytes) => n_bytes,
        Err(problem) => {
            // The unfinished file must not count as taken space.
            drop(file);
            return Err(not_written(path, address, header, value, problem));
        }
    };
    file.as_file().sync_all().map_err(failed())?;
    file.finish().map_err(failed())?;
    // The folder holds the names of its files. The new name is therefore safe on the disk only after the folder is synced too.
    #[cfg(unix)]
    File::open(folder_of(path)).and_then(|folder| folder.sync_all()).map_err(failed())?;
    Ok(n_bytes)
}

/// The error of a value that was not written. A value that can be written somewhere else does not fit on this disk.
fn not_written<T: Serialize>(
    path: &Path,
    address: &Address,
    header: &Header,
    value: &T,
    problem: String,
) -> ArtifactError {
    let path = path.to_owned();
    match envelope::write(io::sink(), address, header, value) {
        Ok(n_bytes) => {
            let free =
                free_bytes(folder_of(&path)).map_or_else(|| "an unknown number of".to_owned(), |n| n.to_string());
            ArtifactError::Disk { path, problem, n_bytes, free }
        }
        Err(_) => ArtifactError::Encode { path, problem },
    }
}

/// Removes the artifacts and the unfinished files in the folder of a key, and returns their size in bytes. Other files stay.
fn remove_artifacts(folder: &Path) -> Result<u64, ArtifactError> {
    let mut n_bytes = 0;
    for path in list(folder)? {
        let is_own = path.extension().is_some_and(|extension| extension == EXTENSION) && envelope::has_start(&path);
        if is_own || is_unfinished(&path) {
            n_bytes += fs::symlink_metadata(&path).map_or(0, |metadata| metadata.len());
            remove_file(&path)?;
        }
    }
    let _ = fs::remove_dir(folder);
    Ok(n_bytes)
}

/// Removes a file. Another process may have removed it before.
fn remove_file(path: &Path) -> Result<(), ArtifactError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(ArtifactError::io("remove", path)(error)),
        _ => Ok(()),
    }
}

/// Paths of everything in a folder.
pub(crate) fn list(folder: &Path) -> Result<Vec<PathBuf>, ArtifactError> {
    let entries = fs::read_dir(folder).and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect());
    entries.map_err(ArtifactError::io("list the folder", folder))
}

/// Stage and format version from a folder's name, `<stage>-v<version>`; `None` for anything else, which does not belong to the store.
fn stage_of(folder: &Path) -> Option<(String, u32)> {
    let (stage, version) = name_of(folder).rsplit_once("-v")?;
    folder.is_dir().then_some(())?;
    Some((stage.to_owned(), version.parse().ok()?))
}

fn name_of(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
