//! The experiment with Fisher vectors on the same photographs, for comparison. Only its stored results are used; no stage is run.

use std::path::Path;

use anyhow::{Context as _, Result};
use fisherlens_artifact::Key;
use fisherlens_descriptors::Photograph;
use fisherlens_eval::Context;
use fisherlens_lrp::Rule;
use fisherlens_model::Explainer;
use ndarray::Array2;

use crate::experiment::Experiment;
use crate::interrupt::Interrupt;
use crate::keys::Keys;
use crate::progress::Progress;
use crate::session::Session;
use crate::stage::Stage;
use crate::stages::scores::Scores;
use crate::stages::{context, learned, pixels, scores};

/// The results of Fisher vectors with which a network is compared.
pub struct Compared {
    experiment: Experiment,
    keys: Keys,
    explainer: Option<Explainer>,
    /// Scores of the same test images.
    pub scores: Scores,
    /// Class and context of each true positive by the displayed rule; empty if the context is not stored.
    pub contexts: Vec<(usize, Context)>,
    /// Traces with regions of pixels replaced; empty if they are not stored.
    pub pixels: pixels::Pixels,
}

impl Compared {
    /// Opens the experiment called `name`. Returns `None` if `name` is empty, or if its scores are not stored among the artifacts of
    /// `session`.
    ///
    /// # Errors
    /// A damaged artifact; settings that cannot be read.
    pub fn open(session: &Session, name: &str, interrupt: &Interrupt) -> Result<Option<Self>> {
        if name.is_empty() {
            return Ok(None);
        }
        let session = Session { experiment: name.to_owned(), set: Vec::new(), ..session.clone() };
        let experiment =
            Experiment::open(&session, Progress::silent(), interrupt.clone()).context("comparison.experiment")?;
        let keys = Keys::of(&experiment)?;
        if !experiment.core.has(&Stage::Scores.id().at(keys.scores)) {
            return Ok(None);
        }
        let rule = experiment.settings.relevance.display_rule;
        let has_context = experiment
            .settings
            .relevance
            .rules
            .iter()
            .all(|&rule| experiment.core.has(&Stage::Context.id().at(keys.context(&experiment, rule))));
        let contexts = if has_context {
            context::get(&experiment, &keys)?.into_iter().find(|(other, _)| *other == rule)
        } else {
            None
        };
        let traced = experiment.core.has(&Stage::Pixels.id().at(keys.pixels(&experiment)));
        let learned = [(Stage::Pca, keys.pca), (Stage::Mixture, keys.mixture), (Stage::Classifier, keys.classifier)];
        let learned = learned.iter().all(|&(stage, key)| experiment.core.has(&stage.id().at(key)));
        Ok(Some(Self {
            explainer: if learned { Some(learned::explainer(&experiment, &keys)?) } else { None },
            scores: scores::get(&experiment, &keys)?,
            contexts: contexts.map(|(_, contexts)| contexts.of_classes()).unwrap_or_default(),
            pixels: if traced { pixels::get(&experiment, &keys)? } else { pixels::Pixels::default() },
            experiment,
            keys,
        }))
    }

    /// The name of the experiment.
    pub fn name(&self) -> &str {
        &self.experiment.core.name
    }

    /// The key of the scores.
    pub fn key(&self) -> Key {
        self.keys.scores
    }

    /// The displayed rule.
    pub fn rule(&self) -> Rule {
        self.experiment.settings.relevance.display_rule
    }

    /// Relevance of the pixels of a photograph for a class. `None` if the photograph is too small, or if the models are not stored.
    ///
    /// # Errors
    /// The errors of the explainer.
    pub fn heatmap(&self, photograph: &Photograph, path: &Path, class: usize) -> Result<Option<(Rule, Array2<f32>)>> {
        let Some(explainer) = &self.explainer else { return Ok(None) };
        let described = explainer.describe(photograph, path)?;
        if described.is_empty() {
            return Ok(None);
        }
        let explained = explainer.map(&described, &[self.rule()])?;
        Ok(Some((self.rule(), explained.explain(class, self.rule())?.pixels)))
    }
}
