//! How much the surroundings of an object matter.

use minijinja::{Value, context};

use super::charts::{self, Bar};
use super::data::ContextRow;
use super::exports::Exports;
use super::format::{NONE, count, counted, fixed, percent, signed};
use super::tabular::View;

/// The section on context.
pub(super) fn surroundings(rows: &[ContextRow], exports: &Exports) -> anyhow::Result<Value> {
    let bars: Vec<Bar> = rows
        .iter()
        .map(|row| Bar {
            mark: Some(row.ratio_of_sums).filter(|ratio| ratio.is_finite()),
            // A mean of ratios follows the few images whose divisor is next to nothing.
            ..Bar::new(&row.class, row.median)
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
        chart => exports.figure("Use of context by class", chart),
        counts => format!("n = {}; {} left out.", counted(n_images, "image"), count(n_excluded)),
        table => table.place(exports)?,
    })
}
