//! The series of traces of an experiment: in which order descriptors are replaced, from which end of the order, and by which substitute.

use std::fmt;
use std::str::FromStr;

use anyhow::{Context as _, Error, Result, bail};
use fisherlens_lrp::Rule;
use serde::{Deserialize, Serialize};

/// The value by which descriptors or regions are ranked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Ranking {
    /// Their relevance by this rule.
    Rule(Rule),
    /// Their contrast before normalisation. It does not depend on the classifier, so it is a baseline.
    Contrast,
    /// A random order, drawn separately for each image, class and repeat. It is the other baseline.
    Random,
}

/// Which end of the ranking is replaced first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The most relevant descriptors: the score should fall fast.
    MostFirst,
    /// The least relevant descriptors, which are the strongest evidence against the class: the score should rise, or stay the same.
    LeastFirst,
}

/// What replaces a descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Substitute {
    /// A draw from the mixture (`lapuschkin2016`, Algorithm 1).
    Draws,
    /// The mean of the mixture, the same for all descriptors.
    Mean,
    /// Nothing: the vector becomes the mean over the remaining descriptors.
    Removal,
}

/// What replaces the pixels of a region.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fill {
    /// The photograph, blurred by a Gaussian whose standard deviation is the side of a region.
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
///
/// ```
/// use fisherlens_experiment::series::Series;
///
/// let series: Series = "epsilon=100:least:mean".parse()?;
/// assert_eq!(series.to_string(), "epsilon=100:least:mean");
/// # Ok::<(), anyhow::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Series {
    /// The value by which descriptors are ranked.
    pub ranking: Ranking,
    /// Which end of the ranking is replaced first.
    pub direction: Direction,
    /// What replaces the descriptors.
    pub substitute: Substitute,
}

impl Series {
    /// The series of Algorithm 1: the most relevant descriptors first, replaced by draws.
    pub fn of(ranking: Ranking) -> Self {
        Self { ranking, direction: Direction::MostFirst, substitute: Substitute::Draws }
    }

    /// The same series from the other end of the ranking.
    #[must_use]
    pub fn least_first(self) -> Self {
        Self { direction: Direction::LeastFirst, ..self }
    }

    /// The same series with another substitute.
    #[must_use]
    pub fn by(self, substitute: Substitute) -> Self {
        Self { substitute, ..self }
    }

    /// Whether the repeats differ from each other. They do with draws and with random orders.
    pub fn is_random(self) -> bool {
        self.substitute == Substitute::Draws || self.ranking == Ranking::Random
    }
}

impl Ranking {
    /// Whether the ranking is a baseline, which does not depend on the classifier.
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
            rule => Ok(Self::Rule(rule.parse().context("order: expected a rule, \"contrast\" or \"random\"")?)),
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
                    "series \"{text}\": found \"{word}\", expected an order (a rule, contrast or random), which may be followed by :least \
                     and by :mean or :removal"
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
    fn a_series_is_written_as_text() {
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
