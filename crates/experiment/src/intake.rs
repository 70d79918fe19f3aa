//! Looks into every photograph once, before anything is computed from it.
//!
//! A damaged photograph would otherwise end a run after hours, and a box that belongs to a picture of another size would be laid over other
//! pixels without a word.

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::{Error, Result};
use fisherlens_artifact::{Address, Header, Key, Store};
use fisherlens_dataset::ImageEntry;
use fisherlens_model::photograph;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::interrupt::Interrupt;
use crate::progress::Progress;

/// Name of the artifact.
const NAME: &str = "photographs";
/// Its format version. It must be increased whenever other files are decoded or refused.
const FORMAT_VERSION: u32 = 1;

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
            return Ok(stored.value.faults);
        }
        let since = Instant::now();
        let bar = self.progress.bar(NAME, images.len() as u64);
        let fault = |entry: &ImageEntry| -> Result<Option<(String, String)>> {
            self.interrupt.check()?;
            bar.advance(1);
            Ok(problem(entry).map(|problem| (entry.id.clone(), problem)))
        };
        let faults = images.par_iter().map(fault).collect::<Result<Vec<_>>>()?;
        let looked = Looked { faults: faults.into_iter().flatten().collect() };
        let header = Header::new(&BTreeMap::<String, u8>::new(), since.elapsed().as_secs_f64())?;
        self.store.save(&address, &header, &looked)?;
        Ok(looked.faults)
    }
}

/// Why an image cannot be used; `None` if it can.
fn problem(entry: &ImageEntry) -> Option<String> {
    let photograph = match photograph::read(&entry.path) {
        Ok(photograph) => photograph,
        Err(error) => return Some(format!("{:#}", Error::from(error))),
    };
    let found = (photograph.width(), photograph.height());
    let annotated = entry.size.map(|[width, height]| (width as usize, height as usize))?;
    (found != annotated).then(|| {
        format!(
            "{} has {} × {} pixels, but its annotation says {} × {}, so its boxes belong to another picture{}",
            entry.path.display(),
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
    })
}
