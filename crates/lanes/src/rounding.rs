//! Rounding without a conversion.

/// 1.5 · 2²³. Added to a number between −2²² and 2²², it leaves the nearest integer in the low bits of the sum. A cast would be slower, because it
/// looks for numbers that do not fit.
pub const ROUNDING: f32 = 12_582_912.0;
