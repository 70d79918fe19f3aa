//! How patient a download is.

use std::time::Duration;

/// Longest pause between two rounds over the addresses.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How patient a download is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Time in which a connection must be there, from the name of the server to the end of the TLS handshake.
    pub connect_timeout: Duration,
    /// Time in which the next bytes of a connection must come.
    pub stall_timeout: Duration,
    /// Number of times that all addresses are tried, at least 1. An address is left out after an answer that will not change, such as 404.
    pub n_rounds: u32,
    /// Pause after the first round; it doubles with every round, up to 30 s. The same pause is made before a broken download is continued.
    pub first_pause: Duration,
    /// Use the proxy that `HTTP_PROXY`, `HTTPS_PROXY` or `ALL_PROXY` names, unless `NO_PROXY` names the server.
    pub proxy_of_environment: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(20),
            stall_timeout: Duration::from_secs(60),
            n_rounds: 4,
            first_pause: Duration::from_secs(2),
            proxy_of_environment: true,
        }
    }
}

impl Options {
    /// The pause after `n_rounds` rounds.
    pub(crate) fn pause(&self, n_rounds: u32) -> Duration {
        let factor = 1_u32.checked_shl(n_rounds.saturating_sub(1)).unwrap_or(u32::MAX);
        self.first_pause.saturating_mul(factor).min(LONGEST_PAUSE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_limit() {
        let pauses: Vec<u64> = (1..8).map(|n| Options::default().pause(n).as_secs()).collect();
        assert_eq!(pauses, [2, 4, 8, 16, 30, 30, 30]);
        assert_eq!(Options::default().pause(u32::MAX), LONGEST_PAUSE);
    }
}
