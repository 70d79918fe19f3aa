//! The descriptors that a change of some pixels touches, extracted from a cut of the image.

use std::ops::Range;

use ndarray::{ArrayView2, s};

use crate::gradient::Polar;
use crate::gray::refuse_pixels_out_of_range;
use crate::grid::Grid;
use crate::normalize::N_FEATURES;
use crate::smoothing::{sigma_of_bin_size, smoothing_radius};
use crate::{DenseSift, DescriptorError, SupportSquare};

/// See `DescriptorExtractor::extract_touched`.
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
        // The first centre lies where it does in the whole image, as the cut begins a number of whole steps into it.
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
                take(&indices, ArrayView2::from_shape((indices.len(), N_FEATURES), touched).expect("128 entries each"));
            }
        });
    }
    Ok(())
}

/// Along one axis: which descriptors of a grid are touched, and the pixels that these see.
struct Axis {
    touched: Range<usize>,
    cut: Range<usize>,
    /// Descriptors of the whole grid before the first one of the cut.
    n_skipped: usize,
}

impl Axis {
    /// Nothing where no descriptor is touched.
    fn new(grid: &Grid, n: usize, length: usize, changed: Range<usize>) -> Option<Self> {
        let changed = changed.start..changed.end.min(length);
        if changed.is_empty() || n == 0 {
            return None;
        }
        let bin_size = usize::from(grid.bin_size);
        // A descriptor whose first bin's centre is at p sees orientations p − (b − 1) … p + 3b + (b − 1), each made of its two neighbours,
        // which are smoothed. At the borders it sees the last pixel in place of those beyond, hence nothing more.
        let before = bin_size + smoothing_radius(sigma_of_bin_size(grid.bin_size));
        let after = 3 * bin_size + before;
        let (step, first) = (grid.step, grid.first);
        // Smallest and largest p with p + after ≥ changed.start and p − before ≤ changed.end − 1.
        let lowest = changed.start.saturating_sub(after + first).div_ceil(step);
        let highest = (changed.end - 1 + before).checked_sub(first)? / step;
        let touched = lowest..(highest + 1).min(n);
        if touched.is_empty() {
            return None;
        }
        let place = |index: usize| first + step * index;
        // The cut begins at a whole number of steps, and early enough for its own first centre.
        let n_skipped = place(touched.start).saturating_sub(before.max(first)) / step;
        let end = (place(touched.end - 1) + after + 1).min(length);
        Some(Self { cut: n_skipped * step..end, touched, n_skipped })
    }

    /// Descriptors that the cut's grid has up to the last one touched.
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
        fn all_that_changes_is_touched_and_has_the_bits_of_a_whole_extraction(
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
            let mut mended = whole.values.clone();
            let mut seen = vec![false; mended.nrows()];
            let said = sift.extract_touched(after.view(), changed, &mut |indices, values| {
                for (&index, value) in indices.iter().zip(values.rows()) {
                    assert!(!std::mem::replace(&mut seen[index as usize], true), "{index} twice");
                    mended.row_mut(index as usize).assign(&value);
                }
            });
            prop_assert!(said.unwrap());
            prop_assert_eq!(mended, now.values);
        }
    }

    #[test]
    fn few_are_touched_in_a_large_image() {
        let sift = DenseSift::params().check().unwrap();
        let image = Array2::from_shape_fn((375, 500), |(y, x)| ((x * y) % 101) as f32 / 101.0);
        let mut n_touched = 0;
        let changed = SupportSquare { left: 200, top: 100, right: 209, bottom: 109 };
        sift.extract_touched(image.view(), changed, &mut |indices, _| n_touched += indices.len()).unwrap();
        // (9 + 4b − 1 + 2 + 2 ceil(4 b/6) − …)² / 9 for four bin sizes.
        assert!((700..1500).contains(&n_touched), "{n_touched}");
    }

    #[test]
    fn nothing_is_touched_by_nothing_and_dropped_descriptors_have_no_place() {
        let sift = DenseSift::params().check().unwrap();
        let image = Array2::from_elem((60, 60), 0.5_f32);
        let nothing = SupportSquare { left: 5, top: 5, right: 5, bottom: 9 };
        assert!(sift.extract_touched(image.view(), nothing, &mut |_, _| panic!("none")).unwrap());
        let outside = SupportSquare { left: 70, top: 5, right: 75, bottom: 9 };
        assert!(sift.extract_touched(image.view(), outside, &mut |_, _| panic!("none")).unwrap());
        let dropping = DenseSift::params().low_contrast(LowContrast::Drop).check().unwrap();
        assert!(!dropping.extract_touched(image.view(), nothing, &mut |_, _| ()).unwrap());
        let mut bright = image;
        bright[[20, 20]] = 2.0;
        let there = SupportSquare { left: 20, top: 20, right: 21, bottom: 21 };
        assert!(sift.extract_touched(bright.view(), there, &mut |_, _| ()).is_err());
    }
}
