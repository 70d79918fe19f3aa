//! One artifact in a file of the user's own, outside the store.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::envelope::{self, Header};
use crate::store::{self, Address};

/// Writes an artifact under a name of the user's choice, whole or not at all, and returns its size in bytes.
///
/// # Errors
/// What the file system says, with the file's name.
pub fn write_file<T: Serialize>(path: &Path, address: &Address, header: &Header, value: &T) -> Result<u64> {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    store::replace(path, folder, address, header, value).with_context(|| format!("cannot write {}", path.display()))
}

/// Reads an artifact of `stage` and `format_version` from a file, whatever its key is.
///
/// # Errors
/// A file that cannot be read, is damaged, or holds something else; each with its name.
pub fn read_file<T: DeserializeOwned>(path: &Path, stage: &str, format_version: u32) -> Result<(Header, T)> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    read_bytes(&bytes, stage, format_version)
        .with_context(|| format!("{} is not a {stage} file of this program, or it is damaged", path.display()))
}

/// Reads the bytes of such a file.
///
/// # Errors
/// Bytes that are damaged or hold something else.
pub fn read_bytes<T: DeserializeOwned>(bytes: &[u8], stage: &str, format_version: u32) -> Result<(Header, T)> {
    let address = envelope::read_head(bytes)?.address;
    ensure!(
        address.stage == stage && address.format_version == format_version,
        "it holds {}-v{}, expected {stage}-v{format_version}",
        address.stage,
        address.format_version
    );
    envelope::read(bytes, &address)
}
