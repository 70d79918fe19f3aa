//! Random vectors for tests.

use ndarray::Array2;
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

/// Entries with a roughly normal distribution (each is a sum of four uniform numbers).
pub(crate) fn normal(n: usize, d: usize, seed: u64) -> Array2<f32> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    Array2::from_shape_simple_fn((n, d), || (0..4).map(|_| rng.gen_range(-1.0_f32..1.0)).sum())
}
