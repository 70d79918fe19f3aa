//! How the relevance of an output is shared among the inputs that made it.

use std::fmt;

use crate::CnnError;

/// Stabiliser of all rules but ε, as in zennit.
pub(crate) const STABILIZER: f32 = 1e-6;

/// The lowest and highest value that an input can have, a channel each.
#[derive(Debug, Clone, PartialEq)]
pub struct PixelRange {
    /// Black, less the mean.
    pub low: Vec<f32>,
    /// White, less the mean.
    pub high: Vec<f32>,
}

/// A rule for layers `z[j] = Σ_i x[i]·w[i,j] + b[j]`: convolutions and inner products.
///
/// `R[i] = Σ_j (share of i in j) · R[j]`, where `+` and `−` denote positive and negative parts, and a denominator `z` stands
/// for `z + ε·sign(z)` with `sign(0) = 1`, ε being 10⁻⁶ unless it is the rule's own. What bias and stabiliser
/// take is not shared out.
///
/// # References
/// `bach2015`; γ `montavon2019`; `w²`, z⁺ and z^B `montavon2017`; flat `lapuschkin2019`. The definitions are those of zennit 0.5.1 (`anders2021`), with which
/// values are compared; departure: `w²` has no bias in its denominator, as in `montavon2017`.
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
    /// Where z > 0: `(x⁺(w + γw⁺) + x⁻(w + γw⁻)) / (Σ of the same + b + γb⁺)`; where z < 0 the signs of the parts of w and b are
    /// exchanged; where z = 0 nothing.
    Gamma {
        /// At least 0; 0 is the z rule, but for outputs of exactly 0.
        gamma: f32,
    },
    /// `(x⁺w⁺ + x⁻w⁻) / (Σ of the same + b⁺)`.
    ZPlus,
    /// `α (x⁺w⁺ + x⁻w⁻) / (Σ + b⁺) − β (x⁺w⁻ + x⁻w⁺) / (Σ + b⁻)`.
    AlphaBeta {
        /// Weight of what speaks for an output; α − β = 1.
        alpha: f32,
        /// Weight of what speaks against it, at least 0.
        beta: f32,
    },
    /// Equal shares: `1 / (number of inputs)`.
    Flat,
    /// `w² / Σ w²`.
    WSquare,
    /// z^B, for pixels: `(x·w − l·w⁺ − h·w⁻) / Σ of the same`, l and h the lowest and highest values.
    ZBox(PixelRange),
}

impl Rule {
    /// From the words of a composite: `z`, `epsilon:1`, `gamma:0.25`, `z-plus`, `alpha-beta:2:1`, `flat`, `w-square`, `z-box`.
    ///
    /// # Errors
    /// [`CnnError::Composite`] with what was expected.
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
