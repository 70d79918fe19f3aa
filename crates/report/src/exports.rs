//! Figures and tables of the page as files: figures as SVG, tables as CSV and LaTeX.

use std::cell::RefCell;
use std::collections::BTreeSet;

use minijinja::{Value, context};

use crate::charts::canvas;

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

    /// Path inside of the report's folder and content of every file: `figures/NAME.svg`, `tables/NAME.csv` and `tables/NAME.tex`.
    pub(crate) fn files(self) -> Vec<(String, String)> {
        let figures = self.figures.into_inner().into_iter().map(|(name, svg)| (format!("figures/{name}.svg"), svg));
        let tables = self.tables.into_inner().into_iter().flat_map(|(name, csv, latex)| {
            [(format!("tables/{name}.csv"), csv), (format!("tables/{name}.tex"), latex)]
        });
        figures.chain(tables).collect()
    }
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
}
