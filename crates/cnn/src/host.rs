//! Max pooling and response normalisation on the processor (the host). Those of burn take longer than all convolutions together.
//!
//! These are plain loops over planes, compiled for several instruction sets. On other devices, and where gradients are needed,
//! `operations.rs` calls burn instead. Tests compare both.

use burn::tensor::{Device, Tensor, TensorData};
use fisherlens_lanes::vectorised;
use rayon::prelude::*;

use crate::layer::{ResponseNormalization, Window};

/// Number of positions that are normalised together: so few that all their channels stay in the cache.
const BLOCK: usize = 256;

/// Whether a tensor is in the processor's memory and no gradients are recorded for it.
pub(crate) fn holds(x: &Tensor<4>) -> bool {
    let device = x.device();
    !device.is_autodiff() && device == Device::flex()
}

fn data(x: Tensor<4>) -> Vec<f32> {
    x.into_data().try_into_vec().expect("the networks compute in f32")
}

fn tensor(values: Vec<f32>, shape: [usize; 4]) -> Tensor<4> {
    Tensor::from_data(TensorData::new(values, shape), &Device::flex())
}

/// Max pooling of `(images, channels, height, width)`.
pub(crate) fn max_pool(x: Tensor<4>, window: Window) -> Tensor<4> {
    let [n_images, channels, height, width] = x.dims();
    let (rows, columns) = (window.n_pooled(height), window.n_pooled(width));
    let x = data(x);
    let mut pooled = vec![0.0; n_images * channels * rows * columns];
    let planes = pooled.par_chunks_mut(rows * columns).zip(x.par_chunks(height * width));
    planes.with_min_len(8).for_each(|(to, from)| pool_plane(from, width, to, columns, window));
    tensor(pooled, [n_images, channels, rows, columns])
}

vectorised!(
    /// Max pooling of one plane. For each row of windows, first the largest value of each column, then of each window.
    fn pool_plane(from: &[f32], width: usize, to: &mut [f32], columns: usize, window: Window) {
        let height = from.len() / width;
        let mut band = vec![0.0; width];
        for (row, to) in to.chunks_exact_mut(columns).enumerate() {
            let rows = reach(row, height, window);
            band.copy_from_slice(&from[rows.start * width..(rows.start + 1) * width]);
            for row in from[(rows.start + 1) * width..rows.end * width].chunks_exact(width) {
                band.iter_mut().zip(row).for_each(|(largest, &value)| *largest = largest.max(value));
            }
            for (column, to) in to.iter_mut().enumerate() {
                let columns = reach(column, width, window);
                *to = band[columns].iter().fold(f32::NEG_INFINITY, |largest, &value| largest.max(value));
            }
        }
    }
);

/// The rows (or columns) of a window that lie inside the plane.
#[inline(always)]
fn reach(index: usize, side: usize, window: Window) -> std::ops::Range<usize> {
    let start = index * window.stride;
    start.saturating_sub(window.padding)..(start + window.kernel - window.padding).min(side)
}

/// Adds each value of `s` to the position of the largest input of its window (the first one if several are equal). `s` contains the
/// images of `x` once or several times.
pub(crate) fn to_largest(x: Tensor<4>, s: Tensor<4>, window: Window) -> Tensor<4> {
    let [n_images, channels, height, width] = x.dims();
    let [n_all, _, rows, columns] = s.dims();
    let (x, s) = (data(x), data(s));
    let mut summed = vec![0.0; n_all * channels * height * width];
    let planes = summed.par_chunks_mut(height * width).zip(s.par_chunks(rows * columns)).enumerate();
    planes.with_min_len(8).for_each(|(plane, (to, s))| {
        let plane = plane % (n_images * channels);
        scatter_plane(&x[plane * height * width..(plane + 1) * height * width], width, s, columns, to, window);
    });
    tensor(summed, [n_all, channels, height, width])
}

/// [`to_largest`] for one plane.
fn scatter_plane(x: &[f32], width: usize, s: &[f32], columns: usize, to: &mut [f32], window: Window) {
    let height = x.len() / width;
    for (row, s) in s.chunks_exact(columns).enumerate() {
        let rows = reach(row, height, window);
        for (column, &s) in s.iter().enumerate() {
            if s == 0.0 {
                continue;
            }
            let columns = reach(column, width, window);
            let (mut best, mut largest) = (rows.start * width + columns.start, f32::NEG_INFINITY);
            for row in rows.clone() {
                let start = row * width + columns.start;
                for (at, &value) in (start..).zip(&x[start..row * width + columns.end]) {
                    if value > largest {
                        (best, largest) = (at, value);
                    }
                }
            }
            to[best] += s;
        }
    }
}

/// Local response normalisation of `(images, channels, height, width)`.
pub(crate) fn normalize(x: Tensor<4>, lrn: &ResponseNormalization) -> Tensor<4> {
    let shape = x.dims();
    let [_, channels, height, width] = shape;
    let n_positions = height * width;
    let x = data(x);
    let mut normalized = vec![0.0; x.len()];
    let images = normalized.par_chunks_mut(channels * n_positions).zip(x.par_chunks(channels * n_positions));
    images.for_each(|(to, from)| {
        for start in (0..n_positions).step_by(BLOCK) {
            normalize_block(from, to, n_positions, start..(start + BLOCK).min(n_positions), lrn);
        }
    });
    tensor(normalized, shape)
}

vectorised!(
    fn normalize_block(
        from: &[f32],
        to: &mut [f32],
        n_positions: usize,
        block: std::ops::Range<usize>,
        lrn: &ResponseNormalization,
    ) {
        let channels = from.len() / n_positions;
        let (reach, weight, k) = (lrn.size / 2, lrn.alpha / lrn.size as f32, lrn.k);
        let values_of = |channel: usize| &from[channel * n_positions + block.start..channel * n_positions + block.end];
        let mut sums = [0.0_f32; BLOCK];
        for channel in 0..channels {
            let sums = &mut sums[..block.len()];
            sums.fill(0.0);
            for neighbour in channel.saturating_sub(reach)..(channel + reach + 1).min(channels) {
                sums.iter_mut().zip(values_of(neighbour)).for_each(|(sum, &value)| *sum += value * value);
            }
            let to = &mut to[channel * n_positions + block.start..channel * n_positions + block.end];
            if lrn.beta == 0.75 {
                // All networks here have 0.75, and two square roots are faster than a general power.
                for ((to, &value), &sum) in to.iter_mut().zip(values_of(channel)).zip(&*sums) {
                    let root = (k + weight * sum).sqrt();
                    *to = value / (root * root.sqrt());
                }
            } else {
                for ((to, &value), &sum) in to.iter_mut().zip(values_of(channel)).zip(&*sums) {
                    *to = value * (k + weight * sum).powf(-lrn.beta);
                }
            }
        }
    }
);
