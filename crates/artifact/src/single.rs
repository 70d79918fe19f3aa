//! One artifact in a file that the user chooses, outside a store.

use std::ops::Range;
use std::path::Path;

use fisherlens_files::LARGEST_MODEL;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::address::Address;
use crate::envelope::{self, Header};
use crate::error::ArtifactError;
use crate::store;

/// Writes an artifact into the file `path` and returns its size in bytes. If something goes wrong, an old file of that name stays as it
/// was.
///
/// ```
/// use std::collections::BTreeMap;
/// use fisherlens_artifact::{Address, Header, Key, read_file, write_file};
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("count.msgpack");
/// let address = Address::new("count", 1, Key::builder("count", 1).finish(), None);
/// write_file(&path, &address, &Header::new(&BTreeMap::from([("step", 4)]), 0.0)?, &42_u32)?;
/// let (header, value) = read_file::<u32>(&path, "count", 1)?;
/// assert_eq!((header.settings["step"].as_integer(), value), (Some(4), 42));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`ArtifactError::Io`] from the file system; [`ArtifactError::Encode`] when the value cannot be written.
pub fn write_file<T: Serialize>(
    path: &Path,
    address: &Address,
    header: &Header,
    value: &T,
) -> Result<u64, ArtifactError> {
    store::replace(path, address, header, value)
}

/// The bytes that [`write_file`] would write.
///
/// # Errors
/// [`ArtifactError::Payload`] when the value has no MessagePack form.
pub fn write_bytes<T: Serialize>(address: &Address, header: &Header, value: &T) -> Result<Vec<u8>, ArtifactError> {
    let mut bytes = Vec::new();
    envelope::write(&mut bytes, address, header, value).map_err(|problem| ArtifactError::Payload { problem })?;
    Ok(bytes)
}

/// An artifact of any stage and version, whose payload is not read yet. [`read_any`] makes it.
#[derive(Debug, Clone)]
pub struct Sealed {
    /// Where the artifact belongs.
    pub address: Address,
    /// How it was made.
    pub header: Header,
    bytes: Vec<u8>,
    payload: Range<usize>,
}

impl Sealed {
    /// The payload as MessagePack.
    pub fn payload(&self) -> &[u8] {
        &self.bytes[self.payload.clone()]
    }
}

/// Reads an artifact of any stage and version from the file `path`, for programs that show artifacts. Checks the checksum.
///
/// ```
/// use std::collections::BTreeMap;
/// use fisherlens_artifact::{Address, Header, Key, read_any, write_file};
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("count.msgpack");
/// let address = Address::new("count", 1, Key::builder("count", 1).finish(), None);
/// write_file(&path, &address, &Header::new(&BTreeMap::from([("step", 4)]), 0.0)?, &42_u32)?;
/// let sealed = read_any(&path)?;
/// assert_eq!((sealed.address.stage.as_str(), sealed.payload()), ("count", [42].as_slice()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`ArtifactError::Io`] when the file cannot be read; [`ArtifactError::File`] when it is damaged or no artifact.
pub fn read_any(path: &Path) -> Result<Sealed, ArtifactError> {
    let bytes = fisherlens_files::read(path, LARGEST_MODEL).map_err(ArtifactError::io("read", path))?;
    match envelope::open(&bytes) {
        Ok((envelope::Head { address, header }, payload)) => Ok(Sealed { address, header, bytes, payload }),
        Err(cause) => {
            Err(ArtifactError::File { path: path.to_owned(), stage: "result".to_owned(), cause: Box::new(cause) })
        }
    }
}

/// Reads an artifact of `stage` and `format_version` from the file `path`; it may have any key.
///
/// # Errors
/// [`ArtifactError::Io`] when the file cannot be read; [`ArtifactError::File`] when it is damaged or holds something else.
pub fn read_file<T: DeserializeOwned>(
    path: &Path,
    stage: &str,
    format_version: u32,
) -> Result<(Header, T), ArtifactError> {
    let bytes = fisherlens_files::read(path, LARGEST_MODEL).map_err(ArtifactError::io("read", path))?;
    read_bytes(&bytes, stage, format_version).map_err(|cause| ArtifactError::File {
        path: path.to_owned(),
        stage: stage.to_owned(),
        cause: Box::new(cause),
    })
}

/// Reads an artifact of `stage` and `format_version` from the bytes of such a file.
///
/// # Errors
/// [`ArtifactError::Stage`] for an artifact of another stage or version; the variants without a path for damaged bytes.
pub fn read_bytes<T: DeserializeOwned>(
    bytes: &[u8],
    stage: &str,
    format_version: u32,
) -> Result<(Header, T), ArtifactError> {
    let address = envelope::read_head(bytes)?.address;
    if address.stage != stage || address.format_version != format_version {
        let found = format!("{}-v{}", address.stage, address.format_version);
        return Err(ArtifactError::Stage { found, expected: format!("{stage}-v{format_version}") });
    }
    envelope::read(bytes, &address)
}
