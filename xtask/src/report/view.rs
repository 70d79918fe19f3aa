//! A table on its way into the page and into its files.

use anyhow::ensure;
use minijinja::{Value, context};

use super::exports::Exports;
use super::tabular;

/// A table. The first column heads the rows.
#[derive(Default)]
pub(super) struct View {
    pub(super) caption: String,
    /// Each column's head, and whether it holds numbers.
    pub(super) columns: Vec<(String, bool)>,
    pub(super) rows: Vec<Vec<String>>,
    pub(super) foot: Vec<Vec<String>>,
    pub(super) note: String,
    is_long: bool,
}

impl View {
    /// A table whose columns after the first hold numbers.
    pub(super) fn numbers(caption: impl Into<String>, columns: &[&str]) -> Self {
        let columns = columns.iter().enumerate().map(|(at, name)| ((*name).to_owned(), at > 0)).collect();
        Self { caption: caption.into(), columns, ..Self::default() }
    }

    /// A table whose columns hold words, which may be long.
    pub(super) fn words(caption: impl Into<String>, columns: &[&str]) -> Self {
        let columns = columns.iter().map(|name| ((*name).to_owned(), false)).collect();
        Self { caption: caption.into(), columns, is_long: true, ..Self::default() }
    }

    pub(super) fn rows(mut self, rows: impl IntoIterator<Item = Vec<String>>) -> Self {
        self.rows = rows.into_iter().collect();
        self
    }

    pub(super) fn foot(mut self, row: Vec<String>) -> Self {
        self.foot.push(row);
        self
    }

    pub(super) fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    /// For the template, and noted down among the files; refuses a row that does not fit the columns. A table without a row
    /// is shown nowhere, so that it becomes no file.
    pub(super) fn place(self, exports: &Exports) -> anyhow::Result<Value> {
        for row in self.rows.iter().chain(&self.foot) {
            ensure!(
                row.len() == self.columns.len(),
                "table \"{}\": a row has {} cells, expected one for each of the {} columns: {row:?}",
                self.caption,
                row.len(),
                self.columns.len()
            );
        }
        let (csv, latex) = if self.rows.is_empty() {
            Default::default()
        } else {
            let name = exports.name("table", &self.caption);
            let written = (tabular::csv(&self), tabular::latex(&self, &name));
            exports.table(name, written.0.clone(), written.1.clone());
            written
        };
        let columns: Vec<Value> = self
            .columns
            .into_iter()
            .map(|(label, is_number)| context! { label => label, is_number => is_number })
            .collect();
        Ok(context! {
            caption => self.caption,
            columns => columns,
            rows => self.rows,
            foot => self.foot,
            note => self.note,
            is_long => self.is_long,
            csv => csv,
            latex => latex,
        })
    }
}
