//! Stopping between two images when the user asks, without losing a finished shard.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A flag that a signal handler raises and that every loop over images looks at.
#[derive(Debug, Clone, Default)]
pub struct Interrupt(Arc<AtomicBool>);

/// The error of a run that was asked to stop.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("stopped on request; every finished artifact is kept: the same command goes on from there")]
pub struct Interrupted;

impl Interrupt {
    /// Asks the run to stop at the next image.
    pub fn raise(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether somebody asked.
    pub fn is_raised(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// An error once somebody asked.
    ///
    /// # Errors
    /// [`Interrupted`] after [`Interrupt::raise`].
    pub fn check(&self) -> Result<(), Interrupted> {
        if self.is_raised() { Err(Interrupted) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_raised_flag_is_seen_by_every_copy() {
        let flag = Interrupt::default();
        let copy = flag.clone();
        assert!(copy.check().is_ok());
        flag.raise();
        assert!(copy.check().is_err());
    }
}
