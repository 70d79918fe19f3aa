//! The example heatmaps of the report: the best and the worst images of each class.

use std::time::Instant;

use anyhow::Result;
use fisherlens_lrp::{ColorMap, Conservation, Rule, heatmap, overlay};
use ndarray::Array3;
use serde::{Deserialize, Serialize};

use super::{Stage, scores};
use crate::artifact::array;
use crate::experiment::{Experiment, Keys};
use crate::explainer::Explainer;
use crate::photograph;

/// How much of the heatmap covers the photograph.
const OVERLAY_OPACITY: f32 = 0.6;

/// The stage's artifact.
#[derive(Debug, Serialize, Deserialize)]
pub struct Gallery {
    /// Best examples of every class, then worst ones.
    pub examples: Vec<Example>,
}

/// One explained image.
#[derive(Debug, Serialize, Deserialize)]
pub struct Example {
    /// Index of the class.
    pub class: usize,
    /// Whether it is among the highest scores of the class's images, or among the lowest.
    pub best: bool,
    /// Id of the image.
    pub id: String,
    /// f(x).
    pub score: f64,
    /// The photograph `(height, width, 3)`.
    #[serde(with = "array")]
    pub photograph: Array3<u8>,
    /// The heatmap.
    #[serde(with = "array")]
    pub heatmap: Array3<u8>,
    /// The heatmap over the photograph.
    #[serde(with = "array")]
    pub overlay: Array3<u8>,
    /// Where relevance was lost or made.
    pub conservation: Conservation,
}

/// Computes or loads the examples.
///
/// # Errors
/// What the earlier stages say; an unreadable photograph; an interrupt.
pub fn get(experiment: &Experiment, keys: &Keys) -> Result<Gallery> {
    let key = keys.gallery(&experiment.settings);
    if let Some(gallery) = experiment.stored::<Gallery>(Stage::Report, key, None)? {
        return Ok(gallery);
    }
    let since = Instant::now();
    let scores = scores::get(experiment, keys)?;
    let explainer = Explainer::new(experiment, keys)?;
    let chosen = choose(&scores, experiment.settings.report.n_examples);
    let bar = experiment.progress.bar("examples", chosen.len() as u64);
    let indices: Vec<usize> = (0..chosen.len()).collect();
    let rule = experiment.settings.relevance.display_rule;
    let examples = experiment.for_each(&bar, &indices, |i| example(experiment, &explainer, chosen[i], rule))?;
    bar.finish_and_clear();
    let gallery = Gallery { examples: examples.into_iter().flatten().collect() };
    experiment.keep(Stage::Report, key, None, since.elapsed().as_secs_f64(), &gallery)?;
    experiment.progress.computed("report", &format!("{} example heatmaps", gallery.examples.len()), since);
    Ok(gallery)
}

/// (class, best, image), highest scores first, then lowest first, among the images of the class.
fn choose(scores: &scores::Scores, n_examples: usize) -> Vec<(usize, bool, usize)> {
    let mut chosen = Vec::new();
    for class in 0..scores.classes.len() {
        let column = scores.of_class(class);
        let mut positives: Vec<usize> = (0..column.len()).filter(|&i| scores.labels[[i, class]] == 1).collect();
        positives.sort_by(|&a, &b| column[b].total_cmp(&column[a]));
        let n_best = n_examples.min(positives.len());
        let n_worst = n_examples.min(positives.len() - n_best);
        chosen.extend(positives[..n_best].iter().map(|&image| (class, true, image)));
        chosen.extend(positives.iter().rev().take(n_worst).map(|&image| (class, false, image)));
    }
    chosen
}

fn example(
    experiment: &Experiment,
    explainer: &Explainer,
    (class, best, image): (usize, bool, usize),
    rule: Rule,
) -> Result<Option<Example>> {
    let entry = &experiment.dataset.test.set.images[image];
    let photograph = photograph::read(&entry.path)?;
    let described = explainer.describe(&photograph, &entry.path)?;
    if described.is_empty() {
        return Ok(None);
    }
    let explanation = explainer.map(&described, &[rule])?.explain(class, rule)?;
    let rgb = photograph.rgb();
    Ok(Some(Example {
        class,
        best,
        id: entry.id.clone(),
        score: explanation.score,
        heatmap: heatmap(explanation.pixels.view(), ColorMap::Diverging),
        overlay: overlay(rgb.view(), explanation.pixels.view(), ColorMap::Diverging, OVERLAY_OPACITY),
        photograph: rgb,
        conservation: explanation.conservation,
    }))
}
