//! The pixels of the photographs of a data set.

use anyhow::{Context as _, Result, ensure};
use fisherlens_dataset::ImageEntry;
use fisherlens_descriptors::Photograph;
use fisherlens_model::photograph;
use serde::Serialize;

/// Longer side to which photographs of one's own are shrunk, as by `explain`. Those of PASCAL VOC, on which the settings of the paper were
/// chosen, have at most this side.
pub const MAX_SIDE: usize = 500;

/// How the pixels of photographs are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Reading {
    /// As they are stored: the boxes of PASCAL VOC refer to the stored pixels.
    Stored,
    /// Turned as the EXIF data says, and shrunk to [`MAX_SIDE`].
    Upright,
}

impl Reading {
    /// Reads the photograph of an image, and checks that its bytes are those from which the keys of the run were made. Otherwise results of
    /// other photographs would be stored under these keys, and later runs would find them there.
    ///
    /// # Errors
    /// A file that cannot be read or decoded, or that has changed since it was read first; the message names it.
    pub fn photograph(self, entry: &ImageEntry) -> Result<Photograph> {
        let bytes = unchanged_bytes(entry)?;
        let decoded = match self {
            Self::Stored => Photograph::decode(&bytes),
            Self::Upright => Photograph::decode_upright(&bytes).map(|photograph| photograph.fitted(MAX_SIDE)),
        };
        decoded.with_context(|| format!("cannot decode {}", entry.path.display()))
    }
}

/// The bytes of a photograph's file, which must be those that were read first.
pub(crate) fn unchanged_bytes(entry: &ImageEntry) -> Result<Vec<u8>> {
    let bytes = photograph::read_bytes(&entry.path)?;
    ensure!(
        entry.digest.is_none_or(|digest| *blake3::hash(&bytes).as_bytes() == digest),
        "{} has changed since this run began, so its results cannot be stored: leave the photographs as they are while a run reads them, and \
         run the same command again",
        entry.path.display()
    );
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_has_changed_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        fisherlens_model::write_png(&path, ndarray::Array3::zeros((2, 2, 3)).view()).unwrap();
        let digest = Some(*blake3::hash(&std::fs::read(&path).unwrap()).as_bytes());
        let entry = ImageEntry {
            id: "a".to_owned(),
            path: path.clone(),
            labels: vec![1],
            size: None,
            objects: Vec::new(),
            digest,
            groups: std::collections::BTreeMap::new(),
        };
        assert_eq!(Reading::Stored.photograph(&entry).unwrap().width(), 2);
        fisherlens_model::write_png(&path, ndarray::Array3::ones((2, 2, 3)).view()).unwrap();
        let message = Reading::Upright.photograph(&entry).unwrap_err().to_string();
        assert!(message.contains("a.png has changed"), "{message}");
    }
}
