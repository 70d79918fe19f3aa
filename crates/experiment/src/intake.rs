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

/// Name and format version of something that is stored.
type Kind = (&'static str, u32);
/// The looks. The version must be increased whenever other files are decoded or refused.
const LOOKS: Kind = ("photographs", 3);
/// The digests of files.
const DIGESTS: Kind = ("digests", 1);
/// The pairs of nearly equal photographs.
const NEAR: Kind = ("near", 1);
/// Everything that is stored here.
pub(crate) const FORMATS: [Kind; 3] = [LOOKS, DIGESTS, NEAR];
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
    /// One look at each image, and its digest, which is kept in the entry. The images whose file cannot be read get the problem.
    ///
    /// Digests are stored with size and time of change of their files, so that files that have not changed since are not read again. A stage
    /// that reads a photograph compares the digest with its bytes, so that a wrong one ends the run.
    ///
    /// # Errors
    /// The errors of the store; a stop on request; a file that has changed since its digest was read.
    pub(crate) fn look_at(&self, images: &mut [ImageEntry], reading: Reading) -> Result<Vec<Result<Look, String>>> {
        let bar = self.bar(images.len());
        let mut looks = Vec::with_capacity(images.len());
        for entries in images.chunks_mut(CHUNK) {
            looks.extend(self.look_at_chunk(bar.as_ref(), entries, reading)?.0);
            bar.set_position(2 * looks.len() as u64);
        }
        Ok(looks)
    }

    /// Stores digests and looks of the chosen chunks, whose first one has the number `first`. Returns the number of images in them, and how
    /// many of these were in chunks that were not stored before.
    ///
    /// # Errors
    /// See [`Intake::look_at`]. Images that cannot be read are left to the run that needs them.
    pub(crate) fn look_at_chunks(
        &self,
        images: &[ImageEntry],
        reading: Reading,
        chosen: Chosen,
        first: usize,
    ) -> Result<[usize; 2]> {
        let chunks = images.chunks(CHUNK).enumerate().filter(|(index, _)| chosen.contains(first + index));
        let chunks: Vec<&[ImageEntry]> = chunks.map(|(_, chunk)| chunk).collect();
        let n_chosen = chunks.iter().map(|chunk| chunk.len()).sum();
        let bar = self.bar(n_chosen);
        let (mut n_done, mut n_new) = (0, 0);
        for chunk in chunks {
            let (_, is_new) = self.look_at_chunk(bar.as_ref(), &mut chunk.to_vec(), reading)?;
            n_done += chunk.len();
            n_new += if is_new { chunk.len() } else { 0 };
            bar.set_position(2 * n_done as u64);
        }
        Ok([n_chosen, n_new])
    }

    /// Every photograph is read once for its digest, and once to be decoded.
    fn bar(&self, n_images: usize) -> Box<dyn Bar> {
        self.progress.bar(LOOKS.0, 2 * n_images as u64)
    }

    /// Also returns whether anything was not stored before.
    fn look_at_chunk(
        &self,
        bar: &dyn Bar,
        entries: &mut [ImageEntry],
        reading: Reading,
    ) -> Result<(Vec<Result<Look, String>>, bool)> {
        let (read, is_digest_new) = self.digests_of(bar, entries)?;
        let readable: Vec<&ImageEntry> = entries.iter().filter(|entry| entry.digest.is_some()).collect();
        let (looks, is_look_new) = self.looks_of(bar, &readable, reading)?;
        let mut looks = looks.into_iter();
        let of_image = |read: Result<(), String>| read.map(|()| looks.next().expect("one look per digest"));
        Ok((read.into_iter().map(of_image).collect(), is_digest_new || is_look_new))
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
        let key = builder(NEAR).setting("pairs of", &fingerprints);
        let files: Vec<_> = images.iter().copied().flatten().map(|entry| (&entry.id, entry.digest)).collect();
        let key = key.setting("files", &files);
        let n_pairs = images[0].len() * images[1].len();
        let found = self.kept_if(n_pairs > MANY_PAIRS, NEAR, key, || Ok((near::divided(images, fingerprints), true)));
        Ok(found?.0)
    }

    /// The group of nearly equal photographs to which each belongs; see [`near::together`].
    ///
    /// # Errors
    /// The errors of the store.
    pub(crate) fn together(&self, fingerprints: &[Option<Fingerprint>]) -> Result<Vec<usize>> {
        let key = builder(NEAR).setting("groups of", &fingerprints);
        let n_pairs = fingerprints.len() * fingerprints.len();
        let found = self.kept_if(n_pairs > MANY_PAIRS, NEAR, key, || Ok((near::together(fingerprints), true)));
        Ok(found?.0)
    }

    /// The digests, which are kept in the entries, and whether they were not stored before.
    fn digests_of(&self, bar: &dyn Bar, entries: &mut [ImageEntry]) -> Result<(Vec<Result<(), String>>, bool)> {
        for entry in entries.iter_mut() {
            entry.digest = None;
        }
        let stamps: Vec<Option<Stamp>> = entries.par_iter().map(stamp).collect();
        let settled = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().saturating_sub(SETTLED);
        let is_settled = |stamp: &Option<Stamp>| stamp.is_some_and(|(_, changed)| changed < settled.as_nanos() as u64);
        let known = stamps.iter().all(is_settled);
        let files: Vec<_> = entries.iter().map(|entry| &entry.id).zip(&stamps).collect();
        let key = builder(DIGESTS).setting("files", &files);
        let read = |entry: &ImageEntry| -> Result<Result<[u8; 32], String>> {
            self.interrupt.check()?;
            bar.advance(1);
            let bytes = fisherlens_files::read(&entry.path, MAX_BYTES);
            let problem = |error| format!("cannot read {}: {error}", entry.path.display());
            Ok(bytes.map(|bytes| *blake3::hash(&bytes).as_bytes()).map_err(problem))
        };
        let entries_read: &[ImageEntry] = entries;
        let (found, is_new) = self.kept_if(known, DIGESTS, key, || {
            let read = entries_read.par_iter().map(read).collect::<Result<Vec<_>>>()?;
            let is_whole = read.iter().all(Result::is_ok);
            Ok((read, is_whole))
        })?;
        let keep = |(entry, found): (&mut ImageEntry, Result<[u8; 32], String>)| {
            found.map(|digest| entry.digest = Some(digest))
        };
        Ok((entries.iter_mut().zip(found).map(keep).collect(), is_new))
    }

    /// The looks, and whether they were not stored before.
    fn looks_of(&self, bar: &dyn Bar, entries: &[&ImageEntry], reading: Reading) -> Result<(Vec<Look>, bool)> {
        let digests: Vec<[u8; 32]> = entries.iter().filter_map(|entry| entry.digest).collect();
        let key = builder(LOOKS).setting("reading", &reading).setting("files", &digests);
        self.kept_if(true, LOOKS, key, || {
            let look = |entry: &&ImageEntry| -> Result<Look> {
                self.interrupt.check()?;
                bar.advance(1);
                look(entry, reading)
            };
            Ok((entries.par_iter().map(look).collect::<Result<Vec<_>>>()?, true))
        })
    }

    /// The stored value, or the computed one, which is then stored; neither where `is_kept` is false. `compute` also returns whether its value
    /// may be stored. Also returns whether the value was computed.
    fn kept_if<T: Serialize + DeserializeOwned>(
        &self,
        is_kept: bool,
        kind: Kind,
        key: KeyBuilder,
        compute: impl FnOnce() -> Result<(T, bool)>,
    ) -> Result<(T, bool)> {
        if !is_kept {
            return Ok((compute()?.0, true));
        }
        let address = Address::new(kind.0, kind.1, key.finish(), None);
        if let Some(stored) = self.store.load(&address)? {
            return Ok((stored.value, false));
        }
        let since = Instant::now();
        let (value, may_be_kept) = compute()?;
        if may_be_kept {
            let header = Header::new(&BTreeMap::<String, u8>::new(), since.elapsed().as_secs_f64())?;
            self.store.save(&address, &header, &value)?;
        }
        Ok((value, true))
    }
}

fn builder((name, version): Kind) -> KeyBuilder {
    Key::builder(name, version)
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
