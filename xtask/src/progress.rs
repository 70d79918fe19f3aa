//! Progress bars and one line a finished stage, both on standard error.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::console::say;

/// Where an experiment tells how far it is.
///
/// Bars appear only where standard error is a terminal; the lines of finished stages are printed
/// unless the progress is [`Progress::silent`].
#[derive(Debug, Clone)]
pub struct Progress {
    bars: bool,
    lines: bool,
}

impl Progress {
    /// Bars on a terminal, lines everywhere.
    pub fn standard() -> Self {
        Self { bars: std::io::stderr().is_terminal(), lines: true }
    }

    /// Nothing at all, for tests and for programs with an interface of their own.
    pub fn silent() -> Self {
        Self { bars: false, lines: false }
    }

    /// A bar over `total` things, with rate and time left.
    pub fn bar(&self, label: &str, total: u64) -> ProgressBar {
        let target = if self.bars { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let style = ProgressStyle::with_template("{prefix:>24} [{bar:32}] {pos}/{len}  {per_sec}  {eta} left  {msg}")
            .expect("the template above is well formed")
            .progress_chars("=> ");
        ProgressBar::with_draw_target(Some(total), target).with_style(style).with_prefix(label.to_owned())
    }

    /// One line for the log.
    pub fn line(&self, text: &str) {
        if self.lines {
            say(text);
        }
    }

    /// The line of a stage that was computed.
    pub fn computed(&self, stage: &str, what: &str, since: Instant) {
        self.line(&format!("{stage:>12}  {what}  ({})", duration(since.elapsed())));
    }

    /// The line of a stage whose artifact was there already.
    pub fn cached(&self, stage: &str, what: &str) {
        self.line(&format!("{stage:>12}  {what}  (cached)"));
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
    use super::*;

    #[test]
    fn durations_read_naturally() {
        let text = |seconds: f64| duration(Duration::from_secs_f64(seconds));
        assert_eq!(text(0.84), "0.8 s");
        assert_eq!(text(12.4), "12 s");
        assert_eq!(text(59.7), "1 min 00 s");
        assert_eq!(text(185.0), "3 min 05 s");
        assert_eq!(text(7800.0), "2 h 10 min");
    }

    #[test]
    fn a_bar_counts_without_a_terminal() {
        let bar = Progress::silent().bar("images", 3);
        bar.inc(2);
        assert_eq!(bar.position(), 2);
    }
}
