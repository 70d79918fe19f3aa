//! Strategies found among the heatmaps of a class: what a report can show of them.

use serde::{Deserialize, Serialize};

use super::{RgbImage, Table};

/// What was found among the heatmaps of one class.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct StrategySummary {
    /// The class.
    pub class: String,
    /// The rule that made the heatmaps.
    pub rule: String,
    /// Heatmaps that were clustered.
    pub n_heatmaps: usize,
    /// What was found, in sentences.
    pub findings: Vec<String>,
    /// Tables of numbers: the sweep over settings, agreement with the owners, shares of the tag's corner, paste and remove.
    pub tables: Vec<Table>,
    /// The clusters, largest relevance of the tag first where a tag is known, else largest first.
    pub clusters: Vec<StrategyCluster>,
}

/// One cluster of heatmaps.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct StrategyCluster {
    /// Its name, as in `cluster 1`.
    pub name: String,
    /// Ids of its images.
    pub ids: Vec<String>,
    /// A sentence on it.
    pub note: String,
    /// The mean of its downsized heatmaps in colours.
    pub mean_heatmap: RgbImage,
    /// Some of its images, those nearest to its centre first.
    pub examples: Vec<StrategyExample>,
}

/// One image of a cluster.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct StrategyExample {
    /// The image.
    pub id: String,
    /// What to say below it.
    pub caption: String,
    /// The photograph.
    pub photograph: RgbImage,
    /// Its relevance in colours.
    pub heatmap: RgbImage,
}
