//! Summaries of the data and of the example images.

use anyhow::Result;
use fisherlens_model::conservation_line;
use fisherlens_report::{ClassCounts, ClassExamples, DataSummary, Example, RuleHeatmap, SkippedImage};
use ndarray::Array2;

use crate::dataset::Dataset;
use crate::experiment::Experiment;
use crate::run::Run;
use crate::stages::gallery;
use crate::stages::gallery::Kind;

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
    let classes = experiment.core.dataset.classes().iter().enumerate();
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
