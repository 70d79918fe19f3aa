//! What a model file says about its own stages: the sections `[descriptors]` and `[encoder]` of an experiment's settings.

use fisherlens_descriptors::{LowContrast, RootSift, Window};
use fisherlens_fisher::{Assignment, FisherPart, Grid, Normalization};
use serde::{Deserialize, Serialize};

use crate::pyramid::PyramidLevel;

/// What describes a patch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DescriptorKind {
    /// SIFT on a regular grid at several bin sizes.
    DenseSift,
}

/// `[descriptors]`: an image to local descriptors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DescriptorSettings {
    /// `dense-sift`.
    pub kind: DescriptorKind,
    /// Width of a spatial bin in pixels, one grid for each (4, 6, 8, 10: the descriptor counts of `lapuschkin2016`).
    pub bin_sizes: Vec<u16>,
    /// Pixels between neighbouring descriptors (3: `chatfield2011`).
    pub step: usize,
    /// `flat` (the fast form of `vedaldi2010`) or `gaussian` (`lowe2004`).
    pub window: Window,
    /// Contrast of an image in [0, 1] below which a descriptor is flat (0.005: `vl_phow`).
    pub contrast_threshold: f32,
    /// Flat descriptors: `zero` (`vl_phow`; the published counts fit only so), `drop` or `keep`.
    pub low_contrast: LowContrast,
    /// √ of the ℓ1-normalised descriptor: `off` or `on`.
    pub root_sift: RootSift,
}

/// How an image's descriptors become one vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EncoderKind {
    /// `perronnin2010`.
    FisherVector,
    /// Sums of differences to the means.
    Vlad,
    /// Counts of the components.
    BagOfWords,
}

/// Whether a descriptor belongs to one component or to several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AssignmentKind {
    /// To each by its posterior.
    Soft,
    /// To the one of the greatest posterior.
    Hard,
}

/// `[encoder]`: descriptors of an image to its vector.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EncoderSettings {
    /// `fisher-vector`, `vlad` or `bag-of-words`.
    pub kind: EncoderKind,
    /// Parts of a Fisher vector: some of `weights`, `means`, `variances` (all three: `lapuschkin2016`, eq. 1 and 2).
    pub parts: Vec<FisherPart>,
    /// Posteriors below it are 0, in the vector and in the relevance alike (1e-4: the toolbox of `chatfield2011`).
    pub posterior_floor: f32,
    /// `soft` or, for VLAD and bags of words, `hard`.
    pub assignment: AssignmentKind,
    /// `improved` (`perronnin2010`; `lapuschkin2016`, eq. 3), `raw`, `power`, `l2`, `hellinger` or `intra`.
    pub normalization: Normalization,
    /// Levels of a spatial pyramid; `["1x1"]` is none (`lapuschkin2016`).
    pub pyramid: Vec<PyramidLevel>,
}

impl EncoderSettings {
    /// The assignment as encoders take it.
    pub fn assignment(&self) -> Assignment {
        match self.assignment {
            AssignmentKind::Soft => Assignment::Soft { floor: self.posterior_floor },
            AssignmentKind::Hard => Assignment::Hard,
        }
    }

    /// The levels of the pyramid as the encoder takes them.
    pub fn grids(&self) -> Vec<Grid> {
        self.pyramid.iter().map(|level| Grid::from(*level)).collect()
    }
}
