//! The keys of an experiment's artifacts: each is a digest of the stage's settings and of the keys of its inputs.

use anyhow::{Context as _, Result};
use fisherlens_artifact::Key;
use fisherlens_files::LARGEST_MODEL;
use fisherlens_lrp::Rule;

use crate::dataset::Half;
use crate::experiment::Experiment;
use crate::series::Series;
use crate::settings::sections::{DataSource, InMemory, ResamplingSettings, VectorFormat};
use crate::stage::Stage;

/// The keys of one run with one seed.
#[derive(Debug, Clone, Copy)]
pub struct Keys {
    /// The seed of all random draws.
    pub seed: u64,
    /// Sampled descriptors.
    pub sample: Key,
    /// The same in shards of `data.shard_size` images. What is learned from the sample does not depend on the shards, unless it is learned
    /// shard by shard.
    pub sample_shards: Key,
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
    /// The keys of the experiment's own seed.
    ///
    /// # Errors
    /// See [`Keys::new`].
    pub fn of(experiment: &Experiment) -> Result<Self> {
        Self::new(experiment, experiment.settings.seed)
    }

    /// The keys of the experiment with this seed. Nothing is computed except the digests of the files that settings called `from` name.
    ///
    /// # Errors
    /// A file of a setting `from` that cannot be read.
    pub fn new(experiment: &Experiment, seed: u64) -> Result<Self> {
        let Experiment { settings, parts, core } = experiment;
        let dataset = &core.dataset;
        let sample = Stage::Sample
            .id()
            .key()
            .setting("descriptors", &parts.extractor.identity)
            .setting("sample", &settings.sample)
            .setting("seed", &seed)
            .input("images", dataset.train.files)
            .finish();
        let sample_shards =
            Stage::Sample.id().key().input("sample", sample).setting("shard_size", &settings.data.shard_size).finish();
        let learned_from = match settings.sample.in_memory {
            InMemory::Whole => sample,
            InMemory::Shards => sample_shards,
        };
        let pca = match &settings.pca.from {
            Some(file) => Stage::Pca.id().key().setting("file", &file_digest(file)?).finish(),
            None => Stage::Pca.id().key().setting("pca", &settings.pca).input("sample", learned_from).finish(),
        };
        let mixture = match &settings.mixture.from {
            Some(file) => Stage::Mixture.id().key().setting("file", &file_digest(file)?).finish(),
            None => Stage::Mixture
                .id()
                .key()
                .setting("mixture", &settings.mixture)
                .setting("seed", &seed)
                .input("sample", learned_from)
                .input("pca", pca)
                .finish(),
        };
        let encode = |files: Key| {
            let key = Stage::Encode
                .id()
                .key()
                .setting("descriptors", &parts.extractor.identity)
                .setting("encoder", &parts.encoder.identity)
                .setting("shard_size", &settings.data.shard_size)
                .input("images", files)
                .input("pca", pca)
                .input("mixture", mixture);
            match settings.data.vectors {
                VectorFormat::F32 => key.finish(),
                VectorFormat::Int8 => key.setting("vectors", &VectorFormat::Int8).finish(),
            }
        };
        let encode_train = encode(dataset.train.files);
        let encode_test = encode(dataset.test.files);
        let classifier = if let Some(file) = &settings.classifier.from {
            // The true positives, on which all later stages work, depend on `difficult` and on the classes.
            Stage::Classifier
                .id()
                .key()
                .setting("file", &file_digest(file)?)
                .setting("difficult", &settings.data.difficult)
                .setting("classes", &dataset.train.set.classes)
                .finish()
        } else {
            let key = Stage::Classifier
                .id()
                .key()
                .setting("classifier", &parts.trainer.identity)
                .setting("difficult", &settings.data.difficult)
                .setting("normalization", &settings.encoder.normalization)
                .setting("seed", &seed);
            // The trainer draws with the experiment's own seed, for further seeds too.
            let key = if seed == settings.seed { key } else { key.setting("seed of the trainer", &settings.seed) };
            key.input("encode", encode_train).input("labels", dataset.train.labels).finish()
        };
        let scores = Stage::Scores
            .id()
            .key()
            .setting("normalization", &settings.encoder.normalization)
            .input("encode", encode_test)
            .input("classifier", classifier)
            .input("labels", dataset.test.labels);
        // The true positives of photographs of one's own lie above the thresholds of the model, which belong to the classifiers.
        let scores = match settings.data.source {
            DataSource::Own => scores.setting("thresholds", &"of the model").finish(),
            DataSource::Mini | DataSource::Voc => scores.finish(),
        };
        Ok(Self { seed, sample, sample_shards, pca, mixture, encode_train, encode_test, classifier, scores })
    }

    /// Vectors of one half.
    pub fn encode(&self, half: Half) -> Key {
        match half {
            Half::Train => self.encode_train,
            Half::Test => self.encode_test,
        }
    }

    /// Probabilities for the scores.
    pub fn calibration(&self) -> Key {
        Stage::Calibration.id().key().input("encode", self.encode_train).input("classifier", self.classifier).finish()
    }

    /// Relevance by one rule.
    pub fn relevance(&self, experiment: &Experiment, rule: Rule) -> Key {
        let key = Stage::Relevance.id().key().setting("rule", &rule.to_string()).input("scores", self.scores);
        match experiment.settings.relevance.grid {
            None => key.finish(),
            Some(grid) => key.setting("grid", &grid).finish(),
        }
    }

    /// One series of traces.
    pub fn resampling(&self, experiment: &Experiment, series: Series) -> Key {
        let ResamplingSettings { n_replacements, batch, n_repeats, .. } = experiment.settings.resampling;
        Stage::Resampling
            .id()
            .key()
            .setting("series", &series.to_string())
            .setting("resampling", &(n_replacements, batch, n_repeats))
            .setting("seed", &self.seed)
            .input("scores", self.scores)
            .finish()
    }

    /// Traces with regions of pixels replaced, in the orders of `relevance.rules`.
    pub fn pixels(&self, experiment: &Experiment) -> Key {
        let settings = &experiment.settings;
        let rules: Vec<String> = settings.relevance.rules.iter().map(Rule::to_string).collect();
        Stage::Pixels
            .id()
            .key()
            .setting("pixels", &settings.pixels)
            .setting("rules", &rules)
            .setting("seed", &self.seed)
            .input("scores", self.scores)
            .finish()
    }

    /// Context measures of one rule.
    pub fn context(&self, experiment: &Experiment, rule: Rule) -> Key {
        Stage::Context
            .id()
            .key()
            .input("relevance", self.relevance(experiment, rule))
            .input("annotations", experiment.core.dataset.test.annotations)
            .finish()
    }

    /// Clusters among heatmaps. The owners are part of the annotations, and the tag is estimated from the training images.
    pub fn strategies(&self, experiment: &Experiment) -> Key {
        let Experiment { settings, core, .. } = experiment;
        let dataset = &core.dataset;
        Stage::Strategies
            .id()
            .key()
            .setting("strategies", &settings.strategies)
            .setting("seed", &self.seed)
            .input("relevance", self.relevance(experiment, settings.relevance.display_rule))
            .input("annotations", dataset.test.annotations)
            .input("train_images", dataset.train.files)
            .input("train_annotations", dataset.train.annotations)
            .finish()
    }

    /// Example heatmaps of the report.
    pub fn gallery(&self, experiment: &Experiment) -> Key {
        let settings = &experiment.settings;
        let rules: Vec<String> = settings.relevance.rules.iter().map(Rule::to_string).collect();
        let shown = settings.relevance.display_rule;
        Stage::Report
            .id()
            .key()
            .setting("rules", &rules)
            .setting("rule", &shown)
            .setting("n_examples", &settings.report.n_examples)
            .input("scores", self.scores)
            .input("calibration", self.calibration())
            .input("context", self.context(experiment, shown))
            .finish()
    }
}

fn file_digest(path: &std::path::Path) -> Result<[u8; 32]> {
    let bytes = fisherlens_files::read(path, LARGEST_MODEL)
        .with_context(|| format!("cannot read the model file {}, which a setting \"from\" names", path.display()))?;
    Ok(*blake3::hash(&bytes).as_bytes())
}
