//! Sums that are kept side by side, one per lane.

/// Numbers that are processed together: one AVX-512 register of `f32`, two registers of AVX2, four of NEON.
pub const LANES: usize = 16;

/// The sum of the lanes. Halves are added first, so that every processor adds in the same order.
///
/// Call it after the loop over the numbers, never inside: in one loop with the sums themselves, this reduction makes the compiler
/// split the registers into pairs.
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
    use super::{LANES, sum_lanes};

    #[test]
    fn lanes_are_added_in_halves() {
        let mut sums: [f32; LANES] = std::array::from_fn(|lane| lane as f32);
        assert_eq!(sum_lanes(&sums), 120.0);
        // 1e8 and −1e8 are eight lanes apart, so they are added before the small numbers are lost.
        (sums[0], sums[8]) = (1e8, -1e8);
        assert_eq!(sum_lanes(&sums), 112.0);
    }
}
