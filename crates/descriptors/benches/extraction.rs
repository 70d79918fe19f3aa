//! Dense SIFT of an image of the usual size in VOC, and the projection of its descriptors, on one thread.

use divan::{Bencher, black_box};
use fisherlens_descriptors::{DenseSift, DescriptorExtractor, LocalDescriptors, Pca, Window, smooth};
use linfa::ParamGuard;
use ndarray::{Array1, Array2};

fn main() {
    divan::main();
}

/// Waves of several lengths with noise, so that every orientation occurs.
fn image(height: usize, width: usize) -> Array2<f32> {
    let mut state = 1_u32;
    Array2::from_shape_fn((height, width), |(y, x)| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let (x, y) = (x as f32, y as f32);
        0.4 + 0.2 * (0.05 * x + 0.02 * y).sin() + 0.2 * (0.11 * y - 0.03 * x).cos() + 0.1 * (state >> 8) as f32 / 1.7e7
    })
}

fn extractor(window: Window) -> DenseSift {
    DenseSift::params().window(window).check().expect("the defaults are valid")
}

#[divan::bench]
fn extract_flat_500x375_4_bin_sizes(bencher: Bencher) {
    let (sift, image) = (extractor(Window::Flat), image(375, 500));
    bencher.bench_local(|| sift.extract(black_box(image.view())));
}

#[divan::bench]
fn extract_flat_500x375_4_bin_sizes_into_reused_memory(bencher: Bencher) {
    let (sift, image) = (extractor(Window::Flat), image(375, 500));
    let mut descriptors = LocalDescriptors::default();
    bencher.bench_local(|| sift.extract_into(black_box(image.view()), &mut descriptors));
}

#[divan::bench]
fn extract_gaussian_500x375_4_bin_sizes(bencher: Bencher) {
    let (sift, image) = (extractor(Window::Gaussian), image(375, 500));
    bencher.bench_local(|| sift.extract(black_box(image.view())));
}

#[divan::bench(args = [4, 6, 8, 10])]
fn extract_flat_500x375_one_bin_size(bencher: Bencher, bin_size: u16) {
    let sift = DenseSift::params().bin_sizes(vec![bin_size]).check().expect("valid");
    let image = image(375, 500);
    bencher.bench_local(|| sift.extract(black_box(image.view())));
}

#[divan::bench(args = [4, 6, 8, 10])]
fn smooth_500x375_for_bin_size(bencher: Bencher, bin_size: u16) {
    let image = image(375, 500);
    bencher.bench_local(|| smooth(black_box(image.view()), f64::from(bin_size) / 6.0));
}

#[divan::bench]
fn project_73866x128_to_80(bencher: Bencher) {
    let components = Array2::from_shape_fn((80, 128), |(row, column)| ((row * 31 + column * 17) % 23) as f32 / 23.0);
    let pca = Pca::from_parts(Array1::from_elem(128, 0.1), components, Array1::ones(80)).expect("matching sizes");
    let descriptors = Array2::from_shape_fn((73_866, 128), |(row, column)| ((row + column * 7) % 29) as f32 / 29.0);
    bencher.bench_local(|| pca.transform(black_box(descriptors.view())));
}
