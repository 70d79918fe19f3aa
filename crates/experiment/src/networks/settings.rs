//! All settings of an experiment with a network, read from one TOML file.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use fisherlens_cnn::{Architecture, Multipliers, Sgd, networks};
use fisherlens_eval::Interpolation;
use serde::{Deserialize, Serialize};

use crate::settings::file::{self, SettingsFile};
use crate::settings::sections::{DataSettings, DataSource, PixelSettings};

/// All settings of an experiment with a network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkSettings {
    /// Seed of the new weights, the order of the crops, dropout and the random regions.
    pub seed: u64,
    /// Photographs and labels.
    pub data: DataSettings,
    /// The network and its input.
    pub network: ArchitectureSettings,
    /// How the network learns.
    pub retraining: RetrainingSettings,
    /// From scores to measures of quality.
    pub evaluation: NetworkEvaluation,
    /// From scores back to pixels.
    pub relevance: CompositeSettings,
    /// How fast scores fall when relevant regions of pixels are replaced.
    pub pixels: PixelSettings,
    /// The experiment for comparison.
    pub comparison: ComparisonSettings,
}

/// `[network]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArchitectureSettings {
    /// `googlenet`, `caffenet`, `vgg-cnn-s` or `small`.
    pub architecture: String,
    /// Mean of blue, green and red.
    pub mean: [f32; 3],
    /// Side of the frame that crops are cut from (256: supplement §5).
    pub frame: usize,
    /// Pixels between sliding windows (20: supplement §5).
    pub stride: usize,
}

/// `[retraining]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetrainingSettings {
    /// Layers up to and including this one keep their weights, and their outputs for all crops are stored. Without it, all layers learn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cut: Option<String>,
    /// Number of times that every crop is used.
    pub n_epochs: f64,
    /// Learning rate at the start.
    pub learning_rate: f32,
    /// Share of the last step that is kept.
    pub momentum: f32,
    /// Weight decay.
    pub weight_decay: f32,
    /// Factor by which the learning rate is multiplied every `step_size` steps.
    pub gamma: f32,
    /// Number of steps between two changes of the learning rate.
    pub step_size: usize,
    /// Number of crops per step.
    pub batch_size: usize,
    /// Number of steps between two checkpoints. A run that is killed loses at most this number of steps.
    pub checkpoint_every: usize,
    /// Number of steps between two measurements on the centre crops of the test images.
    pub validate_every: usize,
    /// Multipliers of the learning rate and of the weight decay for single layers. The new layer is called `classifier`.
    #[serde(default)]
    pub layers: BTreeMap<String, Multipliers>,
}

/// `[evaluation]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkEvaluation {
    /// `eleven-point` or `area`.
    pub interpolation: Interpolation,
    /// Number of resampled test sets for the interval of the mean average precision.
    pub n_bootstrap: usize,
}

/// `[relevance]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CompositeSettings {
    /// Composites that are compared, written as for `explain --composite`.
    pub composites: Vec<String>,
    /// The displayed composite, one of `composites`. The report shows its heatmaps and compares its context with Fisher vectors.
    pub display: String,
}

/// `[comparison]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ComparisonSettings {
    /// The experiment with Fisher vectors on the same photographs; empty for none.
    pub experiment: String,
    /// Number of images per class and kind (best, worst, context) in the report.
    pub n_examples: usize,
}

impl SettingsFile for NetworkSettings {
    const BUILT_IN: &'static [(&'static str, &'static str)] = &[
        ("mini-cnn", include_str!("../../experiments/mini-cnn.toml")),
        ("voc2007-cnn", include_str!("../../experiments/voc2007-cnn.toml")),
    ];
    const KIND: &'static str = "experiment with a network";

    fn check(&self) -> Result<()> {
        let Self { data, network, retraining, pixels, relevance, .. } = self;
        ensure!(data.shard_size > 0, "data.shard_size: found 0, expected at least 1");
        ensure!(
            data.train != data.test,
            "data.test: found {:?}, which is also data.train; expected another image set",
            data.test
        );
        ensure!(network.stride > 0, "network.stride: found 0, expected at least 1");
        for (name, value) in [
            ("retraining.checkpoint_every", retraining.checkpoint_every),
            ("retraining.validate_every", retraining.validate_every),
            ("pixels.side", pixels.side),
            ("pixels.n_regions", pixels.n_regions),
            ("pixels.batch", pixels.batch),
        ] {
            ensure!(value > 0, "{name}: found 0, expected at least 1");
        }
        ensure!(
            retraining.n_epochs >= 0.0 && retraining.n_epochs.is_finite(),
            "retraining.n_epochs: found {}, expected a finite number of at least 0",
            retraining.n_epochs
        );
        ensure!(
            relevance.composites.contains(&relevance.display),
            "relevance.display: found \"{}\", expected one of relevance.composites",
            relevance.display
        );
        let side = self.architecture()?.input_shape()[1];
        ensure!(
            network.frame >= side,
            "network.frame: found {}, expected at least {side}, the side of the network's input",
            network.frame
        );
        Ok(())
    }
}

impl NetworkSettings {
    /// The settings of a built-in experiment, or of a file ending in `.toml`, changed by `changes` (`section.name=value`).
    ///
    /// # Errors
    /// See [`crate::settings::Settings::load`].
    pub fn load(experiment: &str, changes: &[String]) -> Result<Self> {
        file::load(experiment, changes)
    }

    /// The original layers of the network, before the last one is replaced.
    ///
    /// # Errors
    /// A name that is not a known network.
    pub fn architecture(&self) -> Result<Architecture> {
        named(&self.network.architecture)
    }

    /// How the network learns.
    pub fn sgd(&self) -> Sgd {
        let retraining = &self.retraining;
        Sgd {
            learning_rate: retraining.learning_rate,
            momentum: retraining.momentum,
            weight_decay: retraining.weight_decay,
            gamma: retraining.gamma,
            step_size: retraining.step_size,
            batch_size: retraining.batch_size,
            layers: retraining.layers.clone(),
            seed: self.seed,
        }
    }

    /// Whether the network starts from the weights of a file. On the embedded data, the small network starts from random weights.
    pub fn needs_weights(&self) -> bool {
        self.data.source == DataSource::Voc || self.network.architecture != "small"
    }
}

/// A network by its name.
///
/// # Errors
/// An unknown name; the message lists the known names.
pub fn named(name: &str) -> Result<Architecture> {
    if name == "small" {
        return Ok(networks::small(N_SMALL_CLASSES));
    }
    networks::by_name(name).with_context(|| {
        format!("network.architecture: found \"{name}\", expected googlenet, caffenet, vgg-cnn-s or small")
    })
}

/// Number of scores of the small network before its last layer is replaced. Any number would do.
const N_SMALL_CLASSES: usize = 2;
