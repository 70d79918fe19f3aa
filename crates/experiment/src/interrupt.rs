//! Stops a run between two images when the user asks for it. Finished shards are not lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A flag that a signal handler raises and that every loop over images checks.
#[derive(Debug, Clone, Default)]
pub struct Interrupt(Arc<AtomicBool>);

/// The error of a run that was asked to stop.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("stopped on request; everything that was finished is kept, and the same command continues from there")]
pub struct Interrupted;

impl Interrupt {
    /// An interrupt whose flag a caller already has.
    pub fn of_flag(flag: Arc<AtomicBool>) -> Self {
        Self(flag)
    }

    /// Asks the run to stop at the next image.
    pub fn raise(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// The flag itself, for signal handlers, which can do no more than set a flag.
    pub fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0)
    }

    /// Whether a stop was requested.
    pub fn is_raised(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Returns an error after a stop was requested.
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
    fn all_copies_of_a_flag_are_raised_together() {
        let flag = Interrupt::default();
        let copy = flag.clone();
        assert!(copy.check().is_ok());
        flag.raise();
        assert!(copy.check().is_err());
    }
}
