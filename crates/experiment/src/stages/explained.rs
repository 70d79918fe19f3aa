//! Heatmaps and traces of the test images. If a run needs both, each image is described and mapped once.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Result;
use fisherlens_lrp::Rule;
use fisherlens_model::Explainer;

use crate::experiment::Experiment;
use crate::keys::Keys;
use crate::series::Series;
use crate::share::Chosen;
use crate::stage::Stage;
use crate::stages::learned;
use crate::stages::relevance::{self, RelevanceShard, RelevanceTarget, targets};
use crate::stages::resampling::{self, MappedTarget, Runner, TraceShard, TraceTarget};

/// What a shard of the test images lacks.
#[derive(Default)]
struct Lacking {
    images: Vec<usize>,
    rules: Vec<Rule>,
    series: Vec<Series>,
}

/// What was computed for one image.
struct Found {
    /// Each with the index of its rule.
    heatmaps: Vec<(usize, RelevanceTarget)>,
    /// Each with the index of its series.
    traces: Vec<(usize, TraceTarget)>,
    spent: Spent,
}

/// Time of each of the two stages.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Spent {
    pub(crate) relevance: Duration,
    pub(crate) resampling: Duration,
}

impl Spent {
    /// Divides `whole` as the two times are divided.
    fn divide(self, whole: Duration) -> Self {
        let spent = self.relevance + self.resampling;
        let share = if spent.is_zero() { 1.0 } else { self.relevance.as_secs_f64() / spent.as_secs_f64() };
        let relevance = whole.mul_f64(share);
        Self { relevance, resampling: whole.saturating_sub(relevance) }
    }
}

/// Computes the chosen shards of `stages` (the relevance, the traces, or both) that are not stored yet, all rules and series of a shard in
/// one pass over its images. Returns the time that each of the stages took.
///
/// The time for describing and mapping an image counts for the relevance, if its shard lacks any.
///
/// # Errors
/// The errors of the earlier stages; an unreadable photograph; a stop on request. Finished shards stay stored.
pub(crate) fn ensure_shards(experiment: &Experiment, keys: &Keys, chosen: Chosen, stages: &[Stage]) -> Result<Spent> {
    let core = &experiment.core;
    let mut shards: BTreeMap<usize, Lacking> = BTreeMap::new();
    if stages.contains(&Stage::Relevance) {
        for missing in relevance::missing(experiment, keys, chosen) {
            shards
                .insert(missing.shard, Lacking { images: missing.images, rules: missing.variants, series: Vec::new() });
        }
    }
    if stages.contains(&Stage::Resampling) {
        for missing in resampling::missing(experiment, keys, chosen) {
            let shard = shards.entry(missing.shard).or_default();
            (shard.images, shard.series) = (missing.images, missing.variants);
        }
    }
    if shards.is_empty() {
        return Ok(Spent::default());
    }
    let timer = core.start();
    let targets = targets(experiment, keys)?;
    let explainer = learned::explainer(experiment, keys)?;
    let is_explained = |&image: &usize| !targets[image].is_empty();
    let n_images = |lacks: fn(&Lacking) -> bool| -> usize {
        let lacking = shards.values().filter(|shard| lacks(shard));
        lacking.map(|shard| shard.images.iter().copied().filter(is_explained).count()).sum()
    };
    let (n_explained, n_traced) =
        (n_images(|shard| !shard.rules.is_empty()), n_images(|shard| !shard.series.is_empty()));
    let runner = (n_traced > 0).then(|| Runner::new(experiment, keys, &explainer)).transpose()?;
    let names: Vec<&str> = stages.iter().map(|stage| stage.name()).collect();
    let bar = core.progress.bar(&names.join(", "), n_images(|_| true) as u64);
    let (mut n_heatmaps, mut n_traces, mut n_ranked) = (0, 0, 0);
    let mut spent = Spent::default();
    for (&shard, lacking) in &shards {
        let since = Instant::now();
        let images: Vec<usize> = lacking.images.iter().copied().filter(is_explained).collect();
        let found = core.for_each(bar.as_ref(), &images, |image| {
            of_image(experiment, &explainer, runner.as_ref(), image, &targets[image], lacking)
        })?;
        let mut of_shard = Spent::default();
        // There is one artifact per rule and one per series, so that one that is added later does not change the others.
        let mut heatmaps: Vec<RelevanceShard> = lacking.rules.iter().map(|_| RelevanceShard::default()).collect();
        let mut traces = vec![TraceShard::default(); lacking.series.len()];
        for found in found {
            of_shard.relevance += found.spent.relevance;
            of_shard.resampling += found.spent.resampling;
            for (rule, target) in found.heatmaps {
                n_heatmaps += 1;
                heatmaps[rule].targets.push(target);
            }
            for (series, target) in found.traces {
                n_traces += target.traces.len();
                traces[series].targets.push(target);
            }
        }
        if !lacking.series.is_empty() {
            let n_targets: usize = images.iter().map(|&image| targets[image].len()).sum();
            n_ranked += resampling::rules(&lacking.series).len() * n_targets;
        }
        let took = of_shard.divide(since.elapsed());
        for (&rule, value) in lacking.rules.iter().zip(&heatmaps) {
            let seconds = took.relevance.as_secs_f64() / heatmaps.len() as f64;
            core.keep(&relevance::address(experiment, keys, rule, shard), seconds, value)?;
        }
        for (&series, value) in lacking.series.iter().zip(&traces) {
            let seconds = took.resampling.as_secs_f64() / traces.len() as f64;
            core.keep(&resampling::address(experiment, keys, series, shard), seconds, value)?;
        }
        spent.relevance += of_shard.relevance;
        spent.resampling += of_shard.resampling;
    }
    drop(bar);
    let took = spent.divide(core.stop(&timer));
    let heatmaps = format!("{n_heatmaps} heatmaps of {n_explained} images");
    let traces = format!("{n_traces} traces of {n_traced} images, {n_ranked} orders by relevance");
    if shards.values().any(|shard| !shard.rules.is_empty()) {
        core.progress.computed(Stage::Relevance.name(), &heatmaps, took.relevance);
    }
    if shards.values().any(|shard| !shard.series.is_empty()) {
        core.progress.computed(Stage::Resampling.name(), &traces, took.resampling);
    }
    Ok(took)
}

fn of_image(
    experiment: &Experiment,
    explainer: &Explainer,
    runner: Option<&Runner<'_>>,
    image: usize,
    classes: &[usize],
    lacking: &Lacking,
) -> Result<Found> {
    let since = Instant::now();
    let entry = &experiment.core.dataset.test.set.images[image];
    let mut found = Found { heatmaps: Vec::new(), traces: Vec::new(), spent: Spent::default() };
    let described = explainer.describe(&experiment.core.dataset.reading.photograph(entry)?, &entry.path)?;
    if described.is_empty() {
        return Ok(found);
    }
    let ranked = resampling::rules(&lacking.series);
    let mapped = explainer.map(&described, &[lacking.rules.as_slice(), &ranked].concat())?;
    let mut relevance = Vec::new();
    for &class in classes {
        for (index, &rule) in lacking.rules.iter().enumerate() {
            let explanation = mapped.explain(class, rule)?;
            if ranked.contains(&rule) {
                relevance.push((class, rule, explanation.descriptors.clone()));
            }
            found.heatmaps.push((index, relevance::target(experiment, image, class, explanation)?));
        }
    }
    let explained = Instant::now();
    if let Some(runner) = runner.filter(|_| !lacking.series.is_empty()) {
        let target = MappedTarget { image, described: &described, mapped: &mapped, relevance };
        found.traces = runner.image(&target, classes, &lacking.series)?;
    }
    found.spent = Spent { relevance: explained - since, resampling: explained.elapsed() };
    if lacking.rules.is_empty() {
        found.spent = Spent { relevance: Duration::ZERO, resampling: since.elapsed() };
    }
    Ok(found)
}
