//! An artifact whose bytes stay in its file: the system reads and forgets its pages as they are needed.
#![expect(
    unsafe_code,
    reason = "a mapped file is memory that another program could change; see the comment at the call"
)]

use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::Path;

use memmap2::Mmap;

use crate::address::Address;
use crate::envelope::{self, Header};
use crate::error::ArtifactError;
use crate::store::Store;

/// An artifact that is mapped into memory. Its checksum was verified when it was opened.
///
/// ```
/// use std::collections::BTreeMap;
/// use fisherlens_artifact::{Address, Header, Key, Store};
///
/// let folder = tempfile::tempdir()?;
/// let store = Store::open(folder.path())?;
/// let address = Address::new("count", 1, Key::builder("count", 1).finish(), None);
/// store.save(&address, &Header::new(&BTreeMap::<String, u8>::new(), 0.0)?, &42_u32)?;
/// assert_eq!(store.map(&address)?.expect("it is there").payload(), [42]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Mapped {
    /// How the artifact was made.
    pub header: Header,
    map: Mmap,
    payload: Range<usize>,
}

impl Mapped {
    /// The payload as MessagePack. [`crate::array::Borrowed`] reads an array of it without copying its elements.
    pub fn payload(&self) -> &[u8] {
        &self.map[self.payload.clone()]
    }

    /// Where `part`, which is borrowed from the payload, lies in it.
    ///
    /// # Panics
    /// When `part` does not lie in the payload.
    pub fn range_of(&self, part: &[u8]) -> Range<usize> {
        let start = (part.as_ptr() as usize).checked_sub(self.payload().as_ptr() as usize);
        let range = start.map(|start| start..start + part.len());
        range.filter(|range| range.end <= self.payload.len()).expect("the part is borrowed from this payload")
    }
}

impl Store {
    /// Maps an artifact into memory and verifies it; `None` when its file does not exist. It stays readable when the file is
    /// removed, but not if another machine removes it on a file system that both share, such as NFS: the process then ends with a bus error.
    ///
    /// # Errors
    /// [`ArtifactError::Io`] when the file cannot be mapped; [`ArtifactError::Unusable`] when it is damaged or holds something else.
    pub fn map(&self, address: &Address) -> Result<Option<Mapped>, ArtifactError> {
        let path = self.path(address);
        let map = match map(&path) {
            Ok(map) => map,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(ArtifactError::io("map the artifact", &path)(error)),
        };
        let unusable = |cause| ArtifactError::Unusable { path: path.clone(), cause: Box::new(cause) };
        let (head, payload) = envelope::open(&map).map_err(unusable)?;
        if head.address != *address {
            let (found, expected) = (head.address.to_string(), address.to_string());
            return Err(unusable(ArtifactError::Address { found, expected }));
        }
        Ok(Some(Mapped { header: head.header, map, payload }))
    }
}

fn map(path: &Path) -> io::Result<Mmap> {
    let file = File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    }
    // SAFETY: the bytes must not change while they are mapped. This crate never changes a file of a store: it writes a new file and renames
    // it, and the mapping keeps the old one. The bytes are only read as numbers and MessagePack, for which every value is valid.
    unsafe { Mmap::map(&file) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use ndarray::array;
    use serde::{Deserialize, Serialize};

    use super::*;
    use crate::array::{self, Borrowed};
    use crate::key::Key;

    #[derive(Serialize, Deserialize)]
    struct Shard {
        name: String,
        #[serde(with = "array")]
        values: ndarray::Array2<f32>,
    }

    #[derive(Deserialize)]
    struct Seen<'a> {
        name: String,
        #[serde(borrow)]
        values: Borrowed<'a>,
    }

    #[test]
    fn arrays_are_read_where_they_lie() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let address = Address::new("encode", 1, Key::builder("encode", 1).finish(), Some("train-0000"));
        assert!(store.map(&address).unwrap().is_none());
        let values = array![[1.0_f32, 2.0, 3.0], [4.0, 5.0, 6.0]];
        let header = Header::new(&BTreeMap::<String, u8>::new(), 0.0).unwrap();
        store.save(&address, &header, &Shard { name: "a".into(), values: values.clone() }).unwrap();
        let mapped = store.map(&address).unwrap().unwrap();
        store.save(&address, &header, &Shard { name: "b".into(), values: values.clone() * 2.0 }).unwrap();
        // The old file stays mapped.
        let seen: Seen<'_> = rmp_serde::from_slice(mapped.payload()).unwrap();
        assert_eq!((seen.name.as_str(), seen.values.shape.as_slice()), ("a", [2, 3].as_slice()));
        let inside = mapped.payload().as_ptr_range();
        assert!(inside.contains(&seen.values.data.as_ptr()));
        seen.values.check::<f32>().unwrap();
        assert!(seen.values.check::<u32>().unwrap_err().contains("<f4"));
        assert!(Borrowed { shape: vec![2, 4], ..seen.values.clone() }.check::<f32>().unwrap_err().contains("[2, 4]"));
        assert_eq!(&mapped.payload()[mapped.range_of(seen.values.data)], seen.values.data);
    }

    #[test]
    fn damage_and_other_artifacts_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let key = Key::builder("encode", 1).finish();
        let [one, other] = ["a", "b"].map(|part| Address::new("encode", 1, key, Some(part)));
        store.save(&one, &Header::new(&BTreeMap::<String, u8>::new(), 0.0).unwrap(), &1_u8).unwrap();
        std::fs::copy(store.path(&one), store.path(&other)).unwrap();
        assert!(store.map(&other).unwrap_err().to_string().contains("expected encode-v1"));
        let mut bytes = std::fs::read(store.path(&one)).unwrap();
        for (at, what) in [(bytes.len() / 2, "checksum"), (bytes.len() - 1, "checksum")] {
            bytes[at] ^= 1;
            std::fs::write(store.path(&one), &bytes).unwrap();
            assert!(store.map(&one).unwrap_err().to_string().contains(what));
        }
        std::fs::write(store.path(&one), []).unwrap();
        assert!(store.map(&one).is_err());
        std::fs::remove_file(store.path(&one)).unwrap();
        std::fs::create_dir(store.path(&one)).unwrap();
        assert!(store.map(&one).is_err());
    }
}
