//! The parameters of the encoders, their defaults, and the one place where they are checked.

use fisherlens_mixture::DiagonalGmm;

use crate::error::FisherError;

/// Posteriors below this value count as 0 (the encoding toolbox of `chatfield2011`; VLFeat, `vedaldi2010`, has 1e-6).
const DEFAULT_POSTERIOR_FLOOR: f32 = 1e-4;

/// A part of the Fisher vector. The order of the parts in the vector is the order of this list, in whatever order they are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum FisherPart {
    /// K entries: the gradient with respect to the weights of the mixture.
    Weights,
    /// K·D entries: the gradient with respect to the means.
    Means,
    /// K·D entries: the gradient with respect to the standard deviations.
    Variances,
}

/// How a descriptor is assigned to the components; this gives the γ of VLAD and of bags of words.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum Assignment {
    /// γ is 1 for the component with the largest posterior and 0 for the others. Among equal posteriors the first counts.
    #[default]
    Hard,
    /// γ is the posterior, or 0 where the posterior is below `floor`.
    Soft {
        /// In [0, 1).
        floor: f32,
    },
}

impl Assignment {
    pub(crate) fn validate(self) -> Result<(), FisherError> {
        match self {
            Self::Hard => Ok(()),
            Self::Soft { floor } => validate_floor("assignment.soft.floor", floor),
        }
    }
}

fn validate_floor(name: &'static str, floor: f32) -> Result<(), FisherError> {
    if (0.0..1.0).contains(&floor) {
        return Ok(());
    }
    Err(FisherError::Parameter { name, found: floor.to_string(), expected: "a value of at least 0 and below 1" })
}

/// Parameters of [`FisherVector`](crate::FisherVector); `check` makes the encoder.
///
/// ```
/// use fisherlens_fisher::{Encoder, FisherPart, FisherVector};
/// use fisherlens_mixture::DiagonalGmm;
/// use ndarray::array;
///
/// let mixture = DiagonalGmm::from_parts(array![0.5, 0.5], array![[0.0], [4.0]], array![[1.0], [1.0]])?;
/// let params = FisherVector::params(mixture).parts(&[FisherPart::Means, FisherPart::Variances]).posterior_floor(1e-6);
/// assert_eq!(params.check()?.n_dimensions(), 4);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct FisherVectorParams {
    pub(crate) mixture: DiagonalGmm,
    pub(crate) parts: Vec<FisherPart>,
    pub(crate) posterior_floor: f32,
}

impl FisherVectorParams {
    pub(crate) fn new(mixture: DiagonalGmm) -> Self {
        let parts = vec![FisherPart::Weights, FisherPart::Means, FisherPart::Variances];
        Self { mixture, parts, posterior_floor: DEFAULT_POSTERIOR_FLOOR }
    }

    /// The parts of the vector. Default: all three.
    #[must_use]
    pub fn parts(mut self, parts: &[FisherPart]) -> Self {
        self.parts = parts.to_vec();
        self
    }

    /// Posteriors below this value, in [0, 1), count as 0; the others are not rescaled. Default 1e-4.
    #[must_use]
    pub fn posterior_floor(mut self, posterior_floor: f32) -> Self {
        self.posterior_floor = posterior_floor;
        self
    }

    pub(crate) fn validate(&self) -> Result<(), FisherError> {
        let mut parts = self.parts.clone();
        parts.sort_unstable();
        parts.dedup();
        if parts.is_empty() || parts.len() != self.parts.len() {
            let found = format!("{:?}", self.parts);
            return Err(FisherError::Parameter { name: "parts", found, expected: "one to three different parts" });
        }
        validate_floor("posterior_floor", self.posterior_floor)
    }
}

/// Parameters of [`Vlad`](crate::Vlad); `check` makes the encoder.
#[derive(Debug, Clone, PartialEq)]
pub struct VladParams {
    pub(crate) mixture: DiagonalGmm,
    pub(crate) assignment: Assignment,
}

impl VladParams {
    pub(crate) fn new(mixture: DiagonalGmm) -> Self {
        Self { mixture, assignment: Assignment::default() }
    }

    /// How descriptors are assigned to components. Default: hard.
    #[must_use]
    pub fn assignment(mut self, assignment: Assignment) -> Self {
        self.assignment = assignment;
        self
    }
}

/// Parameters of [`BagOfWords`](crate::BagOfWords); `check` makes the encoder.
#[derive(Debug, Clone, PartialEq)]
pub struct BagOfWordsParams {
    pub(crate) mixture: DiagonalGmm,
    pub(crate) assignment: Assignment,
}

impl BagOfWordsParams {
    pub(crate) fn new(mixture: DiagonalGmm) -> Self {
        Self { mixture, assignment: Assignment::default() }
    }

    /// How descriptors are assigned to components. Default: hard.
    #[must_use]
    pub fn assignment(mut self, assignment: Assignment) -> Self {
        self.assignment = assignment;
        self
    }
}
