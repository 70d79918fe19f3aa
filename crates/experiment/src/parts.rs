//! The stages that can be swapped: by a line of the settings, or in code by a type of the caller's own.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use fisherlens_classifier::{ClassifierTrainer, KernelKind, KernelSvm, LinearSvm, LinearSvmParams, LogisticRegression};
use fisherlens_descriptors::DescriptorExtractor;
use fisherlens_fisher::Encoder;
use fisherlens_mixture::DiagonalGmm;
use fisherlens_model::{BuildEncoder, ModelError, Part, encoder, extractor};
use linfa::ParamGuard;

use crate::settings::Settings;
use crate::settings::sections::ClassifierKind;

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
        let build = move |mixture: &DiagonalGmm| -> Result<Box<dyn Encoder>, ModelError> {
            Ok(Box::new(build(mixture).map_err(|error| ModelError::Encoder(error.into()))?))
        };
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

/// The linear support vector machine that the settings describe.
pub(crate) fn linear_svm(settings: &Settings) -> LinearSvmParams {
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
    let params = KernelSvm::params(section.kernel).svm(linear_svm(settings));
    let params = match section.gamma {
        Some(gamma) => params.gamma(gamma),
        None => params,
    };
    Ok(Some(params.check().context("settings, section [classifier]")?))
}

fn trainer(settings: &Settings) -> Result<Part<dyn ClassifierTrainer>> {
    let section = &settings.classifier;
    Ok(match section.kind {
        ClassifierKind::LinearSvm => {
            let svm = linear_svm(settings).check().context("settings, section [classifier]")?;
            Part::of_section(section, Arc::new(svm))
        }
        ClassifierKind::LogisticRegression => {
            let logistic = LogisticRegression::params()
                .c_grid(section.c_grid.clone())
                .n_folds(section.n_folds)
                .difficult(settings.data.difficult)
                .seed(settings.seed)
                .check()
                .context("settings, section [classifier]")?;
            Part::of_section(section, Arc::new(logistic))
        }
    })
}
