//! The other half of the paper: convolutional networks retrained on the same photographs, explained and measured like Fisher vectors.
//!
//! Only with the feature `cnn` (`cargo xtask-cnn`).

pub mod comparison;
pub mod experiment;
pub mod features;
pub mod frames;
pub mod gallery;
pub mod perturbation;
pub mod relevance;
pub mod report;
pub mod retraining;
pub mod run;
pub mod scores;
pub mod settings;

pub use experiment::NetworkExperiment;
pub use settings::NetworkSettings;

/// What the networks leave on the disk, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NetworkStage {
    /// What the frozen layers make of all crops.
    Features,
    /// Weights of the layers above, and how they were found.
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
    /// All of them, in order.
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
        self.name().trim_start_matches("network-")
    }

    /// The format version of the stage's artifacts: it rises whenever the stage computes something else.
    pub const fn format_version(self) -> u32 {
        1
    }
}
