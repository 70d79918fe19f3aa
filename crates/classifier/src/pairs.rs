//! Sums over the dimensions of a pair of vectors, in vector registers.

use fisherlens_lanes::{LANES, sum_lanes, vectorised};

vectorised!(
    /// `Σ min(x, y)`. Entries below 0 count as 0.
    pub(crate) fn shared_part(x: &[f32], y: &[f32]) -> f32 {
        sum_pairs(x, y, |x, y| {
            let smaller = if x < y { x } else { y };
            if smaller > 0.0 { smaller } else { 0.0 }
        })
    }
);

vectorised!(
    /// `Σ (x − y)² / (x + y)` with 0/0 = 0. Entries below 0 count as 0.
    pub(crate) fn chi_squared(x: &[f32], y: &[f32]) -> f32 {
        sum_pairs(x, y, |x, y| {
            let x = if x > 0.0 { x } else { 0.0 };
            let y = if y > 0.0 { y } else { 0.0 };
            let (difference, sum) = (x - y, x + y);
            // If the sum is 0, the difference is 0 too. The ratio is at most 1, so the product can neither overflow nor underflow to 0.
            difference * (difference / if sum > 0.0 { sum } else { 1.0 })
        })
    }
);

vectorised!(
    /// `Σ (x − y)²`.
    pub(crate) fn squared_distance(x: &[f32], y: &[f32]) -> f32 {
        sum_pairs(x, y, |x, y| (x - y) * (x - y))
    }
);

#[inline(always)]
fn sum_pairs(x: &[f32], y: &[f32], term: impl Fn(f32, f32) -> f32) -> f32 {
    let mut sums = [0.0_f32; LANES];
    let (x_runs, y_runs) = (x.chunks_exact(LANES), y.chunks_exact(LANES));
    let rest: f32 = x_runs.remainder().iter().zip(y_runs.remainder()).map(|(&x, &y)| term(x, y)).sum();
    for (x, y) in x_runs.zip(y_runs) {
        for lane in 0..LANES {
            sums[lane] += term(x[lane], y[lane]);
        }
    }
    sum_lanes(&sums) + rest
}
