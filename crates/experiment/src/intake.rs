//! Looks into every photograph once, before anything is computed from it.
//!
//! A damaged photograph would otherwise end a run after hours, and a box that belongs to a picture of another size would be laid over other
//! pixels without a word.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Result;
use fisherlens_artifact::{Address, Header, Key, KeyBuilder, Store};
use fisherlens_dataset::ImageEntry;
use fisherlens_descriptors::Photograph;
use fisherlens_model::photograph::MAX_BYTES;
use rayon::prelude::*;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::interrupt::Interrupt;
use crate::near::{self, Fingerprint};
use crate::progress::{Bar, Progress};
use crate::reading::{Reading, unchanged_bytes};
use crate::share::Chosen;

/// Name of the looks.
const LOOKS: &str = "photographs";
/// Their format version. It must be increased whenever other files are decoded or refused.
const LOOKS_VERSION: u32 = 3;
/// Name of the digests of files.
const DIGESTS: &str = "digests";
/// Name of the pairs of nearly equal photographs.
const NEAR: &str = "near";
/// Name and format version of everything that is stored here.
pub(crate) const FORMATS: [(&str, u32); 3] = [(LOOKS, LOOKS_VERSION), (DIGESTS, 1), (NEAR, 1)];
/// Number of photographs whose looks are stored together, so that a stopped run loses little, and several processes can share the work.
const CHUNK: usize = 1000;
/// A file that was changed so shortly before it is read may be changed again without another time of change. Its digest is not stored.
const SETTLED: Duration = Duration::from_secs(2);
/// Number of pairs from which on the comparison of photographs is stored.
const MANY_PAIRS: usize = 100_000_000;

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

/// Size of a file, and its time of change in nanoseconds since 1970.
type Stamp = (u64, u64);

/// Number of chunks of this number of photographs.
pub(crate) fn n_chunks(n_images: usize) -> usize {
    n_images.div_ceil(CHUNK)
}

impl Intake<'_> {
    /// The digests of all files, which are kept in the entries. The images whose file cannot be read get the problem.
    ///
    /// Digests are stored with size and time of change of their files, so that files that have not changed since are not read again. A stage
    /// that reads a photograph compares the digest with its bytes, so that a wrong one ends the run.
    ///
    /// # Errors
    /// The errors of the store; a stop on request.
    pub(crate) fn read_digests(&self, images: &mut [ImageEntry]) -> Result<Vec<Result<(), String>>> {
        let bar = self.progress.bar("reading", images.len() as u64);
        let mut read = Vec::with_capacity(images.len());
        for entries in images.chunks_mut(CHUNK) {
            read.extend(self.digests_of(bar.as_ref(), entries)?);
            bar.set_position(read.len() as u64);
        }
        Ok(read)
    }

    /// One look at each image, whose digest must be known.
    ///
    /// # Errors
    /// The errors of the store; a stop on request; a file that has changed since its digest was read.
    pub(crate) fn looks(&self, images: &[ImageEntry], reading: Reading) -> Result<Vec<Look>> {
        let bar = self.progress.bar(LOOKS, images.len() as u64);
        let mut looks = Vec::with_capacity(images.len());
        for entries in images.chunks(CHUNK) {
            looks.extend(self.looks_of(bar.as_ref(), entries, reading)?);
            bar.set_position(looks.len() as u64);
        }
        Ok(looks)
    }

    /// Stores digests and looks of the chosen chunks, whose first one has the number `first`. Returns the number of images in them.
    ///
    /// # Errors
    /// See [`Intake::looks`]. Images that cannot be read are left to the run that needs them.
    pub(crate) fn look_at_chunks(
        &self,
        images: &mut [ImageEntry],
        reading: Reading,
        chosen: Chosen,
        first: usize,
    ) -> Result<usize> {
        let is_chosen = |index: usize| chosen.contains(first + index);
        let n_chosen =
            images.chunks(CHUNK).enumerate().filter(|(index, _)| is_chosen(*index)).map(|(_, c)| c.len()).sum();
        // Every photograph is read once for its digest, and once to be decoded.
        let bar = self.progress.bar(LOOKS, 2 * n_chosen as u64);
        for (_, entries) in images.chunks_mut(CHUNK).enumerate().filter(|(index, _)| is_chosen(*index)) {
            if self.digests_of(bar.as_ref(), entries)?.iter().all(Result::is_ok) {
                self.looks_of(bar.as_ref(), entries, reading)?;
            }
        }
        Ok(n_chosen)
    }

    /// Training image and test image of every pair that is nearly equal.
    ///
    /// # Errors
    /// The errors of the store.
    pub(crate) fn near(
        &self,
        images: [&[ImageEntry]; 2],
        fingerprints: [&[Option<Fingerprint>]; 2],
    ) -> Result<Vec<[String; 2]>> {
        let key = Key::builder(NEAR, 1).setting("pairs of", &fingerprints);
        let files: Vec<_> = images.iter().copied().flatten().map(|entry| (&entry.id, entry.digest)).collect();
        let key = key.setting("files", &files);
        let n_pairs = images[0].len() * images[1].len();
        self.kept_if(n_pairs > MANY_PAIRS, NEAR, key, || Ok((near::divided(images, fingerprints), true)))
    }

    /// The group of nearly equal photographs to which each belongs; see [`near::together`].
    ///
    /// # Errors
    /// The errors of the store.
    pub(crate) fn together(&self, fingerprints: &[Option<Fingerprint>]) -> Result<Vec<usize>> {
        let key = Key::builder(NEAR, 1).setting("groups of", &fingerprints);
        let n_pairs = fingerprints.len() * fingerprints.len();
        self.kept_if(n_pairs > MANY_PAIRS, NEAR, key, || Ok((near::together(fingerprints), true)))
    }

    fn digests_of(&self, bar: &dyn Bar, entries: &mut [ImageEntry]) -> Result<Vec<Result<(), String>>> {
        let stamps: Vec<Option<Stamp>> = entries.par_iter().map(stamp).collect();
        let settled = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().saturating_sub(SETTLED);
        let is_settled = |stamp: &Option<Stamp>| stamp.is_some_and(|(_, changed)| changed < settled.as_nanos() as u64);
        let known = stamps.iter().all(is_settled);
        let files: Vec<_> = entries.iter().map(|entry| &entry.id).zip(&stamps).collect();
        let key = Key::builder(DIGESTS, 1).setting("files", &files);
        let read = |entry: &ImageEntry| -> Result<Result<[u8; 32], String>> {
            self.interrupt.check()?;
            bar.advance(1);
            let bytes = fisherlens_files::read(&entry.path, MAX_BYTES);
            let problem = |error| format!("cannot read {}: {error}", entry.path.display());
            Ok(bytes.map(|bytes| *blake3::hash(&bytes).as_bytes()).map_err(problem))
        };
        let entries_read: &[ImageEntry] = entries;
        let found = self.kept_if(known, DIGESTS, key, || {
            let read = entries_read.par_iter().map(read).collect::<Result<Vec<_>>>()?;
            let is_whole = read.iter().all(Result::is_ok);
            Ok((read, is_whole))
        })?;
        let keep = |(entry, found): (&mut ImageEntry, Result<[u8; 32], String>)| {
            found.map(|digest| entry.digest = Some(digest))
        };
        Ok(entries.iter_mut().zip(found).map(keep).collect())
    }

    fn looks_of(&self, bar: &dyn Bar, entries: &[ImageEntry], reading: Reading) -> Result<Vec<Look>> {
        let digests: Vec<[u8; 32]> = entries.iter().filter_map(|entry| entry.digest).collect();
        let key = Key::builder(LOOKS, LOOKS_VERSION).setting("reading", &reading).setting("files", &digests);
        self.kept_if(true, LOOKS, key, || {
            let look = |entry: &ImageEntry| -> Result<Look> {
                self.interrupt.check()?;
                bar.advance(1);
                look(entry, reading)
            };
            Ok((entries.par_iter().map(look).collect::<Result<Vec<_>>>()?, true))
        })
    }

    /// The stored value, or the computed one, which is then stored; neither where `is_kept` is false. `compute` also returns whether its value
    /// may be stored.
    fn kept_if<T: Serialize + DeserializeOwned>(
        &self,
        is_kept: bool,
        name: &str,
        key: KeyBuilder,
        compute: impl FnOnce() -> Result<(T, bool)>,
    ) -> Result<T> {
        if !is_kept {
            return Ok(compute()?.0);
        }
        let version = if name == LOOKS { LOOKS_VERSION } else { 1 };
        let address = Address::new(name, version, key.finish(), None);
        if let Some(stored) = self.store.load(&address)? {
            return Ok(stored.value);
        }
        let since = Instant::now();
        let (value, may_be_kept) = compute()?;
        if may_be_kept {
            let header = Header::new(&BTreeMap::<String, u8>::new(), since.elapsed().as_secs_f64())?;
            self.store.save(&address, &header, &value)?;
        }
        Ok(value)
    }
}

fn stamp(entry: &ImageEntry) -> Option<Stamp> {
    let metadata = fs::metadata(&entry.path).ok().filter(fs::Metadata::is_file)?;
    let changed = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some((metadata.len(), changed.as_nanos() as u64))
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
