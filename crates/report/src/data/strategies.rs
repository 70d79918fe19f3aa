//! Strategies that were found among the heatmaps of a class.

use crate::data::examples::RgbImage;
use crate::data::table::Table;

/// The strategies of one class: clusters of its heatmaps.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StrategySummary {
    /// The class.
    pub class: String,
    /// The rule that made the heatmaps.
    pub rule: String,
    /// Number of heatmaps that were clustered.
    pub n_heatmaps: usize,
    /// Sentences about what was found.
    pub findings: Vec<String>,
    /// Tables, for example of the agreement of clusters and photographers.
    pub tables: Vec<Table>,
    /// The clusters, in the order in which they are shown.
    pub clusters: Vec<StrategyCluster>,
}

/// One cluster of heatmaps.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StrategyCluster {
    /// Name of the cluster, for example `cluster 1`.
    pub name: String,
    /// Ids of its images.
    pub ids: Vec<String>,
    /// A sentence about the cluster; may be empty.
    pub note: String,
    /// The mean of its downsized heatmaps, in colours; left out if it has no pixels.
    pub mean_heatmap: RgbImage,
    /// Some of its images, the nearest to the cluster's centre first.
    pub examples: Vec<StrategyExample>,
}

/// One image of a cluster.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StrategyExample {
    /// Id of the image.
    pub id: String,
    /// Words below the image; may be empty.
    pub caption: String,
    /// The photograph.
    pub photograph: RgbImage,
    /// Its heatmap, in colours.
    pub heatmap: RgbImage,
}
