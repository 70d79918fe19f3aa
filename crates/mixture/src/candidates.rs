//! The second step for each row of the product of `posteriors.rs`: the log densities of the few components that matter are computed
//! directly, and then the posteriors. `posteriors.rs` explains why the product alone is not accurate enough.

use fisherlens_lanes::{LANES, has_fma, multiply_add, sum_lanes, vectorised};
use ndarray::ArrayView2;

use crate::exponential::{exponential, quick_exponential};
use crate::posteriors::{PosteriorTables, Slack, Workspace};
use crate::sparse_posteriors::SparsePosteriors;

/// A component is a candidate if its posterior may reach this value, or the posterior floor where the floor is lower.
///
/// All other components keep the value of the product. The constant is below the usual posterior floors, so that the sum over all
/// components is accurate as well.
const CANDIDATE_POSTERIOR: f32 = 1e-4;
/// Components that stay below this posterior are not candidates even if the floor is lower: the relative error that the product
/// makes there is negligible.
const MIN_CANDIDATE_POSTERIOR: f32 = 1e-6;
/// Safety margin of the search for candidates, in natural logarithms.
const MARGIN: f32 = 1.0;
/// Rounding error of the product relative to the largest log density of the row. It matters for rows far from every component.
const ROW_SLACK: f32 = 1e-5;

/// What the caller needs from the components that are not candidates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Others {
    /// Only their sum, because none of their posteriors reaches the floor.
    Summed,
    /// Each value: the row of the product is overwritten by exp(log density − the largest of the row), with 0 at the candidates.
    Kept,
}

impl Others {
    /// Posteriors of at least `floor` can only be found among the candidates, unless the floor is very low.
    fn for_floor(floor: f32) -> Self {
        if floor >= MIN_CANDIDATE_POSTERIOR { Self::Summed } else { Self::Kept }
    }
}

/// The density of one sample: p(x) = exp(largest) · sum.
struct Density {
    /// The largest log density `ln(w[k] · N(x; μ[k], σ²[k]))` over the components k.
    largest: f64,
    /// Σ exp(log density − largest) over all components.
    sum: f32,
}

/// Whether the tables for posteriors of at least `floor` may have the product with integers. It is only good enough where the components that
/// are no candidates are needed as a sum.
pub(crate) fn may_have_integers(floor: f32) -> bool {
    Others::for_floor(floor) == Others::Summed
}

impl PosteriorTables {
    /// Appends the posteriors of at least `floor` to `posteriors`, and ln p(x) of each sample to `log_densities`.
    ///
    /// `x` `(N, D)`: finite samples in standard layout. `floor`: the one that the tables were made for.
    pub(crate) fn append(
        &self,
        x: ArrayView2<'_, f32>,
        floor: f32,
        workspace: &mut Workspace,
        posteriors: &mut SparsePosteriors,
        mut log_densities: Option<&mut Vec<f64>>,
    ) {
        let x_rows = x.as_slice().expect("the callers bring samples to standard layout");
        let first = posteriors.len();
        let mut repeated = None;
        let mut start = 0;
        while start < x.nrows() {
            let end = self.choose_rows(x_rows, start, x.nrows(), &mut repeated, workspace);
            self.multiply_block(x_rows, workspace);
            append_block(self, x_rows, floor, first, workspace, posteriors, log_densities.as_deref_mut());
            start = end;
        }
    }
}

vectorised!(
    /// Appends the posteriors of the rows of one block, in order. Rows that equal an earlier row are copied from it.
    ///
    /// `x`: all samples of the call; the block starts at `workspace.start`. `first`: the row of `posteriors` that belongs to row 0 of `x`.
    fn append_block(
        tables: &PosteriorTables,
        x: &[f32],
        floor: f32,
        first: usize,
        workspace: &mut Workspace,
        posteriors: &mut SparsePosteriors,
        mut log_densities: Option<&mut Vec<f64>>,
    ) {
        let fused = has_fma!();
        let others = Others::for_floor(floor);
        // The product has rows only for samples that do not equal an earlier one, so the two row numbers differ.
        let mut product_row = 0;
        for n in 0..workspace.sources.len() {
            let row = workspace.start + n;
            if let Some(source) = workspace.sources[n] {
                posteriors.repeat_row(first + source);
                if let Some(log_densities) = log_densities.as_deref_mut() {
                    log_densities.push(log_densities[log_densities.len() - (row - source)]);
                }
                continue;
            }
            let density = examine_row(fused, tables, tables.sample(x, row), product_row, floor, others, workspace);
            if let Some(log_densities) = log_densities.as_deref_mut() {
                log_densities.push(density.largest + f64::from(density.sum).ln());
            }
            let scale = 1.0 / density.sum;
            let Workspace { joint, flags, candidates, exponentials, .. } = &mut *workspace;
            match others {
                Others::Summed => {
                    posteriors.append_row(candidates.iter().copied().zip(exponentials.iter().copied()), scale, floor);
                }
                Others::Kept => {
                    let width = tables.width();
                    let joint = joint.as_slice_mut().expect("made in standard layout");
                    let row = &mut joint[product_row * width..][..width];
                    for (&k, &value) in candidates.iter().zip(exponentials.iter()) {
                        row[k as usize] = value;
                    }
                    for (flag, &value) in flags.iter_mut().zip(row.iter()) {
                        *flag = u8::from(value * scale >= floor);
                    }
                    list_flagged(flags, tables.n_components(), candidates);
                    posteriors.append_listed(candidates, row, scale);
                }
            }
            product_row += 1;
        }
    }
);

/// Finds the candidates of one row, sums their quadratic forms directly, and adds up the density of the sample.
///
/// Leaves the candidates in `workspace.candidates` and exp(log density − largest) of each in `workspace.exponentials`.
#[inline(always)]
fn examine_row(
    fused: bool,
    tables: &PosteriorTables,
    x: &[f32],
    product_row: usize,
    floor: f32,
    others: Others,
    workspace: &mut Workspace,
) -> Density {
    let width = tables.width();
    let Workspace { joint, row_errors, candidates, candidate_values, forms, exponentials, padded, flags, .. } =
        workspace;
    let joint = joint.as_slice_mut().expect("made in standard layout");
    let row = &mut joint[product_row * width..][..width];

    let slack = tables.slack(row_errors[product_row]);
    // The product is wrong by at most `slack`, so `value − slack` is a lower bound of a log density and `value + slack` an upper bound.
    // A posterior is at most exp(its log density − the largest log density of the row). A component whose upper bound lies more than
    // −ln(posterior sought) below the largest lower bound therefore cannot reach the posterior sought.
    let sought = floor.clamp(MIN_CANDIDATE_POSTERIOR, CANDIDATE_POSTERIOR);
    let depth = MARGIN - sought.ln();
    let largest_bound = largest_lower_bound(fused, row, slack);
    let threshold = largest_bound - depth - ROW_SLACK * largest_bound.abs();
    find_candidates(fused, row, slack, threshold, tables.n_components(), flags, candidates);

    padded[..x.len()].copy_from_slice(x);
    quadratic_forms(fused, tables, padded, candidates, forms);
    candidate_values.clear();
    let mut largest = f64::NEG_INFINITY;
    for (&k, form) in candidates.iter().zip(forms.iter()) {
        let value = tables.constant(k) - 0.5 * f64::from(sum_lanes(form));
        largest = largest.max(value);
        candidate_values.push(value);
    }
    if !largest.is_finite() {
        // A square was too large for `f32`. All components become candidates, and their log densities are computed in `f64`.
        largest = tables.slow_row(x, candidates, candidate_values);
        row.fill(f32::NEG_INFINITY);
    }
    let sum_of_others = match others {
        Others::Summed => sum_of_others(fused, row, slack, threshold, tables.relative(largest)),
        Others::Kept => {
            for &k in candidates.iter() {
                row[k as usize] = f32::NEG_INFINITY;
            }
            exponentiate(fused, row, tables.relative(largest))
        }
    };
    exponentials.clear();
    exponentials.extend(candidate_values.iter().map(|value| (value - largest) as f32));
    // exp(−∞) = 0: the entries that fill up the last vector register add nothing to the sum.
    exponentials.resize(candidates.len().next_multiple_of(LANES), f32::NEG_INFINITY);
    let sum = exponentiate(fused, exponentials, 0.0) + sum_of_others;
    Density { largest, sum }
}

/// The largest lower bound of a log density in one row of the product.
#[inline(always)]
fn largest_lower_bound(fused: bool, row: &[f32], slack: Slack<'_>) -> f32 {
    let mut largest = [f32::NEG_INFINITY; LANES];
    for (values, (errors, units)) in row.as_chunks::<LANES>().0.iter().zip(slack.lanes()) {
        for lane in 0..LANES {
            let bound = values[lane] - slack.of(fused, errors[lane], units[lane]);
            largest[lane] = if bound > largest[lane] { bound } else { largest[lane] };
        }
    }
    largest.iter().copied().fold(f32::NEG_INFINITY, f32::max)
}

/// Lists the components whose upper bound exceeds the threshold.
#[inline(always)]
fn find_candidates(
    fused: bool,
    row: &[f32],
    slack: Slack<'_>,
    threshold: f32,
    n_components: usize,
    flags: &mut [u8],
    candidates: &mut Vec<u32>,
) {
    // One byte per component comes first, because this loop then runs in vector registers. It goes over single numbers: with a loop over
    // lanes within it, the compiler gathers the numbers of several registers.
    for ((flag, &value), (&error, &unit)) in flags.iter_mut().zip(row).zip(slack.errors.iter().zip(slack.units)) {
        // Written as "not below" so that NaN, which fails every comparison, becomes a candidate.
        let below = value + slack.of(fused, error, unit) <= threshold;
        *flag = u8::from(!below);
    }
    list_flagged(flags, n_components, candidates);
}

/// Lists the components whose byte is 1; all other bytes are 0.
#[inline(always)]
fn list_flagged(flags: &[u8], n_components: usize, components: &mut Vec<u32>) {
    // With this factor, bit i of the highest byte of the product is byte i of the other factor, if each of its bytes is 0 or 1.
    const GATHER: u64 = 0x0102_0408_1020_4080;
    components.clear();
    for (word, flags) in flags.chunks(64).enumerate() {
        // One bit per component, so that the loop over the flagged ones has no branches for the others.
        let mut bits = 0_u64;
        for (byte, &flags) in flags.as_chunks::<8>().0.iter().enumerate() {
            bits |= (u64::from_le_bytes(flags).wrapping_mul(GATHER) >> 56) << (8 * byte);
        }
        while bits != 0 {
            let k = 64 * word as u32 + bits.trailing_zeros();
            // The columns that fill up the last vector register are not components.
            if (k as usize) < n_components {
                components.push(k);
            }
            // Clears the lowest set bit.
            bits &= bits - 1;
        }
    }
}

/// Σ exp(value − shift) over the components that are not candidates.
#[inline(always)]
fn sum_of_others(fused: bool, row: &[f32], slack: Slack<'_>, threshold: f32, shift: f32) -> f32 {
    let mut sums = [0.0_f32; LANES];
    for (values, (errors, units)) in row.as_chunks::<LANES>().0.iter().zip(slack.lanes()) {
        for lane in 0..LANES {
            let value = quick_exponential(fused, values[lane] - shift);
            let bound = values[lane] + slack.of(fused, errors[lane], units[lane]);
            sums[lane] += if bound <= threshold { value } else { 0.0 };
        }
    }
    sum_lanes(&sums)
}

/// `Σ_d` ((x − μ)/σ)² of every candidate, as one sum per lane; the caller adds up the lanes.
///
/// `x`: one sample, filled up with zeros to a multiple of `LANES`.
#[inline(always)]
fn quadratic_forms(
    fused: bool,
    tables: &PosteriorTables,
    x: &[f32],
    candidates: &[u32],
    forms: &mut Vec<[f32; LANES]>,
) {
    forms.resize(candidates.len(), [0.0; LANES]);
    let x = x.as_chunks::<LANES>().0;
    for (&k, form) in candidates.iter().zip(forms.iter_mut()) {
        let (means, inverse_deviations) = tables.component(k);
        let mut sums = [0.0_f32; LANES];
        for ((x, mean), inverse) in x.iter().zip(means).zip(inverse_deviations) {
            for lane in 0..LANES {
                let z = (x[lane] - mean[lane]) * inverse[lane];
                sums[lane] = multiply_add(fused, z, z, sums[lane]);
            }
        }
        // The lanes are stored here and added up in a loop of their own: with the addition in this loop, the compiler splits the
        // vector registers.
        *form = sums;
    }
}

/// Replaces every value v by exp(v − shift) and returns the sum; the length is a multiple of `LANES`.
#[inline(always)]
fn exponentiate(fused: bool, values: &mut [f32], shift: f32) -> f32 {
    let mut sums = [0.0_f32; LANES];
    for chunk in values.as_chunks_mut::<LANES>().0 {
        for lane in 0..LANES {
            let value = exponential(fused, chunk[lane] - shift);
            chunk[lane] = value;
            sums[lane] += value;
        }
    }
    sum_lanes(&sums)
}
