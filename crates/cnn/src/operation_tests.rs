//! Layers compared with naive implementations of their definitions, and our loops on the processor compared with burn's functions.

use burn::tensor::{Device, Tensor, TensorData};
use ndarray::Array4;
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::host;
use crate::layer::{Pooling, ResponseNormalization, Window};
use crate::network::{to_array, to_tensor, values};
use crate::operations::{Linear, normalize, pool, spread, sum_around, to_largest_by_burn};

fn draw(shape: (usize, usize, usize, usize), seed: u64) -> Array4<f32> {
    let mut generator = Xoshiro256PlusPlus::seed_from_u64(seed);
    // Only few different values, so that a window can have several largest ones.
    Array4::from_shape_simple_fn(shape, || f32::from(generator.gen_range(-4_i8..5)) / 2.0)
}

fn upload(x: &Array4<f32>) -> Tensor<4> {
    to_tensor(x.view(), &Device::flex())
}

/// Windows as in the three networks, and many others that are allowed.
fn windows() -> Vec<Window> {
    let mut windows = Vec::new();
    for kernel in 1..=4 {
        for stride in 1..=kernel {
            for padding in 0..kernel.min(3) {
                windows.push(Window { kernel, stride, padding });
            }
        }
    }
    windows
}

/// As in Caffe's loops: the positions of a window along one side, clipped to the input, and the length that counts for an average.
fn clipped(index: usize, side: usize, window: Window) -> (std::ops::Range<usize>, usize) {
    let start = (index * window.stride) as isize - window.padding as isize;
    let end = (start + window.kernel as isize).min((side + window.padding) as isize);
    let area = (end - start) as usize;
    ((start.max(0) as usize)..(end.min(side as isize).max(0) as usize), area)
}

fn pool_twin(x: &Array4<f32>, pooling: Pooling, window: Window) -> Array4<f32> {
    let (n, channels, height, width) = x.dim();
    let n_pooled = |side: usize| {
        let n = (side as f64 + 2.0 * window.padding as f64 - window.kernel as f64) / window.stride as f64;
        let n = n.ceil() as usize + 1;
        if window.padding > 0 && (n - 1) * window.stride >= side + window.padding { n - 1 } else { n }
    };
    Array4::from_shape_fn((n, channels, n_pooled(height), n_pooled(width)), |(image, channel, row, column)| {
        let ((rows, tall), (columns, wide)) = (clipped(row, height, window), clipped(column, width, window));
        let inside = rows.flat_map(|y| columns.clone().map(move |x| (y, x))).map(|(y, at)| x[[image, channel, y, at]]);
        match pooling {
            Pooling::Max => inside.fold(f32::NEG_INFINITY, f32::max),
            Pooling::Average => inside.sum::<f32>() / (tall * wide) as f32,
        }
    })
}

fn assert_near(found: &Array4<f32>, expected: &Array4<f32>, what: &str) {
    assert_eq!(found.dim(), expected.dim(), "{what}");
    let worst = (found - expected).iter().fold(0.0_f32, |worst, gap| worst.max(gap.abs()));
    assert!(worst < 1e-5, "{what}: {worst}");
}

#[test]
fn pooling_equals_caffe() {
    for side in 4..=9 {
        let x = draw((2, 3, side, side + 2), side as u64);
        for window in windows() {
            for pooling in [Pooling::Max, Pooling::Average] {
                let found = to_array(pool(upload(&x), pooling, window));
                assert_near(&found, &pool_twin(&x, pooling, window), &format!("{pooling:?} {window:?} of {side}"));
                assert_eq!(found.dim().2, window.n_pooled(side));
            }
        }
    }
}

#[test]
fn our_max_pooling_equals_burn() {
    let x = draw((2, 3, 8, 7), 5);
    for window in windows() {
        let largest = to_array(pool(upload(&x).autodiff(), Pooling::Max, window).inner());
        assert_eq!(to_array(host::max_pool(upload(&x), window)), largest, "{window:?}");
        let (n, channels, rows, columns) = largest.dim();
        let s = draw((2 * n, channels, rows, columns), 6);
        let ours = to_array(host::to_largest(upload(&x), upload(&s), window));
        let of_burn = to_array(to_largest_by_burn(upload(&x), upload(&s), window));
        assert_near(&ours, &of_burn, &format!("{window:?}"));
        assert!((ours.sum() - s.sum()).abs() < 1e-3);
    }
}

#[test]
fn spread_is_the_adjoint_of_average_pooling() {
    let x = draw((1, 2, 8, 7), 7);
    for window in windows() {
        let pooled = pool_twin(&x, Pooling::Average, window);
        let s = draw(pooled.dim(), 8);
        let back = to_array(spread(upload(&x), upload(&s), window));
        assert!(((&pooled * &s).sum() - (&back * &x).sum()).abs() < 1e-3, "{window:?}");
    }
}

#[test]
fn our_normalisation_and_the_one_of_burn_equal_caffe() {
    let x = draw((2, 7, 5, 4), 9);
    for (size, beta) in [(5, 0.75), (3, 0.75), (1, 0.5), (9, 1.0)] {
        let lrn = ResponseNormalization { size, alpha: 0.7, beta, k: 1.5 };
        let expected = Array4::from_shape_fn(x.dim(), |(image, channel, row, column)| {
            let neighbours = channel.saturating_sub(size / 2)..(channel + size / 2 + 1).min(7);
            let sum: f32 = neighbours.map(|neighbour| x[[image, neighbour, row, column]].powi(2)).sum();
            x[[image, channel, row, column]] * (lrn.k + lrn.alpha / size as f32 * sum).powf(-beta)
        });
        assert_near(&to_array(normalize(upload(&x), &lrn)), &expected, "ours");
        assert_near(&to_array(normalize(upload(&x).autodiff(), &lrn).inner()), &expected, "burn");
    }
    let sums = to_array(sum_around(upload(&x), 3));
    let expected = x[[1, 2, 3, 1]] + x[[1, 3, 3, 1]] + x[[1, 4, 3, 1]];
    assert!((sums[[1, 3, 3, 1]] - expected).abs() < 1e-6);
}

#[test]
fn the_adjoint_of_a_convolution_is_its_transpose() {
    for (n_groups, stride, padding) in [(1, 1, 0), (2, 2, 1), (1, 3, 2), (2, 1, 2)] {
        let window = Window { kernel: 3, stride, padding };
        let operation = Linear::Convolution { window, n_groups };
        let (x, weight) = (draw((2, 4, 7, 6), 1), upload(&draw((6, 4 / n_groups, 3, 3), 2)));
        let y = operation.forward(upload(&x), weight.clone(), None);
        let s = draw(to_array(y.clone()).dim(), 3);
        let back = to_array(operation.adjoint(upload(&s), weight, [4, 7, 6]));
        assert!(((to_array(y) * &s).sum() - (back * &x).sum()).abs() < 1e-2, "{operation:?}");
    }
}

#[test]
fn a_convolution_matches_hand_computed_values() {
    // One channel, 3 × 3 values from 1 to 9, a kernel of 2 × 2 ones, stride 1, padding 1.
    let x: Tensor<4> =
        Tensor::from_data(TensorData::new((1..10).map(|v| v as f32).collect(), [1, 1, 3, 3]), &Device::flex());
    let ones: Tensor<4> = Tensor::ones([1, 1, 2, 2], &Device::flex());
    let window = Window { kernel: 2, stride: 1, padding: 1 };
    let y = Linear::Convolution { window, n_groups: 1 }.forward(x, ones, None);
    let expected = [1.0, 3.0, 5.0, 3.0, 5.0, 12.0, 16.0, 9.0, 11.0, 24.0, 28.0, 15.0, 7.0, 15.0, 17.0, 9.0];
    assert_eq!(values(y), expected);
}
