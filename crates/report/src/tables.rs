//! Tables with their formatted cells.

use minijinja::{Value, context};

use crate::data::table::Table;
use crate::data::{ConservationRow, DataSummary, EqualErrorRow, Provenance, StageRow};
use crate::error::ReportError;
use crate::exports::Exports;
use crate::format::{NONE, bytes, count, counted, duration, fixed, percent, signed, significant};
use crate::tabular::View;

pub(crate) fn equal_error(rows: &[EqualErrorRow], has_own_thresholds: bool) -> View {
    let positives: usize = rows.iter().map(|row| row.n_positives).sum();
    let hits: usize = rows.iter().map(|row| row.n_true_positives).sum();
    let title = if has_own_thresholds {
        "Error rate at the model’s threshold by class, test images"
    } else {
        "Equal-error rate and threshold by class, test images"
    };
    View::numbers(title, &["Class", "Rate (%)", "Threshold", "Positives", "True positives", "Found (%)"])
        .rows(rows.iter().map(|row| {
            vec![
                row.class.clone(),
                percent(row.rate, 2),
                fixed(row.threshold, 4),
                count(row.n_positives),
                count(row.n_true_positives),
                share_of(row.n_true_positives, row.n_positives),
            ]
        }))
        .foot(vec![
            "All".to_owned(),
            String::new(),
            String::new(),
            count(positives),
            count(hits),
            share_of(hits, positives),
        ])
}

/// A share in per cent, or a dash if the whole is 0.
fn share_of(part: usize, whole: usize) -> String {
    if whole == 0 { NONE.to_owned() } else { percent(part as f64 / whole as f64, 1) }
}

pub(crate) fn conservation(rows: &[ConservationRow]) -> View {
    // A change can be as small as rounding (10⁻⁷) or many times the score, so it has significant digits instead of decimals.
    let shown = |value: f64| {
        let percent = 100.0 * value;
        let text = significant(percent, 2);
        if percent > 0.0 { format!("+{text}") } else { text }
    };
    let mut view = View::numbers(
        "Relevance added or lost by each step, in per cent of the score or the bias, the larger of the two",
        &["Rule", "Step or part", "Mean", "Largest", "Predicted mean", "Heatmaps"],
    );
    view.columns[1].1 = false;
    view.rows(rows.iter().flat_map(|row| {
        let lines = [
            ("score to vector (Eq. 6)", Some(row.dimensions), None),
            ("vector to descriptors (Eq. 9, 11, 12)", Some(row.descriptors), row.predicted),
            ("descriptors to pixels (Eq. 10)", Some(row.pixels), None),
            ("part of the bias", row.bias, None),
            ("part on dimensions without any descriptor", row.unreached, None),
        ];
        lines.into_iter().filter_map(|(step, share, predicted)| {
            share.map(|share| {
                vec![
                    row.rule.clone(),
                    step.to_owned(),
                    shown(share.mean),
                    significant(100.0 * share.max.abs(), 2),
                    predicted.map_or_else(String::new, |predicted| shown(predicted.mean)),
                    count(row.n_heatmaps),
                ]
            })
        })
    }))
    .note(
        "Mean: mean over heatmaps, with its sign. Largest: largest absolute value over heatmaps. Predicted mean: the loss or gain \
         that follows from the rule’s formula. The parts are not losses.",
    )
}

pub(crate) fn extra(tables: &[Table], exports: &Exports) -> Result<Vec<Value>, ReportError> {
    tables
        .iter()
        .map(|table| {
            let columns: Vec<&str> = table.columns.iter().map(String::as_str).collect();
            View::numbers(table.title.clone(), &columns)
                .rows(table.rows.iter().cloned())
                .note(table.note.clone())
                .place(exports)
        })
        .collect()
}

pub(crate) fn images(summary: &DataSummary, exports: &Exports) -> Result<Value, ReportError> {
    let named = |name: &str| {
        if name.is_empty() { String::new() } else { format!(" ({name})") }
    };
    let counts = format!(
        "{} for training{} and {} for testing{}, {} classes.",
        counted(summary.n_train, "image"),
        named(&summary.train_name),
        count(summary.n_test),
        named(&summary.test_name),
        summary.classes.len()
    );
    let left_out = match summary.skipped.len() {
        0 => "No image was left out.".to_owned(),
        1 => "1 image was left out.".to_owned(),
        n => format!("{} images were left out.", count(n)),
    };
    let sentence = format!("{counts} {left_out}");
    let classes = (!summary.classes.is_empty()).then(|| {
        View::numbers(
            "Images by class",
            &["Class", "Training, positive", "Training, difficult", "Test, positive", "Test, difficult"],
        )
        .rows(summary.classes.iter().map(|row| {
            vec![
                row.class.clone(),
                count(row.n_positive_train),
                count(row.n_difficult_train),
                count(row.n_positive_test),
                count(row.n_difficult_test),
            ]
        }))
        .note("Difficult: images whose only instances of the class are marked difficult. Such an image is neither positive nor negative.")
        .place(exports)
    });
    let skipped = (!summary.skipped.is_empty()).then(|| {
        View::words("Images left out", &["Image", "Reason"])
            .rows(summary.skipped.iter().map(|image| vec![image.id.clone(), image.reason.clone()]))
            .place(exports)
    });
    Ok(context! { sentence => sentence, classes => classes.transpose()?, skipped => skipped.transpose()? })
}

pub(crate) fn settings(settings: &[(String, String)]) -> View {
    View::words("Every setting of this run", &["Setting", "Value"])
        .rows(settings.iter().map(|(name, value)| vec![name.clone(), value.clone()]))
}

pub(crate) fn stages(stages: &[StageRow]) -> View {
    let mut view =
        View::numbers("Stages in the order they ran", &["Stage", "Key", "Files", "Size", "Time", "Computed or cached"]);
    for column in [1, 5] {
        view.columns[column].1 = false;
    }
    view.rows(stages.iter().map(|stage| {
        vec![
            stage.name.clone(),
            stage.key.chars().take(12).collect(),
            count(stage.n_artifacts),
            bytes(stage.bytes),
            duration(stage.seconds),
            if stage.cached { "cached" } else { "computed" }.to_owned(),
        ]
    }))
    .foot(vec![
        "All".to_owned(),
        String::new(),
        count(stages.iter().map(|stage| stage.n_artifacts).sum()),
        bytes(stages.iter().map(|stage| stage.bytes).sum()),
        duration(stages.iter().map(|stage| stage.seconds).sum()),
        format!("{} of {} cached", stages.iter().filter(|stage| stage.cached).count(), stages.len()),
    ])
    .note(
        "Key: first twelve digits of the digest of settings and inputs, which is in the names of the stage’s files. Time: wall-clock \
         time of their computation.",
    )
}

pub(crate) fn provenance(provenance: &Provenance, exports: &Exports) -> Result<Value, ReportError> {
    let facts = [
        ("Version", provenance.version.clone()),
        ("Commit", provenance.commit.clone().unwrap_or_default()),
        ("Command line", provenance.command_line.clone()),
        ("Operating system", provenance.operating_system.clone()),
        ("Processor", provenance.processor.clone()),
        ("Instruction set of the inner loops", provenance.code_path.clone()),
        ("Threads", if provenance.n_threads > 0 { count(provenance.n_threads) } else { String::new() }),
        ("Peak memory", provenance.peak_memory.map(bytes).unwrap_or_default()),
        ("Digest of the data", provenance.data_digest.clone()),
        ("Digest of the settings", provenance.settings_digest.clone()),
    ];
    let facts = View::words("Where these numbers come from", &["Fact", "Value"]).rows(
        facts.into_iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| vec![name.to_owned(), value]),
    );
    let seeds = (!provenance.seeds.is_empty()).then(|| {
        // A seed is a name, not a quantity, so it has no commas.
        View::numbers("Seeds", &["Of", "Seed"])
            .rows(provenance.seeds.iter().map(|(name, seed)| vec![name.clone(), seed.to_string()]))
            .place(exports)
    });
    let crates = (!provenance.crates.is_empty()).then(|| {
        View::words("Versions of the libraries", &["Crate", "Version"])
            .rows(provenance.crates.iter().map(|(name, version)| vec![name.clone(), version.clone()]))
            .place(exports)
    });
    Ok(context! { facts => facts.place(exports)?, seeds => seeds.transpose()?, crates => crates.transpose()? })
}

/// A difference of two fractions in per cent, with its sign.
pub(crate) fn difference(one: Option<f64>, other: Option<f64>) -> String {
    match (one, other) {
        (Some(one), Some(other)) => signed(100.0 * (one - other), 2),
        _ => NONE.to_owned(),
    }
}
