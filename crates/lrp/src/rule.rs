//! The three ways of sharing a dimension's relevance among descriptors.

use std::fmt;
use std::str::FromStr;

use crate::LrpError;

/// How the relevance of one dimension is divided among the descriptors that made it.
///
/// With `S[d] = Σ_l m[d](l)` the sum of a dimension's mapping over the descriptors of the image, and `A[d] = Σ_l |m[d](l)|`:
///
/// ```text
/// naive      R[l] = Σ_d R[d] · m[d](l) / S[d]                        (Eq. 9)
/// epsilon    R[l] = Σ_d R[d] · m[d](l) / (S[d] + ε · sgn S[d])       (Eq. 11), sgn(0) = +1
/// absolute   R[l] = Σ_d R[d] · |m[d](l)| / A[d]                      (Eq. 12)
/// ```
///
/// ε is measured against the sum over the descriptors, not their mean; the paper's choice is 100 (supplement, Fig. 1).
/// As text, in settings and on the command line: `naive`, `epsilon=100`, `absolute`.
///
/// # References
/// `lapuschkin2016`, supplement §3; `bach2015`.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(into = "String", try_from = "String"))]
pub enum Rule {
    /// Shares in proportion to the signed mapping.
    Naive,
    /// The same with a stabiliser, finite and above 0, that keeps the divisor away from zero and absorbs relevance.
    Epsilon(f32),
    /// Shares in proportion to the size of the mapping; conserves relevance and forgets the signs.
    Absolute,
}

impl Rule {
    /// Whether the rule itself keeps all relevance: true for all but epsilon.
    pub fn conserves(self) -> bool {
        !matches!(self, Self::Epsilon(_))
    }

    /// Refuses a stabiliser that is not a finite number above 0.
    ///
    /// # Errors
    /// [`LrpError::Epsilon`].
    pub fn check(self) -> Result<(), LrpError> {
        match self {
            Self::Epsilon(epsilon) if !(epsilon.is_finite() && epsilon > 0.0) => {
                Err(LrpError::Epsilon { found: epsilon })
            }
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Naive => formatter.write_str("naive"),
            Self::Epsilon(epsilon) => write!(formatter, "epsilon={epsilon}"),
            Self::Absolute => formatter.write_str("absolute"),
        }
    }
}

impl FromStr for Rule {
    type Err = LrpError;

    fn from_str(text: &str) -> Result<Self, LrpError> {
        let unknown = || LrpError::UnknownRule { found: text.to_owned() };
        match text.trim() {
            "naive" => Ok(Self::Naive),
            "absolute" => Ok(Self::Absolute),
            other => {
                let number = other.strip_prefix("epsilon=").ok_or_else(unknown)?;
                let rule = Self::Epsilon(number.trim().parse().map_err(|_| unknown())?);
                rule.check()?;
                Ok(rule)
            }
        }
    }
}

impl From<Rule> for String {
    fn from(rule: Rule) -> Self {
        rule.to_string()
    }
}

impl TryFrom<String> for Rule {
    type Error = LrpError;

    fn try_from(text: String) -> Result<Self, LrpError> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_survives_its_own_text() {
        for rule in [
            Rule::Naive,
            Rule::Absolute,
            Rule::Epsilon(100.0),
            Rule::Epsilon(1.25e-7),
            Rule::Epsilon(f32::MIN_POSITIVE),
            Rule::Epsilon(0.1),
        ] {
            assert_eq!(rule.to_string().parse::<Rule>().unwrap(), rule);
        }
        assert_eq!(Rule::Epsilon(100.0).to_string(), "epsilon=100");
        assert_eq!("epsilon=1e2".parse::<Rule>().unwrap(), Rule::Epsilon(100.0));
    }

    #[test]
    fn other_texts_are_refused_with_the_allowed_ones() {
        for text in ["", "Naive", "epsilon", "epsilon=", "epsilon=a", "abs"] {
            let message = text.parse::<Rule>().unwrap_err().to_string();
            assert!(message.contains("\"naive\"") && message.contains("epsilon=100"), "{message}");
        }
        for text in ["epsilon=0", "epsilon=-1", "epsilon=nan", "epsilon=inf"] {
            let error = text.parse::<Rule>().unwrap_err();
            assert!(matches!(error, LrpError::Epsilon { .. }), "{text}: {error}");
        }
    }

    #[test]
    fn only_epsilon_absorbs() {
        assert!(Rule::Naive.conserves() && Rule::Absolute.conserves());
        assert!(!Rule::Epsilon(1.0).conserves());
    }
}
