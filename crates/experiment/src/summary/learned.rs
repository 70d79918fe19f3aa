//! Tables about scores, thresholds and training.

use fisherlens_classifier::{Difficult, TrainingReport};
use fisherlens_eval::{Interpolation, average_precision, bootstrap_mean_average_precision, precision_recall};
use fisherlens_report::{
    AveragePrecisionRow, AveragePrecisionSummary, BootstrapInterval, ClassifierSummary, CrossValidationRow,
    EqualErrorRow, PrecisionRecallCurve, TrainingRow, paper,
};

use crate::dataset::Dataset;
use crate::experiment::Experiment;
use crate::run::Run;
use crate::settings::sections::{DataSettings, DataSource};
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
    let of = |class: usize, interpolation| {
        average_precision(&scores.of_class(class), &scores.labels_of_class(class, difficult), interpolation)
    };
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
        values.iter().sum::<f64>() / values.len().max(1) as f64
    };
    let mut labels = scores.labels.clone();
    for (class, mut column) in labels.columns_mut().into_iter().enumerate() {
        column.assign(&ndarray::Array1::from(scores.labels_of_class(class, difficult)));
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
        let column = scores.of_class(class);
        let labels = scores.labels_of_class(class, difficult);
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

pub(crate) fn equal_error_rows(scores: &Scores, predictions: &[Prediction]) -> Vec<EqualErrorRow> {
    let rows = scores.classes.iter().zip(predictions).enumerate();
    rows.map(|(class, (name, prediction))| EqualErrorRow {
        class: name.clone(),
        rate: prediction.equal_error.as_ref().map_or(f64::NAN, |e| e.rate),
        threshold: prediction.equal_error.as_ref().map_or(f64::NAN, |e| f64::from(e.threshold)),
        n_positives: scores.labels.column(class).iter().filter(|label| **label == 1).count(),
        n_true_positives: prediction.true_positives.len(),
    })
    .collect()
}
