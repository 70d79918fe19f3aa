//! Heatmaps of single images: what the gallery of a report can show.

use ndarray::ArrayView3;
use serde::{Deserialize, Serialize};

/// Heatmaps of one class.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ClassExamples {
    /// The class explained.
    pub class: String,
    /// The rule whose heatmap is shown first.
    pub rule: String,
    /// Highest scores, highest first.
    pub best: Vec<Example>,
    /// Lowest scores of the class's positives, lowest first.
    pub worst: Vec<Example>,
    /// True positives with the largest ratio of relevance outside to inside the boxes, largest first.
    pub context: Vec<Example>,
}

impl ClassExamples {
    /// Whether there is nothing to show.
    pub fn is_empty(&self) -> bool {
        self.best.is_empty() && self.worst.is_empty() && self.context.is_empty()
    }
}

/// One image, explained.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Example {
    /// The image.
    pub id: String,
    /// Score of the class.
    pub score: f64,
    /// −1, 0 (difficult) or +1.
    pub label: i8,
    /// Whether its score lies above the class's threshold, the class being there; `None` where that is not known.
    pub is_true_positive: Option<bool>,
    /// The cluster that its heatmap fell into, where heatmaps were clustered.
    pub cluster: Option<String>,
    /// Relevance outside over relevance inside the boxes, by the rule shown first.
    pub context_ratio: Option<f64>,
    /// The photograph.
    pub photograph: RgbImage,
    /// Its relevance, one picture a rule.
    pub heatmaps: Vec<RuleHeatmap>,
    /// One line on where relevance was lost or made.
    pub conservation: String,
}

/// Relevance by one rule.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RuleHeatmap {
    /// The rule.
    pub rule: String,
    /// Blue for what speaks against the class, white for 0, red for what speaks for it; stretched onto the photograph.
    pub picture: RgbImage,
}

/// An 8-bit RGB picture.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RgbImage {
    /// Pixels a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// 3 · width · height values, row by row.
    #[serde(with = "serde_bytes")]
    pub rgb: Vec<u8>,
}

impl std::fmt::Debug for RgbImage {
    /// The size alone: nobody reads the bytes.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "RgbImage({} × {})", self.width, self.height)
    }
}

impl From<ArrayView3<'_, u8>> for RgbImage {
    /// From `(height, width, 3)`, as the heatmaps come.
    fn from(array: ArrayView3<'_, u8>) -> Self {
        let (height, width, _) = array.dim();
        Self { width, height, rgb: array.iter().copied().collect() }
    }
}
