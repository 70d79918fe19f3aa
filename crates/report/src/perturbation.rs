//! The section on heatmap quality: how fast the score falls when descriptors are replaced in each order and in its reverse.

use std::fmt::Write;

use minijinja::{Value, context};

use crate::charts::bars::{self, Bar};
use crate::charts::lines::{self, Curve};
use crate::charts::looks::{Dash, Kind, Look};
use crate::data::{PerturbationOrder, PerturbationSummary};
use crate::error::ReportError;
use crate::exports::Exports;
use crate::format::{A_DECIMALS, NONE, count, counted, fixed, interval_of_a, percent};
use crate::tabular::View;

/// The rule that is best in the supplement: the first letters of its name in the settings, and the name with its value.
const PAPER_RULE: (&str, &str) = ("epsilon", "epsilon=100");

/// Width of the best rule's line, in pixels.
const BEST_WIDTH: f64 = 2.8;

/// Whether the order does not use the classifier.
fn is_baseline(order: &PerturbationOrder) -> bool {
    order.is_baseline || order.is_random
}

/// The order with the largest A among those that follow relevance.
pub(crate) fn best_rule(summary: &PerturbationSummary) -> Option<&PerturbationOrder> {
    summary
        .orders
        .iter()
        .filter(|order| !is_baseline(order) && order.a.is_finite())
        .max_by(|one, other| one.a.total_cmp(&other.a))
}

pub(crate) fn section(summary: &PerturbationSummary, is_voc: bool, exports: &Exports) -> Result<Value, ReportError> {
    let n_points = summary.orders.iter().map(|order| order.curve.len()).max().unwrap_or(0);
    let looks = looks(summary);
    let by_class = !summary.classes.is_empty() && summary.orders.iter().any(|order| !order.a_by_class.is_empty());
    let n_traces = summary.orders.iter().map(|order| order.n_traces).max().unwrap_or(0);
    Ok(context! {
        method => format!(
            "Up to {} descriptors of each true positive are replaced by draws from the mixture, in batches of {}, the most relevant \
             ones first. This is done {}. The better the heatmap, the faster the score falls (supplement, Algorithm 1 and Figure 1).",
            count(summary.n_replacements),
            count(summary.batch),
            if summary.n_repeats == 1 { "once per image".to_owned() } else { format!("{} times per image", summary.n_repeats) }
        ),
        finding => finding(summary, is_voc),
        chart => exports.figure("Fall of the score under perturbation", curves(summary, &looks)?),
        has_interval => summary.orders.iter().any(|order| !order.curve_interval.is_empty()),
        has_baseline => summary.orders.iter().any(|order| order.is_baseline && !order.is_random),
        n_points => n_points,
        counts => format!("n = {} per order.", counted(n_traces, "trace")),
        table => orders(summary).place(exports)?,
        bars => (summary.orders.len() > 1).then(|| a_by_order(summary)).transpose()?.map(|svg| exports.figure("A by order", svg)),
        ends => ends(summary, &looks)?.map(|svg| exports.figure("Orders and their reverse", svg)),
        changes => changes(summary, exports)?,
        by_class => by_class.then(|| a_by_class(summary).place(exports)).transpose()?,
    })
}

/// Sentences about which rule and which ε are best, how certain this is, and what the supplement found.
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
        .filter(|order| !is_baseline(order) && order.name != best.name && order.a_interval.1 >= best.a_interval.0)
        .map(|order| order.name.as_str())
        .collect();
    if !overlapping.is_empty() {
        sentences.push(format!(
            "Its interval overlaps with the {} of {}; the difference on the same images and draws is in the table of margins.",
            if overlapping.len() == 1 { "interval" } else { "intervals" },
            overlapping.join(" and ")
        ));
    }
    let random = summary.orders.iter().find(|order| order.is_random);
    if let Some(random) = random.filter(|random| random.a_interval.1 >= best.a_interval.0) {
        sentences.push(format!(
            "Its interval overlaps with the interval of the random order (A = {}).",
            fixed(random.a, A_DECIMALS)
        ));
    }
    sentences.extend(epsilon(summary));
    let (rule, named) = PAPER_RULE;
    sentences.push(
        if best.name == named {
            "The supplement finds the same rule best, with the same ε."
        } else if best.name.starts_with(rule) {
            "The supplement finds the same rule best, with ε = 100."
        } else {
            "The supplement has another result: there the ε-stabilised rule with ε = 100 is best."
        }
        .to_owned(),
    );
    if !is_voc {
        sentences.push(
            "Because the images are not the paper’s, this result neither confirms nor contradicts the paper."
                .to_owned(),
        );
    }
    Some(sentences.join(" "))
}

/// Sentences about the best ε of all values that were tried, compared with the paper's; `None` if fewer than two were tried.
fn epsilon(summary: &PerturbationSummary) -> Option<String> {
    let (rule, named) = PAPER_RULE;
    let value = |order: &PerturbationOrder| order.name.strip_prefix(rule)?.strip_prefix('=').map(str::to_owned);
    let mut tried: Vec<(String, &PerturbationOrder)> = summary
        .orders
        .iter()
        .filter(|order| !is_baseline(order) && order.a.is_finite())
        .filter_map(|order| Some((value(order)?, order)))
        .collect();
    if tried.len() < 2 {
        return None;
    }
    let number = |text: &str| text.parse::<f64>().unwrap_or(f64::NAN);
    tried.sort_by(|(one, _), (other, _)| number(one).total_cmp(&number(other)));
    let (best, order) = tried.iter().max_by(|(_, one), (_, other)| one.a.total_cmp(&other.a))?;
    let mut text = format!(
        "Of the {} values of ε tried, from {} to {}, ε = {best} is best here: A = {} (95 % interval {})",
        tried.len(),
        tried.first()?.0,
        tried.last()?.0,
        fixed(order.a, A_DECIMALS),
        interval_of_a(order.a_interval)
    );
    let at_the_end = *best == tried.first()?.0 || *best == tried.last()?.0;
    if at_the_end {
        text.push_str(", at the end of the range, so a value outside the range may be even better");
    }
    let papers = tried.iter().find(|(_, order)| order.name == named);
    match papers {
        Some((_, papers)) if papers.name == order.name => text.push_str("; ε = 100 is best in the paper too."),
        Some((_, papers)) => {
            let overlaps = papers.a_interval.1 >= order.a_interval.0 && papers.a_interval.0 <= order.a_interval.1;
            let _ = write!(
                text,
                ". For ε = 100, which is best in the paper, A = {} ({}); this interval {} the other.",
                fixed(papers.a, A_DECIMALS),
                interval_of_a(papers.a_interval),
                if overlaps { "overlaps with" } else { "does not overlap with" }
            );
        }
        None => text.push_str(". In the paper ε = 100 is best; it was not tried here."),
    }
    Some(text)
}

/// One look per order; the line of the best rule is thicker.
fn looks(summary: &PerturbationSummary) -> Vec<Look> {
    let kinds: Vec<Kind<'_>> = summary
        .orders
        .iter()
        .map(|order| Kind { name: &order.name, is_baseline: order.is_baseline, is_random: order.is_random })
        .collect();
    let best = best_rule(summary).map(|best| best.name.as_str());
    let mut looks = Look::all(&kinds);
    for (look, kind) in looks.iter_mut().zip(&kinds) {
        if best == Some(kind.name) {
            look.width = BEST_WIDTH;
        }
    }
    looks
}

/// The curves of all orders, most relevant first. If there are many orders, only the best rule and the baselines have bands, because more
/// bands would cover each other.
fn curves(summary: &PerturbationSummary, looks: &[Look]) -> Result<String, ReportError> {
    let best = best_rule(summary).map(|best| best.name.as_str());
    let few = summary.orders.len() <= 5;
    let curves: Vec<Curve> = summary
        .orders
        .iter()
        .zip(looks)
        .map(|(order, &look)| Curve {
            name: order.name.clone(),
            look,
            values: order.curve.clone(),
            interval: if few || is_baseline(order) || best == Some(order.name.as_str()) {
                order.curve_interval.clone()
            } else {
                Vec::new()
            },
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
    lines::perturbation(&curves, summary.batch, "most relevant first", &label)
}

/// The curves of the best rule and the baselines, in their order and in reverse; `None` if no reversed order was measured.
fn ends(summary: &PerturbationSummary, looks: &[Look]) -> Result<Option<String>, ReportError> {
    let best = best_rule(summary).map(|best| best.name.as_str());
    let shown = summary.orders.iter().zip(looks).filter(|(order, _)| {
        !order.curve_least_first.is_empty() && (is_baseline(order) || best == Some(order.name.as_str()))
    });
    let mut curves = Vec::new();
    for (order, &look) in shown {
        let (most, least) =
            if order.is_baseline { ("highest first", "lowest first") } else { ("most first", "least first") };
        curves.push(Curve {
            name: format!("{}, {most}", order.name),
            look: look.with(Dash::Solid),
            values: order.curve.clone(),
            interval: order.curve_interval.clone(),
        });
        curves.push(Curve {
            name: format!("{}, {least}", order.name),
            look: look.with(Dash::Dashed),
            values: order.curve_least_first.clone(),
            interval: order.interval_least_first.clone(),
        });
    }
    if curves.is_empty() {
        return Ok(None);
    }
    let random = summary.orders.iter().zip(looks).filter(|(order, _)| order.is_random);
    curves.extend(random.map(|(order, &look)| Curve {
        name: order.name.clone(),
        look,
        values: order.curve.clone(),
        interval: order.curve_interval.clone(),
    }));
    let words: Vec<String> = curves
        .iter()
        .filter_map(|curve| curve.values.last().map(|last| format!("{} ends at {}", curve.name, fixed(*last, 3))))
        .collect();
    let label = format!("Line chart of the fall of the score for orders and their reverse: {}", words.join("; "));
    lines::perturbation(&curves, summary.batch, "", &label).map(Some)
}

/// A bar chart of A, one bar per order.
fn a_by_order(summary: &PerturbationSummary) -> Result<String, ReportError> {
    let bars: Vec<Bar> = summary
        .orders
        .iter()
        .map(|order| Bar { interval: Some(order.a_interval), ..Bar::new(&order.name, order.a) })
        .collect();
    let words: Vec<String> =
        summary.orders.iter().map(|order| format!("{} {}", order.name, fixed(order.a, 3))).collect();
    let label = format!("Bar chart of A by order: {}", words.join(", "));
    bars::horizontal(&bars, 0.0, "A, mean fall of the score", 1.0, None, &label)
}

/// One histogram per order of the points where the sign first changes.
fn changes(summary: &PerturbationSummary, exports: &Exports) -> Result<Vec<Value>, ReportError> {
    let highest = summary.orders.iter().flat_map(|order| order.first_sign_changes.iter().copied()).max().unwrap_or(0);
    summary
        .orders
        .iter()
        .filter(|order| !order.first_sign_changes.is_empty())
        .map(|order| {
            let total: usize = order.first_sign_changes.iter().sum();
            let label =
                format!("Histogram for {}: {} change their sign at some point", order.name, counted(total, "trace"));
            let chart = bars::first_changes(&order.first_sign_changes, summary.batch, highest, &label)?;
            Ok(context! {
                name => order.name.as_str(),
                v => percent(order.v, 1),
                n => count(order.n_traces),
                chart => exports.figure(&format!("First sign changes by {}", order.name), chart),
            })
        })
        .collect()
}

/// The table with one row per order. Columns without any value are left out.
fn orders(summary: &PerturbationSummary) -> View {
    let has_least = summary.orders.iter().any(|order| order.a_least_first.is_some());
    let has_between = summary.orders.iter().any(|order| order.abpc.is_some());
    let number = |value: Option<f64>| value.map_or_else(|| NONE.to_owned(), |value| fixed(value, A_DECIMALS));
    let mut columns = vec!["Order", "A", "95 % interval of A", "V (%)", "AOPC"];
    let mut note =
        "A: mean over traces and points of f(x) − f(x⁽ⁱ⁾), without i = 0 (Eq. 14). V: share of the traces whose prediction changes \
         its sign at some point. AOPC (Samek et al. 2017): as A, but the point i = 0 is included."
        .to_owned();
    if has_least {
        columns.push("A, least first");
        note.push_str(
            " Least first: the reversed order. If the order is good, the reversed order does not change the score, or raises it.",
        );
    }
    if has_between {
        columns.extend(["ABPC", "95 % interval of ABPC"]);
        note.push_str(" ABPC: area between the curves of the order and of the reversed order, as a mean over points.");
    }
    columns.extend(["Traces", "Traces of short images"]);
    note.push_str(
        " Short images have fewer descriptors than should be replaced; their curve is constant after all of them are replaced.",
    );
    View::numbers("Quality of each order of replacement", &columns)
        .rows(summary.orders.iter().map(|order| {
            let mut cells = vec![
                order.name.clone(),
                fixed(order.a, A_DECIMALS),
                interval_of_a(order.a_interval),
                percent(order.v, 1),
                fixed(order.aopc, A_DECIMALS),
            ];
            if has_least {
                cells.push(number(order.a_least_first));
            }
            if has_between {
                let interval = order.abpc_interval.map_or_else(|| NONE.to_owned(), interval_of_a);
                cells.extend([number(order.abpc), interval]);
            }
            cells.extend([count(order.n_traces), count(order.n_short)]);
            cells
        }))
        .note(note)
}

/// The table of A with one row per class and one column per order.
fn a_by_class(summary: &PerturbationSummary) -> View {
    let mut columns = vec!["Class"];
    columns.extend(summary.orders.iter().map(|order| order.name.as_str()));
    View::numbers("A by class", &columns)
        .rows(summary.classes.iter().enumerate().map(|(class, name)| {
            let values = summary.orders.iter().map(|order| {
                order.a_by_class.get(class).copied().flatten().map_or_else(|| NONE.to_owned(), |a| fixed(a, 4))
            });
            std::iter::once(name.clone()).chain(values).collect()
        }))
        .note("Over the traces of the true positives of each class. A dash means that the class has no true positive.")
}
