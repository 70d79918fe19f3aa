//! All settings of an experiment, in one struct that is read from one TOML file.
//!
//! The built-in experiments are stored in `experiments/`: `mini`, `voc2007` (trainval → test) and `voc2007-val`
//! (train → val). A settings file of a user has the same sections. There are no hidden defaults, so that a file states everything that a
//! result depends on, except the photographs. Overrides such as `mixture.n_components=64` change single settings before they are checked.

mod bounds;
mod checks;
pub(crate) mod file;
mod names;
mod overrides;
pub mod sections;
pub mod strategies;

use anyhow::Result;
use fisherlens_model::{DescriptorSettings, EncoderSettings, describe};
use serde::{Deserialize, Serialize};

use crate::settings::sections::{
    ClassifierSettings, DataSettings, EvaluationSettings, MixtureSettings, PcaSettings, PixelSettings,
    RelevanceSettings, ReportSettings, ResamplingSettings, SampleSettings,
};
use crate::settings::strategies::StrategySettings;

/// All settings of an experiment with Fisher vectors.
///
/// ```
/// use fisherlens_experiment::settings::Settings;
///
/// let settings = Settings::load("voc2007", &["mixture.n_components=64".to_owned()])?;
/// assert_eq!((settings.mixture.n_components, settings.pca.n_components), (64, 80));
/// let message = format!("{:#}", Settings::load("voc2007", &["mixture.n_component=64".to_owned()]).unwrap_err());
/// assert!(message.contains("mixture.n_components"));
/// # Ok::<(), anyhow::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Seed of all random draws: the sample, the start of the mixture, folds, replacements, the bootstrap.
    pub seed: u64,
    /// Photographs and labels.
    pub data: DataSettings,
    /// Local descriptors.
    pub descriptors: DescriptorSettings,
    /// Descriptors that the projection and the mixture learn from.
    pub sample: SampleSettings,
    /// Projection of the descriptors.
    pub pca: PcaSettings,
    /// Gaussian mixture of the projected descriptors.
    pub mixture: MixtureSettings,
    /// From the descriptors of an image to its vector.
    pub encoder: EncoderSettings,
    /// From vectors to scores.
    pub classifier: ClassifierSettings,
    /// From scores back to descriptors and pixels.
    pub relevance: RelevanceSettings,
    /// Algorithm 1: what happens to a score when relevant descriptors are replaced.
    pub resampling: ResamplingSettings,
    /// The same measurement with regions of pixels.
    pub pixels: PixelSettings,
    /// From scores to measures of quality.
    pub evaluation: EvaluationSettings,
    /// Clusters among heatmaps, and the effect of a tag that is pasted and removed.
    pub strategies: StrategySettings,
    /// Contents of the report.
    pub report: ReportSettings,
}

impl Settings {
    /// The settings of a built-in experiment, or of a file ending in `.toml`, changed by `changes` (`section.name=value`).
    ///
    /// A value is read as TOML, or as a plain string if it is not TOML. An empty value removes an optional setting. Paths in settings are
    /// relative to the working directory.
    ///
    /// # Errors
    /// An experiment that is neither built in nor a file; text that is not TOML; a setting that is missing, unknown
    /// or has a value that is not allowed. The message names the file, the setting, what was found and what is allowed.
    pub fn load(experiment: &str, changes: &[String]) -> Result<Self> {
        file::load(experiment, changes)
    }

    /// The settings in a TOML text, changed by `changes`.
    ///
    /// # Errors
    /// See [`Settings::load`].
    pub fn parse(text: &str, changes: &[String]) -> Result<Self> {
        file::parse(text, changes)
    }

    /// The dotted name and the value of every setting, in the order of the sections. Settings without a value are left out.
    ///
    /// # Panics
    /// When a path is not Unicode. Paths that were read from settings are always Unicode.
    pub fn describe(&self) -> Vec<(String, String)> {
        describe(self)
    }
}

#[cfg(test)]
mod tests;
