//! `predict`: scores and found classes of many photographs.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use fisherlens_experiment::interrupt::Interrupt;
use fisherlens_files::{NewFile, is_formula};
use fisherlens_lanes::on_free_threads;
use fisherlens_model::{Explainer, Model, photograph};
use rayon::prelude::*;
use serde::Serialize;

use crate::answer;
use crate::arguments::start_threads;
use crate::caller::PROGRAM;
use crate::console::{json, print, print_raw};
use crate::failures::Failures;
use crate::lookup::MAX_SIDE;
use crate::terminal;

/// Photographs that are scored before their rows are printed, per thread.
const PER_THREAD: usize = 8;
/// Classes in a row for people, if no class is found.
const N_NEAREST: usize = 3;

/// How the rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Lines for people: the classes found, with their scores
    Table,
    /// One row per photograph and one column per class
    Csv,
    /// One document
    Json,
}

/// `predict`
#[derive(Debug, Clone, Args)]
pub struct Predict {
    /// Photographs, or folders of photographs
    #[arg(required = true, value_name = "IMAGE")]
    pub images: Vec<PathBuf>,
    /// A model file, written by `train`; default: the model inside this program
    #[arg(long, value_name = "FILE")]
    pub model: Option<PathBuf>,
    /// How the rows are written
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub format: Format,
    /// Write to this file instead of standard output
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Shrink photographs so that their longer side has at most N pixels (0: do not)
    #[arg(long, value_name = "N", default_value_t = MAX_SIDE)]
    pub max_side: usize,
    /// Number of threads (0: one per core); the results do not depend on it
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = crate::arguments::threads())]
    pub threads: usize,
}

/// The scores of one photograph.
#[derive(Debug, Serialize)]
struct Row {
    path: String,
    /// Names of the classes whose score is above their threshold, the highest margin first.
    found: Vec<String>,
    /// One score per class, in the order of the classes.
    scores: Vec<f64>,
    /// The probability of each class; `None` if the model cannot tell it.
    probabilities: Option<Vec<f64>>,
}

/// The whole answer as JSON.
#[derive(Debug, Serialize)]
struct Document<'a> {
    program: &'static str,
    model: &'a str,
    classes: &'a [String],
    thresholds: &'a [f64],
    photographs: Vec<Row>,
    failed: &'a Failures,
}

/// Runs the command.
///
/// # Errors
/// A model or a folder that cannot be read. A photograph that cannot be scored does not stop the others; the command ends with an error after
/// the last one.
pub fn run(arguments: &Predict, interrupt: &Interrupt) -> Result<()> {
    start_threads(arguments.threads)?;
    let (model, name) = match &arguments.model {
        Some(path) => (Model::read(path)?, path.display().to_string()),
        None => (Model::shipped(), "built-in".to_owned()),
    };
    let explainer = Explainer::from_model(&model)?;
    let thresholds: Vec<f64> = (0..model.classes.len()).map(|class| model.threshold(class)).collect();
    let paths = photographs(&arguments.images)?;
    let mut failed = Failures::of(paths.len(), "scored");
    let mut rows = Vec::new();
    let mut csv = csv::Writer::from_writer(Vec::new());
    if arguments.format == Format::Csv {
        csv.write_record(heads(&model))?;
    }
    let mut out = match &arguments.out {
        Some(path) => Some(NewFile::create(path).with_context(|| format!("cannot write {}", path.display()))?),
        None => None,
    };
    let mut write = |text: &str| -> Result<()> {
        if let Some(file) = &mut out {
            return file.write_all(text.as_bytes()).context("cannot write the answer");
        }
        match arguments.format {
            Format::Table => print(text.trim_end_matches('\n')),
            Format::Csv | Format::Json => print_raw(text.trim_end_matches('\n')),
        }
        Ok(())
    };
    // Without a file the bar would be drawn between the rows.
    let bar = (arguments.out.is_some() || arguments.format == Format::Json)
        .then(|| terminal::progress().bar("predict", paths.len() as u64));
    for chunk in paths.chunks(PER_THREAD * rayon::current_num_threads()) {
        interrupt.check()?;
        let score = |path: &PathBuf| -> Result<Row> {
            let scores = scores(&explainer, path, arguments.max_side)?;
            let probability = |(class, &score): (usize, &f64)| model.probability(class, score);
            Ok(Row {
                path: path.display().to_string(),
                found: found(&model.classes, &scores, &thresholds),
                probabilities: scores.iter().enumerate().map(probability).collect(),
                scores,
            })
        };
        let score = |path| on_free_threads(chunk.len(), || score(path));
        let scored: Vec<Result<Row>> = chunk.par_iter().map(score).collect();
        for (path, row) in chunk.iter().zip(scored) {
            let row = match row {
                Ok(row) => row,
                Err(error) => {
                    failed.note(path, &error);
                    continue;
                }
            };
            match arguments.format {
                Format::Table => write(&(line(&model.classes, &row, &thresholds) + "\n"))?,
                Format::Csv => {
                    let found =
                        cell(&row.found.iter().map(|class| class.replace('|', "\\|")).collect::<Vec<_>>().join("|"));
                    let values = row.scores.iter().chain(row.probabilities.iter().flatten()).map(ToString::to_string);
                    csv.write_record([path_cell(&row.path), found].into_iter().chain(values))?;
                }
                Format::Json => rows.push(row),
            }
        }
        if arguments.format == Format::Csv {
            csv.flush()?;
            let text = String::from_utf8_lossy(csv.get_ref()).into_owned();
            if !text.is_empty() {
                write(&text)?;
            }
            csv = csv::Writer::from_writer(Vec::new());
        }
        if let Some(bar) = &bar {
            bar.advance(chunk.len() as u64);
        }
    }
    drop(bar);
    if arguments.format == Format::Json {
        let document = Document {
            program: PROGRAM,
            model: &name,
            classes: &model.classes,
            thresholds: &thresholds,
            photographs: rows,
            failed: &failed,
        };
        write(&(json(&document)? + "\n"))?;
    }
    if let (Some(file), Some(path)) = (out, &arguments.out) {
        file.finish().with_context(|| format!("cannot write {}", path.display()))?;
        answer!("{}  {} photographs", path.display(), paths.len() - failed.len());
    }
    failed.finish()
}

/// The files, and those inside of the folders.
fn photographs(images: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for image in images {
        if image.is_dir() {
            let inside = fisherlens_dataset::image_files(image)?;
            ensure!(!inside.is_empty(), "{} holds no image", image.display());
            paths.extend(inside);
        } else {
            paths.push(image.clone());
        }
    }
    Ok(paths)
}

/// The names of the columns of a table in CSV.
fn heads(model: &Model) -> Vec<String> {
    let mut heads = vec!["path".to_owned(), "found".to_owned()];
    heads.extend(model.classes.iter().map(|class| cell(class)));
    if model.calibration.is_some() {
        heads.extend(model.classes.iter().map(|class| format!("probability of {class}")));
    }
    heads
}

/// The score of every class.
fn scores(explainer: &Explainer, path: &Path, max_side: usize) -> Result<Vec<f64>> {
    let photograph = photograph::read_upright(path, max_side)?;
    let described = explainer.describe(&photograph, path)?;
    explainer.scores(&described).with_context(|| format!("{}", path.display()))
}

/// The classes above their thresholds, the highest margin first.
fn found(classes: &[String], scores: &[f64], thresholds: &[f64]) -> Vec<String> {
    by_margin(scores, thresholds)
        .into_iter()
        .filter(|&class| scores[class] > thresholds[class])
        .map(|class| classes[class].clone())
        .collect()
}

fn by_margin(scores: &[f64], thresholds: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    let margin = |class: usize| scores[class] - thresholds[class];
    order.sort_by(|&a, &b| margin(b).total_cmp(&margin(a)).then(a.cmp(&b)));
    order
}

/// A line for people.
fn line(classes: &[String], row: &Row, thresholds: &[f64]) -> String {
    let order = by_margin(&row.scores, thresholds);
    let n_found = row.found.len();
    let shown = order[..n_found.max(N_NEAREST.min(order.len()))].iter();
    let words = shown.map(|&class| {
        let score = format!("{} {:.3}", classes[class], row.scores[class]);
        match &row.probabilities {
            Some(probabilities) => format!("{score} ({:.0} %)", 100.0 * probabilities[class]),
            None => score,
        }
    });
    let words = words.collect::<Vec<_>>().join(", ");
    let path = &row.path;
    if n_found == 0 {
        return format!("{path}: no class is found; the nearest ones: {words}");
    }
    let rest = if words.is_empty() { String::new() } else { words };
    format!("{path}: {rest}")
}

/// A cell that no spreadsheet takes for a formula.
fn cell(text: &str) -> String {
    if is_formula(text) { format!("'{text}") } else { text.to_owned() }
}

/// A path that no spreadsheet takes for a formula, and that still names the file.
fn path_cell(path: &str) -> String {
    if is_formula(path) { format!("./{path}") } else { path.to_owned() }
}
