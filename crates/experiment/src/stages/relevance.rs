//! Relevance of the local descriptors, for every true positive and rule, in shards.

use anyhow::{Context as _, Result};
use fisherlens_artifact::{Address, Block, array};
use fisherlens_descriptors::Frame;
use fisherlens_eval::{downsized, spread_evenly};
use fisherlens_lrp::{Conservation, Rule, pixel_relevance};
use fisherlens_model::Explanation;
use ndarray::Array2;
use serde::{Deserialize, Serialize};

use crate::core::MissingShard;
use crate::dataset::Half;
use crate::experiment::Experiment;
use crate::keys::Keys;
use crate::share::Chosen;
use crate::stage::Stage;
use crate::stages::{predictions, scores};

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

/// The chosen shards that are not complete, with the rules that they lack.
pub(crate) fn missing(experiment: &Experiment, keys: &Keys, chosen: Chosen) -> Vec<MissingShard<Rule>> {
    let rules = &experiment.settings.relevance.rules;
    experiment.core.missing_shards(Half::Test, chosen, rules, |rule, shard| address(experiment, keys, rule, shard))
}

/// The relevance of a class's score in an image that was mapped before, as the stage stores it.
///
/// # Errors
/// A heatmap that is smaller than the grid of the settings.
pub(crate) fn target(
    experiment: &Experiment,
    image: usize,
    class: usize,
    explanation: Explanation,
) -> Result<RelevanceTarget> {
    let entry = &experiment.core.dataset.test.set.images[image];
    let grid = experiment.settings.relevance.grid.map(|grid| downsized(explanation.pixels.view(), grid, grid));
    let grid = grid.transpose().with_context(|| format!("heatmap of {}", entry.path.display()))?;
    Ok(RelevanceTarget {
        image,
        id: entry.id.clone(),
        class,
        relevance: if grid.is_none() { explanation.descriptors } else { Vec::new() },
        grid: grid.map(|grid| Block(grid.mapv(|sum| sum as f32))),
        conservation: explanation.conservation,
    })
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
