//! Looks into every photograph once, before anything is computed from it.
//!
//! A damaged photograph would otherwise end a run after hours, and a box that belongs to a picture of another size would be laid over other
//! pixels without a word.

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::Result;
use fisherlens_artifact::{Address, Header, Key, Store};
use fisherlens_dataset::ImageEntry;
use fisherlens_descriptors::Photograph;
use fisherlens_model::photograph::MAX_BYTES;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::interrupt::Interrupt;
use crate::near::Fingerprint;
use crate::progress::Progress;
use crate::reading::{Reading, unchanged_bytes};

/// Name of the artifact.
const NAME: &str = "photographs";
/// Its format version. It must be increased whenever other files are decoded or refused.
const FORMAT_VERSION: u32 = 3;
/// Number of photographs whose looks are stored together, so that a stopped run loses little.
const SHARD: usize = 5000;

/// What the looks need: the store remembers them, so that each photograph is decoded only once.
pub(crate) struct Intake<'a> {
    pub(crate) store: &'a Store,
    pub(crate) progress: &'a Progress,
    pub(crate) interrupt: &'a Interrupt,
    /// Whether a photograph of this width and height gives nothing to compute with.
    pub(crate) is_too_small: &'a dyn Fn(usize, usize) -> bool,
}

/// What one look at a file found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Look {
    /// A picture. Width and height are those of its pixels before it is shrunk.
    Photograph { width: u32, height: u32, fingerprint: Option<Fingerprint> },
    /// Why it cannot be decoded. The path is not part of it: the same bytes may lie elsewhere later.
    Fault(String),
}

impl Intake<'_> {
    /// Reads all files for their digests, which are kept in the entries. The images whose file cannot be read get the problem.
    ///
    /// # Errors
    /// A stop on request.
    pub(crate) fn read_digests(&self, images: &mut [ImageEntry]) -> Result<Vec<Result<(), String>>> {
        let bar = self.progress.bar("reading", images.len() as u64);
        let read = |entry: &mut ImageEntry| -> Result<Result<(), String>> {
            self.interrupt.check()?;
            bar.advance(1);
            Ok(match fisherlens_files::read(&entry.path, MAX_BYTES) {
                Ok(bytes) => {
                    entry.digest = Some(*blake3::hash(&bytes).as_bytes());
                    Ok(())
                }
                Err(error) => Err(format!("cannot read {}: {error}", entry.path.display())),
            })
        };
        images.par_iter_mut().map(read).collect()
    }

    /// One look at each image, whose digest must be known.
    ///
    /// # Errors
    /// The errors of the store; a stop on request; a file that has changed since its digest was read.
    pub(crate) fn looks(&self, images: &[ImageEntry], reading: Reading) -> Result<Vec<Look>> {
        let bar = self.progress.bar(NAME, images.len() as u64);
        let mut looks = Vec::with_capacity(images.len());
        for entries in images.chunks(SHARD) {
            let digests: Vec<[u8; 32]> = entries.iter().filter_map(|entry| entry.digest).collect();
            let key =
                Key::builder(NAME, FORMAT_VERSION).setting("reading", &reading).setting("files", &digests).finish();
            let address = Address::new(NAME, FORMAT_VERSION, key, None);
            if let Some(stored) = self.store.load::<Vec<Look>>(&address)? {
                bar.advance(entries.len() as u64);
                looks.extend(stored.value);
                continue;
            }
            let since = Instant::now();
            let look = |entry: &ImageEntry| -> Result<Look> {
                self.interrupt.check()?;
                bar.advance(1);
                look(entry, reading)
            };
            let found = entries.par_iter().map(look).collect::<Result<Vec<_>>>()?;
            let header = Header::new(&BTreeMap::<String, u8>::new(), since.elapsed().as_secs_f64())?;
            self.store.save(&address, &header, &found)?;
            looks.extend(found);
        }
        Ok(looks)
    }
}

fn look(entry: &ImageEntry, reading: Reading) -> Result<Look> {
    let bytes = unchanged_bytes(entry)?;
    let decoded = match reading {
        Reading::Stored => Photograph::decode(&bytes),
        Reading::Upright => Photograph::decode_upright(&bytes),
    };
    Ok(match decoded {
        Ok(photograph) => Look::Photograph {
            width: photograph.width() as u32,
            height: photograph.height() as u32,
            fingerprint: Fingerprint::of(&photograph),
        },
        Err(error) => Look::Fault(error.to_string()),
    })
}
