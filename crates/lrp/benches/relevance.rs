//! Relevance of one photograph with 70,000 descriptors: K = 256, D = 80, four bin sizes.

use divan::{Bencher, black_box};
use fisherlens_descriptors::Frame;
use fisherlens_fisher::{DescriptorSet, Encoder, FisherVector};
use fisherlens_lrp::{MappingSums, Rule, descriptor_relevance_with, pixel_relevance};
use fisherlens_mixture::DiagonalGmm;
use ndarray::{Array1, Array2};
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256Plus;

const N_DESCRIPTORS: usize = 70_000;
const N_COMPONENTS: usize = 256;
const N_FEATURES: usize = 80;
const WIDTH: usize = 500;
const HEIGHT: usize = 375;

fn main() {
    divan::main();
}

struct Photograph {
    encoder: FisherVector,
    values: Array2<f32>,
    positions: Vec<[f32; 2]>,
    relevance: Vec<f64>,
}

fn photograph() -> Photograph {
    let mut rng = Xoshiro256Plus::seed_from_u64(1);
    let weights = Array1::from_elem(N_COMPONENTS, 1.0 / N_COMPONENTS as f32);
    // The means are so close to each other that several components of each descriptor are above the floor, as for real photographs.
    let means = Array2::from_shape_simple_fn((N_COMPONENTS, N_FEATURES), || rng.gen_range(-0.7_f32..0.7));
    let variances = Array2::from_shape_simple_fn((N_COMPONENTS, N_FEATURES), || rng.gen_range(0.6_f32..1.4));
    let mixture = DiagonalGmm::from_parts(weights, means, variances).expect("valid parts");
    let values = mixture.generate(N_DESCRIPTORS, &mut rng);
    let encoder = FisherVector::params(mixture).check().expect("valid parameters");
    let relevance = (0..encoder.n_dimensions()).map(|_| rng.gen_range(-1e-3..1e-3)).collect();
    let positions = vec![[0.5, 0.5]; N_DESCRIPTORS];
    Photograph { encoder, values, positions, relevance }
}

#[divan::bench(args = ["naive", "epsilon=100", "absolute"], sample_count = 10)]
fn descriptors_70k(bencher: Bencher<'_, '_>, rule: &str) {
    let rule: Rule = rule.parse().expect("a rule");
    let photograph = photograph();
    let descriptors = DescriptorSet { values: photograph.values.view(), positions: &photograph.positions };
    let mapping = photograph.encoder.map(descriptors).expect("a mapping");
    let sums = MappingSums::new(mapping.as_ref());
    bencher.bench_local(|| descriptor_relevance_with(mapping.as_ref(), &sums, black_box(&photograph.relevance), rule));
}

#[divan::bench(args = ["naive", "absolute"], sample_count = 10)]
fn sums_70k(bencher: Bencher<'_, '_>, rule: &str) {
    let rule: Rule = rule.parse().expect("a rule");
    let photograph = photograph();
    let descriptors = DescriptorSet { values: photograph.values.view(), positions: &photograph.positions };
    let mapping = photograph.encoder.map(descriptors).expect("a mapping");
    bencher.bench_local(|| MappingSums::for_rules(mapping.as_ref(), black_box(&[rule])));
}

#[divan::bench(sample_count = 100)]
fn pixels_70k(bencher: Bencher<'_, '_>) {
    let mut rng = Xoshiro256Plus::seed_from_u64(2);
    let frames: Vec<Frame> = (0..N_DESCRIPTORS)
        .map(|l| Frame {
            x: (15 + (l * 3) % (WIDTH - 30)) as f32,
            y: (15 + (l / 150) * 3 % (HEIGHT - 30)) as f32,
            bin_size: [4, 6, 8, 10][l % 4],
            norm: 1.0,
        })
        .collect();
    let relevance: Vec<f32> = (0..N_DESCRIPTORS).map(|_| rng.gen_range(-1.0..1.0)).collect();
    bencher.bench_local(|| pixel_relevance(black_box(&relevance), &frames, WIDTH, HEIGHT));
}
