//! One line of the table: our time, the peer's, the machine's limit and what the time ought to be.

use serde::{Serialize, Serializer, ser::SerializeStruct};

use super::timing::Timing;

/// What a time is held against. All are worked out from times of the same run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Goal {
    /// So many times as fast as the peer.
    Faster {
        /// Peer's time over ours, at least.
        factor: f64,
        /// Seconds of the peer.
        peer: f64,
    },
    /// The bare matrix product's time is at least this share of ours.
    ProductShare {
        /// In (0, 1].
        share: f64,
        /// Seconds of the product at G.
        product: f64,
    },
    /// At most so many times another time.
    AtMost {
        /// Ours over the other, at most.
        factor: f64,
        /// Seconds of the other.
        other: f64,
        /// What the other is.
        what: &'static str,
    },
}

impl Goal {
    /// The most seconds that meet it.
    pub(crate) fn seconds(&self) -> f64 {
        match self {
            Self::Faster { factor, peer } => peer / factor,
            Self::ProductShare { share, product } => product / share,
            Self::AtMost { factor, other, .. } => factor * other,
        }
    }

    /// In words, for the notes under the table.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::Faster { factor, .. } => format!("≥ {factor} × the peer"),
            Self::ProductShare { share, .. } => format!("product at G ≥ {:.0} % of ours", 100.0 * share),
            Self::AtMost { factor, what, .. } => format!("≤ {} × {what}", number(*factor)),
        }
    }
}

fn number(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Somebody else's time for the same work on the same input.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Peer {
    /// Its name.
    pub(crate) name: String,
    /// Seconds of its best run.
    pub(crate) seconds: f64,
    /// What it was built with, in its own words.
    pub(crate) built_with: String,
}

/// What the machine would need at the least.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Limit {
    /// The stage's matrix product at G.
    Product(f64),
    /// The bytes that it has to move, at the machine's bandwidth.
    Memory(f64),
}

impl Limit {
    /// Seconds.
    pub(crate) fn seconds(self) -> f64 {
        match self {
            Self::Product(seconds) | Self::Memory(seconds) => seconds,
        }
    }

    /// Its name.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Product(_) => "product",
            Self::Memory(_) => "memory",
        }
    }
}

/// One measured stage.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    /// Name of the row.
    pub(crate) name: &'static str,
    /// Our time.
    pub(crate) timing: Timing,
    /// Threads it was measured with.
    pub(crate) threads: usize,
    /// What it is held against; empty for information only.
    pub(crate) goals: Vec<Goal>,
    /// The peer, where there is one here.
    pub(crate) peer: Option<Peer>,
    /// The machine's limit.
    pub(crate) limit: Option<Limit>,
    /// What was measured.
    pub(crate) note: String,
}

impl Row {
    /// A row of one thread that is held against nothing yet.
    pub(crate) fn new(name: &'static str, timing: Timing, note: impl Into<String>) -> Self {
        Self { name, timing, threads: 1, goals: Vec::new(), peer: None, limit: None, note: note.into() }
    }

    /// Adds a peer's time, if it could be measured, and by how much it is to be beaten.
    #[must_use]
    pub(crate) fn beside(mut self, peer: Option<Peer>, factor: Option<f64>) -> Self {
        if let (Some(peer), Some(factor)) = (&peer, factor) {
            self.goals.push(Goal::Faster { factor, peer: peer.seconds });
        }
        self.peer = peer;
        self
    }

    /// Adds the bare product's time, and which share of ours it is to be.
    #[must_use]
    pub(crate) fn product(mut self, product: f64, share: Option<f64>) -> Self {
        if let Some(share) = share {
            self.goals.push(Goal::ProductShare { share, product });
        }
        self.limit = Some(Limit::Product(product));
        self
    }

    /// Adds another time that this one follows.
    #[must_use]
    pub(crate) fn at_most(mut self, factor: f64, other: f64, what: &'static str) -> Self {
        self.goals.push(Goal::AtMost { factor, other, what });
        self
    }

    /// Our best time.
    pub(crate) fn seconds(&self) -> f64 {
        self.timing.best
    }

    /// The strictest of the goals that could be worked out.
    pub(crate) fn goal_seconds(&self) -> Option<f64> {
        self.goals.iter().map(Goal::seconds).min_by(f64::total_cmp)
    }

    /// Whether the strictest goal is met.
    pub(crate) fn is_met(&self) -> Option<bool> {
        Some(self.seconds() <= self.goal_seconds()?)
    }

    /// How many times as fast as the peer.
    pub(crate) fn ratio(&self) -> Option<f64> {
        Some(self.peer.as_ref()?.seconds / self.seconds())
    }

    /// The limit's share of our time.
    pub(crate) fn share_of_limit(&self) -> Option<f64> {
        Some(self.limit?.seconds() / self.seconds())
    }
}

impl Serialize for Row {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut row = serializer.serialize_struct("Row", 14)?;
        row.serialize_field("name", self.name)?;
        row.serialize_field("seconds", &self.seconds())?;
        row.serialize_field("median_seconds", &self.timing.median)?;
        row.serialize_field("repeats", &self.timing.repeats)?;
        row.serialize_field("threads", &self.threads)?;
        row.serialize_field("goal_seconds", &self.goal_seconds())?;
        row.serialize_field("goals", &self.goals.iter().map(Goal::words).collect::<Vec<_>>())?;
        row.serialize_field("met", &self.is_met())?;
        row.serialize_field("peer", &self.peer.as_ref().map(|peer| &peer.name))?;
        row.serialize_field("peer_seconds", &self.peer.as_ref().map(|peer| peer.seconds))?;
        row.serialize_field("peer_built_with", &self.peer.as_ref().map(|peer| &peer.built_with))?;
        row.serialize_field("ratio", &self.ratio())?;
        row.serialize_field("limit_seconds", &self.limit.map(Limit::seconds))?;
        row.serialize_field("note", &self.note)?;
        row.end()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn example() -> Row {
        let peer = Peer { name: "VLFeat".to_owned(), seconds: 0.6, built_with: "none".to_owned() };
        Row::new("fisher-vector", Timing { best: 0.05, median: 0.06, repeats: 9 }, "K 256")
            .beside(Some(peer), Some(10.0))
            .product(0.03, Some(0.43))
    }

    #[test]
    fn the_strictest_goal_counts() {
        let row = example();
        // 0.6 / 10 against 0.03 / 0.43.
        assert_eq!(row.goal_seconds(), Some(0.06));
        assert_eq!(row.is_met(), Some(true));
        assert!((row.ratio().unwrap() - 12.0).abs() < 1e-12);
        assert!((row.share_of_limit().unwrap() - 0.6).abs() < 1e-12);
        let stricter = row.at_most(1.5, 0.02, "another");
        assert!((stricter.goal_seconds().unwrap() - 0.03).abs() < 1e-12);
        assert_eq!(stricter.is_met(), Some(false));
    }

    #[test]
    fn a_row_without_goal_or_peer_says_nothing() {
        let row = Row::new("jpeg-to-gray", Timing { best: 1.0, median: 1.0, repeats: 1 }, "").beside(None, Some(4.5));
        assert_eq!((row.goal_seconds(), row.is_met(), row.ratio(), row.share_of_limit()), (None, None, None, None));
    }

    #[test]
    fn json_has_every_field_and_null_where_there_is_nothing() {
        let json = serde_json::to_value(example()).unwrap();
        for field in ["name", "seconds", "goal_seconds", "peer", "peer_seconds", "ratio", "limit_seconds"] {
            assert!(!json[field].is_null(), "{field}");
        }
        let bare = Row::new("jpeg-to-gray", Timing { best: 1.0, median: 1.0, repeats: 1 }, "");
        let json = serde_json::to_value(bare).unwrap();
        for field in ["goal_seconds", "peer", "peer_seconds", "ratio", "limit_seconds"] {
            assert!(json.as_object().unwrap()[field].is_null(), "{field}");
        }
    }
}
