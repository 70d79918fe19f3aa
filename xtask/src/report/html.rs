//! Fills the template: which sections there are, the header, and what each section says.

use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value, context};

use super::data::ReportData;
use super::format::{NONE, count, fixed, interval_of_a, percent};
use super::{examples, findings, scores, tables};

const TEMPLATE: &str = include_str!("template.html");
const STYLE: &str = include_str!("style.css");

/// Sections in the order of the page; the identifiers are those that the template compares with.
const SECTIONS: [(&str, &str); 13] = [
    ("average-precision", "Average precision"),
    ("precision-recall", "Precision and recall"),
    ("equal-error", "Equal-error thresholds"),
    ("perturbation", "Heatmap quality under perturbation"),
    ("conservation", "Conservation of relevance"),
    ("context", "Use of context"),
    ("more", "Further measurements"),
    ("examples", "Examples"),
    ("training", "Training"),
    ("data", "Images and labels"),
    ("settings", "Settings"),
    ("stages", "Stages of this run"),
    ("provenance", "Provenance"),
];

/// The page as text.
pub(super) fn render(data: &ReportData) -> anyhow::Result<String> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    // A name that only the template or only this file knows is a mistake; say so instead of leaving a hole in the page.
    environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    environment.add_template("report.html", TEMPLATE)?;
    let contents: Vec<Value> = SECTIONS
        .iter()
        .filter(|(id, _)| is_present(data, id))
        .map(|(id, heading)| context! { id => *id, heading => *heading })
        .collect();
    let page = environment.get_template("report.html")?.render(context! {
        style => Value::from_safe_string(STYLE.to_owned()),
        title => data.title.as_str(),
        byline => byline(data),
        remarks => remarks(data),
        results => results(data),
        contents,
        average_precision => data.average_precision.as_ref().map(scores::average_precision).transpose()?,
        precision_recall => scores::precision_recall(&data.precision_recall)?,
        equal_error => tables::equal_error(&data.equal_error).into_value()?,
        perturbation => data.perturbation.as_ref().map(|s| findings::perturbation(s, data.is_voc)).transpose()?,
        conservation => tables::conservation(&data.conservation).into_value()?,
        context => findings::surroundings(&data.context)?,
        extra_tables => tables::extra(&data.extra_tables)?,
        examples => examples::by_class(&data.examples, data.limits)?,
        training => data.classifier.as_ref().map(scores::training).transpose()?,
        dataset => data.data.as_ref().map(tables::images).transpose()?,
        settings => tables::settings(&data.settings).into_value()?,
        stages => tables::stages(&data.stages).into_value()?,
        provenance => data.provenance.as_ref().map(tables::provenance).transpose()?,
    })?;
    Ok(page)
}

fn is_present(data: &ReportData, id: &str) -> bool {
    match id {
        "average-precision" => data.average_precision.is_some(),
        "precision-recall" => !data.precision_recall.is_empty(),
        "equal-error" => !data.equal_error.is_empty(),
        "perturbation" => data.perturbation.is_some(),
        "conservation" => !data.conservation.is_empty(),
        "context" => !data.context.is_empty(),
        "more" => !data.extra_tables.is_empty(),
        "examples" => data.examples.iter().any(|class| !class.best.is_empty() || !class.worst.is_empty()),
        "training" => data.classifier.is_some(),
        "data" => data.data.is_some(),
        "settings" => !data.settings.is_empty(),
        "stages" => !data.stages.is_empty(),
        "provenance" => data.provenance.is_some(),
        _ => false,
    }
}

/// "Experiment voc2007 · fisherlens 0.1.0 (commit 1234567) · 24 November 2026"
fn byline(data: &ReportData) -> String {
    let mut parts = vec![format!("Experiment {}", data.experiment)];
    if let Some(provenance) = &data.provenance {
        let commit = provenance.commit.as_ref().map(|commit| {
            let short: String = commit.chars().take(10).collect();
            format!(" (commit {short})")
        });
        parts.push(format!("fisherlens {}{}", provenance.version, commit.unwrap_or_default()));
    }
    parts.extend(data.generated_at.clone());
    parts.join(" · ")
}

/// The caller's sentences; other images than the paper's come with a warning, asked for or not.
fn remarks(data: &ReportData) -> Vec<String> {
    let mut remarks = data.notes.clone();
    if !data.is_voc && (data.perturbation.is_some() || !data.conservation.is_empty()) {
        remarks.push(
            "The images are not those of PASCAL VOC 2007: A and V depend on the scores of the classifiers trained here, \
             and ε acts against the sums of these vectors, so neither they nor the best rule can be set beside the paper’s."
                .to_owned(),
        );
    }
    remarks
}

/// The few numbers at the top.
fn results(data: &ReportData) -> Vec<Value> {
    let mut results = Vec::new();
    let mut push = |name: &str, value: String, detail: String| {
        results.push(context! { name => name, value => value, detail => detail });
    };
    if let Some(summary) = &data.average_precision {
        let mut details = vec![format!("{} classes", summary.rows.len())];
        if let Some(interval) = &summary.bootstrap {
            details.push(format!("95 % interval {} to {}", percent(interval.low, 1), percent(interval.high, 1)));
        }
        if summary.seeds.len() > 1 {
            let (mean, deviation) = scores::mean_and_deviation(&summary.seeds);
            details.push(format!("{} seeds: {} ± {}", summary.seeds.len(), percent(mean, 2), percent(deviation, 2)));
        }
        if let Some(paper) = summary.paper_mean {
            details.push(format!("paper {}", percent(paper, 2)));
        }
        push("mAP, 11-point", format!("{} %", percent(summary.mean_eleven_point, 2)), details.join("; "));
    }
    if let Some(best) = data.perturbation.as_ref().and_then(findings::best_rule) {
        let detail = format!("largest A, {} (95 % interval {})", fixed(best.a, 3), interval_of_a(best.a_interval));
        push("Best heatmap rule", best.name.clone(), detail);
        let detail = format!("of {} traces change sign under {}", count(best.n_traces), best.name);
        push("Predictions flipped (V)", format!("{} %", percent(best.v, 1)), detail);
    }
    let most = data
        .context
        .iter()
        .filter(|row| row.median.is_finite())
        .max_by(|one, other| one.median.total_cmp(&other.median));
    if let Some(most) = most {
        let detail = format!("relevance outside / inside the boxes of {}, the largest median", most.class);
        push("Use of context", fixed(most.median, 2), detail);
    }
    if let Some(images) = &data.data {
        let value = format!("{} + {}", count(images.n_train), count(images.n_test));
        let names = [&images.train_name, &images.test_name].map(|name| if name.is_empty() { NONE } else { name });
        push("Images", value, format!("training ({}) + test ({})", names[0], names[1]));
    }
    results
}
