//! Every setting of an experiment, in one struct that is read from one TOML file.
//!
//! The built-in experiments lie in `experiments/`: `mini`, `voc2007` (trainval → test) and `voc2007-val`
//! (train → val). A file of the user's own has the same sections; nothing has a hidden default, so a file says
//! everything that a result depends on besides the photographs. Single settings are changed by overrides such as
//! `mixture.n_components=64`, applied before anything is read.

mod checks;
pub(crate) mod overrides;
mod sections;
mod strategies;

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};

pub use fisherlens_classifier::{Difficult, Loss};
pub use fisherlens_descriptors::{LowContrast, RootSift, Whitening, Window};
pub use fisherlens_eval::Interpolation;
pub use fisherlens_fisher::{FisherPart, Grid, Normalization};
pub use fisherlens_lrp::Rule;
pub use fisherlens_model::{
    AssignmentKind, DescriptorKind, DescriptorSettings, EncoderKind, EncoderSettings, PyramidLevel,
};
pub use sections::{
    ClassifierKind, ClassifierSettings, DataSettings, DataSource, EvaluationSettings, Fill, InitKind, MixtureSettings,
    PcaSettings, PixelSettings, RelevanceSettings, ReportSettings, ResamplingSettings, SampleSettings,
};
pub use strategies::{Corner, ExplainedImages, StrategySettings};

/// Name and text of the built-in experiments.
const BUILT_IN: [(&str, &str); 3] = [
    ("mini", include_str!("../experiments/mini.toml")),
    ("voc2007", include_str!("../experiments/voc2007.toml")),
    ("voc2007-val", include_str!("../experiments/voc2007-val.toml")),
];

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
    /// Names of the built-in experiments.
    pub const EXPERIMENTS: [&'static str; BUILT_IN.len()] = [BUILT_IN[0].0, BUILT_IN[1].0, BUILT_IN[2].0];

    /// The settings of a built-in experiment, or of a file ending in `.toml`, changed by `overrides` (`section.name=value`).
    ///
    /// The value is read as TOML, and where it is none as a plain string; an empty value takes an optional setting
    /// away. Paths in settings are relative to the working directory.
    ///
    /// # Errors
    /// An experiment that is neither built in nor a file; text that is no TOML; a setting that is missing, unknown
    /// or has a value that is not allowed, with the file, the setting, what was found and what is allowed.
    pub fn load(experiment: &str, overrides: &[String]) -> Result<Self> {
        if let Some((_, text)) = BUILT_IN.iter().find(|(name, _)| *name == experiment) {
            return Self::parse(text, overrides).with_context(|| format!("experiment {experiment}"));
        }
        ensure!(
            Path::new(experiment).extension().is_some_and(|extension| extension == "toml"),
            "no experiment is called \"{experiment}\"; there are {}, or give the path of a settings file that ends in .toml",
            Self::EXPERIMENTS.join(", ")
        );
        let text = std::fs::read_to_string(experiment)
            .with_context(|| format!("cannot read the settings file {experiment}"))?;
        Self::parse(&text, overrides).with_context(|| format!("settings file {experiment}"))
    }

    /// The settings in a TOML text, changed by `overrides`.
    ///
    /// # Errors
    /// See [`Settings::load`].
    pub fn parse(text: &str, overrides: &[String]) -> Result<Self> {
        let mut table: toml::Table = text.parse().context("this is no TOML")?;
        for change in overrides {
            overrides::apply(&mut table, change, overrides::KNOWN)?;
        }
        let settings: Self = table.try_into().map_err(|error| overrides::readable(&error))?;
        settings.check()?;
        Ok(settings)
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
