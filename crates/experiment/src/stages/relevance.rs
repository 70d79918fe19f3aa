//! Relevance of the local descriptors, for every true positive and rule, in shards.

use anyhow::Result;
use fisherlens_artifact::{Address, array};
use fisherlens_lrp::{Conservation, Rule};
use fisherlens_model::Explainer;
use serde::{Deserialize, Serialize};

use crate::dataset::Half;
use crate::experiment::Experiment;
use crate::keys::Keys;
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
    /// R of every local descriptor.
    #[serde(with = "array")]
    pub relevance: Vec<f32>,
    /// Where relevance was lost or added.
    pub conservation: Conservation,
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

/// Computes the shards that are not stored yet, all rules of a shard in one pass over its images.
///
/// # Errors
/// The errors of the earlier stages; an unreadable photograph; a stop on request. Finished shards stay stored.
pub fn ensure_shards(experiment: &Experiment, keys: &Keys) -> Result<()> {
    let Experiment { core, settings, .. } = experiment;
    let address = |rule, shard| address(keys, rule, shard);
    let mut missing = core.missing_shards(Half::Test, &settings.relevance.rules, address);
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
            let target = RelevanceTarget {
                image,
                id: entry.id.clone(),
                class,
                relevance: explanation.descriptors,
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
    experiment.core.needed(&address(keys, rule, index))
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

fn address(keys: &Keys, rule: Rule, shard: usize) -> Address {
    Stage::Relevance.id().shard(keys.relevance(rule), Half::Test, shard)
}
