//! Tests of what is written, replaced and removed in a folder that has files already.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::write;
use crate::data::{ContextRow, ReportData};
use crate::error::ReportError;

/// A folder with files of somebody.
fn folder_with(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        put(folder.path(), name, text);
    }
    folder
}

fn put(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// A report with a figure and a table.
fn with_table() -> ReportData {
    let context = vec![ContextRow { class: "horse".to_owned(), n_images: 9, ..ContextRow::default() }];
    ReportData { context, ..ReportData::default() }
}

/// The files of the folder that end with `end`.
fn ending_with(folder: &Path, end: &str) -> Vec<String> {
    snapshot(folder).into_keys().filter(|name| name.ends_with(end)).collect()
}

/// Name and bytes of everything in the folder; folders have no bytes.
fn snapshot(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut left = vec![folder.to_owned()];
    while let Some(inner) = left.pop() {
        for entry in fs::read_dir(inner).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(folder).unwrap().to_str().unwrap().replace('\\', "/");
            if path.is_dir() {
                found.insert(name, Vec::new());
                left.push(path);
            } else {
                found.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    found
}

/// The report is refused because of `name`, and the folder stays as it was.
fn assert_refused(folder: &Path, name: &str) -> ReportError {
    let before = snapshot(folder);
    let error = write(&with_table(), folder).unwrap_err();
    assert_eq!(snapshot(folder), before, "{error}");
    let message = error.to_string();
    assert!(message.contains(&folder.join(name).display().to_string()), "{message}");
    assert!(message.contains("move it away, or write the report into another folder"), "{message}");
    error
}

#[test]
fn only_files_of_earlier_reports_are_removed() {
    let folder = folder_with(&[("tables/mine.csv", "1,2\n")]);
    let at = |name: &str| folder.path().join(name);
    write(&with_table(), folder.path()).unwrap();
    let list = fs::read_to_string(at("report-files.txt")).unwrap();
    let names: Vec<&str> = list.lines().skip(1).map(|line| line.split_once("  ").unwrap().1).collect();
    assert!(names.contains(&"report.html") && names.iter().any(|name| name.starts_with("figures/")), "{list}");
    assert!(names.iter().all(|name| at(name).is_file()), "{list}");
    write(&ReportData::default(), folder.path()).unwrap();
    let left: Vec<String> = snapshot(folder.path()).into_keys().collect();
    assert_eq!(left, ["report-files.txt", "report.html", "tables", "tables/mine.csv"]);
}

#[test]
fn a_list_of_somebody_else_removes_nothing() {
    let folder =
        folder_with(&[("report-files.txt", "notes.txt\nsub/x.txt\n"), ("notes.txt", "mine"), ("sub/x.txt", "mine")]);
    let error = assert_refused(folder.path(), "report-files.txt");
    assert!(matches!(error, ReportError::NotOurs { .. }), "{error}");
    // Neither does it beside a report of this program.
    fs::remove_file(folder.path().join("report-files.txt")).unwrap();
    write(&with_table(), folder.path()).unwrap();
    put(folder.path(), "report-files.txt", "notes.txt\nsub/x.txt\n");
    assert_refused(folder.path(), "report-files.txt");
}

#[test]
fn a_changed_list_removes_nothing_but_unchanged_figures_and_tables() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("report");
    write(&with_table(), &inner).unwrap();
    let list = fs::read_to_string(inner.join("report-files.txt")).unwrap();
    // SHA-256 of "mine".
    let digest = "3fd30542fe3f61b14bd4a4b2dc0b6fb30fa6f63ebce52dd1778aaa8c4dc02cff";
    let outside = folder.path().join("outside.csv");
    let kept =
        ["notes.txt", "sub/x.txt", "tables/Notes.csv", "tables/sub/x.csv", "figures/x.csv", "tables/changed.csv"];
    let mut lines = format!(
        "{list}{digest}  ../outside.csv\n{digest}  tables/../../outside.csv\n{digest}  {}\n{digest}  tables/same.csv\n",
        outside.display()
    );
    for name in kept {
        put(&inner, name, if name == "tables/changed.csv" { "mine, changed" } else { "mine" });
        lines += &[digest, "  ", name, "\n"].concat();
    }
    put(&inner, "tables/same.csv", "mine");
    put(folder.path(), "outside.csv", "mine");
    put(&inner, "report-files.txt", &lines);
    write(&ReportData::default(), &inner).unwrap();
    for name in kept {
        assert!(inner.join(name).is_file(), "{name}");
    }
    assert!(outside.is_file() && !inner.join("tables/same.csv").exists());
    assert_eq!(ending_with(&inner, ".svg"), [""; 0]);
    assert_eq!(ending_with(&inner, ".tex"), [""; 0]);
}

#[test]
fn own_files_are_not_replaced() {
    let made = tempfile::tempdir().unwrap();
    write(&with_table(), made.path()).unwrap();
    let table = ending_with(made.path(), ".csv").remove(0);
    let figure = ending_with(made.path(), ".svg").remove(0);
    for name in ["report.html", &table, &figure] {
        let folder = folder_with(&[(name, "<!DOCTYPE html>\n<html><head><title>mine</title></head></html>")]);
        let error = assert_refused(folder.path(), name);
        assert!(matches!(error, ReportError::NotOurs { .. }), "{error}");
    }
    // Beside a report without this table, too, because its list names all of its files.
    let folder = tempfile::tempdir().unwrap();
    write(&ReportData::default(), folder.path()).unwrap();
    put(folder.path(), &table, "1,2\n");
    assert_refused(folder.path(), &table);
}

#[test]
fn files_of_earlier_reports_are_replaced() {
    let folder = tempfile::tempdir().unwrap();
    write(&with_table(), folder.path()).unwrap();
    let first = snapshot(folder.path());
    let table = ending_with(folder.path(), ".csv").remove(0);
    // Somebody has edited files of the list.
    put(folder.path(), &table, "edited");
    put(folder.path(), "report.html", "edited");
    write(&with_table(), folder.path()).unwrap();
    assert_eq!(snapshot(folder.path()), first, "the same data gives the same bytes");
}

#[test]
fn reports_of_older_versions_are_replaced() {
    let folder = tempfile::tempdir().unwrap();
    write(&with_table(), folder.path()).unwrap();
    let first = snapshot(folder.path());
    let page = String::from_utf8(first["report.html"].clone()).unwrap();
    let older = page.replace("<meta name=\"generator\" content=\"fisherlens\">\n", "");
    assert_ne!(page, older);
    let files = first.iter().filter(|(_, bytes)| !bytes.is_empty()).map(|(name, _)| name.as_str());
    let names: Vec<&str> = files.filter(|name| *name != "report-files.txt").collect();
    // The oldest versions wrote no list, the next ones a list without digests.
    for list in [None, Some(names.join("\n") + "\n")] {
        put(folder.path(), "report.html", &older);
        fs::remove_file(folder.path().join("report-files.txt")).unwrap();
        if let Some(list) = list {
            put(folder.path(), "report-files.txt", &list);
        }
        write(&with_table(), folder.path()).unwrap();
        assert_eq!(snapshot(folder.path()), first);
    }
    // A page that only mentions what a report has in its head is not a report.
    put(folder.path(), "report.html", "<head></head><meta name=\"generator\" content=\"fisherlens\">");
    fs::remove_file(folder.path().join("report-files.txt")).unwrap();
    assert_refused(folder.path(), "");
}

#[test]
fn a_report_that_was_killed_can_be_written_again() {
    let folder = tempfile::tempdir().unwrap();
    write(&with_table(), folder.path()).unwrap();
    let full = snapshot(folder.path());
    write(&ReportData::default(), folder.path()).unwrap();
    let small = snapshot(folder.path());
    // Between two renames the list names the files of both reports, and both are in the folder.
    let text = |files: &BTreeMap<String, Vec<u8>>| String::from_utf8(files["report-files.txt"].clone()).unwrap();
    let meanwhile = text(&full) + text(&small).split_once('\n').unwrap().1;
    for (name, bytes) in full.iter().filter(|(name, _)| name.contains('/')) {
        put(folder.path(), name, std::str::from_utf8(bytes).unwrap());
    }
    put(folder.path(), "report-files.txt", &meanwhile);
    write(&with_table(), folder.path()).unwrap();
    assert_eq!(snapshot(folder.path()), full);
    put(folder.path(), "report-files.txt", &meanwhile);
    write(&ReportData::default(), folder.path()).unwrap();
    assert_eq!(snapshot(folder.path()), small);
}

#[test]
fn nothing_is_replaced_if_one_place_is_blocked() {
    let made = tempfile::tempdir().unwrap();
    write(&with_table(), made.path()).unwrap();
    let table = ending_with(made.path(), ".tex").remove(0);
    for name in ["report.html", "report-files.txt", &table] {
        let folder = tempfile::tempdir().unwrap();
        write(&with_table(), folder.path()).unwrap();
        // So that a replaced figure would be seen.
        let figure = ending_with(folder.path(), ".svg").remove(0);
        put(folder.path(), &figure, "the old figure");
        fs::remove_file(folder.path().join(name)).unwrap();
        put(folder.path(), &format!("{name}/mine.txt"), "mine");
        assert!(assert_refused(folder.path(), name).to_string().contains("a folder"));
    }
    let folder = folder_with(&[("tables", "mine")]);
    assert!(matches!(assert_refused(folder.path(), "tables"), ReportError::Blocked { .. }));
    let nothing = folder.path().join("tables/report");
    assert!(matches!(write(&with_table(), &nothing), Err(ReportError::Io { .. })));
}

#[cfg(unix)]
#[test]
fn pipes_are_refused() {
    for name in ["report-files.txt", "report.html"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(made.success());
        // The old code waited for ever.
        let message = written_soon(folder.path().to_owned()).unwrap_err().to_string();
        assert!(message.contains(&path.display().to_string()) && message.contains("pipe"), "{message}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}

/// The result of [`write`], which must come soon.
#[cfg(unix)]
fn written_soon(folder: PathBuf) -> Result<PathBuf, ReportError> {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || sender.send(write(&ReportData::default(), &folder)));
    receiver.recv_timeout(std::time::Duration::from_secs(60)).expect("it should not wait for the other end of the pipe")
}

#[cfg(unix)]
#[test]
fn links_are_replaced_and_not_their_targets() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("report");
    write(&with_table(), &inner).unwrap();
    let page = inner.join("report.html");
    let kept = folder.path().join("kept.html");
    fs::rename(&page, &kept).unwrap();
    std::os::unix::fs::symlink(&kept, &page).unwrap();
    let before = fs::read(&kept).unwrap();
    write(&ReportData::default(), &inner).unwrap();
    assert!(fs::symlink_metadata(&page).unwrap().is_file());
    assert_eq!(fs::read(&kept).unwrap(), before);
    // A link to nothing is somebody's, too.
    let inner = folder.path().join("other");
    fs::create_dir(&inner).unwrap();
    std::os::unix::fs::symlink(folder.path().join("nothing"), inner.join("report-files.txt")).unwrap();
    assert!(matches!(write(&with_table(), &inner), Err(ReportError::NotOurs { .. })));
}
