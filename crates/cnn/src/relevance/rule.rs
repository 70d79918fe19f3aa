//! Rules that distribute the relevance of an output among the inputs from which it was computed.

use std::fmt;

use crate::error::CnnError;

/// Stabiliser of all rules except ε, as in zennit.
pub(crate) const STABILIZER: f32 = 1e-6;

/// The lowest and the highest value that an input can have, per channel.
#[derive(Debug, Clone, PartialEq)]
pub struct PixelRange {
    /// Black minus the mean.
    pub low: Vec<f32>,
    /// White minus the mean.
    pub high: Vec<f32>,
}

/// A rule for linear layers `z[j] = Σ_i x[i]·w[i,j] + b[j]`, that is for convolutions and inner products.
///
/// ```text
/// R[i] = Σ_j (share of i in j) · R[j]
/// ```
/// Each variant gives the share. `x⁺` and `x⁻` are the positive and negative part of x. Every denominator `z` stands for
/// `z + ε·sign(z)` with `sign(0) = 1`, where ε is 10⁻⁶ except in the rule [`Epsilon`](Self::Epsilon). The parts of the relevance
/// that belong to the bias and to the stabiliser ε are not distributed.
///
/// ```
/// use fisherlens_cnn::{IMAGENET_MEAN, Mean, Rule};
///
/// let pixels = Mean::Channels(IMAGENET_MEAN).pixel_range();
/// assert_eq!(Rule::parse("alpha-beta:2:1", &pixels)?, Rule::AlphaBeta { alpha: 2.0, beta: 1.0 });
/// # Ok::<(), fisherlens_cnn::CnnError>(())
/// ```
///
/// # References
/// `bach2015`; γ: `montavon2019`; w², z⁺ and z^B: `montavon2017`; flat: `lapuschkin2019`. The definitions are as in zennit 0.5.1
/// (`anders2021`), and tests compare values with it. Departure from zennit: w² has no bias in its denominator, as in `montavon2017`.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Rule {
    /// LRP-0: `x·w / z`.
    Z,
    /// `x·w / (z + ε·sign z)`.
    Epsilon {
        /// Above 0.
        epsilon: f32,
    },
    /// If z > 0: `(x⁺(w + γw⁺) + x⁻(w + γw⁻)) / (Σ of the same + b + γb⁺)`. If z < 0: the same with the positive and negative parts
    /// of w and b exchanged. If z = 0: nothing is distributed.
    Gamma {
        /// At least 0. With 0 it is the rule z, except for outputs of exactly 0.
        gamma: f32,
    },
    /// `(x⁺w⁺ + x⁻w⁻) / (Σ of the same + b⁺)`.
    ZPlus,
    /// `α (x⁺w⁺ + x⁻w⁻) / (Σ + b⁺) − β (x⁺w⁻ + x⁻w⁺) / (Σ + b⁻)`.
    AlphaBeta {
        /// Weight of the positive contributions to an output. α − β = 1.
        alpha: f32,
        /// Weight of the negative contributions to an output, at least 0.
        beta: f32,
    },
    /// Equal shares: `1 / (number of inputs)`.
    Flat,
    /// `w² / Σ w²`.
    WSquare,
    /// z^B, for pixels: `(x·w − l·w⁺ − h·w⁻) / Σ of the same`, where l and h are the lowest and the highest possible values.
    ZBox(PixelRange),
}

impl Rule {
    /// Parses a rule as it is written in composites: `z`, `epsilon:1`, `gamma:0.25`, `z-plus`, `alpha-beta:2:1`, `flat`, `w-square` or
    /// `z-box`. `pixels` is used by `z-box`.
    ///
    /// # Errors
    /// [`CnnError::Composite`] with the text and what was expected.
    pub fn parse(text: &str, pixels: &PixelRange) -> Result<Self, CnnError> {
        const NAMES: &str = "expected z, epsilon:E, gamma:G, z-plus, alpha-beta:A:B, flat, w-square or z-box";
        let fail = |expected: &str| CnnError::Composite { found: text.to_owned(), expected: expected.to_owned() };
        let mut words = text.split(':');
        let name = words.next().unwrap_or_default();
        let numbers: Option<Vec<f32>> =
            words.map(|word| word.parse().ok().filter(|number: &f32| number.is_finite())).collect();
        let numbers = numbers.ok_or_else(|| fail("expected finite numbers after the rule's name"))?;
        match (name, numbers.as_slice()) {
            ("z", []) => Ok(Self::Z),
            ("z-plus", []) => Ok(Self::ZPlus),
            ("flat", []) => Ok(Self::Flat),
            ("w-square", []) => Ok(Self::WSquare),
            ("z-box", []) => Ok(Self::ZBox(pixels.clone())),
            ("epsilon", &[epsilon]) if epsilon > 0.0 => Ok(Self::Epsilon { epsilon }),
            ("epsilon", _) => Err(fail("expected one number above 0, such as epsilon:1")),
            ("gamma", &[gamma]) if gamma >= 0.0 => Ok(Self::Gamma { gamma }),
            ("gamma", _) => Err(fail("expected one number of at least 0, such as gamma:0.25")),
            ("alpha-beta", &[alpha, beta]) if beta >= 0.0 && (alpha - beta - 1.0).abs() < 1e-5 => {
                Ok(Self::AlphaBeta { alpha, beta })
            }
            ("alpha-beta", _) => Err(fail("expected two numbers with alpha - beta = 1, such as alpha-beta:2:1")),
            _ => Err(fail(NAMES)),
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Z => f.write_str("z"),
            Self::Epsilon { epsilon } => write!(f, "epsilon:{epsilon}"),
            Self::Gamma { gamma } => write!(f, "gamma:{gamma}"),
            Self::ZPlus => f.write_str("z-plus"),
            Self::AlphaBeta { alpha, beta } => write!(f, "alpha-beta:{alpha}:{beta}"),
            Self::Flat => f.write_str("flat"),
            Self::WSquare => f.write_str("w-square"),
            Self::ZBox(_) => f.write_str("z-box"),
        }
    }
}
