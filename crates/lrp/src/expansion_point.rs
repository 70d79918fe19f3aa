//! The point at which the score is expanded: a root of the score, or the best point that the search finds.

use crate::kernel_score::KernelScore;

/// Largest absolute score of a root, relative to [`KernelScore::scale`].
const TOLERANCE: f64 = 1e-9;
/// Largest number of halvings of an interval. An `f64` has 53 binary digits, so more halvings would change nothing.
const MAX_N_HALVINGS: usize = 60;
/// Steps along the gradient, in units of the step at which a linear score would be 0. The first steps are small, so that the search does
/// not step over a near root.
const STEPS: [f64; 8] = [0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 4.0, 8.0];

/// The expansion point and its score.
///
/// If a root is found, the point is the root and the score is 0. Its true score may differ from 0 by up to [`TOLERANCE`] times the scale.
/// Otherwise the point is the point of the search whose score is nearest to 0.
pub(crate) fn expansion_point(kernel_score: &KernelScore<'_>, x: &[f64]) -> (Vec<f64>, f64) {
    let score = kernel_score.at(x);
    let tolerance = TOLERANCE * kernel_score.scale();
    if score.abs() <= tolerance {
        return (x.to_vec(), 0.0);
    }
    let mut search = Search { kernel_score, x, score, tolerance, nearest: (x.to_vec(), score) };
    let root = search.towards_a_support_vector().or_else(|| search.along_the_gradient());
    let root = root.or_else(|| {
        let zero = vec![0.0; x.len()];
        search.is_beyond(&zero).then(|| search.bisect(|share| between(x, &zero, share), 0.0, 1.0))
    });
    root.map_or(search.nearest, |root| (root, 0.0))
}

struct Search<'a> {
    kernel_score: &'a KernelScore<'a>,
    x: &'a [f64],
    score: f64,
    tolerance: f64,
    /// The point so far whose score is nearest to 0; the first one among equals.
    nearest: (Vec<f64>, f64),
}

impl Search<'_> {
    /// Whether the score of a point is 0 or has another sign than the score of x. Remembers the point if its score is the nearest to 0.
    fn is_beyond(&mut self, point: &[f64]) -> bool {
        let score = self.kernel_score.at(point);
        if score.abs() < self.nearest.1.abs() {
            self.nearest = (point.to_vec(), score);
        }
        self.has_changed_sign(score)
    }

    /// Whether a score is 0 or has another sign than the score of x.
    fn has_changed_sign(&self, score: f64) -> bool {
        score == 0.0 || (score > 0.0) != (self.score > 0.0)
    }

    /// A root on the line through x along the gradient.
    fn along_the_gradient(&mut self) -> Option<Vec<f64>> {
        let gradient = self.kernel_score.gradient(self.x);
        let squared: f64 = gradient.iter().map(|g| g * g).sum();
        // At a step of this length along the gradient a linear score would be 0.
        let unit = self.score / squared;
        if !unit.is_finite() {
            return None;
        }
        let lowest = if self.kernel_score.needs_histograms() { 0.0 } else { f64::NEG_INFINITY };
        let x = self.x;
        let at = |step: f64| -> Vec<f64> {
            x.iter().zip(&gradient).map(|(x, g)| (x - step * unit * g).max(lowest)).collect()
        };
        let mut before = 0.0;
        for step in STEPS {
            if self.is_beyond(&at(step)) {
                return Some(self.bisect(at, before, step));
            }
            before = step;
        }
        None
    }

    /// A root between x and the nearest support vector whose score has another sign. Among support vectors at equal distances, the one with
    /// the lower index comes first.
    fn towards_a_support_vector(&mut self) -> Option<Vec<f64>> {
        let mut supports: Vec<(f64, Vec<f64>)> = self
            .kernel_score
            .terms
            .iter()
            .map(|(_, support)| {
                let support: Vec<f64> = support.iter().map(|&s| f64::from(s)).collect();
                (support.iter().zip(self.x).map(|(s, x)| (s - x) * (s - x)).sum(), support)
            })
            .collect();
        supports.sort_by(|one, other| one.0.total_cmp(&other.0));
        let (_, end) = supports.into_iter().find(|(_, support)| self.is_beyond(support))?;
        Some(self.bisect(|share| between(self.x, &end, share), 0.0, 1.0))
    }

    /// A root between `near`, where the score has the same sign as at x, and `far`, where it has another sign.
    fn bisect(&self, at: impl Fn(f64) -> Vec<f64>, mut near: f64, mut far: f64) -> Vec<f64> {
        let mut point = at(far);
        for _ in 0..MAX_N_HALVINGS {
            let middle = 0.5 * (near + far);
            point = at(middle);
            let score = self.kernel_score.at(&point);
            if score.abs() <= self.tolerance {
                break;
            }
            if self.has_changed_sign(score) {
                far = middle;
            } else {
                near = middle;
            }
        }
        point
    }
}

/// The point at this share of the way from x to `end`.
fn between(x: &[f64], end: &[f64], share: f64) -> Vec<f64> {
    x.iter().zip(end).map(|(x, end)| x + share * (end - x)).collect()
}
