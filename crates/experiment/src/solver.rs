//! Which solver trains the linear SVM, and which vectors are read in blocks.

use crate::settings::Settings;
use crate::settings::sections::Solver;

/// Largest memory of the Gram matrix (twice, as the solver keeps it) and of the vectors that it is made from. Above it the vectors are read in
/// blocks. It is a constant and not the memory of the machine, so that every machine makes the same choice.
pub const LARGEST_GRAM_BYTES: u64 = 8 << 30;

/// The solver for `n` training vectors of `n_dimensions`, out of `classifier.solver` or by the memory that the Gram matrix would need:
///
/// ```text
/// gram  if  8 n² + 4 n · n_dimensions ≤ 8 GiB,  else  blocks
/// ```
/// For Fisher vectors of 41,216 dimensions the border lies at some 24,000 images. Below it, the Gram matrix is also faster where C is chosen
/// by cross-validation, because all folds share it ([docs/scale.md](https://github.com/fisherlens/fisherlens/blob/main/docs/scale.md)).
///
/// ```
/// use fisherlens_experiment::settings::{Settings, sections::Solver};
/// use fisherlens_experiment::solver::chosen;
///
/// let settings = Settings::load("voc2007", &[])?;
/// assert_eq!(chosen(&settings, 5_011, 41_216), Solver::Gram);
/// assert_eq!(chosen(&settings, 1_000_000, 41_216), Solver::Blocks);
/// # Ok::<(), anyhow::Error>(())
/// ```
pub fn chosen(settings: &Settings, n: usize, n_dimensions: usize) -> Solver {
    let (n, n_dimensions) = (n as u64, n_dimensions as u64);
    let bytes = 8 * n * n + 4 * n * n_dimensions;
    let by_size = if bytes <= LARGEST_GRAM_BYTES { Solver::Gram } else { Solver::Blocks };
    settings.classifier.solver.unwrap_or(by_size)
}

/// Whether `n` vectors of `n_dimensions` are read in blocks where both ways give the same result.
pub fn is_in_blocks(n: usize, n_dimensions: usize) -> bool {
    4 * n as u64 * n_dimensions as u64 > LARGEST_GRAM_BYTES
}
