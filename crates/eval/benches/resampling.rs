//! The two parts of one trace of Algorithm 1: 10,000 replacements among 70,000 descriptors, 100 points, K = 256, D = 80.

use divan::{Bencher, black_box};
use fisherlens_eval::{BatchSums, RawSums, Resampling, random_order, trace_from_sums};
use fisherlens_fisher::{DescriptorSet, Encoder, FisherVector, Mapping, Normalization};
use fisherlens_mixture::DiagonalGmm;
use ndarray::{Array1, Array2};
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256Plus;

const N_DESCRIPTORS: usize = 70_000;
const N_COMPONENTS: usize = 256;
const N_FEATURES: usize = 80;

fn main() {
    divan::main();
}

/// The means are so close together that each descriptor has several components with posteriors that count, as real ones do.
fn encoder() -> FisherVector {
    let mut rng = Xoshiro256Plus::seed_from_u64(1);
    let weights = Array1::from_elem(N_COMPONENTS, 1.0 / N_COMPONENTS as f32);
    let means = Array2::from_shape_simple_fn((N_COMPONENTS, N_FEATURES), || rng.gen_range(-0.7_f32..0.7));
    let variances = Array2::from_shape_simple_fn((N_COMPONENTS, N_FEATURES), || rng.gen_range(0.6_f32..1.4));
    let mixture = DiagonalGmm::from_parts(weights, means, variances).expect("valid parts");
    FisherVector::params(mixture).check().expect("valid parameters")
}

fn with_image(work: impl FnOnce(&FisherVector, &dyn Mapping, &[u32])) {
    let encoder = encoder();
    let mut rng = Xoshiro256Plus::seed_from_u64(2);
    let values = encoder.mixture().generate(N_DESCRIPTORS, &mut rng);
    let positions = vec![[0.5, 0.5]; N_DESCRIPTORS];
    let image = encoder.map(DescriptorSet { values: values.view(), positions: &positions }).expect("they fit");
    work(&encoder, image.as_ref(), &random_order(N_DESCRIPTORS, &mut rng));
}

#[divan::bench(sample_count = 20)]
fn sums_of_100_batches(bencher: Bencher<'_, '_>) {
    with_image(|_, image, order| {
        bencher.bench_local(|| BatchSums::removals(image, black_box(order), Resampling::default()));
    });
}

#[divan::bench(sample_count = 20)]
fn scores_at_100_points(bencher: Bencher<'_, '_>) {
    with_image(|encoder, image, order| {
        let start = RawSums::new(image);
        let removals = BatchSums::removals(image, order, Resampling::default()).expect("an order of the image");
        let additions = BatchSums::additions(image, removals.n_rows(), Resampling::default()).expect("enough draws");
        let layout = encoder.layout();
        let coefficients: Vec<f32> = (0..layout.len()).map(|d| (d % 17) as f32 - 8.0).collect();
        let mut scratch = Vec::new();
        bencher.bench_local(|| {
            let mut score = |raw: &[f32]| Normalization::Improved.dot(raw, &coefficients, &layout, &mut scratch);
            trace_from_sums(&start, black_box(&removals), &additions, &mut score)
        });
    });
}
