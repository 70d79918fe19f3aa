//! Relevance of the local descriptors, for every true positive and rule, in shards.

use std::time::Instant;

use anyhow::{Result, bail};
use fisherlens_lrp::{Conservation, Rule};
use serde::{Deserialize, Serialize};

use super::{Stage, learned, scores};
use crate::experiment::{Experiment, Keys};
use fisherlens_artifact::array;
use fisherlens_model::Explainer;

/// The stage's artifact: one shard of the test images by one rule.
#[derive(Debug, Serialize, Deserialize)]
pub struct Shard {
    /// One entry a true positive, images in order, classes in order within an image.
    pub targets: Vec<Target>,
}

/// Relevance of one class's score in one image.
#[derive(Debug, Serialize, Deserialize)]
pub struct Target {
    /// Index of the image in the test set.
    pub image: usize,
    /// Id of the image.
    pub id: String,
    /// Index of the class.
    pub class: usize,
    /// R of every local descriptor.
    #[serde(with = "array")]
    pub relevance: Vec<f32>,
    /// Where relevance was lost or made.
    pub conservation: Conservation,
}

/// What the later stages explain: for each test image the classes of which it is a true positive.
///
/// # Errors
/// See [`scores::get`].
pub fn targets(experiment: &Experiment, keys: &Keys) -> Result<Vec<Vec<usize>>> {
    let scores = scores::get(experiment, keys)?;
    let predictions = scores.predictions(experiment.settings.data.difficult);
    Ok(scores::targets(&predictions, scores.ids.len()))
}

/// Computes the shards that are not there yet, all rules of a shard in one pass over its images.
///
/// # Errors
/// What the earlier stages say; an unreadable photograph; an interrupt. Finished shards stay.
pub fn ensure_shards(experiment: &Experiment, keys: &Keys) -> Result<()> {
    let rules = &experiment.settings.relevance.rules;
    let images = &experiment.dataset.test;
    let shards = images.shards(experiment.settings.data.shard_size);
    let missing = |index: usize| -> Vec<Rule> {
        let absent = |rule: &&Rule| !experiment.has(Stage::Relevance, keys.relevance(**rule), Some(&part(index)));
        rules.iter().filter(absent).copied().collect()
    };
    let work: Vec<(usize, Vec<Rule>)> =
        (0..shards.len()).map(|index| (index, missing(index))).filter(|(_, rules)| !rules.is_empty()).collect();
    if work.is_empty() {
        return Ok(());
    }
    let since = Instant::now();
    let targets = targets(experiment, keys)?;
    let explainer = learned::explainer(experiment, keys)?;
    let explained = |index: usize| shards[index].clone().filter(|&image| !targets[image].is_empty());
    let n_images: usize = work.iter().map(|(index, _)| explained(*index).count()).sum();
    let bar = experiment.progress.bar("relevance", n_images as u64);
    let mut n_heatmaps = 0;
    for (index, rules) in work {
        let shard_since = Instant::now();
        let indices: Vec<usize> = explained(index).collect();
        let results = experiment.for_each(bar.as_ref(), &indices, |image| {
            explain_image(experiment, &explainer, image, &targets[image], &rules)
        })?;
        // One artifact a rule: another rule later leaves those that are there alone.
        let mut by_rule: Vec<Vec<Target>> = rules.iter().map(|_| Vec::new()).collect();
        for (rule, target) in results.into_iter().flatten() {
            n_heatmaps += 1;
            by_rule[rule].push(target);
        }
        let seconds = shard_since.elapsed().as_secs_f64() / rules.len() as f64;
        for (rule, targets) in rules.iter().zip(by_rule) {
            experiment.keep(
                Stage::Relevance,
                keys.relevance(*rule),
                Some(&part(index)),
                seconds,
                &Shard { targets },
            )?;
        }
    }
    drop(bar);
    experiment.progress.computed("relevance", &format!("{n_heatmaps} heatmaps of {n_images} images"), since.elapsed());
    Ok(())
}

fn explain_image(
    experiment: &Experiment,
    explainer: &Explainer,
    image: usize,
    classes: &[usize],
    rules: &[Rule],
) -> Result<Vec<(usize, Target)>> {
    let entry = &experiment.dataset.test.set.images[image];
    let described = explainer.describe_file(&entry.path)?;
    if described.is_empty() {
        return Ok(Vec::new());
    }
    let explained = explainer.map(&described, rules)?;
    let mut targets = Vec::with_capacity(classes.len() * rules.len());
    for &class in classes {
        for (index, &rule) in rules.iter().enumerate() {
            let explanation = explained.explain(class, rule)?;
            let target = Target {
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
pub fn shard(experiment: &Experiment, keys: &Keys, rule: Rule, index: usize) -> Result<Shard> {
    match experiment.stored(Stage::Relevance, keys.relevance(rule), Some(&part(index)))? {
        Some(shard) => Ok(shard),
        None => bail!("shard {index} of the relevance stage went away while it was needed; run the command again"),
    }
}

/// The conservation records of one rule.
///
/// # Errors
/// See [`shard`].
pub fn conservation(experiment: &Experiment, keys: &Keys, rule: Rule) -> Result<Vec<Conservation>> {
    let n_shards = experiment.dataset.test.shards(experiment.settings.data.shard_size).len();
    let mut records = Vec::new();
    for index in 0..n_shards {
        records.extend(shard(experiment, keys, rule, index)?.targets.into_iter().map(|target| target.conservation));
    }
    Ok(records)
}

/// Name of a shard's artifact.
pub fn part(index: usize) -> String {
    format!("test-{index:04}")
}
