//! Dense SIFT at all bin sizes.

use std::borrow::Cow;

use ndarray::{Array2, ArrayView2};

use crate::dense_sift::GridExtraction;
use crate::error::DescriptorError;
use crate::extractor::{DescriptorExtractor, LocalDescriptors};
use crate::frame::{Frame, SupportSquare};
use crate::gradient::Polar;
use crate::gray::refuse_pixels_out_of_range;
use crate::grid::Grid;
use crate::normalize::N_FEATURES;
use crate::params::{DenseSift, LowContrast};
use crate::touched::extract_touched;

impl DescriptorExtractor for DenseSift {
    /// 128: entry `t + 8 · (i + 4 · j)` is orientation `t` of the bin in column `i`, row `j`.
    fn n_features(&self) -> usize {
        N_FEATURES
    }

    /// For each bin size b, the image is smoothed by a Gaussian of σ = b / 6, and its descriptors are extracted on a regular grid.
    ///
    /// The order is: bin size by bin size, rows from the top, x fastest. The grids of different bin sizes begin at the same centre, up to
    /// half a pixel.
    ///
    /// A descriptor consists of 4 × 4 bins. Each bin is a histogram of 8 gradient orientations, to which pixels contribute their gradient
    /// magnitude times the window. The descriptor is normalised to unit length, its entries are clamped at 0.2, and it is normalised
    /// again (`lowe2004`, `vedaldi2010`). Departure from VLFeat: arc tangent and square root are exact, which changes an entry by 2.5e-4
    /// on average.
    fn extract(&self, image: ArrayView2<'_, f32>) -> Result<LocalDescriptors, DescriptorError> {
        let mut descriptors = LocalDescriptors::default();
        self.extract_into(image, &mut descriptors)?;
        Ok(descriptors)
    }

    fn extract_into(
        &self,
        image: ArrayView2<'_, f32>,
        descriptors: &mut LocalDescriptors,
    ) -> Result<(), DescriptorError> {
        self.extract_by(image, Polar::Exact, descriptors)
    }

    /// One block per row of the grid of one bin size.
    fn extract_blocks(
        &self,
        image: ArrayView2<'_, f32>,
        take: &mut dyn FnMut(&[Frame], ArrayView2<'_, f32>),
    ) -> Result<(), DescriptorError> {
        let mut frames = Vec::new();
        let mut values = Vec::new();
        self.for_each_grid(image, Polar::Exact, |grid, extraction| {
            for row in 0..grid.n_rows {
                frames.clear();
                values.resize(grid.n_columns * N_FEATURES, 0.0);
                extraction.row(row, &mut frames, &mut values);
                if self.low_contrast == LowContrast::Drop {
                    drop_below(self.contrast_threshold, &mut frames, &mut values);
                }
                if !frames.is_empty() {
                    take(
                        &frames,
                        ArrayView2::from_shape((frames.len(), N_FEATURES), &values)
                            .expect("there are 128 entries per frame"),
                    );
                }
            }
        })
    }

    /// Per bin size, extracts from a part of the image that holds these descriptors and all pixels that they depend on.
    ///
    /// With [`LowContrast::Drop`] the indices depend on the pixels, so it returns false.
    fn extract_touched(
        &self,
        image: ArrayView2<'_, f32>,
        changed: SupportSquare,
        take: &mut dyn FnMut(&[u32], ArrayView2<'_, f32>),
    ) -> Result<bool, DescriptorError> {
        if self.low_contrast == LowContrast::Drop {
            return Ok(false);
        }
        extract_touched(self, image, changed, take)?;
        Ok(true)
    }

    fn max_descriptors(&self, width: usize, height: usize) -> usize {
        self.grids(width, height).iter().map(Grid::len).sum()
    }
}

impl DenseSift {
    /// Like `extract_into`, with a choice of the functions for magnitude and angle of the gradient.
    pub(crate) fn extract_by(
        &self,
        image: ArrayView2<'_, f32>,
        polar: Polar,
        descriptors: &mut LocalDescriptors,
    ) -> Result<(), DescriptorError> {
        let n_values = self.max_descriptors(image.ncols(), image.nrows()) * N_FEATURES;
        let mut values = reused(&mut descriptors.values, n_values);
        let frames = &mut descriptors.frames;
        frames.clear();
        frames.reserve(n_values / N_FEATURES);
        let mut rest = values.as_mut_slice();
        self.for_each_grid(image, polar, |grid, extraction| {
            let (of_grid, after) = std::mem::take(&mut rest).split_at_mut(grid.len() * N_FEATURES);
            rest = after;
            for (row, values) in of_grid.chunks_exact_mut(grid.n_columns * N_FEATURES).enumerate() {
                extraction.row(row, frames, values);
            }
        })?;
        if self.low_contrast == LowContrast::Drop {
            drop_below(self.contrast_threshold, frames, &mut values);
        }
        descriptors.values =
            Array2::from_shape_vec((frames.len(), N_FEATURES), values).expect("there are 128 entries per frame");
        Ok(())
    }

    /// Smooths the image for each bin size that has descriptors and calls `extract` with its grid.
    fn for_each_grid(
        &self,
        image: ArrayView2<'_, f32>,
        polar: Polar,
        mut extract: impl FnMut(&Grid, &mut GridExtraction<'_>),
    ) -> Result<(), DescriptorError> {
        let (height, width) = image.dim();
        let pixels: Cow<'_, [f32]> = match image.as_slice() {
            Some(slice) => Cow::Borrowed(slice),
            None => Cow::Owned(image.iter().copied().collect()),
        };
        refuse_pixels_out_of_range(&pixels, width)?;
        let mut smoothed = vec![0.0; pixels.len()];
        for grid in self.grids(width, height).iter().filter(|grid| grid.len() > 0) {
            self.with_grid(&pixels, width, grid, polar, &mut smoothed, |extraction| extract(grid, extraction));
        }
        Ok(())
    }
}

/// A vector of `n_values` values in the memory of `array`, or in new memory. The values are unspecified; the caller writes all of them.
fn reused(array: &mut Array2<f32>, n_values: usize) -> Vec<f32> {
    let (mut values, offset) = std::mem::take(array).into_raw_vec_and_offset();
    if values.capacity() < n_values || offset.is_some_and(|offset| offset > 0) {
        // New memory full of zeros needs no work; growing the old memory would copy its values.
        return vec![0.0; n_values];
    }
    values.resize(n_values, 0.0);
    values
}

/// Removes the descriptors whose contrast is below the threshold.
fn drop_below(contrast_threshold: f32, frames: &mut Vec<Frame>, values: &mut Vec<f32>) {
    let mut n_kept = 0;
    for index in 0..frames.len() {
        if frames[index].norm >= contrast_threshold {
            values.copy_within(index * N_FEATURES..(index + 1) * N_FEATURES, n_kept * N_FEATURES);
            frames[n_kept] = frames[index];
            n_kept += 1;
        }
    }
    frames.truncate(n_kept);
    values.truncate(n_kept * N_FEATURES);
}
