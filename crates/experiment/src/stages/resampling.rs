//! Algorithm 1: the score of every true positive while its descriptors are replaced, in every order and by every substitute.

use anyhow::Result;
use fisherlens_artifact::Address;
use fisherlens_eval::{
    BatchSums, RawSums, Replacement, Resampling, Trace, perturbation_trace, random_order, relevance_order,
};
use fisherlens_fisher::DescriptorSet;
use fisherlens_lrp::Rule;
use fisherlens_mixture::DiagonalGmm;
use fisherlens_model::{Described, Explainer, MappedImage};
use ndarray::Array2;
use serde::{Deserialize, Serialize};

use crate::dataset::Half;
use crate::experiment::{Experiment, generator};
use crate::keys::Keys;
use crate::series::{Direction, Ranking, Series, Substitute};
use crate::settings::Settings;
use crate::share::Chosen;
use crate::stage::Stage;
use crate::stages::{learned, mixture, predictions, scores};

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
struct Runner<'a> {
    experiment: &'a Experiment,
    keys: &'a Keys,
    explainer: Explainer,
    mixture: DiagonalGmm,
    thresholds: Vec<f64>,
    resampling: Resampling,
}

/// Computes the chosen shards that are not stored yet, all series of a shard in one pass over its images.
///
/// The draws of one image and repeat are the same for every order and class, so that orders are compared on
/// the same replacements.
///
/// # Errors
/// The errors of the earlier stages; a stop on request. Finished shards stay stored.
pub fn ensure_shards(experiment: &Experiment, keys: &Keys, chosen: Chosen) -> Result<()> {
    let Experiment { core, settings, .. } = experiment;
    let address = |series, shard| address(experiment, keys, series, shard);
    let mut missing = core.missing_shards(Half::Test, chosen, &all_series(settings), address);
    if missing.is_empty() {
        return Ok(());
    }
    let timer = core.start();
    let scores = scores::get(experiment, keys)?;
    let predictions = predictions::get(experiment, keys)?;
    let targets = scores::targets(&predictions, scores.ids.len());
    let runner = Runner {
        experiment,
        keys,
        explainer: learned::explainer(experiment, keys)?,
        mixture: mixture::get(experiment, keys)?,
        thresholds: scores::thresholds(&predictions),
        resampling: Resampling { n_replacements: settings.resampling.n_replacements, batch: settings.resampling.batch },
    };
    for missing in &mut missing {
        missing.images.retain(|&image| !targets[image].is_empty());
    }
    let n_images: usize = missing.iter().map(|missing| missing.images.len()).sum();
    let bar = core.progress.bar("resampling", n_images as u64);
    let (mut n_traces, mut n_ranked) = (0, 0);
    core.keep_shards(&missing, address, |missing| {
        let series = &missing.variants;
        n_ranked += rules(series).len() * missing.images.iter().map(|&image| targets[image].len()).sum::<usize>();
        let results =
            core.for_each(bar.as_ref(), &missing.images, |image| runner.image(image, &targets[image], series))?;
        let mut by_series = vec![TraceShard::default(); series.len()];
        for (at, target) in results.into_iter().flatten() {
            n_traces += target.traces.len();
            by_series[at].targets.push(target);
        }
        Ok(by_series)
    })?;
    drop(bar);
    let what = format!("{n_traces} traces of {n_images} images, {n_ranked} orders by relevance");
    core.computed(Stage::Resampling.id(), &what, &timer);
    Ok(())
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
    described: &'a Described,
    explained: &'a MappedImage<'a>,
    start: RawSums,
    /// Draws from the mixture, one array per repeat.
    draws: Vec<Array2<f32>>,
    /// The mean descriptor, once for each replaced descriptor; `None` if no series needs it.
    mean: Option<Array2<f32>>,
    /// Sums of the draws, one per repeat, and of the mean; `None` if the positions of descriptors matter.
    shared: Option<(Vec<BatchSums>, Option<BatchSums>)>,
    /// Indices of the descriptors, highest contrast first.
    contrast: Vec<u32>,
}

impl Runner<'_> {
    /// All traces of one image, each with the index of its series.
    fn image(&self, image: usize, classes: &[usize], series: &[Series]) -> Result<Vec<(usize, TraceTarget)>> {
        let entry = &self.experiment.core.dataset.test.set.images[image];
        let described =
            self.explainer.describe(&self.experiment.core.dataset.reading.photograph(entry)?, &entry.path)?;
        if described.is_empty() {
            return Ok(Vec::new());
        }
        let explained = self.explainer.map(&described, &rules(series))?;
        let prepared = self.prepare(&entry.id, &described, &explained, series)?;
        let mut results = Vec::with_capacity(classes.len() * series.len());
        for &class in classes {
            let mut traces: Vec<Vec<Trace>> = vec![Vec::new(); series.len()];
            // Series with the same order and end share the sums of the removed descriptors.
            let mut done = vec![false; series.len()];
            for first in 0..series.len() {
                if done[first] {
                    continue;
                }
                let same = |other: &Series| {
                    (other.ranking, other.direction) == (series[first].ranking, series[first].direction)
                };
                let group: Vec<usize> = (first..series.len()).filter(|&at| same(&series[at])).collect();
                for &at in &group {
                    done[at] = true;
                }
                self.order(&prepared, class, series, &group, &mut traces)?;
            }
            for (at, traces) in traces.into_iter().enumerate() {
                results.push((at, TraceTarget { image, id: entry.id.clone(), class, traces }));
            }
        }
        Ok(results)
    }

    fn prepare<'a>(
        &self,
        id: &'a str,
        described: &'a Described,
        explained: &'a MappedImage<'a>,
        series: &[Series],
    ) -> Result<Image<'a>> {
        let n_replaced = self.resampling.n_replaced(described.frames.len());
        let draw = |repeat: usize| {
            let mut rng = generator(self.keys.seed, "draws", id, repeat);
            self.mixture.generate(n_replaced, &mut rng)
        };
        let needs = |substitute: Substitute| series.iter().any(|series| series.substitute == substitute);
        let n_repeats = if needs(Substitute::Draws) { self.experiment.settings.resampling.n_repeats } else { 0 };
        let draws: Vec<Array2<f32>> = (0..n_repeats).map(draw).collect();
        let mean = needs(Substitute::Mean).then(|| {
            let mean = self.mixture.weights().dot(&self.mixture.means());
            let shape = (n_replaced, mean.len());
            mean.broadcast(shape).expect("one row can be repeated").to_owned()
        });
        // Without cells, a descriptor adds the same values at every position, so that one sum serves every order and class.
        let spatial = self.explainer.encoder().layout().n_cells > 1;
        let shared = if spatial {
            None
        } else {
            let places = vec![[0.0, 0.0]; n_replaced];
            let of_draws = draws.iter().map(|draws| self.additions(draws, &places)).collect::<Result<_>>()?;
            Some((of_draws, mean.as_ref().map(|mean| self.additions(mean, &places)).transpose()?))
        };
        let norms: Vec<f32> = described.frames.iter().map(|frame| frame.norm).collect();
        let start = RawSums::from_signed(explained.mapping(), explained.sums().signed())?;
        Ok(Image { id, described, explained, start, draws, mean, shared, contrast: relevance_order(&norms) })
    }

    /// Adds the traces of one class in one order from one end, for all substitutes. `group`: indices of the series with this order and end.
    fn order(
        &self,
        image: &Image<'_>,
        class: usize,
        series: &[Series],
        group: &[usize],
        traces: &mut [Vec<Trace>],
    ) -> Result<()> {
        let Series { ranking, direction, .. } = series[group[0]];
        let n_repeats = self.experiment.settings.resampling.n_repeats;
        let mut order = match ranking {
            Ranking::Rule(rule) => relevance_order(&image.explained.descriptors(class, rule)?),
            Ranking::Contrast => image.contrast.clone(),
            Ranking::Random => Vec::new(),
        };
        if direction == Direction::LeastFirst {
            order.reverse();
        }
        let mut removals = None;
        for repeat in 0..n_repeats {
            if ranking == Ranking::Random {
                let mut rng = generator(self.keys.seed, &format!("order {class}"), image.id, repeat);
                order = random_order(image.described.frames.len(), &mut rng);
                removals = None;
            }
            if removals.is_none() {
                removals = Some(BatchSums::removals(image.explained.mapping(), &order, self.resampling)?);
            }
            let Some(removals) = &removals else { continue };
            for &at in group {
                if repeat == 0 || series[at].is_random() {
                    traces[at].push(self.trace(image, class, &order, removals, series[at].substitute, repeat)?);
                }
            }
        }
        Ok(())
    }

    fn trace(
        &self,
        image: &Image<'_>,
        class: usize,
        order: &[u32],
        removals: &BatchSums,
        substitute: Substitute,
        repeat: usize,
    ) -> Result<Trace> {
        let mut scratch = Vec::new();
        let threshold = self.thresholds[class];
        let mut score = |raw: &[f32]| self.explainer.score(class, raw, &mut scratch) - threshold;
        let own;
        let additions = match (substitute, &image.shared) {
            (Substitute::Removal, _) => {
                let mut removal = Replacement::by_nothing(&image.start, removals)?;
                return Ok(perturbation_trace(&mut removal, &mut score)?);
            }
            (Substitute::Draws, Some((draws, _))) => &draws[repeat],
            (Substitute::Mean, Some((_, Some(mean)))) => mean,
            (Substitute::Draws | Substitute::Mean, _) => {
                let values =
                    if substitute == Substitute::Draws { Some(&image.draws[repeat]) } else { image.mean.as_ref() };
                let values = values.expect("the substitutes were prepared for the series that need them");
                // A replacement has the same position as the replaced descriptor, and so the same cell.
                let places: Vec<[f32; 2]> =
                    order[..values.nrows()].iter().map(|&l| image.described.positions[l as usize]).collect();
                own = self.additions(values, &places)?;
                &own
            }
        };
        let mut replacement = Replacement::new(&image.start, removals, additions)?;
        Ok(perturbation_trace(&mut replacement, &mut score)?)
    }

    fn additions(&self, values: &Array2<f32>, positions: &[[f32; 2]]) -> Result<BatchSums> {
        let mapping = self.explainer.encoder().map(DescriptorSet { values: values.view(), positions })?;
        Ok(BatchSums::additions(mapping.as_ref(), values.nrows(), self.resampling)?)
    }
}

/// The rules that the series rank by, each once.
fn rules(series: &[Series]) -> Vec<Rule> {
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
