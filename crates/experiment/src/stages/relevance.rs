//! Relevance of the local descriptors, for every true positive and rule, in shards.

use anyhow::{Context as _, Result};
use fisherlens_artifact::{Address, Block, array};
use fisherlens_descriptors::Frame;
use fisherlens_eval::{downsized, spread_evenly};
use fisherlens_lrp::{Conservation, Rule, pixel_relevance};
use fisherlens_model::Explainer;
use ndarray::Array2;
use serde::{Deserialize, Serialize};

use crate::dataset::Half;
use crate::experiment::Experiment;
use crate::keys::Keys;
use crate::share::Chosen;
use crate::stage::Stage;
use crate::stages::{learned, predictions, scores};

/// The stage's artifact: one shard of the test images by one rule.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct RelevanceShard {
    /// One entry per true positive: images in order, and classes in order within an image.
    pub targets: Vec<RelevanceTarget>,
}

/// Relevance of one class's score in one image.
#[derive(Debug, Serialize, Deserialize)]
pub struct RelevanceTarget {
    /// Index of the image in the test set.
    pub image: usize,
    /// Id of the image.
    pub id: String,
    /// Index of the class.
    pub class: usize,
    /// R of every local descriptor; empty where `grid` is given.
    #[serde(with = "array")]
    pub relevance: Vec<f32>,
    /// Sums of the relevance of the pixels in the cells of a grid, with `relevance.grid`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grid: Option<Block<Array2<f32>>>,
    /// Where relevance was lost or added.
    pub conservation: Conservation,
}

impl RelevanceTarget {
    /// Relevance of every pixel `(height, width)`. `frames`: where the descriptors of the image lie. With a grid, the relevance of each cell is
    /// spread evenly over its pixels.
    pub fn pixels(&self, frames: &[Frame], width: usize, height: usize) -> Array2<f32> {
        match &self.grid {
            None => pixel_relevance(&self.relevance, frames, width, height),
            Some(Block(grid)) => spread_evenly(grid.view(), height, width),
        }
    }
}

/// The classes that the later stages explain: for each test image, the classes for which it is a true positive.
///
/// # Errors
/// See [`scores::get`].
pub fn targets(experiment: &Experiment, keys: &Keys) -> Result<Vec<Vec<usize>>> {
    let scores = scores::get(experiment, keys)?;
    let predictions = predictions::get(experiment, keys)?;
    Ok(scores::targets(&predictions, scores.ids.len()))
}

/// Computes the chosen shards that are not stored yet, all rules of a shard in one pass over its images.
///
/// # Errors
/// The errors of the earlier stages; an unreadable photograph; a stop on request. Finished shards stay stored.
pub fn ensure_shards(experiment: &Experiment, keys: &Keys, chosen: Chosen) -> Result<()> {
    let Experiment { core, settings, .. } = experiment;
    let address = |rule, shard| address(experiment, keys, rule, shard);
    let mut missing = core.missing_shards(Half::Test, chosen, &settings.relevance.rules, address);
    if missing.is_empty() {
        return Ok(());
    }
    let timer = core.start();
    let targets = targets(experiment, keys)?;
    let explainer = learned::explainer(experiment, keys)?;
    for missing in &mut missing {
        missing.images.retain(|&image| !targets[image].is_empty());
    }
    let n_images: usize = missing.iter().map(|missing| missing.images.len()).sum();
    let bar = core.progress.bar("relevance", n_images as u64);
    let mut n_heatmaps = 0;
    core.keep_shards(&missing, address, |missing| {
        let rules = &missing.variants;
        let results = core.for_each(bar.as_ref(), &missing.images, |image| {
            explain_image(experiment, &explainer, image, &targets[image], rules)
        })?;
        // There is one artifact per rule, so that a rule that is added later does not change the others.
        let mut by_rule: Vec<RelevanceShard> = rules.iter().map(|_| RelevanceShard::default()).collect();
        for (rule, target) in results.into_iter().flatten() {
            n_heatmaps += 1;
            by_rule[rule].targets.push(target);
        }
        Ok(by_rule)
    })?;
    drop(bar);
    core.computed(Stage::Relevance.id(), &format!("{n_heatmaps} heatmaps of {n_images} images"), &timer);
    Ok(())
}

fn explain_image(
    experiment: &Experiment,
    explainer: &Explainer,
    image: usize,
    classes: &[usize],
    rules: &[Rule],
) -> Result<Vec<(usize, RelevanceTarget)>> {
    let entry = &experiment.core.dataset.test.set.images[image];
    let described = explainer.describe(&experiment.core.dataset.reading.photograph(entry)?, &entry.path)?;
    if described.is_empty() {
        return Ok(Vec::new());
    }
    let explained = explainer.map(&described, rules)?;
    let mut targets = Vec::with_capacity(classes.len() * rules.len());
    for &class in classes {
        for (index, &rule) in rules.iter().enumerate() {
            let explanation = explained.explain(class, rule)?;
            let grid = experiment.settings.relevance.grid.map(|grid| downsized(explanation.pixels.view(), grid, grid));
            let grid = grid.transpose().with_context(|| format!("heatmap of {}", entry.path.display()))?;
            let target = RelevanceTarget {
                image,
                id: entry.id.clone(),
                class,
                relevance: if grid.is_none() { explanation.descriptors } else { Vec::new() },
                grid: grid.map(|grid| Block(grid.mapv(|sum| sum as f32))),
                conservation: explanation.conservation,
            };
            targets.push((index, target));
        }
    }
    Ok(targets)
}

/// One shard by one rule.
///
/// # Errors
/// A shard that is absent or damaged.
pub fn shard(experiment: &Experiment, keys: &Keys, rule: Rule, index: usize) -> Result<RelevanceShard> {
    experiment.core.needed(&address(experiment, keys, rule, index))
}

/// The conservation records of one rule.
///
/// # Errors
/// See [`shard`].
pub fn conservation(experiment: &Experiment, keys: &Keys, rule: Rule) -> Result<Vec<Conservation>> {
    let n_shards = experiment.core.dataset.test.shards(experiment.core.shard_size).len();
    let mut records = Vec::new();
    for index in 0..n_shards {
        records.extend(shard(experiment, keys, rule, index)?.targets.into_iter().map(|target| target.conservation));
    }
    Ok(records)
}

/// The address of one shard by one rule.
pub(crate) fn address(experiment: &Experiment, keys: &Keys, rule: Rule, shard: usize) -> Address {
    Stage::Relevance.id().shard(keys.relevance(experiment, rule), Half::Test, shard)
}
