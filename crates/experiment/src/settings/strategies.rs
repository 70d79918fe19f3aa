//! `[strategies]`: what is looked for among the heatmaps of a class, and the tag that is pasted and removed.

use serde::{Deserialize, Serialize};

/// Which images of a class are explained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExplainedImages {
    /// Test images of the class above its equal-error threshold, whose heatmaps are stored.
    TruePositives,
    /// All test images of the class; heatmaps of the others are made for this alone.
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
    /// Classes looked at; none is all.
    pub classes: Vec<String>,
    /// `true-positives` or `positives`.
    pub images: ExplainedImages,
    /// Rows and columns of the grid that heatmaps are summed onto. A cell of about the smallest descriptor's square (16 pixels
    /// with bins of 4) keeps what the heatmaps can tell apart: 32 for photographs of 500 pixels.
    pub grid: usize,
    /// Numbers of nearest neighbours to try.
    pub n_neighbours: Vec<usize>,
    /// Numbers of clusters to try.
    pub n_clusters: Vec<usize>,
    /// The photographer whose images carry a tag. No clustering looks at it: it only says for which images the tag's corner is
    /// measured, from which the tag is taken, and whose it is removed from. Without one nothing is pasted or removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag_owner: Option<String>,
    /// The corner with the tag: `upper-left`, `upper-right`, `lower-left` or `lower-right`.
    pub tag_corner: Corner,
    /// Width and height of the corner, as shares of the image's.
    pub tag_size: [f64; 2],
    /// The class on whose test images the tag is pasted.
    pub paste_on: String,
    /// Test images of each sort that are changed at most, evenly spread.
    pub n_changed: usize,
}
