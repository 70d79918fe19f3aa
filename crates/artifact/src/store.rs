//! The folder of artifacts: where each lies, how it gets there whole, and what is there.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::envelope::{self, Header};
use crate::key::Key;

/// Name of the only part of an artifact that is not divided.
const WHOLE: &str = "artifact";

/// How the files end.
const EXTENSION: &str = "msgpack";

/// How files start that are still being written; a run that was killed leaves one behind.
const ASIDE: &str = ".writing-";

/// Which artifact: stage, format version, key and part.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// Name of the stage.
    pub stage: String,
    /// Version of what the stage computes.
    pub format_version: u32,
    /// Digest of everything it depends on.
    pub key: Key,
    /// Name of the part: `artifact`, or that of a shard.
    pub part: String,
}

/// What was read, verified.
#[derive(Debug, Clone)]
pub struct Loaded<T> {
    /// What the file says about its making.
    pub header: Header,
    /// The stage's value.
    pub value: T,
    /// Size of the file.
    pub n_bytes: u64,
}

/// A file of the store, as `status` lists it.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Name of the stage.
    pub stage: String,
    /// Version of what the stage computed.
    pub format_version: u32,
    /// First 16 digits of the key: the name of the folder.
    pub key: String,
    /// Name of the part.
    pub part: String,
    /// Size of the file.
    pub n_bytes: u64,
    /// The header, not verified by the checksum; none when it cannot be read.
    pub header: Option<Header>,
    /// The file.
    pub path: PathBuf,
}

/// A folder of artifacts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    root: PathBuf,
}

impl Address {
    /// The artifact of `stage` under `key`; without a part the whole of it.
    ///
    /// # Panics
    /// When stage or part is no plain file name of letters, digits and hyphens.
    pub fn new(stage: &str, format_version: u32, key: Key, part: Option<&str>) -> Self {
        let part = part.unwrap_or(WHOLE);
        for name in [stage, part] {
            let plain = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
            assert!(plain, "stages and parts are named by letters, digits and hyphens, not {name:?}");
        }
        Self { stage: stage.to_owned(), format_version, key, part: part.to_owned() }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-v{}/{}/{}", self.stage, self.format_version, self.key, self.part)
    }
}

impl Store {
    /// The store in `root`, which is made if it is not there.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self> {
        let root = root.into();
        fs::create_dir_all(&root).with_context(|| format!("cannot make the folder of artifacts {}", root.display()))?;
        Ok(Self { root })
    }

    /// Its folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The file of an artifact, there or not.
    pub fn path(&self, address: &Address) -> PathBuf {
        let folder = self.folder(&address.stage, address.format_version, address.key);
        folder.join(format!("{}.{EXTENSION}", address.part))
    }

    /// Whether the file is there; it may still turn out damaged.
    pub fn contains(&self, address: &Address) -> bool {
        self.path(address).is_file()
    }

    /// Reads and verifies an artifact; `None` when it is not there.
    ///
    /// # Errors
    /// A file that cannot be read or is damaged, with its name and what to do.
    pub fn load<T: DeserializeOwned>(&self, address: &Address) -> Result<Option<Loaded<T>>> {
        let path = self.path(address);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read the artifact {}", path.display()));
            }
        };
        let (header, value) = envelope::read(&bytes, address).with_context(|| {
            format!(
                "the artifact {} cannot be used: delete that file, or run `cargo xtask clean --stage {}`, and reproduce \
                 again; only what is missing then is computed anew",
                path.display(),
                address.stage
            )
        })?;
        Ok(Some(Loaded { header, value, n_bytes: bytes.len() as u64 }))
    }

    /// Stores an artifact, whole or not at all, and returns its size in bytes. What was there is replaced.
    ///
    /// # Errors
    /// What the file system says, with the file's name; an array that is too large for one file.
    pub fn save<T: Serialize>(&self, address: &Address, header: &Header, value: &T) -> Result<u64> {
        let path = self.path(address);
        let folder = self.folder(&address.stage, address.format_version, address.key);
        self.write(&path, &folder, address, header, value)
            .with_context(|| format!("cannot write the artifact {}", path.display()))
    }

    /// The files there are, sorted by stage, version, key and part. Only their headers are read.
    ///
    /// # Errors
    /// When a folder cannot be listed.
    pub fn entries(&self) -> Result<Vec<Entry>> {
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
                    // Another process may take the file away between the listing and this line.
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

    /// Removes all parts of one artifact; it is no error if there is none.
    ///
    /// # Errors
    /// What the file system says.
    pub fn remove(&self, stage: &str, format_version: u32, key: Key) -> Result<()> {
        remove_folder(&self.folder(stage, format_version, key))
    }

    /// Removes everything that one stage stored, in all its versions, and returns the number of bytes.
    ///
    /// # Errors
    /// What the file system says.
    pub fn remove_stage(&self, stage: &str) -> Result<u64> {
        self.remove_stages(|name| name == stage)
    }

    /// Removes all artifacts and returns the number of bytes. Files that are no artifacts stay.
    ///
    /// # Errors
    /// What the file system says.
    pub fn clean(&self) -> Result<u64> {
        self.remove_stages(|_| true)
    }

    fn remove_stages(&self, chosen: impl Fn(&str) -> bool) -> Result<u64> {
        let mut n_bytes = 0;
        for folder in list(&self.root)? {
            if stage_of(&folder).is_some_and(|(stage, _)| chosen(&stage)) {
                n_bytes += size(&folder)?;
                remove_folder(&folder)?;
            }
        }
        Ok(n_bytes)
    }

    fn folder(&self, stage: &str, format_version: u32, key: Key) -> PathBuf {
        self.root.join(format!("{stage}-v{format_version}")).join(key.short())
    }

    fn write<T: Serialize>(
        &self,
        path: &Path,
        folder: &Path,
        address: &Address,
        header: &Header,
        value: &T,
    ) -> Result<u64> {
        ensure!(self.root.is_dir(), "the folder {} went away", self.root.display());
        fs::create_dir_all(folder)?;
        replace(path, folder, address, header, value)
    }
}

/// Writes an artifact aside in `folder` and gives it its name, whole or not at all.
pub(super) fn replace<T: Serialize>(
    path: &Path,
    folder: &Path,
    address: &Address,
    header: &Header,
    value: &T,
) -> Result<u64> {
    let mut aside = tempfile::Builder::new();
    aside.prefix(ASIDE);
    // Temporary files are private by default; an artifact is as open as any other file the user makes.
    #[cfg(unix)]
    aside.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let file = aside.tempfile_in(folder)?;
    let n_bytes = envelope::write(file.as_file(), address, header, value)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    // The rename itself is safe on disk only once the folder is.
    #[cfg(unix)]
    File::open(folder)?.sync_all()?;
    Ok(n_bytes)
}

/// Paths in a folder.
fn list(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect());
    entries.with_context(|| format!("cannot list the folder {}", folder.display()))
}

/// Stage and version from a folder's name, `<stage>-v<version>`; none for folders that are not the store's.
fn stage_of(folder: &Path) -> Option<(String, u32)> {
    let (stage, version) = name_of(folder).rsplit_once("-v")?;
    folder.is_dir().then_some(())?;
    Some((stage.to_owned(), version.parse().ok()?))
}

fn name_of(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

fn size(path: &Path) -> Result<u64> {
    if path.is_dir() {
        return list(path)?.iter().map(|inner| size(inner)).sum();
    }
    Ok(fs::symlink_metadata(path).map_or(0, |metadata| metadata.len()))
}

fn remove_folder(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
