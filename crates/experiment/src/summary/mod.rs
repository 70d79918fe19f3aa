//! Collects the results of the stages for the report.

pub(crate) mod explained;
pub(crate) mod learned;
mod perturbed;
pub(crate) mod shown;
pub(crate) mod stage_rows;
mod strategies;

use std::path::Path;

use anyhow::Result;
use fisherlens_report::{Limits, ReportData};

use crate::experiment::Experiment;
use crate::provenance;
use crate::run::Run;
use crate::settings::sections::DataSource;
use crate::stage::Stage;
use crate::stages::{calibration, classifier, context, gallery, predictions, relevance, scores};
use crate::summary::learned::Judged;

/// Collects the results of all stages that were run.
///
/// # Errors
/// A damaged artifact.
pub fn collect(experiment: &Experiment, run: &Run) -> Result<ReportData> {
    let settings = &experiment.settings;
    let ran = |stage: Stage| run.stages.iter().any(|(other, _)| *other == stage);
    let mut data = ReportData {
        title: title(experiment),
        // The name of the preset says nothing about a model that comes from a file.
        experiment: if is_judged(experiment) { String::new() } else { experiment.core.name.clone() },
        is_voc: settings.data.source == DataSource::Voc,
        limits: Limits { n_examples: settings.report.n_examples, thumbnail: gallery::PHOTOGRAPH },
        data: Some(shown::data_summary(&experiment.core.dataset)),
        settings: settings.describe(),
        ..ReportData::default()
    };
    if !experiment.core.dataset.left_out.is_empty() {
        data.notes.push(format!(
            "These classes are left out, because the settings name them, because there are too few examples, or because the model does not have \
             them: {}.",
            experiment.core.dataset.left_out.join(", ")
        ));
    }
    data.notes.extend(sentences(experiment.core.dataset.warnings()));
    data.extra_tables.extend(shown::copies_table(&experiment.core.dataset));
    if ran(Stage::Classifier) {
        let report = classifier::get(experiment, &run.keys)?.report;
        data.classifier = Some(learned::classifier_summary(experiment, &report));
        data.notes.extend(sentences(classifier::unsolved(&report, experiment.core.dataset.classes())));
    }
    if ran(Stage::Scores) {
        let scores = scores::get(experiment, &run.keys)?;
        let predictions = predictions::get(experiment, &run.keys)?;
        data.has_own_thresholds = predictions::of_model(experiment, &run.keys)?.is_some();
        data.average_precision = Some(learned::average_precision_summary(&Judged::of(experiment, run), &scores));
        data.precision_recall = learned::precision_recall_curves(settings.data.difficult, &scores);
        data.equal_error = learned::equal_error_rows(&scores, &predictions);
        data.accuracy = scores.confusion().map(|confusion| (confusion.counts.diag().sum(), confusion.counts.sum()));
        data.extra_tables.extend(learned::confusion_table(&scores));
        if ran(Stage::Calibration) {
            let calibration = calibration::get(experiment, &run.keys)?;
            data.notes.extend(sentences(calibration.warnings(experiment.core.dataset.classes())));
            data.calibration = learned::calibration_summary(&scores, &calibration, settings.data.difficult)?;
        }
    }
    if ran(Stage::Relevance) {
        for &rule in &settings.relevance.rules {
            data.conservation
                .push(explained::conservation_row(rule, &relevance::conservation(experiment, &run.keys, rule)?));
        }
    }
    if ran(Stage::Resampling) {
        let traces = perturbed::Algorithm1::read(experiment, run)?;
        data.perturbation = Some(perturbed::orders(experiment, run, &traces)?);
        data.extra_tables.extend(perturbed::tables(experiment, run, &traces)?);
        if ran(Stage::Pixels) {
            data.extra_tables.extend(perturbed::pixels(experiment, run, &traces)?);
        }
    }
    if ran(Stage::Context) {
        let contexts = context::get(experiment, &run.keys)?;
        // Without any box there is nothing to compare, and the tables would be empty.
        if experiment.core.dataset.test.set.images.iter().any(|entry| !entry.objects.is_empty()) {
            if let Some((_, shown)) = contexts.iter().find(|(rule, _)| *rule == settings.relevance.display_rule) {
                data.context = explained::context_rows(experiment.core.dataset.classes(), &shown.of_classes());
            }
            data.extra_tables.extend(explained::context_by_rule(&contexts));
            data.extra_tables.extend(explained::mask_table(experiment, &contexts));
        }
        (data.examples, data.mistakes, data.n_mistakes) = shown::examples(experiment, run)?;
    }
    if ran(Stage::Strategies) {
        data.strategies = strategies::summaries(experiment, &crate::stages::strategies::get(experiment, &run.keys)?);
        for strategy in &data.strategies {
            for class in data.examples.iter_mut().filter(|class| class.class == strategy.class) {
                for example in class.best.iter_mut().chain(&mut class.worst).chain(&mut class.context) {
                    let of = strategy.clusters.iter().find(|cluster| cluster.ids.contains(&example.id));
                    example.cluster = of.map(|cluster| format!("{} of {}", cluster.name, strategy.class));
                }
            }
        }
    }
    data.stages = stage_rows::stage_rows(experiment, run)?;
    data.provenance = Some(provenance::collect(experiment));
    Ok(data)
}

/// Warnings of the terminal as sentences: with a capital letter and a full stop.
fn sentences(warnings: Vec<String>) -> impl Iterator<Item = String> {
    warnings.into_iter().map(|warning| {
        let mut letters = warning.chars();
        let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
        let end = if warning.ends_with(['.', '!', '?']) { "" } else { "." };
        format!("{first}{}{end}", letters.as_str())
    })
}

/// Whether a model from a file is judged on photographs of the user's own.
fn is_judged(experiment: &Experiment) -> bool {
    experiment.settings.data.source == DataSource::Own && experiment.settings.classifier.from.is_some()
}

/// What the page is about.
fn title(experiment: &Experiment) -> String {
    let settings = &experiment.settings;
    if settings.data.source != DataSource::Own {
        return format!("Fisher-vector experiment {}", experiment.core.name);
    }
    let name = |path: &Path| path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    let data = name(&experiment.core.dataset.root);
    match &settings.classifier.from {
        Some(file) => format!("Model {} on {data}", name(file)),
        None => format!("Fisher vectors ({}) on {data}", experiment.core.name),
    }
}
