//! Every setting of an experiment, in one struct that is read from one TOML file.
//!
//! The built-in experiments lie in `experiments/`: `mini`, `voc2007` (trainval → test) and `voc2007-val`
//! (train → val). A file of the user's own has the same sections; nothing has a hidden default, so a file says
//! everything that a result depends on besides the photographs. Single settings are changed by overrides such as
//! `mixture.n_components=64`, applied before anything is read.

mod checks;
pub(crate) mod file;
mod names;
mod overrides;
pub mod sections;
pub mod strategies;

use anyhow::Result;
use fisherlens_model::{DescriptorSettings, EncoderSettings};
use serde::{Deserialize, Serialize};

use crate::settings::sections::{
    ClassifierSettings, DataSettings, EvaluationSettings, MixtureSettings, PcaSettings, PixelSettings,
    RelevanceSettings, ReportSettings, ResamplingSettings, SampleSettings,
};
use crate::settings::strategies::StrategySettings;

/// Everything that can be set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Seed of everything that is drawn: the sample, the mixture's start, folds, replacements, the bootstrap.
    pub seed: u64,
    /// Photographs and labels.
    pub data: DataSettings,
    /// Local descriptors.
    pub descriptors: DescriptorSettings,
    /// Descriptors that projection and mixture learn from.
    pub sample: SampleSettings,
    /// Projection of the descriptors.
    pub pca: PcaSettings,
    /// Gaussian mixture of the projected descriptors.
    pub mixture: MixtureSettings,
    /// Descriptors of an image to its vector.
    pub encoder: EncoderSettings,
    /// Vectors to scores.
    pub classifier: ClassifierSettings,
    /// Scores back to descriptors and pixels.
    pub relevance: RelevanceSettings,
    /// Algorithm 1: what happens to a score when relevant descriptors are replaced.
    pub resampling: ResamplingSettings,
    /// The same with regions of pixels.
    pub pixels: PixelSettings,
    /// Scores to numbers.
    pub evaluation: EvaluationSettings,
    /// Clusters among heatmaps, and a tag pasted and removed.
    pub strategies: StrategySettings,
    /// What the page shows.
    pub report: ReportSettings,
}

impl Settings {
    /// The settings of a built-in experiment, or of a file ending in `.toml`, changed by `changes` (`section.name=value`).
    ///
    /// The value is read as TOML, or else as a plain string; an empty value takes an optional setting away. Paths in settings are
    /// relative to the working directory.
    ///
    /// # Errors
    /// An experiment that is neither built in nor a file; text that is not TOML; a setting that is missing, unknown
    /// or has a value that is not allowed, with the file, the setting, what was found and what is allowed.
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

    /// Every setting under its dotted name with its value, in the order of the sections; what is not set is left out.
    ///
    /// # Panics
    /// When a path is no Unicode, which none that was read from settings can be.
    pub fn describe(&self) -> Vec<(String, String)> {
        describe(self)
    }
}

/// Every setting under its dotted name with its value.
pub(crate) fn describe(settings: &impl Serialize) -> Vec<(String, String)> {
    // By way of text, because an f32 turned straight into TOML's f64 shows digits that nobody wrote.
    let text = toml::to_string(settings).expect("settings were read from TOML and so have a TOML form");
    let mut section = String::new();
    let mut rows = Vec::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = format!("{name}.");
        } else if let Some((name, _)) = line.split_once(" = ") {
            let mut one: toml::Table = line.parse().expect("a line of a table that TOML wrote is TOML");
            let value = match one.remove(name) {
                Some(toml::Value::String(text)) => text,
                Some(other) => other.to_string(),
                None => continue,
            };
            rows.push((format!("{section}{name}"), value));
        }
    }
    rows
}

#[cfg(test)]
mod tests;
