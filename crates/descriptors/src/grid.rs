//! The regular grid of descriptors of each bin size.

use crate::params::DenseSift;

/// Distance from the centre of the first bin to the centre of the descriptor, in bins along one axis.
const CENTRE_IN_BINS: f32 = 1.5;

/// The regular grid of one bin size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Grid {
    pub(crate) bin_size: u16,
    /// Column, and also row, of the centre of the first bin of the first descriptor.
    pub(crate) first: usize,
    pub(crate) step: usize,
    pub(crate) n_columns: usize,
    pub(crate) n_rows: usize,
}

impl Grid {
    /// The grid of one bin size b in an image of this size.
    ///
    /// ```text
    /// first = floor(1.5 · (max b − b))     count = floor((length − 1 − first − 3b) / step) + 1, or 0
    /// ```
    pub(crate) fn new(bin_size: u16, largest_bin_size: u16, step: usize, width: usize, height: usize) -> Self {
        let first = 3 * usize::from(largest_bin_size - bin_size) / 2;
        let reach = 1 + first + 3 * usize::from(bin_size);
        let count = |length: usize| length.checked_sub(reach).map_or(0, |room| room / step + 1);
        let (n_columns, n_rows) = (count(width), count(height));
        // Without columns there are no rows of descriptors either, and the other way round.
        let empty = n_columns == 0 || n_rows == 0;
        Self {
            bin_size,
            first,
            step,
            n_columns: if empty { 0 } else { n_columns },
            n_rows: if empty { 0 } else { n_rows },
        }
    }

    /// Number of descriptors.
    pub(crate) fn len(&self) -> usize {
        self.n_columns * self.n_rows
    }

    /// Position of the centre of descriptor `index` along one axis.
    pub(crate) fn centre(&self, index: usize) -> f32 {
        (self.first + self.step * index) as f32 + CENTRE_IN_BINS * f32::from(self.bin_size)
    }
}

impl DenseSift {
    /// One grid per bin size, in the order of extraction. The centres of their first descriptors are equal up to half a pixel.
    pub(crate) fn grids(&self, width: usize, height: usize) -> Vec<Grid> {
        let largest = self.bin_sizes.iter().copied().max().unwrap_or(1);
        self.bin_sizes.iter().map(|&bin_size| Grid::new(bin_size, largest, self.step, width, height)).collect()
    }
}

#[cfg(test)]
mod tests {
    use linfa::ParamGuard;

    use super::*;

    /// Centres `(x, y)` and bin sizes of all descriptors, in the order of extraction.
    fn centres(sift: &DenseSift, width: usize, height: usize) -> Vec<(f32, f32, u16)> {
        let mut centres = Vec::new();
        for grid in sift.grids(width, height) {
            for row in 0..grid.n_rows {
                for column in 0..grid.n_columns {
                    centres.push((grid.centre(column), grid.centre(row), grid.bin_size));
                }
            }
        }
        centres
    }

    #[test]
    fn numbers_of_descriptors_are_the_published_ones() {
        let sift = DenseSift::params().check().unwrap();
        let by_bin_size: Vec<usize> = sift.grids(500, 375).iter().map(Grid::len).collect();
        assert_eq!(by_bin_size, [18_880, 18_603, 18_328, 18_055]);
        assert_eq!(centres(&sift, 500, 375).len(), 73_866);
        assert_eq!(centres(&sift, 500, 333).len(), 64_990);
        assert_eq!(centres(&sift, 500, 500).len(), 100_494);
        assert_eq!(centres(&sift, 500, 375)[0], (15.0, 15.0, 4));
    }

    #[test]
    fn the_smallest_image_with_a_descriptor() {
        let sift = DenseSift::params().bin_sizes(vec![4]).check().unwrap();
        assert_eq!(centres(&sift, 13, 13), [(6.0, 6.0, 4)]);
        assert!(centres(&sift, 12, 100).is_empty() && centres(&sift, 100, 12).is_empty());
        assert!(centres(&sift, 1, 1).is_empty() && centres(&sift, 0, 0).is_empty());
    }

    #[test]
    fn odd_bin_sizes_have_centres_between_pixels() {
        let sift = DenseSift::params().bin_sizes(vec![5, 8]).step(4).check().unwrap();
        let centres = centres(&sift, 40, 40);
        // Bin size 5: first = floor(1.5 · 3) = 4, centre 4 + 7.5. Bin size 8: first = 0, centre 12.
        assert_eq!(centres[0], (11.5, 11.5, 5));
        assert_eq!(centres[1], (15.5, 11.5, 5));
        assert!(centres.contains(&(12.0, 12.0, 8)));
    }
}
