//! The learned stages up to the classifiers as one pipeline: as an explainer of single images, or as a model for a file.

use std::sync::Arc;

use anyhow::{Result, bail, ensure};
use fisherlens_classifier::{Difficult, Model as Classifier};
use fisherlens_dataset::ImageEntry;
use fisherlens_model::{Explainer, Model};

use crate::experiment::Experiment;
use crate::judged::DIGEST;
use crate::keys::Keys;
use crate::parts::Parts;
use crate::settings::sections::DataSource;
use crate::stage::Stage;
use crate::stages::calibration::Calibration;
use crate::stages::{calibration, classifier, encode, mixture, pca, scores};

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
        (DIGEST.to_owned(), experiment.core.dataset.train.files.to_hex()),
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
    let calibration = calibration::get(experiment, keys)?;
    let found = thresholds(experiment, keys, &calibration)?;
    card.extend(found.card);
    if let Some(held_out) = &calibration.held_out {
        let what = format!(
            "sigmoids on {} held-out folds of set {}",
            held_out.n_folds, experiment.core.dataset.train.set.name
        );
        card.push(("probabilities".to_owned(), what));
    }
    card.push(("made by".to_owned(), format!("fisherlens {}", env!("CARGO_PKG_VERSION"))));
    Ok(Model {
        descriptors: settings.descriptors.clone(),
        pca: pca::get(experiment, keys)?,
        mixture: mixture::get(experiment, keys)?,
        encoder: settings.encoder.clone(),
        classes,
        classifier: linear,
        thresholds: found.values,
        calibration: calibration.sigmoids,
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
fn thresholds(experiment: &Experiment, keys: &Keys, calibration: &Calibration) -> Result<Thresholds> {
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
        let Some(held_out) = &calibration.held_out else { return Ok(Thresholds::default()) };
        warning = held_out.warning().map(|text| ("warning".to_owned(), text));
        let what = format!("{} held-out folds of set {}", held_out.n_folds, core.dataset.train.set.name);
        (held_out.scores.clone(), what)
    };
    let mean = 100.0 * scores.mean_average_precision(settings.data.difficult, settings.evaluation.interpolation);
    let predictions = scores.predictions(settings.data.difficult);
    let rates: Vec<f64> = predictions.iter().filter_map(|prediction| prediction.rate).collect();
    let rate = 100.0 * rates.iter().sum::<f64>() / rates.len().max(1) as f64;
    let mut card = vec![
        (format!("mAP on {what}"), format!("{mean:.2} %")),
        ("thresholds".to_owned(), format!("equal-error rate on {what}, {rate:.2} % on average")),
    ];
    card.extend(warning);
    Ok(Thresholds { values: Some(scores::thresholds(&predictions)), card })
}
