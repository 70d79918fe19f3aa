//! The reports of a running download, and the question whether it shall stop. They do not depend on a terminal.

use std::fmt;

use crate::error::FetchError;

/// What is done with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Its bytes come from a server.
    Download,
    /// Its digest is computed.
    Check,
    /// The files inside it are written.
    Unpack,
    /// Its bytes come from a file that is there already.
    Copy,
}

impl fmt::Display for Work {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Download => "download",
            Self::Check => "check",
            Self::Unpack => "unpack",
            Self::Copy => "copy",
        })
    }
}

/// Receives the reports, and is asked many times per second whether to stop.
pub trait Observer {
    /// One line for the log: a sentence for people.
    fn line(&self, text: &str);

    /// Work on the file called `name` begins; it ends after `total` bytes, or earlier with an error. `total` is a guess where no server says
    /// the size.
    fn begin(&self, work: Work, name: &str, total: u64) -> Box<dyn Bar>;

    /// Whether to stop. The answer must stay `true` after it has been `true`.
    fn is_stopped(&self) -> bool;
}

/// Receives the progress of one piece of work. Dropping it means that the work has ended.
pub trait Bar {
    /// `n_bytes` bytes are done in total. The number falls if a server makes the download start again.
    fn set_position(&self, n_bytes: u64);
}

/// Reports to nobody and never stops.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Observer for Silent {
    fn line(&self, _: &str) {}

    fn begin(&self, _: Work, _: &str, _: u64) -> Box<dyn Bar> {
        Box::new(Self)
    }

    fn is_stopped(&self) -> bool {
        false
    }
}

impl Bar for Silent {
    fn set_position(&self, _: u64) {}
}

/// Returns an error after the observer asked to stop.
pub(crate) fn stopped(observer: &dyn Observer) -> Result<(), FetchError> {
    if observer.is_stopped() { Err(FetchError::Stopped) } else { Ok(()) }
}
