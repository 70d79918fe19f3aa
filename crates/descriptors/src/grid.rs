//! Where the descriptors of each bin size lie.

use crate::DenseSift;

/// Centre of a descriptor in bins from its first bin's centre, along one axis.
const CENTRE_IN_BINS: f32 = 1.5;

/// The regular grid of one bin size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Grid {
    pub(crate) bin_size: u16,
    /// Column, and row, of the first descriptor's first bin centre.
    pub(crate) first: usize,
    pub(crate) step: usize,
    pub(crate) n_columns: usize,
    pub(crate) n_rows: usize,
}

impl Grid {
    /// ```text
    /// first = floor(1.5 · (max b − b))     count = floor((length − 1 − first − 3b) / step) + 1, or 0
    /// ```
    pub(crate) fn new(bin_size: u16, largest_bin_size: u16, step: usize, width: usize, height: usize) -> Self {
        let first = 3 * usize::from(largest_bin_size - bin_size) / 2;
        let reach = 1 + first + 3 * usize::from(bin_size);
        let count = |length: usize| length.checked_sub(reach).map_or(0, |room| room / step + 1);
        let (n_columns, n_rows) = (count(width), count(height));
        // A row without columns has no descriptor, and no column without rows does.
        let empty = n_columns == 0 || n_rows == 0;
        Self {
            bin_size,
            first,
            step,
            n_columns: if empty { 0 } else { n_columns },
            n_rows: if empty { 0 } else { n_rows },
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.n_columns * self.n_rows
    }

    /// Position along an axis of the centre of descriptor `index`.
    pub(crate) fn centre(&self, index: usize) -> f32 {
        (self.first + self.step * index) as f32 + CENTRE_IN_BINS * f32::from(self.bin_size)
    }
}

impl DenseSift {
    /// One grid a bin size, all with the same first centre (to half a pixel).
    pub(crate) fn grids(&self, width: usize, height: usize) -> Vec<Grid> {
        let largest = self.bin_sizes.iter().copied().max().unwrap_or(1);
        self.bin_sizes.iter().map(|&bin_size| Grid::new(bin_size, largest, self.step, width, height)).collect()
    }

    /// Centres and bin sizes `(x, y, bin_size)` of the descriptors of an image of this size, in the order of
    /// extraction: bin size by bin size, rows downwards, x fastest. With `LowContrast::Drop` some of them may be
    /// missing from an extraction.
    pub fn frames(&self, width: usize, height: usize) -> Vec<(f32, f32, u16)> {
        let grids = self.grids(width, height);
        let mut frames = Vec::with_capacity(grids.iter().map(Grid::len).sum());
        for grid in grids {
            for row in 0..grid.n_rows {
                for column in 0..grid.n_columns {
                    frames.push((grid.centre(column), grid.centre(row), grid.bin_size));
                }
            }
        }
        frames
    }
}

#[cfg(test)]
mod tests {
    use linfa::ParamGuard;

    use super::*;

    #[test]
    fn published_counts() {
        let sift = DenseSift::params().check().unwrap();
        let by_bin_size: Vec<usize> = sift.grids(500, 375).iter().map(Grid::len).collect();
        assert_eq!(by_bin_size, [18_880, 18_603, 18_328, 18_055]);
        assert_eq!(sift.frames(500, 375).len(), 73_866);
        assert_eq!(sift.frames(500, 333).len(), 64_990);
        assert_eq!(sift.frames(500, 500).len(), 100_494);
        assert!(by_bin_size.len() == 4 && sift.frames(500, 375)[0] == (15.0, 15.0, 4));
    }

    #[test]
    fn the_smallest_image_with_a_descriptor() {
        let sift = DenseSift::params().bin_sizes(vec![4]).check().unwrap();
        assert_eq!(sift.frames(13, 13), [(6.0, 6.0, 4)]);
        assert!(sift.frames(12, 100).is_empty() && sift.frames(100, 12).is_empty());
        assert!(sift.frames(1, 1).is_empty() && sift.frames(0, 0).is_empty());
    }

    #[test]
    fn odd_bin_sizes_put_centres_between_pixels() {
        let sift = DenseSift::params().bin_sizes(vec![5, 8]).step(4).check().unwrap();
        let frames = sift.frames(40, 40);
        // floor(1.5 · 3) = 4, and 4 + 7.5; the other one starts at 12.
        assert_eq!(frames[0], (11.5, 11.5, 5));
        assert_eq!(frames[1], (15.5, 11.5, 5));
        assert!(frames.contains(&(12.0, 12.0, 8)));
    }
}
