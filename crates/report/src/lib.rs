//! One page with everything a run found: `report.html`, which needs no other file and no network; beside it the same figures and tables as
//! files.
//!
//! [`ReportData`] says what can be shown; what is missing is left out. The page's words stand in `template.html`, its looks in
//! `style.css`, and the modules here turn numbers into tables, charts and sentences. `script.js` adds what a page cannot do by itself
//! (filters, copying, saving, the choice of rule); without it everything is there to be read.

mod charts;
mod data;
mod examples;
mod exports;
mod format;
mod grid;
mod html;
pub mod paper;
mod perturbation;
mod picture;
mod scores;
mod surroundings;
mod tables;
mod tabular;
#[cfg(test)]
mod tests;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

pub use data::{
    AveragePrecisionRow, AveragePrecisionSummary, BootstrapInterval, ClassCounts, ClassExamples, ClassifierSummary,
    ConservationRow, ContextRow, CrossValidationRow, DataSummary, EqualErrorRow, Example, ExtraSection, Limits,
    PerturbationOrder, PerturbationSummary, PrecisionRecallCurve, Provenance, ReportData, RgbImage, RuleHeatmap, Share,
    SkippedImage, StageRow, StrategyCluster, StrategyExample, StrategySummary, Table, TrainingRow,
};
pub use grid::{Grid, seconds};
pub use picture::shrink;

/// Writes `report.html` into `folder`, which is made if it is not there, its figures into `figures/*.svg`, its tables into `tables/*.csv` and
/// `tables/*.tex` (for `booktabs`), and returns the page's path. Figures and tables of an earlier report are removed from these folders.
///
/// The same data gives the same bytes. The file is written aside and renamed, so that a page being read is never half new.
///
/// # Errors
/// When a picture's bytes do not fit its size, a table's row does not fit its columns, or the file cannot be written.
pub fn write(data: &ReportData, folder: &Path) -> anyhow::Result<PathBuf> {
    let (page, exports) = html::render(data).with_context(|| format!("rendering the report of {}", data.experiment))?;
    fs::create_dir_all(folder).with_context(|| format!("making the folder {}", folder.display()))?;
    let path = folder.join("report.html");
    let aside = folder.join("report.html.new");
    fs::write(&aside, page).with_context(|| format!("writing {}", aside.display()))?;
    fs::rename(&aside, &path).with_context(|| format!("moving {} to {}", aside.display(), path.display()))?;
    exports.write(folder)?;
    Ok(path)
}
