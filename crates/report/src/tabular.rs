//! A table on its way into the page and into its files: CSV for spreadsheets and statistics, LaTeX for papers.

use std::fmt::Write;

use anyhow::ensure;
use minijinja::{Value, context};

use super::exports::Exports;
use super::format::NONE;

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
            let written = (csv(&self), latex(&self, &name));
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

/// Comma-separated values (RFC 4180, lines ended by a line feed): the head, the rows, then those of the foot. Numbers have an ASCII
/// minus, no commas between thousands, and powers of ten as `3.2e-4`; a dash for no number becomes an empty cell.
fn csv(view: &View) -> String {
    let mut text = String::new();
    line(&mut text, view.columns.iter().map(|(name, _)| name.clone()));
    for row in view.rows.iter().chain(&view.foot) {
        line(&mut text, row.iter().zip(&view.columns).map(|(cell, (_, is_number))| plain(cell, *is_number)));
    }
    text
}

fn line(text: &mut String, cells: impl Iterator<Item = String>) {
    for (at, cell) in cells.enumerate() {
        if at > 0 {
            text.push(',');
        }
        if cell.contains(['"', ',', '\n', '\r']) {
            let _ = write!(text, "\"{}\"", cell.replace('"', "\"\""));
        } else {
            text.push_str(&cell);
        }
    }
    text.push('\n');
}

/// A cell as programs read it. Words stay as they are, but for those columns that hold numbers.
fn plain(cell: &str, is_number: bool) -> String {
    if !is_number {
        return cell.to_owned();
    }
    if cell == NONE {
        return String::new();
    }
    let characters: Vec<char> = cell.chars().collect();
    let digit = |at: usize| characters.get(at).is_some_and(char::is_ascii_digit);
    let mut text = String::with_capacity(cell.len());
    for (at, &character) in characters.iter().enumerate() {
        let parts_thousands =
            character == ',' && at > 0 && digit(at - 1) && (at + 1..at + 4).all(digit) && !digit(at + 4);
        match character {
            '−' => text.push('-'),
            _ if parts_thousands => {}
            other => text.push(other),
        }
    }
    match text.split_once(" × 10") {
        Some((mantissa, exponent)) => format!("{mantissa}e{}", exponent.chars().map(lowered).collect::<String>()),
        None => text,
    }
}

/// A superscript digit or sign as a plain one.
fn lowered(character: char) -> char {
    let digits = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    match digits.iter().position(|digit| *digit == character) {
        Some(digit) => char::from(b'0' + digit as u8),
        None if character == '⁻' => '-',
        None => character,
    }
}

/// A `table` that `\usepackage{booktabs}` sets: caption, label `tab:NAME`, the foot below a rule of its own, the note beneath.
fn latex(view: &View, name: &str) -> String {
    let columns: String = view.columns.iter().map(|(_, is_number)| if *is_number { 'r' } else { 'l' }).collect();
    let mut text = format!(
        "% \\usepackage{{booktabs}}\n\\begin{{table}}\n\\centering\n\\caption{{{}}}\n\\label{{tab:{name}}}\n\\begin{{tabular}}{{{columns}}}\n\\toprule\n",
        escape(&view.caption)
    );
    let row = |text: &mut String, cells: &mut dyn Iterator<Item = &String>| {
        let cells: Vec<String> = cells.map(|cell| escape(cell)).collect();
        let _ = writeln!(text, "{} \\\\", cells.join(" & "));
    };
    row(&mut text, &mut view.columns.iter().map(|(name, _)| name));
    text.push_str("\\midrule\n");
    for cells in &view.rows {
        row(&mut text, &mut cells.iter());
    }
    if !view.foot.is_empty() {
        text.push_str("\\midrule\n");
        for cells in &view.foot {
            row(&mut text, &mut cells.iter());
        }
    }
    text.push_str("\\bottomrule\n\\end{tabular}\n");
    if !view.note.is_empty() {
        let _ = writeln!(text, "\\par\\smallskip\\footnotesize {}", escape(&view.note));
    }
    text.push_str("\\end{table}\n");
    text
}

/// Text with LaTeX's own characters escaped, and those of mathematics in math mode. Other characters stay: LaTeX reads UTF-8.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        if let Some(first) = raised(character) {
            let mut power = first.to_owned();
            while let Some(next) = characters.next_if(|next| raised(*next).is_some()) {
                power.push_str(raised(next).unwrap_or_default());
            }
            let _ = write!(escaped, "$^{{{power}}}$");
            continue;
        }
        match character {
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => {
                escaped.push('\\');
                escaped.push(character);
            }
            '\\' => escaped.push_str("\\textbackslash{}"),
            '~' => escaped.push_str("\\textasciitilde{}"),
            '^' => escaped.push_str("\\textasciicircum{}"),
            '<' => escaped.push_str("$<$"),
            '>' => escaped.push_str("$>$"),
            '|' => escaped.push_str("$|$"),
            '"' => escaped.push_str("''"),
            '−' => escaped.push_str("$-$"),
            '×' => escaped.push_str("$\\times$"),
            '·' => escaped.push_str("$\\cdot$"),
            '±' => escaped.push_str("$\\pm$"),
            '≥' => escaped.push_str("$\\geq$"),
            '≤' => escaped.push_str("$\\leq$"),
            '→' => escaped.push_str("$\\to$"),
            'ε' => escaped.push_str("$\\varepsilon$"),
            'ρ' => escaped.push_str("$\\rho$"),
            'Σ' => escaped.push_str("$\\Sigma$"),
            '–' => escaped.push_str("--"),
            '’' => escaped.push('\''),
            '…' => escaped.push_str("\\dots{}"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// What a raised character is written as within `^{…}`.
fn raised(character: char) -> Option<&'static str> {
    Some(match character {
        '⁰' => "0",
        '¹' => "1",
        '²' => "2",
        '³' => "3",
        '⁴' => "4",
        '⁵' => "5",
        '⁶' => "6",
        '⁷' => "7",
        '⁸' => "8",
        '⁹' => "9",
        '⁻' => "-",
        '⁽' => "(",
        '⁾' => ")",
        'ⁱ' => "i",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::{View, csv, escape, latex, plain};

    fn row(cells: [&str; 3]) -> Vec<String> {
        cells.map(str::to_owned).to_vec()
    }

    fn view() -> View {
        View::numbers("A & B: 100 %", &["Class", "Change, in %", "n"])
            .rows([row(["cat \"tabby\", 1", "−1.5", "28,870"]), row(["dog_2", "–", "3.2 × 10⁻⁴"])])
            .foot(row(["Mean", "+0.5", "91.2 (1,234/1,500)"]))
            .note("f(x⁽ⁱ⁾) − ε")
    }

    #[test]
    fn csv_has_plain_numbers_and_quoted_words() {
        let expected = "Class,\"Change, in %\",n\n\"cat \"\"tabby\"\", 1\",-1.5,28870\ndog_2,,3.2e-4\nMean,+0.5,91.2 (1234/1500)\n";
        assert_eq!(csv(&view()), expected);
    }

    #[test]
    fn only_commas_between_thousands_go() {
        assert_eq!(plain("1,234,567", true), "1234567");
        assert_eq!(plain("4, 6, 8, 10", true), "4, 6, 8, 10");
        assert_eq!(plain("1,2345", true), "1,2345");
        assert_eq!(plain("1,234", false), "1,234");
        assert_eq!(plain("−12.0 × 10⁷", true), "-12.0e7");
        assert_eq!(plain("0.8 to −0.2", true), "0.8 to -0.2");
    }

    #[test]
    fn latex_is_a_booktabs_table() {
        let text = latex(&view(), "a-b-100");
        for expected in [
            "\\caption{A \\& B: 100 \\%}\n\\label{tab:a-b-100}\n\\begin{tabular}{lrr}\n\\toprule\n",
            "Class & Change, in \\% & n \\\\\n\\midrule\n",
            "dog\\_2 & -- & 3.2 $\\times$ 10$^{-4}$ \\\\\n\\midrule\nMean & +0.5 & 91.2 (1,234/1,500) \\\\\n\\bottomrule\n",
            "\\footnotesize f(x$^{(i)}$) $-$ $\\varepsilon$\n",
        ] {
            assert!(text.contains(expected), "{expected} is missing in {text}");
        }
        assert_eq!(escape("\\~^{}#$<"), "\\textbackslash{}\\textasciitilde{}\\textasciicircum{}\\{\\}\\#\\$$<$");
    }
}
