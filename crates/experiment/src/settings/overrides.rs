//! Changes of single settings, `section.name=value`, made to the TOML before it is read.

use anyhow::{Context as _, Result, bail};
use toml::{Table, Value};

/// Maximum number of settings that an error message suggests.
const MAX_N_SUGGESTIONS: usize = 4;

/// One change, `section.name=value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change<'a> {
    section: &'a str,
    field: &'a str,
    text: &'a str,
}

impl<'a> Change<'a> {
    /// Reads a change of one of the settings `names`.
    ///
    /// # Errors
    /// A text without `=`; a name that is not in `names`, with a suggestion of similar names.
    pub(crate) fn parse(change: &'a str, names: &[String]) -> Result<Self> {
        let (name, text) = change.split_once('=').with_context(|| {
            format!("--set {}: expected section.name=value, such as mixture.n_components=64", shortened(change))
        })?;
        let (name, text) = (name.trim(), text.trim());
        if !names.iter().any(|known| known == name) {
            bail!(
                "--set {}: no setting is called \"{}\"; {}",
                shortened(change),
                shortened(name),
                suggestion(&shortened(name), names)
            );
        }
        let (section, field) = name.split_once('.').unwrap_or(("", name));
        Ok(Self { section, field, text })
    }

    /// Whether the value is empty.
    pub(crate) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Sets the value.
    ///
    /// # Errors
    /// A section that is not a table.
    pub(crate) fn apply(&self, table: &mut Table) -> Result<()> {
        self.target(table)?.insert(self.field.to_owned(), value(self.text));
        Ok(())
    }

    /// Removes the setting.
    ///
    /// # Errors
    /// A section that is not a table.
    pub(crate) fn remove(&self, table: &mut Table) -> Result<()> {
        self.target(table)?.remove(self.field);
        Ok(())
    }

    fn target<'t>(&self, table: &'t mut Table) -> Result<&'t mut Table> {
        if self.section.is_empty() {
            return Ok(table);
        }
        let entry = table.entry(self.section).or_insert_with(|| Value::Table(Table::new()));
        entry.as_table_mut().with_context(|| format!("{0}: expected a section [{0}]", self.section))
    }
}

/// The text, cut to a length that fits into a message.
fn shortened(text: &str) -> String {
    const MAX_CHARACTERS: usize = 80;
    match text.char_indices().nth(MAX_CHARACTERS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// The text as TOML, or as a plain string if it is not TOML.
fn value(text: &str) -> Value {
    let parsed = format!("value = {text}").parse::<Table>().ok();
    // More than one entry means that the text contains a second line, so it is not a single value.
    let only = parsed.filter(|table| table.len() == 1).and_then(|mut table| table.remove("value"));
    only.unwrap_or_else(|| Value::String(text.to_owned()))
}

/// The settings that a user may have meant by `name`.
fn suggestion<'a>(name: &str, names: &'a [String]) -> String {
    let split = |name: &'a str| name.split_once('.').unwrap_or(("", name));
    let field = name.rsplit_once('.').map_or(name, |(_, field)| field);
    let mut near: Vec<(usize, &str)> = Vec::new();
    for known in names {
        // The right name in the wrong section counts like one wrong letter.
        let steps = distance(name, known).min(if split(known).1 == field { 1 } else { usize::MAX });
        if steps <= 2 + name.len() / 8 {
            near.push((steps, known));
        }
    }
    if !near.is_empty() {
        near.sort_unstable();
        let names: Vec<&str> = near.iter().take(MAX_N_SUGGESTIONS).map(|(_, name)| *name).collect();
        return format!("similar names: {}", names.join(", "));
    }
    let section = name.split_once('.').map_or(name, |(section, _)| section);
    let in_section: Vec<&str> = names.iter().map(String::as_str).filter(|known| split(known).0 == section).collect();
    if !in_section.is_empty() && !section.is_empty() {
        return format!("section [{section}] has {}", in_section.join(", "));
    }
    let mut sections: Vec<&str> = names.iter().map(|known| split(known).0).filter(|s| !s.is_empty()).collect();
    sections.dedup();
    format!("expected seed or a setting of the sections {}", sections.join(", "))
}

/// Number of letters to insert, remove or replace between two names (Levenshtein distance).
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, letter) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, other) in b.bytes().enumerate() {
            let exchanged = diagonal + usize::from(letter != other);
            diagonal = row[j + 1];
            row[j + 1] = exchanged.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

/// The names that serde gives to types, and the same in plain words.
const TYPES_IN_WORDS: [(&str, &str); 7] = [
    ("expected usize", "expected a whole number of at least 0"),
    ("expected u64", "expected a whole number of at least 0"),
    ("expected u16", "expected a whole number from 0 to 65535"),
    ("expected f32", "expected a number"),
    ("expected f64", "expected a number"),
    ("expected path string", "expected a path in quotes"),
    ("expected a sequence", "expected a list such as [1, 2]"),
];

/// The deserializer's error as one line that begins with the setting.
pub(crate) fn readable(error: &toml::de::Error) -> anyhow::Error {
    let text = error.to_string();
    let (message, place) = match text.trim_end().rsplit_once("\nin `") {
        Some((message, place)) => (message.trim_end(), place.trim_end_matches('`')),
        None => (text.trim_end(), "the settings"),
    };
    for (name, words) in TYPES_IN_WORDS {
        if let Some(found) = message.strip_suffix(name) {
            return anyhow::anyhow!("{place}: {found}{words}");
        }
    }
    anyhow::anyhow!("{place}: {message}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;
    use crate::settings::names::names_of;

    fn table_after(change: &str) -> Result<Table> {
        let mut table = "seed = 1\n[data]\nyear = 2007\n[mixture]\nn_components = 256".parse().unwrap();
        Change::parse(change, &names_of::<Settings>())?.apply(&mut table)?;
        Ok(table)
    }

    #[test]
    fn a_value_is_toml_or_a_plain_string() {
        let value_of = |change: &str| table_after(change).unwrap()["mixture"]["n_components"].clone();
        let is = |change: &str, expected: Value| assert_eq!(value_of(change), expected, "{change}");
        is("mixture.n_components=64", 64.into());
        is(" mixture.n_components = 1_000 ", 1000.into());
        is("mixture.n_components=1e-5", 1e-5.into());
        is("mixture.n_components=[1, 2]", Value::Array(vec![1.into(), 2.into()]));
        is("mixture.n_components=epsilon=21", "epsilon=21".into());
        is("mixture.n_components=\"64\"", "64".into());
        is("mixture.n_components=k-means", "k-means".into());
        is("mixture.n_components=", "".into());
        is("mixture.n_components=1\nother = 2", "1\nother = 2".into());
    }

    #[test]
    fn missing_sections_are_created() {
        assert_eq!(table_after("pca.from=a/b.npz").unwrap()["pca"]["from"], "a/b.npz".into());
        assert_eq!(table_after("seed=2").unwrap()["seed"], 2.into());
    }

    #[test]
    fn unknown_names_are_refused_with_suggestions() {
        let answer = |change: &str| table_after(change).unwrap_err().to_string();
        let holds = |change: &str, words: &str| {
            assert!(answer(change).contains(words), "{}", answer(change));
        };
        holds(
            "mixture.n_component=64",
            "no setting is called \"mixture.n_component\"; similar names: mixture.n_components",
        );
        holds("n_bootstrap=1", "similar names: evaluation.n_bootstrap");
        holds("gmm.n_components=1", "similar names: mixture.n_components, pca.n_components");
        holds("sample.amount_of_things=1", "section [sample] has sample.n_descriptors");
        holds("colour=1", "expected seed or a setting of the sections data, descriptors, sample");
        holds("mixture=1", "no setting is called \"mixture\"; section [mixture] has mixture.n_components");
        holds("mixture.n_components", "expected section.name=value");
        holds("=1", "no setting is called \"\"");
    }

    #[test]
    fn distances_count_letters() {
        assert_eq!(distance("step", "step"), 0);
        assert_eq!(distance("", "step"), 4);
        assert_eq!(distance("stepp", "step"), 1);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
