//! Scores, thresholds and training.

use anyhow::Result;
use fisherlens_eval::{Interpolation, average_precision, bootstrap_mean_average_precision, precision_recall};

use crate::experiment::Experiment;
use crate::report::paper;
use crate::report::{
    AveragePrecisionRow, AveragePrecisionSummary, BootstrapInterval, ClassifierSummary, CrossValidationRow,
    EqualErrorRow, PrecisionRecallCurve, TrainingRow,
};
use crate::run::Run;
use crate::settings::DataSource;
use crate::stages::classifier;
use crate::stages::scores::{Prediction, Scores};

pub(super) fn classifier_summary(experiment: &Experiment, run: &Run) -> Result<ClassifierSummary> {
    let settings = &experiment.settings.classifier;
    let report = classifier::get(experiment, &run.keys)?.report;
    let choice = if settings.from.is_some() {
        "from a file".to_owned()
    } else if settings.c_grid.len() > 1 {
        format!("{}-fold cross-validation inside the training set, by mean average precision (area)", settings.n_folds)
    } else {
        "fixed by the settings".to_owned()
    };
    let rows = report.classes.iter().zip(experiment.dataset.classes()).map(|(class, name)| TrainingRow {
        class: name.clone(),
        objective: class.objective,
        duality_gap: class.duality_gap.unwrap_or(f64::NAN),
        n_epochs: class.n_epochs.unwrap_or(0),
        converged: class.converged,
        n_support_vectors: class.n_support_vectors,
    });
    Ok(ClassifierSummary {
        chosen_c: report.c.unwrap_or(f64::NAN),
        choice,
        cross_validation: report
            .cross_validation
            .iter()
            .map(|row| CrossValidationRow { c: row.c, mean: row.mean_average_precision, folds: row.folds.clone() })
            .collect(),
        classes: rows.collect(),
    })
}

/// The paper's numbers are those of VOC 2007.
fn is_the_papers_data(experiment: &Experiment) -> bool {
    experiment.settings.data.source == DataSource::Voc && experiment.dataset.year == Some(2007)
}

pub(super) fn average_precision_summary(
    experiment: &Experiment,
    run: &Run,
    scores: &Scores,
) -> AveragePrecisionSummary {
    let settings = &experiment.settings;
    let difficult = settings.data.difficult;
    let of = |class: usize, interpolation| {
        average_precision(&scores.of_class(class), &scores.labels_of_class(class, difficult), interpolation)
    };
    let papers = is_the_papers_data(experiment);
    let rows: Vec<_> = scores
        .classes
        .iter()
        .enumerate()
        .map(|(class, name)| AveragePrecisionRow {
            class: name.clone(),
            eleven_point: of(class, Interpolation::ElevenPoint),
            area: of(class, Interpolation::Area),
            n_positives: scores.labels.column(class).iter().filter(|label| **label == 1).count(),
            paper: papers.then(|| paper::average_precision(name)).flatten(),
        })
        .collect();
    let mean = |value: fn(&AveragePrecisionRow) -> Option<f64>| {
        let values: Vec<f64> = rows.iter().filter_map(value).collect();
        values.iter().sum::<f64>() / values.len().max(1) as f64
    };
    let mut labels = scores.labels.clone();
    for (class, mut column) in labels.columns_mut().into_iter().enumerate() {
        column.assign(&ndarray::Array1::from(scores.labels_of_class(class, difficult)));
    }
    let n_resamples = settings.evaluation.n_bootstrap;
    let interval = bootstrap_mean_average_precision(
        scores.scores.view(),
        labels.view(),
        Interpolation::ElevenPoint,
        n_resamples,
        settings.seed,
    );
    let own = scores.mean_average_precision(difficult, Interpolation::ElevenPoint);
    let others = run
        .other_seeds
        .iter()
        .map(|(seed, scores)| (*seed, scores.mean_average_precision(difficult, Interpolation::ElevenPoint)));
    let seeds = if run.other_seeds.is_empty() {
        Vec::new()
    } else {
        [(settings.seed, own)].into_iter().chain(others).collect()
    };
    AveragePrecisionSummary {
        mean_eleven_point: mean(|row| row.eleven_point),
        mean_area: mean(|row| row.area),
        bootstrap: interval.ok().map(|i| BootstrapInterval { low: i.low, high: i.high, n_resamples }),
        paper_mean: papers.then_some(paper::MEAN_AVERAGE_PRECISION),
        is_papers_test: papers && settings.data.train == "trainval" && settings.data.test == "test",
        seeds,
        rows,
    }
}

pub(super) fn precision_recall_curves(experiment: &Experiment, scores: &Scores) -> Vec<PrecisionRecallCurve> {
    let curve = |(class, name): (usize, &String)| {
        let column = scores.of_class(class);
        let labels = scores.labels_of_class(class, experiment.settings.data.difficult);
        let curve = precision_recall(&column, &labels);
        PrecisionRecallCurve {
            class: name.clone(),
            recall: curve.recall,
            precision: curve.precision,
            average_precision: average_precision(&column, &labels, Interpolation::ElevenPoint),
        }
    };
    scores.classes.iter().enumerate().map(curve).collect()
}

pub(super) fn equal_error_rows(
    experiment: &Experiment,
    scores: &Scores,
    predictions: &[Prediction],
) -> Vec<EqualErrorRow> {
    let rows = experiment.dataset.classes().iter().zip(predictions).enumerate();
    rows.map(|(class, (name, prediction))| EqualErrorRow {
        class: name.clone(),
        rate: prediction.equal_error.as_ref().map_or(f64::NAN, |e| e.rate),
        threshold: prediction.equal_error.as_ref().map_or(f64::NAN, |e| f64::from(e.threshold)),
        n_positives: scores.labels.column(class).iter().filter(|label| **label == 1).count(),
        n_true_positives: prediction.true_positives.len(),
    })
    .collect()
}
