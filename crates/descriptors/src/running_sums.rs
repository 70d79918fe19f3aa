//! The sums of the bins with the flat window, in whole numbers.
//!
//! The weights of a bin along one axis are a triangle times a constant. With b the bin size and M the values along the axis,
//!
//! ```text
//! T(y) = Σ_{|k| < b} (b − |k|) · M(y + k)          T(y + 1) = T(y) + D(y)
//! D(y + 1) = D(y) + M(y + 1 + b) − 2 · M(y + 1) + M(y + 1 − b)
//! ```
//! so that each step takes a few additions, whatever the bin size. In floating point the errors of the steps would add up, and the sums would
//! depend on where the steps began. Therefore M is rounded to whole numbers, once before the sums along y, and once before those along x. The
//! units are powers of two, as small as 32 bits allow: for bins of 10 pixels an error of at most 2⁻²² per pixel, and 2⁻¹⁸
//! in a sum along y, whose weights add up to 100.

use fisherlens_lanes::{ROUNDING, vectorised};

use crate::gradient::{GradientRow, N_ORIENTATIONS, Polar};
use crate::grid::Grid;
use crate::normalize::{Finish, N_FEATURES};
use crate::window::N_BINS;

/// Values per column of pixels: the sums along y of the four rows of bins, 8 orientations each.
pub(crate) const COLUMN: usize = N_BINS * N_ORIENTATIONS;
/// Largest bin size whose sums have small enough units.
pub(crate) const MAX_BIN_SIZE: u16 = 16;
/// Largest exponent of the scale, so that rounded magnitudes are smaller than 2²² and [`round`] is exact.
const MAX_SCALE_BITS: u32 = 21;
/// Upper bound of the magnitude of a gradient in an image of values in [0, 1].
const MAX_MAGNITUDE: f64 = 1.4143;

/// Sums of one grid, row of descriptors by row of descriptors.
pub(crate) struct RunningSums<'a> {
    pixels: &'a [f32],
    width: usize,
    polar: Polar,
    bin_size: usize,
    gradient: GradientRow,
    spread: Vec<f32>,
    /// Rounded orientation maps `[x][orientation]`; row y lies in slot y modulo the number of slots.
    maps: Ring,
    /// D of the last row of sums.
    differences: Vec<i32>,
    /// T `[x][orientation]`.
    sums: Ring,
    /// `[x][row of bins][orientation]`: T of the four rows of bins in a larger unit, with [`Self::padding`] columns more on each side, which
    /// repeat the first and the last column.
    columns: Vec<[i32; COLUMN]>,
    /// Sums along x, from the centre of the first bin of the first descriptor on.
    along_x: Vec<[i32; COLUMN]>,
    /// Whole numbers per unit of magnitude.
    scale: f32,
    /// Number of bits by which the sums along y are shortened.
    shift: u32,
    /// For each row and column of bins, the weight of a whole number.
    factors: [[f32; N_BINS]; N_BINS],
}

/// The last few rows of an array of rows.
struct Ring {
    values: Vec<i32>,
    /// Length of a row.
    length: usize,
    n_slots: usize,
    /// The rows before this one that are stored, as far as there is room.
    next: usize,
}

impl Ring {
    fn new(length: usize, n_slots: usize) -> Self {
        Self { values: vec![0; length * n_slots], length, n_slots, next: 0 }
    }

    fn row(&self, y: usize) -> &[i32] {
        &self.values[y % self.n_slots * self.length..][..self.length]
    }

    fn row_mut(&mut self, y: usize) -> &mut [i32] {
        &mut self.values[y % self.n_slots * self.length..][..self.length]
    }

    /// Row `y`, and row `y + 1` to be written. There is more than one slot.
    fn two_rows(&mut self, y: usize) -> (&[i32], &mut [i32]) {
        let (from, to) = (y % self.n_slots, (y + 1) % self.n_slots);
        let length = self.length;
        if from < to {
            let (first, second) = self.values.split_at_mut(to * length);
            (&first[from * length..][..length], &mut second[..length])
        } else {
            let (first, second) = self.values.split_at_mut(from * length);
            (&second[..length], &mut first[to * length..][..length])
        }
    }
}

impl<'a> RunningSums<'a> {
    /// `pixels`: the smoothed image in rows of `width` pixels; `weights`: for each bin along an axis, the weight of its centre.
    pub(crate) fn new(pixels: &'a [f32], width: usize, grid: &Grid, polar: Polar, weights: [f32; N_BINS]) -> Self {
        let bin_size = usize::from(grid.bin_size);
        let area = (bin_size * bin_size) as f64;
        // The largest sums along y, and along both axes, must be below 2³¹. One bit is left for the rounding.
        let scale_bits = ((f64::from(1_u32 << 30) / (MAX_MAGNITUDE * area)).log2().floor() as u32).min(MAX_SCALE_BITS);
        let largest = MAX_MAGNITUDE * area * f64::from(1_u32 << scale_bits);
        let shift = (largest * area / f64::from(1_u32 << 30)).log2().ceil().max(0.0) as u32;
        let weight = |bin: usize| f64::from(weights[bin]) / bin_size as f64;
        let unit = f64::from(1_u32 << shift) / f64::from(1_u32 << scale_bits);
        let length = width * N_ORIENTATIONS;
        let last = grid.first + grid.step * (grid.n_columns - 1) + 3 * bin_size;
        Self {
            pixels,
            width,
            polar,
            bin_size,
            gradient: GradientRow::new(width),
            spread: vec![0.0; length],
            maps: Ring::new(length, 2 * bin_size + 2),
            differences: vec![0; length],
            sums: Ring::new(length, 3 * bin_size + 2),
            columns: vec![[0; COLUMN]; width + 2 * (bin_size + 1)],
            along_x: vec![[0; COLUMN]; last + 1 - grid.first],
            scale: (1_u32 << scale_bits) as f32,
            shift,
            factors: std::array::from_fn(|row| {
                std::array::from_fn(|column| (weight(row) * weight(column) * unit) as f32)
            }),
        }
    }

    /// Writes the descriptors whose first row of bins has its centre at pixel row `top`, with their contrasts. Calls must ask for ascending
    /// rows.
    pub(crate) fn row(&mut self, top: usize, grid: &Grid, finish: Finish, values: &mut [f32], contrasts: &mut [f32]) {
        self.advance(top);
        let padding = self.padding();
        let rows: [&[i32]; N_BINS] = std::array::from_fn(|bin| self.sums.row(top + bin * self.bin_size));
        shorten(rows, self.shift, &mut self.columns[padding..][..self.width]);
        let last = self.columns.len() - padding - 1;
        for edge in 0..padding {
            self.columns[edge] = self.columns[padding];
            self.columns[last + 1 + edge] = self.columns[last];
        }
        // The centre of the first bin of the first descriptor, as a column with its padding.
        sum_along_x(&self.columns, self.bin_size, padding + grid.first, &mut self.along_x);
        describe(&self.along_x, self.bin_size, grid.step, &self.factors, finish, values, contrasts);
    }

    /// Number of columns that are repeated on each side.
    fn padding(&self) -> usize {
        self.bin_size + 1
    }

    /// Makes the sums of the pixel rows from `top` to `top + 3b`, as far as they are missing.
    fn advance(&mut self, top: usize) {
        let bin_size = self.bin_size;
        if self.sums.next <= top {
            self.begin(top);
        }
        let last = self.last_row();
        for y in self.sums.next - 1..top + 3 * bin_size {
            self.need_map(y + 1 + bin_size);
            let maps = &self.maps;
            let rows = [(y + 1).saturating_sub(bin_size), y + 1, (y + 1 + bin_size).min(last)];
            let [before, here, after] = rows.map(|y| maps.row(y));
            let (sums, next) = self.sums.two_rows(y);
            step(sums, next, &mut self.differences, before, here, after);
            self.sums.next = y + 2;
        }
    }

    /// Makes the sums of pixel row `y` from scratch.
    fn begin(&mut self, y: usize) {
        let (bin_size, center, last) = (self.bin_size as i64, y as i64, self.last_row() as i64);
        self.maps.next = self.maps.next.max((y + 1).saturating_sub(self.bin_size));
        self.need_map(y + self.bin_size);
        self.differences.fill(0);
        self.sums.row_mut(y).fill(0);
        for offset in -bin_size + 1..=bin_size {
            let map = self.maps.row((center + offset).clamp(0, last) as usize);
            add_multiple(self.sums.row_mut(y), map, (bin_size - offset.abs()) as i32);
            // D = Σ_{j=1}^{b} M(y + j) − Σ_{j=0}^{b−1} M(y − j)
            add_multiple(&mut self.differences, map, if offset > 0 { 1 } else { -1 });
        }
        self.sums.next = y + 1;
    }

    /// The last row of the image. Rows outside of the image are equal to the nearest one inside.
    fn last_row(&self) -> usize {
        self.pixels.len() / self.width - 1
    }

    /// Makes the orientation maps up to row `last`, as far as the image has them.
    fn need_map(&mut self, last: usize) {
        while self.maps.next <= last.min(self.last_row()) {
            let y = self.maps.next;
            self.gradient.spread(self.pixels, self.width, y, self.polar, &mut self.spread);
            round(&self.spread, self.scale, self.maps.row_mut(y));
            self.maps.next = y + 1;
        }
    }
}

vectorised!(
    /// The nearest whole numbers of `values · scale`, which lie in 0 … 2²².
    fn round(values: &[f32], scale: f32, rounded: &mut [i32]) {
        for (rounded, &value) in rounded.iter_mut().zip(values) {
            *rounded = (value * scale + ROUNDING).to_bits() as i32 - ROUNDING.to_bits() as i32;
        }
    }
);

vectorised!(
    /// `sums += factor · values`.
    fn add_multiple(sums: &mut [i32], values: &[i32], factor: i32) {
        for (sum, &value) in sums.iter_mut().zip(values) {
            *sum = sum.wrapping_add(factor.wrapping_mul(value));
        }
    }
);

vectorised!(
    /// `next = T + D`, then `D += after − 2 · here + before`.
    fn step(sums: &[i32], next: &mut [i32], differences: &mut [i32], before: &[i32], here: &[i32], after: &[i32]) {
        let of_maps = before.iter().zip(here).zip(after);
        for (((sum, next), difference), ((&before, &here), &after)) in
            sums.iter().zip(next).zip(differences).zip(of_maps)
        {
            *next = sum.wrapping_add(*difference);
            let change = after.wrapping_add(before).wrapping_sub(here.wrapping_mul(2));
            *difference = difference.wrapping_add(change);
        }
    }
);

vectorised!(
    /// Writes `T · 2^−shift`, rounded, of the four rows of bins.
    fn shorten(rows: [&[i32]; N_BINS], shift: u32, columns: &mut [[i32; COLUMN]]) {
        let half = (1_i32 << shift) >> 1;
        let [first, second, third, fourth] = rows.map(|row| row.as_chunks::<N_ORIENTATIONS>().0);
        for (column, bins) in columns.iter_mut().zip(first.iter().zip(second).zip(third.iter().zip(fourth))) {
            let ((first, second), (third, fourth)) = bins;
            let [a, b, c, d] = column.as_chunks_mut::<N_ORIENTATIONS>().0 else { continue };
            for (target, sums) in [(a, first), (b, second), (c, third), (d, fourth)] {
                for orientation in 0..N_ORIENTATIONS {
                    target[orientation] = sums[orientation].wrapping_add(half) >> shift;
                }
            }
        }
    }
);

vectorised!(
    /// T along x, from the column `first` on.
    fn sum_along_x(columns: &[[i32; COLUMN]], bin_size: usize, first: usize, along_x: &mut [[i32; COLUMN]]) {
        let (mut sum, mut difference) = ([0_i32; COLUMN], [0_i32; COLUMN]);
        for offset in 1..=2 * bin_size {
            let column = &columns[first + offset - bin_size];
            let weight = (bin_size - offset.abs_diff(bin_size)) as i32;
            let sign = if offset > bin_size { 1 } else { -1 };
            for lane in 0..COLUMN {
                sum[lane] = sum[lane].wrapping_add(weight.wrapping_mul(column[lane]));
                difference[lane] = difference[lane].wrapping_add(sign * column[lane]);
            }
        }
        let before = &columns[first + 1 - bin_size..];
        let here = &columns[first + 1..];
        let after = &columns[first + 1 + bin_size..];
        let mut rest = before.iter().zip(here).zip(after);
        for target in along_x {
            *target = sum;
            let Some(((before, here), after)) = rest.next() else { break };
            for lane in 0..COLUMN {
                sum[lane] = sum[lane].wrapping_add(difference[lane]);
                let change = after[lane].wrapping_add(before[lane]).wrapping_sub(here[lane].wrapping_mul(2));
                difference[lane] = difference[lane].wrapping_add(change);
            }
        }
    }
);

vectorised!(
    /// Gathers the bins of each descriptor of one row, normalises the descriptors, and stores them with their contrasts.
    fn describe(
        along_x: &[[i32; COLUMN]],
        bin_size: usize,
        step: usize,
        factors: &[[f32; N_BINS]; N_BINS],
        finish: Finish,
        values: &mut [f32],
        contrasts: &mut [f32],
    ) {
        let descriptors = values.as_chunks_mut::<N_FEATURES>().0;
        for (index, (descriptor, contrast)) in descriptors.iter_mut().zip(contrasts).enumerate() {
            let mut sums = [0.0_f32; N_FEATURES];
            for column in 0..N_BINS {
                let bins = &along_x[step * index + column * bin_size];
                for row in 0..N_BINS {
                    let factor = factors[row][column];
                    // The sums are ordered by column of bins, the descriptor by row of bins.
                    let to = row * COLUMN + column * N_ORIENTATIONS;
                    for orientation in 0..N_ORIENTATIONS {
                        sums[to + orientation] = bins[row * N_ORIENTATIONS + orientation] as f32 * factor;
                    }
                }
            }
            *contrast = finish.apply(&mut sums);
            *descriptor = sums;
        }
    }
);
