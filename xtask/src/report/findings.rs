//! What the heatmaps show: which rule orders descriptors best, and how much the surroundings of an object matter.

use minijinja::{Value, context};

use super::charts::{self, Bar, Curve};
use super::data::{ContextRow, PerturbationOrder, PerturbationSummary};
use super::format::{A_DECIMALS, NONE, count, counted, fixed, interval_of_a, percent, signed};
use super::tables::{self, View};

/// The rule that the supplement finds best, as its name begins in the settings, and with its value.
const PAPER_RULE: (&str, &str) = ("epsilon", "epsilon=100");

/// The order with the largest A among those that follow relevance.
pub(super) fn best_rule(summary: &PerturbationSummary) -> Option<&PerturbationOrder> {
    summary
        .orders
        .iter()
        .filter(|order| !order.is_random && order.a.is_finite())
        .max_by(|one, other| one.a.total_cmp(&other.a))
}

pub(super) fn perturbation(summary: &PerturbationSummary, is_voc: bool) -> anyhow::Result<Value> {
    let n_points = summary.orders.iter().map(|order| order.curve.len()).max().unwrap_or(0);
    let curves: Vec<Curve> = summary
        .orders
        .iter()
        .map(|order| Curve {
            name: order.name.clone(),
            is_random: order.is_random,
            values: order.curve.clone(),
            interval: order.curve_interval.clone(),
        })
        .collect();
    let ends: Vec<String> = summary
        .orders
        .iter()
        .filter_map(|order| order.curve.last().map(|last| format!("{} ends at {}", order.name, fixed(*last, 3))))
        .collect();
    let label = format!(
        "Line chart of the mean fall of the score over the number of replaced descriptors: {}",
        ends.join(", ")
    );
    let highest = summary.orders.iter().flat_map(|order| order.first_sign_changes.iter().copied()).max().unwrap_or(0);
    let changes: Vec<Value> = summary
        .orders
        .iter()
        .filter(|order| !order.first_sign_changes.is_empty())
        .map(|order| {
            let total: usize = order.first_sign_changes.iter().sum();
            let label = format!("Histogram for {}: {} change sign at some point", order.name, counted(total, "trace"));
            let chart = charts::first_changes(&order.first_sign_changes, summary.batch, highest, &label)?;
            Ok(context! {
                name => order.name.as_str(),
                v => percent(order.v, 1),
                n => count(order.n_traces),
                chart => Value::from_safe_string(chart),
            })
        })
        .collect::<anyhow::Result<_>>()?;
    let by_class = !summary.classes.is_empty() && summary.orders.iter().any(|order| !order.a_by_class.is_empty());
    let n_traces = summary.orders.iter().map(|order| order.n_traces).max().unwrap_or(0);
    Ok(context! {
        method => format!(
            "Up to {} descriptors of each true positive, in batches of {}, are replaced by draws from the mixture, those with the most relevance \
             first, {}. The better the heatmap, the faster the score falls (supplement, Algorithm 1 and Figure 1).",
            count(summary.n_replacements),
            count(summary.batch),
            if summary.n_repeats == 1 { "once an image".to_owned() } else { format!("{} times an image", summary.n_repeats) }
        ),
        finding => finding(summary, is_voc),
        chart => Value::from_safe_string(charts::perturbation(&curves, summary.batch, &label)?),
        has_interval => summary.orders.iter().any(|order| !order.curve_interval.is_empty()),
        n_points => n_points,
        counts => format!("n = {} an order.", counted(n_traces, "trace")),
        table => tables::orders(summary).into_value()?,
        changes => changes,
        by_class => by_class.then(|| tables::a_by_class(summary).into_value()).transpose()?,
    })
}

/// Which rule is best, how surely, and what the supplement says to that.
fn finding(summary: &PerturbationSummary, is_voc: bool) -> Option<String> {
    let best = best_rule(summary)?;
    let mut sentences = vec![format!(
        "Of the rules, {} has the largest A: {} ({}).",
        best.name,
        fixed(best.a, A_DECIMALS),
        interval_of_a(best.a_interval)
    )];
    let overlapping: Vec<&str> = summary
        .orders
        .iter()
        .filter(|order| !order.is_random && order.name != best.name && order.a_interval.1 >= best.a_interval.0)
        .map(|order| order.name.as_str())
        .collect();
    if !overlapping.is_empty() {
        sentences
            .push(format!("The interval overlaps that of {}, so the lead may be chance.", overlapping.join(" and ")));
    }
    let random = summary.orders.iter().find(|order| order.is_random);
    if let Some(random) = random.filter(|random| random.a_interval.1 >= best.a_interval.0) {
        sentences.push(format!("It does not stand clear of the random order ({}).", fixed(random.a, A_DECIMALS)));
    }
    let (rule, named) = PAPER_RULE;
    sentences.push(
        if best.name == named {
            "The supplement finds the same rule best, with the same ε."
        } else if best.name.starts_with(rule) {
            "The supplement finds the same rule best, with ε = 100."
        } else {
            "The supplement finds otherwise: there the ε-stabilised rule with ε = 100 is best."
        }
        .to_owned(),
    );
    if !is_voc {
        sentences.push("As the images are not the paper’s, this neither confirms nor contradicts it.".to_owned());
    }
    Some(sentences.join(" "))
}

/// The section on context.
pub(super) fn surroundings(rows: &[ContextRow]) -> anyhow::Result<Value> {
    let bars: Vec<Bar> = rows
        .iter()
        .map(|row| Bar {
            label: row.class.clone(),
            // A mean of ratios follows the few images whose divisor is next to nothing.
            value: row.median,
            mark: Some(row.ratio_of_sums).filter(|ratio| ratio.is_finite()),
        })
        .collect();
    let words: Vec<String> = rows.iter().map(|row| format!("{} {}", row.class, fixed(row.median, 2))).collect();
    let label = format!("Bar chart of the median ratio of relevance outside to inside: {}", words.join(", "));
    let chart = charts::horizontal(&bars, 1.0, "relevance outside / inside", 1.0, Some(1.0), &label)?;
    let has_pointing = rows.iter().any(|row| row.pointing_hits.is_some());
    let mut columns = vec![
        "Class",
        "Mean ratio",
        "Median ratio",
        "Ratio of sums",
        "Size-weighted",
        "Signed difference",
        "Inside (%)",
        "Boxes’ area (%)",
        "Distance ρ",
        "Images",
        "Left out",
    ];
    if has_pointing {
        columns.push("Pointing hits (%)");
    }
    let table = View::numbers("Relevance outside against inside the boxes, true positives", &columns)
        .rows(rows.iter().map(|row| {
            let mut cells = vec![
                row.class.clone(),
                fixed(row.mean, 3),
                fixed(row.median, 3),
                fixed(row.ratio_of_sums, 3),
                fixed(row.size_weighted, 3),
                signed(row.signed_difference, 4),
                percent(row.inside.0, 1),
                percent(row.inside.1, 1),
                signed(row.distance_correlation, 2),
                count(row.n_images),
                count(row.n_excluded),
            ];
            if has_pointing {
                cells.push(row.pointing_hits.filter(|(_, n)| *n > 0).map_or_else(
                    || NONE.to_owned(),
                    |(hits, n)| format!("{} ({}/{})", percent(hits as f64 / n as f64, 1), count(hits), count(n)),
                ));
            }
            cells
        }))
        .note(
            "Ratio of sums: sum over images of the means outside, divided by the sum of the means inside. Size-weighted: mean over all pixels \
             outside, of all images, divided by that inside. Inside: share of the positive relevance in the boxes, beside the share of the image \
             that they cover. Distance ρ: rank correlation of relevance and distance from the nearest box, over the pixels outside, mean \
             over images; below 0 relevance fades away from the object. Signed difference: mean over \
             images of (mean relevance outside − mean inside) / largest magnitude, sign kept. Left out: nothing outside the boxes, or no \
             positive relevance inside. Pointing hits: images whose most relevant pixel lies in a box.",
        );
    let n_images: usize = rows.iter().map(|row| row.n_images).sum();
    let n_excluded: usize = rows.iter().map(|row| row.n_excluded).sum();
    Ok(context! {
        chart => Value::from_safe_string(chart),
        counts => format!("n = {}; {} left out.", counted(n_images, "image"), count(n_excluded)),
        table => table.into_value()?,
    })
}
