//! Changes of single settings, `section.name=value`, made to the TOML before it is read.

use anyhow::{Context as _, Result, bail};
use toml::{Table, Value};

/// Every setting there is, by its dotted name.
pub(super) const NAMES: [&str; 68] = [
    "seed",
    "data.source",
    "data.year",
    "data.train",
    "data.test",
    "data.difficult",
    "data.shard_size",
    "descriptors.kind",
    "descriptors.bin_sizes",
    "descriptors.step",
    "descriptors.window",
    "descriptors.contrast_threshold",
    "descriptors.low_contrast",
    "descriptors.root_sift",
    "sample.n_descriptors",
    "pca.n_components",
    "pca.whitening",
    "pca.from",
    "mixture.n_components",
    "mixture.max_n_iterations",
    "mixture.tolerance",
    "mixture.init",
    "mixture.init_n_samples",
    "mixture.init_n_iterations",
    "mixture.variance_floor",
    "mixture.posterior_floor",
    "mixture.from",
    "encoder.kind",
    "encoder.parts",
    "encoder.posterior_floor",
    "encoder.assignment",
    "encoder.normalization",
    "encoder.pyramid",
    "classifier.kind",
    "classifier.kernel",
    "classifier.gamma",
    "classifier.c_grid",
    "classifier.loss",
    "classifier.n_folds",
    "classifier.tolerance",
    "classifier.max_n_epochs",
    "classifier.from",
    "relevance.rules",
    "relevance.display_rule",
    "resampling.n_replacements",
    "resampling.batch",
    "resampling.n_repeats",
    "resampling.rules",
    "resampling.substitutes",
    "pixels.side",
    "pixels.n_regions",
    "pixels.batch",
    "pixels.fills",
    "pixels.n_targets",
    "evaluation.interpolation",
    "evaluation.n_bootstrap",
    "evaluation.n_seeds",
    "strategies.classes",
    "strategies.images",
    "strategies.grid",
    "strategies.n_neighbours",
    "strategies.n_clusters",
    "strategies.tag_owner",
    "strategies.tag_corner",
    "strategies.tag_size",
    "strategies.paste_on",
    "strategies.n_changed",
    "report.n_examples",
];

/// Settings that may be left out; an empty value takes them away.
const OPTIONAL: [&str; 7] = [
    "data.year",
    "pca.from",
    "mixture.from",
    "classifier.kernel",
    "classifier.gamma",
    "classifier.from",
    "strategies.tag_owner",
];

/// The settings that some file may hold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Known {
    /// All of them, by their dotted names.
    pub(crate) names: &'static [&'static str],
    /// Those that may be left out.
    pub(crate) optional: &'static [&'static str],
}

/// Those of the Fisher-vector experiment.
pub(super) const KNOWN: Known = Known { names: &NAMES, optional: &OPTIONAL };

/// Settings named in an error at most.
const MAX_N_SUGGESTIONS: usize = 4;

/// Makes one change.
pub(crate) fn apply(table: &mut Table, change: &str, known: Known) -> Result<()> {
    let (name, text) = change
        .split_once('=')
        .with_context(|| format!("--set {change}: expected section.name=value, such as mixture.n_components=64"))?;
    let (name, text) = (name.trim(), text.trim());
    if !known.names.contains(&name) {
        bail!("--set {change}: no setting is called \"{name}\"; {}", suggestion(name, known.names));
    }
    let (section, field) = name.split_once('.').unwrap_or(("", name));
    let target = if section.is_empty() {
        table
    } else {
        let entry = table.entry(section).or_insert_with(|| Value::Table(Table::new()));
        entry.as_table_mut().with_context(|| format!("{section}: expected a section [{section}]"))?
    };
    if text.is_empty() && known.optional.contains(&name) {
        target.remove(field);
    } else {
        target.insert(field.to_owned(), value(text));
    }
    Ok(())
}

/// The text as TOML, or as a plain string where it is none.
fn value(text: &str) -> Value {
    let parsed = format!("value = {text}").parse::<Table>().ok();
    // More than one entry: the text brought a line of its own, which is no value.
    let only = parsed.filter(|table| table.len() == 1).and_then(|mut table| table.remove("value"));
    only.unwrap_or_else(|| Value::String(text.to_owned()))
}

/// What somebody who wrote `name` may have meant.
fn suggestion(name: &str, names: &'static [&'static str]) -> String {
    let split = |name: &'static str| name.split_once('.').unwrap_or(("", name));
    let field = name.rsplit_once('.').map_or(name, |(_, field)| field);
    let mut near: Vec<(usize, &str)> = Vec::new();
    for &known in names {
        // The right name in the wrong section is as near as one wrong letter.
        let steps = distance(name, known).min(if split(known).1 == field { 1 } else { usize::MAX });
        if steps <= 2 + name.len() / 8 {
            near.push((steps, known));
        }
    }
    if !near.is_empty() {
        near.sort_unstable();
        let names: Vec<&str> = near.iter().take(MAX_N_SUGGESTIONS).map(|(_, name)| *name).collect();
        return format!("near it: {}", names.join(", "));
    }
    let section = name.split_once('.').map_or(name, |(section, _)| section);
    let in_section: Vec<&str> = names.iter().copied().filter(|known| split(known).0 == section).collect();
    if !in_section.is_empty() && !section.is_empty() {
        return format!("section [{section}] has {}", in_section.join(", "));
    }
    let mut sections: Vec<&str> = names.iter().map(|known| split(known).0).filter(|s| !s.is_empty()).collect();
    sections.dedup();
    format!("there are seed and the sections {}", sections.join(", "))
}

/// Letters to insert, remove or exchange between two names (Levenshtein).
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

/// The names by which serde knows types, in words.
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

    fn table_after(change: &str) -> Result<Table> {
        let mut table = "seed = 1\n[data]\nyear = 2007\n[mixture]\nn_components = 256".parse().unwrap();
        apply(&mut table, change, KNOWN)?;
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
    fn sections_that_are_missing_are_made_and_optional_settings_taken_away() {
        assert_eq!(table_after("pca.from=a/b.npz").unwrap()["pca"]["from"], "a/b.npz".into());
        assert!(table_after("data.year=").unwrap()["data"].get("year").is_none());
        assert_eq!(table_after("seed=2").unwrap()["seed"], 2.into());
    }

    #[test]
    fn unknown_names_are_answered_with_known_ones() {
        let answer = |change: &str| table_after(change).unwrap_err().to_string();
        let holds = |change: &str, words: &str| {
            assert!(answer(change).contains(words), "{}", answer(change));
        };
        holds("mixture.n_component=64", "no setting is called \"mixture.n_component\"; near it: mixture.n_components");
        holds("n_bootstrap=1", "near it: evaluation.n_bootstrap");
        holds("gmm.n_components=1", "near it: mixture.n_components, pca.n_components");
        holds("sample.amount_of_things=1", "section [sample] has sample.n_descriptors");
        holds("colour=1", "there are seed and the sections data, descriptors, sample");
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
