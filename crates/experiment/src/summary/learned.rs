//! Tables about scores, thresholds and training.

use anyhow::Result;
use fisherlens_classifier::{Difficult, Sigmoid, TrainingReport};
use fisherlens_eval::{Interpolation, bootstrap_mean_average_precision, precision_recall};
use fisherlens_report::{
    AveragePrecisionRow, AveragePrecisionSummary, BootstrapInterval, CalibrationRow, CalibrationSummary,
    ClassifierSummary, CrossValidationRow, EqualErrorRow, PrecisionRecallCurve, ReliabilityPoint, Table, TrainingRow,
    paper,
};

use crate::dataset::Dataset;
use crate::experiment::Experiment;
use crate::run::Run;
use crate::settings::sections::{DataSettings, DataSource};
use crate::stages::calibration::Calibration;
use crate::stages::scores::{Prediction, Scores};

pub(super) fn classifier_summary(experiment: &Experiment, report: &TrainingReport) -> ClassifierSummary {
    let settings = &experiment.settings.classifier;
    let choice = if settings.from.is_some() {
        "from a file".to_owned()
    } else if settings.c_grid.len() > 1 {
        format!("{}-fold cross-validation inside the training set, by mean average precision (area)", settings.n_folds)
    } else {
        "fixed by the settings".to_owned()
    };
    let rows = report.classes.iter().zip(experiment.core.dataset.classes()).map(|(class, name)| TrainingRow {
        class: name.clone(),
        objective: class.objective,
        relative_duality_gap: class.relative_duality_gap().unwrap_or(f64::NAN),
        n_epochs: class.n_epochs.unwrap_or(0),
        converged: class.converged,
        n_support_vectors: class.n_support_vectors,
    });
    ClassifierSummary {
        chosen_c: report.c.unwrap_or(f64::NAN),
        choice,
        cross_validation: report
            .cross_validation
            .iter()
            .map(|row| CrossValidationRow {
                c: row.c,
                mean: row.mean_average_precision,
                folds: row.folds.clone(),
                n_unsolved: row.n_unsolved,
            })
            .collect(),
        classes: rows.collect(),
    }
}

/// The values besides the scores from which the summary of average precision is computed.
pub(crate) struct Judged<'a> {
    pub(crate) data: &'a DataSettings,
    pub(crate) dataset: &'a Dataset,
    /// Scores of further seeds.
    pub(crate) other_seeds: &'a [(u64, Scores)],
    pub(crate) seed: u64,
    pub(crate) n_bootstrap: usize,
}

impl<'a> Judged<'a> {
    pub(super) fn of(experiment: &'a Experiment, run: &'a Run) -> Self {
        let settings = &experiment.settings;
        Self {
            data: &settings.data,
            dataset: &experiment.core.dataset,
            other_seeds: &run.other_seeds,
            seed: settings.seed,
            n_bootstrap: settings.evaluation.n_bootstrap,
        }
    }

    /// Whether the data are VOC 2007, for which the paper gives numbers.
    fn is_the_papers_data(&self) -> bool {
        self.data.source == DataSource::Voc && self.dataset.year == Some(2007)
    }
}

pub(crate) fn average_precision_summary(judged: &Judged<'_>, scores: &Scores) -> AveragePrecisionSummary {
    let difficult = judged.data.difficult;
    let of = |class: usize, interpolation| scores.average_precision(class, difficult, interpolation);
    let papers = judged.is_the_papers_data();
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
        values.iter().sum::<f64>() / values.len() as f64
    };
    let mut labels = scores.labels.clone();
    for (class, mut column) in labels.columns_mut().into_iter().enumerate() {
        // A class without an average precision takes no part in the mean.
        match of(class, Interpolation::ElevenPoint) {
            Some(_) => column.assign(&ndarray::Array1::from(scores.labels_of_class(class, difficult))),
            None => column.fill(0),
        }
    }
    let n_resamples = judged.n_bootstrap;
    let interval = bootstrap_mean_average_precision(
        scores.scores.view(),
        labels.view(),
        Interpolation::ElevenPoint,
        n_resamples,
        judged.seed,
    );
    let own = scores.mean_average_precision(difficult, Interpolation::ElevenPoint);
    let others = judged
        .other_seeds
        .iter()
        .map(|(seed, scores)| (*seed, scores.mean_average_precision(difficult, Interpolation::ElevenPoint)));
    let seeds = if judged.other_seeds.is_empty() {
        Vec::new()
    } else {
        [(judged.seed, own)].into_iter().chain(others).collect()
    };
    AveragePrecisionSummary {
        mean_eleven_point: mean(|row| row.eleven_point),
        mean_area: mean(|row| row.area),
        bootstrap: interval.ok().map(|i| BootstrapInterval { low: i.low, high: i.high, n_resamples }),
        paper_mean: papers.then_some(paper::MEAN_AVERAGE_PRECISION),
        is_papers_test: papers && judged.data.train == "trainval" && judged.data.test == "test",
        seeds,
        rows,
    }
}

pub(crate) fn precision_recall_curves(difficult: Difficult, scores: &Scores) -> Vec<PrecisionRecallCurve> {
    let curve = |(class, name): (usize, &String)| {
        // Without positive or without negative images there is nothing to draw.
        let value = scores.average_precision(class, difficult, Interpolation::ElevenPoint)?;
        let column = scores.of_class(class);
        let labels = scores.labels_of_class(class, difficult);
        let curve = precision_recall(&column, &labels);
        Some(PrecisionRecallCurve {
            class: name.clone(),
            recall: curve.recall,
            precision: curve.precision,
            average_precision: Some(value),
        })
    };
    scores.classes.iter().enumerate().filter_map(curve).collect()
}

pub(crate) fn equal_error_rows(scores: &Scores, predictions: &[Prediction]) -> Vec<EqualErrorRow> {
    let rows = scores.classes.iter().zip(predictions).enumerate();
    rows.map(|(class, (name, prediction))| EqualErrorRow {
        class: name.clone(),
        rate: prediction.rate.unwrap_or(f64::NAN),
        threshold: prediction.threshold,
        n_positives: scores.labels.column(class).iter().filter(|label| **label == 1).count(),
        n_true_positives: prediction.true_positives.len(),
    })
    .collect()
}

/// Largest number of classes whose whole table of confusions is shown.
const MAX_N_COLUMNS: usize = 20;
/// What a table of confusions means.
const ONE_CLASS: &str = "Every test image has exactly one class. It was taken for the class with the highest score.";
/// How true the probabilities of the test images are; `None` without probabilities.
pub(crate) fn calibration_summary(
    scores: &Scores,
    calibration: &Calibration,
    difficult: Difficult,
) -> Result<Option<CalibrationSummary>> {
    let Some(sigmoids) = &calibration.sigmoids else { return Ok(None) };
    let row = |(class, (name, sigmoid)): (usize, (&String, &Sigmoid))| {
        let found = calibration.reliability_of_class(scores, class, difficult)?;
        Some(CalibrationRow {
            class: name.clone(),
            expected_calibration_error: found.expected_calibration_error,
            brier_score: found.brier_score,
            slope: sigmoid.slope,
            offset: sigmoid.offset,
        })
    };
    let rows = scores.classes.iter().zip(sigmoids).enumerate().filter_map(row).collect();
    let Some(found) = calibration.reliability(scores, difficult)? else { return Ok(None) };
    let bins = found.bins.iter().map(|bin| ReliabilityPoint {
        low: bin.low,
        high: bin.high,
        n: bin.n_images,
        mean_probability: bin.mean_probability,
        share: bin.share,
    });
    Ok(Some(CalibrationSummary {
        origin: match &calibration.held_out {
            Some(held_out) => format!("learned from {} held-out folds of the training images", held_out.n_folds),
            None => "as the model file says".to_owned(),
        },
        expected_calibration_error: found.expected_calibration_error,
        brier_score: found.brier_score,
        bins: bins.collect(),
        rows,
    }))
}

/// Which class was taken for which, if every test image has exactly one class.
pub(crate) fn confusion_table(scores: &Scores) -> Option<Table> {
    let confusion = scores.confusion()?;
    let n_right: usize = confusion.counts.diag().sum();
    let title = "Confusions, test images".to_owned();
    let accuracy = format!(
        "{ONE_CLASS} Accuracy: {:.2} % ({n_right} of {} images).",
        100.0 * confusion.accuracy(),
        scores.ids.len()
    );
    let names = &scores.classes;
    if names.len() > MAX_N_COLUMNS {
        let mistakes = confusion.mistakes().into_iter().take(MAX_N_COLUMNS);
        return Some(Table {
            title,
            columns: ["Class", "Taken for", "Images"].map(str::to_owned).to_vec(),
            rows: mistakes
                .map(|(truth, found, n)| vec![names[truth].clone(), names[found].clone(), n.to_string()])
                .collect(),
            note: format!("{accuracy} Only the most frequent mistakes are shown."),
        });
    }
    let row = |(name, counts): (&String, ndarray::ArrayView1<'_, usize>)| {
        let n: usize = counts.sum();
        let cells = counts.iter().map(ToString::to_string);
        [name.clone(), n.to_string()].into_iter().chain(cells).collect()
    };
    Some(Table {
        title,
        columns: ["Class", "Images"]
            .into_iter()
            .map(str::to_owned)
            .chain(scores.classes.iter().map(|class| format!("as {class}")))
            .collect(),
        rows: scores.classes.iter().zip(confusion.counts.rows()).map(row).collect(),
        note: accuracy,
    })
}
