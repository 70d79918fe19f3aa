//! One experiment with a network: its settings, weights, data and store, and the keys of its artifacts.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use fisherlens_artifact::Key;
use fisherlens_cnn::{Architecture, Device, Mean, Network, Parameters};
use fisherlens_dataset::ImageEntry;

use crate::core::Core;
use crate::dataset::Half;
use crate::interrupt::Interrupt;
use crate::networks::frames::read_weights;
use crate::networks::settings::NetworkSettings;
use crate::networks::stage::NetworkStage;
use crate::progress::Progress;
use crate::session::Session;
use crate::settings::Settings;

/// Name of the new layer that replaces the last layer of a network.
pub const NEW_LAYER: &str = "classifier";

/// Approximate standard deviation of pixels with values from 0 to 255.
const PIXEL_SIZE: f32 = 64.0;

/// Everything that a stage reads.
#[derive(Debug)]
pub struct NetworkExperiment {
    /// Data, store, progress.
    pub core: Core,
    /// All settings.
    pub settings: NetworkSettings,
    /// The network with as many scores as there are classes.
    pub architecture: Architecture,
    /// The weights before retraining. The weights of the new layer are drawn at random.
    pub weights: Parameters,
    /// Digest of the file of weights; all zero if all weights are drawn at random.
    weights_digest: [u8; 32],
    /// The device that computes.
    pub device: Device,
    /// Settings of the experiment with Fisher vectors for comparison.
    pub compared: Option<Settings>,
}

impl NetworkExperiment {
    /// Reads settings and weights and opens the photographs.
    ///
    /// # Errors
    /// An unknown experiment or setting, weights that are missing or do not fit, a devkit that is missing or broken.
    pub fn open(
        session: &Session,
        weights: Option<&Path>,
        device: Device,
        progress: Progress,
        interrupt: Interrupt,
    ) -> Result<Self> {
        let settings = NetworkSettings::load(&session.experiment, &session.set)?;
        let core = Core::open(session, &settings, &settings.data, progress, interrupt, &|_, _| false)?;
        let original = settings.architecture()?;
        let architecture = original.with_classes(core.dataset.classes().len(), NEW_LAYER)?;
        // Wrong settings are refused here, before half an hour is spent on the features.
        let learning = match &settings.retraining.cut {
            Some(cut) => architecture.split_after(cut).context("retraining.cut")?.1,
            None => architecture.clone(),
        };
        settings.sgd().check(&learning).context("[retraining]")?;
        let drawn = drawn(&architecture, settings.seed);
        let (mut weights, weights_digest) = match weights {
            Some(path) => {
                let (found, digest) = read_weights(path)?;
                let found = found.fitted(&original).with_context(|| format!("weights of {}", path.display()))?;
                (found, digest)
            }
            None if settings.needs_weights() => bail!(
                "experiment {} starts from trained weights: give them with --weights FILE (.caffemodel or .safetensors; data/README.md \
                 says where to get them)",
                session.experiment
            ),
            None => (drawn.clone(), [0; 32]),
        };
        let new_layer = drawn.get(NEW_LAYER).expect("the new layer has weights");
        weights.insert(NEW_LAYER, new_layer.clone());
        let weights = weights.fitted(&architecture)?;
        let compared = match settings.comparison.experiment.as_str() {
            "" => None,
            name => Some(Settings::load(name, &[]).context("comparison.experiment")?),
        };
        Ok(Self { core, settings, architecture, weights, weights_digest, device, compared })
    }

    /// The mean that is subtracted from pixels.
    pub fn mean(&self) -> Mean {
        Mean::Channels(self.settings.network.mean)
    }

    /// Side of a crop.
    pub fn crop_side(&self) -> usize {
        self.architecture.input_shape()[1]
    }

    /// The network of the layers that keep their weights (`None` without a cut), and the network of the layers that learn.
    ///
    /// # Errors
    /// A cut that is not a layer, or a layer that some paths bypass.
    pub fn halves(&self) -> Result<(Option<Network>, Network)> {
        let network = |architecture: Architecture| Network::new(architecture, &self.weights, &self.device);
        Ok(match &self.settings.retraining.cut {
            Some(cut) => {
                let (below, above) = self.architecture.split_after(cut).context("retraining.cut")?;
                (Some(network(below)?), network(above)?)
            }
            None => (None, network(self.architecture.clone())?),
        })
    }

    /// Key of the features of one half.
    pub fn features_key(&self, half: Half) -> Key {
        let network = &self.settings.network;
        NetworkStage::Features
            .id()
            .key()
            .setting("network", &(&network.architecture, network.mean, network.frame))
            .setting("cut", &self.settings.retraining.cut)
            .setting("weights", &self.weights_digest)
            .setting("seed", &self.weights_digest.iter().all(|&byte| byte == 0).then_some(self.settings.seed))
            .setting("shard_size", &self.settings.data.shard_size)
            .input("images", self.core.dataset.half(half).files)
            .finish()
    }

    /// Key of the retrained weights. The settings `checkpoint_every` and `validate_every` are not part of it, because they do not change
    /// the weights.
    pub fn retraining_key(&self) -> Key {
        NetworkStage::Retraining
            .id()
            .key()
            .setting("sgd", &self.settings.sgd())
            .setting("n_epochs", &self.settings.retraining.n_epochs)
            .setting("difficult", &self.settings.data.difficult)
            .input("features", self.features_key(Half::Train))
            .input("labels", self.core.dataset.train.labels)
            .finish()
    }

    /// Key of the test images' scores.
    pub fn scores_key(&self) -> Key {
        NetworkStage::Scores
            .id()
            .key()
            .setting("stride", &self.settings.network.stride)
            .input("retraining", self.retraining_key())
            .input("images", self.core.dataset.test.files)
            .input("labels", self.core.dataset.test.labels)
            .finish()
    }

    /// Key of the measures of heatmaps.
    pub fn relevance_key(&self) -> Key {
        NetworkStage::Relevance
            .id()
            .key()
            .setting("composites", &self.settings.relevance.composites)
            .setting("tag_size", &self.tag_size())
            .input("scores", self.scores_key())
            .input("annotations", self.core.dataset.test.annotations)
            .finish()
    }

    /// Key of the traces with regions replaced.
    pub fn perturbation_key(&self) -> Key {
        NetworkStage::Perturbation
            .id()
            .key()
            .setting("composites", &self.settings.relevance.composites)
            .setting("pixels", &self.settings.pixels)
            .setting("seed", &self.settings.seed)
            .input("scores", self.scores_key())
            .finish()
    }

    /// Key of the heatmaps in the report. `compared`: key of the scores of the experiment whose heatmaps are shown for comparison.
    pub fn report_key(&self, compared: Option<Key>) -> Key {
        let builder = NetworkStage::Report
            .id()
            .key()
            .setting("relevance", &self.settings.relevance)
            .setting("n_examples", &self.settings.comparison.n_examples)
            .input("relevance", self.relevance_key());
        match compared {
            Some(compared) => builder.input("compared", compared).finish(),
            None => builder.finish(),
        }
    }

    /// The keys of a stage.
    pub fn keys_of(&self, stage: NetworkStage) -> Vec<Key> {
        match stage {
            NetworkStage::Features => vec![self.features_key(Half::Train), self.features_key(Half::Test)],
            NetworkStage::Retraining => vec![self.retraining_key()],
            NetworkStage::Scores => vec![self.scores_key()],
            NetworkStage::Relevance => vec![self.relevance_key()],
            NetworkStage::Perturbation => vec![self.perturbation_key()],
            NetworkStage::Report => vec![self.report_key(None)],
        }
    }

    /// Size of the corner of the tag in the compared experiment, as shares of width and height; `None` without a comparison.
    pub fn tag_size(&self) -> Option<[f64; 2]> {
        self.compared.as_ref().map(|settings| settings.strategies.tag_size)
    }

    /// An image of one half.
    pub fn entry(&self, half: Half, image: usize) -> &ImageEntry {
        &self.core.dataset.half(half).set.images[image]
    }
}

/// Random weights. They suit inputs of size about 1, but pixels minus their mean are much larger, so the weights of the first layer are
/// divided by [`PIXEL_SIZE`].
fn drawn(architecture: &Architecture, seed: u64) -> Parameters {
    let mut drawn = Parameters::drawn(architecture, seed);
    let first = architecture.layers().iter().find(|layer| layer.kind.has_bias()).map(|layer| layer.name.clone());
    if let Some(name) = first
        && let Some(mut parameters) = drawn.get(&name).cloned()
    {
        parameters.weight /= PIXEL_SIZE;
        drawn.insert(&name, parameters);
    }
    drawn
}
