//! Properties of relevance, and comparison with the formulas written naively, for all encoders.

mod images;

use approx::assert_relative_eq;
use fisherlens_fisher::{Encoder, Mapping, Normalization};
use fisherlens_lrp::{
    Conservation, DescriptorRelevance, MappingSums, Rule, descriptor_relevance, descriptor_relevance_with,
    dimension_relevance, dimension_relevance_dual, pixel_relevance,
};
use images::{Image, encoders};
use ndarray::{Array2, aview1};
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256Plus;

const RULES: [Rule; 4] = [Rule::Naive, Rule::Epsilon(100.0), Rule::Epsilon(0.5), Rule::Absolute];

/// A linear function of the normalised vector, and the relevance that it gives to each dimension.
struct Scored {
    score: f64,
    bias: f32,
    relevance: Vec<f64>,
}

fn scored(encoder: &dyn Encoder, mapping: &dyn Mapping, seed: u64) -> Scored {
    let mut phi = mapping.mean().to_vec();
    Normalization::Improved.apply(&mut phi, &encoder.layout());
    let mut rng = Xoshiro256Plus::seed_from_u64(seed);
    let coefficients: Vec<f32> = phi.iter().map(|_| rng.gen_range(-1.0..1.0)).collect();
    let bias = rng.gen_range(-1.0_f32..-0.2);
    let score =
        coefficients.iter().zip(&phi).map(|(&w, &x)| f64::from(w) * f64::from(x)).sum::<f64>() + f64::from(bias);
    Scored { score, bias, relevance: dimension_relevance(&coefficients, bias, &phi) }
}

#[test]
fn relevance_and_predicted_leak_sum_to_the_score() {
    for seed in 0..5 {
        let image = Image::random(400, seed);
        for (name, encoder) in encoders() {
            let mapping = encoder.map(image.descriptors()).unwrap();
            let scored = scored(encoder.as_ref(), mapping.as_ref(), seed);
            let sums = MappingSums::new(mapping.as_ref());
            for rule in RULES {
                let found = descriptor_relevance_with(mapping.as_ref(), &sums, &scored.relevance, rule).unwrap();
                let pixels = pixel_relevance(&found.values, &image.frames, image.width, image.height);
                let kept = Conservation::measure(
                    scored.score,
                    f64::from(scored.bias),
                    &scored.relevance,
                    &found,
                    pixels.view(),
                );
                assert!(kept.largest_relative_gap() < 1e-5, "{name}, {rule}, seed {seed}: {kept:?}");
                if rule.conserves() {
                    assert_eq!(found.predicted_leak, 0.0);
                    assert_eq!(found.undistributed, 0.0);
                    let scale = scored.score.abs().max(f64::from(scored.bias.abs()));
                    assert!((found.total() - scored.score).abs() <= 1e-5 * scale, "{name}, {rule}: {kept:?}");
                }
            }
        }
    }
}

/// Eq. 9, 11 and 12 over the whole `N × D` tensor in `f64`, and the allowed error of `f32` sums of the same terms.
fn slow(mapping: &dyn Mapping, relevance: &[f64], rule: Rule) -> (Vec<f64>, f64) {
    let (n, d) = (mapping.n_descriptors(), mapping.n_dimensions());
    let mut tensor = Array2::<f64>::zeros((n, d));
    let mut row = vec![0.0_f32; d];
    for l in 0..n {
        mapping.row(l, &mut row);
        for (entry, &value) in tensor.row_mut(l).iter_mut().zip(&row) {
            *entry = f64::from(value);
        }
    }
    if rule == Rule::Absolute {
        tensor.mapv_inplace(f64::abs);
    }
    let mut values = vec![0.0; n];
    let mut tolerance = 0.0_f64;
    for (column, &relevance) in tensor.columns().into_iter().zip(relevance) {
        if column.iter().all(|&value| value == 0.0) {
            for value in &mut values {
                *value += relevance / n as f64;
            }
            continue;
        }
        let sum: f64 = column.sum();
        let gamma = match rule {
            Rule::Epsilon(epsilon) if sum >= 0.0 => f64::from(epsilon),
            Rule::Epsilon(epsilon) => -f64::from(epsilon),
            _ => 0.0,
        };
        for (value, &mapped) in values.iter_mut().zip(column) {
            *value += relevance * mapped / (sum + gamma);
        }
        let largest = column.fold(0.0_f64, |most, value| most.max(value.abs()));
        let absolute = column.fold(0.0_f64, |sum, value| sum + value.abs());
        // If the terms of a sum cancel, their rounding is large relative to the sum and so to the share of each descriptor.
        let cancellation = (absolute / (sum + gamma)).abs().max(10.0);
        tolerance = tolerance.max((relevance * largest / (sum + gamma)).abs() * cancellation * 1e-6);
    }
    (values, tolerance)
}

#[test]
fn relevance_equals_the_formula_over_the_whole_tensor() {
    for (name, encoder) in encoders() {
        let image = Image::random(150, 77);
        let mapping = encoder.map(image.descriptors()).unwrap();
        let scored = scored(encoder.as_ref(), mapping.as_ref(), 5);
        for rule in RULES {
            let found = descriptor_relevance(mapping.as_ref(), &scored.relevance, rule).unwrap();
            let (expected, tolerance) = slow(mapping.as_ref(), &scored.relevance, rule);
            for (l, (&found, &expected)) in found.values.iter().zip(&expected).enumerate() {
                let gap = (f64::from(found) - expected).abs();
                assert!(
                    gap <= tolerance + 1e-6 * expected.abs(),
                    "{name}, {rule}, descriptor {l}: {found} {expected} ({tolerance})"
                );
            }
        }
    }
}

#[test]
fn unreached_dimensions_are_shared_by_all_descriptors() {
    let image = Image::random(200, 3).left_half();
    for (name, encoder) in encoders() {
        let mapping = encoder.map(image.descriptors()).unwrap();
        let sums = MappingSums::new(mapping.as_ref());
        // Only the dimensions that no descriptor reaches have relevance.
        let relevance: Vec<f64> = sums.unreached().iter().map(|&unreached| f64::from(u8::from(unreached))).collect();
        let n_unreached: f64 = relevance.iter().sum();
        if name.contains("pyramid") {
            assert!(n_unreached > 0.0, "{name}: the cells of the right half are empty");
        }
        for rule in RULES {
            let found = descriptor_relevance_with(mapping.as_ref(), &sums, &relevance, rule).unwrap();
            assert_relative_eq!(found.xi, n_unreached / 200.0, max_relative = 1e-12);
            assert_eq!(found.predicted_leak, 0.0);
            for &value in &found.values {
                assert_relative_eq!(f64::from(value), found.xi, max_relative = 1e-6);
            }
        }
    }
}

#[test]
fn relevance_is_linear_in_the_relevance_of_dimensions() {
    let image = Image::random(120, 9);
    for (name, encoder) in encoders() {
        let mapping = encoder.map(image.descriptors()).unwrap();
        let one = scored(encoder.as_ref(), mapping.as_ref(), 1).relevance;
        let other = scored(encoder.as_ref(), mapping.as_ref(), 2).relevance;
        let both: Vec<f64> = one.iter().zip(&other).map(|(a, b)| 2.0 * a - b).collect();
        let pass = |relevance: &[f64]| -> DescriptorRelevance {
            descriptor_relevance(mapping.as_ref(), relevance, Rule::Epsilon(10.0)).unwrap()
        };
        let (one, other, both) = (pass(&one), pass(&other), pass(&both));
        let scale = one.values.iter().chain(&other.values).fold(0.0_f32, |most, value| most.max(value.abs()));
        for ((one, other), both) in one.values.iter().zip(&other.values).zip(&both.values) {
            assert!((2.0 * one - other - both).abs() <= 2e-5 * scale, "{name}");
        }
        assert_relative_eq!(2.0 * one.predicted_leak - other.predicted_leak, both.predicted_leak, epsilon = 1e-9);
    }
}

#[test]
fn primal_and_dual_relevance_agree_for_encoded_vectors() {
    for (name, encoder) in encoders() {
        let layout = encoder.layout();
        let mut training = Array2::<f32>::zeros((6, encoder.n_dimensions()));
        for (seed, mut row) in training.rows_mut().into_iter().enumerate() {
            let image = Image::random(60, 100 + seed as u64);
            let mut phi = encoder.encode(image.descriptors()).unwrap().to_vec();
            Normalization::Improved.apply(&mut phi, &layout);
            row.assign(&aview1(&phi));
        }
        let alphas = [0.5_f32, -1.0, 0.0, 0.25, 0.75, -0.5];
        let coefficients = aview1(&alphas).dot(&training).to_vec();
        let phi = training.row(2).to_vec();
        let primal = dimension_relevance(&coefficients, -0.3, &phi);
        let dual = dimension_relevance_dual(&alphas, training.view(), -0.3, &phi);
        for (primal, dual) in primal.iter().zip(&dual) {
            assert!((primal - dual).abs() < 1e-7, "{name}: {primal} {dual}");
        }
    }
}

#[test]
fn relevance_of_an_image_without_descriptors_is_undistributed() {
    let image = Image::random(0, 1);
    for (name, encoder) in encoders() {
        let mapping = encoder.map(image.descriptors()).unwrap();
        let relevance = vec![0.5; encoder.n_dimensions()];
        for rule in RULES {
            let found = descriptor_relevance(mapping.as_ref(), &relevance, rule).unwrap();
            assert!(found.values.is_empty(), "{name}");
            assert_relative_eq!(found.undistributed, 0.5 * encoder.n_dimensions() as f64);
        }
    }
}
