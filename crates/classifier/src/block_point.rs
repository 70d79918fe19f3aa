//! A point of one dual problem with its coefficients, and the steps that follow each pass of coordinate descent.

use fisherlens_lanes::{LANES, add_scaled, vectorised};

use crate::dual::LossTerms;

/// Number of moves that are kept. Twice as many saved hardly any passes.
pub(crate) const N_MOVES: usize = 6;
/// A step along the moves may leave the bounds by this share of its length (in sums of absolute values). Otherwise it is halved. The next
/// pass brings the samples back inside the bounds, so a long way outside spoils the step.
const MAX_SHARE_OUTSIDE: f64 = 0.2;
/// Largest number of halvings.
const MAX_N_HALVINGS: usize = 8;
/// A move counts as a combination of newer moves if less than this share of its squared length is left without them. What is left is then
/// mostly rounding.
const MIN_PIVOT: f64 = 1e-5;

/// A point of one dual problem, without the outputs of the samples: these would need the Gram matrix.
#[derive(Debug, Clone)]
pub(crate) struct BlockPoint {
    /// y. Samples with 0 take no part in training.
    pub(crate) targets: Vec<i8>,
    /// `α_i = y_i a_i`. During training an `a_i` may lie outside of its bounds until its block is visited.
    pub(crate) alphas: Vec<f64>,
    /// `w = Σ_i α_i x_i`, without the bias.
    pub(crate) w: Vec<f64>,
    /// `Σ_i α_i`.
    pub(crate) alpha_sum: f64,
    /// Scores of all samples, the ones with target 0 included, if they are wanted. They are valid at the end of a training.
    pub(crate) scores: Option<Vec<f64>>,
}

impl BlockPoint {
    pub(crate) fn zero(targets: Vec<i8>, d: usize) -> Self {
        let n = targets.len();
        Self { targets, alphas: vec![0.0; n], w: vec![0.0; d], alpha_sum: 0.0, scores: None }
    }

    /// The same point, which keeps the scores of all samples.
    pub(crate) fn with_scores(self) -> Self {
        Self { scores: Some(vec![0.0; self.targets.len()]), ..self }
    }

    /// Moves every α to the nearest value inside its bounds. `w` is not changed.
    pub(crate) fn clamp(&mut self, terms: LossTerms) {
        for (alpha, &y) in self.alphas.iter_mut().zip(&self.targets) {
            *alpha = terms.clamp(y, *alpha);
        }
        self.alpha_sum = self.alphas.iter().sum();
    }
}

/// A change of a point.
struct Move {
    alphas: Vec<f32>,
    w: Vec<f32>,
    alpha_sum: f64,
}

/// What is kept of one problem from pass to pass, to move its point between the passes.
///
/// The dual objective is a quadratic function, and a combination of moves changes w by the same combination of their changes of w.
/// Therefore its minimum in the space of the last moves is known without the vectors of the samples. For samples that are not at a bound
/// this has the effect of conjugate gradients whose preconditioner is the pass.
#[derive(Default)]
pub(crate) struct Memory {
    /// The last point inside the bounds. Its dual objective is the lowest so far.
    alphas: Vec<f64>,
    w: Vec<f64>,
    /// The last moves between such points, newest first.
    moves: Vec<Move>,
}

impl Memory {
    /// `point` must lie inside the bounds.
    pub(crate) fn new(point: &BlockPoint) -> Self {
        Self { alphas: point.alphas.clone(), w: point.w.clone(), moves: Vec::new() }
    }

    /// Moves the point after a pass that has brought it inside the bounds.
    ///
    /// First, the point moves to the minimum on the line between the last point and itself, so that the dual objective never rises. Then
    /// it moves to the minimum in the space of the last moves. There it may lie outside of the bounds.
    pub(crate) fn advance(&mut self, terms: LossTerms, squared_bias_feature: f64, point: &mut BlockPoint) {
        let problem = Quadratic { terms, squared_bias_feature };
        self.step_back(&problem, point);
        let row = |i: usize| self.moves[..=i].iter().map(|other| problem.curvature(&self.moves[i], other)).collect();
        let curvatures = (0..self.moves.len()).map(row).collect();
        let slopes = self.moves.iter().map(|step| problem.slope(point, step)).collect();
        let mut lengths = minimum(curvatures, slopes);
        let mut shift = vec![0.0; point.alphas.len()];
        for (step, &length) in self.moves.iter().zip(&lengths) {
            add_scaled(&mut shift, &step.alphas, length);
        }
        let factor = share_inside(terms, point, &shift);
        for length in &mut lengths {
            *length *= factor;
        }
        add_scaled(&mut point.alphas, &shift, factor);
        for (step, &length) in self.moves.iter().zip(&lengths) {
            add_scaled(&mut point.w, &step.w, length);
        }
        point.alpha_sum = point.alphas.iter().sum();
    }

    /// Remembers the move from the last point to `point`, and moves `point` to the minimum on this line.
    fn step_back(&mut self, problem: &Quadratic, point: &mut BlockPoint) {
        let differences = |new: &[f64], old: &[f64]| new.iter().zip(old).map(|(new, old)| (new - old) as f32).collect();
        let alphas: Vec<f32> = differences(&point.alphas, &self.alphas);
        let alpha_sum = alphas.iter().map(|&alpha| f64::from(alpha)).sum();
        let step = Move { alphas, w: differences(&point.w, &self.w), alpha_sum };
        // At `point`, the minimum lies at this share of the move back.
        let (slope, curvature) = (problem.slope(point, &step), problem.curvature(&step, &step));
        let back = if curvature > 0.0 { (slope / curvature).clamp(0.0, 1.0) } else { 0.0 };
        if back > 0.0 {
            add_scaled(&mut point.alphas, &step.alphas, -back);
            add_scaled(&mut point.w, &step.w, -back);
        }
        // Both ends lie inside the bounds. Rounding must not leave a sample beside its bound.
        point.clamp(problem.terms);
        self.alphas.clone_from(&point.alphas);
        self.w.clone_from(&point.w);
        self.moves.insert(0, step);
        self.moves.truncate(N_MOVES);
    }
}

/// The share of a shift of α that leaves the bounds by little.
fn share_inside(terms: LossTerms, point: &BlockPoint, shift: &[f64]) -> f64 {
    let mut factor = 1.0;
    for _ in 0..MAX_N_HALVINGS {
        let (mut outside, mut length) = (0.0, 0.0);
        for ((&alpha, shift), &y) in point.alphas.iter().zip(shift).zip(&point.targets) {
            let to = alpha + factor * shift;
            outside += (to - terms.clamp(y, to)).abs();
            length += (factor * shift).abs();
        }
        if outside <= MAX_SHARE_OUTSIDE * length {
            return factor;
        }
        factor *= 0.5;
    }
    0.0
}

/// The dual objective (see `Problems` in `dual.rs`) as a function of moves.
struct Quadratic {
    terms: LossTerms,
    squared_bias_feature: f64,
}

impl Quadratic {
    /// First derivative at `point` along a move.
    fn slope(&self, point: &BlockPoint, step: &Move) -> f64 {
        let mut slope = dot(&point.w, &step.w) + self.squared_bias_feature * point.alpha_sum * step.alpha_sum;
        for ((&y, &alpha), &step) in point.targets.iter().zip(&point.alphas).zip(&step.alphas) {
            slope += (self.terms.diagonal * alpha - f64::from(y)) * f64::from(step);
        }
        slope
    }

    /// Second derivative along two moves.
    fn curvature(&self, one: &Move, other: &Move) -> f64 {
        let bias = self.squared_bias_feature * one.alpha_sum * other.alpha_sum;
        let diagonal =
            if self.terms.diagonal == 0.0 { 0.0 } else { self.terms.diagonal * dot(&one.alphas, &other.alphas) };
        dot(&one.w, &other.w) + bias + diagonal
    }
}

/// The lengths of the moves at which a quadratic function is smallest. `curvatures`: the second derivatives, row i up to entry i.
/// `slopes`: the first derivatives. Moves that are combinations of moves before them get the length 0.
fn minimum(mut curvatures: Vec<Vec<f64>>, mut slopes: Vec<f64>) -> Vec<f64> {
    let n = slopes.len();
    let mut is_used = vec![false; n];
    let squared_lengths: Vec<f64> = (0..n).map(|i| curvatures[i][i]).collect();
    for j in 0..n {
        let pivot = curvatures[j][j];
        is_used[j] = pivot > MIN_PIVOT * squared_lengths[j];
        if !is_used[j] {
            continue;
        }
        let column: Vec<f64> = curvatures[j + 1..].iter().map(|row| row[j]).collect();
        for (i, row) in curvatures.iter_mut().enumerate().skip(j + 1) {
            let factor = row[j] / pivot;
            row[j + 1..=i].iter_mut().zip(&column).for_each(|(entry, known)| *entry -= factor * known);
            slopes[i] -= factor * slopes[j];
        }
    }
    let mut lengths = vec![0.0; n];
    for j in (0..n).rev().filter(|&j| is_used[j]) {
        let known: f64 = (j + 1..n).map(|i| curvatures[i][j] * lengths[i]).sum();
        lengths[j] = (-slopes[j] - known) / curvatures[j][j];
    }
    lengths
}

vectorised!(
    /// `Σ a[i]·b[i]` in `f64`, for vectors of the same length.
    fn dot<T: Copy + Into<f64>>(a: &[T], b: &[f32]) -> f64 {
        let mut sums = [0.0_f64; LANES];
        let (a_chunks, a_rest) = a.as_chunks::<LANES>();
        let (b_chunks, b_rest) = b.as_chunks::<LANES>();
        for (a, b) in a_chunks.iter().zip(b_chunks) {
            for lane in 0..LANES {
                sums[lane] += a[lane].into() * f64::from(b[lane]);
            }
        }
        let rest: f64 = a_rest.iter().zip(b_rest).map(|(&a, &b)| a.into() * f64::from(b)).sum();
        sums.iter().sum::<f64>() + rest
    }
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::Loss;

    #[test]
    fn the_minimum_of_a_quadratic_function_by_hand() {
        // ½ (4 s² + 2·2 s t + 3 t²) + 2 s − t is smallest where 4 s + 2 t = −2 and 2 s + 3 t = 1.
        let lengths = minimum(vec![vec![4.0], vec![2.0, 3.0]], vec![2.0, -1.0]);
        assert!((lengths[0] + 1.0).abs() < 1e-12 && (lengths[1] - 1.0).abs() < 1e-12, "{lengths:?}");
        // The second move equals the first one.
        assert_eq!(minimum(vec![vec![4.0], vec![4.0, 4.0]], vec![2.0, 2.0]), [-0.5, 0.0]);
        assert_eq!(minimum(vec![vec![0.0]], vec![0.0]), [0.0]);
    }

    #[test]
    fn two_moves_reach_the_minimum_of_two_samples() {
        // x = (1, 0) and (0, 2) without a bias: the minimum is at a = (1, 1/4).
        let terms = LossTerms::new(Loss::Hinge, 10.0);
        let mut point = BlockPoint::zero(vec![1, -1], 2);
        let mut memory = Memory::new(&point);
        let (mut alpha, mut other) = (0.5, -0.1);
        for _ in 0..2 {
            (point.alphas[0], point.alphas[1]) = (alpha, other);
            (point.w[0], point.w[1]) = (alpha, 2.0 * other);
            point.alpha_sum = alpha + other;
            memory.advance(terms, 0.0, &mut point);
            (alpha, other) = (point.alphas[0] + 0.1, point.alphas[1]);
        }
        assert!((point.alphas[0] - 1.0).abs() < 1e-6 && (point.alphas[1] + 0.25).abs() < 1e-6, "{:?}", point.alphas);
        assert!((point.w[0] - 1.0).abs() < 1e-6 && (point.w[1] + 0.5).abs() < 1e-6);
    }

    #[test]
    fn a_worse_point_is_taken_back_to_the_best_point_on_the_line() {
        // One sample x = 1 without a bias: the minimum is at a = 1. The pass went to a = 4.
        let terms = LossTerms::new(Loss::Hinge, 10.0);
        let mut point = BlockPoint::zero(vec![1], 1);
        let mut memory = Memory::new(&point);
        (point.alphas[0], point.w[0], point.alpha_sum) = (4.0, 4.0, 4.0);
        memory.advance(terms, 0.0, &mut point);
        assert!((point.alphas[0] - 1.0).abs() < 1e-6 && (memory.alphas[0] - 1.0).abs() < 1e-6);
    }
}
