//! exp(x) for x ≤ 0 or slightly above 0. The functions have no branches, so that loops over them run in vector registers.

use fisherlens_lanes::{ROUNDING, multiply_add};

/// Below this exponent, exp counts as 0: e^-87 is about the smallest normal `f32`.
const MIN_EXPONENT: f32 = -87.0;
/// Coefficients of a polynomial for 2^f over |f| ≤ ½, fitted for the smallest maximum of the relative error, which is 2.6e-6.
const QUICK: [f32; 5] = [0.999_999_3, 0.693_121_8, 0.240_247_44, 0.055_917_86, 0.009_570_101];

/// exp(x) for x ≤ 0 or slightly above 0, with a relative error of at most about 1e-7; 0 for x below −87.
#[inline(always)]
pub(crate) fn exponential(fused: bool, x: f32) -> f32 {
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    // exp(x) = 2^n · exp(r), where n is the integer nearest to x / ln 2 and r = x − n · ln 2. ln 2 is the sum of two constants; the
    // first has so few bits that its product with n is exact.
    let clamped = if x > MIN_EXPONENT { x } else { MIN_EXPONENT };
    let rounded = clamped * std::f32::consts::LOG2_E + ROUNDING;
    let n = rounded - ROUNDING;
    let r = multiply_add(fused, n, -LN_2_LOW, multiply_add(fused, n, -LN_2_HIGH, clamped));
    // exp(r) as a polynomial, with the coefficients of `expf` of the Cephes library.
    let mut p = 1.987_569_1e-4;
    p = multiply_add(fused, p, r, 1.398_199_9e-3);
    p = multiply_add(fused, p, r, 8.333_452e-3);
    p = multiply_add(fused, p, r, 4.166_579_6e-2);
    p = multiply_add(fused, p, r, 1.666_666_5e-1);
    p = multiply_add(fused, p, r, 0.5);
    p = multiply_add(fused, p, r * r, r) + 1.0;
    let value = p * power_of_two(rounded);
    if x > MIN_EXPONENT { value } else { 0.0 }
}

/// exp(x) for x ≤ 0 with a relative error of at most 4e-6, in half the time of [`exponential`]. Below −87 it is a tiny number instead
/// of 0. This is enough for values that are much smaller than the sum that they are added to.
#[inline(always)]
pub(crate) fn quick_exponential(fused: bool, x: f32) -> f32 {
    let clamped = if x > MIN_EXPONENT { x } else { MIN_EXPONENT };
    let power = clamped * std::f32::consts::LOG2_E;
    let rounded = power + ROUNDING;
    let f = power - (rounded - ROUNDING);
    let mut p = QUICK[4];
    for &coefficient in QUICK[..4].iter().rev() {
        p = multiply_add(fused, p, f, coefficient);
    }
    p * power_of_two(rounded)
}

/// 2^n, given n + [`ROUNDING`]: the low bits of the argument are n, and the exponent of an `f32` starts at bit 23 with an offset of 127.
#[inline(always)]
fn power_of_two(rounded: f32) -> f32 {
    f32::from_bits(rounded.to_bits().wrapping_add(127) << 23)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_errors_stay_within_their_bounds() {
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
