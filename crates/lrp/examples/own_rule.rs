//! A relevance rule that is not built in: descriptors share the relevance of a dimension in proportion to a power of |m|.
//!
//! `cargo run --package fisherlens-lrp --example own_rule`
#![expect(clippy::print_stdout, reason = "an example prints its result")]

use fisherlens_fisher::{DescriptorSet, Encoder, FisherVector, Mapping, Normalization};
use fisherlens_lrp::{DescriptorRelevance, Rule, descriptor_relevance, dimension_relevance};
use fisherlens_mixture::DiagonalGmm;
use ndarray::{Array1, Array2};
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256Plus;

/// `R[l] = Σ_d R[d] · |m[d](l)|^p / Σ_l |m[d](l)|^p + ξ`. With p = 1 this is the built-in absolute rule.
///
/// `Mapping::row` gives m of one descriptor. A rule that needs only sums of m or |m| is faster with `Mapping::contract`.
fn power_rule(mapping: &dyn Mapping, relevance: &[f64], p: f64) -> DescriptorRelevance {
    let (n, mut row) = (mapping.n_descriptors(), vec![0.0_f32; relevance.len()]);
    let mut sums = vec![0.0; relevance.len()];
    for l in 0..n {
        mapping.row(l, &mut row);
        sums.iter_mut().zip(&row).for_each(|(sum, m)| *sum += f64::from(m.abs()).powf(p));
    }
    // All descriptors share the relevance of the dimensions that no descriptor reaches.
    let unreached: f64 = relevance.iter().zip(&sums).filter(|(_, sum)| **sum == 0.0).map(|(r, _)| r).sum();
    let xi = unreached / n as f64;
    let factors: Vec<f64> =
        relevance.iter().zip(&sums).map(|(r, &sum)| if sum > 0.0 { r / sum } else { 0.0 }).collect();
    let mut share = |l| {
        mapping.row(l, &mut row);
        let terms = row.iter().zip(&factors).map(|(m, factor)| factor * f64::from(m.abs()).powf(p));
        (terms.sum::<f64>() + xi) as f32
    };
    let values = (0..n).map(&mut share).collect();
    DescriptorRelevance { values, xi, unreached, predicted_leak: 0.0, undistributed: 0.0, n_undistributed: 0 }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut rng = Xoshiro256Plus::seed_from_u64(1);
    let means = Array2::from_shape_simple_fn((8, 4), || rng.gen_range(-2.0_f32..2.0));
    let mixture = DiagonalGmm::from_parts(Array1::from_elem(8, 0.125), means, Array2::from_elem((8, 4), 0.5))?;
    let (values, positions) = (mixture.generate(1000, &mut rng), vec![[0.5, 0.5]; 1000]);
    let encoder = FisherVector::params(mixture).check()?;
    let mapping = encoder.map(DescriptorSet { values: values.view(), positions: &positions })?;
    let mut phi = mapping.mean().to_vec();
    Normalization::Improved.apply(&mut phi, &encoder.layout());
    let relevance = dimension_relevance(&vec![1.0; phi.len()], -0.2, &phi);

    let score: f64 = relevance.iter().sum();
    let built_in = descriptor_relevance(mapping.as_ref(), &relevance, Rule::Absolute)?;
    println!("score                {score:.6}");
    println!("absolute rule        sum {:.6}, first descriptor {:.6}", built_in.total(), built_in.values[0]);
    for p in [1.0, 2.0] {
        let own = power_rule(mapping.as_ref(), &relevance, p);
        println!("power rule with p={p}  sum {:.6}, first descriptor {:.6}", own.total(), own.values[0]);
        assert!((own.total() - score).abs() < 1e-5, "the rule conserves relevance");
    }
    Ok(())
}
