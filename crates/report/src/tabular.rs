//! A table for the page and for its files: CSV for spreadsheets and statistics, LaTeX for papers.

use std::fmt::Write;

use fisherlens_files::{is_formula, visible};
use minijinja::{Value, context};

use crate::error::ReportError;
use crate::exports::Exports;
use crate::format::NONE;

/// A table. The first column has the names of the rows.
#[derive(Default)]
pub(crate) struct View {
    pub(crate) caption: String,
    /// Name of each column, and whether the column holds numbers.
    pub(crate) columns: Vec<(String, bool)>,
    pub(crate) rows: Vec<Vec<String>>,
    /// Rows below a line, such as sums and means.
    pub(crate) foot: Vec<Vec<String>>,
    pub(crate) note: String,
    /// Whether cells may be long, so that they are broken into lines.
    is_long: bool,
}

impl View {
    /// A table whose columns after the first hold numbers.
    pub(crate) fn numbers(caption: impl Into<String>, columns: &[&str]) -> Self {
        let columns = columns.iter().enumerate().map(|(at, name)| ((*name).to_owned(), at > 0)).collect();
        Self { caption: caption.into(), columns, ..Self::default() }
    }

    /// A table whose columns hold words, which may be long.
    pub(crate) fn words(caption: impl Into<String>, columns: &[&str]) -> Self {
        let columns = columns.iter().map(|name| ((*name).to_owned(), false)).collect();
        Self { caption: caption.into(), columns, is_long: true, ..Self::default() }
    }

    pub(crate) fn rows(mut self, rows: impl IntoIterator<Item = Vec<String>>) -> Self {
        self.rows = rows.into_iter().collect();
        self
    }

    pub(crate) fn foot(mut self, row: Vec<String>) -> Self {
        self.foot.push(row);
        self
    }

    pub(crate) fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    /// The table for the template; it is also added to the files. A table without rows is not shown, so it is not added.
    ///
    /// # Errors
    /// [`ReportError::Row`] when a row does not have one cell per column.
    pub(crate) fn place(mut self, exports: &Exports) -> Result<Value, ReportError> {
        if let Some(row) = self.rows.iter().chain(&self.foot).find(|row| row.len() != self.columns.len()) {
            let (found, expected) = (row.len(), self.columns.len());
            return Err(ReportError::Row { caption: self.caption.clone(), found, expected, row: row.clone() });
        }
        self.make_visible();
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

    /// Makes the characters visible that a reader would not see, in all texts: for the page, for CSV and for LaTeX.
    fn make_visible(&mut self) {
        let names = self.columns.iter_mut().map(|(name, _)| name);
        let cells = self.rows.iter_mut().chain(&mut self.foot).flatten();
        for text in names.chain(cells).chain([&mut self.caption, &mut self.note]) {
            *text = visible(text).replace(['\n', '\t'], " ");
        }
    }
}

/// Comma-separated values (RFC 4180, but lines end with a line feed): the names of the columns, the rows, then the rows of the foot.
/// Numbers have an ASCII minus, no commas between thousands, and powers of ten as in `3.2e-4`; a dash for a missing number becomes an empty
/// cell.
fn csv(view: &View) -> String {
    let mut text = String::new();
    line(&mut text, view.columns.iter().map(|(name, _)| plain(name, false)));
    for row in view.rows.iter().chain(&view.foot) {
        line(&mut text, row.iter().zip(&view.columns).map(|(cell, (_, is_number))| plain(cell, *is_number)));
    }
    text
}

/// Appends one line; cells with special characters are quoted.
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

/// A cell as programs read it. Numbers get the form that programs read. A word that a spreadsheet would take for a formula gets an apostrophe
/// before it, because names come from data sets of others.
fn plain(cell: &str, is_number: bool) -> String {
    if !is_number {
        return if is_formula(cell) { format!("'{cell}") } else { cell.to_owned() };
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

/// A superscript digit or sign as an ordinary one.
fn lowered(character: char) -> char {
    let digits = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    match digits.iter().position(|digit| *digit == character) {
        Some(digit) => char::from(b'0' + digit as u8),
        None if character == '⁻' => '-',
        None => character,
    }
}

/// A LaTeX `table` for the package `booktabs`: caption, label `tab:NAME`, the rows, the foot below another line, and the note.
fn latex(view: &View, name: &str) -> String {
    let columns: String = view.columns.iter().map(|(_, is_number)| if *is_number { 'r' } else { 'l' }).collect();
    let mut text = format!(
        "% \\usepackage{{booktabs}}\n\\begin{{table}}\n\\centering\n\\caption{{{}}}\n\\label{{tab:{name}}}\n\
         \\begin{{tabular}}{{{columns}}}\n\\toprule\n",
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

/// Text for LaTeX: its special characters are escaped, and mathematical characters are in math mode. Other characters stay, because LaTeX
/// reads UTF-8.
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
            control if control.is_control() => escaped.push(' '),
            other => escaped.push(other),
        }
    }
    escaped
}

/// The text of a superscript character within `^{…}`; `None` for other characters.
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
    use crate::exports::Exports;

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
    fn only_commas_between_thousands_are_removed() {
        assert_eq!(plain("1,234,567", true), "1234567");
        assert_eq!(plain("4, 6, 8, 10", true), "4, 6, 8, 10");
        assert_eq!(plain("1,2345", true), "1,2345");
        assert_eq!(plain("1,234", false), "1,234");
        assert_eq!(plain("−12.0 × 10⁷", true), "-12.0e7");
        assert_eq!(plain("0.8 to −0.2", true), "0.8 to -0.2");
    }

    #[test]
    fn names_are_not_formulas() {
        assert_eq!(plain("=HYPERLINK(\"http://x\")", false), "'=HYPERLINK(\"http://x\")");
        assert_eq!(plain("@cat", false), "'@cat");
        assert_eq!(plain(" =1+1", false), "' =1+1", "some spreadsheets skip spaces");
        assert_eq!(plain("-1.5", false), "-1.5");
        assert_eq!(plain("cat=dog", false), "cat=dog");
        assert_eq!(escape("a\u{1b}[31m\nb"), "a [31m b");
    }

    #[test]
    fn files_have_no_hidden_characters() {
        let hidden = "a\u{1b}[31m\u{202e}b\nc\u{2066}";
        let exports = Exports::default();
        let mut view = View::numbers(hidden, &[hidden, "n", "m"]);
        view = view.rows([row([hidden, "1", "2"])]).foot(row([hidden, hidden, "\t=1"])).note(hidden);
        view.place(&exports).unwrap();
        let files = exports.files();
        assert_eq!(files.len(), 2);
        let shown = "a\\u{1b}[31m\\u{202e}b c\\u{2066}";
        assert_eq!(files[0].1, format!("{shown},n,m\n{shown},1,2\n{shown},{shown}, =1\n"));
        let shown = escape(shown);
        assert_eq!(files[1].1.matches(&shown).count(), 6, "{}", files[1].1);
        for (name, text) in files {
            let is_hidden = |c: char| c != '\n' && (c.is_control() || "\u{202e}\u{2066}".contains(c));
            assert!(!text.contains(is_hidden), "{name}: {text:?}");
        }
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
