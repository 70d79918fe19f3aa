//! The series of traces of an experiment: in which order descriptors are taken, from which end, and what takes their place.

use std::fmt;
use std::str::FromStr;

use anyhow::{Context as _, Error, Result, bail};
use fisherlens_lrp::Rule;
use serde::{Deserialize, Serialize};

/// What descriptors, or regions, are ranked by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Ranking {
    /// Their relevance by this rule.
    Rule(Rule),
    /// Their contrast before normalisation, which knows nothing of the classifier: a baseline.
    Contrast,
    /// Nothing: an order drawn anew for every image, class and repeat, the other baseline.
    Random,
}

/// Which end of the ranking goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The most relevant ones: the score should fall fast.
    MostFirst,
    /// The least relevant ones, those that speak most against the class: the score should rise, or stay.
    LeastFirst,
}

/// What takes a descriptor's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Substitute {
    /// A draw from the mixture (`lapuschkin2016`, Algorithm 1).
    Draws,
    /// The mean of the mixture, the same for all.
    Mean,
    /// Nothing: the vector is the mean of those that are left.
    Removal,
}

/// What takes the place of a region's pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fill {
    /// The photograph, blurred by a Gaussian with the side of a region for its standard deviation.
    Blur,
    /// The mean grey value of the photograph.
    Mean,
    /// Grey values drawn uniformly from black to white (`samek2017`).
    Noise,
}

impl std::fmt::Display for Fill {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Blur => "blur",
            Self::Mean => "mean",
            Self::Noise => "noise",
        })
    }
}

/// One series of traces.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Series {
    /// What descriptors are ranked by.
    pub ranking: Ranking,
    /// Which end goes first.
    pub direction: Direction,
    /// What takes their place.
    pub substitute: Substitute,
}

impl Series {
    /// Most first, replaced by draws: Algorithm 1.
    pub fn of(ranking: Ranking) -> Self {
        Self { ranking, direction: Direction::MostFirst, substitute: Substitute::Draws }
    }

    /// The same from the other end.
    #[must_use]
    pub fn least_first(self) -> Self {
        Self { direction: Direction::LeastFirst, ..self }
    }

    /// The same with another substitute.
    #[must_use]
    pub fn by(self, substitute: Substitute) -> Self {
        Self { substitute, ..self }
    }

    /// Whether each repeat differs: draws do, and so do random orders.
    pub fn is_random(self) -> bool {
        self.substitute == Substitute::Draws || self.ranking == Ranking::Random
    }
}

impl Ranking {
    /// Whether it looks at the classifier.
    pub fn is_baseline(self) -> bool {
        !matches!(self, Self::Rule(_))
    }
}

impl fmt::Display for Ranking {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rule(rule) => rule.fmt(formatter),
            Self::Contrast => formatter.write_str("contrast"),
            Self::Random => formatter.write_str("random"),
        }
    }
}

impl FromStr for Ranking {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.trim() {
            "contrast" => Ok(Self::Contrast),
            "random" => Ok(Self::Random),
            rule => Ok(Self::Rule(rule.parse().context("an order is a rule, \"contrast\" or \"random\"")?)),
        }
    }
}

impl fmt::Display for Substitute {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Draws => "draws",
            Self::Mean => "mean",
            Self::Removal => "removal",
        })
    }
}

/// `epsilon=100`, `epsilon=100:least`, `epsilon=100:removal`, `epsilon=100:least:mean`.
impl fmt::Display for Series {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.ranking.fmt(formatter)?;
        if self.direction == Direction::LeastFirst {
            formatter.write_str(":least")?;
        }
        if self.substitute != Substitute::Draws {
            write!(formatter, ":{}", self.substitute)?;
        }
        Ok(())
    }
}

impl FromStr for Series {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut words = text.split(':');
        let mut series = Self::of(words.next().unwrap_or_default().parse()?);
        for word in words {
            series = match word {
                "least" => series.least_first(),
                "draws" => series.by(Substitute::Draws),
                "mean" => series.by(Substitute::Mean),
                "removal" => series.by(Substitute::Removal),
                _ => bail!(
                    "series \"{text}\": \"{word}\" is no part of one; an order (a rule, contrast or random) may be followed by :least and by \
                     :mean or :removal"
                ),
            };
        }
        Ok(series)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_has_a_text() {
        assert_eq!(Series::of(Ranking::Rule(Rule::Epsilon(100.0))).least_first().to_string(), "epsilon=100:least");
    }

    #[test]
    fn other_texts_are_refused() {
        for (text, word) in
            [("", "contrast"), ("gradient", "contrast"), ("naive:most", "\"most\""), ("naive:", ":least")]
        {
            let message = format!("{:#}", text.parse::<Series>().unwrap_err());
            assert!(message.contains(word), "{text}: {message}");
        }
    }
}
