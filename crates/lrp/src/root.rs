//! Where the Taylor expansion of a score starts: at a root, or at the best point tried.

use crate::machine::Machine;

/// Score at a root, relative to the sizes the score is a sum of.
const TOLERANCE: f64 = 1e-9;
/// Halvings of an interval; more than the digits of an `f64` change nothing.
const N_HALVINGS: usize = 60;
/// Steps along the gradient, in units of the step at which a linear score would be 0. Finer at first, so that a near root is not
/// stepped over.
const STEPS: [f64; 8] = [0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 4.0, 8.0];

/// A point with a score of 0 up to [`TOLERANCE`], and the 0; where none was met, the point tried whose score is nearest to 0, and that
/// score.
pub(crate) fn expansion_point(machine: &Machine<'_>, x: &[f64]) -> (Vec<f64>, f64) {
    let score = machine.score(x);
    let tolerance = TOLERANCE * machine.scale();
    if score.abs() <= tolerance {
        return (x.to_vec(), 0.0);
    }
    let mut search = Search { machine, x, score, tolerance, nearest: (x.to_vec(), score) };
    let root = search.towards_a_support_vector().or_else(|| search.along_the_gradient());
    let root = root.or_else(|| {
        let zero = vec![0.0; x.len()];
        search.is_beyond(&zero).then(|| search.bisect(|share| between(x, &zero, share), 0.0, 1.0))
    });
    root.map_or(search.nearest, |root| (root, 0.0))
}

struct Search<'a> {
    machine: &'a Machine<'a>,
    x: &'a [f64],
    score: f64,
    tolerance: f64,
    /// The point tried so far whose score is nearest to 0; the first of equals.
    nearest: (Vec<f64>, f64),
}

impl Search<'_> {
    /// Whether the score of a point has the other sign than that of x, or none.
    fn is_beyond(&mut self, point: &[f64]) -> bool {
        let score = self.machine.score(point);
        if score.abs() < self.nearest.1.abs() {
            self.nearest = (point.to_vec(), score);
        }
        self.has_turned(score)
    }

    fn has_turned(&self, score: f64) -> bool {
        score == 0.0 || (score > 0.0) != (self.score > 0.0)
    }

    fn along_the_gradient(&mut self) -> Option<Vec<f64>> {
        let gradient = self.machine.gradient(self.x);
        let squared: f64 = gradient.iter().map(|g| g * g).sum();
        let unit = self.score / squared;
        if !unit.is_finite() {
            return None;
        }
        let lowest = if self.machine.is_of_histograms() { 0.0 } else { f64::NEG_INFINITY };
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

    /// The nearest first; among equally near ones that of the lower index.
    fn towards_a_support_vector(&mut self) -> Option<Vec<f64>> {
        let mut supports: Vec<(f64, Vec<f64>)> = self
            .machine
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

    /// Between `near`, where the score has the sign it has at x, and `far`, where it has not.
    fn bisect(&self, at: impl Fn(f64) -> Vec<f64>, mut near: f64, mut far: f64) -> Vec<f64> {
        let mut point = at(far);
        for _ in 0..N_HALVINGS {
            let middle = 0.5 * (near + far);
            point = at(middle);
            let score = self.machine.score(&point);
            if score.abs() <= self.tolerance {
                break;
            }
            if self.has_turned(score) {
                far = middle;
            } else {
                near = middle;
            }
        }
        point
    }
}

fn between(x: &[f64], end: &[f64], share: f64) -> Vec<f64> {
    x.iter().zip(end).map(|(x, end)| x + share * (end - x)).collect()
}
