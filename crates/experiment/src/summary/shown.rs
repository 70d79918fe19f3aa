//! The images, the examples and the stages of the run.

use anyhow::Result;
use ndarray::Array2;

use crate::dataset::Dataset;
use crate::experiment::Experiment;
use crate::run::Run;
use crate::series::Series;
use crate::stages::gallery::Kind;
use crate::stages::{Stage, gallery};
use fisherlens_model::conservation_line;
use fisherlens_report::{ClassCounts, ClassExamples, DataSummary, Example, RuleHeatmap, SkippedImage, StageRow};

pub(crate) fn data_summary(dataset: &Dataset) -> DataSummary {
    let (train, test) = (dataset.train.label_matrix(), dataset.test.label_matrix());
    let count =
        |labels: &Array2<i8>, class: usize, label: i8| labels.column(class).iter().filter(|l| **l == label).count();
    let skipped = dataset.train.set.skipped.iter().chain(&dataset.test.set.skipped);
    DataSummary {
        train_name: dataset.train.set.name.clone(),
        test_name: dataset.test.set.name.clone(),
        n_train: dataset.train.len(),
        n_test: dataset.test.len(),
        skipped: skipped.map(|s| SkippedImage { id: s.id.clone(), reason: s.reason.clone() }).collect(),
        classes: (0..dataset.classes().len())
            .map(|class| ClassCounts {
                class: dataset.classes()[class].clone(),
                n_positive_train: count(&train, class, 1),
                n_difficult_train: count(&train, class, 0),
                n_positive_test: count(&test, class, 1),
                n_difficult_test: count(&test, class, 0),
            })
            .collect(),
    }
}

pub(super) fn examples(experiment: &Experiment, run: &Run) -> Result<Vec<ClassExamples>> {
    let gallery = gallery::get(experiment, &run.keys)?;
    let rules = &experiment.settings.relevance.rules;
    let of = |class: usize, kind: Kind| {
        let chosen = gallery.examples.iter().filter(|example| example.class == class && example.kind == kind);
        chosen
            .map(|example| Example {
                id: example.id.clone(),
                score: example.score,
                label: 1,
                is_true_positive: Some(example.is_true_positive),
                cluster: None,
                context_ratio: example.context_ratio,
                photograph: example.photograph.clone(),
                heatmaps: rules
                    .iter()
                    .zip(&example.heatmaps)
                    .map(|(rule, picture)| RuleHeatmap { rule: rule.to_string(), picture: picture.clone() })
                    .collect(),
                conservation: conservation_line(&example.conservation),
            })
            .collect()
    };
    let classes = experiment.dataset.classes().iter().enumerate();
    Ok(classes
        .map(|(class, name)| ClassExamples {
            class: name.clone(),
            rule: experiment.settings.relevance.display_rule.to_string(),
            best: of(class, Kind::Best),
            worst: of(class, Kind::Worst),
            context: of(class, Kind::Context),
        })
        .collect())
}

/// Size, number and time of the artifacts of this run's keys.
pub(super) fn stage_rows(experiment: &Experiment, run: &Run) -> Result<Vec<StageRow>> {
    let keys = &run.keys;
    let settings = &experiment.settings;
    let entries = experiment.store.entries()?;
    let rules = &settings.relevance.rules;
    let keys_of = |stage: Stage| match stage {
        Stage::Sample => vec![keys.sample],
        Stage::Pca => vec![keys.pca],
        Stage::Mixture => vec![keys.mixture],
        Stage::Encode => {
            vec![keys.encode(crate::dataset::Half::Train), keys.encode(crate::dataset::Half::Test)]
        }
        Stage::Classifier => vec![keys.classifier],
        Stage::Scores => vec![keys.scores],
        Stage::Relevance => rules.iter().map(|rule| keys.relevance(*rule)).collect(),
        Stage::Resampling => {
            Series::all(settings).into_iter().map(|series| keys.resampling(series, settings)).collect()
        }
        Stage::Pixels => vec![keys.pixels(settings)],
        Stage::Context => rules.iter().map(|rule| keys.context(*rule, &experiment.dataset)).collect(),
        Stage::Strategies => vec![keys.strategies(experiment)],
        Stage::Report => vec![keys.gallery(settings, &experiment.dataset)],
    };
    let row = |&(stage, seconds): &(Stage, f64)| {
        let keys: Vec<String> = keys_of(stage).iter().map(|key| key.short()).collect();
        let files: Vec<_> =
            entries.iter().filter(|entry| entry.stage == stage.name() && keys.contains(&entry.key)).collect();
        // A stage that took next to nothing found its artifacts; what they took then is in their headers.
        let made: f64 = files.iter().filter_map(|entry| entry.header.as_ref()).map(|header| header.seconds).sum();
        let cached = seconds < 0.5 * made;
        StageRow {
            name: stage.name().to_owned(),
            key: keys.first().cloned().unwrap_or_default(),
            n_artifacts: files.len(),
            bytes: files.iter().map(|entry| entry.n_bytes).sum(),
            seconds: if cached { made } else { seconds },
            cached,
        }
    };
    let mut rows: Vec<StageRow> = run.stages.iter().map(row).collect();
    if let Some(seconds) = run.other_seeds_seconds {
        let after_scores =
            rows.iter().position(|row| row.name == Stage::Scores.name()).map_or(rows.len(), |row| row + 1);
        let further =
            StageRow { name: "further seeds".to_owned(), seconds, cached: seconds < 1.0, ..StageRow::default() };
        rows.insert(after_scores, further);
    }
    Ok(rows)
}
