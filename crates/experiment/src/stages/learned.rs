//! The stages up to the classifiers as one learned pipeline: turned around for single images, or written as a model file.

use std::sync::Arc;

use anyhow::{Result, bail, ensure};
use fisherlens_classifier::Model as Classifier;
use fisherlens_model::{Explainer, Model};
use fisherlens_voc::ImageEntry;

use crate::experiment::Experiment;
use crate::keys::Keys;
use crate::parts::Parts;
use crate::stage::Stage;
use crate::stages::{classifier, encode, mixture, pca, scores};

/// Loads or learns what the experiment needs up to its classifier, ready to score and explain single images.
///
/// # Errors
/// What those stages say; models that do not fit together.
pub fn explainer(experiment: &Experiment, keys: &Keys) -> Result<Explainer> {
    Explainer::assemble(
        Arc::clone(&experiment.parts.extractor.value),
        pca::get(experiment, keys)?,
        encode::encoder(experiment, keys)?,
        experiment.settings.encoder.normalization,
        classifier::get(experiment, keys)?.model,
    )
}

/// The model of an experiment, learned or loaded; thresholds where its test images were scored and are others than those it learned from.
///
/// # Errors
/// What the stages say; an experiment with an extractor or encoder of the caller's own, which no settings describe.
pub fn model(experiment: &Experiment, keys: &Keys) -> Result<Model> {
    let settings = &experiment.settings;
    let built_in = Parts::from_settings(settings)?;
    for (what, found, expected) in [
        ("extractor", &experiment.parts.extractor.identity, &built_in.extractor.identity),
        ("encoder", &experiment.parts.encoder.identity, &built_in.encoder.identity),
    ] {
        ensure!(
            found == expected,
            "the {what} \"{found}\" is not one that settings describe, so a file cannot hold it: keep its model in the program that has it"
        );
    }
    let classes = experiment.core.dataset.classes().to_vec();
    let training = classifier::get(experiment, keys)?;
    let Classifier::Linear(linear) = training.model else {
        bail!(
            "experiment {} has classifiers with a kernel, which keep their training vectors; a model file holds linear ones",
            experiment.core.name
        );
    };
    let data = &settings.data;
    let mut card = vec![
        ("experiment".to_owned(), experiment.core.name.clone()),
        (
            "learned from".to_owned(),
            format!("{} images of set {}", experiment.core.dataset.train.len(), experiment.core.dataset.train.set.name),
        ),
        ("digest of these images".to_owned(), experiment.core.dataset.train.files.to_hex()),
        ("difficult instances".to_owned(), format!("{:?}", data.difficult).to_lowercase()),
    ];
    if let Some(c) = training.report.c {
        card.push(("C".to_owned(), c.to_string()));
    }
    for row in &training.report.cross_validation {
        let mean = 100.0 * row.mean_average_precision;
        card.push((format!("cross-validated mAP (area), C = {}", row.c), format!("{mean:.2} %")));
    }
    let mut thresholds = None;
    // What was learned from says nothing of new photographs.
    let seen = |entry: &ImageEntry| experiment.core.dataset.train.set.images.iter().any(|other| other.id == entry.id);
    let is_held_out = !experiment.core.dataset.test.set.images.iter().any(seen);
    if is_held_out && experiment.core.has(&Stage::Scores.id().at(keys.scores)) {
        let scores = scores::get(experiment, keys)?;
        let set = &experiment.core.dataset.test.set.name;
        let mean = 100.0 * scores.mean_average_precision(data.difficult, settings.evaluation.interpolation);
        card.push((format!("mAP on set {set}"), format!("{mean:.2} %")));
        thresholds = Some(scores::thresholds(&scores.predictions(data.difficult)));
    }
    card.push(("made by".to_owned(), format!("fisherlens {}", env!("CARGO_PKG_VERSION"))));
    Ok(Model {
        descriptors: settings.descriptors.clone(),
        pca: pca::get(experiment, keys)?,
        mixture: mixture::get(experiment, keys)?,
        encoder: settings.encoder.clone(),
        classes,
        classifier: linear,
        thresholds,
        display_rule: settings.relevance.display_rule,
        card,
    })
}
