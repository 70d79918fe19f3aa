//! exp over whole arrays of values that are not above 0 by much, without branches, so that it runs in vector registers.

use fisherlens_lanes::multiply_add;

/// Below, exp is taken as 0; e^-87 is the smallest normal `f32`.
const LEAST_EXPONENT: f32 = -87.0;
/// Adding 1.5·2^23 leaves the nearest integer in the low bits, without the slow saturating cast.
const ROUNDING: f32 = 12_582_912.0;
/// 2^f over |f| ≤ ½ to 2.6e-6 of it: a minimax fit of the relative error.
const QUICK: [f32; 5] = [0.999_999_3, 0.693_121_8, 0.240_247_44, 0.055_917_86, 0.009_570_101];

/// exp(x) for x ≤ 0, or near 0 from above, within 1e-7 of it; 0 below −87.
#[inline(always)]
pub(crate) fn exponential(fused: bool, x: f32) -> f32 {
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    let clamped = if x > LEAST_EXPONENT { x } else { LEAST_EXPONENT };
    let rounded = clamped * std::f32::consts::LOG2_E + ROUNDING;
    let n = rounded - ROUNDING;
    let r = multiply_add(fused, n, -LN_2_LOW, multiply_add(fused, n, -LN_2_HIGH, clamped));
    // Coefficients of Cephes' expf.
    let mut p = 1.987_569_1e-4;
    p = multiply_add(fused, p, r, 1.398_199_9e-3);
    p = multiply_add(fused, p, r, 8.333_452e-3);
    p = multiply_add(fused, p, r, 4.166_579_6e-2);
    p = multiply_add(fused, p, r, 1.666_666_5e-1);
    p = multiply_add(fused, p, r, 0.5);
    p = multiply_add(fused, p, r * r, r) + 1.0;
    let value = p * power_of_two(rounded);
    if x > LEAST_EXPONENT { value } else { 0.0 }
}

/// exp(x) for x ≤ 0 within 4e-6 of it, in half the time; next to nothing instead of 0 below −87. Enough for values that are themselves
/// small against what they are added to.
#[inline(always)]
pub(crate) fn quick_exponential(fused: bool, x: f32) -> f32 {
    let clamped = if x > LEAST_EXPONENT { x } else { LEAST_EXPONENT };
    let power = clamped * std::f32::consts::LOG2_E;
    let rounded = power + ROUNDING;
    let f = power - (rounded - ROUNDING);
    let mut p = QUICK[4];
    for &coefficient in QUICK[..4].iter().rev() {
        p = multiply_add(fused, p, f, coefficient);
    }
    p * power_of_two(rounded)
}

/// 2^n of a number n to which [`ROUNDING`] was added.
#[inline(always)]
fn power_of_two(rounded: f32) -> f32 {
    f32::from_bits(rounded.to_bits().wrapping_add(127) << 23)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn right_to_the_last_places() {
        for i in 0..870_000 {
            let x = -(i as f32) * 1e-4;
            let expected = f64::from(x).exp();
            for fused in [false, true] {
                assert!((f64::from(exponential(fused, x)) - expected).abs() <= 1.5e-7 * expected, "{x}");
                assert!((f64::from(quick_exponential(fused, x)) - expected).abs() <= 1e-5 * expected, "{x}");
            }
        }
        for fused in [false, true] {
            assert_eq!(exponential(fused, f32::NEG_INFINITY), 0.0);
            assert_eq!(exponential(fused, 0.0), 1.0);
            assert!(quick_exponential(fused, f32::NEG_INFINITY) < 1e-37);
        }
    }
}
