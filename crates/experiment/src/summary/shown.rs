//! Summaries of the data and of the example images.

use anyhow::Result;
use fisherlens_model::conservation_line;
use fisherlens_report::{ClassCounts, ClassExamples, DataSummary, Example, Mistake, RuleHeatmap, SkippedImage, Table};
use ndarray::Array2;

use crate::dataset::Dataset;
use crate::experiment::Experiment;
use crate::run::Run;
use crate::stages::gallery::Kind;
use crate::stages::{calibration, gallery};

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

/// Test images that are equal or nearly equal to a training image.
pub(super) fn copies_table(dataset: &Dataset) -> Option<Table> {
    let row = |[train, test]: &[String; 2], how: &str| vec![test.clone(), train.clone(), how.to_owned()];
    let equal = dataset.shared.iter().map(|pair| row(pair, "the same bytes"));
    let rows: Vec<_> = equal.chain(dataset.near.iter().map(|pair| row(pair, "nearly equal"))).collect();
    (!rows.is_empty()).then(|| Table {
        title: "Test images that are also training images".to_owned(),
        columns: ["Test image", "Training image", "How"].map(str::to_owned).to_vec(),
        rows,
        note: "A classifier knows these test images already, so the results may be too good.".to_owned(),
    })
}

/// The examples of each class, the surest mistakes, and the number of all mistakes.
pub(super) fn examples(experiment: &Experiment, run: &Run) -> Result<(Vec<ClassExamples>, Vec<Mistake>, usize)> {
    let gallery = gallery::get(experiment, &run.keys)?;
    let calibration = calibration::get(experiment, &run.keys)?;
    let rules = &experiment.settings.relevance.rules;
    let shown = experiment.settings.relevance.display_rule.to_string();
    let view = |example: &gallery::Example| Example {
        id: example.id.clone(),
        score: example.score,
        probability: calibration.probability(example.class, example.score),
        label: if example.kind == Kind::Mistake { -1 } else { 1 },
        is_true_positive: Some(example.is_true_positive).filter(|_| example.kind != Kind::Mistake),
        cluster: None,
        context_ratio: example.context_ratio,
        photograph: example.photograph.clone(),
        heatmaps: rules
            .iter()
            .zip(&example.heatmaps)
            .map(|(rule, picture)| RuleHeatmap { rule: rule.to_string(), picture: picture.clone() })
            .collect(),
        conservation: conservation_line(&example.conservation),
    };
    let of = |class: usize, kind: Kind| {
        gallery.examples.iter().filter(|example| example.class == class && example.kind == kind).map(view).collect()
    };
    let names = experiment.core.dataset.classes();
    let labels_of = |id: &str| -> Vec<String> {
        let Some(entry) = experiment.core.dataset.image(id) else { return Vec::new() };
        let label = |(name, label): (&String, &i8)| match label {
            1 => Some(name.clone()),
            0 => Some(format!("{name} (difficult)")),
            _ => None,
        };
        names.iter().zip(&entry.labels).filter_map(label).collect()
    };
    let mistakes = gallery.examples.iter().filter(|example| example.kind == Kind::Mistake).map(|example| Mistake {
        class: names[example.class].clone(),
        labels: labels_of(&example.id),
        rule: shown.clone(),
        example: view(example),
    });
    let mistakes = mistakes.collect();
    let classes = experiment.core.dataset.classes().iter().enumerate();
    let of_classes = classes
        .map(|(class, name)| ClassExamples {
            class: name.clone(),
            rule: shown.clone(),
            best: of(class, Kind::Best),
            worst: of(class, Kind::Worst),
            context: of(class, Kind::Context),
        })
        .collect();
    Ok((of_classes, mistakes, gallery.n_mistakes))
}
