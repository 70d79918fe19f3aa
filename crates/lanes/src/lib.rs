//! The few lines that loops over vector registers share.
//!
//! Such a loop is plain Rust over arrays of [`LANES`] numbers, compiled for several kinds of processors by `multiversion`. The functions here
//! are inlined into it, so that they are compiled for the same.
//!
//! Sums over lanes are kept in an array, stored, and added up by [`sum_lanes`] in a loop of its own: in one loop with the sums
//! themselves, the reduction makes the compiler take them apart into pairs.
//!
//! ```
//! use fisherlens_lanes::{LANES, multiply_add, sum_lanes};
//!
//! let mut sums = [0.0_f32; LANES];
//! for lane in 0..LANES {
//!     sums[lane] = multiply_add(false, lane as f32, 2.0, sums[lane]);
//! }
//! assert_eq!(sum_lanes(&sums), 240.0);
//! ```

/// Numbers worked on together: one AVX-512 register of `f32`, two of AVX2, four of NEON.
pub const LANES: usize = 16;

/// `a · b + c`, in one rounding where `fused` says that the instruction exists; elsewhere `mul_add` would be a slow call.
///
/// Under `multiversion`: `fused = target_cfg_f!(target_feature = "fma") || cfg!(target_arch = "aarch64")`.
#[inline(always)]
pub fn multiply_add(fused: bool, a: f32, b: f32, c: f32) -> f32 {
    if fused { a.mul_add(b, c) } else { a * b + c }
}

/// The sum of the lanes, halves first, so that every processor adds in the same order.
#[inline(always)]
pub fn sum_lanes(sums: &[f32; LANES]) -> f32 {
    let mut sums = *sums;
    let mut half = LANES / 2;
    while half > 0 {
        for lane in 0..half {
            sums[lane] += sums[lane + half];
        }
        half /= 2;
    }
    sums[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_are_added_in_halves() {
        let mut sums: [f32; LANES] = std::array::from_fn(|lane| lane as f32);
        assert_eq!(sum_lanes(&sums), 120.0);
        // 1e8 and −1e8 are eight lanes apart, so they meet before the small ones are lost.
        (sums[0], sums[8]) = (1e8, -1e8);
        assert_eq!(sum_lanes(&sums), 112.0);
    }

    #[test]
    fn both_forms_multiply_and_add() {
        assert_eq!(multiply_add(false, 3.0, 4.0, 5.0), 17.0);
        assert_eq!(multiply_add(true, 3.0, 4.0, 5.0), 17.0);
    }
}
