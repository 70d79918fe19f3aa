//! The reports of a running experiment: its progress, and one line per finished stage. They do not depend on a terminal.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Receives the reports of an experiment.
pub trait Observer: Send + Sync {
    /// One line for the log.
    fn line(&self, text: &str);

    /// The work called `label` begins; it has `total` steps.
    fn begin(&self, label: &str, total: u64) -> Box<dyn Bar>;
}

/// Receives the progress of one piece of work. Dropping it means that the work has ended.
pub trait Bar: Send + Sync {
    /// `n_steps` more steps are done.
    fn advance(&self, n_steps: u64);

    /// `position` steps are done in total.
    fn set_position(&self, position: u64);

    /// A short text next to the number of steps.
    fn set_message(&self, message: &str);
}

/// The observer that an experiment reports to.
#[derive(Clone)]
pub struct Progress(Arc<dyn Observer>);

/// Reports to nobody.
struct Silent;

impl Observer for Silent {
    fn line(&self, _: &str) {}

    fn begin(&self, _: &str, _: u64) -> Box<dyn Bar> {
        Box::new(Self)
    }
}

impl Bar for Silent {
    fn advance(&self, _: u64) {}
    fn set_position(&self, _: u64) {}
    fn set_message(&self, _: &str) {}
}

impl fmt::Debug for Progress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Progress")
    }
}

impl Progress {
    /// Reports to `observer`.
    pub fn to(observer: impl Observer + 'static) -> Self {
        Self(Arc::new(observer))
    }

    /// Reports to nobody: for tests, and for programs with their own interface.
    pub fn silent() -> Self {
        Self::to(Silent)
    }

    /// One line for the log.
    pub fn line(&self, text: &str) {
        self.0.line(text);
    }

    /// The work called `label` begins; it has `total` steps.
    pub fn bar(&self, label: &str, total: u64) -> Box<dyn Bar> {
        self.0.begin(label, total)
    }

    /// One line for the log that begins with the name of a stage.
    pub fn stage_line(&self, stage: &str, text: &str) {
        self.line(&format!("{stage:>12}  {text}"));
    }

    /// The line of a stage that was computed, with the time that it took.
    pub fn computed(&self, stage: &str, what: &str, took: Duration) {
        self.stage_line(stage, &format!("{what}  ({})", duration(took)));
    }
}

/// `0.8 s`, `12 s`, `3 min 05 s`, `2 h 10 min`.
pub fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds < 9.95 {
        return format!("{seconds:.1} s");
    }
    let whole = seconds.round() as u64;
    match whole {
        0..60 => format!("{whole} s"),
        60..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn durations_have_readable_units() {
        let text = |seconds: f64| duration(Duration::from_secs_f64(seconds));
        assert_eq!(text(0.84), "0.8 s");
        assert_eq!(text(12.4), "12 s");
        assert_eq!(text(59.7), "1 min 00 s");
        assert_eq!(text(185.0), "3 min 05 s");
        assert_eq!(text(7800.0), "2 h 10 min");
    }

    #[test]
    fn the_observer_receives_the_lines() {
        struct Lines(Arc<Mutex<Vec<String>>>);
        impl Observer for Lines {
            fn line(&self, text: &str) {
                self.0.lock().unwrap().push(text.to_owned());
            }
            fn begin(&self, _: &str, _: u64) -> Box<dyn Bar> {
                Box::new(Silent)
            }
        }
        let lines = Arc::new(Mutex::new(Vec::new()));
        Progress::to(Lines(Arc::clone(&lines))).computed("pca", "128 → 80 dimensions", Duration::from_millis(1500));
        assert_eq!(*lines.lock().unwrap(), ["         pca  128 → 80 dimensions  (1.5 s)"]);
    }
}
