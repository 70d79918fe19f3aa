//! The sections on the quality of the classifiers and on their training.

use minijinja::{Value, context};

use crate::charts::bars::{Bar, horizontal};
use crate::charts::lines;
use crate::data::{AveragePrecisionSummary, ClassifierSummary, PrecisionRecallCurve};
use crate::error::ReportError;
use crate::exports::Exports;
use crate::format::{count, maybe_percent, percent, plain, significant};
use crate::tables::difference;
use crate::tabular::View;

/// The sentence that follows the paper's value if the images here are not the paper's test images.
const OTHER_TEST: &str = "The paper’s value is for the test images of VOC 2007, with classifiers trained on the whole trainval \
                          half: for other images than these, and with more training images.";

pub(crate) fn average_precision(summary: &AveragePrecisionSummary, exports: &Exports) -> Result<Value, ReportError> {
    let has_paper = summary.rows.iter().any(|row| row.paper.is_some());
    let bars: Vec<Bar> = summary
        .rows
        .iter()
        .map(|row| Bar { mark: row.paper, ..Bar::new(&row.class, row.eleven_point.unwrap_or(f64::NAN)) })
        .collect();
    let label = format!(
        "Bar chart of average precision by class: {}",
        list(&bars.iter().map(|bar| format!("{} {}", bar.label, percent(bar.value, 1))).collect::<Vec<_>>())
    );
    let chart = horizontal(&bars, 1.0, "average precision (%)", 100.0, None, &label)?;
    let mut columns = vec!["Class", "Positives", "AP, 11-point (%)", "AP, area (%)"];
    if has_paper {
        columns.extend(["Paper, 11-point (%)", "Difference"]);
    }
    let rows = summary.rows.iter().map(|row| {
        let mut cells = vec![
            row.class.clone(),
            count(row.n_positives),
            maybe_percent(row.eleven_point, 2),
            maybe_percent(row.area, 2),
        ];
        if has_paper {
            cells.extend([maybe_percent(row.paper, 2), difference(row.eleven_point, row.paper)]);
        }
        cells
    });
    let n_positives = summary.rows.iter().map(|row| row.n_positives).sum();
    let mut foot = vec![
        "Mean".to_owned(),
        count(n_positives),
        percent(summary.mean_eleven_point, 2),
        percent(summary.mean_area, 2),
    ];
    let mut note =
        "Positives: test images with at least one instance that is not marked difficult; the last row has their sum."
            .to_owned();
    if has_paper {
        foot.extend([
            maybe_percent(summary.paper_mean, 2),
            difference(Some(summary.mean_eleven_point), summary.paper_mean),
        ]);
        note.push_str(
            " The paper’s mean is printed in its supplement. Its values by class were written down from memory and not checked \
             against the printed page.",
        );
    }
    let table = View::numbers("Average precision by class, test images", &columns).rows(rows).foot(foot).note(note);
    Ok(context! {
        sentence => sentence(summary),
        chart => exports.figure("Average precision by class", chart),
        has_paper => has_paper,
        counts => format!("n = {}.", classes(summary)),
        table => table.place(exports)?,
        seeds => (!summary.seeds.is_empty()).then(|| seeds(summary).place(exports)).transpose()?,
    })
}

/// The classes that have an average precision, as in `3 classes`.
pub(crate) fn classes(summary: &AveragePrecisionSummary) -> String {
    let n = summary.rows.iter().filter(|row| row.eleven_point.is_some()).count();
    if n == 1 { "1 class".to_owned() } else { format!("{n} classes") }
}

fn sentence(summary: &AveragePrecisionSummary) -> String {
    if summary.rows.iter().all(|row| row.eleven_point.is_none()) {
        return "No class has both test images that show it and test images that do not, so there is no average precision.".to_owned();
    }
    let mut sentences = vec![format!(
        "The mean over {} is {} % by VOC 2007’s 11-point interpolation and {} % by area under the curve.",
        classes(summary),
        percent(summary.mean_eleven_point, 2),
        percent(summary.mean_area, 2)
    )];
    if let Some(interval) = &summary.bootstrap {
        sentences.push(format!(
            "Resampling the test images {} times gives a 95 % interval of {} to {} % for the 11-point mean.",
            count(interval.n_resamples),
            percent(interval.low, 2),
            percent(interval.high, 2)
        ));
    }
    if let Some(paper) = summary.paper_mean {
        sentences.push(format!("The paper reports {} %.", percent(paper, 2)));
        if !summary.is_papers_test {
            sentences.push(OTHER_TEST.to_owned());
        }
    }
    sentences.join(" ")
}

/// Mean and standard deviation (with n − 1) over the runs that differ only in the seed.
pub(crate) fn mean_and_deviation(seeds: &[(u64, f64)]) -> (f64, f64) {
    let n = seeds.len() as f64;
    let mean = seeds.iter().map(|(_, value)| value).sum::<f64>() / n;
    let variance = seeds.iter().map(|(_, value)| (value - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (mean, variance.sqrt())
}

fn seeds(summary: &AveragePrecisionSummary) -> View {
    let (mean, deviation) = mean_and_deviation(&summary.seeds);
    View::numbers("Mean average precision by seed", &["Seed", "mAP, 11-point (%)"])
        .rows(summary.seeds.iter().map(|(seed, mean)| vec![seed.to_string(), percent(*mean, 2)]))
        .foot(vec!["Mean".to_owned(), percent(mean, 2)])
        .foot(vec!["Standard deviation".to_owned(), percent(deviation, 2)])
        .note(
            "Data and settings are the same. The seed changes the sample of descriptors for the mixture, the start of the mixture, \
             and the folds. Everything else on this page is for the first seed.",
        )
}

pub(crate) fn precision_recall(curves: &[PrecisionRecallCurve], exports: &Exports) -> Result<Vec<Value>, ReportError> {
    curves
        .iter()
        .map(|curve| {
            let value = curve.average_precision.map(|value| percent(value, 1));
            let label = match &value {
                Some(value) => {
                    format!("Precision against recall of {}; average precision {value} per cent", curve.class)
                }
                None => format!("Precision against recall of {}", curve.class),
            };
            let chart = lines::precision_recall(&curve.recall, &curve.precision, &label)?;
            let title = format!("Precision and recall of {}", curve.class);
            Ok(context! { class => curve.class.as_str(), value => value, chart => exports.figure(&title, chart) })
        })
        .collect()
}

pub(crate) fn training(summary: &ClassifierSummary, exports: &Exports) -> Result<Value, ReportError> {
    let choice = if summary.choice.is_empty() { String::new() } else { format!(" ({})", summary.choice) };
    let n_open = summary.classes.iter().filter(|row| !row.converged).count();
    let end = match (summary.classes.len(), n_open) {
        (0, _) => String::new(),
        (_, 0) => "; all reached the tolerance".to_owned(),
        (n, open) => format!("; {open} of {n} stopped at the last allowed pass without reaching the tolerance"),
    };
    let sentence = format!(
        "Linear support vector machines, one per class against all other classes, with C = {}{choice}{end}.",
        plain(summary.chosen_c)
    );
    let n_folds = summary.cross_validation.iter().map(|row| row.folds.len()).max().unwrap_or(0);
    let cross_validation = (!summary.cross_validation.is_empty()).then(|| {
        let folds: Vec<String> = (1..=n_folds).map(|fold| format!("Fold {fold}")).collect();
        let mut columns = vec!["C", "Mean (%)"];
        columns.extend(folds.iter().map(String::as_str));
        columns.push("Problems not solved");
        View::numbers("Choice of C: mean average precision on held-out folds of the training images", &columns)
            .rows(summary.cross_validation.iter().map(|row| {
                let chosen = if row.c == summary.chosen_c { " (chosen)" } else { "" };
                let mut cells = vec![format!("{}{chosen}", plain(row.c)), percent(row.mean, 2)];
                cells.extend((0..n_folds).map(|fold| maybe_percent(row.folds.get(fold).copied(), 2)));
                cells.push(count(row.n_unsolved));
                cells
            }))
            .place(exports)
    });
    let classes = (!summary.classes.is_empty()).then(|| {
        View::numbers(
            "End of training by class",
            &["Class", "Objective", "Relative duality gap", "Passes", "Support vectors", "Tolerance reached"],
        )
        .rows(summary.classes.iter().map(|row| {
            vec![
                row.class.clone(),
                significant(row.objective, 5),
                significant(row.relative_duality_gap, 2),
                count(row.n_epochs),
                count(row.n_support_vectors),
                if row.converged { "yes" } else { "no" }.to_owned(),
            ]
        }))
        .place(exports)
    });
    Ok(context! {
        sentence => sentence,
        cross_validation => cross_validation.transpose()?,
        classes => classes.transpose()?,
    })
}

/// Words, separated by commas.
fn list(words: &[String]) -> String {
    words.join(", ")
}
