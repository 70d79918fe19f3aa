//! Speed of the Gram matrix, of the dual solver and of the coefficients at the sizes of PASCAL VOC 2007.

use divan::Bencher;
use fisherlens_classifier::{LinearSvm, Loss, gram};
use linfa::ParamGuard;
use ndarray::{Array2, Axis};
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

/// Dimensions of a Fisher vector with 256 components and 80 descriptor dimensions.
const FISHER_VECTOR: usize = 41_216;

/// Vectors of unit length that share directions, as the vectors of images do, and rare classes that depend on these directions.
fn samples(n: usize, d: usize, n_classes: usize) -> (Array2<f32>, Array2<i8>) {
    const N_DIRECTIONS: usize = 64;
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    let mut normal = |rows, columns| {
        Array2::from_shape_simple_fn((rows, columns), || (0..4).map(|_| rng.gen_range(-1.0_f32..1.0)).sum::<f32>())
    };
    let hidden = normal(n, N_DIRECTIONS);
    let mut x = hidden.dot(&normal(N_DIRECTIONS, d)) * 0.3 + &normal(n, d) * 2.0;
    let classes = hidden.dot(&normal(N_DIRECTIONS, n_classes)) + &normal(n, n_classes) * 5.0;
    x.mapv_inplace(|value| value.signum() * value.abs().sqrt());
    for mut row in x.axis_iter_mut(Axis(0)) {
        let length = row.iter().map(|value| value * value).sum::<f32>().sqrt();
        row /= length;
    }
    // About 8 % of the samples are positive.
    let spread = (classes.iter().map(|value| value * value).sum::<f32>() / classes.len() as f32).sqrt();
    (x, classes.mapv(|value| if value > 1.4 * spread { 1 } else { -1 }))
}

#[divan::bench(args = [1000, 2501], sample_count = 3)]
fn gram_of_fisher_vectors(bencher: Bencher<'_, '_>, n: usize) {
    let (x, _) = samples(n, FISHER_VECTOR, 1);
    bencher.counter(divan::counter::ItemsCount::new(n * (n + 1) * FISHER_VECTOR)).bench_local(|| gram(x.view()));
}

#[divan::bench(args = [(1, false), (10, false), (10, true)], sample_count = 3)]
fn solve_20_classes_of_2501(bencher: Bencher<'_, '_>, (c, squared): (u8, bool)) {
    // Short vectors are enough, because the solver reads only the Gram matrix.
    let (x, targets) = samples(2501, 2000, 20);
    let gram = gram(x.view());
    let loss = if squared { Loss::SquaredHinge } else { Loss::Hinge };
    let svm = LinearSvm::params().c(f64::from(c)).loss(loss).check().expect("accepted parameters");
    bencher.bench_local(|| svm.train_with_gram(x.view(), gram.view(), targets.view()).expect("accepted samples"));
}

#[divan::bench(sample_count = 1)]
fn cross_validate_20_classes_of_2501(bencher: Bencher<'_, '_>) {
    let (x, targets) = samples(2501, 2000, 20);
    let gram = gram(x.view());
    let svm = LinearSvm::params().c_grid(vec![0.1, 1.0, 3.0, 10.0, 30.0, 100.0]).check().expect("accepted parameters");
    bencher.bench_local(|| svm.train_with_gram(x.view(), gram.view(), targets.view()).expect("accepted samples"));
}

fn main() {
    divan::main();
}
