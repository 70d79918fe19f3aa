//! The stages of an experiment with a network, by name.

use crate::core::{StageId, short_name};

/// The stages of an experiment with a network, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NetworkStage {
    /// Outputs of the frozen layers for all crops.
    Features,
    /// Retrained weights of the layers above the cut, and the history of the training.
    Retraining,
    /// Scores of the test images: one centre crop, and sliding windows.
    Scores,
    /// Context and corners of the true positives' heatmaps.
    Relevance,
    /// Scores while regions of pixels are replaced.
    Perturbation,
    /// Example heatmaps of the report.
    Report,
}

impl NetworkStage {
    /// All stages, in order.
    pub const ALL: [Self; 6] =
        [Self::Features, Self::Retraining, Self::Scores, Self::Relevance, Self::Perturbation, Self::Report];

    /// Name in the artifact folder.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Features => "network-features",
            Self::Retraining => "network-retraining",
            Self::Scores => "network-scores",
            Self::Relevance => "network-relevance",
            Self::Perturbation => "network-perturbation",
            Self::Report => "network-report",
        }
    }

    /// Name on the command line.
    pub fn short_name(self) -> &'static str {
        short_name(self.name())
    }

    /// Name and format version of the stage's artifacts. The version must be increased whenever the stage computes something else.
    pub const fn id(self) -> StageId {
        let format_version = match self {
            // Since version 2, corners are rounded to whole pixels, as for Fisher vectors.
            Self::Relevance => 2,
            _ => 1,
        };
        StageId { name: self.name(), format_version }
    }
}
