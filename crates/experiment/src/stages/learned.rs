//! The learned stages up to the classifiers as one pipeline: as an explainer of single images, or as a model for a file.

use std::sync::Arc;

use anyhow::{Context as _, Result, bail, ensure};
use fisherlens_classifier::{Difficult, HeldOut, Model as Classifier};
use fisherlens_dataset::ImageEntry;
use fisherlens_model::{Explainer, Model};
use linfa::ParamGuard as _;

use crate::dataset::Half;
use crate::experiment::Experiment;
use crate::keys::Keys;
use crate::parts::{Parts, linear_svm};
use crate::settings::sections::{ClassifierKind, DataSource};
use crate::stage::Stage;
use crate::stages::scores::Scores;
use crate::stages::{classifier, encode, mixture, pca, scores};

/// Loads or learns everything up to the classifiers, and assembles an explainer, which scores and explains single images.
///
/// # Errors
/// The errors of the stages; models that do not fit together.
pub fn explainer(experiment: &Experiment, keys: &Keys) -> Result<Explainer> {
    Ok(Explainer::assemble(
        Arc::clone(&experiment.parts.extractor.value),
        pca::get(experiment, keys)?,
        encode::encoder(experiment, keys)?,
        experiment.settings.encoder.normalization,
        classifier::get(experiment, keys)?.model,
    )?)
}

/// The model of an experiment, learned or loaded, with the thresholds above which a class counts as found.
///
/// # Errors
/// The errors of the stages; an extractor or an encoder that is not built in, which no settings can describe; classifiers with a kernel.
pub fn model(experiment: &Experiment, keys: &Keys) -> Result<Model> {
    let settings = &experiment.settings;
    let built_in = Parts::from_settings(settings)?;
    for (what, found, expected) in [
        ("extractor", &experiment.parts.extractor.identity, &built_in.extractor.identity),
        ("encoder", &experiment.parts.encoder.identity, &built_in.encoder.identity),
    ] {
        ensure!(
            found == expected,
            "the {what} \"{found}\" is not built in, so a model file cannot describe it; expected an {what} that settings can name"
        );
    }
    let classes = experiment.core.dataset.classes().to_vec();
    let training = classifier::get(experiment, keys)?;
    let Classifier::Linear(linear) = training.model else {
        bail!(
            "experiment {} has classifiers with a kernel, but a model file can only contain linear classifiers: expected \
             classifier.kernel = \"linear\"",
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
        (
            "difficult instances".to_owned(),
            match data.difficult {
                Difficult::Ignore => "ignore".to_owned(),
                Difficult::Negative => "negative".to_owned(),
            },
        ),
    ];
    if let Some(c) = training.report.c {
        card.push(("C".to_owned(), c.to_string()));
    }
    for row in &training.report.cross_validation {
        let mean = 100.0 * row.mean_average_precision;
        card.push((format!("cross-validated mAP (area), C = {}", row.c), format!("{mean:.2} %")));
    }
    for line in classifier::unsolved(&training.report, &classes) {
        card.push(("warning".to_owned(), line));
    }
    let found = thresholds(experiment, keys, training.report.c)?;
    card.extend(found.card);
    card.push(("made by".to_owned(), format!("fisherlens {}", env!("CARGO_PKG_VERSION"))));
    Ok(Model {
        descriptors: settings.descriptors.clone(),
        pca: pca::get(experiment, keys)?,
        mixture: mixture::get(experiment, keys)?,
        encoder: settings.encoder.clone(),
        classes,
        classifier: linear,
        thresholds: found.values,
        display_rule: settings.relevance.display_rule,
        card,
    })
}

/// The score of each class above which it counts as found.
#[derive(Default)]
struct Thresholds {
    values: Option<Vec<f64>>,
    /// What the model's card says about them.
    card: Vec<(String, String)>,
}

/// Thresholds by scores of images that the classifiers did not learn from: the test images, where they were scored and none of them is a
/// training image; otherwise held-out folds of the training images. Nothing where neither is possible.
fn thresholds(experiment: &Experiment, keys: &Keys, c: Option<f64>) -> Result<Thresholds> {
    let Experiment { core, settings, .. } = experiment;
    // Scores on training images do not predict the quality on new ones.
    let seen = |entry: &ImageEntry| core.dataset.train.set.images.iter().any(|other| other.id == entry.id);
    // On photographs of one's own the test half judges the thresholds too, so they are not chosen on it.
    let is_own = settings.data.source == DataSource::Own;
    let is_held_out = !is_own && core.dataset.shared.is_empty() && !core.dataset.test.set.images.iter().any(seen);
    let mut warning = None;
    let (scores, what) = if is_held_out && core.has(&Stage::Scores.id().at(keys.scores)) {
        (scores::get(experiment, keys)?, format!("set {}", core.dataset.test.set.name))
    } else {
        let Some((scores, unsolved)) = held_out(experiment, keys, c)? else { return Ok(Thresholds::default()) };
        let folds = settings.classifier.n_folds;
        warning = unsolved.map(|text| ("warning".to_owned(), text));
        (scores, format!("{folds} held-out folds of set {}", core.dataset.train.set.name))
    };
    let mean = 100.0 * scores.mean_average_precision(settings.data.difficult, settings.evaluation.interpolation);
    let predictions = scores.predictions(settings.data.difficult);
    let rates: Vec<f64> = predictions.iter().filter_map(|p| Some(p.equal_error.as_ref()?.rate)).collect();
    let rate = 100.0 * rates.iter().sum::<f64>() / rates.len().max(1) as f64;
    let mut card = vec![
        (format!("mAP on {what}"), format!("{mean:.2} %")),
        ("thresholds".to_owned(), format!("equal-error rate on {what}, {rate:.2} % on average")),
    ];
    card.extend(warning);
    Ok(Thresholds { values: Some(scores::thresholds(&predictions)), card })
}

/// Scores of the training images by classifiers that learned from the other folds, and a warning if some of those were not solved. `None` if
/// the classifiers are not support vector machines that this experiment trains by its settings.
fn held_out(experiment: &Experiment, keys: &Keys, c: Option<f64>) -> Result<Option<(Scores, Option<String>)>> {
    let Experiment { core, settings, parts } = experiment;
    let is_built_in = parts.trainer.identity == Parts::from_settings(settings)?.trainer.identity;
    let is_svm = settings.classifier.kind == ClassifierKind::LinearSvm && settings.classifier.from.is_none();
    let Some(c) = c.filter(|_| is_built_in && is_svm) else { return Ok(None) };
    let (vectors, n_descriptors) = encode::normalized(experiment, keys, Half::Train)?;
    let labels = core.dataset.train.label_matrix();
    let svm = linear_svm(settings).check().context("settings, section [classifier]")?;
    let HeldOut { scores, n_problems, n_unsolved } = svm.held_out_scores(vectors.view(), labels.view(), c)?;
    let unsolved = (n_unsolved > 0).then(|| {
        format!("{n_unsolved} of {n_problems} problems of the held-out folds were not solved to the tolerance")
    });
    let scores = Scores {
        ids: core.dataset.train.set.images.iter().map(|entry| entry.id.clone()).collect(),
        classes: core.dataset.classes().to_vec(),
        scores,
        labels,
        n_descriptors,
    };
    Ok(Some((scores, unsolved)))
}
