//! One page with everything a run found: `report.html`, which needs no other file, no network and no script.
//!
//! [`ReportData`] says what can be shown; what is missing is left out. The page's words stand in `template.html`, its looks in
//! `style.css`, and the modules here turn numbers into tables, charts and sentences.

mod charts;
mod data;
mod examples;
mod findings;
mod format;
mod html;
pub mod paper;
mod picture;
mod scores;
mod strategies;
mod tables;
#[cfg(test)]
mod tests;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

pub use data::{
    AveragePrecisionRow, AveragePrecisionSummary, BootstrapInterval, ClassCounts, ClassExamples, ClassifierSummary,
    ConservationRow, ContextRow, CrossValidationRow, DataSummary, EqualErrorRow, Example, Limits, PerturbationOrder,
    PerturbationSummary, PrecisionRecallCurve, Provenance, ReportData, RgbImage, Share, SkippedImage, StageRow, Table,
    TrainingRow,
};
pub use strategies::{StrategyCluster, StrategyExample, StrategySummary};

/// Writes `report.html` into `folder`, which is made if it is not there, and returns the file's path.
///
/// The same data gives the same bytes. The file is written aside and renamed, so that a page being read is never half new.
///
/// # Errors
/// When a picture's bytes do not fit its size, a table's row does not fit its columns, or the file cannot be written.
pub fn write(data: &ReportData, folder: &Path) -> anyhow::Result<PathBuf> {
    let page = html::render(data).with_context(|| format!("rendering the report of {}", data.experiment))?;
    fs::create_dir_all(folder).with_context(|| format!("making the folder {}", folder.display()))?;
    let path = folder.join("report.html");
    let aside = folder.join("report.html.new");
    fs::write(&aside, page).with_context(|| format!("writing {}", aside.display()))?;
    fs::rename(&aside, &path).with_context(|| format!("moving {} to {}", aside.display(), path.display()))?;
    Ok(path)
}
