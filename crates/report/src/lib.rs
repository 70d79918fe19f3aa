//! A report of an experiment: one page `report.html`, which needs no other file and no network, and the same figures and tables as files in
//! the same folder.
//!
//! [`ReportData`] holds what can be shown; everything except the title is optional. [`write()`] makes the page:
//!
//! ```
//! use fisherlens_report::{PrecisionRecallCurve, ReportData, Table, write};
//!
//! let data = ReportData {
//!     title: "Two classes".to_owned(),
//!     experiment: "demonstration".to_owned(),
//!     precision_recall: vec![PrecisionRecallCurve {
//!         class: "horse".to_owned(),
//!         recall: vec![0.5, 1.0],
//!         precision: vec![1.0, 0.8],
//!         average_precision: Some(0.9),
//!     }],
//!     extra_tables: vec![Table {
//!         title: "Images".to_owned(),
//!         columns: ["Class", "Images"].map(str::to_owned).to_vec(),
//!         rows: vec![["horse", "12"].map(str::to_owned).to_vec()],
//!         note: String::new(),
//!     }],
//!     ..ReportData::default()
//! };
//! let folder = tempfile::tempdir()?;
//! let page = write(&data, folder.path())?;
//! assert!(std::fs::read_to_string(page)?.contains("Precision and recall"));
//! assert!(folder.path().join("figures/precision-and-recall-of-horse.svg").is_file());
//! assert!(folder.path().join("tables/images.csv").is_file());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The words of the page are in `template.html` and its style in `style.css`. The modules here turn numbers into tables, charts and
//! sentences. `script.js` adds filters, copying, saving and the choice of the rule; without scripts everything can still be read.

mod charts;
mod data;
mod error;
mod examples;
mod exports;
mod folder;
mod format;
mod grid;
mod html;
pub mod paper;
mod perturbation;
mod picture;
mod reliability;
mod scores;
mod surroundings;
mod tables;
mod tabular;
#[cfg(test)]
mod tests;

pub use data::calibration::{CalibrationRow, CalibrationSummary, ReliabilityPoint};
pub use data::examples::{ClassExamples, Example, Mistake, RgbImage, RuleHeatmap};
pub use data::strategies::{StrategyCluster, StrategyExample, StrategySummary};
pub use data::table::{ExtraSection, Table};
pub use data::{
    AveragePrecisionRow, AveragePrecisionSummary, BootstrapInterval, ClassCounts, ClassifierSummary, ConservationRow,
    ContextRow, CrossValidationRow, DataSummary, EqualErrorRow, Limits, PerturbationOrder, PerturbationSummary,
    PrecisionRecallCurve, Provenance, ReportData, Share, SkippedImage, StageRow, TrainingRow,
};
pub use error::ReportError;
pub use folder::write;
pub use grid::{Grid, seconds};
pub use picture::shrink;
