//! The experiment with Fisher vectors on the same photographs: what it has stored, and nothing that would have to be computed.

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

/// What stands beside a network.
pub struct Compared {
    experiment: Experiment,
    keys: Keys,
    explainer: Option<Explainer>,
    /// Scores of the same test images.
    pub scores: Scores,
    /// Class and context of each true positive by the rule that its heatmaps are shown by; nothing where it was not measured.
    pub contexts: Vec<(usize, Context)>,
    /// Traces with regions of pixels replaced; nothing where there are none.
    pub pixels: pixels::Pixels,
}

impl Compared {
    /// Opens the experiment where it has been reproduced up to its scores with the artifacts of this one.
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

    /// Its name.
    pub fn name(&self) -> &str {
        &self.experiment.core.name
    }

    /// Key of its scores.
    pub fn key(&self) -> Key {
        self.keys.scores
    }

    /// The rule that its heatmaps are shown by.
    pub fn rule(&self) -> Rule {
        self.experiment.settings.relevance.display_rule
    }

    /// Relevance of a photograph's pixels for a class; nothing for one too small, or where the models went away.
    ///
    /// # Errors
    /// What the explainer says.
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
