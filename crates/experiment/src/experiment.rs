//! One experiment: its settings, parts, data and store, and the keys that tie them together.

use anyhow::{Context as _, Result};
use fisherlens_lrp::Rule;
use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;
use rayon::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::dataset::{Dataset, Half};
use crate::interrupt::Interrupt;
use crate::parts::Parts;
use crate::progress::{Bar, Progress};
use crate::provenance::Program;
use crate::series::Series;
use crate::settings::{ResamplingSettings, Settings};
use crate::stages::Stage;
use fisherlens_artifact::{Address, Header, Key, Store};

/// Everything a stage may look at.
#[derive(Debug)]
pub struct Experiment {
    /// Name of the built-in experiment or path of its settings file.
    pub name: String,
    /// Every setting.
    pub settings: Settings,
    /// The swappable stages.
    pub parts: Parts,
    /// Photographs, labels, boxes.
    pub dataset: Dataset,
    /// Where artifacts lie.
    pub store: Store,
    /// Where progress is told.
    pub progress: Progress,
    /// Raised when the user wants the run to stop.
    pub interrupt: Interrupt,
    /// The program that runs it, for the report.
    pub program: Program,
}

/// The keys of one run with one seed: each a digest of the stage's settings and of its inputs' keys.
#[derive(Debug, Clone, Copy)]
pub struct Keys {
    /// The seed of everything that is drawn.
    pub seed: u64,
    /// Sampled descriptors.
    pub sample: Key,
    /// Projection.
    pub pca: Key,
    /// Mixture.
    pub mixture: Key,
    encode_train: Key,
    encode_test: Key,
    /// Classifiers.
    pub classifier: Key,
    /// Scores of the test half.
    pub scores: Key,
}

impl Keys {
    /// The keys that follow from the experiment and a seed; nothing is computed but digests of `from` files.
    ///
    /// # Errors
    /// A `from` file that cannot be read.
    pub fn new(experiment: &Experiment, seed: u64) -> Result<Self> {
        let Experiment { settings, parts, dataset, .. } = experiment;
        let builder = |stage: Stage| Key::builder(stage.name(), stage.format_version());
        let sample = builder(Stage::Sample)
            .setting("descriptors", &parts.extractor.identity)
            .setting("sample", &settings.sample)
            .setting("seed", &seed)
            .input("images", dataset.train.files)
            .finish();
        let pca = match &settings.pca.from {
            Some(file) => builder(Stage::Pca).setting("file", &file_digest(file)?).finish(),
            None => builder(Stage::Pca).setting("pca", &settings.pca).input("sample", sample).finish(),
        };
        let mixture = match &settings.mixture.from {
            Some(file) => builder(Stage::Mixture).setting("file", &file_digest(file)?).finish(),
            None => builder(Stage::Mixture)
                .setting("mixture", &settings.mixture)
                .setting("seed", &seed)
                .input("sample", sample)
                .input("pca", pca)
                .finish(),
        };
        let encode = |files: Key| {
            builder(Stage::Encode)
                .setting("descriptors", &parts.extractor.identity)
                .setting("encoder", &parts.encoder.identity)
                .setting("shard_size", &settings.data.shard_size)
                .input("images", files)
                .input("pca", pca)
                .input("mixture", mixture)
                .finish()
        };
        let encode_train = encode(dataset.train.files);
        let encode_test = encode(dataset.test.files);
        let classifier = match &settings.classifier.from {
            Some(file) => builder(Stage::Classifier).setting("file", &file_digest(file)?).finish(),
            None => builder(Stage::Classifier)
                .setting("classifier", &parts.trainer.identity)
                .setting("difficult", &settings.data.difficult)
                .setting("normalization", &settings.encoder.normalization)
                .setting("seed", &seed)
                .input("encode", encode_train)
                .input("labels", dataset.train.labels)
                .finish(),
        };
        let scores = builder(Stage::Scores)
            .setting("normalization", &settings.encoder.normalization)
            .input("encode", encode_test)
            .input("classifier", classifier)
            .input("labels", dataset.test.labels)
            .finish();
        Ok(Self { seed, sample, pca, mixture, encode_train, encode_test, classifier, scores })
    }

    /// Vectors of one half.
    pub fn encode(&self, half: Half) -> Key {
        match half {
            Half::Train => self.encode_train,
            Half::Test => self.encode_test,
        }
    }

    /// Relevance by one rule.
    pub fn relevance(&self, rule: Rule) -> Key {
        let stage = Stage::Relevance;
        Key::builder(stage.name(), stage.format_version())
            .setting("rule", &rule.to_string())
            .input("scores", self.scores)
            .finish()
    }

    /// One series of traces.
    pub fn resampling(&self, series: Series, settings: &Settings) -> Key {
        let stage = Stage::Resampling;
        let ResamplingSettings { n_replacements, batch, n_repeats, .. } = settings.resampling;
        Key::builder(stage.name(), stage.format_version())
            .setting("series", &series.to_string())
            .setting("resampling", &(n_replacements, batch, n_repeats))
            .setting("seed", &self.seed)
            .input("scores", self.scores)
            .finish()
    }

    /// Traces with regions of pixels replaced, in the orders of the rules that heatmaps are made by.
    pub fn pixels(&self, settings: &Settings) -> Key {
        let stage = Stage::Pixels;
        let rules: Vec<String> = settings.relevance.rules.iter().map(Rule::to_string).collect();
        Key::builder(stage.name(), stage.format_version())
            .setting("pixels", &settings.pixels)
            .setting("rules", &rules)
            .setting("seed", &self.seed)
            .input("scores", self.scores)
            .finish()
    }

    /// Context measures of one rule.
    pub fn context(&self, rule: Rule, dataset: &Dataset) -> Key {
        let stage = Stage::Context;
        Key::builder(stage.name(), stage.format_version())
            .input("relevance", self.relevance(rule))
            .input("annotations", dataset.test.annotations)
            .finish()
    }

    /// Clusters among heatmaps; owners are in the annotations, and the tag is taken from training images.
    pub fn strategies(&self, experiment: &Experiment) -> Key {
        let Experiment { settings, dataset, .. } = experiment;
        let stage = Stage::Strategies;
        Key::builder(stage.name(), stage.format_version())
            .setting("strategies", &settings.strategies)
            .setting("seed", &self.seed)
            .input("relevance", self.relevance(settings.relevance.display_rule))
            .input("annotations", dataset.test.annotations)
            .input("train_images", dataset.train.files)
            .input("train_annotations", dataset.train.annotations)
            .finish()
    }

    /// Example heatmaps of the report.
    pub fn gallery(&self, settings: &Settings, dataset: &Dataset) -> Key {
        let stage = Stage::Report;
        let rules: Vec<String> = settings.relevance.rules.iter().map(Rule::to_string).collect();
        let shown = settings.relevance.display_rule;
        Key::builder(stage.name(), stage.format_version())
            .setting("rules", &rules)
            .setting("rule", &shown)
            .setting("n_examples", &settings.report.n_examples)
            .input("scores", self.scores)
            .input("context", self.context(shown, dataset))
            .finish()
    }
}

impl Experiment {
    /// The keys of the experiment's own seed.
    ///
    /// # Errors
    /// See [`Keys::new`].
    pub fn keys(&self) -> Result<Keys> {
        Keys::new(self, self.settings.seed)
    }

    /// The artifact of `stage` under `key`, if it is there.
    ///
    /// # Errors
    /// A damaged file; the sentence says what to do.
    pub fn stored<T: DeserializeOwned>(&self, stage: Stage, key: Key, part: Option<&str>) -> Result<Option<T>> {
        Ok(self.store.load(&address(stage, key, part))?.map(|loaded| loaded.value))
    }

    /// Whether the artifact is there.
    pub fn has(&self, stage: Stage, key: Key, part: Option<&str>) -> bool {
        self.store.contains(&address(stage, key, part))
    }

    /// Stores an artifact with the settings it was made by and the seconds it took; artifacts of one pass share its time.
    ///
    /// # Errors
    /// What the file system says.
    pub fn keep<T: Serialize>(
        &self,
        stage: Stage,
        key: Key,
        part: Option<&str>,
        seconds: f64,
        value: &T,
    ) -> Result<()> {
        let header = Header::new(&self.settings, seconds)?;
        self.store.save(&address(stage, key, part), &header, value)?;
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
}

/// Where an artifact of `stage` lies.
pub fn address(stage: Stage, key: Key, part: Option<&str>) -> Address {
    Address::new(stage.name(), stage.format_version(), key, part)
}

/// A generator of its own for every purpose and image, so that no result depends on the order of work.
pub fn generator(seed: u64, purpose: &str, id: &str, repeat: usize) -> Xoshiro256PlusPlus {
    let digest = blake3::hash(format!("{seed}/{purpose}/{id}/{repeat}").as_bytes());
    Xoshiro256PlusPlus::from_seed(*digest.as_bytes())
}

fn file_digest(path: &std::path::Path) -> Result<[u8; 32]> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read the model file {}", path.display()))?;
    Ok(*blake3::hash(&bytes).as_bytes())
}
