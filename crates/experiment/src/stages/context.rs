//! Relevance outside and inside the boxes of the class, for every true positive and rule.

use std::time::Instant;

use anyhow::{Context as _, Result};
use fisherlens_eval::{Context, Rect, context};
use fisherlens_lrp::{Rule, pixel_relevance};
use fisherlens_voc::ImageEntry;
use ndarray::Array2;
use serde::{Deserialize, Serialize};

use super::masks::{self, MaskShares};
use super::{Stage, relevance};
use crate::experiment::{Experiment, Keys};
use fisherlens_model::photograph;

/// The stage's artifact, by one rule.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Contexts {
    /// One entry a true positive.
    pub targets: Vec<Target>,
}

/// The measures of one class in one image.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Target {
    /// Id of the image.
    pub id: String,
    /// Index of the class.
    pub class: usize,
    /// Outside against inside its boxes.
    pub context: Context,
    /// Relevance on the drawn masks, where the devkit has them.
    pub masks: Option<MaskShares>,
}

impl Contexts {
    /// Class and measures of every true positive.
    pub fn of_classes(&self) -> Vec<(usize, Context)> {
        self.targets.iter().map(|target| (target.class, target.context)).collect()
    }
}

/// The measures of every rule, in the order of the settings; computes those that are not there.
///
/// # Errors
/// What the earlier stages say; an unreadable photograph; an interrupt.
pub fn get(experiment: &Experiment, keys: &Keys) -> Result<Vec<(Rule, Contexts)>> {
    let rules = &experiment.settings.relevance.rules;
    let mut found = Vec::new();
    for &rule in rules {
        let key = keys.context(rule, &experiment.dataset);
        let Some(contexts) = experiment.stored::<Contexts>(Stage::Context, key, None)? else { break };
        found.push((rule, contexts));
    }
    if found.len() == rules.len() {
        return Ok(found);
    }
    relevance::ensure_shards(experiment, keys)?;
    compute(experiment, keys, rules)
}

fn compute(experiment: &Experiment, keys: &Keys, rules: &[Rule]) -> Result<Vec<(Rule, Contexts)>> {
    let since = Instant::now();
    let images = &experiment.dataset.test;
    let targets = relevance::targets(experiment, keys)?;
    let n_images = targets.iter().filter(|classes| !classes.is_empty()).count();
    let bar = experiment.progress.bar("context", n_images as u64);
    let mut contexts: Vec<Contexts> = rules.iter().map(|_| Contexts::default()).collect();
    for (index, range) in images.shards(experiment.settings.data.shard_size).into_iter().enumerate() {
        let shards =
            rules.iter().map(|rule| relevance::shard(experiment, keys, *rule, index)).collect::<Result<Vec<_>>>()?;
        let indices: Vec<usize> = range.filter(|&image| !targets[image].is_empty()).collect();
        let measured = experiment.for_each(bar.as_ref(), &indices, |image| measure(experiment, image, &shards))?;
        for (rule, target) in measured.into_iter().flatten() {
            contexts[rule].targets.push(target);
        }
    }
    drop(bar);
    let seconds = since.elapsed().as_secs_f64() / rules.len() as f64;
    for (rule, contexts) in rules.iter().zip(&contexts) {
        experiment.keep(Stage::Context, keys.context(*rule, &experiment.dataset), None, seconds, contexts)?;
    }
    experiment.progress.computed("context", &format!("{n_images} images"), since.elapsed());
    Ok(rules.iter().copied().zip(contexts).collect())
}

/// The pixel maps are made again here: they are large, and the descriptors' places are quickly found.
fn measure(experiment: &Experiment, image: usize, shards: &[relevance::Shard]) -> Result<Vec<(usize, Target)>> {
    let entry = &experiment.dataset.test.set.images[image];
    let photograph = photograph::read(&entry.path)?;
    let extractor = experiment.parts.extractor.value.as_ref();
    let frames = photograph::frames(extractor, &photograph, &entry.path)?;
    let masks = experiment.dataset.masks.as_deref().map(|folder| masks::read(folder, &entry.id)).transpose()?;
    let mut measured = Vec::new();
    for (rule, shard) in shards.iter().enumerate() {
        for target in shard.targets.iter().filter(|target| target.image == image) {
            let pixels = pixel_relevance(&target.relevance, &frames, photograph.width(), photograph.height());
            let class = &experiment.dataset.classes()[target.class];
            let boxes = boxes(entry, class);
            let masks = masks
                .as_ref()
                .map(|masks| masks::shares(masks, class, &pixels))
                .transpose()
                .with_context(|| format!("masks of image {}", entry.id))?;
            let context = context(Array2::view(&pixels), &boxes);
            measured.push((rule, Target { id: entry.id.clone(), class: target.class, context, masks }));
        }
    }
    Ok(measured)
}

/// All boxes of a class, difficult objects among them: what is the object is not context.
fn boxes(entry: &ImageEntry, class: &str) -> Vec<Rect> {
    let of_class = entry.annotation.objects.iter().filter(|object| object.class == class);
    of_class
        .map(|object| Rect {
            left: object.bounds.left as usize,
            top: object.bounds.top as usize,
            right: object.bounds.right as usize,
            bottom: object.bounds.bottom as usize,
        })
        .collect()
}
