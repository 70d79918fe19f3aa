//! Posteriors of the descriptors of one photograph, random draws, and EM iterations.

use divan::{Bencher, black_box};
use fisherlens_mixture::{DiagonalGmm, Init};
use linfa::ParamGuard;
use ndarray::{Array1, Array2};
use rand::{Rng, SeedableRng};
use rand_distr::StandardNormal;
use rand_xoshiro::Xoshiro256Plus;

const N_COMPONENTS: usize = 256;
const N_FEATURES: usize = 80;

fn main() {
    divan::main();
}

/// The distances between the means give about five posteriors above 1e-4 per sample, as for descriptors of photographs.
fn mixture() -> DiagonalGmm {
    let mut rng = Xoshiro256Plus::seed_from_u64(1);
    let means = Array2::from_shape_fn((N_COMPONENTS, N_FEATURES), |_| 0.6 * rng.sample::<f32, _>(StandardNormal));
    let variances = Array2::from_shape_fn((N_COMPONENTS, N_FEATURES), |_| rng.gen_range(0.5..2.0));
    DiagonalGmm::from_parts(Array1::from_elem(N_COMPONENTS, 1.0 / N_COMPONENTS as f32), means, variances)
        .expect("a mixture")
}

#[divan::bench(args = [73_866], sample_count = 20)]
fn sparse_posteriors_256x80(bencher: Bencher<'_, '_>, n: usize) {
    let mixture = mixture();
    let x = mixture.generate(n, &mut Xoshiro256Plus::seed_from_u64(2));
    bencher.bench(|| mixture.sparse_posteriors(black_box(x.view()), 1e-4).expect("finite samples"));
}

#[divan::bench(args = [73_866], sample_count = 5)]
fn generate_256x80(bencher: Bencher<'_, '_>, n: usize) {
    let mixture = mixture();
    bencher.bench(|| mixture.generate(n, &mut Xoshiro256Plus::seed_from_u64(2)));
}

#[divan::bench(args = [200_000], sample_count = 3)]
fn ten_iterations_256x80(bencher: Bencher<'_, '_>, n: usize) {
    let mixture = mixture();
    let x = mixture.generate(n, &mut Xoshiro256Plus::seed_from_u64(2));
    let start = DiagonalGmm::params(N_COMPONENTS)
        .init(Init::Random)
        .max_n_iterations(1)
        .check()
        .and_then(|params| params.fit_with_progress(x.view(), &mut |_, _| std::ops::ControlFlow::Break(())))
        .expect("a start");
    let params =
        DiagonalGmm::params(N_COMPONENTS).max_n_iterations(10).tolerance(0.0).check().expect("valid parameters");
    bencher.bench(|| params.fit_from(&start, black_box(x.view())).expect("finite samples"));
}

#[divan::bench(sample_count = 1)]
fn kmeans_start_256x80(bencher: Bencher<'_, '_>) {
    let x = mixture().generate(30_000, &mut Xoshiro256Plus::seed_from_u64(2));
    let params = DiagonalGmm::params(N_COMPONENTS).max_n_iterations(1).check().expect("valid parameters");
    bencher.bench(|| {
        params.fit_with_progress(x.view(), &mut |_, _| std::ops::ControlFlow::Break(())).expect("finite samples")
    });
}
