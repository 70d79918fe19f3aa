//! The stages that can be swapped: a setting chooses a built-in type, or the calling program provides its own type.

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
    /// Computes the local descriptors of an image.
    pub extractor: Part<dyn DescriptorExtractor>,
    /// Makes the encoder from the mixture.
    pub encoder: Part<BuildEncoder>,
    /// Trains linear classifiers on vectors and targets.
    pub trainer: Part<dyn ClassifierTrainer>,
    /// Replaces the trainer if the settings ask for a kernel. It has the same identity as the trainer.
    pub kernel: Option<KernelSvm>,
}

impl Parts {
    /// The parts that the settings ask for.
    ///
    /// # Errors
    /// A parameter that one of the parts refuses.
    pub fn from_settings(settings: &Settings) -> Result<Self> {
        Ok(Self {
            extractor: extractor(&settings.descriptors)?,
            encoder: encoder(&settings.encoder),
            trainer: trainer(settings)?,
            kernel: kernel(settings)?,
        })
    }

    /// The same parts with another extractor. `identity` must name the extractor and its parameters: the keys of the artifacts contain it.
    #[must_use]
    pub fn with_extractor(mut self, identity: &str, extractor: impl DescriptorExtractor + 'static) -> Self {
        self.extractor = Part { identity: identity.to_owned(), value: Arc::new(extractor) };
        self
    }

    /// The same parts with another encoder, which `build` makes from the learned mixture.
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
