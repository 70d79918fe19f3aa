//! Parameters of the encoders, their defaults and the one place where they are checked.

use fisherlens_mixture::DiagonalGmm;
use linfa::ParamGuard;

use crate::{BagOfWords, FisherError, FisherVector, Vlad};

/// Posteriors below this are dropped (the encoding toolbox of `chatfield2011`; VLFeat, `vedaldi2010`, has 1e-6).
pub(crate) const DEFAULT_POSTERIOR_FLOOR: f32 = 1e-4;

/// A run of the Fisher vector; the order of the runs is that of this list, whatever the order they are asked for in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum FisherPart {
    /// K entries, the gradient by the mixture's weights.
    Weights,
    /// K·D entries, the gradient by the means.
    Means,
    /// K·D entries, the gradient by the standard deviations.
    Variances,
}

/// How much of a descriptor goes to each component.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum Assignment {
    /// All of it to the component of the largest posterior; the first of equals.
    #[default]
    Hard,
    /// Its posterior, where that is not below `floor`.
    Soft {
        /// In [0, 1).
        floor: f32,
    },
}

fn check_floor(name: &'static str, floor: f32) -> Result<(), FisherError> {
    if (0.0..1.0).contains(&floor) {
        return Ok(());
    }
    Err(FisherError::Parameter { name, found: floor.to_string(), expected: "a value from 0 to below 1" })
}

fn check_assignment(assignment: Assignment) -> Result<(), FisherError> {
    match assignment {
        Assignment::Hard => Ok(()),
        Assignment::Soft { floor } => check_floor("assignment.soft.floor", floor),
    }
}

/// Checked parameters of [`FisherVector`].
#[derive(Debug, Clone, PartialEq)]
pub struct FisherVectorValidParams {
    pub(crate) mixture: DiagonalGmm,
    pub(crate) parts: Vec<FisherPart>,
    pub(crate) posterior_floor: f32,
}

/// Unchecked parameters of [`FisherVector`].
#[derive(Debug, Clone, PartialEq)]
pub struct FisherVectorParams(FisherVectorValidParams);

impl FisherVectorParams {
    pub(crate) fn new(mixture: DiagonalGmm) -> Self {
        let parts = vec![FisherPart::Weights, FisherPart::Means, FisherPart::Variances];
        Self(FisherVectorValidParams { mixture, parts, posterior_floor: DEFAULT_POSTERIOR_FLOOR })
    }

    /// Runs that the vector has; all three unless said.
    #[must_use]
    pub fn parts(mut self, parts: &[FisherPart]) -> Self {
        self.0.parts = parts.to_vec();
        self
    }

    /// Posteriors below it count as 0, without renormalising the others; in [0, 1).
    #[must_use]
    pub fn posterior_floor(mut self, posterior_floor: f32) -> Self {
        self.0.posterior_floor = posterior_floor;
        self
    }

    /// The encoder, with its tables made.
    ///
    /// # Errors
    /// [`FisherError::Parameter`] for an empty list of parts, one named twice, or a floor outside [0, 1).
    pub fn check(self) -> Result<FisherVector, FisherError> {
        Ok(FisherVector::new(ParamGuard::check(self)?))
    }
}

impl ParamGuard for FisherVectorParams {
    type Checked = FisherVectorValidParams;
    type Error = FisherError;

    fn check_ref(&self) -> Result<&Self::Checked, Self::Error> {
        let mut parts = self.0.parts.clone();
        parts.sort_unstable();
        parts.dedup();
        if parts.is_empty() || parts.len() != self.0.parts.len() {
            let found = format!("{:?}", self.0.parts);
            return Err(FisherError::Parameter { name: "parts", found, expected: "one to three different parts" });
        }
        check_floor("posterior_floor", self.0.posterior_floor)?;
        Ok(&self.0)
    }

    fn check(self) -> Result<Self::Checked, Self::Error> {
        self.check_ref()?;
        Ok(self.0)
    }
}

/// Checked parameters of [`Vlad`].
#[derive(Debug, Clone, PartialEq)]
pub struct VladValidParams {
    pub(crate) mixture: DiagonalGmm,
    pub(crate) assignment: Assignment,
}

/// Unchecked parameters of [`Vlad`].
#[derive(Debug, Clone, PartialEq)]
pub struct VladParams(VladValidParams);

impl VladParams {
    pub(crate) fn new(mixture: DiagonalGmm) -> Self {
        Self(VladValidParams { mixture, assignment: Assignment::default() })
    }

    /// How descriptors are assigned; hard unless said.
    #[must_use]
    pub fn assignment(mut self, assignment: Assignment) -> Self {
        self.0.assignment = assignment;
        self
    }

    /// The encoder, with its tables made.
    ///
    /// # Errors
    /// [`FisherError::Parameter`] for a floor outside [0, 1).
    pub fn check(self) -> Result<Vlad, FisherError> {
        Ok(Vlad::new(ParamGuard::check(self)?))
    }
}

impl ParamGuard for VladParams {
    type Checked = VladValidParams;
    type Error = FisherError;

    fn check_ref(&self) -> Result<&Self::Checked, Self::Error> {
        check_assignment(self.0.assignment)?;
        Ok(&self.0)
    }

    fn check(self) -> Result<Self::Checked, Self::Error> {
        self.check_ref()?;
        Ok(self.0)
    }
}

/// Checked parameters of [`BagOfWords`].
#[derive(Debug, Clone, PartialEq)]
pub struct BagOfWordsValidParams {
    pub(crate) mixture: DiagonalGmm,
    pub(crate) assignment: Assignment,
}

/// Unchecked parameters of [`BagOfWords`].
#[derive(Debug, Clone, PartialEq)]
pub struct BagOfWordsParams(BagOfWordsValidParams);

impl BagOfWordsParams {
    pub(crate) fn new(mixture: DiagonalGmm) -> Self {
        Self(BagOfWordsValidParams { mixture, assignment: Assignment::default() })
    }

    /// How descriptors are assigned; hard unless said.
    #[must_use]
    pub fn assignment(mut self, assignment: Assignment) -> Self {
        self.0.assignment = assignment;
        self
    }

    /// The encoder, with its tables made.
    ///
    /// # Errors
    /// [`FisherError::Parameter`] for a floor outside [0, 1).
    pub fn check(self) -> Result<BagOfWords, FisherError> {
        Ok(BagOfWords::new(ParamGuard::check(self)?))
    }
}

impl ParamGuard for BagOfWordsParams {
    type Checked = BagOfWordsValidParams;
    type Error = FisherError;

    fn check_ref(&self) -> Result<&Self::Checked, Self::Error> {
        check_assignment(self.0.assignment)?;
        Ok(&self.0)
    }

    fn check(self) -> Result<Self::Checked, Self::Error> {
        self.check_ref()?;
        Ok(self.0)
    }
}
