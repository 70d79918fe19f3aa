//! Collects the results of an experiment with a network for the report.

use anyhow::Result;
use fisherlens_cnn::LayerConservation;
use fisherlens_eval::{Context, Interpolation, average_precision, quality_by_image, summarize_context};
use fisherlens_model::describe;
use fisherlens_report::{ClassExamples, ExtraSection, Limits, ReportData, StageRow, Table};

use crate::networks::comparison::Compared;
use crate::networks::experiment::NetworkExperiment;
use crate::networks::perturbation::{Perturbed, RANDOM, RegionTarget};
use crate::networks::relevance::Measured;
use crate::networks::retraining::{Look, State};
use crate::networks::scores::NetworkScores;
use crate::networks::stage::NetworkStage;
use crate::provenance;
use crate::settings::sections::DataSource;
use crate::settings::strategies::Corner;
use crate::stages::gallery::PHOTOGRAPH;
use crate::stages::scores::{Prediction, Scores};
use crate::summary::stage_rows::stage_row;
use crate::summary::{explained, learned, shown};

/// All results of the stages.
pub struct NetworkFindings<'a> {
    /// The final state of the retraining, with its history.
    pub state: &'a State,
    /// Scores by centre crops and by sliding windows.
    pub scores: &'a NetworkScores,
    /// Context and relevance in the corners.
    pub measured: &'a [Measured],
    /// Traces with regions replaced.
    pub perturbed: &'a Perturbed,
    /// Conservation of each layer.
    pub conservation: &'a [LayerConservation],
    /// Fisher vectors on the same photographs; `None` if they are not stored.
    pub compared: Option<&'a Compared>,
    /// Seconds of each stage in this run.
    pub seconds: &'a [(NetworkStage, f64)],
}

/// Collects the results.
///
/// # Errors
/// A folder of artifacts that cannot be listed.
pub fn collect(
    experiment: &NetworkExperiment,
    found: &NetworkFindings<'_>,
    examples: Vec<ClassExamples>,
) -> Result<ReportData> {
    let settings = &experiment.settings;
    let centre = &found.scores.centre;
    let predictions = centre.predictions(settings.data.difficult);
    let judged = learned::Judged {
        data: &settings.data,
        dataset: &experiment.core.dataset,
        other_seeds: &[],
        seed: settings.seed,
        n_bootstrap: settings.evaluation.n_bootstrap,
    };
    let display = settings.relevance.composites.iter().position(|composite| *composite == settings.relevance.display);
    let contexts: Vec<(usize, Context)> = found
        .measured
        .iter()
        .filter(|measured| Some(measured.composite) == display)
        .map(|measured| (measured.class, measured.context))
        .collect();
    let mut precision = learned::average_precision_summary(&judged, centre);
    // The summary adds the paper's values for Fisher vectors, which must not stand next to the values of a network.
    precision.paper_mean = None;
    precision.rows.iter_mut().for_each(|row| row.paper = None);
    let mut data = ReportData {
        title: format!("{} in experiment {}", settings.network.architecture, experiment.core.name),
        experiment: experiment.core.name.clone(),
        is_voc: settings.data.source == DataSource::Voc,
        limits: Limits { n_examples: settings.comparison.n_examples, thumbnail: PHOTOGRAPH },
        data: Some(shown::data_summary(&experiment.core.dataset)),
        settings: describe(settings),
        average_precision: Some(precision),
        precision_recall: learned::precision_recall_curves(settings.data.difficult, centre),
        equal_error: learned::equal_error_rows(centre, &predictions),
        context: explained::context_rows(experiment.core.dataset.classes(), &contexts),
        examples,
        ..ReportData::default()
    };
    data.notes.extend(experiment.core.dataset.warnings());
    if found.compared.is_none() && !settings.comparison.experiment.is_empty() {
        let name = &settings.comparison.experiment;
        data.notes.push(format!(
            "Experiment {name} has no scores among these artifacts, so this report does not compare the network with Fisher vectors. To \
             compare them, reproduce {name} first, with the same --artifacts."
        ));
    }
    data.extra_sections.push(side_by_side(experiment, found, &contexts));
    data.extra_sections.push(perturbation(experiment, found));
    data.extra_tables.extend(context_by_composite(experiment, found.measured));
    data.extra_tables.extend(tag(experiment, found));
    data.extra_tables.push(conservation(settings.relevance.display.as_str(), found.conservation));
    data.extra_tables.push(history(found.state));
    data.stages = stage_rows(experiment, found.seconds)?;
    let seeds = vec![("new weights, order, dropout, random regions".to_owned(), settings.seed)];
    data.provenance =
        Some(provenance::collect_from(&experiment.core.dataset, settings, &experiment.core.program, seeds));
    Ok(data)
}

fn side_by_side(
    experiment: &NetworkExperiment,
    found: &NetworkFindings<'_>,
    contexts: &[(usize, Context)],
) -> ExtraSection {
    let interpolation = experiment.settings.evaluation.interpolation;
    let classes = experiment.core.dataset.classes();
    let precision = |scores: &Scores, class: usize| {
        let labels = scores.labels_of_class(class, experiment.settings.data.difficult);
        average_precision(&scores.of_class(class), &labels, interpolation)
    };
    let ratio = |contexts: &[(usize, Context)], class: Option<usize>| {
        let of: Vec<Context> =
            contexts.iter().filter(|(of, _)| class.is_none_or(|class| *of == class)).map(|(_, c)| *c).collect();
        let summary = summarize_context(&of);
        (summary.median, summary.mean_inside_share)
    };
    let compared = found.compared;
    let row = |name: &str, class: Option<usize>| {
        let mean = |scores: &Scores| {
            let of_class = match class {
                Some(class) => return precision(scores, class),
                None => (0..classes.len()).filter_map(|class| precision(scores, class)),
            };
            let values: Vec<f64> = of_class.collect();
            Some(values.iter().sum::<f64>() / values.len().max(1) as f64)
        };
        let mut cells = vec![name.to_owned()];
        cells.push(percent(compared.and_then(|compared| mean(&compared.scores))));
        cells.push(percent(mean(&found.scores.centre)));
        cells.push(percent(mean(&found.scores.sliding)));
        for contexts in [compared.map_or(&[][..], |compared| &compared.contexts), contexts] {
            let (median, inside) = ratio(contexts, class);
            cells.push(number(median));
            cells.push(percent(inside));
        }
        for share in
            [compared.and_then(|compared| fisher_fall(compared, class)), network_fall(experiment, found, class)]
        {
            cells.push(number(share));
        }
        cells
    };
    let mut rows: Vec<Vec<String>> = classes.iter().enumerate().map(|(class, name)| row(name, Some(class))).collect();
    rows.push(row("all", None));
    let predictions = found.scores.centre.predictions(experiment.settings.data.difficult);
    let of = |(class, prediction): (usize, &Prediction)| {
        let scores = found.scores.centre.of_class(class);
        prediction.true_positives.iter().map(|&image| scores[image]).collect::<Vec<_>>()
    };
    let true_positives: Vec<f32> = predictions.iter().enumerate().flat_map(of).collect();
    let n_below = true_positives.iter().filter(|&&score| score < 0.0).count();
    let network = &experiment.settings.network.architecture;
    let (fewest, most) = found.scores.n_windows;
    let fisher = compared.map_or_else(
        || "not reproduced here".to_owned(),
        |compared| format!("experiment {}, rule {}", compared.name(), compared.rule()),
    );
    let columns = [
        "Class".to_owned(),
        "AP, Fisher vector (%)".to_owned(),
        format!("AP, {network}, centre crop (%)"),
        format!("AP, {network}, windows (%)"),
        "Context, Fisher vector".to_owned(),
        "Inside, Fisher vector (%)".to_owned(),
        format!("Context, {network}"),
        format!("Inside, {network} (%)"),
        "Fall, Fisher vector".to_owned(),
        format!("Fall, {network}"),
    ];
    ExtraSection {
        id: "side-by-side".to_owned(),
        heading: "Fisher vectors and the network".to_owned(),
        sentences: vec![
            format!(
                "Both methods on the same test images, class by class. Fisher vectors: {fisher}. Network: {network}, heatmaps by {}. For \
                 comparison, the mAP of the paper, trained on trainval and tested on test: Fisher vectors 59.99, CaffeNet 72.12 by the \
                 centre crop and 75.9 by windows.",
                experiment.settings.relevance.display
            ),
            format!(
                "Centre crop: the longer side is resized to {} pixels, and the image is padded to a square. Windows: the shorter side is \
                 resized to {0} pixels, with a window every {} pixels. There are {fewest} to {most} windows per image, and their scores \
                 are averaged.",
                experiment.settings.network.frame, experiment.settings.network.stride
            ),
            format!(
                "Relevance starts from the score itself. There are {} true positives. The scores of {n_below} of them are below 0 (but \
                 above the threshold of the class), so that most of their relevance is negative.",
                true_positives.len()
            ),
        ],
        tables: vec![Table {
            title: "Fisher vectors and the network, class by class".to_owned(),
            columns: columns.to_vec(),
            rows,
            note: "Context: mean positive relevance outside the boxes divided by mean positive relevance inside, median over true \
                   positives. Inside: mean share of the positive relevance in the boxes. Fall: mean loss of the score over the points of \
                   region perturbation (squares of pixels are set to the mean, most relevant first), as a share of the height of the \
                   score above the threshold at the start. So the falls of both methods have the same unit. The same number of regions is \
                   a larger part of a crop than of a whole photograph."
                .to_owned(),
        }],
    }
}

/// Mean fall over all traces, as a share of their mean start.
fn relative_fall<'a>(traces: impl Iterator<Item = &'a fisherlens_eval::Trace>) -> Option<f64> {
    let (mut falls, mut starts) = (0.0, 0.0);
    for trace in traces {
        let mean = trace.scores.iter().map(|&score| f64::from(score)).sum::<f64>() / trace.scores.len().max(1) as f64;
        falls += trace.start - mean;
        starts += trace.start;
    }
    (starts > 0.0).then(|| falls / starts)
}

fn network_fall(experiment: &NetworkExperiment, found: &NetworkFindings<'_>, class: Option<usize>) -> Option<f64> {
    let display = &experiment.settings.relevance.display;
    let of = |target: &&RegionTarget| {
        target.ranking == *display
            && !target.least_first
            && target.fill == crate::series::Fill::Mean
            && class.is_none_or(|class| target.class == class)
    };
    relative_fall(found.perturbed.targets.iter().filter(of).map(|target| &target.trace))
}

fn fisher_fall(compared: &Compared, class: Option<usize>) -> Option<f64> {
    let rule = compared.rule().to_string();
    let of = |target: &&crate::stages::pixels::PixelTarget| {
        target.ranking == rule
            && target.fill == crate::series::Fill::Mean
            && class.is_none_or(|class| target.class == class)
    };
    relative_fall(compared.pixels.targets.iter().filter(of).map(|target| &target.trace))
}

fn perturbation(experiment: &NetworkExperiment, found: &NetworkFindings<'_>) -> ExtraSection {
    let settings = &experiment.settings.pixels;
    let mut names: Vec<&str> = experiment.settings.relevance.composites.iter().map(String::as_str).collect();
    names.extend(["gradient-times-input", "gradient", RANDOM]);
    let mut tables = Vec::new();
    for &fill in &settings.fills {
        let rows = names.iter().map(|&name| {
            let mut row = vec![name.to_owned()];
            let mut areas = [None; 2];
            for (least_first, area) in [false, true].into_iter().zip(&mut areas) {
                let of = |target: &&RegionTarget| {
                    target.ranking == name && target.fill == fill && target.least_first == least_first
                };
                let (traces, images): (Vec<_>, Vec<_>) = found
                    .perturbed
                    .targets
                    .iter()
                    .filter(of)
                    .map(|target| (target.trace.clone(), target.image))
                    .unzip();
                let quality = quality_by_image(&traces, &images).ok();
                *area = quality.as_ref().map(|quality| quality.aopc);
                if !least_first {
                    row.push(quality.as_ref().map_or_else(dash, |q| format!("{:.4}", q.aopc)));
                    row.push(quality.as_ref().map_or_else(dash, |q| {
                        let factor = q.aopc / q.a;
                        format!("{:.4} to {:.4}", q.a_interval.0 * factor, q.a_interval.1 * factor)
                    }));
                    row.push(number(relative_fall(traces.iter())));
                    row.push(quality.as_ref().map_or_else(dash, |q| format!("{:.1}", 100.0 * q.v)));
                }
            }
            row.push(areas[1].map_or_else(dash, |area| format!("{area:.4}")));
            row.push(areas[0].zip(areas[1]).map_or_else(dash, |(most, least)| format!("{:.4}", most - least)));
            row
        });
        let columns =
            ["Order", "AOPC", "95 % interval", "Fall as share of the start", "V (%)", "AOPC, least first", "ABPC"]
                .map(str::to_owned);
        tables.push(Table {
            title: format!("Regions of {0} × {0} pixels, {fill}", settings.side),
            columns: columns.to_vec(),
            rows: rows.collect(),
            note: String::new(),
        });
    }
    let n = found.perturbed.targets.iter().map(|target| (target.image, target.class));
    let n = n.collect::<std::collections::BTreeSet<_>>().len();
    ExtraSection {
        id: "region-perturbation".to_owned(),
        heading: "Region perturbation".to_owned(),
        sentences: vec![format!(
            "Measured on {n} true positives. The {} regions of the centre crop with the highest mean relevance are replaced, {} between \
             two scores. AOPC, as defined by Samek: the mean fall over all points, including the start. Gradient: regions are ordered by \
             its mean absolute value. ABPC: AOPC with the most relevant regions first minus AOPC with the least relevant regions first.",
            settings.n_regions, settings.batch
        )],
        tables,
    }
}

fn context_by_composite(experiment: &NetworkExperiment, measured: &[Measured]) -> Option<Table> {
    let of = |(index, name): (usize, &String)| {
        let of_composite = measured.iter().filter(|measured| measured.composite == index);
        (name.clone(), of_composite.map(|measured| measured.context).collect())
    };
    let contexts: Vec<(String, Vec<Context>)> =
        experiment.settings.relevance.composites.iter().enumerate().map(of).collect();
    explained::context_table(&contexts)
}

/// Relevance in the corner of the photographer's tag, which the Fisher vectors use.
fn tag(experiment: &NetworkExperiment, found: &NetworkFindings<'_>) -> Option<Table> {
    let compared = experiment.compared.as_ref()?;
    let owner = compared.strategies.tag_owner.as_deref()?;
    let corner = Corner::ALL.iter().position(|corner| *corner == compared.strategies.tag_corner)?;
    let images = &experiment.core.dataset.test.set.images;
    let mut rows = Vec::new();
    for class in &compared.strategies.classes {
        let index = experiment.core.dataset.classes().iter().position(|other| other == class)?;
        for (composite, name) in experiment.settings.relevance.composites.iter().enumerate() {
            let of: Vec<(bool, [f64; 4])> = found
                .measured
                .iter()
                .filter(|measured| measured.class == index && measured.composite == composite)
                .filter_map(|measured| {
                    let is_owners = images[measured.image].owner() == Some(owner);
                    Some((is_owners, measured.corners?))
                })
                .collect();
            let mean = |values: Vec<f64>| {
                percent((!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64))
            };
            let others = |corners: &[f64; 4]| (corners.iter().sum::<f64>() - corners[corner]) / 3.0;
            let owners: Vec<_> = of.iter().filter(|(is_owners, _)| *is_owners).map(|(_, corners)| *corners).collect();
            let strangers = of.iter().filter(|(is_owners, _)| !is_owners);
            rows.push(vec![
                format!("{class}, {name}"),
                owners.len().to_string(),
                mean(owners.iter().map(|corners| corners[corner]).collect()),
                mean(owners.iter().map(others).collect()),
                mean(strangers.map(|(_, corners)| corners[corner]).collect()),
            ]);
        }
    }
    let columns = [
        "Class, composite",
        "Images with the tag's owner",
        "In the tag's corner (%)",
        "In each other corner (%)",
        "In the tag's corner, images of others (%)",
    ];
    Some(Table {
        title: format!("Does the network use the tag of {owner}?"),
        columns: columns.map(str::to_owned).to_vec(),
        rows,
        note: format!(
            "Mean share of the positive relevance of true positives in the {} corner of the part of the photograph that the crop shows. \
             In this corner the heatmaps of the Fisher vector show the tag on images of {owner}.",
            compared.strategies.tag_corner.name()
        ),
    })
}

fn conservation(composite: &str, layers: &[LayerConservation]) -> Table {
    let start = layers.first().map_or(1.0, |layer| layer.arrived);
    let share = |value: f64| format!("{:.2}", 100.0 * value / start);
    let row = |layer: &LayerConservation| {
        vec![
            layer.layer.clone(),
            layer.rule.clone(),
            share(layer.arrived),
            share(layer.passed_on),
            share(layer.absorbed.bias),
            share(layer.absorbed.stabilizer),
            share(layer.unexplained()),
        ]
    };
    let columns = ["Layer", "Rule", "Arrived", "Passed on", "Bias", "Stabiliser", "Unexplained"];
    Table {
        title: format!("Conservation layer by layer, {composite}"),
        columns: columns.map(str::to_owned).to_vec(),
        rows: layers.iter().map(row).collect(),
        note: "Sums over some true positives, in per cent of the sum of their scores. A layer whose output is the input of several layers \
               receives relevance from all of them."
            .to_owned(),
    }
}

fn history(state: &State) -> Table {
    let row = |look: &Look| {
        vec![
            look.step.to_string(),
            format!("{:.4}", look.loss),
            format!("{:.1e}", look.rate),
            percent(Some(look.mean_average_precision)),
        ]
    };
    let columns = ["Step", "Loss", "Rate", "mAP of centre crops (%)"];
    Table {
        title: "Retraining".to_owned(),
        columns: columns.map(str::to_owned).to_vec(),
        rows: state.history.iter().map(row).collect(),
        note: format!(
            "Loss: sum of the hinge losses, averaged over the steps since the previous row. {} steps took {:.0} s. The features of centre \
             crops are stored in half precision, so the mAP of the last row can differ from the mAP of the scores in the last digit.",
            state.step, state.seconds
        ),
    }
}

fn stage_rows(experiment: &NetworkExperiment, seconds: &[(NetworkStage, f64)]) -> Result<Vec<StageRow>> {
    let entries = experiment.core.store.entries()?;
    let row =
        |&(stage, seconds): &(NetworkStage, f64)| stage_row(&entries, stage.id(), &experiment.keys_of(stage), seconds);
    Ok(seconds.iter().map(row).collect())
}

fn percent(value: Option<f64>) -> String {
    value.map_or_else(dash, |value| format!("{:.2}", 100.0 * value))
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(dash, |value| format!("{value:.3}"))
}

fn dash() -> String {
    "–".to_owned()
}

/// One line with the mean average precision by the centre crop and by sliding windows.
pub fn line(experiment: &NetworkExperiment, scores: &NetworkScores) -> String {
    let of = |scores: &Scores| {
        100.0 * scores.mean_average_precision(experiment.settings.data.difficult, Interpolation::ElevenPoint)
    };
    format!("mAP {:.2} by the centre crop, {:.2} by sliding windows", of(&scores.centre), of(&scores.sliding))
}
