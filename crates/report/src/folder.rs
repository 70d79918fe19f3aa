//! Writes the page and its figures and tables into a folder.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

use fisherlens_files::TemporaryFolder;

use crate::data::ReportData;
use crate::error::ReportError;
use crate::html;

/// The page.
const PAGE: &str = "report.html";
/// The list of the files of the report. The next report removes files of this list and no others.
const LIST: &str = "report-files.txt";

/// Writes `report.html` into `folder`, its figures into `figures/*.svg` and its tables into `tables/*.csv` and `tables/*.tex` (for
/// `booktabs`), and returns the path of the page. The folder is made if it does not exist. `report-files.txt` lists all files; figures and
/// tables of this list that the new report does not have are removed, and other files stay.
///
/// The same data gives the same bytes. All files are written into a temporary folder and then renamed, so that a reader never loads half of a
/// file, and a report that cannot be written leaves the old one as it was.
///
/// # Errors
/// [`ReportError::Picture`] and [`ReportError::Row`], inside of [`ReportError::Part`], when a picture's bytes do not fit its size or a
/// table's row does not fit its columns; [`ReportError::Io`] when a file cannot be written.
pub fn write(data: &ReportData, folder: &Path) -> Result<PathBuf, ReportError> {
    let rendered = html::render(data);
    let (page, exports) = rendered.map_err(ReportError::part(format!("report of {}", data.experiment)))?;
    let mut files = exports.files();
    files.push((PAGE.to_owned(), page));
    let names: BTreeSet<String> = files.iter().map(|(name, _)| name.clone()).collect();
    let list: Vec<&str> = names.iter().map(String::as_str).collect();
    files.push((LIST.to_owned(), list.join("\n") + "\n"));

    fs::create_dir_all(folder).map_err(ReportError::io("make the folder", folder))?;
    let aside = TemporaryFolder::new(folder).map_err(ReportError::io("make a folder in", folder))?;
    for (name, text) in &files {
        let path = aside.path().join(name);
        make_parent(&path)?;
        fs::write(&path, text).map_err(ReportError::io("write", &path))?;
    }
    let old: Vec<String> = listed(folder).into_iter().filter(|name| !names.contains(name)).collect();
    for (name, _) in &files {
        let path = folder.join(name);
        make_parent(&path)?;
        fs::rename(aside.path().join(name), &path).map_err(ReportError::io("rename the new file to", &path))?;
    }
    for name in old {
        let path = folder.join(name);
        // Somebody may have removed the file already. A folder that has other files stays.
        let _ = fs::remove_file(&path);
        let _ = path.parent().map(fs::remove_dir);
    }
    Ok(folder.join(PAGE))
}

fn make_parent(path: &Path) -> Result<(), ReportError> {
    let parent = path.parent().unwrap_or(path);
    fs::create_dir_all(parent).map_err(ReportError::io("make the folder", parent))
}

/// The files of the list of an earlier report, without names that lead out of the folder.
fn listed(folder: &Path) -> Vec<String> {
    let list = fs::read_to_string(folder.join(LIST)).unwrap_or_default();
    let is_inside = |name: &&str| Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
    list.lines().filter(is_inside).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::write;
    use crate::data::{ContextRow, ReportData};

    #[test]
    fn only_files_of_earlier_reports_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir(at("tables")).unwrap();
        std::fs::write(at("tables/mine.csv"), "1,2\n").unwrap();
        let context = vec![ContextRow { class: "horse".to_owned(), n_images: 9, ..ContextRow::default() }];
        write(&ReportData { context, ..ReportData::default() }, folder.path()).unwrap();
        let list = std::fs::read_to_string(at("report-files.txt")).unwrap();
        let table = list.lines().find(|name| name.starts_with("tables/")).expect("a table").to_owned();
        assert!(at(&table).is_file() && at("report.html").is_file());
        // A list that was changed must not lead out of the folder.
        let outside = folder.path().with_extension("kept");
        std::fs::write(&outside, "mine").unwrap();
        let name = outside.file_name().unwrap().to_str().unwrap();
        std::fs::write(at("report-files.txt"), format!("{list}../{name}\n{}\n", outside.display())).unwrap();
        write(&ReportData::default(), folder.path()).unwrap();
        assert!(!at(&table).exists() && at("tables/mine.csv").is_file() && outside.is_file());
        assert!(
            !std::fs::read_dir(folder.path())
                .unwrap()
                .any(|entry| { entry.unwrap().file_name().to_string_lossy().starts_with(".unfinished-") })
        );
        std::fs::remove_file(outside).unwrap();
    }
}
