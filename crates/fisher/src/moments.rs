//! Moments of the descriptors of one component.

use fisherlens_lanes::{LANES, has_fma, multiply_add, vectorised};

use crate::encoder::Sign;

vectorised!(
    /// Overwrites `first` with `Σ γ·z` and `second` with `Σ γ·(z² − 1)` over the descriptors of one component, `z = (x − μ) / σ`. With
    /// [`Sign::Absolute`], the sums are over the absolute values |z| and |z² − 1|.
    ///
    /// `values` `(N, D)`: all descriptors of the image; `rows` and `posteriors`: which descriptors reach the component, and their γ;
    /// `mean`, `inverse_deviation` (1/σ), `first` and `second`: `(D)`.
    #[expect(clippy::too_many_arguments, reason = "an inner loop takes each array as a slice of its own")]
    pub(crate) fn moments(
        values: &[f32],
        rows: &[u32],
        posteriors: &[f32],
        mean: &[f32],
        inverse_deviation: &[f32],
        sign: Sign,
        first: &mut [f32],
        second: &mut [f32],
    ) {
        let fused = has_fma!();
        match sign {
            Sign::Signed => {
                moments_of::<false>(fused, values, rows, posteriors, mean, inverse_deviation, first, second);
            }
            Sign::Absolute => {
                moments_of::<true>(fused, values, rows, posteriors, mean, inverse_deviation, first, second);
            }
        }
    }
);

#[inline(always)]
#[expect(clippy::too_many_arguments, reason = "an inner loop takes each array as a slice of its own")]
fn moments_of<const ABSOLUTE: bool>(
    fused: bool,
    values: &[f32],
    rows: &[u32],
    posteriors: &[f32],
    mean: &[f32],
    inverse_deviation: &[f32],
    first: &mut [f32],
    second: &mut [f32],
) {
    let n_features = mean.len();
    let whole = n_features - n_features % LANES;
    // The outer loop goes over runs of features and the inner one over descriptors, so that the sums of a run stay in registers.
    for start in (0..whole).step_by(LANES) {
        let run = start..start + LANES;
        let mean: &[f32; LANES] = lanes(&mean[run.clone()]);
        let inverse: &[f32; LANES] = lanes(&inverse_deviation[run.clone()]);
        let mut sum_first = [0.0_f32; LANES];
        let mut sum_second = [0.0_f32; LANES];
        for (&row, &posterior) in rows.iter().zip(posteriors) {
            let at = row as usize * n_features + start;
            let x: &[f32; LANES] = lanes(&values[at..at + LANES]);
            for lane in 0..LANES {
                let z = (x[lane] - mean[lane]) * inverse[lane];
                let square = multiply_add(fused, z, z, -1.0);
                let (z, square) = if ABSOLUTE { (z.abs(), square.abs()) } else { (z, square) };
                sum_first[lane] = multiply_add(fused, posterior, z, sum_first[lane]);
                sum_second[lane] = multiply_add(fused, posterior, square, sum_second[lane]);
            }
        }
        first[run.clone()].copy_from_slice(&sum_first);
        second[run].copy_from_slice(&sum_second);
    }
    // The features that do not fill a vector register.
    for d in whole..n_features {
        let (mut sum_first, mut sum_second) = (0.0, 0.0);
        for (&row, &posterior) in rows.iter().zip(posteriors) {
            let z = (values[row as usize * n_features + d] - mean[d]) * inverse_deviation[d];
            let square = z * z - 1.0;
            sum_first += posterior * if ABSOLUTE { z.abs() } else { z };
            sum_second += posterior * if ABSOLUTE { square.abs() } else { square };
        }
        first[d] = sum_first;
        second[d] = sum_second;
    }
}

/// The entries of one component, batch by batch.
pub(crate) struct BatchedEntries<'a> {
    /// Batch b has the entries `bounds[b] .. bounds[b + 1]`.
    pub(crate) bounds: &'a [u32],
    /// Which descriptors reach the component.
    pub(crate) rows: &'a [u32],
    /// Their posteriors γ.
    pub(crate) posteriors: &'a [f32],
}

vectorised!(
    /// [`moments`] with the sign, for every batch of one component and times the factors of the encoder.
    ///
    /// `first` and `second`: the factor of the moment, and the place of its entries in a row of `sums` `(n_batches, width)`; `None` if
    /// the encoder does not have them.
    #[expect(clippy::too_many_arguments, reason = "an inner loop takes each array as a slice of its own")]
    pub(crate) fn moments_by_batch(
        values: &[f32],
        entries: &BatchedEntries<'_>,
        mean: &[f32],
        inverse_deviation: &[f32],
        first: Option<(f32, usize)>,
        second: Option<(f32, usize)>,
        width: usize,
        sums: &mut [f32],
    ) {
        let fused = has_fma!();
        let n_features = mean.len();
        let BatchedEntries { bounds, rows, posteriors } = entries;
        let whole = n_features - n_features % LANES;
        for start in (0..whole).step_by(LANES) {
            let run = start..start + LANES;
            let mean: &[f32; LANES] = lanes(&mean[run.clone()]);
            let inverse: &[f32; LANES] = lanes(&inverse_deviation[run.clone()]);
            for (bounds, sums) in bounds.windows(2).zip(sums.chunks_exact_mut(width)) {
                let entries = bounds[0] as usize..bounds[1] as usize;
                let mut sum_first = [0.0_f32; LANES];
                let mut sum_second = [0.0_f32; LANES];
                for (&row, &posterior) in rows[entries.clone()].iter().zip(&posteriors[entries]) {
                    let at = row as usize * n_features + start;
                    let x: &[f32; LANES] = lanes(&values[at..at + LANES]);
                    for lane in 0..LANES {
                        let z = (x[lane] - mean[lane]) * inverse[lane];
                        let square = multiply_add(fused, z, z, -1.0);
                        sum_first[lane] = multiply_add(fused, posterior, z, sum_first[lane]);
                        sum_second[lane] = multiply_add(fused, posterior, square, sum_second[lane]);
                    }
                }
                for (moments, target) in [(&sum_first, first), (&sum_second, second)] {
                    if let Some((factor, place)) = target {
                        let sums = &mut sums[place + start..][..LANES];
                        for lane in 0..LANES {
                            sums[lane] = factor * moments[lane];
                        }
                    }
                }
            }
        }
        // The features that do not fill a vector register.
        for d in whole..n_features {
            for (bounds, sums) in bounds.windows(2).zip(sums.chunks_exact_mut(width)) {
                let entries = bounds[0] as usize..bounds[1] as usize;
                let (mut sum_first, mut sum_second) = (0.0, 0.0);
                for (&row, &posterior) in rows[entries.clone()].iter().zip(&posteriors[entries]) {
                    let z = (values[row as usize * n_features + d] - mean[d]) * inverse_deviation[d];
                    sum_first += posterior * z;
                    sum_second += posterior * (z * z - 1.0);
                }
                for (moment, target) in [(sum_first, first), (sum_second, second)] {
                    if let Some((factor, place)) = target {
                        sums[place + d] = factor * moment;
                    }
                }
            }
        }
    }
);

#[inline(always)]
fn lanes(slice: &[f32]) -> &[f32; LANES] {
    slice.first_chunk().expect("a run has as many features as there are lanes")
}
