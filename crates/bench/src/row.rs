//! One row of the table: our time, the peer's time, the machine's limit and the goal.

use serde::{Serialize, Serializer, ser::SerializeStruct};
use serde_json::json;

use crate::timing::Timing;

/// The goal of a time. All goals are computed from other times of the same run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Goal {
    /// Several times as fast as the peer.
    Faster {
        /// Smallest ratio of the peer's time to ours.
        factor: f64,
        /// Seconds of the peer.
        peer: f64,
    },
    /// The time of the matrix product alone is at least this share of our time.
    ProductShare {
        /// The share, in (0, 1].
        share: f64,
        /// Seconds of the product at the rate G.
        product: f64,
    },
    /// At most another time multiplied by a factor.
    AtMost {
        /// Largest ratio of our time to the other.
        factor: f64,
        /// Seconds of the other time.
        other: f64,
        /// The work that takes the other time.
        what: &'static str,
    },
}

impl Goal {
    /// The largest number of seconds that meets the goal.
    pub(crate) fn seconds(&self) -> f64 {
        match self {
            Self::Faster { factor, peer } => peer / factor,
            Self::ProductShare { share, product } => product / share,
            Self::AtMost { factor, other, .. } => factor * other,
        }
    }

    /// The goal in words, for the notes below the table.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::Faster { factor, .. } => format!("≥ {factor} × the peer"),
            Self::ProductShare { share, .. } => format!("product at G ≥ {:.0} % of our time", 100.0 * share),
            Self::AtMost { factor, what, .. } => format!("≤ {} × {what}", number(*factor)),
        }
    }
}

fn number(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// The time of another program for the same work on the same input.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Peer {
    /// Its name.
    pub(crate) name: String,
    /// Seconds of its best run.
    pub(crate) seconds: f64,
    /// Its version and how it was built, in its own words.
    pub(crate) built_with: String,
    /// In what its work differs from ours; empty if it is the same.
    pub(crate) note: String,
}

/// The shortest time that the machine needs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Limit {
    /// Seconds of the stage's matrix product at the rate G.
    Product(f64),
    /// Seconds for moving the stage's bytes at the machine's bandwidth.
    Memory(f64),
}

impl Limit {
    /// The limit in seconds.
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
    /// Number of threads that it was measured with.
    pub(crate) threads: usize,
    /// Its goals; empty for rows that are only information.
    pub(crate) goals: Vec<Goal>,
    /// The peer, if it was measured.
    pub(crate) peer: Option<Peer>,
    /// Other programs that do this or similar work. There are no goals for them.
    pub(crate) others: Vec<Peer>,
    /// The machine's limit, if the row has one.
    pub(crate) limit: Option<Limit>,
    /// What was measured.
    pub(crate) note: String,
}

impl Row {
    /// A row of one thread without goals.
    pub(crate) fn new(name: &'static str, timing: Timing, note: impl Into<String>) -> Self {
        Self {
            name,
            timing,
            threads: 1,
            goals: Vec::new(),
            peer: None,
            others: Vec::new(),
            limit: None,
            note: note.into(),
        }
    }

    /// Adds a peer's time, if it could be measured, and the factor by which our time should be shorter.
    #[must_use]
    pub(crate) fn with_peer(mut self, peer: Option<Peer>, factor: Option<f64>) -> Self {
        if let (Some(peer), Some(factor)) = (&peer, factor) {
            self.goals.push(Goal::Faster { factor, peer: peer.seconds });
        }
        self.peer = peer;
        self
    }

    /// Adds other programs.
    #[must_use]
    pub(crate) fn beside(mut self, others: Vec<Peer>) -> Self {
        self.others = others;
        self
    }

    /// Adds the time of the matrix product alone, and the share of our time that it should be.
    #[must_use]
    pub(crate) fn product(mut self, product: f64, share: Option<f64>) -> Self {
        if let Some(share) = share {
            self.goals.push(Goal::ProductShare { share, product });
        }
        self.limit = Some(Limit::Product(product));
        self
    }

    /// Adds a goal that depends on another time.
    #[must_use]
    pub(crate) fn at_most(mut self, factor: f64, other: f64, what: &'static str) -> Self {
        self.goals.push(Goal::AtMost { factor, other, what });
        self
    }

    /// Our best time.
    pub(crate) fn seconds(&self) -> f64 {
        self.timing.best
    }

    /// The strictest goal.
    pub(crate) fn goal_seconds(&self) -> Option<f64> {
        self.goals.iter().map(Goal::seconds).min_by(f64::total_cmp)
    }

    /// Whether the strictest goal is met; `None` without a goal.
    pub(crate) fn is_met(&self) -> Option<bool> {
        Some(self.seconds() <= self.goal_seconds()?)
    }

    /// The peer's time divided by ours.
    pub(crate) fn ratio(&self) -> Option<f64> {
        Some(self.peer.as_ref()?.seconds / self.seconds())
    }

    /// The limit divided by our time.
    pub(crate) fn share_of_limit(&self) -> Option<f64> {
        Some(self.limit?.seconds() / self.seconds())
    }
}

impl Serialize for Row {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut row = serializer.serialize_struct("Row", 15)?;
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
        let others = |peer: &Peer| json!({"name": peer.name, "seconds": peer.seconds, "built_with": peer.built_with, "note": peer.note});
        row.serialize_field("others", &self.others.iter().map(others).collect::<Vec<_>>())?;
        row.serialize_field("limit_seconds", &self.limit.map(Limit::seconds))?;
        row.serialize_field("note", &self.note)?;
        row.end()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn example() -> Row {
        let peer = Peer { name: "VLFeat".to_owned(), seconds: 0.6, built_with: "none".to_owned(), note: String::new() };
        Row::new("fisher-vector", Timing { best: 0.05, median: 0.06, repeats: 9 }, "K 256")
            .with_peer(Some(peer), Some(10.0))
            .product(0.03, Some(0.43))
    }

    #[test]
    fn the_strictest_goal_counts() {
        let row = example();
        // The goals are 0.6 / 10 and 0.03 / 0.43.
        assert_eq!(row.goal_seconds(), Some(0.06));
        assert_eq!(row.is_met(), Some(true));
        assert!((row.ratio().unwrap() - 12.0).abs() < 1e-12);
        assert!((row.share_of_limit().unwrap() - 0.6).abs() < 1e-12);
        let stricter = row.at_most(1.5, 0.02, "another");
        assert!((stricter.goal_seconds().unwrap() - 0.03).abs() < 1e-12);
        assert_eq!(stricter.is_met(), Some(false));
    }

    #[test]
    fn a_row_without_goal_and_peer_has_no_ratios() {
        let row =
            Row::new("jpeg-to-gray", Timing { best: 1.0, median: 1.0, repeats: 1 }, "").with_peer(None, Some(4.5));
        assert_eq!((row.goal_seconds(), row.is_met(), row.ratio(), row.share_of_limit()), (None, None, None, None));
    }

    #[test]
    fn json_has_every_field_and_null_for_missing_values() {
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
