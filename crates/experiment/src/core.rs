//! The common part of experiments with Fisher vectors and with networks: data, store, progress, and the functions by which a stage loads,
//! computes and stores its result.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use fisherlens_artifact::{Address, Header, Key, KeyBuilder, Store, StoreLock};
use rayon::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::dataset::{Dataset, Half};
use crate::intake::Intake;
use crate::interrupt::Interrupt;
use crate::own_time::{OwnTime, Timer};
use crate::program::Program;
use crate::progress::{Bar, Progress};
use crate::session::Session;
use crate::settings::sections::{DataSettings, DataSource};
use crate::share::Chosen;

/// Everything that a stage needs besides its settings.
#[derive(Debug)]
pub struct Core {
    /// Name of the built-in experiment or path of its settings file.
    pub name: String,
    /// Photographs, labels, boxes.
    pub dataset: Dataset,
    /// Number of images whose results are stored in one artifact.
    pub shard_size: usize,
    /// The stored artifacts.
    pub store: Store,
    /// Receives the reports of progress.
    pub progress: Progress,
    /// Raised when the user wants the run to stop.
    pub interrupt: Interrupt,
    /// The program that runs the experiment, for the report.
    pub program: Program,
    /// All settings. The header of each artifact repeats them.
    pub settings: toml::Table,
    /// Measures stages without the stages that they call.
    own_time: OwnTime,
    /// Keeps `clean` from removing the artifacts under this run.
    _lock: StoreLock,
}

/// Name and format version of a stage. They are the name of the folder of its artifacts.
///
/// ```
/// use fisherlens_experiment::core::StageId;
/// use fisherlens_experiment::dataset::Half;
///
/// let stage = StageId { name: "encode", format_version: 2 };
/// let key = stage.key().setting("n_components", &64).finish();
/// assert_eq!(stage.shard(key, Half::Test, 3).part, "test-0003");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StageId {
    /// Name in the folder of artifacts.
    pub name: &'static str,
    /// Must be increased whenever the stage computes something else.
    pub format_version: u32,
}

/// A shard that is not complete, with the variants (rules or series) that it lacks.
#[derive(Debug, Clone)]
pub struct MissingShard<V> {
    /// Index of the shard.
    pub shard: usize,
    /// Indices of its images.
    pub images: Vec<usize>,
    /// The missing variants.
    pub variants: Vec<V>,
}

impl StageId {
    /// Starts the key of an artifact of this stage.
    pub fn key(self) -> KeyBuilder {
        Key::builder(self.name, self.format_version)
    }

    /// The address of an artifact that is stored in one piece.
    pub fn at(self, key: Key) -> Address {
        Address::new(self.name, self.format_version, key, None)
    }

    /// The address of one shard of one half.
    pub fn shard(self, key: Key, half: Half, shard: usize) -> Address {
        self.part(key, &format!("{}-{shard:04}", half.name()))
    }

    /// The address of the part called `part`.
    pub fn part(self, key: Key, part: &str) -> Address {
        Address::new(self.name, self.format_version, key, Some(part))
    }
}

impl Core {
    /// Opens the photographs and the store that `session` names. `settings` are repeated in the header of each artifact.
    /// Photographs of the user's own for which `is_too_small` is true are skipped.
    ///
    /// # Errors
    /// A devkit that is missing, broken or not needed; a store that cannot be created. Each message says what to do.
    pub fn open(
        session: &Session,
        settings: &impl Serialize,
        data: &DataSettings,
        progress: Progress,
        interrupt: Interrupt,
        is_too_small: &dyn Fn(usize, usize) -> bool,
    ) -> Result<Self> {
        let store = Store::open(&session.artifacts)?;
        let lock = store.share();
        let intake = Intake { store: &store, progress: &progress, interrupt: &interrupt, is_too_small };
        Ok(Self {
            name: session.experiment.clone(),
            dataset: if let Some(own) = &session.own {
                ensure!(
                    data.source == DataSource::Own,
                    "{} does not learn from photographs of your own: expected the preset fast or paper, or a settings file with data.source = \
                     \"own\"",
                    session.experiment
                );
                Dataset::open_own(own, data, session.limit, session.judged.as_ref(), &intake)?
            } else {
                let root = session.devkit(data.source, &progress, &interrupt)?;
                Dataset::open(&root, data, session.missing, session.limit, &intake)?
            },
            shard_size: data.shard_size,
            store,
            _lock: lock,
            progress,
            interrupt,
            program: session.program.clone(),
            settings: Header::new(settings, 0.0)?.settings,
            own_time: OwnTime::default(),
        })
    }

    /// Prints one line per warning.
    pub fn warn(&self, warnings: &[String]) {
        for warning in warnings {
            self.progress.stage_line("warning", warning);
        }
    }

    /// The stored artifact; `None` if it is not stored.
    ///
    /// # Errors
    /// A damaged file; the message says what to do.
    pub fn stored<T: DeserializeOwned>(&self, address: &Address) -> Result<Option<T>> {
        Ok(self.store.load(address)?.map(|loaded| loaded.value))
    }

    /// Whether the artifact is stored.
    pub fn has(&self, address: &Address) -> bool {
        self.store.contains(address)
    }

    /// An artifact that is known to be stored, because it was found or computed before.
    ///
    /// # Errors
    /// A damaged file; a file that was removed in the meantime.
    pub fn needed<T: DeserializeOwned>(&self, address: &Address) -> Result<T> {
        self.stored(address)?.with_context(|| {
            format!("the artifact {address} was removed while it was needed; run the same command again")
        })
    }

    /// Stores an artifact. Needed only where [`Core::cached`] does not do it: for checkpoints and for shards.
    ///
    /// # Errors
    /// The errors of the file system.
    pub fn keep<T: Serialize>(&self, address: &Address, seconds: f64, value: &T) -> Result<()> {
        self.store.save(address, &Header::new(&self.settings, seconds)?, value)?;
        Ok(())
    }

    /// Removes the parts of an artifact whose names begin with `prefix`.
    ///
    /// # Errors
    /// The errors of the file system.
    pub fn remove_parts(&self, stage: StageId, key: Key, prefix: &str) -> Result<()> {
        Ok(self.store.remove_parts(stage.name, stage.format_version, key, prefix)?)
    }

    /// The stored result of a stage. If it is not stored, `compute` computes it; then it is stored and reported. `compute` returns the
    /// value and the text that is reported.
    ///
    /// # Errors
    /// A damaged file; the errors of `compute` and of the file system.
    pub fn cached<T: Serialize + DeserializeOwned>(
        &self,
        address: Address,
        compute: impl FnOnce() -> Result<(T, String)>,
    ) -> Result<T> {
        let mut values = self.cached_together(&[address], || compute().map(|(value, what)| (vec![value], what)))?;
        Ok(values.pop().expect("one address gives one value"))
    }

    /// [`Core::cached`] for several results of one computation, in the order of `addresses`. Each result gets an equal share of its time.
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
        self.progress.computed(short_name(&addresses[0].stage), &what, took);
        Ok(values)
    }

    /// The chosen shards of a half that are not complete. `variants`: a complete shard has one artifact per variant; `[()]` means a single
    /// artifact.
    pub fn missing_shards<V: Copy>(
        &self,
        half: Half,
        chosen: Chosen,
        variants: &[V],
        address: impl Fn(V, usize) -> Address,
    ) -> Vec<MissingShard<V>> {
        let shards = self.dataset.half(half).shards(self.shard_size).into_iter().enumerate();
        let shards = shards.filter(|(shard, _)| chosen.contains(*shard));
        let missing = shards.map(|(shard, range)| {
            let absent = variants.iter().copied().filter(|&variant| !self.has(&address(variant, shard)));
            MissingShard { shard, images: range.collect(), variants: absent.collect() }
        });
        missing.filter(|missing| !missing.variants.is_empty()).collect()
    }

    /// Computes and stores shards one after another, so that a stopped run loses at most one shard. `compute` returns one value per missing
    /// variant, in the same order.
    ///
    /// # Errors
    /// The errors of `compute` and of the file system. Finished shards stay stored.
    pub fn keep_shards<V: Copy, T: Serialize>(
        &self,
        missing: &[MissingShard<V>],
        address: impl Fn(V, usize) -> Address,
        mut compute: impl FnMut(&MissingShard<V>) -> Result<Vec<T>>,
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

    /// Applies `work` to every index in parallel and returns the results in order. Stops when the user asks for it.
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
        self.own_time.start(Instant::now())
    }

    /// The own time of a stage since its start.
    pub fn stop(&self, timer: &Timer) -> Duration {
        self.own_time.stop(timer, Instant::now())
    }

    /// Reports a stage whose shards were stored one by one.
    pub fn computed(&self, stage: StageId, what: &str, timer: &Timer) {
        let took = self.stop(timer);
        self.progress.computed(short_name(stage.name), what, took);
    }
}

/// The name of a stage in the lines of a run. The first line already names the network, so the prefix `network-` is left out.
pub(crate) fn short_name(stage: &str) -> &str {
    stage.trim_start_matches("network-")
}
