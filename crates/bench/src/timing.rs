//! How long something takes: a warm-up, then repeated runs. The results are the fastest run and the median.

use std::hint::black_box;
use std::time::Instant;

use anyhow::Result;

/// Largest number of runs.
const MAX_REPEATS: usize = 100;

/// Result of one measurement in seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Timing {
    /// The fastest run. Other programs on the machine disturb it least.
    pub(crate) best: f64,
    /// The median of the runs.
    pub(crate) median: f64,
    /// Number of timed runs.
    pub(crate) repeats: usize,
}

impl Timing {
    /// From the seconds of each run.
    ///
    /// # Panics
    /// When the list is empty.
    pub(crate) fn from_runs(mut seconds: Vec<f64>) -> Self {
        assert!(!seconds.is_empty(), "a timing needs at least one run");
        seconds.sort_by(f64::total_cmp);
        Self { best: seconds[0], median: seconds[seconds.len() / 2], repeats: seconds.len() }
    }
}

/// How often something is run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Repeats {
    /// Number of timed runs, if given.
    pub(crate) fixed: Option<usize>,
    /// Otherwise the smallest number of timed runs.
    pub(crate) min: usize,
    /// Otherwise runs are repeated for this number of seconds.
    pub(crate) seconds: f64,
}

impl Repeats {
    /// Runs `work` as often as these limits allow. The first run is not timed, unless it takes more than a quarter of the allowed seconds.
    ///
    /// # Errors
    /// An error of `work`.
    pub(crate) fn time<T>(&self, mut work: impl FnMut() -> Result<T>) -> Result<Timing> {
        let mut run = || -> Result<f64> {
            let since = Instant::now();
            black_box(work()?);
            Ok(since.elapsed().as_secs_f64())
        };
        let first = run()?;
        let mut runs = Vec::new();
        // If a run takes seconds, filling caches and mapping memory for the first time take a negligible part.
        if first > self.seconds / 4.0 {
            runs.push(first);
        }
        let mut spent = first;
        loop {
            let enough = match self.fixed {
                Some(fixed) => runs.len() >= fixed.max(1),
                None => runs.len() >= MAX_REPEATS || (runs.len() >= self.min && spent + first > self.seconds),
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
    fn best_and_median_of_three_runs() {
        let timing = Timing::from_runs(vec![3.0, 1.0, 2.0]);
        assert_eq!((timing.best, timing.median, timing.repeats), (1.0, 2.0, 3));
    }

    #[test]
    fn a_short_first_run_is_not_timed() {
        let mut n = 0;
        let mut count = || {
            n += 1;
            Ok(n)
        };
        let timing = Repeats { fixed: Some(4), min: 1, seconds: 60.0 }.time(&mut count).unwrap();
        assert_eq!((timing.repeats, n), (4, 5));
        let timing = Repeats { fixed: None, min: 3, seconds: 0.0 }.time(|| Ok(())).unwrap();
        assert_eq!(timing.repeats, 3);
    }
}
