//! Looks into every photograph once, before anything is computed from it.
//!
//! A damaged photograph would otherwise end a run after hours, and a box that belongs to a picture of another size would be laid over other
//! pixels without a word.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::time::Instant;

use anyhow::Result;
use fisherlens_artifact::{Address, Header, Key, Store};
use fisherlens_dataset::ImageEntry;
use fisherlens_descriptors::Photograph;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::interrupt::Interrupt;
use crate::progress::Progress;
use crate::reading::unchanged_bytes;

/// Name of the artifact.
const NAME: &str = "photographs";
/// Its format version. It must be increased whenever other files are decoded or refused.
const FORMAT_VERSION: u32 = 2;

/// What the look needs: the store remembers its result, so that each set of photographs is decoded only once.
pub(crate) struct Intake<'a> {
    pub(crate) store: &'a Store,
    pub(crate) progress: &'a Progress,
    pub(crate) interrupt: &'a Interrupt,
}

/// The artifact.
#[derive(Debug, Serialize, Deserialize)]
struct Looked {
    /// Id and problem of every image that cannot be used.
    faults: Vec<(String, String)>,
}

impl Intake<'_> {
    /// Id and problem of every image that cannot be decoded, or whose annotation belongs to a picture of another size. `files`: digest of
    /// the bytes of all files.
    ///
    /// # Errors
    /// The errors of the store; a stop on request.
    pub(crate) fn faults(&self, images: &[ImageEntry], files: Key) -> Result<Vec<(String, String)>> {
        let sizes: Vec<_> = images.iter().map(|entry| entry.size.unwrap_or_default()).collect();
        let key = Key::builder(NAME, FORMAT_VERSION).setting("sizes", &sizes).input("images", files).finish();
        let address = Address::new(NAME, FORMAT_VERSION, key, None);
        if let Some(stored) = self.store.load::<Looked>(&address)? {
            return Ok(with_paths(stored.value.faults, images));
        }
        let since = Instant::now();
        let bar = self.progress.bar(NAME, images.len() as u64);
        let fault = |entry: &ImageEntry| -> Result<Option<(String, String)>> {
            self.interrupt.check()?;
            bar.advance(1);
            Ok(problem(entry)?.map(|problem| (entry.id.clone(), problem)))
        };
        let faults = images.par_iter().map(fault).collect::<Result<Vec<_>>>()?;
        let looked = Looked { faults: faults.into_iter().flatten().collect() };
        let header = Header::new(&BTreeMap::<String, u8>::new(), since.elapsed().as_secs_f64())?;
        self.store.save(&address, &header, &looked)?;
        Ok(with_paths(looked.faults, images))
    }
}

/// The same problems with the paths that the files have now. The stored ones have none, because the folder may have moved since.
fn with_paths(faults: Vec<(String, String)>, images: &[ImageEntry]) -> Vec<(String, String)> {
    let paths: HashMap<&str, &Path> = images.iter().map(|entry| (entry.id.as_str(), entry.path.as_path())).collect();
    let with_path = |(id, problem): (String, String)| {
        let path = paths.get(id.as_str()).map(|path| format!("{}: ", path.display())).unwrap_or_default();
        (id, path + &problem)
    };
    faults.into_iter().map(with_path).collect()
}

/// Why an image cannot be used, without its path; `None` if it can.
fn problem(entry: &ImageEntry) -> Result<Option<String>> {
    let photograph = match Photograph::decode(&unchanged_bytes(entry)?) {
        Ok(photograph) => photograph,
        Err(error) => return Ok(Some(format!("cannot decode the file: {error}"))),
    };
    let found = (photograph.width(), photograph.height());
    let Some([width, height]) = entry.size else { return Ok(None) };
    let annotated = (width as usize, height as usize);
    Ok((found != annotated).then(|| {
        format!(
            "the picture has {} × {} pixels, but its annotation says {} × {}, so its boxes belong to another picture{}",
            found.0,
            found.1,
            annotated.0,
            annotated.1,
            if found == (annotated.1, annotated.0) {
                "; the picture may have been turned after it was annotated"
            } else {
                ""
            }
        )
    }))
}
