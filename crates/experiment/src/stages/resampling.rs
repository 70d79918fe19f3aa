//! Algorithm 1: the score of every true positive while its descriptors are replaced, in every order and by every substitute.

use std::time::Instant;

use anyhow::{Result, bail};
use fisherlens_eval::{
    BatchSums, RawSums, Replacement, Resampling, Trace, perturbation_trace, random_order, relevance_order,
};
use fisherlens_fisher::DescriptorSet;
use fisherlens_lrp::Rule;
use fisherlens_mixture::DiagonalGmm;
use ndarray::Array2;
use serde::{Deserialize, Serialize};

use super::{Stage, learned, mixture, relevance, scores};
use crate::experiment::{Experiment, Keys, generator};
use crate::series::{Direction, Ranking, Series, Substitute};
use fisherlens_model::Described;
use fisherlens_model::{Explained, Explainer};

/// The stage's artifact: one shard of the test images in one series.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Shard {
    /// One entry a true positive.
    pub targets: Vec<Target>,
}

/// The traces of one image and class: one a repeat, or a single one where repeats do not differ.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Target {
    /// Index of the image in the test set.
    pub image: usize,
    /// Id of the image.
    pub id: String,
    /// Index of the class.
    pub class: usize,
    /// f − threshold at every point.
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

/// Computes the shards that are not there yet, all series of a shard in one pass over its images.
///
/// The draws of one image and repeat are the same for every order and class, so that orders are compared on
/// the same replacements.
///
/// # Errors
/// What the earlier stages say; an interrupt. Finished shards stay.
pub fn ensure_shards(experiment: &Experiment, keys: &Keys) -> Result<()> {
    let settings = &experiment.settings;
    let shards = experiment.dataset.test.shards(settings.data.shard_size);
    let missing = |index: usize| -> Vec<Series> {
        let absent = |series: &Series| {
            !experiment.has(Stage::Resampling, keys.resampling(*series, settings), Some(&relevance::part(index)))
        };
        Series::all(settings).into_iter().filter(absent).collect()
    };
    let work: Vec<(usize, Vec<Series>)> =
        (0..shards.len()).map(|index| (index, missing(index))).filter(|(_, series)| !series.is_empty()).collect();
    if work.is_empty() {
        return Ok(());
    }
    let since = Instant::now();
    let scores = scores::get(experiment, keys)?;
    let predictions = scores.predictions(settings.data.difficult);
    let targets = scores::targets(&predictions, scores.ids.len());
    let runner = Runner {
        experiment,
        keys,
        explainer: learned::explainer(experiment, keys)?,
        mixture: mixture::get(experiment, keys)?,
        thresholds: scores::thresholds(&predictions),
        resampling: Resampling { n_replacements: settings.resampling.n_replacements, batch: settings.resampling.batch },
    };
    let explained = |index: usize| shards[index].clone().filter(|&image| !targets[image].is_empty());
    let n_images: usize = work.iter().map(|(index, _)| explained(*index).count()).sum();
    let bar = experiment.progress.bar("resampling", n_images as u64);
    let (mut n_traces, mut n_ranked) = (0, 0);
    for (index, series) in work {
        let shard_since = Instant::now();
        let indices: Vec<usize> = explained(index).collect();
        n_ranked += rules(&series).len() * indices.iter().map(|&image| targets[image].len()).sum::<usize>();
        let results =
            experiment.for_each(bar.as_ref(), &indices, |image| runner.image(image, &targets[image], &series))?;
        let mut by_series = vec![Shard::default(); series.len()];
        for (at, target) in results.into_iter().flatten() {
            n_traces += target.traces.len();
            by_series[at].targets.push(target);
        }
        let seconds = shard_since.elapsed().as_secs_f64() / series.len() as f64;
        for (series, shard) in series.iter().zip(by_series) {
            let key = keys.resampling(*series, settings);
            experiment.keep(Stage::Resampling, key, Some(&relevance::part(index)), seconds, &shard)?;
        }
    }
    drop(bar);
    let what = format!("{n_traces} traces of {n_images} images, {n_ranked} orders by relevance");
    experiment.progress.computed("resampling", &what, since.elapsed());
    Ok(())
}

/// What one image's traces of all classes and series share.
struct Image<'a> {
    id: &'a str,
    described: &'a Described,
    explained: &'a Explained<'a>,
    start: RawSums,
    /// One a repeat.
    draws: Vec<Array2<f32>>,
    /// The mean descriptor, as often as descriptors are replaced; nothing where no series needs it.
    mean: Option<Array2<f32>>,
    /// Sums of the draws, one a repeat, and of the mean, where places do not matter.
    shared: Option<(Vec<BatchSums>, Option<BatchSums>)>,
    /// Descriptors by falling contrast.
    contrast: Vec<u32>,
}

impl Runner<'_> {
    /// All traces of one image, each with the index of its series.
    fn image(&self, image: usize, classes: &[usize], series: &[Series]) -> Result<Vec<(usize, Target)>> {
        let entry = &self.experiment.dataset.test.set.images[image];
        let described = self.explainer.describe_file(&entry.path)?;
        if described.is_empty() {
            return Ok(Vec::new());
        }
        let explained = self.explainer.map(&described, &rules(series))?;
        let prepared = self.prepare(&entry.id, &described, &explained, series)?;
        let mut results = Vec::with_capacity(classes.len() * series.len());
        for &class in classes {
            let mut traces: Vec<Vec<Trace>> = vec![Vec::new(); series.len()];
            // Series of one order from one end share what is taken away.
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
                results.push((at, Target { image, id: entry.id.clone(), class, traces }));
            }
        }
        Ok(results)
    }

    fn prepare<'a>(
        &self,
        id: &'a str,
        described: &'a Described,
        explained: &'a Explained<'a>,
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
            mean.broadcast(shape).expect("a row repeats").to_owned()
        });
        // Without cells a descriptor adds the same wherever it goes, so its sums serve every order and class.
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

    /// The traces of one class in one order from one end: those of all substitutes in `group`, places in `series`.
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
                let values = values.expect("what takes the place was prepared for the series that need it");
                // A replacement keeps the place, hence the cell.
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
pub fn all(experiment: &Experiment, keys: &Keys, series: Series) -> Result<Vec<Target>> {
    let settings = &experiment.settings;
    let mut targets = Vec::new();
    for index in 0..experiment.dataset.test.shards(settings.data.shard_size).len() {
        let key = keys.resampling(series, settings);
        match experiment.stored::<Shard>(Stage::Resampling, key, Some(&relevance::part(index)))? {
            Some(shard) => targets.extend(shard.targets),
            None => bail!("shard {index} of the resampling stage went away while it was needed; run the command again"),
        }
    }
    Ok(targets)
}
