//! Dual coordinate descent on the Gram matrix, one class at a time.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::{ClassReport, Loss};

/// A pass moves the samples whose projected gradient exceeds this share of the pass's largest.
///
/// Looking at a sample costs one comparison, since all margins are at hand; moving it costs a row of the Gram matrix. Small
/// violations are therefore left until the large ones are gone, which also takes the place of shrinking.
const MOVED_SHARE: f64 = 0.1;

/// The dual problem of one class.
///
/// ```text
/// min over 0 ≤ a_i ≤ U of   ½ Σ_ij a_i a_j y_i y_j (K_ij + s²) + ½ δ Σ_i a_i² − Σ_i a_i
/// hinge: U = C, δ = 0        squared hinge: U = ∞, δ = 1/(2C)
/// ```
pub(crate) struct BinaryProblem<'a> {
    /// K `(n, n)`, row after row.
    pub(crate) gram: &'a [f32],
    /// y; samples with 0 take no part, but their outputs are kept up to date like the others'.
    pub(crate) targets: &'a [i8],
    /// The loss.
    pub(crate) loss: Loss,
    /// s².
    pub(crate) squared_bias_feature: f64,
    /// Relative duality gap to reach.
    pub(crate) tolerance: f64,
    /// Most passes.
    pub(crate) max_n_epochs: usize,
    /// Seed of the order of visits.
    pub(crate) seed: u64,
}

/// A point of the dual; zeros at first, or the solution for a smaller C.
pub(crate) struct DualPoint {
    /// `α_i = y_i a_i`.
    pub(crate) alphas: Vec<f64>,
    /// `Σ_j α_j K_ij` for every sample, without the bias.
    outputs: Vec<f64>,
    /// `Σ_j α_j`.
    alpha_sum: f64,
}

impl DualPoint {
    pub(crate) fn zero(n: usize) -> Self {
        Self { alphas: vec![0.0; n], outputs: vec![0.0; n], alpha_sum: 0.0 }
    }

    /// Score of every sample, ignored ones too.
    pub(crate) fn scores(&self, problem: &BinaryProblem<'_>) -> Vec<f64> {
        let bias = problem.squared_bias_feature * self.alpha_sum;
        self.outputs.iter().map(|output| output + bias).collect()
    }
}

/// The loss's part of the problem for one C.
struct Weights {
    c: f64,
    loss: Loss,
    upper: f64,
    diagonal: f64,
}

/// How far a point is from the optimum.
struct Progress {
    primal: f64,
    gap: f64,
    largest_violation: f64,
}

impl BinaryProblem<'_> {
    /// Moves `point` to the optimum for C; its α must not exceed C, as those of a smaller C do not.
    pub(crate) fn solve(&self, c: f64, point: &mut DualPoint) -> ClassReport {
        let n = self.targets.len();
        let weights = match self.loss {
            Loss::Hinge => Weights { c, loss: self.loss, upper: c, diagonal: 0.0 },
            Loss::SquaredHinge => Weights { c, loss: self.loss, upper: f64::INFINITY, diagonal: 0.5 / c },
        };
        let mut order: Vec<u32> = (0..n as u32).filter(|&i| self.targets[i as usize] != 0).collect();
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(self.seed);
        let mut n_epochs = 0;
        let (progress, converged) = loop {
            let progress = self.progress(&weights, point);
            let converged = progress.gap <= self.tolerance * progress.primal.abs();
            if converged || n_epochs == self.max_n_epochs {
                break (progress, converged);
            }
            n_epochs += 1;
            order.shuffle(&mut rng);
            let least = MOVED_SHARE * progress.largest_violation;
            for &index in &order {
                let i = index as usize;
                let row = &self.gram[i * n..(i + 1) * n];
                self.move_one(&weights, point, i, row, least);
            }
        };
        ClassReport {
            objective: progress.primal,
            duality_gap: Some(progress.gap),
            n_epochs: Some(n_epochs),
            converged,
            n_support_vectors: point.alphas.iter().filter(|alpha| **alpha != 0.0).count(),
        }
    }

    /// Takes `a_i` to its optimum with all others held, if its projected gradient exceeds `least`.
    #[inline]
    fn move_one(&self, weights: &Weights, point: &mut DualPoint, i: usize, row: &[f32], least: f64) {
        let y = f64::from(self.targets[i]);
        let a = y * point.alphas[i];
        let score = point.outputs[i] + self.squared_bias_feature * point.alpha_sum;
        let gradient = y * score - 1.0 + weights.diagonal * a;
        if weights.violation(a, gradient) <= least {
            return;
        }
        // A vector of length 0 without bias divides by 0; the infinite step then ends at a bound, as it should.
        let curvature = f64::from(row[i]) + self.squared_bias_feature + weights.diagonal;
        let moved = (a - gradient / curvature).clamp(0.0, weights.upper);
        let step = y * (moved - a);
        point.alphas[i] = y * moved;
        point.alpha_sum += step;
        add_scaled(&mut point.outputs, row, step);
    }

    fn progress(&self, weights: &Weights, point: &DualPoint) -> Progress {
        let bias = self.squared_bias_feature * point.alpha_sum;
        let mut squared_norm = bias * point.alpha_sum;
        let (mut losses, mut gap, mut largest_violation) = (0.0_f64, 0.0_f64, 0.0_f64);
        for ((&target, &alpha), &output) in self.targets.iter().zip(&point.alphas).zip(&point.outputs) {
            if target == 0 {
                continue;
            }
            let y = f64::from(target);
            let (a, slack) = (y * alpha, 1.0 - y * (output + bias));
            squared_norm += alpha * output;
            let loss = weights.c * weights.of(slack);
            losses += loss;
            // Every sample's share of the gap is at least 0, so nothing cancels.
            gap += loss - a * slack + 0.5 * weights.diagonal * a * a;
            largest_violation = largest_violation.max(weights.violation(a, weights.diagonal * a - slack));
        }
        Progress { primal: 0.5 * squared_norm + losses, gap, largest_violation }
    }
}

impl Weights {
    /// ξ of 1 − margin.
    fn of(&self, slack: f64) -> f64 {
        let slack = slack.max(0.0);
        match self.loss {
            Loss::Hinge => slack,
            Loss::SquaredHinge => slack * slack,
        }
    }

    /// Size of the projected gradient: 0 where a bound holds `a` back.
    #[inline]
    fn violation(&self, a: f64, gradient: f64) -> f64 {
        if (a <= 0.0 && gradient >= 0.0) || (a >= self.upper && gradient <= 0.0) { 0.0 } else { gradient.abs() }
    }
}

/// `outputs += scale · row`.
#[multiversion::multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512dq+avx512vl+fma+avx2",
    "x86_64+avx2+fma",
    "aarch64+neon"
))]
fn add_scaled(outputs: &mut [f64], row: &[f32], scale: f64) {
    for (output, &entry) in outputs.iter_mut().zip(row) {
        *output += scale * f64::from(entry);
    }
}
