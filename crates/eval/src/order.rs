//! In which order descriptors are replaced.

use rand::Rng;
use rand::seq::SliceRandom;

/// Descriptors by falling relevance: the order o of Eq. 13.
///
/// Equal relevance (0 and −0 are equal) keeps the order of the index; what is not a number comes last.
pub fn relevance_order(relevance: &[f32]) -> Vec<u32> {
    let mut keyed: Vec<u64> =
        relevance.iter().zip(0_u64..).map(|(&value, index)| (u64::from(falling_key(value)) << 32) | index).collect();
    // No two keys are equal, so an unstable sort gives one result only.
    keyed.sort_unstable();
    keyed.into_iter().map(|key| key as u32).collect()
}

/// A number that rises as `value` falls; the highest one for what is not a number.
fn falling_key(value: f32) -> u32 {
    if value.is_nan() {
        return u32::MAX;
    }
    // Adding 0 turns −0 into 0. Bits of floats above 0 rise with the value, of those below 0 they fall.
    let bits = (value + 0.0).to_bits();
    let rising = if bits >> 31 == 0 { bits | (1 << 31) } else { !bits };
    !rising
}

/// A random order of `n` descriptors, the control that any rule has to beat.
///
/// The same generator in the same state gives the same order on every machine.
pub fn random_order<R: Rng + ?Sized>(n: usize, rng: &mut R) -> Vec<u32> {
    let mut order: Vec<u32> = (0..n as u32).collect();
    order.shuffle(rng);
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_xoshiro::Xoshiro256Plus;

    #[test]
    fn order_falls_keeps_ties_and_puts_nan_last() {
        let relevance = [0.0_f32, 1.0, f32::NAN, -1.0, -0.0, f32::INFINITY, 1.0, f32::NEG_INFINITY, -f32::NAN];
        assert_eq!(relevance_order(&relevance), [5, 1, 6, 0, 4, 3, 7, 2, 8]);
        assert!(relevance_order(&[]).is_empty());
        let mut rng = Xoshiro256Plus::seed_from_u64(11);
        let values: Vec<f32> = (0..1000).map(|_| rng.gen_range(-1.0..1.0)).collect();
        let mut expected: Vec<u32> = (0..1000).collect();
        expected.sort_by(|&a, &b| values[b as usize].total_cmp(&values[a as usize]));
        assert_eq!(relevance_order(&values), expected);
    }

    #[test]
    fn random_orders_are_permutations_of_the_seed() {
        let order = |seed| random_order(500, &mut Xoshiro256Plus::seed_from_u64(seed));
        assert_eq!(order(1), order(1));
        assert_ne!(order(1), order(2));
        let mut sorted = order(1);
        sorted.sort_unstable();
        assert_eq!(sorted, (0..500).collect::<Vec<u32>>());
    }
}
