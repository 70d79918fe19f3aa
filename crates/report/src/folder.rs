//! Writes the page and its figures and tables into a folder.

use std::fs;
use std::path::{Path, PathBuf};

use crate::data::ReportData;
use crate::error::ReportError;
use crate::html;

/// Writes `report.html` into `folder`, its figures into `figures/*.svg` and its tables into `tables/*.csv` and `tables/*.tex` (for
/// `booktabs`), and returns the path of the page. The folder is made if it does not exist. Figures and tables of an earlier report are
/// removed from these folders.
///
/// The same data gives the same bytes. The page is written under another name and then renamed, so that a reader never loads half of a new
/// page.
///
/// # Errors
/// [`ReportError::Picture`] and [`ReportError::Row`], inside of [`ReportError::Part`], when a picture's bytes do not fit its size or a
/// table's row does not fit its columns; [`ReportError::Io`] when a file cannot be written.
pub fn write(data: &ReportData, folder: &Path) -> Result<PathBuf, ReportError> {
    let rendered = html::render(data);
    let (page, exports) = rendered.map_err(ReportError::part(format!("report of {}", data.experiment)))?;
    fs::create_dir_all(folder).map_err(ReportError::io("make the folder", folder))?;
    let path = folder.join("report.html");
    let temporary = folder.join("report.html.new");
    fs::write(&temporary, page).map_err(ReportError::io("write", &temporary))?;
    fs::rename(&temporary, &path).map_err(ReportError::io("rename the new page to", &path))?;
    exports.write(folder)?;
    Ok(path)
}
