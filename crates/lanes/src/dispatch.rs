//! Functions that are compiled once per kind of processor.

/// Compiles one function for AVX-512, for AVX2 with fused multiply-add, for NEON and for the baseline of the target.
///
/// The first call finds out which version is the best for the processor; every call runs that version.
///
/// The function may have documentation, attributes, a visibility, lifetimes and generic parameters. It must not have a receiver (`self`) or
/// return `impl Trait`. What it calls is compiled for the same processor only if the compiler inlines it: mark helper functions
/// `#[inline(always)]`. All versions return the same bits, except where [`has_fma!`](crate::has_fma) decides: Rust neither reorders
/// additions nor fuses them with multiplications on its own.
///
/// Call the macro with round brackets, because rustfmt does not format code inside braces.
///
/// ```
/// fisherlens_lanes::vectorised!(
///     /// `values *= factor`.
///     pub fn scale(values: &mut [f32], factor: f32) {
///         for value in values {
///             *value *= factor;
///         }
///     }
/// );
///
/// let mut values = [1.0, 2.0, 3.0];
/// scale(&mut values, 2.0);
/// assert_eq!(values, [2.0, 4.0, 6.0]);
/// ```
#[macro_export]
macro_rules! vectorised {
    ($function:item) => {
        #[$crate::multiversion::multiversion(targets(
            "x86_64+avx512f+avx512bw+avx512dq+avx512vl+fma+avx2",
            "x86_64+avx2+fma",
            "aarch64+neon"
        ))]
        $function
    };
}

#[cfg(test)]
mod tests {
    vectorised!(
        /// The row with the largest first entry.
        #[must_use]
        fn row_of_maximum<'a, T: Copy + PartialOrd, const N: usize>(rows: &'a [[T; N]]) -> Option<&'a [T; N]> {
            let mut rows = rows.iter();
            let first = rows.next()?;
            Some(rows.fold(first, |best, row| if row[0] > best[0] { row } else { best }))
        }
    );

    vectorised!(
        fn has_fma() -> bool {
            crate::has_fma!()
        }
    );

    #[test]
    fn attributes_lifetimes_and_generic_parameters_are_passed_on() {
        assert_eq!(row_of_maximum(&[[1.0, 0.0], [3.0, 1.0], [2.0, 2.0]]), Some(&[3.0, 1.0]));
        assert_eq!(row_of_maximum::<u8, 1>(&[]), None);
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn fused_multiply_add_is_known_at_run_time() {
        let detected = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
        assert_eq!(has_fma(), detected);
    }

    #[test]
    #[cfg(target_arch = "aarch64")]
    fn aarch64_always_has_fused_multiply_add() {
        assert!(has_fma());
    }
}
