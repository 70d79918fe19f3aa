//! From log densities of the product to posteriors, row by row.

use fisherlens_lanes::{LANES, multiply_add, sum_lanes};
use multiversion::target::target_cfg_f;
use ndarray::ArrayView2;

use crate::exponential::{exponential, quick_exponential};
use crate::posteriors::{PosteriorKernel, SparsePosteriors, Workspace};

/// Components whose posterior surely lies below this (or below the floor, where that is lower) keep the product's value. Lower
/// than the floors in use, so that the sum over the components is right as well.
const CANDIDATE_POSTERIOR: f32 = 1e-4;
/// No candidate is sought below this posterior, whatever the floor: the product's relative error there no longer counts.
const LEAST_CANDIDATE_POSTERIOR: f32 = 1e-6;
/// Added in logarithms to the distance at which candidates are sought.
const MARGIN: f32 = 1.0;
/// Rounding of the product over the size of the row's largest log density, for rows far from every component.
const ROW_SLACK: f32 = 1e-5;

/// What becomes of the components that are no candidates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rest {
    /// Only their sum counts, as no floor lets one of them pass.
    Summed,
    /// Each is wanted: the row of the product is overwritten by exp(its log density − the row's largest), 0 at candidates.
    Kept,
}

/// A row of the product in which the candidates have been found and looked at.
struct Row {
    /// The row's largest log density.
    best: f64,
    /// Σ exp(log density − best) over all components.
    sum: f32,
}

/// Whether posteriors of at least `floor` can all be found among the candidates.
fn rest_at(floor: f32) -> Rest {
    if floor >= LEAST_CANDIDATE_POSTERIOR { Rest::Summed } else { Rest::Kept }
}

impl PosteriorKernel {
    /// Appends the rows' posteriors of at least `floor` to `posteriors` and the rows' log densities to `log_densities`. `x`
    /// holds finite values in standard layout.
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

/// Appends the posteriors of the block's rows, in order; rows marked as equal to an earlier one are copied.
///
/// `x`: all rows of the call, of which the block's start at `workspace.start`; `first`: row of `posteriors` that belongs to row 0 of `x`.
#[multiversion::multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512dq+avx512vl+fma+avx2",
    "x86_64+avx2+fma",
    "aarch64+neon"
))]
fn append_block(
    kernel: &PosteriorKernel,
    x: &[f32],
    floor: f32,
    first: usize,
    workspace: &mut Workspace,
    posteriors: &mut SparsePosteriors,
    mut log_densities: Option<&mut Vec<f64>>,
) {
    let fused = target_cfg_f!(target_feature = "fma") || cfg!(target_arch = "aarch64");
    let rest = rest_at(floor);
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
        let found = finish_row(fused, kernel, kernel.sample(x, row), product_row, floor, rest, workspace);
        if let Some(log_densities) = log_densities.as_deref_mut() {
            log_densities.push(found.best + f64::from(found.sum).ln());
        }
        let scale = 1.0 / found.sum;
        let Workspace { joint, flags, candidates, exponents, .. } = &mut *workspace;
        match rest {
            Rest::Summed => {
                posteriors.append_row(candidates.iter().copied().zip(exponents.iter().copied()), scale, floor);
            }
            Rest::Kept => {
                let width = kernel.width();
                let joint = joint.as_slice_mut().expect("made in standard layout");
                let row = &mut joint[product_row * width..][..width];
                for (&k, &value) in candidates.iter().zip(exponents.iter()) {
                    row[k as usize] = value;
                }
                for (flag, &value) in flags.iter_mut().zip(row.iter()) {
                    *flag = u8::from(value * scale >= floor);
                }
                list_flagged(flags, kernel.n_components(), candidates);
                posteriors.append_listed(candidates, row, scale);
            }
        }
        product_row += 1;
    }
}

/// Finds the candidates of one row and what their log densities really are.
#[inline(always)]
fn finish_row(
    fused: bool,
    kernel: &PosteriorKernel,
    x: &[f32],
    product_row: usize,
    floor: f32,
    rest: Rest,
    workspace: &mut Workspace,
) -> Row {
    let width = kernel.width();
    let sought = floor.clamp(LEAST_CANDIDATE_POSTERIOR, CANDIDATE_POSTERIOR);
    let depth = MARGIN - sought.ln();
    let Workspace { joint, candidates, candidate_values, forms, exponents, padded, flags, .. } = workspace;
    let joint = joint.as_slice_mut().expect("made in standard layout");
    let row = &mut joint[product_row * width..][..width];
    let largest = largest_lower_bound(row, kernel.slack());
    let threshold = largest - depth - ROW_SLACK * largest.abs();
    find_candidates(row, kernel.slack(), threshold, kernel.n_components(), flags, candidates);
    padded[..x.len()].copy_from_slice(x);
    quadratic_forms(fused, kernel, padded, candidates, forms);
    candidate_values.clear();
    let mut best = f64::NEG_INFINITY;
    for (&k, form) in candidates.iter().zip(forms.iter()) {
        let value = kernel.constant(k) - 0.5 * f64::from(sum_lanes(form));
        best = best.max(value);
        candidate_values.push(value);
    }
    if !best.is_finite() {
        // Some square left the range of f32: all components are candidates now.
        best = kernel.slow_row(x, candidates, candidate_values);
        row.fill(f32::NEG_INFINITY);
    }
    let sum_of_rest = match rest {
        Rest::Summed => sum_of_others(fused, row, kernel.slack(), threshold, kernel.relative(best)),
        Rest::Kept => {
            for &k in candidates.iter() {
                row[k as usize] = f32::NEG_INFINITY;
            }
            exponentiate(fused, row, kernel.relative(best))
        }
    };
    exponents.clear();
    exponents.extend(candidate_values.iter().map(|value| (value - best) as f32));
    exponents.resize(candidates.len().next_multiple_of(LANES), f32::NEG_INFINITY);
    let sum = exponentiate(fused, exponents, 0.0) + sum_of_rest;
    Row { best, sum }
}

#[inline(always)]
fn largest_lower_bound(row: &[f32], slack: &[f32]) -> f32 {
    let mut largest = [f32::NEG_INFINITY; LANES];
    for (values, slacks) in row.as_chunks::<LANES>().0.iter().zip(slack.as_chunks::<LANES>().0) {
        for lane in 0..LANES {
            let bound = values[lane] - slacks[lane];
            largest[lane] = if bound > largest[lane] { bound } else { largest[lane] };
        }
    }
    largest.iter().copied().fold(f32::NEG_INFINITY, f32::max)
}

/// Lists the components whose density may exceed the threshold. Comparisons are turned round, so that what is not a number is looked at.
#[inline(always)]
fn find_candidates(
    row: &[f32],
    slack: &[f32],
    threshold: f32,
    n_components: usize,
    flags: &mut [u8],
    candidates: &mut Vec<u32>,
) {
    // A byte a component first, eight of which are then looked at as one number.
    for ((flag, &value), &slack) in flags.iter_mut().zip(row).zip(slack) {
        let below = value + slack <= threshold;
        *flag = u8::from(!below);
    }
    list_flagged(flags, n_components, candidates);
}

/// Lists the components whose byte is 1; all others are 0.
#[inline(always)]
fn list_flagged(flags: &[u8], n_components: usize, components: &mut Vec<u32>) {
    components.clear();
    for (chunk, &flags) in flags.as_chunks::<8>().0.iter().enumerate() {
        let mut flags = u64::from_le_bytes(flags);
        while flags != 0 {
            let k = 8 * chunk as u32 + flags.trailing_zeros() / 8;
            if (k as usize) < n_components {
                components.push(k);
            }
            flags &= flags - 1;
        }
    }
}

/// Σ exp(value − shift) over the components that are no candidates.
#[inline(always)]
fn sum_of_others(fused: bool, row: &[f32], slack: &[f32], threshold: f32, shift: f32) -> f32 {
    let mut sums = [0.0_f32; LANES];
    for (values, slacks) in row.as_chunks::<LANES>().0.iter().zip(slack.as_chunks::<LANES>().0) {
        for lane in 0..LANES {
            let value = quick_exponential(fused, values[lane] - shift);
            sums[lane] += if values[lane] + slacks[lane] <= threshold { value } else { 0.0 };
        }
    }
    sum_lanes(&sums)
}

/// `Σ_d` ((x − μ)/σ)² of every candidate, the sums of the lanes not yet added together.
#[inline(always)]
fn quadratic_forms(
    fused: bool,
    kernel: &PosteriorKernel,
    x: &[f32],
    candidates: &[u32],
    forms: &mut Vec<[f32; LANES]>,
) {
    forms.resize(candidates.len(), [0.0; LANES]);
    let x = x.as_chunks::<LANES>().0;
    for (&k, form) in candidates.iter().zip(forms.iter_mut()) {
        let (means, inverse_deviations) = kernel.component(k);
        let mut sums = [0.0_f32; LANES];
        for ((x, mean), inverse) in x.iter().zip(means).zip(inverse_deviations) {
            for lane in 0..LANES {
                let z = (x[lane] - mean[lane]) * inverse[lane];
                sums[lane] = multiply_add(fused, z, z, sums[lane]);
            }
        }
        // Stored, and added up in a loop of its own: a reduction here makes the compiler take this loop apart.
        *form = sums;
    }
}

/// Turns every value v into exp(v − shift) and returns their sum; the length is a multiple of `LANES`.
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
