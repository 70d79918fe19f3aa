//! `cargo xtask bench`: every hot stage beside its peer and beside the machine's limit, all in one run.
//!
//! Times of different machines, days or loads say little about each other, so everything is a ratio inside one run: P is the
//! peer's time on the same input, G the machine's rate of multiplying matrices, measured a moment before. A row's goal is
//! worked out from that run's own P and G.

mod context;
mod date;
mod inputs;
mod machine;
mod peers;
mod row;
mod rows;
mod table;
mod timing;

use std::path::PathBuf;
use std::time::SystemTime;

use anyhow::{Context as _, Result, bail};

use context::Bench;
pub use context::Options;
use rows::STAGES;
use table::Report;

use crate::interrupt::Interrupt;

/// Measures the rows whose names contain one of `wanted`, or all, and prints the table.
///
/// # Errors
/// A word that no row's name contains, with the names; what a stage says; an interrupt.
pub fn run(wanted: &[String], options: &Options, outputs: &Outputs, interrupt: &Interrupt) -> Result<()> {
    let names = chosen(wanted)?;
    let mut bench = Bench::new(options.clone())?;
    for line in bench.missing() {
        say(&line);
    }
    for &name in &names {
        interrupt.check()?;
        bench.ensure(name)?;
    }
    let report = Report::new(&bench, &names);
    print(&report.text());
    if let Some(path) = &outputs.json {
        let text = serde_json::to_string_pretty(&report.json())? + "\n";
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    if let Some(path) = &outputs.markdown {
        let text = report.markdown(SystemTime::now());
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// Files that the numbers go to.
#[derive(Debug, Clone, Default)]
pub struct Outputs {
    /// The rows for programs.
    pub json: Option<PathBuf>,
    /// The table for people.
    pub markdown: Option<PathBuf>,
}

/// Names of the rows that are wanted, in the table's order.
fn chosen(wanted: &[String]) -> Result<Vec<&'static str>> {
    let all: Vec<&'static str> = STAGES.iter().flat_map(|stage| stage.rows.iter().copied()).collect();
    for word in wanted {
        if !all.iter().any(|name| name.contains(word.as_str())) {
            bail!("no row's name contains \"{word}\"; the rows are {}", all.join(", "));
        }
    }
    let is_wanted = |name: &&str| wanted.is_empty() || wanted.iter().any(|word| name.contains(word.as_str()));
    Ok(all.into_iter().filter(is_wanted).collect())
}

/// How far it is, on standard error.
#[expect(clippy::print_stderr, reason = "the command tells what it is doing")]
fn say(line: &str) {
    eprintln!("{line}");
}

/// The answer of the command.
#[expect(clippy::print_stdout, reason = "the answer of the command")]
fn print(text: &str) {
    println!("{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|&word| word.to_owned()).collect()
    }

    #[test]
    fn rows_are_chosen_by_parts_of_their_names() {
        assert_eq!(chosen(&words(&["sift", "pca"])).unwrap(), ["dense-sift", "pca-projection"]);
        assert!(chosen(&[]).unwrap().len() > 10);
        let message = chosen(&words(&["sift", "gabor"])).unwrap_err().to_string();
        assert!(
            message.contains("\"gabor\"") && message.contains("dense-sift") && message.contains("svm"),
            "{message}"
        );
    }

    #[test]
    fn no_name_is_given_twice() {
        let all = chosen(&[]).unwrap();
        let distinct: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
    }
}
