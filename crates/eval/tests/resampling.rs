//! Algorithm 1 with real encoders: after all replacements, the vector equals the encoding of the changed descriptors.

use fisherlens_eval::{Resampling, quality, random_order, relevance_order, resampling_trace};
use fisherlens_fisher::{BagOfWords, DescriptorSet, Encoder, FisherVector, Grid, Pyramid, Vlad};
use fisherlens_lrp::{Rule, descriptor_relevance, dimension_relevance};
use fisherlens_mixture::DiagonalGmm;
use ndarray::{Array1, Array2};
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256Plus;

const N_DESCRIPTORS: usize = 12_000;

fn mixture(seed: u64, spread: f32) -> DiagonalGmm {
    let mut rng = Xoshiro256Plus::seed_from_u64(seed);
    let weights = Array1::from_elem(16, 1.0 / 16.0);
    let means = Array2::from_shape_simple_fn((16, 8), || rng.gen_range(-spread..spread));
    let variances = Array2::from_shape_simple_fn((16, 8), || rng.gen_range(0.5_f32..1.5));
    DiagonalGmm::from_parts(weights, means, variances).unwrap()
}

fn positions(seed: u64) -> Vec<[f32; 2]> {
    let mut rng = Xoshiro256Plus::seed_from_u64(seed);
    (0..N_DESCRIPTORS).map(|_| [rng.gen_range(0.0_f32..0.999), rng.gen_range(0.0_f32..0.999)]).collect()
}

fn encoders() -> Vec<Box<dyn Encoder>> {
    let fisher_vector = || FisherVector::params(mixture(1, 1.5)).check().unwrap();
    let grids = [Grid { columns: 1, rows: 1 }, Grid { columns: 2, rows: 2 }];
    vec![
        Box::new(fisher_vector()),
        Box::new(Pyramid::new(fisher_vector(), &grids).unwrap()),
        Box::new(Vlad::params(mixture(1, 1.5)).check().unwrap()),
        Box::new(BagOfWords::params(mixture(1, 1.5)).check().unwrap()),
    ]
}

#[test]
fn ten_thousand_replacements_equal_the_encoding_of_the_changed_descriptors() {
    let mut rng = Xoshiro256Plus::seed_from_u64(2);
    let values = mixture(3, 2.0).generate(N_DESCRIPTORS, &mut rng);
    let positions = positions(4);
    let order = random_order(N_DESCRIPTORS, &mut rng);
    let resampling = Resampling::default();
    let draws = mixture(1, 1.5).generate(resampling.n_replacements, &mut rng);
    // A draw has the position of the descriptor that it replaces, and so its cell.
    let draw_positions: Vec<[f32; 2]> =
        order.iter().take(resampling.n_replacements).map(|&descriptor| positions[descriptor as usize]).collect();
    let mut changed = values.clone();
    for (&descriptor, draw) in order.iter().zip(draws.rows()) {
        changed.row_mut(descriptor as usize).assign(&draw);
    }
    for encoder in encoders() {
        let image = encoder.map(DescriptorSet { values: values.view(), positions: &positions }).unwrap();
        let drawn = encoder.map(DescriptorSet { values: draws.view(), positions: &draw_positions }).unwrap();
        let mut means: Vec<Vec<f32>> = Vec::new();
        let trace = resampling_trace(image.as_ref(), drawn.as_ref(), &order, resampling, &mut |mean| {
            means.push(mean.to_vec());
            0.0
        })
        .unwrap();
        assert_eq!((means.len(), trace.scores.len(), trace.n_replaced), (101, 100, 10_000));
        let close = |found: &[f32], expected: &Array1<f32>, what: &str| {
            let gap: f64 = found.iter().zip(expected).map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum();
            let size: f64 = expected.iter().map(|&b| f64::from(b).powi(2)).sum();
            assert!(gap.sqrt() <= 5e-5 * size.sqrt(), "{what}: {} of {}", gap.sqrt(), size.sqrt());
        };
        close(&means[0], &image.mean(), "start");
        let encoded = encoder.encode(DescriptorSet { values: changed.view(), positions: &positions }).unwrap();
        close(&means[100], &encoded, "end");
    }
}

#[test]
fn the_score_falls_faster_by_relevance_than_at_random() {
    let mut rng = Xoshiro256Plus::seed_from_u64(5);
    let encoder = FisherVector::params(mixture(1, 1.5)).check().unwrap();
    let values = mixture(6, 2.0).generate(1_000, &mut rng);
    let positions = vec![[0.5_f32, 0.5]; 1_000];
    let image = encoder.map(DescriptorSet { values: values.view(), positions: &positions }).unwrap();
    let mean = image.mean().to_vec();
    // The score is linear in the raw vector, and its coefficients are this image's vector, so the score is high.
    let coefficients = mean.clone();
    let score_of =
        |mean: &[f32]| -> f64 { mean.iter().zip(&coefficients).map(|(&x, &w)| f64::from(x) * f64::from(w)).sum() };
    let relevance = dimension_relevance(&coefficients, 0.0, &mean);
    let settings = Resampling { n_replacements: 300, batch: 30 };
    let mut area = |order: &[u32]| {
        let draws = mixture(1, 1.5).generate(300, &mut rng);
        let drawn = encoder.map(DescriptorSet { values: draws.view(), positions: &positions[..300] }).unwrap();
        let trace =
            resampling_trace(image.as_ref(), drawn.as_ref(), order, settings, &mut |mean| score_of(mean)).unwrap();
        quality(&[trace]).unwrap().a
    };
    let at_random = area(&random_order(1_000, &mut Xoshiro256Plus::seed_from_u64(7)));
    let found = descriptor_relevance(image.as_ref(), &relevance, Rule::Naive).unwrap();
    let order = relevance_order(&found.values);
    let by_relevance = area(&order);
    let reversed: Vec<u32> = order.iter().rev().copied().collect();
    let least_first = area(&reversed);
    assert!(by_relevance > 1.5 * at_random && at_random > least_first, "{by_relevance} {at_random} {least_first}");
}
