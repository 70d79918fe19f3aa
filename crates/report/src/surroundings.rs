//! The section on context: how much the surroundings of an object contribute to the relevance.

use minijinja::{Value, context};

use crate::charts::bars::{Bar, horizontal};
use crate::data::ContextRow;
use crate::error::ReportError;
use crate::exports::Exports;
use crate::format::{NONE, count, counted, fixed, percent, signed};
use crate::tabular::View;

/// The section on context.
pub(crate) fn surroundings(rows: &[ContextRow], exports: &Exports) -> Result<Value, ReportError> {
    let bars: Vec<Bar> = rows
        .iter()
        .map(|row| Bar {
            mark: Some(row.ratio_of_sums).filter(|ratio| ratio.is_finite()),
            // The median is shown, because a few images with hardly any relevance inside the boxes dominate a mean of ratios.
            ..Bar::new(&row.class, row.median)
        })
        .collect();
    let words: Vec<String> = rows.iter().map(|row| format!("{} {}", row.class, fixed(row.median, 2))).collect();
    let label = format!("Bar chart of the median ratio of relevance outside to inside: {}", words.join(", "));
    let chart = horizontal(&bars, 1.0, "relevance outside / inside", 1.0, Some(1.0), &label)?;
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
            "Ratio of sums: the sum over images of the means outside, divided by the sum over images of the means inside. \
             Size-weighted: the mean over the outside pixels of all images, divided by the mean over the inside pixels of all images. \
             Inside: share of the positive relevance that is inside the boxes, to be compared with the boxes’ share of the area. \
             Distance ρ: rank correlation of relevance and distance from the nearest box, over the pixels outside, as a mean over \
             images; below 0 the relevance becomes smaller with the distance from the object. Signed difference: mean over images of \
             (mean relevance outside − mean relevance inside) / largest absolute value; relevance keeps its sign. Left out: images in \
             which no pixel is outside the boxes or there is no positive relevance inside. Pointing hits: images whose most relevant \
             pixel is in a box.",
        );
    let n_images: usize = rows.iter().map(|row| row.n_images).sum();
    let n_excluded: usize = rows.iter().map(|row| row.n_excluded).sum();
    Ok(context! {
        chart => exports.figure("Use of context by class", chart),
        counts => format!("n = {}; {} left out.", counted(n_images, "image"), count(n_excluded)),
        table => table.place(exports)?,
    })
}
