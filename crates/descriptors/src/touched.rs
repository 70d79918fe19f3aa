//! The descriptors that depend on some changed pixels, extracted from a part of the image.

use std::ops::Range;

use ndarray::{ArrayView2, s};

use crate::error::DescriptorError;
use crate::frame::SupportSquare;
use crate::gradient::Polar;
use crate::gray::refuse_pixels_out_of_range;
use crate::grid::Grid;
use crate::normalize::N_FEATURES;
use crate::params::DenseSift;
use crate::smoothing::{sigma_of_bin_size, smoothing_radius};

/// Implements `DescriptorExtractor::extract_touched` for [`DenseSift`].
pub(crate) fn extract_touched(
    sift: &DenseSift,
    image: ArrayView2<'_, f32>,
    changed: SupportSquare,
    take: &mut dyn FnMut(&[u32], ArrayView2<'_, f32>),
) -> Result<(), DescriptorError> {
    let (height, width) = image.dim();
    let mut n_before = 0;
    let mut indices = Vec::new();
    let (mut frames, mut values) = (Vec::new(), Vec::new());
    for grid in sift.grids(width, height) {
        let columns = Axis::new(&grid, grid.n_columns, width, changed.left..changed.right);
        let rows = Axis::new(&grid, grid.n_rows, height, changed.top..changed.bottom);
        let first = n_before;
        n_before += grid.len();
        let (Some(columns), Some(rows)) = (columns, rows) else { continue };
        let cut = image.slice(s![rows.cut.clone(), columns.cut.clone()]);
        let pixels: Vec<f32> = cut.iter().copied().collect();
        refuse_pixels_out_of_range(&pixels, cut.ncols())?;
        // The cut begins at a multiple of the step, so that its descriptors have the same positions as those of the whole image.
        let part = Grid { n_columns: columns.n_in_cut(), n_rows: rows.n_in_cut(), ..grid };
        let mut smoothed = vec![0.0; pixels.len()];
        sift.with_grid(&pixels, cut.ncols(), &part, Polar::Exact, &mut smoothed, |extraction| {
            values.resize(part.n_columns * N_FEATURES, 0.0);
            for row in rows.touched.clone() {
                frames.clear();
                extraction.row(row - rows.n_skipped, &mut frames, &mut values);
                indices.clear();
                indices.extend(columns.touched.clone().map(|column| (first + row * grid.n_columns + column) as u32));
                let begin = (columns.touched.start - columns.n_skipped) * N_FEATURES;
                let touched = &values[begin..begin + columns.touched.len() * N_FEATURES];
                let touched = ArrayView2::from_shape((indices.len(), N_FEATURES), touched);
                take(&indices, touched.expect("there are 128 entries per descriptor"));
            }
        });
    }
    Ok(())
}

/// Along one axis: the touched descriptors of a grid, and the range of pixels that they depend on.
struct Axis {
    /// Indices in the whole grid.
    touched: Range<usize>,
    /// Pixels to cut out of the image.
    cut: Range<usize>,
    /// Number of descriptors of the whole grid before the first descriptor of the cut.
    n_skipped: usize,
}

impl Axis {
    /// `n`: number of descriptors along the axis; `length`: length of the image along it. `None` if no descriptor is touched.
    fn new(grid: &Grid, n: usize, length: usize, changed: Range<usize>) -> Option<Self> {
        let changed = changed.start..changed.end.min(length);
        if changed.is_empty() || n == 0 {
            return None;
        }
        let bin_size = usize::from(grid.bin_size);
        // Let p be the centre of the first bin of a descriptor. Its bins read the gradients at p − (b − 1) … p + 3b + (b − 1). A gradient
        // reads its two neighbours, so the range grows by 1 on each side, and smoothing makes it grow by its radius. At the borders of the
        // image, positions outside are replaced by the last pixel inside, so no further pixels are read.
        let before = bin_size + smoothing_radius(sigma_of_bin_size(grid.bin_size));
        let after = 3 * bin_size + before;
        let (step, first) = (grid.step, grid.first);
        // A descriptor is touched if p + after ≥ changed.start and p − before ≤ changed.end − 1, where p = first + step · index.
        let lowest = changed.start.saturating_sub(after + first).div_ceil(step);
        let highest = (changed.end - 1 + before).checked_sub(first)? / step;
        let touched = lowest..(highest + 1).min(n);
        if touched.is_empty() {
            return None;
        }
        let place = |index: usize| first + step * index;
        // The cut begins at a multiple of the step, and early enough for the centre of its own first descriptor.
        let n_skipped = place(touched.start).saturating_sub(before.max(first)) / step;
        let end = (place(touched.end - 1) + after + 1).min(length);
        Some(Self { cut: n_skipped * step..end, touched, n_skipped })
    }

    /// Number of descriptors of the cut's grid, up to the last touched one.
    fn n_in_cut(&self) -> usize {
        self.touched.end - self.n_skipped
    }
}

#[cfg(test)]
mod tests {
    use linfa::ParamGuard;
    use ndarray::Array2;
    use proptest::prelude::*;

    use super::*;
    use crate::{DescriptorExtractor, LowContrast, Window};

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn every_descriptor_that_changes_is_touched_and_has_the_bits_of_a_whole_extraction(
            width in 30_usize..110, height in 30_usize..90, step in 1_usize..6, seed in 0_u64..1000,
            left in 0.0_f64..1.0, top in 0.0_f64..1.0, wide in 1_usize..14, high in 1_usize..14, gaussian: bool,
        ) {
            let window = if gaussian { Window::Gaussian } else { Window::Flat };
            let sift = DenseSift::params().bin_sizes(vec![3, 4, 6]).step(step).window(window).check().unwrap();
            let noise = |(y, x): (usize, usize)| {
                let mixed = (seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (((y << 16) + x) as u64).wrapping_mul(0xd6e8_feb8_6659_fd93);
                (mixed >> 40) as f32 / (1 << 24) as f32
            };
            let before = Array2::from_shape_fn((height, width), noise);
            let (left, top) = ((left * width as f64) as usize, (top * height as f64) as usize);
            let changed = SupportSquare { left, top, right: left + wide, bottom: top + high };
            let mut after = before.clone();
            after
                .slice_mut(s![top..height.min(changed.bottom), left..width.min(changed.right)])
                .mapv_inplace(|value| 1.0 - value);
            let (whole, now) = (sift.extract(before.view()).unwrap(), sift.extract(after.view()).unwrap());
            let mut updated = whole.values.clone();
            let mut seen = vec![false; updated.nrows()];
            let is_possible = sift.extract_touched(after.view(), changed, &mut |indices, values| {
                for (&index, value) in indices.iter().zip(values.rows()) {
                    assert!(!std::mem::replace(&mut seen[index as usize], true), "{index} twice");
                    updated.row_mut(index as usize).assign(&value);
                }
            });
            prop_assert!(is_possible.unwrap());
            prop_assert_eq!(updated, now.values);
        }
    }

    #[test]
    fn few_descriptors_of_a_large_image_are_touched() {
        let sift = DenseSift::params().check().unwrap();
        let image = Array2::from_shape_fn((375, 500), |(y, x)| ((x * y) % 101) as f32 / 101.0);
        let mut n_touched = 0;
        let changed = SupportSquare { left: 200, top: 100, right: 209, bottom: 109 };
        sift.extract_touched(image.view(), changed, &mut |indices, _| n_touched += indices.len()).unwrap();
        // Roughly (9 + 5b + 2 ceil(4b/6))² / 9 for each of the four bin sizes, where 9 is the side of the changed square and 3 the step.
        assert!((700..1500).contains(&n_touched), "{n_touched}");
    }

    #[test]
    fn squares_without_pixels_touch_nothing_and_dropping_is_not_supported() {
        let sift = DenseSift::params().check().unwrap();
        let image = Array2::from_elem((60, 60), 0.5_f32);
        let nothing = SupportSquare { left: 5, top: 5, right: 5, bottom: 9 };
        assert!(
            sift.extract_touched(image.view(), nothing, &mut |_, _| panic!("no descriptor depends on these pixels"))
                .unwrap()
        );
        let outside = SupportSquare { left: 70, top: 5, right: 75, bottom: 9 };
        assert!(
            sift.extract_touched(image.view(), outside, &mut |_, _| panic!("no descriptor depends on these pixels"))
                .unwrap()
        );
        let dropping = DenseSift::params().low_contrast(LowContrast::Drop).check().unwrap();
        assert!(!dropping.extract_touched(image.view(), nothing, &mut |_, _| ()).unwrap());
        let mut bright = image;
        bright[[20, 20]] = 2.0;
        let there = SupportSquare { left: 20, top: 20, right: 21, bottom: 21 };
        assert!(sift.extract_touched(bright.view(), there, &mut |_, _| ()).is_err());
    }
}
