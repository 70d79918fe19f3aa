//! Speed of products at the shapes of the other crates, on one thread. A product counts as 2 · m · n · p operations.

use divan::Bencher;
use divan::counter::ItemsCount;
use fisherlens_product::{Target, multiply, multiply_lower};
use ndarray::Array2;

fn main() {
    divan::main();
}

fn numbers(rows: usize, columns: usize) -> Array2<f32> {
    Array2::from_shape_fn((rows, columns), |(i, j)| ((i * 37 + j * 11) % 23) as f32 - 11.0)
}

/// A square product, log densities of a block of descriptors, projection of a block, sums of a block, Gram matrix.
const SHAPES: [(usize, usize, usize); 5] =
    [(2048, 2048, 2048), (256, 160, 256), (512, 128, 80), (256, 256, 160), (256, 2048, 256)];

#[divan::bench(args = SHAPES)]
fn multiply_shape(bencher: Bencher<'_, '_>, (m, n, p): (usize, usize, usize)) {
    let (a, b, mut c) = (numbers(m, n), numbers(n, p), Array2::zeros((m, p)));
    bencher
        .counter(ItemsCount::new(2 * m * n * p))
        .bench_local(|| multiply(Target::Overwrite(c.view_mut()), a.view(), b.view()));
}

/// The same products by ndarray, which calls the crate matrixmultiply.
#[divan::bench(args = SHAPES)]
fn ndarray_shape(bencher: Bencher<'_, '_>, (m, n, p): (usize, usize, usize)) {
    let (a, b, mut c) = (numbers(m, n), numbers(n, p), Array2::zeros((m, p)));
    bencher
        .counter(ItemsCount::new(2 * m * n * p))
        .bench_local(|| ndarray::linalg::general_mat_mul(1.0, &a, &b, 0.0, &mut c));
}

#[divan::bench(args = [256, 1024])]
fn lower_half_2048(bencher: Bencher<'_, '_>, m: usize) {
    let (a, mut c) = (numbers(m, 2048), Array2::zeros((m, m)));
    bencher
        .counter(ItemsCount::new(m * m * 2048))
        .bench_local(|| multiply_lower(Target::Overwrite(c.view_mut()), a.view()));
}
