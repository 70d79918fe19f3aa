//! Algorithm 1: the score of every true positive while its descriptors are replaced, most relevant first.

use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use fisherlens_eval::{BatchSums, RawSums, Resampling, Trace, random_order, relevance_order, trace_from_sums};
use fisherlens_fisher::DescriptorSet;
use fisherlens_lrp::MappingSums;
use fisherlens_mixture::DiagonalGmm;
use ndarray::Array2;
use serde::{Deserialize, Serialize};

use super::{Stage, mixture, relevance, scores};
use crate::experiment::{Experiment, Keys, Order, generator};
use crate::explainer::Explainer;
use crate::photograph::Described;

/// The stage's artifact: one shard of the test images in one order.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Shard {
    /// One entry a true positive.
    pub targets: Vec<Target>,
}

/// The traces of one image and class, one a repeat.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Target {
    /// Index of the image in the test set.
    pub image: usize,
    /// Id of the image.
    pub id: String,
    /// Index of the class.
    pub class: usize,
    /// f − threshold at every point, one trace a repeat.
    pub traces: Vec<Trace>,
}

/// What all images of a run share.
struct Runner<'a> {
    experiment: &'a Experiment,
    keys: &'a Keys,
    explainer: Explainer,
    mixture: DiagonalGmm,
    thresholds: Vec<f64>,
    resampling: Resampling,
}

/// Computes the shards that are not there yet, all orders of a shard in one pass over its images.
///
/// The draws of one image and repeat are the same for every order and class, so that orders are compared on
/// the same replacements.
///
/// # Errors
/// What the earlier stages say; an interrupt. Finished shards stay.
pub fn ensure_shards(experiment: &Experiment, keys: &Keys) -> Result<()> {
    let settings = &experiment.settings;
    let shards = experiment.dataset.test.shards(settings.data.shard_size);
    let missing = |index: usize| -> Vec<Order> {
        let absent = |order: &Order| {
            !experiment.has(Stage::Resampling, keys.resampling(*order, settings), Some(&relevance::part(index)))
        };
        experiment.orders().into_iter().filter(absent).collect()
    };
    let work: Vec<(usize, Vec<Order>)> =
        (0..shards.len()).map(|index| (index, missing(index))).filter(|(_, orders)| !orders.is_empty()).collect();
    if work.is_empty() {
        return Ok(());
    }
    relevance::ensure_shards(experiment, keys)?;
    let since = Instant::now();
    let scores = scores::get(experiment, keys)?;
    let predictions = scores.predictions(settings.data.difficult);
    let targets = scores::targets(&predictions, scores.ids.len());
    let runner = Runner {
        experiment,
        keys,
        explainer: Explainer::new(experiment, keys)?,
        mixture: mixture::get(experiment, keys)?,
        thresholds: predictions
            .iter()
            .map(|p| p.equal_error.as_ref().map_or(0.0, |e| f64::from(e.threshold)))
            .collect(),
        resampling: Resampling { n_replacements: settings.resampling.n_replacements, batch: settings.resampling.batch },
    };
    let explained = |index: usize| shards[index].clone().filter(|&image| !targets[image].is_empty());
    let n_images: usize = work.iter().map(|(index, _)| explained(*index).count()).sum();
    let bar = experiment.progress.bar("resampling", n_images as u64);
    let mut n_traces = 0;
    for (index, orders) in work {
        let shard_since = Instant::now();
        let relevances = orders
            .iter()
            .map(|order| match order {
                Order::Rule(rule) => Ok(Some(relevance::shard(experiment, keys, *rule, index)?)),
                Order::Random => Ok(None),
            })
            .collect::<Result<Vec<_>>>()?;
        let indices: Vec<usize> = explained(index).collect();
        let results =
            experiment.for_each(&bar, &indices, |image| runner.image(image, &targets[image], &orders, &relevances))?;
        let mut by_order = vec![Shard::default(); orders.len()];
        for (order, target) in results.into_iter().flatten() {
            n_traces += target.traces.len();
            by_order[order].targets.push(target);
        }
        let seconds = shard_since.elapsed().as_secs_f64() / orders.len() as f64;
        for (order, shard) in orders.iter().zip(by_order) {
            let key = keys.resampling(*order, settings);
            experiment.keep(Stage::Resampling, key, Some(&relevance::part(index)), seconds, &shard)?;
        }
    }
    bar.finish_and_clear();
    experiment.progress.computed("resampling", &format!("{n_traces} traces of {n_images} images"), since);
    Ok(())
}

impl Runner<'_> {
    /// All traces of one image: every repeat, class and order.
    fn image(
        &self,
        image: usize,
        classes: &[usize],
        orders: &[Order],
        relevances: &[Option<relevance::Shard>],
    ) -> Result<Vec<(usize, Target)>> {
        let entry = &self.experiment.dataset.test.set.images[image];
        let described = self.explainer.describe_file(&entry.path)?;
        if described.is_empty() {
            return Ok(Vec::new());
        }
        let mapping = self.explainer.encoder().map(described.set())?;
        let sums = MappingSums::for_rules(mapping.as_ref(), &[]);
        let start = RawSums::from_signed(mapping.as_ref(), sums.signed())?;
        let n_repeats = self.experiment.settings.resampling.n_repeats;
        let n_replaced = self.resampling.n_replaced(described.frames.len());
        let draws: Vec<Array2<f32>> = (0..n_repeats)
            .map(|repeat| {
                let mut rng = generator(self.keys.seed, "draws", &entry.id, repeat);
                self.mixture.generate(n_replaced, &mut rng)
            })
            .collect();
        // Without cells a draw adds the same wherever it goes, so its sums serve every order and class.
        let spatial = self.explainer.encoder().layout().n_cells > 1;
        let shared = if spatial {
            Vec::new()
        } else {
            let places = vec![[0.0, 0.0]; n_replaced];
            draws.iter().map(|draws| self.additions(draws, &places)).collect::<Result<Vec<_>>>()?
        };
        let mut scratch = Vec::new();
        let mut results = Vec::with_capacity(classes.len() * orders.len());
        for &class in classes {
            for (index, relevance) in relevances.iter().enumerate() {
                let ranked = match relevance {
                    Some(shard) => Some(relevance_order(find(shard, image, class, &entry.id)?)),
                    None => None,
                };
                let fixed = match &ranked {
                    Some(ranked) => Some(BatchSums::removals(mapping.as_ref(), ranked, self.resampling)?),
                    None => None,
                };
                let mut traces = Vec::with_capacity(n_repeats);
                for (repeat, draws) in draws.iter().enumerate() {
                    let drawn_order;
                    let drawn;
                    let (ranked, removals) = if let (Some(ranked), Some(removals)) = (&ranked, &fixed) {
                        (ranked, removals)
                    } else {
                        let mut rng = generator(self.keys.seed, &format!("order {class}"), &entry.id, repeat);
                        drawn_order = random_order(described.frames.len(), &mut rng);
                        drawn = BatchSums::removals(mapping.as_ref(), &drawn_order, self.resampling)?;
                        (&drawn_order, &drawn)
                    };
                    let own;
                    let additions = if let Some(additions) = shared.get(repeat) {
                        additions
                    } else {
                        own = self.additions(draws, &places(&described, &ranked[..n_replaced]))?;
                        &own
                    };
                    let threshold = self.thresholds[class];
                    let mut score = |raw: &[f32]| self.explainer.score(class, raw, &mut scratch) - threshold;
                    traces.push(trace_from_sums(&start, removals, additions, &mut score)?);
                }
                results.push((index, Target { image, id: entry.id.clone(), class, traces }));
            }
        }
        Ok(results)
    }

    fn additions(&self, draws: &Array2<f32>, positions: &[[f32; 2]]) -> Result<BatchSums> {
        let mapping = self.explainer.encoder().map(DescriptorSet { values: draws.view(), positions })?;
        Ok(BatchSums::additions(mapping.as_ref(), draws.nrows(), self.resampling)?)
    }
}

/// The places of the descriptors that are replaced: a replacement keeps the place, hence the cell.
fn places(described: &Described, order: &[u32]) -> Vec<[f32; 2]> {
    order.iter().map(|&l| described.positions[l as usize]).collect()
}

fn find<'a>(shard: &'a relevance::Shard, image: usize, class: usize, id: &str) -> Result<&'a [f32]> {
    let found = shard.targets.iter().find(|target| target.image == image && target.class == class);
    Ok(&found.with_context(|| format!("the relevance of image {id} is not in its shard"))?.relevance)
}

/// All traces in one order.
///
/// # Errors
/// A shard that is absent or damaged.
pub fn all(experiment: &Experiment, keys: &Keys, order: Order) -> Result<Vec<Target>> {
    let settings = &experiment.settings;
    let mut targets = Vec::new();
    for index in 0..experiment.dataset.test.shards(settings.data.shard_size).len() {
        let key = keys.resampling(order, settings);
        match experiment.stored::<Shard>(Stage::Resampling, key, Some(&relevance::part(index)))? {
            Some(shard) => targets.extend(shard.targets),
            None => bail!("shard {index} of the resampling stage went away while it was needed; run the command again"),
        }
    }
    Ok(targets)
}
