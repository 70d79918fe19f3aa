//! The time of a stage without the stages that it asks for.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Measures stages that call each other on one thread.
#[derive(Debug, Default)]
pub(crate) struct OwnTime {
    /// The time since the last start that belongs to stages which have ended.
    inner: Mutex<Duration>,
}

/// The start of a stage.
#[derive(Debug)]
pub struct Timer {
    since: Instant,
    /// The inner time of the stage that called this one, up to this start.
    outer: Duration,
}

impl OwnTime {
    /// Starts to measure a stage.
    pub(crate) fn start(&self, now: Instant) -> Timer {
        let outer = std::mem::take(&mut *self.inner.lock().unwrap_or_else(PoisonError::into_inner));
        Timer { since: now, outer }
    }

    /// The own time of a stage since its start.
    pub(crate) fn stop(&self, timer: &Timer, now: Instant) -> Duration {
        let whole = now - timer.since;
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let own = whole.saturating_sub(*inner);
        // For the stage that called this one, the whole time is the time of other stages.
        *inner = timer.outer + whole;
        own
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_other_stages_is_left_out() {
        let begin = Instant::now();
        let at = |seconds: u64| begin + Duration::from_secs(seconds);
        let own = |seconds: u64| Duration::from_secs(seconds);
        let time = OwnTime::default();
        let outer = time.start(at(0));
        let middle = time.start(at(2));
        let inner = time.start(at(3));
        assert_eq!(time.stop(&inner, at(13)), own(10));
        assert_eq!(time.stop(&middle, at(14)), own(2), "1 s before the inner stage and 1 s after it");
        let sibling = time.start(at(15));
        assert_eq!(time.stop(&sibling, at(20)), own(5));
        assert_eq!(time.stop(&outer, at(24)), own(24 - 12 - 5));
        // The next stage owes nothing to those before it.
        let next = time.start(at(30));
        assert_eq!(time.stop(&next, at(31)), own(1));
    }
}
