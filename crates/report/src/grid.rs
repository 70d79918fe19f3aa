//! Tables for a terminal and for Markdown, and times with three digits.

use std::fmt::Write as _;

use serde::Serialize;

/// A table of texts for a terminal or for Markdown.
///
/// ```
/// use fisherlens_report::{Grid, seconds};
///
/// let grid = Grid {
///     title: "Times".to_owned(),
///     columns: ["stage", "time"].map(str::to_owned).to_vec(),
///     rows: vec![vec!["pca".to_owned(), seconds(1.234)]],
/// };
/// assert_eq!(grid.text(), "stage    time\npca    1.23 s\n");
/// assert_eq!(grid.markdown(), "| stage | time |\n|---|---|\n| pca | 1.23 s |\n");
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Grid {
    /// What the table shows.
    pub title: String,
    /// Names of the columns.
    pub columns: Vec<String>,
    /// The rows; each has one cell per column.
    pub rows: Vec<Vec<String>>,
}

impl Grid {
    /// For a terminal: the first column is left-aligned, the others are right-aligned.
    pub fn text(&self) -> String {
        let lines = || std::iter::once(&self.columns).chain(&self.rows);
        let width = |column: usize| lines().map(|cells| cells[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..self.columns.len()).map(width).collect();
        let mut text = String::new();
        for cells in lines() {
            let padded = cells.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| {
                if column == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
            });
            let _ = writeln!(text, "{}", padded.collect::<Vec<_>>().join("  ").trim_end());
        }
        text
    }

    /// As a table in Markdown.
    pub fn markdown(&self) -> String {
        let mut text = String::new();
        let _ = writeln!(text, "| {} |", self.columns.join(" | "));
        let _ = writeln!(text, "|{}", "---|".repeat(self.columns.len()));
        for row in &self.rows {
            let _ = writeln!(text, "| {} |", row.join(" | "));
        }
        text
    }
}

/// A time with three digits, as in `0.12 ms`, `12.3 ms`, `1.23 s` and `123 s`.
///
/// ```
/// assert_eq!(fisherlens_report::seconds(0.0123), "12.3 ms");
/// ```
pub fn seconds(seconds: f64) -> String {
    let (value, unit) = if seconds < 1.0 { (seconds * 1e3, "ms") } else { (seconds, "s") };
    let decimals = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
    format!("{value:.decimals$} {unit}")
}
