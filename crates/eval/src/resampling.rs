//! Settings of Algorithm 1: how many descriptors are replaced, and after how many of them the score is measured.

use crate::error::EvalError;

/// Number of replacements per image in the paper (supplement §4.1).
const N_REPLACEMENTS: usize = 10_000;
/// Number of replacements between two measurements in the paper (supplement §4.1).
const BATCH: usize = 100;

/// How many descriptors are replaced, and after how many replacements the score is measured.
///
/// ```
/// use fisherlens_eval::Resampling;
///
/// assert_eq!(Resampling::default(), Resampling { n_replacements: 10_000, batch: 100 });
/// assert_eq!(Resampling::default().n_points(), 100);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Resampling {
    /// Number of descriptors to replace, from the first of the order on; 10,000 in the paper.
    pub n_replacements: usize,
    /// Number of replacements between two measurements; 100 in the paper.
    pub batch: usize,
}

impl Default for Resampling {
    fn default() -> Self {
        Self { n_replacements: N_REPLACEMENTS, batch: BATCH }
    }
}

impl Resampling {
    /// I, the number of points of measurement after the start; 100 in the paper. The last batch may be shorter than the others.
    pub fn n_points(&self) -> usize {
        if self.batch == 0 { 0 } else { self.n_replacements.div_ceil(self.batch) }
    }

    /// Number of descriptors that are replaced in an image with `n_descriptors`.
    pub fn n_replaced(&self, n_descriptors: usize) -> usize {
        self.n_replacements.min(n_descriptors)
    }

    /// Checks that there is at least one point of measurement.
    ///
    /// # Errors
    /// [`EvalError::Parameter`] when either number is 0.
    pub fn check(&self) -> Result<(), EvalError> {
        for (name, found) in [("n_replacements", self.n_replacements), ("batch", self.batch)] {
            if found == 0 {
                return Err(EvalError::Parameter { name, found: found.to_string(), expected: "a number above 0" });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_incomplete_last_batch_is_a_point_of_measurement() {
        assert_eq!(Resampling { n_replacements: 7, batch: 3 }.n_points(), 3);
        assert_eq!(Resampling { n_replacements: 7, batch: 0 }.n_points(), 0);
    }
}
