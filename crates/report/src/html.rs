//! Fills the template: chooses the sections and makes the header and the content of each section.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fisherlens_files::visible;
use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value, context};
use sha2::{Digest as _, Sha256};

use crate::data::ReportData;
use crate::error::ReportError;
use crate::exports::{Exports, slug};
use crate::format::{NONE, count, fixed, interval_of_a, percent};
use crate::{examples, perturbation, reliability, scores, surroundings, tables};

const TEMPLATE: &str = include_str!("template.html");
const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");
/// Runs before the page is drawn, so that theme and controls do not flicker. Without storage the theme of the system is used.
const FIRST_SCRIPT: &str = "\
document.documentElement.classList.add(\"js\");
try { document.documentElement.dataset.theme = localStorage.getItem(\"fisherlens-theme\") || \"\"; } catch {}
";

/// Stands for all extra sections in [`SECTIONS`].
const EXTRA: &str = "extra";

/// The sections in the order of the page; the template uses the same identifiers.
const SECTIONS: [(&str, &str); 17] = [
    ("average-precision", "Average precision"),
    ("precision-recall", "Precision and recall"),
    ("equal-error", "Thresholds"),
    ("calibration", "Probabilities"),
    ("perturbation", "Heatmap quality under perturbation"),
    ("conservation", "Conservation of relevance"),
    ("context", "Use of context"),
    ("more", "Further measurements"),
    // All extra sections are here; they have their own headings.
    (EXTRA, ""),
    ("strategies", "Strategies"),
    ("mistakes", "Most confident mistakes"),
    ("examples", "Examples"),
    ("training", "Training"),
    ("data", "Images and labels"),
    ("settings", "Settings"),
    ("stages", "Stages of this run"),
    ("provenance", "Provenance"),
];

/// The page as text, and the figures and tables that are also written as files.
pub(crate) fn render(data: &ReportData) -> Result<(String, Exports), ReportError> {
    let failed = |error: minijinja::Error| ReportError::Template { problem: format!("{error:#}") };
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    // If the template uses a name that this file does not give, rendering fails. Without this setting, the page would silently lack
    // that text.
    environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    environment.add_template("report.html", TEMPLATE).map_err(failed)?;
    let exports = &Exports::default();
    let sections = sections(data, exports)?;
    let template = environment.get_template("report.html").map_err(failed)?;
    let page = template.render(context! {
        policy => Value::from_safe_string(policy()),
        first_script => Value::from_safe_string(FIRST_SCRIPT.to_owned()),
        style => Value::from_safe_string(STYLE.to_owned()),
        script => Value::from_safe_string(SCRIPT.to_owned()),
        title => data.title.as_str(),
        byline => byline(data),
        remarks => remarks(data),
        results => results(data),
        contents => sections,
        average_precision => data.average_precision.as_ref().map(|s| scores::average_precision(s, exports)).transpose()?,
        precision_recall => scores::precision_recall(&data.precision_recall, exports)?,
        has_own_thresholds => data.has_own_thresholds,
        equal_error => tables::equal_error(&data.equal_error, data.has_own_thresholds).place(exports)?,
        calibration => data.calibration.as_ref().map(|s| reliability::section(s, exports)).transpose()?,
        perturbation => data.perturbation.as_ref().map(|s| perturbation::section(s, data.is_voc, exports)).transpose()?,
        conservation => tables::conservation(&data.conservation).place(exports)?,
        context => present(&data.context).map(|rows| surroundings::surroundings(rows, exports)).transpose()?,
        extra_tables => tables::extra(&data.extra_tables, exports)?,
        strategies => strategies(data, exports)?,
        mistakes_rule => data.mistakes.first().map(|mistake| mistake.rule.as_str()),
        mistakes_sentence => examples::mistakes_sentence(data),
        mistakes => examples::mistakes(&data.mistakes, data.limits)?,
        gallery => examples::gallery(&data.examples, data.limits)?,
        training => data.classifier.as_ref().map(|s| scores::training(s, exports)).transpose()?,
        dataset => data.data.as_ref().map(|s| tables::images(s, exports)).transpose()?,
        settings => tables::settings(&data.settings).place(exports)?,
        stages => tables::stages(&data.stages).place(exports)?,
        provenance => data.provenance.as_ref().map(|s| tables::provenance(s, exports)).transpose()?,
    });
    let page = page.map_err(failed)?;
    // Here because all names pass here, whatever part of the page they come from. The page's own words, style and scripts stay the same.
    Ok((visible(&page).into_owned(), exports.take()))
}

/// What a browser may load and run: the page's own two scripts and pictures inside the page. Names from data sets could otherwise become
/// scripts or requests if one of them was not escaped.
fn policy() -> String {
    let digest = |script: &str| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(script)));
    format!(
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src {} {}; base-uri 'none'; form-action 'none'",
        digest(FIRST_SCRIPT),
        digest(SCRIPT)
    )
}

/// The rows, or `None` if there are none.
fn present<T>(rows: &[T]) -> Option<&[T]> {
    (!rows.is_empty()).then_some(rows)
}

/// The sections that have content; an extra section contains its content.
fn sections(data: &ReportData, exports: &Exports) -> Result<Vec<Value>, ReportError> {
    let mut sections = Vec::new();
    for (id, heading) in SECTIONS {
        if id != EXTRA {
            if is_present(data, id) {
                sections.push(context! { id => id, heading => heading });
            }
            continue;
        }
        for section in &data.extra_sections {
            // The prefix keeps the name different from all other names in the page.
            let id = format!("section-{}", exports.name("section", &slug(&section.id)));
            sections.push(context! {
                id => id,
                heading => section.heading.as_str(),
                extra => context! {
                    sentences => &section.sentences,
                    tables => tables::extra(&section.tables, exports)
                        .map_err(ReportError::part(format!("section \"{}\"", section.heading)))?,
                },
            });
        }
    }
    Ok(sections)
}

fn strategies(data: &ReportData, exports: &Exports) -> Result<Vec<Value>, ReportError> {
    data.strategies
        .iter()
        .enumerate()
        .map(|(at, summary)| {
            let rule = if summary.rule.is_empty() { String::new() } else { format!(" (rule {})", summary.rule) };
            Ok(context! {
                name => format!("{}{rule}", summary.class),
                n => count(summary.n_heatmaps),
                findings => &summary.findings,
                tables => tables::extra(&summary.tables, exports)?,
                clusters => examples::clusters(summary, at, data.limits)?,
            })
        })
        .collect()
}

/// Whether a section has content.
fn is_present(data: &ReportData, id: &str) -> bool {
    match id {
        "average-precision" => data.average_precision.is_some(),
        "precision-recall" => !data.precision_recall.is_empty(),
        "equal-error" => !data.equal_error.is_empty(),
        "calibration" => data.calibration.is_some(),
        "perturbation" => data.perturbation.is_some(),
        "conservation" => !data.conservation.is_empty(),
        "context" => !data.context.is_empty(),
        "more" => !data.extra_tables.is_empty(),
        "mistakes" => !data.mistakes.is_empty(),
        "examples" => data.examples.iter().any(|class| !class.is_empty()),
        "strategies" => !data.strategies.is_empty(),
        "training" => data.classifier.is_some(),
        "data" => data.data.is_some(),
        "settings" => !data.settings.is_empty(),
        "stages" => !data.stages.is_empty(),
        "provenance" => data.provenance.is_some(),
        _ => false,
    }
}

/// The line below the heading, as in "Experiment voc2007 · fisherlens 0.1.0 (commit 1234567) · 24 November 2026".
fn byline(data: &ReportData) -> String {
    let mut parts = Vec::new();
    if !data.experiment.is_empty() {
        parts.push(format!("Experiment {}", data.experiment));
    }
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

/// The caller's sentences, and a warning if the images are not the paper's.
fn remarks(data: &ReportData) -> Vec<String> {
    let mut remarks = data.notes.clone();
    if !data.is_voc && data.perturbation.is_some() {
        remarks.push(
            "The images are not those of PASCAL VOC 2007. A and V depend on the scores of the classifiers that were trained here, and the \
             effect of ε depends on the sums that it is added to. So A, V and the best rule cannot be compared with the paper’s."
                .to_owned(),
        );
    }
    remarks
}

/// The main results, shown at the top of the page.
fn results(data: &ReportData) -> Vec<Value> {
    let mut results = Vec::new();
    let mut push = |name: &str, value: String, detail: String| {
        results.push(context! { name => name, value => value, detail => detail });
    };
    if let Some(summary) = &data.average_precision {
        let mut details = vec![scores::classes(summary)];
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
    if let Some((n_right, n)) = data.accuracy {
        let detail = format!("{} of {} test images were taken for their class", count(n_right), count(n));
        push("Accuracy", format!("{} %", percent(n_right as f64 / n as f64, 2)), detail);
    }
    if let Some(summary) = &data.calibration {
        let detail = format!(
            "mean over the classes of the distance between the probability of a class and the share of images that have it; {} % over all \
             pairs of image and class",
            percent(summary.expected_calibration_error, 1)
        );
        push("Calibration error", format!("{} %", percent(summary.mean_of_classes(), 1)), detail);
    }
    if let Some(best) = data.perturbation.as_ref().and_then(perturbation::best_rule) {
        let detail = format!("largest A, {} (95 % interval {})", fixed(best.a, 3), interval_of_a(best.a_interval));
        push("Best heatmap rule", best.name.clone(), detail);
        let detail = format!("of {} traces change their sign with {}", count(best.n_traces), best.name);
        push("Predictions flipped (V)", format!("{} %", percent(best.v, 1)), detail);
    }
    let largest = data
        .context
        .iter()
        .filter(|row| row.median.is_finite())
        .max_by(|one, other| one.median.total_cmp(&other.median));
    if let Some(largest) = largest {
        let detail = format!("largest median ratio of relevance outside / inside the boxes; class {}", largest.class);
        push("Use of context", fixed(largest.median, 2), detail);
    }
    if let Some(images) = &data.data {
        let value = format!("{} + {}", count(images.n_train), count(images.n_test));
        let names = [&images.train_name, &images.test_name].map(|name| if name.is_empty() { NONE } else { name });
        push("Images", value, format!("training ({}) + test ({})", names[0], names[1]));
    }
    results
}
