//! Algorithm 1: the score of every true positive while its descriptors are replaced, in every order and by every substitute.

use anyhow::{Context as _, Result};
use fisherlens_artifact::Address;
use fisherlens_eval::{
    BatchSums, LinearScore, RawSums, Replacement, Resampling, Trace, TracePair, linear_traces, perturbation_trace,
    random_order, relevance_order, removals_by_batch,
};
use fisherlens_fisher::{DescriptorSet, Mapping, SumsByBatch};
use fisherlens_lrp::Rule;
use fisherlens_mixture::DiagonalGmm;
use fisherlens_model::{Described, Explainer, MappedImage};
use ndarray::Array2;
use serde::{Deserialize, Serialize};

use crate::core::MissingShard;
use crate::dataset::Half;
use crate::experiment::{Experiment, generator};
use crate::keys::Keys;
use crate::series::{Direction, Ranking, Series, Substitute};
use crate::settings::Settings;
use crate::share::Chosen;
use crate::stage::Stage;
use crate::stages::{mixture, predictions, scores};

/// The stage's artifact: one shard of the test images in one series.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct TraceShard {
    /// One entry per true positive.
    pub targets: Vec<TraceTarget>,
}

/// The traces of one image and class: one per repeat, or a single trace if the repeats do not differ.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TraceTarget {
    /// Index of the image in the test set.
    pub image: usize,
    /// Id of the image.
    pub id: String,
    /// Index of the class.
    pub class: usize,
    /// f − threshold at every point.
    pub traces: Vec<Trace>,
}

/// The values that all images of a run share.
pub(crate) struct Runner<'a> {
    experiment: &'a Experiment,
    keys: &'a Keys,
    explainer: &'a Explainer,
    mixture: DiagonalGmm,
    thresholds: Vec<f64>,
    resampling: Resampling,
}

/// An image that was mapped before, with the relevance of its descriptors as far as it is known.
pub(crate) struct MappedTarget<'a> {
    /// Index of the image in the test set.
    pub(crate) image: usize,
    pub(crate) described: &'a Described,
    pub(crate) mapped: &'a MappedImage<'a>,
    /// Class, rule, and the relevance of each descriptor.
    pub(crate) relevance: Vec<(usize, Rule, Vec<f32>)>,
}

/// The chosen shards that are not complete, with the series that they lack.
pub(crate) fn missing(experiment: &Experiment, keys: &Keys, chosen: Chosen) -> Vec<MissingShard<Series>> {
    let all = all_series(&experiment.settings);
    experiment.core.missing_shards(Half::Test, chosen, &all, |series, shard| address(experiment, keys, series, shard))
}

/// All series of the stage: first Algorithm 1 in every order and from both ends, then the other substitutes in the orders of
/// `relevance.rules` and in random order. Series that differ only in the substitute are not adjacent.
pub fn all_series(settings: &Settings) -> Vec<Series> {
    let ranked = settings.resampling.rules.iter().map(|rule| Ranking::Rule(*rule)).chain([Ranking::Contrast]);
    let mut all: Vec<Series> =
        ranked.flat_map(|ranking| [Series::of(ranking), Series::of(ranking).least_first()]).collect();
    all.push(Series::of(Ranking::Random));
    for &substitute in &settings.resampling.substitutes {
        all.extend(compared_rankings(settings).into_iter().map(|ranking| Series::of(ranking).by(substitute)));
    }
    all
}

/// The rankings that are measured with every kind of perturbation: the rules of `relevance.rules`, and random order.
pub fn compared_rankings(settings: &Settings) -> Vec<Ranking> {
    settings.relevance.rules.iter().map(|rule| Ranking::Rule(*rule)).chain([Ranking::Random]).collect()
}

/// The values that all traces of one image share.
struct Image<'a> {
    id: &'a str,
    target: &'a MappedTarget<'a>,
    start: RawSums,
    /// New descriptors: the draws from the mixture, one array per repeat, and then the mean descriptor, once for each replaced descriptor.
    new: &'a [Array2<f32>],
    additions: Additions<'a>,
    /// Indices of the descriptors, highest contrast first.
    contrast: Vec<u32>,
}

/// Sums of the new descriptors.
enum Additions<'a> {
    /// In parts of the dimensions, for classifiers whose traces can be computed in parts.
    Parts(Vec<Box<dyn SumsByBatch + 'a>>),
    /// All dimensions at once.
    Whole(Vec<BatchSums>),
    /// They depend on the order, because the cell of a descriptor matters.
    OfOrder,
}

/// One trace of an image and class.
struct Job {
    /// Index of the series.
    series: usize,
    /// Index of the order of removal.
    order: usize,
    /// Index of the new descriptors; `None` if descriptors are removed without a replacement.
    addition: Option<usize>,
}

impl<'a> Runner<'a> {
    /// `explainer`: that of the experiment.
    ///
    /// # Errors
    /// The errors of the earlier stages.
    pub(crate) fn new(experiment: &'a Experiment, keys: &'a Keys, explainer: &'a Explainer) -> Result<Self> {
        let settings = &experiment.settings.resampling;
        Ok(Self {
            experiment,
            keys,
            explainer,
            mixture: mixture::get(experiment, keys)?,
            thresholds: scores::thresholds(&predictions::get(experiment, keys)?),
            resampling: Resampling { n_replacements: settings.n_replacements, batch: settings.batch },
        })
    }

    /// All traces of one image, each with the index of its series. The draws of one image and repeat are the same for every order and class,
    /// so that orders are compared on the same replacements.
    ///
    /// # Errors
    /// What encoder and classifier refuse.
    pub(crate) fn image(
        &self,
        target: &MappedTarget<'_>,
        classes: &[usize],
        series: &[Series],
    ) -> Result<Vec<(usize, TraceTarget)>> {
        let MappedTarget { image, described, mapped, .. } = *target;
        let entry = &self.experiment.core.dataset.test.set.images[image];
        let n_replaced = self.resampling.n_replaced(described.frames.len());
        let new = self.new_descriptors(&entry.id, n_replaced, series);
        // Without cells, a descriptor adds the same values at every position, so that one sum serves every order and class.
        let places = vec![[0.0, 0.0]; n_replaced];
        let has_cells = self.explainer.encoder().layout().n_cells > 1;
        let rows: Vec<u32> = (0..n_replaced as u32).collect();
        let mappings = if has_cells { Vec::new() } else { self.map_all(&new, &places)? };
        let additions = if has_cells {
            Additions::OfOrder
        } else if self.explainer.linear_in_roots(0).is_some() {
            let batch = self.resampling.batch;
            Additions::Parts(mappings.iter().map(|mapping| mapping.by_batch(&rows, batch)).collect())
        } else {
            let sums =
                mappings.iter().map(|mapping| BatchSums::additions(mapping.as_ref(), n_replaced, self.resampling));
            Additions::Whole(sums.collect::<Result<_, _>>()?)
        };
        let norms: Vec<f32> = described.frames.iter().map(|frame| frame.norm).collect();
        let prepared = Image {
            id: &entry.id,
            target,
            start: RawSums::from_signed(mapped.mapping(), mapped.sums().signed())?,
            new: &new,
            additions,
            contrast: relevance_order(&norms),
        };
        let mut results = Vec::with_capacity(classes.len() * series.len());
        for &class in classes {
            let mut traces: Vec<Vec<Trace>> = vec![Vec::new(); series.len()];
            let (orders, jobs) = self.jobs(&prepared, class, series)?;
            for (job, trace) in jobs.iter().zip(self.traces(&prepared, class, &orders, &jobs)?) {
                traces[job.series].push(trace);
            }
            for (at, traces) in traces.into_iter().enumerate() {
                results.push((at, TraceTarget { image, id: entry.id.clone(), class, traces }));
            }
        }
        Ok(results)
    }

    /// The arrays of new descriptors that the series need: draws, one array per repeat, and then the mean.
    fn new_descriptors(&self, id: &str, n_replaced: usize, series: &[Series]) -> Vec<Array2<f32>> {
        let mut new = Vec::new();
        for repeat in 0..self.n_draws(series) {
            new.push(self.mixture.generate(n_replaced, &mut generator(self.keys.seed, "draws", id, repeat)));
        }
        if needs(series, Substitute::Mean) {
            let mean = self.mixture.weights().dot(&self.mixture.means());
            let shape = (n_replaced, mean.len());
            new.push(mean.broadcast(shape).expect("one row can be repeated").to_owned());
        }
        new
    }

    /// Number of arrays of draws.
    fn n_draws(&self, series: &[Series]) -> usize {
        if needs(series, Substitute::Draws) { self.experiment.settings.resampling.n_repeats } else { 0 }
    }

    fn map_all<'m>(&'m self, new: &'m [Array2<f32>], positions: &'m [[f32; 2]]) -> Result<Vec<Box<dyn Mapping + 'm>>> {
        let map = |values: &'m Array2<f32>| {
            Ok(self.explainer.encoder().map(DescriptorSet { values: values.view(), positions })?)
        };
        new.iter().map(map).collect()
    }

    /// The traces of one class, series by series and repeat by repeat, and the orders of removal that they use.
    fn jobs(&self, image: &Image<'_>, class: usize, series: &[Series]) -> Result<(Vec<Vec<u32>>, Vec<Job>)> {
        let n_draws = self.n_draws(series);
        let mut orders: Vec<Vec<u32>> = Vec::new();
        let mut known: Vec<(Ranking, Direction, usize)> = Vec::new();
        let mut jobs = Vec::new();
        for (at, one) in series.iter().enumerate() {
            let n_repeats = if one.is_random() { self.experiment.settings.resampling.n_repeats } else { 1 };
            for repeat in 0..n_repeats {
                // Only a random order is another one in each repeat.
                let of_repeat = if one.ranking == Ranking::Random { repeat } else { 0 };
                let key = (one.ranking, one.direction, of_repeat);
                let known_order = known.iter().position(|known| *known == key);
                let order = if let Some(order) = known_order {
                    order
                } else {
                    let from_other_end = known.iter().position(|known| known.0 == key.0 && known.2 == key.2);
                    let order = match from_other_end {
                        Some(other) => orders[other].iter().rev().copied().collect(),
                        None => self.order(image, class, one, repeat)?,
                    };
                    known.push(key);
                    orders.push(order);
                    orders.len() - 1
                };
                let addition = match one.substitute {
                    Substitute::Draws => Some(repeat),
                    Substitute::Mean => Some(n_draws),
                    Substitute::Removal => None,
                };
                jobs.push(Job { series: at, order, addition });
            }
        }
        Ok((orders, jobs))
    }

    /// The order of removal of a series.
    fn order(&self, image: &Image<'_>, class: usize, series: &Series, repeat: usize) -> Result<Vec<u32>> {
        let mut order = match series.ranking {
            Ranking::Rule(rule) => {
                let known = image.target.relevance.iter().find(|known| (known.0, known.1) == (class, rule));
                match known {
                    Some((_, _, relevance)) => relevance_order(relevance),
                    None => relevance_order(&image.target.mapped.descriptors(class, rule)?),
                }
            }
            Ranking::Contrast => image.contrast.clone(),
            Ranking::Random => {
                let mut rng = generator(self.keys.seed, &format!("order {class}"), image.id, repeat);
                random_order(image.target.described.frames.len(), &mut rng)
            }
        };
        if series.direction == Direction::LeastFirst {
            order.reverse();
        }
        Ok(order)
    }

    /// The trace of each job.
    fn traces(&self, image: &Image<'_>, class: usize, orders: &[Vec<u32>], jobs: &[Job]) -> Result<Vec<Trace>> {
        let (mapping, threshold) = (image.target.mapped.mapping(), self.thresholds[class]);
        if let (Additions::Parts(additions), Some((coefficients, bias))) =
            (&image.additions, self.explainer.linear_in_roots(class))
        {
            let removals: Result<Vec<_>, _> =
                orders.iter().map(|order| removals_by_batch(mapping, order, self.resampling)).collect();
            let removals = removals?;
            let pairs: Vec<TracePair> =
                jobs.iter().map(|job| TracePair { removal: job.order, addition: job.addition }).collect();
            let score = LinearScore { coefficients, constant: bias - threshold };
            return Ok(linear_traces(&image.start, self.resampling, &removals, additions, &pairs, score)?);
        }
        let mut scratch = Vec::new();
        let mut score = |raw: &[f32]| self.explainer.score(class, raw, &mut scratch) - threshold;
        let mut traces: Vec<Option<Trace>> = jobs.iter().map(|_| None).collect();
        for (at, order) in orders.iter().enumerate() {
            let removals = BatchSums::removals(mapping, order, self.resampling)?;
            for (trace, job) in traces.iter_mut().zip(jobs).filter(|(_, job)| job.order == at) {
                let own;
                let additions = match (job.addition, &image.additions) {
                    (None, _) => None,
                    (Some(number), Additions::Whole(sums)) => Some(&sums[number]),
                    (Some(number), _) => {
                        let values = &image.new[number];
                        // A replacement has the same position as the replaced descriptor, and so the same cell.
                        let positions = &image.target.described.positions;
                        let places: Vec<[f32; 2]> =
                            order[..values.nrows()].iter().map(|&l| positions[l as usize]).collect();
                        let set = DescriptorSet { values: values.view(), positions: &places };
                        let new = self.explainer.encoder().map(set)?;
                        own = BatchSums::additions(new.as_ref(), values.nrows(), self.resampling)?;
                        Some(&own)
                    }
                };
                let mut replacement = match additions {
                    Some(additions) => Replacement::new(&image.start, &removals, additions)?,
                    None => Replacement::by_nothing(&image.start, &removals)?,
                };
                *trace = Some(perturbation_trace(&mut replacement, &mut score)?);
            }
        }
        traces.into_iter().map(|trace| trace.context("the order of a trace is missing")).collect()
    }
}

/// Whether a series uses this substitute.
fn needs(series: &[Series], substitute: Substitute) -> bool {
    series.iter().any(|series| series.substitute == substitute)
}

/// The rules that the series rank by, each once.
pub(crate) fn rules(series: &[Series]) -> Vec<Rule> {
    let mut rules = Vec::new();
    for series in series {
        if let Ranking::Rule(rule) = series.ranking
            && !rules.contains(&rule)
        {
            rules.push(rule);
        }
    }
    rules
}

/// All traces of one series.
///
/// # Errors
/// A shard that is absent or damaged.
pub fn all(experiment: &Experiment, keys: &Keys, series: Series) -> Result<Vec<TraceTarget>> {
    let mut targets = Vec::new();
    for shard in 0..experiment.core.dataset.test.shards(experiment.core.shard_size).len() {
        let shard: TraceShard = experiment.core.needed(&address(experiment, keys, series, shard))?;
        targets.extend(shard.targets);
    }
    Ok(targets)
}

/// The address of a shard.
pub(crate) fn address(experiment: &Experiment, keys: &Keys, series: Series, shard: usize) -> Address {
    Stage::Resampling.id().shard(keys.resampling(experiment, series), Half::Test, shard)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_read_back_from_its_text_is_the_same() {
        let settings = Settings::load("voc2007-val", &[]).unwrap();
        let all = all_series(&settings);
        for (index, series) in all.iter().enumerate() {
            assert_eq!(series.to_string().parse::<Series>().unwrap(), *series);
            assert!(!all[..index].contains(series), "{series} twice");
        }
        assert!(all.contains(&Series::of(Ranking::Random).by(Substitute::Removal)));
    }
}
