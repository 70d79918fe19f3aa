//! Progress bars, and one line for each finished stage, on standard error.

use std::io::IsTerminal as _;
use std::time::Duration;

use fisherlens_experiment::progress::{Bar, Observer, Progress};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::console::say;

/// Time between two redraws of a bar whose work reports no step.
const TICK: Duration = Duration::from_millis(200);

/// Shows bars where standard error is a terminal, and lines everywhere.
struct Terminal {
    bars: bool,
}

/// A bar that disappears when the work ends.
struct Shown(ProgressBar);

/// The progress of an experiment on this program's terminal.
pub fn progress() -> Progress {
    Progress::to(Terminal { bars: std::io::stderr().is_terminal() })
}

impl Observer for Terminal {
    fn line(&self, text: &str) {
        say(text);
    }

    fn begin(&self, label: &str, total: u64) -> Box<dyn Bar> {
        let target = if self.bars { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let style = ProgressStyle::with_template("{prefix:>24} [{bar:32}] {pos}/{len}  {per_sec}  {eta} left  {msg}")
            .expect("the template above is well formed")
            .progress_chars("=> ");
        let bar = ProgressBar::with_draw_target(Some(total), target).with_style(style).with_prefix(label.to_owned());
        if self.bars {
            bar.enable_steady_tick(TICK);
        }
        Box::new(Shown(bar))
    }
}

impl Bar for Shown {
    fn advance(&self, n_steps: u64) {
        self.0.inc(n_steps);
    }

    fn set_position(&self, position: u64) {
        self.0.set_position(position);
    }

    fn set_message(&self, message: &str) {
        self.0.set_message(message.to_owned());
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
