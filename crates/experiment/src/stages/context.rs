//! Relevance outside and inside the boxes of the class, for every true positive and rule.

use anyhow::{Context as _, Result};
use fisherlens_eval::{Context, context};
use fisherlens_lrp::Rule;
use fisherlens_model::photograph;
use ndarray::Array2;
use serde::{Deserialize, Serialize};

use crate::dataset::boxes;
use crate::experiment::Experiment;
use crate::keys::Keys;
use crate::masks::{self, MaskShares};
use crate::share::Chosen;
use crate::stage::Stage;
use crate::stages::relevance::RelevanceShard;
use crate::stages::{explained, relevance};

/// The stage's artifact: one per rule.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Contexts {
    /// One entry per true positive.
    pub targets: Vec<ContextTarget>,
}

/// The measures of one class in one image.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ContextTarget {
    /// Id of the image.
    pub id: String,
    /// Index of the class.
    pub class: usize,
    /// Relevance outside and inside the boxes of the class.
    pub context: Context,
    /// Relevance on the drawn masks; `None` if the devkit has no masks.
    pub masks: Option<MaskShares>,
}

impl Contexts {
    /// Class and measures of every true positive.
    pub fn of_classes(&self) -> Vec<(usize, Context)> {
        self.targets.iter().map(|target| (target.class, target.context)).collect()
    }
}

/// The measures of every rule, in the order of the settings. Computes them if they are not stored.
///
/// # Errors
/// The errors of the earlier stages; an unreadable photograph; a stop on request.
pub fn get(experiment: &Experiment, keys: &Keys) -> Result<Vec<(Rule, Contexts)>> {
    let rules = &experiment.settings.relevance.rules;
    let address = |&rule: &Rule| Stage::Context.id().at(keys.context(experiment, rule));
    let addresses: Vec<_> = rules.iter().map(address).collect();
    let contexts = experiment.core.cached_together(&addresses, || {
        explained::ensure_shards(experiment, keys, Chosen::All, &[Stage::Relevance])?;
        compute(experiment, keys, rules)
    })?;
    Ok(rules.iter().copied().zip(contexts).collect())
}

fn compute(experiment: &Experiment, keys: &Keys, rules: &[Rule]) -> Result<(Vec<Contexts>, String)> {
    let core = &experiment.core;
    let targets = relevance::targets(experiment, keys)?;
    let n_images = targets.iter().filter(|classes| !classes.is_empty()).count();
    let bar = core.progress.bar("context", n_images as u64);
    let mut contexts: Vec<Contexts> = rules.iter().map(|_| Contexts::default()).collect();
    for (index, range) in core.dataset.test.shards(core.shard_size).into_iter().enumerate() {
        let shards =
            rules.iter().map(|rule| relevance::shard(experiment, keys, *rule, index)).collect::<Result<Vec<_>>>()?;
        let indices: Vec<usize> = range.filter(|&image| !targets[image].is_empty()).collect();
        let measured = core.for_each(bar.as_ref(), &indices, |image| measure(experiment, image, &shards))?;
        for (rule, target) in measured.into_iter().flatten() {
            contexts[rule].targets.push(target);
        }
    }
    Ok((contexts, format!("{n_images} images")))
}

/// Measures one image. The relevance of its pixels is computed again: it is too large to be stored, and computing it from the relevance of
/// the descriptors is fast.
fn measure(experiment: &Experiment, image: usize, shards: &[RelevanceShard]) -> Result<Vec<(usize, ContextTarget)>> {
    let entry = &experiment.core.dataset.test.set.images[image];
    let photograph = experiment.core.dataset.reading.photograph(entry)?;
    let extractor = experiment.parts.extractor.value.as_ref();
    let frames = photograph::places(extractor, &photograph, &entry.path)?;
    let masks = experiment.core.dataset.masks.as_deref().map(|folder| masks::read(folder, &entry.id)).transpose()?;
    let mut measured = Vec::new();
    for (rule, shard) in shards.iter().enumerate() {
        for target in shard.targets.iter().filter(|target| target.image == image) {
            let pixels = target.pixels(&frames, photograph.width(), photograph.height());
            let class = &experiment.core.dataset.classes()[target.class];
            let boxes = boxes(entry, class);
            let masks = masks
                .as_ref()
                .map(|masks| masks::shares(masks, class, &pixels))
                .transpose()
                .with_context(|| format!("masks of image {}", entry.id))?;
            let context = context(Array2::view(&pixels), &boxes);
            measured.push((rule, ContextTarget { id: entry.id.clone(), class: target.class, context, masks }));
        }
    }
    Ok(measured)
}
