//! Multiplication and addition in one rounding, where the processor has an instruction for it.

/// `a · b + c`, rounded once if `fused` is true and twice otherwise.
///
/// `fused` must be [`has_fma!()`](crate::has_fma): without the instruction, [`f32::mul_add`] is a slow call of a library function.
#[inline(always)]
pub fn multiply_add(fused: bool, a: f32, b: f32, c: f32) -> f32 {
    if fused { a.mul_add(b, c) } else { a * b + c }
}

/// Whether the processor that this version of the function is compiled for has fused multiply-add: a constant expression of type `bool`.
///
/// It compiles only in the body of a function inside [`vectorised!`](crate::vectorised). Helper functions receive the value as an
/// argument.
///
/// ```
/// fisherlens_lanes::vectorised!(
///     fn has_fused_multiply_add() -> bool {
///         const FUSED: bool = fisherlens_lanes::has_fma!();
///         FUSED
///     }
/// );
///
/// # let detected = {
/// # #[cfg(target_arch = "x86_64")] { is_x86_feature_detected!("fma") && is_x86_feature_detected!("avx2") }
/// # #[cfg(not(target_arch = "x86_64"))] { cfg!(target_arch = "aarch64") }
/// # };
/// assert_eq!(has_fused_multiply_add(), detected);
/// ```
#[macro_export]
macro_rules! has_fma {
    () => {{
        // `target_cfg_f` expands to paths that start at the name of its crate.
        use $crate::multiversion;
        // The baseline of aarch64 has the instruction, but lists no feature of the name "fma".
        multiversion::target::target_cfg_f!(target_feature = "fma") || cfg!(target_arch = "aarch64")
    }};
}

#[cfg(test)]
mod tests {
    use super::multiply_add;

    #[test]
    fn both_forms_multiply_and_add() {
        assert_eq!(multiply_add(false, 3.0, 4.0, 5.0), 17.0);
        assert_eq!(multiply_add(true, 3.0, 4.0, 5.0), 17.0);
    }

    #[test]
    fn only_the_fused_form_rounds_once() {
        // (1 + ε)² = 1 + 2ε + ε²; rounding the product before the addition loses ε².
        let x = 1.0 + f32::EPSILON;
        let c = -(1.0 + 2.0 * f32::EPSILON);
        assert_eq!(multiply_add(false, x, x, c), 0.0);
        assert_eq!(multiply_add(true, x, x, c), f32::EPSILON * f32::EPSILON);
    }
}
