//! `[strategies]`: the search for clusters among the heatmaps of a class, and the tag that is pasted and removed.

use serde::{Deserialize, Serialize};

/// Which images of a class are explained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExplainedImages {
    /// Test images of the class with a score above its equal-error threshold. Their heatmaps are stored already.
    TruePositives,
    /// All test images of the class. Heatmaps of images that are not true positives are computed for this purpose only.
    Positives,
}

/// A corner of the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Corner {
    /// Upper left.
    UpperLeft,
    /// Upper right.
    UpperRight,
    /// Lower left.
    LowerLeft,
    /// Lower right.
    LowerRight,
}

impl Corner {
    /// All corners.
    pub const ALL: [Self; 4] = [Self::UpperLeft, Self::UpperRight, Self::LowerLeft, Self::LowerRight];

    /// The name in sentences.
    pub const fn name(self) -> &'static str {
        match self {
            Self::UpperLeft => "upper left",
            Self::UpperRight => "upper right",
            Self::LowerLeft => "lower left",
            Self::LowerRight => "lower right",
        }
    }

    /// The corner on the other side at the same height.
    #[must_use]
    pub const fn mirrored(self) -> Self {
        match self {
            Self::UpperLeft => Self::UpperRight,
            Self::UpperRight => Self::UpperLeft,
            Self::LowerLeft => Self::LowerRight,
            Self::LowerRight => Self::LowerLeft,
        }
    }

    /// Whether it is at the left.
    pub const fn is_left(self) -> bool {
        matches!(self, Self::UpperLeft | Self::LowerLeft)
    }

    /// Whether it is at the top.
    pub const fn is_upper(self) -> bool {
        matches!(self, Self::UpperLeft | Self::UpperRight)
    }
}

/// `[strategies]`: clusters among the heatmaps of a class (`lapuschkin2019`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StrategySettings {
    /// Classes whose heatmaps are clustered; an empty list means all classes.
    pub classes: Vec<String>,
    /// `true-positives` or `positives`.
    pub images: ExplainedImages,
    /// Number of rows and columns of the grid on which heatmaps are summed. Cells about as large as the square of the smallest descriptor
    /// (16 pixels with bins of 4) keep all differences that heatmaps can show: 32 for photographs of 500 pixels.
    pub grid: usize,
    /// Numbers of nearest neighbours to try.
    pub n_neighbours: Vec<usize>,
    /// Numbers of clusters to try.
    pub n_clusters: Vec<usize>,
    /// The photographer whose images carry a tag. The clustering does not use this name. It determines for which images the corner of the
    /// tag is measured, from which images the tag is estimated, and from which images it is removed. Without a name nothing is pasted or
    /// removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag_owner: Option<String>,
    /// The corner with the tag: `upper-left`, `upper-right`, `lower-left` or `lower-right`.
    pub tag_corner: Corner,
    /// Width and height of the corner, as shares of the image's width and height.
    pub tag_size: [f64; 2],
    /// The class on whose test images the tag is pasted.
    pub paste_on: String,
    /// Maximum number of test images of each kind that are changed, evenly spread.
    pub n_changed: usize,
}
