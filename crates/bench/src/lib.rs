//! `cargo xtask bench`: every stage that takes much time, compared with another program (its peer) and with the machine's limit, in one
//! run.
//!
//! Times of different machines, days or loads cannot be compared, so everything is a ratio within one run: P is the peer's time on the same
//! input, and G is the machine's rate of matrix multiplication, measured just before. The goal of a row is computed from P and G of the
//! same run.

mod context;
mod estimate;
mod growth;
mod inputs;
mod instructions;
mod kernels;
mod machine;
#[cfg(feature = "cnn")]
pub mod network;
mod peers;
mod row;
mod rows;
mod section;
mod table;
mod timing;
mod whole;

use std::path::PathBuf;
use std::time::SystemTime;

use anyhow::{Context as _, Result, bail};

use crate::context::Bench;
use crate::rows::STAGES;
use crate::table::{Extra, Report};
use fisherlens_cli::answer;
use fisherlens_cli::console::say;
use fisherlens_experiment::interrupt::Interrupt;

pub use crate::context::{Options, Voc};

/// Measures the rows whose names contain one of `wanted`, or all rows, and prints the table.
///
/// # Errors
/// A word that no row's name contains; an error of a stage; an interrupt.
pub fn run(wanted: &[String], options: &Options, outputs: &Outputs, interrupt: &Interrupt) -> Result<()> {
    let names = chosen(wanted, options)?;
    let mut bench = Bench::new(options.clone(), STAGES)?;
    for line in bench.missing() {
        say(&line);
    }
    let mut extra = Extra::default();
    for &name in &names {
        interrupt.check()?;
        if name == growth::NAME {
            extra.growth = growth::measure(&bench)?;
            extra.grids.extend(growth::grids(&extra.growth));
            extra.grids.push(estimate::by_number_of_images(&mut bench)?);
        } else if let (whole::NAME, Some(voc)) = (name, &options.voc) {
            let whole = whole::measure(&mut bench, voc, interrupt)?;
            let title = "The whole experiment as the sum of its rows. Not included: k-means, training of the projection, scores, files.";
            extra.grids.push(estimate::grid(title.to_owned(), &whole.items));
            extra.whole = Some(whole);
        } else {
            bench.ensure(name)?;
        }
    }
    let report = Report::new(&bench, &names, &extra);
    answer!("{}", report.text());
    if let Some(path) = &outputs.json {
        let text = serde_json::to_string_pretty(&report.json())? + "\n";
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    if let Some(path) = &outputs.markdown {
        let text = report.markdown(SystemTime::now());
        let old = std::fs::read_to_string(path).unwrap_or_default();
        let text = section::replaced(&old, bench.machine.kind(), &text).unwrap_or(text);
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// Floating-point operations per second of the best `f32` matrix product on this thread, measured now.
///
/// # Errors
/// No error is expected.
#[cfg(feature = "cnn")]
pub(crate) fn product_rate() -> Result<f64> {
    let repeats = timing::Repeats { fixed: None, min: 3, seconds: 1.0 };
    Ok(1e9 * machine::Limits::measure(2, repeats)?.gflops())
}

/// Counts the instructions of the inner loops, and compares them with the stored counts or stores them.
///
/// # Errors
/// When Valgrind is missing, or a count is more than 2 % above the stored one.
pub fn count_instructions(update: bool) -> Result<()> {
    instructions::run(update)
}

/// The work of a separate process that another run of this command starts: a kernel of [`count_instructions`], or one size of the growth.
///
/// # Errors
/// An unknown word; an error of the work.
pub fn alone(word: &str, options: &Options) -> Result<()> {
    // The pool has only this thread, so that the instruction counter sees all of the work.
    rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build_global()?;
    if word.contains('=') {
        answer!("{}", growth::alone(word, options.image.as_deref())?);
        return Ok(());
    }
    kernels::run(word)
}

/// Files that the numbers are written to.
#[derive(Debug, Clone, Default)]
pub struct Outputs {
    /// The numbers for programs.
    pub json: Option<PathBuf>,
    /// The table for readers. If the file has a section for this kind of processor, only this section is replaced.
    pub markdown: Option<PathBuf>,
}

/// Names of the chosen rows, in the order of the table. Without a word all rows are chosen, but a quick run leaves out the growth.
fn chosen(wanted: &[String], options: &Options) -> Result<Vec<&'static str>> {
    let mut all: Vec<&'static str> = STAGES.iter().flat_map(|stage| stage.rows.iter().copied()).collect();
    all.push(growth::NAME);
    if options.voc.is_some() {
        all.push(whole::NAME);
    }
    for word in wanted {
        if !all.iter().any(|name| name.contains(word.as_str())) {
            bail!("no row's name contains \"{word}\"; the rows are {}", all.join(", "));
        }
    }
    if wanted.is_empty() {
        all.retain(|&name| !(options.quick && name == growth::NAME));
    } else {
        all.retain(|name| wanted.iter().any(|word| name.contains(word.as_str())));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|&word| word.to_owned()).collect()
    }

    #[test]
    fn rows_are_chosen_by_parts_of_their_names() {
        assert_eq!(chosen(&words(&["sift", "pca"]), &Options::default()).unwrap(), ["dense-sift", "pca-projection"]);
        assert!(chosen(&[], &Options::default()).unwrap().len() > 10);
        let message = chosen(&words(&["sift", "gabor"]), &Options::default()).unwrap_err().to_string();
        assert!(
            message.contains("\"gabor\"") && message.contains("dense-sift") && message.contains("svm"),
            "{message}"
        );
    }

    #[test]
    fn all_names_are_different() {
        let all = chosen(&[], &Options::default()).unwrap();
        let distinct: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
    }
}
