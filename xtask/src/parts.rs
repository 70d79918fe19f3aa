//! The stages that can be swapped: by a line of the settings, or in code by a type of the caller's own.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use fisherlens_classifier::{ClassifierTrainer, KernelKind, KernelSvm, LinearSvm, LinearSvmParams, LogisticRegression};
use fisherlens_descriptors::{DenseSift, DescriptorExtractor};
use fisherlens_fisher::{BagOfWords, Encoder, FisherVector, Pyramid, Vlad};
use fisherlens_mixture::DiagonalGmm;
use linfa::ParamGuard;

use crate::settings::{ClassifierKind, DescriptorSettings, EncoderKind, EncoderSettings, Settings};

/// Makes an encoder from the learned mixture.
pub type BuildEncoder = dyn Fn(&DiagonalGmm) -> Result<Box<dyn Encoder>> + Send + Sync;

/// A stage's implementation with what tells it apart from every other in the keys of artifacts.
pub struct Part<T: ?Sized> {
    /// Name and parameters; two parts that compute different things must differ here.
    pub identity: String,
    /// The implementation.
    pub value: Arc<T>,
}

impl<T: ?Sized> Clone for Part<T> {
    fn clone(&self) -> Self {
        Self { identity: self.identity.clone(), value: Arc::clone(&self.value) }
    }
}

impl<T: ?Sized> std::fmt::Debug for Part<T> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.identity)
    }
}

/// The swappable stages of one experiment.
#[derive(Debug, Clone)]
pub struct Parts {
    /// Image to local descriptors.
    pub extractor: Part<dyn DescriptorExtractor>,
    /// Mixture to encoder.
    pub encoder: Part<BuildEncoder>,
    /// Vectors and targets to linear classifiers.
    pub trainer: Part<dyn ClassifierTrainer>,
    /// What takes the trainer's place where the settings ask for a kernel; its identity is the trainer's.
    pub kernel: Option<KernelSvm>,
}

impl Parts {
    /// What the settings ask for.
    ///
    /// # Errors
    /// A parameter that the part itself refuses.
    pub fn from_settings(settings: &Settings) -> Result<Self> {
        Ok(Self {
            extractor: extractor(&settings.descriptors)?,
            encoder: encoder(&settings.encoder),
            trainer: trainer(settings)?,
            kernel: kernel(settings)?,
        })
    }

    /// The same parts with another extractor; `identity` names it and its parameters.
    #[must_use]
    pub fn with_extractor(mut self, identity: &str, extractor: impl DescriptorExtractor + 'static) -> Self {
        self.extractor = Part { identity: identity.to_owned(), value: Arc::new(extractor) };
        self
    }

    /// The same parts with another encoder, made by `build` once the mixture is learned.
    #[must_use]
    pub fn with_encoder<E, F>(mut self, identity: &str, build: F) -> Self
    where
        E: Encoder + 'static,
        F: Fn(&DiagonalGmm) -> Result<E> + Send + Sync + 'static,
    {
        let build = move |mixture: &DiagonalGmm| -> Result<Box<dyn Encoder>> { Ok(Box::new(build(mixture)?)) };
        self.encoder = Part { identity: identity.to_owned(), value: Arc::new(build) };
        self
    }

    /// The same parts with another classifier.
    #[must_use]
    pub fn with_trainer(mut self, identity: &str, trainer: impl ClassifierTrainer + 'static) -> Self {
        self.trainer = Part { identity: identity.to_owned(), value: Arc::new(trainer) };
        self.kernel = None;
        self
    }
}

/// The identity of a built-in part: its settings, spelled out.
fn identity(section: &impl serde::Serialize) -> Result<String> {
    toml::to_string(section).context("settings always have a TOML form")
}

/// The extractor that a section of the settings asks for.
///
/// # Errors
/// A parameter that the extractor refuses.
pub fn extractor(section: &DescriptorSettings) -> Result<Part<dyn DescriptorExtractor>> {
    let sift = DenseSift::params()
        .bin_sizes(section.bin_sizes.clone())
        .step(section.step)
        .window(section.window)
        .contrast_threshold(section.contrast_threshold)
        .low_contrast(section.low_contrast)
        .root_sift(section.root_sift)
        .check()
        .context("settings, section [descriptors]")?;
    Ok(Part { identity: identity(section)?, value: Arc::new(sift) })
}

/// The encoder that a section of the settings asks for.
pub fn encoder(section: &EncoderSettings) -> Part<BuildEncoder> {
    let section = section.clone();
    // The normalisation is applied when vectors are read, so that it is no part of what was encoded.
    let identity = format!(
        "{:?} parts {:?} posterior floor {} assignment {:?} pyramid {:?}",
        section.kind, section.parts, section.posterior_floor, section.assignment, section.pyramid
    );
    let build = move |mixture: &DiagonalGmm| -> Result<Box<dyn Encoder>> {
        let mixture = mixture.clone();
        let assignment = section.assignment();
        let plain: Box<dyn Encoder> = match section.kind {
            EncoderKind::FisherVector => Box::new(
                FisherVector::params(mixture).parts(&section.parts).posterior_floor(section.posterior_floor).check()?,
            ),
            EncoderKind::Vlad => Box::new(Vlad::params(mixture).assignment(assignment).check()?),
            EncoderKind::BagOfWords => Box::new(BagOfWords::params(mixture).assignment(assignment).check()?),
        };
        let grids = section.grids();
        // One cell that is the whole image needs no pyramid around it.
        if matches!(grids.as_slice(), [grid] if grid.columns * grid.rows == 1) {
            return Ok(plain);
        }
        Ok(Box::new(Pyramid::new(plain, &grids)?))
    };
    Part { identity, value: Arc::new(build) }
}

fn machine(settings: &Settings) -> LinearSvmParams {
    let section = &settings.classifier;
    LinearSvm::params()
        .c_grid(section.c_grid.clone())
        .n_folds(section.n_folds)
        .loss(section.loss)
        .tolerance(section.tolerance)
        .max_n_epochs(section.max_n_epochs)
        .difficult(settings.data.difficult)
        .seed(settings.seed)
}

fn kernel(settings: &Settings) -> Result<Option<KernelSvm>> {
    let section = &settings.classifier;
    if section.kernel == KernelKind::Linear {
        return Ok(None);
    }
    let params = KernelSvm::params(section.kernel).machine(machine(settings));
    let params = match section.gamma {
        Some(gamma) => params.gamma(gamma),
        None => params,
    };
    Ok(Some(params.check().context("settings, section [classifier]")?))
}

fn trainer(settings: &Settings) -> Result<Part<dyn ClassifierTrainer>> {
    let section = &settings.classifier;
    let identity = identity(section)?;
    Ok(match section.kind {
        ClassifierKind::LinearSvm => {
            let svm = machine(settings).check().context("settings, section [classifier]")?;
            Part { identity, value: Arc::new(svm) }
        }
        ClassifierKind::LogisticRegression => {
            let logistic = LogisticRegression::params()
                .c_grid(section.c_grid.clone())
                .n_folds(section.n_folds)
                .difficult(settings.data.difficult)
                .seed(settings.seed)
                .check()
                .context("settings, section [classifier]")?;
            Part { identity, value: Arc::new(logistic) }
        }
    })
}
