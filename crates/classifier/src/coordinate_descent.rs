//! Coordinate descent within one block of samples. Both solvers share it.

use fisherlens_lanes::vectorised;

use crate::dual::LossTerms;

/// Samples of one block. Their part of the Gram matrix (64 kB) and the rows of one product stay in the second-level cache.
pub(crate) const BLOCK: usize = 128;

/// The part of one dual problem that belongs to a block of samples.
pub(crate) struct BlockPart<'a> {
    /// y.
    pub(crate) targets: &'a [i8],
    /// `α_i = y_i a_i`.
    pub(crate) alphas: &'a mut [f64],
    /// `Σ_j α_j K_ij`, without the bias.
    pub(crate) outputs: &'a mut [f64],
    /// `Σ_j α_j` over all samples of the problem.
    pub(crate) alpha_sum: &'a mut f64,
    /// The changes of α are added here.
    pub(crate) steps: &'a mut [f32],
}

vectorised!(
    /// Coordinate descent in one block: sets each `a_i` to its optimum while all others stay fixed, in up to
    /// `max_n_inner_passes` passes. Returns whether any α changed.
    ///
    /// `own`: the block's part of the Gram matrix, row after row. `visits`: the order of the samples within the block. The outputs of the
    /// samples in the block are updated; those of all other samples are not.
    pub(crate) fn move_block(
        loss_terms: LossTerms,
        squared_bias_feature: f64,
        own: &[f32],
        visits: &[usize],
        max_n_inner_passes: usize,
        part: BlockPart<'_>,
    ) -> bool {
        let BlockPart { targets, alphas, outputs, alpha_sum, steps } = part;
        let width = targets.len();
        let mut any = false;
        for _ in 0..max_n_inner_passes {
            let mut moved = false;
            for &i in visits.iter().filter(|&&i| targets[i] != 0) {
                let row = &own[i * width..(i + 1) * width];
                let y = f64::from(targets[i]);
                let a = y * alphas[i];
                let score = outputs[i] + squared_bias_feature * *alpha_sum;
                let gradient = y * score - 1.0 + loss_terms.diagonal * a;
                if loss_terms.is_optimal(a, gradient) {
                    continue;
                }
                // For a vector of length 0 and no bias the curvature can be 0. The step is then infinite and ends at a bound, which is
                // correct.
                let curvature = f64::from(row[i]) + squared_bias_feature + loss_terms.diagonal;
                let to = (a - gradient / curvature).clamp(0.0, loss_terms.upper);
                let step = y * (to - a);
                alphas[i] = y * to;
                steps[i] += step as f32;
                *alpha_sum += step;
                for (output, &entry) in outputs.iter_mut().zip(row) {
                    *output += step * f64::from(entry);
                }
                moved = true;
            }
            any |= moved;
            if !moved {
                break;
            }
        }
        any
    }
);
