//! What the stages found, gathered for the report.

use anyhow::Result;
use fisherlens_eval::{
    Context, Interpolation, average_precision, bootstrap_mean_average_precision, precision_recall, quality_by_image,
    summarize_context,
};
use fisherlens_lrp::{Conservation, Rule};
use ndarray::Array2;

use crate::experiment::{Experiment, Order};
use crate::explainer::conservation_line;
use crate::mini_devkit::TAGGED_CLASS;
use crate::provenance;
use crate::report::paper;
use crate::report::{
    AveragePrecisionRow, AveragePrecisionSummary, BootstrapInterval, ClassCounts, ClassExamples, ClassifierSummary,
    ConservationRow, ContextRow, CrossValidationRow, DataSummary, EqualErrorRow, Example, Limits, PerturbationOrder,
    PerturbationSummary, PrecisionRecallCurve, ReportData, Share, SkippedImage, StageRow, Table, TrainingRow,
};
use crate::run::Run;
use crate::settings::DataSource;
use crate::stages::scores::{Prediction, Scores};
use crate::stages::{Stage, classifier, context, gallery, relevance, resampling, scores};

/// Longest side of a picture in the report, in pixels.
const THUMBNAIL: usize = 220;

/// Gathers what the stages that were run have found.
///
/// # Errors
/// A damaged artifact.
pub fn collect(experiment: &Experiment, run: &Run) -> Result<ReportData> {
    let settings = &experiment.settings;
    let ran = |stage: Stage| run.stages.iter().any(|(other, _)| *other == stage);
    let mut data = ReportData {
        title: format!("Fisher-vector experiment {}", experiment.name),
        experiment: experiment.name.clone(),
        is_voc: settings.data.source == DataSource::Voc,
        limits: Limits { n_examples: settings.report.n_examples, thumbnail: THUMBNAIL },
        data: Some(data_summary(experiment)),
        settings: settings.describe(),
        ..ReportData::default()
    };
    if !experiment.dataset.left_out.is_empty() {
        data.notes.push(format!(
            "The image sets were limited; classes without examples in one of them are left out: {}.",
            experiment.dataset.left_out.join(", ")
        ));
    }
    if ran(Stage::Classifier) {
        data.classifier = Some(classifier_summary(experiment, run)?);
    }
    if ran(Stage::Scores) {
        let scores = scores::get(experiment, &run.keys)?;
        let predictions = scores.predictions(settings.data.difficult);
        data.average_precision = Some(average_precision_summary(experiment, run, &scores));
        data.precision_recall = precision_recall_curves(experiment, &scores);
        data.equal_error = equal_error_rows(experiment, &scores, &predictions);
    }
    if ran(Stage::Relevance) {
        for &rule in &settings.relevance.rules {
            data.conservation.push(conservation_row(rule, &relevance::conservation(experiment, &run.keys, rule)?));
        }
    }
    if ran(Stage::Resampling) {
        data.perturbation = Some(perturbation(experiment, run)?);
    }
    if ran(Stage::Context) {
        let contexts = context::get(experiment, &run.keys)?;
        if let Some((_, shown)) = contexts.iter().find(|(rule, _)| *rule == settings.relevance.display_rule) {
            data.context = context_rows(experiment, shown);
        }
        data.extra_tables.extend(context_by_rule(&contexts));
        data.extra_tables.extend(mask_table(experiment, &contexts));
        data.examples = examples(experiment, run)?;
    }
    data.stages = stage_rows(experiment, run)?;
    data.provenance = Some(provenance::collect(experiment));
    Ok(data)
}

fn data_summary(experiment: &Experiment) -> DataSummary {
    let dataset = &experiment.dataset;
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

fn classifier_summary(experiment: &Experiment, run: &Run) -> Result<ClassifierSummary> {
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

fn average_precision_summary(experiment: &Experiment, run: &Run, scores: &Scores) -> AveragePrecisionSummary {
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

fn precision_recall_curves(experiment: &Experiment, scores: &Scores) -> Vec<PrecisionRecallCurve> {
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

fn equal_error_rows(experiment: &Experiment, scores: &Scores, predictions: &[Prediction]) -> Vec<EqualErrorRow> {
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

fn conservation_row(rule: Rule, records: &[Conservation]) -> ConservationRow {
    let share = |value: fn(&Conservation) -> f64| {
        let shares: Vec<f64> = records.iter().filter(|c| c.scale() > 0.0).map(|c| value(c) / c.scale()).collect();
        Share {
            mean: shares.iter().sum::<f64>() / shares.len().max(1) as f64,
            max: shares.iter().fold(0.0, |largest: f64, share| largest.max(share.abs())),
        }
    };
    ConservationRow {
        rule: rule.to_string(),
        n_heatmaps: records.len(),
        dimensions: share(|c| c.dimensions - c.score),
        descriptors: share(|c| c.descriptors - c.dimensions),
        pixels: share(|c| c.pixels - c.descriptors),
        predicted: Some(share(|c| -c.predicted_leak - c.undistributed)),
        bias: Some(share(|c| c.bias_share)),
        unreached: Some(share(|c| c.unreached_share)),
    }
}

fn perturbation(experiment: &Experiment, run: &Run) -> Result<PerturbationSummary> {
    let settings = &experiment.settings.resampling;
    let classes = experiment.dataset.classes();
    let mut orders = Vec::new();
    for order in experiment.orders() {
        let targets = resampling::all(experiment, &run.keys, order)?;
        let of = |class: Option<usize>| -> (Vec<_>, Vec<usize>) {
            let chosen = targets.iter().filter(|target| class.is_none_or(|class| target.class == class));
            chosen.flat_map(|target| target.traces.iter().map(|trace| (trace.clone(), target.image))).unzip()
        };
        let (traces, images) = of(None);
        if traces.is_empty() {
            continue;
        }
        let quality = quality_by_image(&traces, &images)?;
        let a_by_class = (0..classes.len())
            .map(|class| {
                let (traces, images) = of(Some(class));
                quality_by_image(&traces, &images).ok().map(|quality| quality.a)
            })
            .collect();
        orders.push(PerturbationOrder {
            name: order.to_string(),
            is_random: order == Order::Random,
            a: quality.a,
            a_interval: quality.a_interval,
            v: quality.v,
            aopc: quality.aopc,
            n_traces: quality.n_traces,
            n_short: quality.n_short,
            curve_interval: quality.curve_low.iter().copied().zip(quality.curve_high).collect(),
            curve: quality.curve,
            first_sign_changes: quality.first_sign_changes,
            a_by_class,
        });
    }
    Ok(PerturbationSummary {
        n_replacements: settings.n_replacements,
        batch: settings.batch,
        n_repeats: settings.n_repeats,
        orders,
        classes: classes.to_vec(),
    })
}

fn context_rows(experiment: &Experiment, contexts: &context::Contexts) -> Vec<ContextRow> {
    let row = |(class, name): (usize, &String)| {
        let of_class: Vec<Context> =
            contexts.targets.iter().filter(|target| target.class == class).map(|target| target.context).collect();
        let summary = summarize_context(&of_class);
        let looked_at: Vec<bool> = of_class.iter().filter_map(|context| context.pointing_hit).collect();
        ContextRow {
            class: name.clone(),
            n_images: summary.n_images - summary.n_excluded,
            n_excluded: summary.n_excluded,
            mean: summary.mean.unwrap_or(f64::NAN),
            median: summary.median.unwrap_or(f64::NAN),
            ratio_of_sums: summary.ratio_of_sums.unwrap_or(f64::NAN),
            signed_difference: summary.mean_signed_difference.unwrap_or(f64::NAN),
            pointing_hits: Some((looked_at.iter().filter(|hit| **hit).count(), looked_at.len())),
        }
    };
    experiment.dataset.classes().iter().enumerate().map(row).collect()
}

/// Context pooled over classes, a row a rule.
fn context_by_rule(contexts: &[(Rule, context::Contexts)]) -> Option<Table> {
    let text = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| format!("{value:.3}"));
    let rows = contexts.iter().map(|(rule, contexts)| {
        let all: Vec<Context> = contexts.targets.iter().map(|target| target.context).collect();
        let summary = summarize_context(&all);
        vec![
            rule.to_string(),
            (summary.n_images - summary.n_excluded).to_string(),
            text(summary.mean),
            text(summary.median),
            text(summary.ratio_of_sums),
            text(summary.mean_signed_difference),
            text(summary.pointing_rate),
            text(summary.mean_inside_share),
        ]
    });
    let columns =
        ["rule", "heatmaps", "mean", "median", "ratio of sums", "signed difference", "pointing rate", "share inside"];
    (!contexts.is_empty()).then(|| Table {
        title: "Context by rule, all classes together".to_owned(),
        columns: columns.map(str::to_owned).to_vec(),
        rows: rows.collect(),
        note: "Ratio of the mean positive relevance outside the boxes to that inside; share inside: of all positive relevance."
            .to_owned(),
    })
}

/// Heatmaps against the drawn masks, where there are masks.
fn mask_table(experiment: &Experiment, contexts: &[(Rule, context::Contexts)]) -> Option<Table> {
    experiment.dataset.masks.as_ref()?;
    let tag_class = experiment.dataset.classes().iter().position(|class| class == TAGGED_CLASS);
    let mean = |values: &[f64]| -> String {
        if values.is_empty() {
            return "–".to_owned();
        }
        format!("{:.3}", values.iter().sum::<f64>() / values.len() as f64)
    };
    let rows = contexts.iter().map(|(rule, contexts)| {
        let all: Vec<_> = contexts.targets.iter().filter_map(|target| target.masks).collect();
        let of_tag = contexts.targets.iter().filter(|target| tag_class == Some(target.class)).filter_map(|t| t.masks);
        let tagged: Vec<_> = of_tag.filter_map(|shares| shares.tag.map(|tag| (tag, shares.tag_area))).collect();
        vec![
            rule.to_string(),
            all.len().to_string(),
            mean(&all.iter().map(|shares| shares.object).collect::<Vec<_>>()),
            mean(&all.iter().map(|shares| shares.object_area).collect::<Vec<_>>()),
            mean(&all.iter().filter_map(|shares| shares.pixel_auc).collect::<Vec<_>>()),
            tagged.len().to_string(),
            mean(&tagged.iter().map(|(tag, _)| *tag).collect::<Vec<_>>()),
            mean(&tagged.iter().map(|(_, area)| *area).collect::<Vec<_>>()),
        ]
    });
    let columns = ["rule", "heatmaps", "on object", "its area", "pixel AUC", "tagged", "on tag", "its area"];
    Some(Table {
        title: "Heatmaps against the drawn masks".to_owned(),
        columns: columns.map(str::to_owned).to_vec(),
        rows: rows.collect(),
        note: "Mean share of the positive relevance on the object's and, for the class that carries it, on the tag's pixels beside \
               the share of the image they cover; pixel AUC: relevance as a detector of the object's pixels, 0.5 for chance."
            .to_owned(),
    })
}

fn examples(experiment: &Experiment, run: &Run) -> Result<Vec<ClassExamples>> {
    let gallery = gallery::get(experiment, &run.keys)?;
    let of = |class: usize, best: bool| {
        let chosen = gallery.examples.iter().filter(|example| example.class == class && example.best == best);
        chosen
            .map(|example| Example {
                id: example.id.clone(),
                score: example.score,
                label: 1,
                photograph: example.photograph.view().into(),
                heatmap: example.heatmap.view().into(),
                overlay: example.overlay.view().into(),
                conservation: conservation_line(&example.conservation),
            })
            .collect()
    };
    let classes = experiment.dataset.classes().iter().enumerate();
    Ok(classes
        .map(|(class, name)| ClassExamples {
            class: name.clone(),
            rule: experiment.settings.relevance.display_rule.to_string(),
            best: of(class, true),
            worst: of(class, false),
        })
        .collect())
}

/// Size, number and time of the artifacts of this run's keys.
fn stage_rows(experiment: &Experiment, run: &Run) -> Result<Vec<StageRow>> {
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
        Stage::Resampling => experiment.orders().iter().map(|order| keys.resampling(*order, settings)).collect(),
        Stage::Context => rules.iter().map(|rule| keys.context(*rule, &experiment.dataset)).collect(),
        Stage::Report => vec![keys.gallery(settings)],
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
