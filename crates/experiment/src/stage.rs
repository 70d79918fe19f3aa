//! The stages of an experiment with Fisher vectors, by name.

use crate::core::StageId;

/// The name of a stage on the command line and in the artifact folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Descriptors drawn from the training images.
    Sample,
    /// Projection learned from the sample.
    Pca,
    /// Mixture learned from the projected sample.
    Mixture,
    /// One raw vector per image, for both halves.
    Encode,
    /// One classifier per class.
    Classifier,
    /// Scores of the test images.
    Scores,
    /// Scores of the training images by classifiers that have not seen them, and the probabilities that are learned from these scores.
    Calibration,
    /// Relevance of the local descriptors for every true positive.
    Relevance,
    /// Algorithm 1: scores while descriptors are replaced.
    Resampling,
    /// Scores while regions of pixels are replaced.
    Pixels,
    /// Relevance outside and inside the boxes.
    Context,
    /// Clusters among the heatmaps of a class, and the effect of a tag that is pasted and removed.
    Strategies,
    /// Example heatmaps and the page that shows everything.
    Report,
}

impl Stage {
    /// All stages, in order.
    pub const ALL: [Self; 13] = [
        Self::Sample,
        Self::Pca,
        Self::Mixture,
        Self::Encode,
        Self::Classifier,
        Self::Scores,
        Self::Calibration,
        Self::Relevance,
        Self::Resampling,
        Self::Pixels,
        Self::Context,
        Self::Strategies,
        Self::Report,
    ];

    /// The name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sample => "sample",
            Self::Pca => "pca",
            Self::Mixture => "mixture",
            Self::Encode => "encode",
            Self::Classifier => "classifier",
            Self::Scores => "scores",
            Self::Calibration => "calibration",
            Self::Relevance => "relevance",
            Self::Resampling => "resampling",
            Self::Pixels => "pixels",
            Self::Context => "context",
            Self::Strategies => "strategies",
            Self::Report => "report",
        }
    }

    /// Name and format version of the stage's artifacts. The version must be increased whenever the stage computes something else.
    pub const fn id(self) -> StageId {
        let format_version = match self {
            // Sample: other rounding in the sums of dense SIFT. Resampling: more series.
            Self::Sample | Self::Resampling => 2,
            // Mixture and encode: other rounding in dense SIFT, and in the posteriors of mixtures with a component of equal samples.
            // Classifier: the number of problems of the cross-validation that were not solved. Context: the distance from the boxes, and no
            // share for images without boxes. Report: the most confident mistakes.
            Self::Mixture | Self::Encode | Self::Classifier | Self::Context | Self::Report => 3,
            _ => 1,
        };
        StageId { name: self.name(), format_version }
    }
}
