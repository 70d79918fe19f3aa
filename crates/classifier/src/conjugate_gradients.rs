//! Conjugate gradients over the samples that are not at a bound, for all problems together.

use fisherlens_lanes::{add_scaled, dot};
use ndarray::Array2;
use rayon::prelude::*;

use crate::dual::{DualPoint, LossTerms, Problems};

/// How exactly the steps of one epoch solve for the samples that are not at a bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effort {
    /// A few steps with products in `f32`. Enough for almost all problems.
    Usual,
    /// Many steps with products in `f64`. If the steps leave the bounds, the point moves at least to the first bound. This solves
    /// problems in which more samples are free than there are dimensions: the objective is then flat along some directions, and
    /// only a bound ends a move along them.
    High,
}

impl Effort {
    /// Largest number of steps before the bounds are checked again.
    fn max_n_steps(self) -> usize {
        match self {
            Self::Usual => 4,
            Self::High => 64,
        }
    }

    /// The steps end when the squared length of the gradient has fallen to this share of its first value.
    fn max_residual_ratio(self) -> f64 {
        match self {
            Self::Usual => 1e-3,
            Self::High => 1e-14,
        }
    }
}

/// A move that was cut off at the bounds is accepted if its best point lies beyond this share of its length. Its end is then not worse than
/// its start, because the objective along a move is a parabola. Otherwise a move of half the length is tried: the bounds cut off less of
/// it. Moving only to the best point would need more epochs, because fewer samples would then end at their bounds.
const MIN_SHARE: f64 = 0.5;
/// Largest number of halvings of a move that leaves the bounds, before the move is given up.
const MAX_N_HALVINGS: usize = 6;

/// The state of one problem's steps. The vectors have length n. `residual`, `direction` and `shift` are 0 for samples at a bound.
struct Descent<'p> {
    point: &'p mut DualPoint,
    /// True for the samples that are not at a bound.
    free: Vec<bool>,
    /// Minus the gradient.
    residual: Vec<f64>,
    direction: Vec<f64>,
    /// Sum of the steps.
    shift: Vec<f64>,
    /// The change that `shift` makes to the outputs of all samples.
    outputs: Vec<f64>,
    squared_residual: f64,
    first_squared_residual: f64,
    /// True if the point has moved, or if it was optimal at the start.
    accepted: bool,
}

/// Moves every point by a number of steps of conjugate gradients and cuts the sum of the steps off at the bounds. No objective gets worse.
pub(crate) fn descend(problems: &Problems<'_>, loss_terms: LossTerms, points: Vec<&mut DualPoint>, effort: Effort) {
    let mut descents: Vec<Descent<'_>> =
        points.into_iter().map(|point| Descent::new(problems, loss_terms, point)).collect();
    for _ in 0..effort.max_n_steps() {
        let mut active: Vec<&mut Descent<'_>> =
            descents.iter_mut().filter(|descent| descent.is_unfinished(effort)).collect();
        if active.is_empty() {
            break;
        }
        let directions: Vec<&[f64]> = active.iter().map(|descent| descent.direction.as_slice()).collect();
        let products = outputs_of(problems, &directions, effort);
        active.par_iter_mut().zip(products).for_each(|(descent, product)| {
            descent.step(problems, loss_terms, product, effort);
        });
    }
    descents.par_iter_mut().for_each(|descent| descent.finish_inside(loss_terms));
    // The points whose move stays inside the bounds are done. For the others the move is cut off, and halved where that is needed.
    for halving in 0..MAX_N_HALVINGS {
        let length = 0.5_f64.powi(halving as i32);
        let mut outside: Vec<(&mut Descent<'_>, Vec<f64>)> = descents
            .iter_mut()
            .filter(|descent| !descent.accepted)
            .map(|descent| {
                let to_bounds = descent.to_bounds(loss_terms, length);
                (descent, to_bounds)
            })
            .collect();
        if outside.is_empty() {
            break;
        }
        let moves: Vec<&[f64]> = outside.iter().map(|(_, to_bounds)| to_bounds.as_slice()).collect();
        let products = outputs_of(problems, &moves, effort);
        outside.par_iter_mut().zip(products).for_each(|((descent, to_bounds), product)| {
            let share = descent.best_share(problems, loss_terms, to_bounds, &product, effort);
            if share > MIN_SHARE {
                descent.outputs = product;
                descent.accept(loss_terms, length);
            }
        });
    }
    if effort == Effort::High {
        let remaining = descents.par_iter_mut().filter(|descent| !descent.accepted);
        remaining.for_each(|descent| descent.move_to_first_bound(loss_terms));
    }
}

impl<'p> Descent<'p> {
    fn new(problems: &Problems<'_>, loss_terms: LossTerms, point: &'p mut DualPoint) -> Self {
        let n = point.alphas.len();
        let bias = problems.squared_bias_feature * point.alpha_sum;
        let mut free = vec![false; n];
        let mut residual = vec![0.0; n];
        for i in 0..n {
            let y = f64::from(point.targets[i]);
            let a = y * point.alphas[i];
            free[i] = a > 0.0 && a < loss_terms.upper;
            if free[i] {
                residual[i] = y - (point.outputs[i] + bias) - loss_terms.diagonal * point.alphas[i];
            }
        }
        let squared_residual = dot(&residual, &residual);
        Self {
            point,
            free,
            direction: residual.clone(),
            residual,
            shift: vec![0.0; n],
            outputs: vec![0.0; n],
            squared_residual,
            first_squared_residual: squared_residual,
            accepted: squared_residual == 0.0,
        }
    }

    fn is_unfinished(&self, effort: Effort) -> bool {
        self.squared_residual > effort.max_residual_ratio() * self.first_squared_residual
    }

    /// One step; `product` is K · direction.
    fn step(&mut self, problems: &Problems<'_>, loss_terms: LossTerms, product: Vec<f64>, effort: Effort) {
        let sum: f64 = self.direction.iter().sum();
        let bias = problems.squared_bias_feature * sum;
        let curvature =
            dot(&self.direction, &product) + bias * sum + loss_terms.diagonal * dot(&self.direction, &self.direction);
        if curvature <= 0.0 {
            // The objective is flat along this direction, up to rounding: these steps are over.
            self.squared_residual = 0.0;
            if effort == Effort::High && loss_terms.upper.is_finite() {
                // The objective falls along this direction without end. A move of this length leaves the bounds.
                let largest = self.direction.iter().fold(0.0_f64, |largest, entry| largest.max(entry.abs()));
                self.extend_shift(&product, 2.0 * loss_terms.upper / largest);
            }
            return;
        }
        let length = self.squared_residual / curvature;
        self.extend_shift(&product, length);
        let changes = product.iter().zip(&self.direction);
        for ((residual, (product, direction)), &free) in self.residual.iter_mut().zip(changes).zip(&self.free) {
            if free {
                *residual -= length * (product + bias + loss_terms.diagonal * direction);
            }
        }
        let squared_residual = dot(&self.residual, &self.residual);
        let ratio = squared_residual / self.squared_residual;
        for (direction, &residual) in self.direction.iter_mut().zip(&self.residual) {
            *direction = residual + ratio * *direction;
        }
        self.squared_residual = squared_residual;
    }

    /// Adds the direction times `length` to the shift; `product` is K · direction.
    fn extend_shift(&mut self, product: &[f64], length: f64) {
        add_scaled(&mut self.shift, &self.direction, length);
        add_scaled(&mut self.outputs, product, length);
    }

    /// Accepts the steps if they end inside the bounds.
    fn finish_inside(&mut self, loss_terms: LossTerms) {
        let inside = self.point.targets.iter().zip(&self.point.alphas).zip(&self.shift).all(|((&y, alpha), shift)| {
            let a = f64::from(y) * (alpha + shift);
            (0.0..=loss_terms.upper).contains(&a)
        });
        if inside {
            self.accept(loss_terms, 1.0);
        }
    }

    /// Moves along the shift until the first sample reaches a bound. The objective falls along the whole shift, so this move needs no test.
    fn move_to_first_bound(&mut self, loss_terms: LossTerms) {
        let mut length = 1.0_f64;
        let mut first = None;
        for (i, &shift) in self.shift.iter().enumerate() {
            let y = f64::from(self.point.targets[i]);
            let (a, change) = (y * self.point.alphas[i], y * shift);
            let bound = if change > 0.0 { loss_terms.upper } else { 0.0 };
            if change != 0.0 && (bound - a) / change < length {
                length = (bound - a) / change;
                first = Some((i, y * bound));
            }
        }
        self.outputs.iter_mut().for_each(|output| *output *= length);
        if let Some((i, bound)) = first {
            // Rounding must not leave this sample beside its bound.
            self.shift[i] = (bound - self.point.alphas[i]) / length;
        }
        self.accept(loss_terms, length);
    }

    /// The shift times `length`, cut off at the bounds.
    fn to_bounds(&self, loss_terms: LossTerms, length: f64) -> Vec<f64> {
        let of = |((&y, &alpha), &shift): ((&i8, &f64), &f64)| loss_terms.clamp(y, alpha + length * shift) - alpha;
        self.point.targets.iter().zip(&self.point.alphas).zip(&self.shift).map(of).collect()
    }

    /// The share of a move of α (0: its start, 1: its end) at which the dual objective is lowest; `product` is K · shift. Infinite with
    /// [`Effort::High`] if the objective falls along the move without end.
    fn best_share(
        &self,
        problems: &Problems<'_>,
        loss_terms: LossTerms,
        shift: &[f64],
        product: &[f64],
        effort: Effort,
    ) -> f64 {
        let sum: f64 = shift.iter().sum();
        let bias = problems.squared_bias_feature * self.point.alpha_sum;
        let (mut slope, mut curvature) = (0.0, problems.squared_bias_feature * sum * sum);
        for (i, (&shift, &product)) in shift.iter().zip(product).enumerate() {
            let y = f64::from(self.point.targets[i]);
            slope += shift * (self.point.outputs[i] + bias + loss_terms.diagonal * self.point.alphas[i] - y);
            curvature += shift * (product + loss_terms.diagonal * shift);
        }
        if curvature > 0.0 {
            -slope / curvature
        } else if effort == Effort::High && slope < 0.0 {
            f64::INFINITY
        } else {
            0.0
        }
    }

    /// Moves the point by the shift times `length`, cut off at the bounds. A sample that is cut off lies exactly on its bound.
    fn accept(&mut self, loss_terms: LossTerms, length: f64) {
        let point = &mut *self.point;
        for ((alpha, &y), &shift) in point.alphas.iter_mut().zip(&point.targets).zip(&self.shift) {
            *alpha = loss_terms.clamp(y, *alpha + length * shift);
        }
        add_scaled(&mut point.outputs, &self.outputs, 1.0);
        point.alpha_sum = point.alphas.iter().sum();
        point.exact = false;
        self.accepted = true;
    }
}

/// `K · direction` for each direction.
fn outputs_of(problems: &Problems<'_>, directions: &[&[f64]], effort: Effort) -> Vec<Vec<f64>> {
    if effort == Effort::High {
        return directions.par_iter().map(|direction| problems.exact_outputs(direction)).collect();
    }
    let n = problems.gram.nrows();
    let mut left = Array2::<f32>::zeros((directions.len(), n));
    for (mut row, direction) in left.rows_mut().into_iter().zip(directions) {
        row.iter_mut().zip(*direction).for_each(|(to, &from)| *to = from as f32);
    }
    let panels = problems.panels.multiply(left.view(), 0..n);
    (0..directions.len()).map(|row| panels.iter().flat_map(|panel| panel.row(row).to_vec()).collect()).collect()
}
