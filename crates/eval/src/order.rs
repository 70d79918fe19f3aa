//! The order in which descriptors are replaced.

use rand::Rng;
use rand::seq::SliceRandom;

/// Descriptors from the most relevant to the least relevant: the order o of Eq. 13 in the supplement of `lapuschkin2016`.
///
/// Descriptors of equal relevance (0 and −0 are equal) stay in the order of their indices. NaN comes last.
///
/// ```
/// use fisherlens_eval::relevance_order;
///
/// assert_eq!(relevance_order(&[0.5, 2.0, -1.0, 2.0]), [1, 3, 0, 2]);
/// ```
pub fn relevance_order(relevance: &[f32]) -> Vec<u32> {
    let mut keyed: Vec<u64> =
        relevance.iter().zip(0_u64..).map(|(&value, index)| (u64::from(descending_key(value)) << 32) | index).collect();
    // The upper half of a key is the relevance, the lower half the index. No two keys are equal, so an unstable sort is enough.
    keyed.sort_unstable();
    keyed.into_iter().map(|key| key as u32).collect()
}

/// A number that increases as `value` decreases; the greatest one for NaN.
fn descending_key(value: f32) -> u32 {
    if value.is_nan() {
        return u32::MAX;
    }
    // Adding 0 turns −0 into 0. Read as an integer, the bits of a positive float increase with its value, and the bits of a negative
    // float decrease with it.
    let bits = (value + 0.0).to_bits();
    let ascending = if bits >> 31 == 0 { bits | (1 << 31) } else { !bits };
    !ascending
}

/// A random order of `n` descriptors: the baseline with which every relevance rule is compared.
///
/// A generator in the same state gives the same order on every machine.
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
    fn equal_relevance_keeps_the_index_order_and_nan_is_last() {
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
    fn a_random_order_is_a_permutation_that_depends_on_the_seed() {
        let order = |seed| random_order(500, &mut Xoshiro256Plus::seed_from_u64(seed));
        assert_eq!(order(1), order(1));
        assert_ne!(order(1), order(2));
        let mut sorted = order(1);
        sorted.sort_unstable();
        assert_eq!(sorted, (0..500).collect::<Vec<u32>>());
    }
}
