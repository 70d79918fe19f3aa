//! Writes the page and its figures and tables into a folder.

mod earlier;
#[cfg(test)]
mod tests;

use std::fs;
use std::path::{Path, PathBuf};

use fisherlens_files::TemporaryFolder;

use crate::data::ReportData;
use crate::error::ReportError;
use crate::html;
use earlier::{Earlier, lines_of, text_of};

/// The page.
const PAGE: &str = "report.html";
/// The folder of the figures.
const FIGURES: &str = "figures";
/// The folder of the tables.
const TABLES: &str = "tables";
/// The list of the files of the report. The next report removes files of this list and no others.
const LIST: &str = "report-files.txt";
/// The list while files are renamed, as it is called in the temporary folder.
const LIST_MEANWHILE: &str = "report-files-meanwhile.txt";

/// Writes `report.html` into `folder`, its figures into `figures/*.svg` and its tables into `tables/*.csv` and `tables/*.tex` (for
/// `booktabs`), and returns the path of the page. The folder is made if it does not exist.
///
/// `report-files.txt` lists all files with their digests. Files of this list are replaced; figures and tables of this list that the new
/// report does not have are removed unless somebody has changed them; and other files stay. If such a file is in the place of a new one,
/// nothing is written. Reports of older versions, whose files have no digests, are replaced too, but nothing of them is removed.
///
/// The same data gives the same bytes. All files are written into a temporary folder and then renamed, so that a reader never loads half of a
/// file. The places of all files are checked before the first one is renamed, so that a report that cannot be written leaves the old one as it
/// was.
///
/// # Errors
/// [`ReportError::Picture`] and [`ReportError::Row`], inside of [`ReportError::Part`], when a picture's bytes do not fit its size or a
/// table's row does not fit its columns; [`ReportError::NotOurs`] and [`ReportError::Blocked`] when something that is not of an earlier report
/// is in the place of a file; [`ReportError::List`] when the list of the earlier report cannot be read; [`ReportError::Io`] when a file cannot
/// be written.
pub fn write(data: &ReportData, folder: &Path) -> Result<PathBuf, ReportError> {
    let rendered = html::render(data);
    let (page, exports) = rendered.map_err(ReportError::part(format!("report of {}", data.experiment)))?;
    let mut files = exports.files();
    files.push((PAGE.to_owned(), page));
    let earlier = Earlier::find(folder)?;
    earlier.check(folder, files.iter().map(|(name, _)| name.as_str()).chain([LIST]))?;
    let lines = lines_of(&files);
    let meanwhile = text_of(earlier.lines.union(&lines));

    fs::create_dir_all(folder).map_err(ReportError::io("make the folder", folder))?;
    let aside = TemporaryFolder::new(folder).map_err(ReportError::io("make a folder in", folder))?;
    let lists = [(LIST.to_owned(), text_of(&lines)), (LIST_MEANWHILE.to_owned(), meanwhile)];
    for (name, text) in files.iter().chain(&lists) {
        let path = aside.path().join(name);
        make_parent(&path)?;
        fs::write(&path, text).map_err(ReportError::io("write", &path))?;
    }
    for (name, _) in &files {
        make_parent(&folder.join(name))?;
    }
    let rename = |from: &str, to: &str| {
        let path = folder.join(to);
        fs::rename(aside.path().join(from), &path).map_err(ReportError::io("rename the new file to", &path))
    };
    // If this program is killed from here on, the list names both the old and the new files, so that the next report can replace them.
    rename(LIST_MEANWHILE, LIST)?;
    for (name, _) in &files {
        rename(name, name)?;
    }
    earlier.remove_all_but(&lines, folder);
    rename(LIST, LIST)?;
    Ok(folder.join(PAGE))
}

fn make_parent(path: &Path) -> Result<(), ReportError> {
    let parent = path.parent().unwrap_or(path);
    fs::create_dir_all(parent).map_err(ReportError::io("make the folder", parent))
}
