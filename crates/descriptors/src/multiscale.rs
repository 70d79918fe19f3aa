//! Dense SIFT at all bin sizes.

use std::borrow::Cow;
use std::ops::Range;

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
        let grids = self.filled_grids(image.ncols(), image.nrows()).into_iter();
        let whole: Vec<_> = grids.map(|grid| (grid, 0..grid.n_rows)).collect();
        self.blocks_of(image, &whole, take)
    }

    /// Two parts per bin size that has descriptors: the upper and the lower rows of its grid.
    fn parts(&self, width: usize, height: usize) -> Vec<usize> {
        self.bands(width, height).iter().map(|(grid, rows)| rows.len() * grid.n_columns).collect()
    }

    fn extract_part(
        &self,
        image: ArrayView2<'_, f32>,
        part: usize,
        take: &mut dyn FnMut(&[Frame], ArrayView2<'_, f32>),
    ) -> Result<(), DescriptorError> {
        let bands = self.bands(image.ncols(), image.nrows());
        self.blocks_of(image, bands.get(part..=part).unwrap_or_default(), take)
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

    /// With [`LowContrast::Drop`] the places depend on the pixels.
    fn places(&self, width: usize, height: usize) -> Option<Vec<Frame>> {
        if self.low_contrast == LowContrast::Drop {
            return None;
        }
        let frames = |grid: &Grid| {
            let grid = *grid;
            (0..grid.n_rows).flat_map(move |row| {
                (0..grid.n_columns).map(move |column| Frame {
                    x: grid.centre(column),
                    y: grid.centre(row),
                    bin_size: grid.bin_size,
                    norm: 0.0,
                })
            })
        };
        Some(self.filled_grids(width, height).iter().flat_map(frames).collect())
    }

    fn max_descriptors(&self, width: usize, height: usize) -> usize {
        self.filled_grids(width, height).iter().map(Grid::len).sum()
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
        let grids = self.filled_grids(image.ncols(), image.nrows());
        self.for_each_grid(image, polar, &grids, |grid, extraction| {
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

    /// The grids that have descriptors.
    fn filled_grids(&self, width: usize, height: usize) -> Vec<Grid> {
        self.grids(width, height).into_iter().filter(|grid| grid.len() > 0).collect()
    }

    /// The upper and the lower rows of each grid that has descriptors.
    fn bands(&self, width: usize, height: usize) -> Vec<(Grid, Range<usize>)> {
        let halves = |grid: Grid| {
            let middle = grid.n_rows.div_ceil(2);
            [0..middle, middle..grid.n_rows].map(|rows| (grid, rows))
        };
        self.filled_grids(width, height).into_iter().flat_map(halves).collect()
    }

    /// One block for each of these rows of grids that have descriptors.
    fn blocks_of(
        &self,
        image: ArrayView2<'_, f32>,
        bands: &[(Grid, Range<usize>)],
        take: &mut dyn FnMut(&[Frame], ArrayView2<'_, f32>),
    ) -> Result<(), DescriptorError> {
        let mut frames = Vec::new();
        let mut values = Vec::new();
        let grids: Vec<Grid> = bands.iter().map(|(grid, _)| *grid).collect();
        let mut rows = bands.iter().map(|(_, rows)| rows.clone());
        self.for_each_grid(image, Polar::Exact, &grids, |grid, extraction| {
            for row in rows.next().unwrap_or_default() {
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

    /// Smooths the image for each of these grids, which have descriptors, and calls `extract` with the grid.
    fn for_each_grid(
        &self,
        image: ArrayView2<'_, f32>,
        polar: Polar,
        grids: &[Grid],
        mut extract: impl FnMut(&Grid, &mut GridExtraction<'_>),
    ) -> Result<(), DescriptorError> {
        let width = image.ncols();
        let pixels: Cow<'_, [f32]> = match image.as_slice() {
            Some(slice) => Cow::Borrowed(slice),
            None => Cow::Owned(image.iter().copied().collect()),
        };
        refuse_pixels_out_of_range(&pixels, width)?;
        let mut smoothed = vec![0.0; pixels.len()];
        for grid in grids {
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
