//! Why one address did not give the file.

use std::fmt;
use std::time::Duration;

use crate::digest::Digest;
use crate::package::Size;

/// Why one address did not give the file. Each message is a part of a sentence after the address.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The server does not answer with the file.
    #[error("the server answered {code}{}", reason(*code))]
    Status {
        /// The status of HTTP.
        code: u16,
    },
    /// No server could be reached under this name.
    #[error("no server has this name, or there is no network")]
    NoServer,
    /// There is no connection, or it broke.
    #[error("the connection failed: {problem}")]
    Connection {
        /// The error of the system.
        problem: String,
    },
    /// The server does not answer in time.
    #[error("no answer within {}", seconds(*waited))]
    NoAnswer {
        /// The time that it had.
        waited: Duration,
    },
    /// The server stopped sending.
    #[error("nothing came for {}, after {done} bytes", seconds(*waited))]
    Stalled {
        /// Bytes of the file that are there.
        done: u64,
        /// The time that the next byte had.
        waited: Duration,
    },
    /// The server ended before the end of the file.
    #[error("the connection ended after {done} bytes, expected {expected}")]
    Ended {
        /// Bytes of the file that are there.
        done: u64,
        /// Number of bytes of the whole file.
        expected: Size,
    },
    /// The server says that the file has another size.
    #[error("the server says that the file has {found} bytes, expected {expected}")]
    OtherSize {
        /// The size that the server says.
        found: u64,
        /// The known size.
        expected: Size,
    },
    /// The server sends more than the file has.
    #[error("the server sends more than {most} bytes, expected {expected}")]
    TooMuch {
        /// The largest possible number of bytes.
        most: u64,
        /// The known size.
        expected: Size,
    },
    /// The server answers with another part of the file.
    #[error("the server sent {found}, expected the bytes from {expected} on")]
    OtherRange {
        /// The field `Content-Range`.
        found: String,
        /// The first byte that was asked for.
        expected: u64,
    },
    /// The server answers with a page for people, as login pages of networks do.
    #[error("the server sent a page of the web ({found}) in place of the file; does this network ask for a login?")]
    WebPage {
        /// The field `Content-Type`.
        found: String,
    },
    /// The server answers with text, as servers do that report a mistake.
    #[error("the server sent text ({found}) in place of the file")]
    Text {
        /// The field `Content-Type`.
        found: String,
    },
    /// The server compresses what it sends.
    #[error("the server compressed the file ({found}), which was not asked for")]
    Compressed {
        /// The field `Content-Encoding`.
        found: String,
    },
    /// The server names another address again and again.
    #[error("the server redirected more than {limit} times")]
    Redirects {
        /// Number of redirections that are followed.
        limit: u32,
    },
    /// The server leads from an encrypted connection to one that is not.
    #[error("the server redirected from https to {to}, which is not encrypted")]
    Unencrypted {
        /// The address that it leads to.
        to: String,
    },
    /// The file has another digest.
    #[error("sha256 of the file is {found}, expected {expected}")]
    OtherDigest {
        /// The digest of the file.
        found: Digest,
        /// The published digest.
        expected: Digest,
    },
    /// The file has another form.
    #[error("{problem}")]
    OtherForm {
        /// What is wrong with it.
        problem: String,
    },
    /// TLS, the proxy, or the form of the answer.
    #[error("{problem}")]
    Other {
        /// The error of the HTTP client.
        problem: String,
    },
}

impl Problem {
    /// Whether the same address may have another answer in a few seconds.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Status { code } => matches!(code, 408 | 425 | 429 | 500..=599),
            Self::NoServer
            | Self::Connection { .. }
            | Self::NoAnswer { .. }
            | Self::Stalled { .. }
            | Self::Ended { .. } => true,
            _ => false,
        }
    }
}

/// The words of HTTP for a status that users meet.
fn reason(code: u16) -> &'static str {
    match code {
        403 => " (forbidden)",
        404 => " (not found)",
        407 => " (the proxy asks for a password)",
        410 => " (gone)",
        429 => " (too many requests)",
        500 => " (internal error)",
        502 => " (bad gateway)",
        503 => " (service unavailable)",
        504 => " (gateway timeout)",
        _ => "",
    }
}

/// `20 s`, `0.3 s`.
fn seconds(duration: Duration) -> String {
    format!("{} s", (duration.as_secs_f64() * 10.0).round() / 10.0)
}

impl fmt::Display for Size {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.least == self.most {
            write!(formatter, "{}", self.most)
        } else {
            write!(formatter, "{} to {}", self.least, self.most)
        }
    }
}

/// One address that did not give the file.
#[derive(Debug)]
pub struct Failure {
    /// The address.
    pub address: String,
    /// The last problem.
    pub problem: Problem,
    /// Number of times that the address was tried.
    pub n_tries: u32,
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.address, self.problem)?;
        if self.n_tries > 1 { write!(formatter, " (tried {} times)", self.n_tries) } else { Ok(()) }
    }
}
