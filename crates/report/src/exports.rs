//! What of the page is also written into files of its own: figures as SVG, tables as CSV and LaTeX.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::Context;
use minijinja::{Value, context};

use super::charts;

/// Longest name of a file without its ending; captions are sentences at times.
const MAX_NAME: usize = 64;

/// Collects figures and tables while the page is put together, each under a name of its own.
#[derive(Default)]
pub(super) struct Exports {
    /// (kind, name): a figure and a table may share a name, as they lie in different folders.
    taken: RefCell<BTreeSet<(&'static str, String)>>,
    figures: RefCell<Vec<(String, String)>>,
    tables: RefCell<Vec<(String, String, String)>>,
}

impl Exports {
    /// A file's name made of the ASCII letters and digits of a caption; a later one that would be the same gets a number.
    pub(super) fn name(&self, kind: &'static str, caption: &str) -> String {
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

    /// Notes a table down.
    pub(super) fn table(&self, name: String, csv: String, latex: String) {
        self.tables.borrow_mut().push((name, csv, latex));
    }

    /// A chart for the template, noted down as a file too.
    pub(super) fn figure(&self, title: &str, svg: String) -> Value {
        let name = self.name("figure", title);
        self.figures.borrow_mut().push((name.clone(), charts::standalone(&svg)));
        context! { title => title, name => name, svg => Value::from_safe_string(svg) }
    }

    /// What was collected, for whoever writes it.
    pub(super) fn take(&self) -> Self {
        Self { taken: RefCell::default(), figures: self.figures.take().into(), tables: self.tables.take().into() }
    }

    /// Writes `figures/NAME.svg`, `tables/NAME.csv` and `tables/NAME.tex` into `folder`. Files of these kinds that an earlier report
    /// left there are removed, so that no old figure passes for a new one.
    ///
    /// # Errors
    /// A file that cannot be written or removed.
    pub(super) fn write(&self, folder: &Path) -> anyhow::Result<()> {
        let (figures, tables) = (self.figures.borrow(), self.tables.borrow());
        let figures = figures.iter().map(|(name, svg)| (format!("{name}.svg"), svg.as_str()));
        let tables = tables
            .iter()
            .flat_map(|(name, csv, latex)| [(format!("{name}.csv"), csv.as_str()), (format!("{name}.tex"), latex)]);
        replace(&folder.join("figures"), &["svg"], figures)?;
        replace(&folder.join("tables"), &["csv", "tex"], tables)
    }
}

fn replace<'a>(folder: &Path, endings: &[&str], files: impl Iterator<Item = (String, &'a str)>) -> anyhow::Result<()> {
    if folder.is_dir() {
        let entries = fs::read_dir(folder).with_context(|| format!("listing {}", folder.display()))?;
        for entry in entries {
            let path = entry.with_context(|| format!("listing {}", folder.display()))?.path();
            let ending = path.extension().and_then(|ending| ending.to_str());
            if ending.is_some_and(|ending| endings.contains(&ending)) {
                fs::remove_file(&path).with_context(|| format!("removing {}", path.display()))?;
            }
        }
    }
    let mut files = files.peekable();
    if files.peek().is_none() {
        // Fails where something else lies in it, and then it has to stay.
        let _ = fs::remove_dir(folder);
        return Ok(());
    }
    fs::create_dir_all(folder).with_context(|| format!("making the folder {}", folder.display()))?;
    for (name, text) in files {
        let path = folder.join(name);
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

/// The ASCII letters and digits of a text in lower case, dashes between its words; `untitled` where it has none.
pub(super) fn slug(text: &str) -> String {
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
    fn old_files_go_and_others_stay() {
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
