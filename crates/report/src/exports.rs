//! Figures and tables of the page as files: figures as SVG, tables as CSV and LaTeX.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use minijinja::{Value, context};

use crate::charts::canvas;
use crate::error::ReportError;

/// Greatest length of a file name without its extension. Some captions, from which names are made, are whole sentences.
const MAX_NAME: usize = 64;

/// Collects figures and tables while the page is made, each with its own name.
#[derive(Default)]
pub(crate) struct Exports {
    /// The pairs (kind, name) that are in use. A figure and a table may have the same name, because they are in different folders.
    taken: RefCell<BTreeSet<(&'static str, String)>>,
    /// (name, SVG).
    figures: RefCell<Vec<(String, String)>>,
    /// (name, CSV, LaTeX).
    tables: RefCell<Vec<(String, String, String)>>,
}

impl Exports {
    /// A file name made of the ASCII letters and digits of a caption. If the name is in use already, a number is appended.
    pub(crate) fn name(&self, kind: &'static str, caption: &str) -> String {
        let slug = slug(caption);
        let mut taken = self.taken.borrow_mut();
        let mut name = slug.clone();
        let mut number = 2;
        while !taken.insert((kind, name.clone())) {
            name = format!("{slug}-{number}");
            number += 1;
        }
        name
    }

    /// Adds a table.
    pub(crate) fn table(&self, name: String, csv: String, latex: String) {
        self.tables.borrow_mut().push((name, csv, latex));
    }

    /// A chart for the template; it is also added to the files.
    pub(crate) fn figure(&self, title: &str, svg: String) -> Value {
        let name = self.name("figure", title);
        self.figures.borrow_mut().push((name.clone(), canvas::standalone(&svg)));
        context! { title => title, name => name, svg => Value::from_safe_string(svg) }
    }

    /// Takes out what was collected.
    pub(crate) fn take(&self) -> Self {
        Self { taken: RefCell::default(), figures: self.figures.take().into(), tables: self.tables.take().into() }
    }

    /// Writes `figures/NAME.svg`, `tables/NAME.csv` and `tables/NAME.tex` into `folder`. Files of these kinds from an earlier report are
    /// removed, so that nobody takes an old figure for a new one.
    ///
    /// # Errors
    /// [`ReportError::Io`] when a file cannot be written or removed.
    pub(crate) fn write(&self, folder: &Path) -> Result<(), ReportError> {
        let (figures, tables) = (self.figures.borrow(), self.tables.borrow());
        let figures = figures.iter().map(|(name, svg)| (format!("{name}.svg"), svg.as_str()));
        let tables = tables
            .iter()
            .flat_map(|(name, csv, latex)| [(format!("{name}.csv"), csv.as_str()), (format!("{name}.tex"), latex)]);
        replace(&folder.join("figures"), &["svg"], figures)?;
        replace(&folder.join("tables"), &["csv", "tex"], tables)
    }
}

/// Removes all files with one of these extensions from `folder` and writes the new files.
fn replace<'a>(
    folder: &Path,
    extensions: &[&str],
    files: impl Iterator<Item = (String, &'a str)>,
) -> Result<(), ReportError> {
    if folder.is_dir() {
        let entries = fs::read_dir(folder).map_err(ReportError::io("list the folder", folder))?;
        for entry in entries {
            let path = entry.map_err(ReportError::io("list the folder", folder))?.path();
            let extension = path.extension().and_then(|extension| extension.to_str());
            if extension.is_some_and(|extension| extensions.contains(&extension)) {
                fs::remove_file(&path).map_err(ReportError::io("remove", &path))?;
            }
        }
    }
    let mut files = files.peekable();
    if files.peek().is_none() {
        // This fails if the folder has other files, and then the folder must stay.
        let _ = fs::remove_dir(folder);
        return Ok(());
    }
    fs::create_dir_all(folder).map_err(ReportError::io("make the folder", folder))?;
    for (name, text) in files {
        let path = folder.join(name);
        fs::write(&path, text).map_err(ReportError::io("write", &path))?;
    }
    Ok(())
}

/// The ASCII letters and digits of a text in lower case, with hyphens between words; `untitled` if the text has none.
pub(crate) fn slug(text: &str) -> String {
    let mut slug = String::new();
    for word in text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()) {
        if !slug.is_empty() {
            if slug.len() + 1 + word.len() > MAX_NAME {
                break;
            }
            slug.push('-');
        }
        slug.push_str(&word.to_ascii_lowercase());
    }
    slug.truncate(MAX_NAME);
    if slug.is_empty() { "untitled".to_owned() } else { slug }
}

#[cfg(test)]
mod tests {
    use super::{Exports, MAX_NAME, slug};

    #[test]
    fn names_are_plain_and_unique() {
        assert_eq!(slug("A by class: ε = 100 (95 % interval)"), "a-by-class-100-95-interval");
        assert_eq!(slug("–"), "untitled");
        assert!(slug(&"word ".repeat(40)).len() <= MAX_NAME);
        assert_eq!(slug(&"x".repeat(100)).len(), MAX_NAME);
        let exports = Exports::default();
        assert_eq!(exports.name("table", "A by class"), "a-by-class");
        assert_eq!(exports.name("table", "A, by class!"), "a-by-class-2");
        assert_eq!(exports.name("table", "a-by-class 2"), "a-by-class-2-2");
        assert_eq!(exports.name("figure", "A by class"), "a-by-class");
    }

    #[test]
    fn old_figures_are_removed_and_other_files_stay() {
        let folder = tempfile::tempdir().unwrap();
        let figures = folder.path().join("figures");
        std::fs::create_dir(&figures).unwrap();
        std::fs::write(figures.join("old.svg"), "<svg/>").unwrap();
        std::fs::write(figures.join("mine.txt"), "a note").unwrap();
        let exports = Exports::default();
        exports.table("a".to_owned(), "x,y\n".to_owned(), "\\begin".to_owned());
        exports.write(folder.path()).unwrap();
        assert!(!figures.join("old.svg").exists() && figures.join("mine.txt").exists());
        assert_eq!(std::fs::read_to_string(folder.path().join("tables/a.csv")).unwrap(), "x,y\n");
        Exports::default().write(folder.path()).unwrap();
        assert!(!folder.path().join("tables").exists(), "an empty folder is not left behind");
    }
}
