//! `info`: what a model file says about itself.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use fisherlens_model::Model;
use serde::Serialize;

use crate::answer;
use crate::console::print_json;

/// `info`
#[derive(Debug, Clone, Args)]
pub struct Info {
    /// A model file; default: the model inside this program
    #[arg(value_name = "FILE")]
    pub model: Option<PathBuf>,
    /// Print one JSON document instead of lines
    #[arg(long)]
    pub json: bool,
}

/// The answer.
#[derive(Debug, Serialize)]
struct Answer {
    model: String,
    n_descriptor_dimensions: usize,
    n_components: usize,
    n_dimensions: usize,
    display_rule: String,
    classes: Vec<ClassRow>,
    card: Vec<(String, String)>,
    /// The settings of the descriptors and of the encoder.
    settings: Vec<(String, String)>,
}

#[derive(Debug, Serialize)]
struct ClassRow {
    class: String,
    threshold: Option<f64>,
    /// The probability of the class is 1 / (1 + exp(−(slope · score + offset))).
    slope: Option<f64>,
    offset: Option<f64>,
}

/// Runs the command.
///
/// # Errors
/// A file that is not a model.
pub fn run(arguments: &Info) -> Result<()> {
    let (model, name) = match &arguments.model {
        Some(path) => (Model::read(path)?, path.display().to_string()),
        None => (Model::shipped(), "built-in".to_owned()),
    };
    let row = |(index, class): (usize, &String)| {
        let sigmoid = model.calibration.as_ref().map(|sigmoids| sigmoids[index]);
        ClassRow {
            class: class.clone(),
            threshold: model.thresholds.as_ref().map(|thresholds| thresholds[index]),
            slope: sigmoid.map(|sigmoid| sigmoid.slope),
            offset: sigmoid.map(|sigmoid| sigmoid.offset),
        }
    };
    let answer = Answer {
        model: name,
        n_descriptor_dimensions: model.pca.n_components(),
        n_components: model.mixture.n_components(),
        n_dimensions: model.classifier.n_dimensions(),
        display_rule: model.display_rule.to_string(),
        classes: model.classes.iter().enumerate().map(row).collect(),
        card: model.card.clone(),
        settings: model.described_settings(),
    };
    if arguments.json {
        print_json(&answer)?;
        return Ok(());
    }
    answer!("model {}", answer.model);
    answer!(
        "{} classes, {} dimensions: {} components of {} dimensions",
        answer.classes.len(),
        answer.n_dimensions,
        answer.n_components,
        answer.n_descriptor_dimensions
    );
    for (what, value) in answer.card.iter().chain(&answer.settings) {
        answer!("{what}: {value}");
    }
    answer!("display rule: {}", answer.display_rule);
    let width = answer.classes.iter().map(|row| row.class.chars().count()).max().unwrap_or(0).max("class".len());
    answer!("{:width$}  threshold    slope   offset", "class");
    for ClassRow { class, threshold, slope, offset } in &answer.classes {
        let [threshold, slope, offset] =
            [threshold, slope, offset].map(|value| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.4}")));
        answer!("{class:width$}  {threshold:>9}  {slope:>7}  {offset:>7}");
    }
    if model.calibration.is_some() {
        answer!("probability of a class: 1 / (1 + exp(-(slope * score + offset)))");
    }
    Ok(())
}
