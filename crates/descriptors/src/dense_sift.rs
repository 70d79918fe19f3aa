//! Descriptors of one bin size on a regular grid.
//!
//! Orientations are innermost in memory, so that every sum runs over 8 (or 32) neighbouring values. Only the data for one row of
//! descriptors is in memory at a time: a ring buffer of rows of orientation maps, and the sums of the four rows of bins.

use fisherlens_lanes::{has_fma, multiply_add, vectorised};

use crate::frame::Frame;
use crate::gradient::{GradientRow, N_ORIENTATIONS, Polar};
use crate::grid::Grid;
use crate::normalize::{Finish, N_FEATURES};
use crate::params::{DenseSift, Window};
use crate::running_sums::{COLUMN, MAX_BIN_SIZE, RunningSums};
use crate::smoothing::{gaussian_kernel, sigma_of_bin_size, smooth_into};
use crate::window::{N_BINS, bin_kernels};

/// Pixels whose vertical sums are in registers at the same time.
const PIXELS: usize = 8;

/// A smoothed grey image, row by row.
#[derive(Debug, Clone, Copy)]
struct Image<'a> {
    pixels: &'a [f32],
    width: usize,
}

impl DenseSift {
    /// Smooths `pixels` for the bin size of `grid` and calls `extract` with the extraction of the grid.
    ///
    /// `pixels`: rows that are `width` long. `smoothed`: memory of the same size for the smoothed image.
    pub(crate) fn with_grid(
        &self,
        pixels: &[f32],
        width: usize,
        grid: &Grid,
        polar: Polar,
        smoothed: &mut [f32],
        extract: impl FnOnce(&mut GridExtraction<'_>),
    ) {
        smooth_into(pixels, width, &gaussian_kernel(sigma_of_bin_size(grid.bin_size)), smoothed);
        let kernels = bin_kernels(self.window, grid.bin_size);
        let sums = if self.window == Window::Flat && grid.bin_size <= MAX_BIN_SIZE {
            Sums::Running(RunningSums::new(smoothed, width, grid, polar, centres(&kernels)))
        } else {
            Sums::Weighted(WeightedSums::new(Image { pixels: smoothed, width }, grid, &kernels, polar))
        };
        extract(&mut GridExtraction {
            grid,
            finish: Finish::new(self, grid.bin_size),
            contrasts: vec![0.0; grid.n_columns],
            sums,
        });
    }
}

/// The weight of the centre of each bin along one axis.
fn centres(kernels: &[f32]) -> [f32; N_BINS] {
    let n_taps = kernels.len() / N_BINS;
    std::array::from_fn(|bin| kernels[bin * n_taps + n_taps / 2])
}

/// Extracts the descriptors of one grid, row by row from the top.
pub(crate) struct GridExtraction<'a> {
    grid: &'a Grid,
    finish: Finish,
    /// Contrasts of the present row of descriptors.
    contrasts: Vec<f32>,
    sums: Sums<'a>,
}

/// The two ways to the sums of the bins.
enum Sums<'a> {
    /// For the flat window.
    Running(RunningSums<'a>),
    /// For every window.
    Weighted(WeightedSums<'a>),
}

/// Sums of the bins with any weights.
struct WeightedSums<'a> {
    kernels: &'a [f32],
    width: usize,
    orientations: OrientationRing<'a>,
    /// Vertical sums `[x][row of bins][orientation]` for the present row of descriptors. The columns at the left and right edge of the
    /// image are repeated `bin_size − 1` times.
    columns: Vec<f32>,
}

impl GridExtraction<'_> {
    /// Writes the descriptors of row `row` into `values`, 128 entries per descriptor, and appends their frames.
    ///
    /// Calls must ask for the rows in ascending order.
    pub(crate) fn row(&mut self, row: usize, frames: &mut Vec<Frame>, values: &mut [f32]) {
        let Self { grid, finish, contrasts, sums } = self;
        let top = grid.first + grid.step * row;
        match sums {
            Sums::Running(sums) => sums.row(top, grid, *finish, values, contrasts),
            Sums::Weighted(sums) => sums.row(top, grid, *finish, values, contrasts),
        }
        frames.extend(contrasts.iter().enumerate().map(|(column, &norm)| Frame {
            x: grid.centre(column),
            y: grid.centre(row),
            bin_size: grid.bin_size,
            norm,
        }));
    }
}

impl<'a> WeightedSums<'a> {
    /// `kernels`: the weights for the bin size of the grid. The grid has at least one descriptor.
    fn new(image: Image<'a>, grid: &Grid, kernels: &'a [f32], polar: Polar) -> Self {
        let bin_size = usize::from(grid.bin_size);
        Self {
            kernels,
            width: image.width,
            // One row of descriptors reads 3b + 1 rows from the first to the last centre of its bins, and b − 1 rows on each side.
            orientations: OrientationRing::new(image, polar, 5 * bin_size - 1),
            columns: vec![0.0; (image.width + 2 * (bin_size - 1)) * COLUMN],
        }
    }

    /// See [`RunningSums::row`].
    fn row(&mut self, top: usize, grid: &Grid, finish: Finish, values: &mut [f32], contrasts: &mut [f32]) {
        let bin_size = usize::from(grid.bin_size);
        let (radius, n_taps) = (bin_size - 1, 2 * bin_size - 1);
        self.orientations.advance(top.saturating_sub(radius), top + 3 * bin_size + radius);
        // The weight of a pixel is a product of weights along y and x, so the sums are made in two steps: along y for each row of bins, at
        // every x; then along x at the places of the descriptors.
        for (bin, kernel) in self.kernels.chunks_exact(n_taps).enumerate() {
            let first_row = (top + bin * bin_size) as i64 - radius as i64;
            let rows: Vec<&[f32]> = (0..n_taps as i64).map(|tap| self.orientations.row(first_row + tap)).collect();
            sum_vertically(&rows, kernel, bin, &mut self.columns[radius * COLUMN..][..self.width * COLUMN]);
        }
        replicate_edges(&mut self.columns, radius);
        sum_horizontally(&self.columns, self.kernels, grid, finish, values, contrasts);
    }
}

/// Ring buffer of the last few rows of the orientation maps, `[x][orientation]`.
struct OrientationRing<'a> {
    image: Image<'a>,
    polar: Polar,
    gradient: GradientRow,
    /// Row y lies in slot y modulo `n_slots`.
    slots: Vec<f32>,
    n_slots: usize,
    /// The first row that has not been computed.
    next: usize,
}

impl<'a> OrientationRing<'a> {
    fn new(image: Image<'a>, polar: Polar, n_slots: usize) -> Self {
        Self {
            image,
            polar,
            gradient: GradientRow::new(image.width),
            slots: vec![0.0; n_slots * image.width * N_ORIENTATIONS],
            n_slots,
            next: 0,
        }
    }

    /// Computes rows `first ..= last`, as far as they are missing.
    ///
    /// Later calls must not have a smaller `first`, and the range must not be longer than the ring.
    fn advance(&mut self, first: usize, last: usize) {
        let Image { pixels, width } = self.image;
        let n_rows = pixels.len() / width;
        let length = width * N_ORIENTATIONS;
        for y in self.next.max(first)..(last + 1).min(n_rows) {
            let slot = &mut self.slots[y % self.n_slots * length..][..length];
            self.gradient.spread(pixels, width, y, self.polar, slot);
            self.next = y + 1;
        }
    }

    /// Row `y`, or the nearest row of the image if `y` lies outside.
    fn row(&self, y: i64) -> &[f32] {
        let length = self.image.width * N_ORIENTATIONS;
        let last = self.image.pixels.len() / self.image.width - 1;
        let y = y.clamp(0, last as i64) as usize;
        &self.slots[y % self.n_slots * length..][..length]
    }
}

vectorised!(
    /// `columns[x][bin][t] = Σ_k kernel[k] · rows[k][x][t]`.
    fn sum_vertically(rows: &[&[f32]], kernel: &[f32], bin: usize, columns: &mut [f32]) {
        const N_SUMS: usize = PIXELS * N_ORIENTATIONS;
        let fused = has_fma!();
        let offset = bin * N_ORIENTATIONS;
        let mut start = 0;
        let mut groups = columns.chunks_exact_mut(PIXELS * COLUMN);
        for group in &mut groups {
            let mut sums = [0.0_f32; N_SUMS];
            for (row, &weight) in rows.iter().zip(kernel) {
                let values: &[f32; N_SUMS] = row[start..start + N_SUMS].try_into().expect("the slice has this length");
                for (sum, &value) in sums.iter_mut().zip(values) {
                    *sum = multiply_add(fused, value, weight, *sum);
                }
            }
            for (column, sums) in group.chunks_exact_mut(COLUMN).zip(sums.chunks_exact(N_ORIENTATIONS)) {
                column[offset..offset + N_ORIENTATIONS].copy_from_slice(sums);
            }
            start += N_SUMS;
        }
        for column in groups.into_remainder().chunks_exact_mut(COLUMN) {
            let mut sums = [0.0_f32; N_ORIENTATIONS];
            for (row, &weight) in rows.iter().zip(kernel) {
                for (sum, &value) in sums.iter_mut().zip(&row[start..start + N_ORIENTATIONS]) {
                    *sum = multiply_add(fused, value, weight, *sum);
                }
            }
            column[offset..offset + N_ORIENTATIONS].copy_from_slice(&sums);
            start += N_ORIENTATIONS;
        }
    }
);

/// Repeats the first and the last column `radius` times outwards.
fn replicate_edges(columns: &mut [f32], radius: usize) {
    let last = columns.len() - (radius + 1) * COLUMN;
    for edge in 0..radius {
        columns.copy_within(radius * COLUMN..(radius + 1) * COLUMN, edge * COLUMN);
        columns.copy_within(last..last + COLUMN, last + (edge + 1) * COLUMN);
    }
}

vectorised!(
    /// Sums the columns of each descriptor of one row, normalises the descriptors, and stores them with their contrasts.
    fn sum_horizontally(
        columns: &[f32],
        kernels: &[f32],
        grid: &Grid,
        finish: Finish,
        values: &mut [f32],
        contrasts: &mut [f32],
    ) {
        let fused = has_fma!();
        let bin_size = usize::from(grid.bin_size);
        let n_taps = 2 * bin_size - 1;
        let columns = columns.as_chunks::<COLUMN>().0;
        let descriptors = values.as_chunks_mut::<N_FEATURES>().0;
        for (index, (descriptor, contrast)) in descriptors.iter_mut().zip(contrasts).enumerate() {
            let left = grid.first + grid.step * index;
            let mut sums = [0.0_f32; N_FEATURES];
            // Two columns of bins at a time: their 64 sums occupy 8 of the 16 registers of AVX2.
            for pair in [0, 2] {
                let taps = |bin: usize| columns[left + bin * bin_size..][..n_taps].iter();
                let weights = |bin: usize| kernels[bin * n_taps..][..n_taps].iter();
                let mut one = [0.0_f32; COLUMN];
                let mut other = [0.0_f32; COLUMN];
                let both = taps(pair).zip(taps(pair + 1)).zip(weights(pair).zip(weights(pair + 1)));
                for ((one_column, other_column), (&one_weight, &other_weight)) in both {
                    for lane in 0..COLUMN {
                        one[lane] = multiply_add(fused, one_column[lane], one_weight, one[lane]);
                        other[lane] = multiply_add(fused, other_column[lane], other_weight, other[lane]);
                    }
                }
                // The sums are ordered by column of bins, the descriptor by row of bins.
                for bin_row in 0..N_BINS {
                    let from = bin_row * N_ORIENTATIONS;
                    let to = bin_row * COLUMN + pair * N_ORIENTATIONS;
                    sums[to..to + N_ORIENTATIONS].copy_from_slice(&one[from..from + N_ORIENTATIONS]);
                    sums[to + N_ORIENTATIONS..to + 2 * N_ORIENTATIONS]
                        .copy_from_slice(&other[from..from + N_ORIENTATIONS]);
                }
            }
            *contrast = finish.apply(&mut sums);
            *descriptor = sums;
        }
    }
);

#[cfg(test)]
mod tests {
    use linfa::ParamGuard;

    use super::*;

    /// Descriptors and contrasts of one bin size by each of the two ways to the sums, from the grid row `first_row` on.
    fn both(bin_size: u16, step: usize, (width, height): (usize, usize), first_row: usize) -> [Vec<f32>; 2] {
        let sift = DenseSift::params().bin_sizes(vec![bin_size]).step(step).check().unwrap();
        let grid = &sift.grids(width, height)[0];
        let wave = |(x, y): (f32, f32)| 0.5 + 0.3 * (0.4 * x + 0.02 * x * y).sin() + 0.2 * (0.7 * y).cos();
        let pixels: Vec<f32> = (0..width * height).map(|at| wave(((at % width) as f32, (at / width) as f32))).collect();
        let kernels = bin_kernels(Window::Flat, bin_size);
        let running = RunningSums::new(&pixels, width, grid, Polar::Exact, centres(&kernels));
        let weighted = WeightedSums::new(Image { pixels: &pixels, width }, grid, &kernels, Polar::Exact);
        [Sums::Running(running), Sums::Weighted(weighted)].map(|sums| {
            let (finish, contrasts) = (Finish::new(&sift, bin_size), vec![0.0; grid.n_columns]);
            let mut extraction = GridExtraction { grid, finish, contrasts, sums };
            let (mut values, mut frames) = (Vec::new(), Vec::new());
            for row in first_row..grid.n_rows {
                let start = values.len();
                values.resize(start + grid.n_columns * N_FEATURES, 0.0);
                extraction.row(row, &mut frames, &mut values[start..]);
            }
            values.extend(frames.iter().map(|frame| frame.norm));
            values
        })
    }

    #[test]
    fn only_small_bins_of_the_flat_window_have_running_sums() {
        for (window, bin_size, is_running) in
            [(Window::Flat, MAX_BIN_SIZE, true), (Window::Flat, MAX_BIN_SIZE + 1, false), (Window::Gaussian, 4, false)]
        {
            let sift = DenseSift::params().window(window).bin_sizes(vec![bin_size]).check().unwrap();
            let (pixels, mut smoothed) = (vec![0.5; 90 * 90], vec![0.0; 90 * 90]);
            sift.with_grid(&pixels, 90, &sift.grids(90, 90)[0], Polar::Exact, &mut smoothed, |extraction| {
                assert_eq!(matches!(extraction.sums, Sums::Running(_)), is_running, "{window:?} {bin_size}");
            });
        }
    }

    #[test]
    fn running_sums_agree_with_weighted_sums() {
        for (bin_size, step, size) in
            [(1, 1, (9, 7)), (2, 3, (31, 20)), (4, 3, (70, 50)), (5, 2, (33, 61)), (10, 3, (80, 64)), (16, 7, (97, 80))]
        {
            let [running, weighted] = both(bin_size, step, size, 0);
            assert!(!running.is_empty() && running.len() == weighted.len());
            for (a, b) in running.iter().zip(&weighted) {
                assert!((a - b).abs() < 3e-6, "{bin_size}: {a} {b}");
            }
        }
    }

    #[test]
    fn running_sums_do_not_depend_on_the_row_that_they_begin_with() {
        for (bin_size, size) in [(4, (60, 90)), (10, (70, 110))] {
            let [whole, _] = both(bin_size, 3, size, 0);
            let [part, _] = both(bin_size, 3, size, 7);
            let n_rows = |values: &[f32]| values.len() / (N_FEATURES + 1);
            let n_skipped = n_rows(&whole) - n_rows(&part);
            assert_eq!(whole[n_skipped * N_FEATURES..n_rows(&whole) * N_FEATURES], part[..n_rows(&part) * N_FEATURES]);
        }
    }
}
