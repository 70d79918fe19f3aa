//! Strategies found among the heatmaps: sentences, tables and pictures.

use fisherlens_eval::{ClusterAgreement, ExcessWindow, best_cluster};
use fisherlens_lrp::{ColorMap, heatmap};
use fisherlens_report::{StrategyCluster, StrategyExample, StrategySummary, Table};
use ndarray::{Axis, Zip};

use crate::experiment::Experiment;
use crate::settings::strategies::{Corner, ExplainedImages};
use crate::stages::strategies::{ClassStrategies, Cluster, OwnerAgreement, StrategiesFound};
use crate::tag::Tag;
use crate::tag::scores::ScoreChange;

/// A cell of the grid is drawn this many pixels wide and high.
const CELL: usize = 5;
/// Maximum number of listed photographers.
const MAX_N_OWNERS: usize = 8;

/// One summary per class.
pub(super) fn summaries(experiment: &Experiment, found: &StrategiesFound) -> Vec<StrategySummary> {
    found.classes.iter().map(|class| summary(experiment, class, found.tag.as_ref())).collect()
}

fn summary(experiment: &Experiment, class: &ClassStrategies, tag: Option<&Tag>) -> StrategySummary {
    let tagged = tagged(experiment, class);
    StrategySummary {
        class: experiment.core.dataset.classes()[class.class].clone(),
        rule: experiment.settings.relevance.display_rule.to_string(),
        n_heatmaps: class.ids.len(),
        findings: findings(experiment, class, &tagged, tag),
        tables: [
            sweep_table(class, &tagged),
            agreement_table(class),
            corner_table(experiment, class, &tagged),
            change_table(class, tag),
        ]
        .into_iter()
        .flatten()
        .collect(),
        clusters: (1..).zip(&class.clusters).map(|(number, cluster)| shown(class, number, cluster)).collect(),
    }
}

/// For each image, whether it is by the tag's owner; always `false` if the settings name no owner.
fn tagged(experiment: &Experiment, class: &ClassStrategies) -> Vec<bool> {
    let owner = experiment.settings.strategies.tag_owner.as_deref();
    class.owners.iter().map(|other| owner.is_some() && other.as_deref() == owner).collect()
}

/// The name of a cluster: 1 is the most suspicious one.
fn name(class: &ClassStrategies, label: usize) -> String {
    let place = class.clusters.iter().position(|cluster| cluster.label == label);
    place.map_or_else(|| "–".to_owned(), |place| format!("cluster {}", place + 1))
}

fn percent(share: f64) -> String {
    format!("{:.0} %", 100.0 * share)
}

fn findings(experiment: &Experiment, class: &ClassStrategies, tagged: &[bool], tag: Option<&Tag>) -> Vec<String> {
    let settings = &experiment.settings.strategies;
    let Some(choice) = class.strategies.choice() else {
        return vec![format!("{} heatmaps are too few for clustering.", class.ids.len())];
    };
    let kind = match settings.images {
        ExplainedImages::TruePositives => "true positives",
        ExplainedImages::Positives => "test images of the class",
    };
    let mut findings = vec![format!(
        "The heatmaps of {} {kind} form {} clusters with {} neighbours. This setting has the greatest eigengap ({:.3}) in the sweep \
         below. The clustering does not use labels, boxes or photographers.",
        class.ids.len(),
        choice.n_clusters,
        choice.n_neighbours,
        choice.eigengap
    )];
    if let Some(cluster) = class.clusters.first()
        && let Some(window) = &cluster.window
    {
        findings.push(format!(
            "The most suspicious cluster has {} images. {} of their positive relevance lies in {}; for the other heatmaps it is {}.",
            cluster.members.len(),
            percent(window.inside),
            place(window, settings.grid),
            percent(window.elsewhere)
        ));
    }
    let owner = settings.tag_owner.as_deref();
    if let Some(OwnerAgreement { owner, n_images, best, .. }) =
        class.agreement.iter().find(|agreement| Some(agreement.owner.as_str()) == owner)
    {
        findings.push(format!(
            "Comparison with the photographers, afterwards: {} of the {} images of {} are by {owner} (purity {:.2}). {owner} took \
             {n_images} of all images (recall {:.2}).",
            best.n_hits,
            best.n_members,
            name(class, best.cluster),
            best.purity,
            best.recall
        ));
    }
    if tagged.contains(&true) {
        let corner = settings.tag_corner;
        let [own, other_corners, others] = corner_means(class, tagged, corner);
        findings.push(format!(
            "The {} corner is {} of the area. It contains {} of the positive relevance of the owner's images; each other corner of these \
             images contains {} on average. In the images of others, the same corner contains {}.",
            corner.name(),
            percent(settings.tag_size[0] * settings.tag_size[1]),
            percent(own),
            percent(other_corners),
            percent(others)
        ));
    }
    if let Some(tag) = tag.filter(|_| !class.changes.is_empty()) {
        findings.push(format!(
            "The tag was estimated from the {} of {} training images of its owner that show it in the same form.",
            tag.n_photographs, tag.n_candidates
        ));
    }
    findings
}

/// Where a window lies, in shares of the image.
fn place(window: &ExcessWindow, grid: usize) -> String {
    let share = |cell: usize| (100 * cell + grid / 2) / grid;
    format!(
        "the window from {} to {} % of the width and {} to {} % of the height",
        share(window.columns.start),
        share(window.columns.end),
        share(window.rows.start),
        share(window.rows.end)
    )
}

/// Mean share of the positive relevance in the tag's corner of tagged images, in each of their other corners, and in the same corner of
/// other images.
fn corner_means(class: &ClassStrategies, tagged: &[bool], corner: Corner) -> [f64; 3] {
    let mean = |values: Vec<f64>| values.iter().sum::<f64>() / values.len().max(1) as f64;
    let of = |wanted: bool, which: &dyn Fn(Corner) -> bool| {
        let images = class.corners.iter().zip(tagged).filter(|(_, tagged)| **tagged == wanted);
        let shares = images.flat_map(|(shares, _)| Corner::ALL.into_iter().zip(*shares));
        mean(shares.filter(|(corner, _)| which(*corner)).map(|(_, share)| share).collect())
    };
    [of(true, &|other| other == corner), of(true, &|other| other != corner), of(false, &|other| other == corner)]
}

fn table(title: &str, columns: &[&str], rows: Vec<Vec<String>>, note: String) -> Option<Table> {
    let columns = columns.iter().map(|column| (*column).to_owned()).collect();
    (!rows.is_empty()).then(|| Table { title: title.to_owned(), columns, rows, note })
}

fn sweep_table(class: &ClassStrategies, tagged: &[bool]) -> Option<Table> {
    let check = tagged.contains(&true);
    let rows = class.strategies.sweep.iter().enumerate().map(|(place, row)| {
        let chosen = if class.strategies.chosen == Some(place) { " – chosen" } else { "" };
        let n_labels = row.labels.iter().copied().max().map_or(0, |label| label + 1);
        let size = |label: usize| row.labels.iter().filter(|other| **other == label).count().to_string();
        let mut cells = vec![
            format!("{} neighbours, {} clusters{chosen}", row.n_neighbours, row.n_clusters),
            format!("{:.4}", row.eigengap),
            row.agreement.map_or_else(|| "–".to_owned(), |value| format!("{value:.2}")),
            (0..n_labels).map(size).collect::<Vec<_>>().join(" "),
        ];
        if check {
            let best = best_cluster(&row.labels, tagged).ok().flatten();
            let number = |value: fn(&ClusterAgreement) -> f64| {
                best.as_ref().map_or_else(|| "–".to_owned(), |best| format!("{:.2}", value(best)))
            };
            cells.extend([number(|best| best.purity), number(|best| best.recall)]);
        }
        cells
    });
    let mut columns = vec!["setting", "eigengap", "agreement", "sizes"];
    let mut note = "The setting with the greatest eigengap is chosen. Agreement: mean adjusted mutual information with the partitions \
                    into the same number of clusters at the other numbers of neighbours."
        .to_owned();
    if check {
        columns.extend(["purity", "recall"]);
        note.push_str(
            " Purity and recall: of the cluster that agrees best with the tag's owner. They are a check and do not influence the choice.",
        );
    }
    table("Sweep over neighbours and clusters", &columns, rows.collect(), note)
}

fn agreement_table(class: &ClassStrategies) -> Option<Table> {
    let rows = class.agreement.iter().take(MAX_N_OWNERS).map(|row| {
        vec![
            row.owner.clone(),
            row.n_images.to_string(),
            name(class, row.best.cluster),
            row.best.n_members.to_string(),
            format!("{:.2}", row.best.purity),
            format!("{:.2}", row.best.recall),
            format!("{:.2}", row.information),
        ]
    });
    table(
        "Clusters compared with photographers",
        &["photographer", "images", "best cluster", "images of the cluster", "purity", "recall", "AMI"],
        rows.collect(),
        "Photographers who took five or more of the images. The clustering does not use them, and not every image of a photographer \
         has to carry a tag. AMI: adjusted mutual information of the clusters and the partition into images of the photographer and \
         images of others."
            .to_owned(),
    )
}

fn corner_table(experiment: &Experiment, class: &ClassStrategies, tagged: &[bool]) -> Option<Table> {
    let settings = &experiment.settings.strategies;
    let owner = settings.tag_owner.as_deref()?;
    let row = |name: &str, wanted: bool| -> Option<Vec<String>> {
        let shares: Vec<[f64; 4]> = class
            .corners
            .iter()
            .zip(tagged)
            .filter(|(_, tagged)| **tagged == wanted)
            .map(|(shares, _)| *shares)
            .collect();
        let mean = |place: usize| shares.iter().map(|shares| shares[place]).sum::<f64>() / shares.len() as f64;
        let means = (0..4).map(|place| format!("{:.3}", mean(place)));
        (!shares.is_empty()).then(|| [name.to_owned(), shares.len().to_string()].into_iter().chain(means).collect())
    };
    let rows = [row(owner, true), row("all others", false)].into_iter().flatten().collect();
    table(
        "Share of the positive relevance in the corners",
        &["images of", "images", "upper left", "upper right", "lower left", "lower right"],
        rows,
        format!(
            "Means over images. A corner has {} of the width and {} of the height, {:.3} of the area. The tag is in the {} corner.",
            settings.tag_size[0],
            settings.tag_size[1],
            settings.tag_size[0] * settings.tag_size[1],
            settings.tag_corner.name()
        ),
    )
}

fn change_table(class: &ClassStrategies, tag: Option<&Tag>) -> Option<Table> {
    let row = |change: &ScoreChange| -> Option<Vec<String>> {
        let [mean, low, high] = change.mean()?;
        let n = change.before.len();
        let before = change.before.iter().sum::<f64>() / n as f64;
        let [up, down] = change.crossed();
        Some(vec![
            format!("{}: {}", change.name, change.images),
            n.to_string(),
            format!("{before:+.3}"),
            format!("{mean:+.3}"),
            format!("{low:+.3} to {high:+.3}"),
            format!("{up} ({})", percent(up as f64 / n as f64)),
            format!("{down} ({})", percent(down as f64 / n as f64)),
        ])
    };
    let taken = tag.map_or_else(String::new, |_| {
        " The pasted tag is the median, over training images, of the difference from the local background, with its transparency."
            .to_owned()
    });
    table(
        "The tag pasted and removed",
        &["change: images", "images", "score before", "mean change", "95 % interval", "found", "lost"],
        class.changes.iter().filter_map(row).collect(),
        format!(
            "Scores minus the equal-error threshold. Found: images whose score rises above the threshold. Lost: images whose score falls \
             below it. A filled corner contains the mirrored pixels next to it.{taken}"
        ),
    )
}

fn shown(class: &ClassStrategies, number: usize, cluster: &Cluster) -> StrategyCluster {
    let grid = class.heatmaps.dim().1;
    let mut mean = class.heatmaps.index_axis(Axis(0), 0).mapv(|_| 0.0_f32);
    for &place in &cluster.members {
        // All heatmaps have the same weight, independent of their strength, as in the clustering.
        let heatmap = class.heatmaps.index_axis(Axis(0), place);
        let norm = heatmap.iter().map(|value| value * value).sum::<f32>().sqrt();
        if norm > 0.0 {
            Zip::from(&mut mean).and(heatmap).for_each(|mean, &value| *mean += value / norm);
        }
    }
    let large = ndarray::Array2::from_shape_fn((CELL * grid, CELL * grid), |(y, x)| mean[[y / CELL, x / CELL]]);
    let note = cluster.window.as_ref().map_or_else(
        || format!("{} images.", cluster.members.len()),
        |window| {
            format!(
                "{} images. {} contains {} of their positive relevance, and {} in the other heatmaps. Suspicion: {:.2}.",
                cluster.members.len(),
                capitalised(&place(window, grid)),
                percent(window.inside),
                percent(window.elsewhere),
                window.suspicion
            )
        },
    );
    StrategyCluster {
        name: format!("cluster {number}"),
        ids: cluster.members.iter().map(|&place| class.ids[place].clone()).collect(),
        note,
        mean_heatmap: heatmap(large.view(), ColorMap::Diverging).view().into(),
        examples: cluster
            .examples
            .iter()
            .map(|example| StrategyExample {
                id: class.ids[example.place].clone(),
                caption: class.owners[example.place].clone().unwrap_or_default(),
                photograph: example.photograph.view().into(),
                heatmap: example.heatmap.view().into(),
            })
            .collect(),
    }
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
