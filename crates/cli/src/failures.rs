//! Photographs that could not be explained or scored. They stop no others.

use std::path::Path;

use anyhow::{Error, Result, bail};
use serde::Serialize;

use crate::console::say;

/// A photograph that failed.
#[derive(Debug, Serialize)]
struct Failure {
    path: String,
    error: String,
}

/// All photographs that failed, of a command that was given several. In JSON it is a list of paths and errors.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(crate) struct Failures {
    failed: Vec<Failure>,
    /// Number of photographs that were asked for.
    #[serde(skip)]
    n_photographs: usize,
    /// What could not be done with them: `explained`, `scored`.
    #[serde(skip)]
    done: &'static str,
}

impl Failures {
    pub(crate) fn of(n_photographs: usize, done: &'static str) -> Self {
        Self { failed: Vec::new(), n_photographs, done }
    }

    /// Number of photographs that failed.
    pub(crate) fn len(&self) -> usize {
        self.failed.len()
    }

    /// Reports and keeps the error. The error of an only photograph becomes the error of the command, and is reported there.
    pub(crate) fn note(&mut self, image: &Path, error: &Error) {
        if self.n_photographs > 1 {
            say(format_args!("error: {error:#}"));
        }
        self.failed.push(Failure { path: image.display().to_string(), error: format!("{error:#}") });
    }

    /// The error of the command, if a photograph failed.
    pub(crate) fn finish(&self) -> Result<()> {
        match self.failed.as_slice() {
            [] => Ok(()),
            [failure] if self.n_photographs == 1 => bail!("{}", failure.error),
            failed => bail!("{} of {} photographs could not be {}", failed.len(), self.n_photographs, self.done),
        }
    }
}
