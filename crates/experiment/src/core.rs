//! What both kinds of experiment, with Fisher vectors and with networks, share: data, store, progress, and the one way in which a stage
//! finds, computes and keeps its result.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use fisherlens_artifact::{Address, Header, Key, KeyBuilder, Store};
use rayon::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::dataset::{Dataset, Half};
use crate::interrupt::Interrupt;
use crate::progress::{Bar, Progress};
use crate::provenance::Program;
use crate::session::Session;
use crate::settings::sections::DataSettings;

/// Everything that a stage needs besides its settings.
#[derive(Debug)]
pub struct Core {
    /// Name of the built-in experiment or path of its settings file.
    pub name: String,
    /// Photographs, labels, boxes.
    pub dataset: Dataset,
    /// Images whose results share one artifact.
    pub shard_size: usize,
    /// Where artifacts lie.
    pub store: Store,
    /// Where progress is reported.
    pub progress: Progress,
    /// Raised when the user wants the run to stop.
    pub interrupt: Interrupt,
    /// The program that runs the experiment, for the report.
    pub program: Program,
    /// Every setting, repeated in the header of each artifact.
    pub settings: toml::Table,
    /// Time that stages took which were asked for while another one is timed.
    inner: Mutex<Duration>,
}

/// Name and format version of a stage: where its artifacts lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StageId {
    /// Name in the folder of artifacts.
    pub name: &'static str,
    /// Rises whenever the stage computes something else.
    pub format_version: u32,
}

/// A shard that is not complete, with those of its variants (rules, series) that are missing.
#[derive(Debug, Clone)]
pub struct Missing<V> {
    /// Index of the shard.
    pub shard: usize,
    /// Indices of its images.
    pub images: Vec<usize>,
    /// What is missing.
    pub variants: Vec<V>,
}

/// The start of a stage whose own time is measured: the time of stages that it asks for belongs to those.
#[derive(Debug)]
pub struct Timer {
    since: Instant,
    outer: Duration,
}

impl StageId {
    /// Starts the key of an artifact of this stage.
    pub fn key(self) -> KeyBuilder {
        Key::builder(self.name, self.format_version)
    }

    /// The address of an artifact that is not divided.
    pub fn at(self, key: Key) -> Address {
        Address::new(self.name, self.format_version, key, None)
    }

    /// The address of one shard of a half.
    pub fn shard(self, key: Key, half: Half, shard: usize) -> Address {
        self.part(key, &format!("{}-{shard:04}", half.name()))
    }

    /// The address of a part with a name of its own.
    pub fn part(self, key: Key, part: &str) -> Address {
        Address::new(self.name, self.format_version, key, Some(part))
    }
}

impl Core {
    /// Opens the photographs and the store that `session` names. `settings` are repeated in the header of each artifact.
    ///
    /// # Errors
    /// A devkit that is missing, needless or broken, or a store that cannot be made; each says what to do.
    pub fn open(
        session: &Session,
        settings: &impl Serialize,
        data: &DataSettings,
        progress: Progress,
        interrupt: Interrupt,
    ) -> Result<Self> {
        let root = session.devkit(data.source)?;
        Ok(Self {
            name: session.experiment.clone(),
            dataset: Dataset::open(&root, data, session.missing, session.limit)?,
            shard_size: data.shard_size,
            store: Store::open(&session.artifacts)?,
            progress,
            interrupt,
            program: session.program.clone(),
            settings: Header::new(settings, 0.0)?.settings,
            inner: Mutex::default(),
        })
    }

    /// The artifact, if it is there.
    ///
    /// # Errors
    /// A damaged file; the sentence says what to do.
    pub fn stored<T: DeserializeOwned>(&self, address: &Address) -> Result<Option<T>> {
        Ok(self.store.load(address)?.map(|loaded| loaded.value))
    }

    /// Whether the artifact is there.
    pub fn has(&self, address: &Address) -> bool {
        self.store.contains(address)
    }

    /// An artifact that was there or was made a moment ago.
    ///
    /// # Errors
    /// A damaged file, or one that somebody has removed in the meantime.
    pub fn needed<T: DeserializeOwned>(&self, address: &Address) -> Result<T> {
        self.stored(address)?.with_context(|| {
            format!("the artifact {address} was removed while it was needed; run the same command again")
        })
    }

    /// Stores an artifact that is not the result of [`Core::cached`]: a checkpoint.
    ///
    /// # Errors
    /// What the file system says.
    pub fn keep<T: Serialize>(&self, address: &Address, seconds: f64, value: &T) -> Result<()> {
        self.store.save(address, &Header::new(&self.settings, seconds)?, value)?;
        Ok(())
    }

    /// The stored result of a stage; where there is none, `compute` makes it, and it is kept and reported. `compute` returns the value and
    /// what the report says of it.
    ///
    /// # Errors
    /// A damaged file; what `compute` says; what the file system says.
    pub fn cached<T: Serialize + DeserializeOwned>(
        &self,
        address: Address,
        compute: impl FnOnce() -> Result<(T, String)>,
    ) -> Result<T> {
        let mut values = self.cached_together(&[address], || compute().map(|(value, what)| (vec![value], what)))?;
        Ok(values.pop().expect("one address gives one value"))
    }

    /// [`Core::cached`] for results that one computation makes together, in the order of `addresses`. They share its time.
    ///
    /// # Errors
    /// See [`Core::cached`].
    pub fn cached_together<T: Serialize + DeserializeOwned>(
        &self,
        addresses: &[Address],
        compute: impl FnOnce() -> Result<(Vec<T>, String)>,
    ) -> Result<Vec<T>> {
        let timer = self.start();
        let stored = addresses.iter().map(|address| self.stored(address)).collect::<Result<Option<Vec<T>>>>()?;
        if let Some(values) = stored {
            self.stop(&timer);
            return Ok(values);
        }
        let (values, what) = compute()?;
        let took = self.stop(&timer);
        for (address, value) in addresses.iter().zip(&values) {
            self.keep(address, took.as_secs_f64() / addresses.len() as f64, value)?;
        }
        self.progress.computed(short(&addresses[0].stage), &what, took);
        Ok(values)
    }

    /// The shards of a half that are not complete. `variants`: what each shard consists of; `[()]` where it is one artifact.
    pub fn missing_shards<V: Copy>(
        &self,
        half: Half,
        variants: &[V],
        address: impl Fn(V, usize) -> Address,
    ) -> Vec<Missing<V>> {
        let shards = self.dataset.half(half).shards(self.shard_size).into_iter().enumerate();
        let missing = shards.map(|(shard, range)| {
            let absent = variants.iter().copied().filter(|&variant| !self.has(&address(variant, shard)));
            Missing { shard, images: range.collect(), variants: absent.collect() }
        });
        missing.filter(|missing| !missing.variants.is_empty()).collect()
    }

    /// Computes and keeps shards one after another, so that an interrupted run loses one at most. `compute` returns one value per missing
    /// variant, in their order.
    ///
    /// # Errors
    /// What `compute` says; what the file system says. Finished shards stay.
    pub fn keep_shards<V: Copy, T: Serialize>(
        &self,
        missing: &[Missing<V>],
        address: impl Fn(V, usize) -> Address,
        mut compute: impl FnMut(&Missing<V>) -> Result<Vec<T>>,
    ) -> Result<()> {
        for missing in missing {
            let since = Instant::now();
            let values = compute(missing)?;
            let seconds = since.elapsed().as_secs_f64() / missing.variants.len() as f64;
            for (&variant, value) in missing.variants.iter().zip(&values) {
                self.keep(&address(variant, missing.shard), seconds, value)?;
            }
        }
        Ok(())
    }

    /// Applies `work` to every index in parallel, results in order; stops when asked to.
    ///
    /// # Errors
    /// The first error of `work`, or [`crate::interrupt::Interrupted`].
    pub fn for_each<T, F>(&self, bar: &dyn Bar, indices: &[usize], work: F) -> Result<Vec<T>>
    where
        T: Send,
        F: Fn(usize) -> Result<T> + Sync,
    {
        indices
            .par_iter()
            .with_max_len(1)
            .map(|&index| {
                self.interrupt.check()?;
                let result = work(index)?;
                bar.advance(1);
                Ok(result)
            })
            .collect()
    }

    /// Starts to measure the own time of a stage.
    pub fn start(&self) -> Timer {
        let outer = std::mem::take(&mut *self.inner.lock().unwrap_or_else(PoisonError::into_inner));
        Timer { since: Instant::now(), outer }
    }

    /// The own time of a stage since its start.
    pub fn stop(&self, timer: &Timer) -> Duration {
        let whole = timer.since.elapsed();
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let own = whole.saturating_sub(*inner);
        // For the stage around this one, all of it is the time of others.
        *inner = timer.outer + whole;
        own
    }

    /// Reports a stage whose shards were kept one by one.
    pub fn computed(&self, stage: StageId, what: &str, timer: &Timer) {
        let took = self.stop(timer);
        self.progress.computed(short(stage.name), what, took);
    }
}

/// The name of a stage in the lines of a run: that it belongs to a network is clear there.
fn short(stage: &str) -> &str {
    stage.trim_start_matches("network-")
}
