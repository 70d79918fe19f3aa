//! A rectangle of pixels: a bounding box or a region.

/// A half-open rectangle of pixels, `left ≤ x < right`, `top ≤ y < bottom`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Rect {
    /// First column inside.
    pub left: usize,
    /// First row inside.
    pub top: usize,
    /// First column to the right of the rectangle.
    pub right: usize,
    /// First row below the rectangle.
    pub bottom: usize,
}
