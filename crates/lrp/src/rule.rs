//! The three rules that distribute the relevance of a dimension to descriptors.

use std::fmt;
use std::str::FromStr;

use crate::error::LrpError;

/// How the relevance of a dimension is distributed to the descriptors that contribute to it.
///
/// `S[d] = Σ_l m[d](l)` is the sum of the mapping over the descriptors of the image, and `A[d] = Σ_l |m[d](l)|`:
///
/// ```text
/// naive      R[l] = Σ_d R[d] · m[d](l) / S[d]                        (Eq. 9)
/// epsilon    R[l] = Σ_d R[d] · m[d](l) / (S[d] + ε · sgn S[d])       (Eq. 11), sgn(0) = +1
/// absolute   R[l] = Σ_d R[d] · |m[d](l)| / A[d]                      (Eq. 12)
/// ```
///
/// ε is added to the sum over the descriptors, not to their mean; the paper uses 100 (supplement, Fig. 1).
/// Names in settings and on the command line: `naive`, `epsilon=100`, `absolute`.
/// To use another rule, compute a [`DescriptorRelevance`](crate::DescriptorRelevance) yourself, as the example `own_rule` of this crate
/// does.
///
/// ```
/// use fisherlens_lrp::Rule;
///
/// let rule: Rule = "epsilon=100".parse()?;
/// assert_eq!(rule, Rule::Epsilon(100.0));
/// assert!(!rule.conserves() && Rule::Absolute.conserves());
/// # Ok::<(), fisherlens_lrp::LrpError>(())
/// ```
///
/// # References
/// `lapuschkin2016`, supplement §3; `bach2015`.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(into = "String", try_from = "String"))]
pub enum Rule {
    /// Distributes in proportion to the mapping, with its sign.
    Naive,
    /// As [`Rule::Naive`], with a stabiliser ε, finite and above 0. The stabiliser keeps the divisor away from zero and absorbs relevance.
    Epsilon(f32),
    /// Distributes in proportion to the absolute value of the mapping. Conserves relevance, but ignores the signs.
    Absolute,
}

impl Rule {
    /// Whether the formula of the rule conserves relevance: true for all rules except epsilon.
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
    fn a_rule_equals_its_own_text_parsed_again() {
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
    fn the_error_for_another_text_lists_the_valid_names() {
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
    fn only_epsilon_does_not_conserve() {
        assert!(Rule::Naive.conserves() && Rule::Absolute.conserves());
        assert!(!Rule::Epsilon(1.0).conserves());
    }
}
