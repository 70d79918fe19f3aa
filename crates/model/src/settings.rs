//! How a model file describes its stages: the sections `[descriptors]` and `[encoder]` of an experiment's settings.

use fisherlens_descriptors::{LowContrast, RootSift, Window};
use fisherlens_fisher::{Assignment, FisherPart, Grid, Normalization};
use serde::{Deserialize, Serialize};

use crate::pyramid::PyramidLevel;

/// The kind of descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DescriptorKind {
    /// SIFT on a regular grid at several bin sizes.
    DenseSift,
}

/// `[descriptors]`: how an image becomes local descriptors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DescriptorSettings {
    /// `dense-sift`.
    pub kind: DescriptorKind,
    /// Widths of a spatial bin in pixels; each width has a grid of its own (4, 6, 8, 10: the descriptor counts of `lapuschkin2016`).
    pub bin_sizes: Vec<u16>,
    /// Pixels between neighbouring descriptors (3: `chatfield2011`).
    pub step: usize,
    /// `flat` (the fast form of `vedaldi2010`) or `gaussian` (`lowe2004`).
    pub window: Window,
    /// Contrast of an image in [0, 1] below which a descriptor is flat (0.005: `vl_phow`).
    pub contrast_threshold: f32,
    /// What happens to flat descriptors: `zero` (`vl_phow`; only this gives the published counts), `drop` or `keep`.
    pub low_contrast: LowContrast,
    /// Square root of the ℓ1-normalised descriptor: `off` or `on`.
    pub root_sift: RootSift,
}

/// The kind of encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EncoderKind {
    /// Fisher vector (`perronnin2010`).
    FisherVector,
    /// VLAD: sums of differences to the means.
    Vlad,
    /// Bag of words: how many descriptors each component has.
    BagOfWords,
}

/// Whether a descriptor belongs to one component or to several components.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AssignmentKind {
    /// To each component with its posterior as weight.
    Soft,
    /// To the component with the largest posterior.
    Hard,
}

/// `[encoder]`: how the descriptors of an image become one vector.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EncoderSettings {
    /// `fisher-vector`, `vlad` or `bag-of-words`.
    pub kind: EncoderKind,
    /// Parts of a Fisher vector: some of `weights`, `means`, `variances` (all three: `lapuschkin2016`, eq. 1 and 2).
    pub parts: Vec<FisherPart>,
    /// Posteriors below it count as 0, in the vector and in the relevance (1e-4: the toolbox of `chatfield2011`).
    pub posterior_floor: f32,
    /// `soft`, or `hard` for VLAD and bags of words.
    pub assignment: AssignmentKind,
    /// `improved` (`perronnin2010`; `lapuschkin2016`, eq. 3), `raw`, `power`, `l2`, `hellinger` or `intra`.
    pub normalization: Normalization,
    /// Levels of a spatial pyramid; `["1x1"]` is the whole image alone (`lapuschkin2016`).
    pub pyramid: Vec<PyramidLevel>,
}

impl EncoderSettings {
    /// The assignment in the form that encoders take.
    pub fn assignment(&self) -> Assignment {
        match self.assignment {
            AssignmentKind::Soft => Assignment::Soft { floor: self.posterior_floor },
            AssignmentKind::Hard => Assignment::Hard,
        }
    }

    /// The levels of the pyramid in the form that the encoder takes.
    pub fn grids(&self) -> Vec<Grid> {
        self.pyramid.iter().map(|level| Grid::from(*level)).collect()
    }
}

/// The dotted name and the value of every setting, in the order of the sections. Settings without a value are left out.
///
/// # Panics
/// When the settings have no form in TOML.
pub fn describe(settings: &impl Serialize) -> Vec<(String, String)> {
    // The settings are written as text first: an f32 that is converted to TOML's f64 directly would show digits that nobody wrote.
    let text = toml::to_string(settings).expect("settings were read from TOML and so have a TOML form");
    let mut section = String::new();
    let mut rows = Vec::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = format!("{name}.");
        } else if let Some((name, _)) = line.split_once(" = ") {
            let mut one: toml::Table = line.parse().expect("each line of a table in TOML is TOML, too");
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
