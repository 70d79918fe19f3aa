//! Heatmaps of single images, for the gallery of a report. They can be stored with serde, because drawing them takes long.

use ndarray::ArrayView3;
use serde::{Deserialize, Serialize};

/// Example heatmaps of one class.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ClassExamples {
    /// The class whose scores are explained.
    pub class: String,
    /// The rule whose heatmaps are shown first.
    pub rule: String,
    /// Images with the highest scores, the highest first.
    pub best: Vec<Example>,
    /// Positive images with the lowest scores, the lowest first.
    pub worst: Vec<Example>,
    /// True positives with the largest ratio of relevance outside to relevance inside the boxes, the largest first.
    pub context: Vec<Example>,
}

impl ClassExamples {
    /// Whether there is no example.
    pub fn is_empty(&self) -> bool {
        self.best.is_empty() && self.worst.is_empty() && self.context.is_empty()
    }
}

/// One image and its heatmaps.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Example {
    /// Id of the image.
    pub id: String,
    /// Score of the image for the class.
    pub score: f64,
    /// Probability of the class, if it is known.
    pub probability: Option<f64>,
    /// Label of the image: −1, 0 (difficult) or +1.
    pub label: i8,
    /// Whether the image shows the class and its score is above the class's threshold; `None` if this is not known.
    pub is_true_positive: Option<bool>,
    /// The cluster of its heatmap, if the heatmaps were clustered.
    pub cluster: Option<String>,
    /// Ratio of the relevance outside to the relevance inside the boxes, by the rule that is shown first.
    pub context_ratio: Option<f64>,
    /// The photograph.
    pub photograph: RgbImage,
    /// Its heatmaps, one per rule.
    pub heatmaps: Vec<RuleHeatmap>,
    /// A line that says where relevance was lost or added.
    pub conservation: String,
}

/// A test image for which a class was found that it does not have.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Mistake {
    /// The class that was found.
    pub class: String,
    /// The classes that the image has.
    pub labels: Vec<String>,
    /// The rule whose heatmap is shown.
    pub rule: String,
    /// The image, with the score and the heatmaps of the class that was found.
    pub example: Example,
}

/// A heatmap by one rule.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RuleHeatmap {
    /// The rule.
    pub rule: String,
    /// Its colours: blue where relevance is negative, white where it is 0, red where it is positive. The picture is stretched to the size
    /// of the photograph.
    pub picture: RgbImage,
}

/// An 8-bit RGB picture.
///
/// ```
/// use fisherlens_report::RgbImage;
///
/// let image = RgbImage { width: 4, height: 2, rgb: vec![90; 24] };
/// let small = image.thumbnail(2);
/// assert_eq!((small.width, small.height), (2, 1));
/// ```
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RgbImage {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// The 3 · width · height values, row by row.
    #[serde(with = "serde_bytes")]
    pub rgb: Vec<u8>,
}

impl std::fmt::Debug for RgbImage {
    /// The size only, because nobody reads the bytes.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "RgbImage({} × {})", self.width, self.height)
    }
}

impl From<ArrayView3<'_, u8>> for RgbImage {
    /// From an array of shape `(height, width, 3)`.
    fn from(array: ArrayView3<'_, u8>) -> Self {
        let (height, width, _) = array.dim();
        Self { width, height, rgb: array.iter().copied().collect() }
    }
}
