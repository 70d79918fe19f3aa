//! The section on probabilities.

use minijinja::{Value, context};

use crate::charts::lines;
use crate::data::calibration::CalibrationSummary;
use crate::error::ReportError;
use crate::exports::Exports;
use crate::format::{NONE, count, fixed, percent};
use crate::tabular::View;

pub(crate) fn section(summary: &CalibrationSummary, exports: &Exports) -> Result<Value, ReportError> {
    let filled = summary.bins.iter().filter(|bin| bin.n > 0);
    let points: Vec<(f64, f64)> = filled.map(|bin| (bin.mean_probability, bin.share)).collect();
    let label = format!(
        "Reliability diagram: {}",
        points
            .iter()
            .map(|(probability, share)| format!("probability {}, share {}", fixed(*probability, 2), fixed(*share, 2)))
            .collect::<Vec<_>>()
            .join("; ")
    );
    let chart = lines::reliability(&points, &label)?;
    let bins = View::numbers(
        "Probabilities and shares, all classes together, test images",
        &["Probability", "Pairs", "Mean probability (%)", "Share with the class (%)"],
    )
    .rows(summary.bins.iter().map(|bin| {
        let shown = |value: f64| if bin.n == 0 { NONE.to_owned() } else { percent(value, 1) };
        vec![
            format!("{} to {}", fixed(bin.low, 1), fixed(bin.high, 1)),
            count(bin.n),
            shown(bin.mean_probability),
            shown(bin.share),
        ]
    }))
    .note("Pairs: pairs of a test image and a class, without difficult ones.");
    let classes = View::numbers(
        "Probabilities by class, test images",
        &["Class", "Calibration error (%)", "Brier score", "Slope", "Offset"],
    )
    .rows(summary.rows.iter().map(|row| {
        vec![
            row.class.clone(),
            percent(row.expected_calibration_error, 1),
            fixed(row.brier_score, 4),
            fixed(row.slope, 3),
            fixed(row.offset, 3),
        ]
    }))
    .note("Probability of a class: 1 / (1 + exp(−(slope · score + offset))).");
    Ok(context! {
        sentence => format!(
            "The probability of each class is a sigmoid of its score (Platt), {}. The expected calibration error is {} % as the \
             mean over the classes, and {} % over all pairs of image and class together, where the many images without a class hide the few with \
             it. The Brier score is {}. The classes are judged one by one, so the probabilities of an image need not add up to 1.",
            summary.origin,
            percent(summary.mean_of_classes(), 1),
            percent(summary.expected_calibration_error, 1),
            fixed(summary.brier_score, 4)
        ),
        chart => exports.figure("Reliability diagram", chart),
        bins => bins.place(exports)?,
        classes => (!summary.rows.is_empty()).then(|| classes.place(exports)).transpose()?,
    })
}
