//! Which shards of a stage over images a process computes.

use std::fmt;
use std::str::FromStr;

/// A share of the shards of a stage: every n-th shard. Several processes with different shares compute a stage together.
///
/// ```
/// use fisherlens_experiment::share::Share;
///
/// let share: Share = "2/3".parse()?;
/// let shards: Vec<usize> = (0..8).filter(|&shard| share.contains(shard)).collect();
/// assert_eq!(shards, [1, 4, 7]);
/// assert!("0/3".parse::<Share>().is_err() && "4/3".parse::<Share>().is_err());
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// Counted from 0.
    index: usize,
    of: usize,
}

impl Share {
    /// Whether the shard belongs to this share.
    pub fn contains(self, shard: usize) -> bool {
        shard % self.of == self.index
    }

    /// The share to which a shard belongs, among as many shares.
    #[must_use]
    pub fn with(self, shard: usize) -> Self {
        Self { index: shard % self.of, of: self.of }
    }
}

impl fmt::Display for Share {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.index + 1, self.of)
    }
}

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = text.split_once('/').and_then(|(index, of)| Some((index.parse().ok()?, of.parse().ok()?)));
        match numbers {
            Some((index, of)) if (1..=of).contains(&index) => Ok(Self { index: index - 1, of }),
            _ => Err(format!("found \"{text}\", expected i/n with i from 1 to n, such as 1/4")),
        }
    }
}

/// Which shards are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Chosen {
    /// All of them.
    #[default]
    All,
    /// Those of a share.
    Share(Share),
    /// A single one.
    One(usize),
}

impl Chosen {
    /// Whether the shard is among them.
    pub fn contains(self, shard: usize) -> bool {
        match self {
            Self::All => true,
            Self::Share(share) => share.contains(shard),
            Self::One(one) => one == shard,
        }
    }
}
