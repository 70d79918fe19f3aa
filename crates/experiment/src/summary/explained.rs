//! Tables about relevance: conservation, context, masks.

use fisherlens_eval::{Context, summarize_context};
use fisherlens_lrp::{Conservation, Rule};
use fisherlens_mini_voc::TAGGED_CLASS;
use fisherlens_report::{ConservationRow, ContextRow, Share, Table};

use crate::experiment::Experiment;
use crate::stages::context;

pub(super) fn conservation_row(rule: Rule, records: &[Conservation]) -> ConservationRow {
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

/// One row per class. `contexts`: class and context of each true positive.
pub(crate) fn context_rows(classes: &[String], contexts: &[(usize, Context)]) -> Vec<ContextRow> {
    let row = |(class, name): (usize, &String)| {
        let of_class: Vec<Context> =
            contexts.iter().filter(|(of, _)| *of == class).map(|(_, context)| *context).collect();
        let summary = summarize_context(&of_class);
        let looked_at: Vec<bool> = of_class.iter().filter_map(|context| context.pointing_hit).collect();
        ContextRow {
            class: name.clone(),
            n_images: summary.n_images - summary.n_excluded,
            n_excluded: summary.n_excluded,
            mean: summary.mean.unwrap_or(f64::NAN),
            median: summary.median.unwrap_or(f64::NAN),
            ratio_of_sums: summary.ratio_of_sums.unwrap_or(f64::NAN),
            size_weighted: summary.size_weighted.unwrap_or(f64::NAN),
            signed_difference: summary.mean_signed_difference.unwrap_or(f64::NAN),
            inside: (summary.mean_inside_share.unwrap_or(f64::NAN), summary.mean_inside_area.unwrap_or(f64::NAN)),
            distance_correlation: summary.mean_distance_correlation.unwrap_or(f64::NAN),
            pointing_hits: Some((looked_at.iter().filter(|hit| **hit).count(), looked_at.len())),
        }
    };
    classes.iter().enumerate().map(row).collect()
}

/// Context of all classes together, one row per rule.
pub(super) fn context_by_rule(contexts: &[(Rule, context::Contexts)]) -> Option<Table> {
    let of = |(rule, contexts): &(Rule, context::Contexts)| {
        (rule.to_string(), contexts.targets.iter().map(|target| target.context).collect())
    };
    context_table(&contexts.iter().map(of).collect::<Vec<_>>())
}

/// Context of all classes together, one row per name.
pub(crate) fn context_table(contexts: &[(String, Vec<Context>)]) -> Option<Table> {
    let text = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| format!("{value:.3}"));
    let rows = contexts.iter().map(|(rule, all)| {
        let summary = summarize_context(all);
        vec![
            rule.clone(),
            (summary.n_images - summary.n_excluded).to_string(),
            text(summary.mean),
            text(summary.median),
            text(summary.ratio_of_sums),
            text(summary.size_weighted),
            text(summary.mean_signed_difference),
            text(summary.pointing_rate),
            text(summary.mean_inside_share),
            text(summary.mean_inside_area),
            text(summary.mean_distance_correlation),
        ]
    });
    let columns = [
        "rule",
        "heatmaps",
        "mean",
        "median",
        "ratio of sums",
        "size-weighted",
        "signed difference",
        "pointing rate",
        "share inside",
        "boxes' area",
        "distance ρ",
    ];
    (!contexts.is_empty()).then(|| Table {
        title: "Context by rule, all classes together".to_owned(),
        columns: columns.map(str::to_owned).to_vec(),
        rows: rows.collect(),
        note: "Mean, median and the like: of the ratio of the mean positive relevance outside the boxes to the mean positive relevance \
               inside. Share inside: share of the positive relevance that lies in the boxes; for comparison, the share of the image that \
               the boxes cover. Distance ρ: rank correlation of relevance and distance from the boxes, for pixels outside."
            .to_owned(),
    })
}

/// Heatmaps compared with the drawn masks; `None` if the devkit has no masks.
pub(super) fn mask_table(experiment: &Experiment, contexts: &[(Rule, context::Contexts)]) -> Option<Table> {
    experiment.core.dataset.masks.as_ref()?;
    let tag_class = experiment.core.dataset.classes().iter().position(|class| class == TAGGED_CLASS);
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
    let columns =
        ["rule", "heatmaps", "on object", "area of object", "pixel AUC", "tagged heatmaps", "on tag", "area of tag"];
    Some(Table {
        title: "Heatmaps compared with the drawn masks".to_owned(),
        columns: columns.map(str::to_owned).to_vec(),
        rows: rows.collect(),
        note: "On object: mean share of the positive relevance on the pixels of the object; for comparison, the share of the image that \
               they cover. On tag: the same for the pixels of the tag, for the class that carries the tag. Pixel AUC: relevance as a \
               detector of the object's pixels, 0.5 by chance."
            .to_owned(),
    })
}
