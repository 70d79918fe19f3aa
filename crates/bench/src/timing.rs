//! How long something takes: warmed up, repeated, the best run and the one in the middle.

use std::hint::black_box;
use std::time::Instant;

use anyhow::Result;

/// Runs at most, whatever they cost.
const MOST_REPEATS: usize = 100;

/// Seconds of one measurement.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Timing {
    /// The fastest run: what the machine can do when nothing disturbs it.
    pub(crate) best: f64,
    /// The run in the middle.
    pub(crate) median: f64,
    /// Runs timed.
    pub(crate) repeats: usize,
}

impl Timing {
    /// From the seconds of each run.
    ///
    /// # Panics
    /// When there is no run.
    pub(crate) fn from_runs(mut seconds: Vec<f64>) -> Self {
        assert!(!seconds.is_empty(), "a timing is made of at least one run");
        seconds.sort_by(f64::total_cmp);
        Self { best: seconds[0], median: seconds[seconds.len() / 2], repeats: seconds.len() }
    }
}

/// How often something is run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Repeats {
    /// This many timed runs, if given.
    pub(crate) fixed: Option<usize>,
    /// Otherwise at least so many.
    pub(crate) least: usize,
    /// And as many as fit into so many seconds.
    pub(crate) seconds: f64,
}

impl Repeats {
    /// Runs `work` as often as these limits say. A first run that is short beside the seconds allowed only warms up.
    ///
    /// # Errors
    /// What `work` says.
    pub(crate) fn time<T>(&self, mut work: impl FnMut() -> Result<T>) -> Result<Timing> {
        let mut run = || -> Result<f64> {
            let since = Instant::now();
            black_box(work()?);
            Ok(since.elapsed().as_secs_f64())
        };
        let first = run()?;
        let mut runs = Vec::new();
        // Caches and lazily mapped memory no longer show in a run of seconds.
        if first > self.seconds / 4.0 {
            runs.push(first);
        }
        let mut spent = first;
        loop {
            let enough = match self.fixed {
                Some(fixed) => runs.len() >= fixed.max(1),
                None => runs.len() >= MOST_REPEATS || (runs.len() >= self.least && spent + first > self.seconds),
            };
            if enough && !runs.is_empty() {
                return Ok(Timing::from_runs(runs));
            }
            let seconds = run()?;
            spent += seconds;
            runs.push(seconds);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn best_and_median() {
        let timing = Timing::from_runs(vec![3.0, 1.0, 2.0]);
        assert_eq!((timing.best, timing.median, timing.repeats), (1.0, 2.0, 3));
    }

    #[test]
    fn a_short_first_run_warms_up() {
        let mut n = 0;
        let mut count = || {
            n += 1;
            Ok(n)
        };
        let timing = Repeats { fixed: Some(4), least: 1, seconds: 60.0 }.time(&mut count).unwrap();
        assert_eq!((timing.repeats, n), (4, 5));
        let timing = Repeats { fixed: None, least: 3, seconds: 0.0 }.time(|| Ok(())).unwrap();
        assert_eq!(timing.repeats, 3);
    }
}
