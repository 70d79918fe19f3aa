//! Region perturbation (`samek2017`): how fast scores fall when the most relevant squares of pixels are replaced.

use anyhow::Result;
use fisherlens_cnn::{Bookkeeping, Composite, Network, PixelRange, Targets};
use fisherlens_eval::{Rect, Trace, random_order, region_relevance, regions, relevance_order};
use ndarray::{Array2, Array3, Array4, ArrayView3, Axis, s};
use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::experiment::generator;
use crate::networks::experiment::NetworkExperiment;
use crate::networks::relevance::{Seen, composites};
use crate::networks::stage::NetworkStage;
use crate::networks::{retraining, scores};
use crate::series::Fill;
use crate::stages::scores::{spread_targets, thresholds};

/// The stage's artifact.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Perturbed {
    /// One entry per measured true positive, order and fill.
    pub targets: Vec<RegionTarget>,
}

/// One trace.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RegionTarget {
    /// Index of the image in the test set.
    pub image: usize,
    /// Index of the class.
    pub class: usize,
    /// The ranking of the regions: a composite, `gradient`, `gradient-times-input` or `random`.
    pub ranking: String,
    /// Whether the least relevant regions were replaced first.
    pub least_first: bool,
    /// What replaced the pixels of the regions.
    pub fill: Fill,
    /// f − threshold at every point.
    pub trace: Trace,
}

/// Name of the random order.
pub const RANDOM: &str = "random";

/// Computes or loads the traces.
///
/// # Errors
/// The errors of the earlier stages; an unreadable photograph; a stop on request.
pub fn get(experiment: &NetworkExperiment) -> Result<Perturbed> {
    let address = NetworkStage::Perturbation.id().at(experiment.perturbation_key());
    experiment.core.cached(address, || {
        let core = &experiment.core;
        let predictions = scores::get(experiment)?.centre.predictions(experiment.settings.data.difficult);
        let thresholds = thresholds(&predictions);
        let (network, _) = retraining::get(experiment)?;
        let composites = composites(experiment)?;
        let chosen = spread_targets(&predictions, experiment.settings.pixels.n_targets);
        let bar = core.progress.bar("perturbation", chosen.len() as u64);
        let indices: Vec<usize> = (0..chosen.len()).collect();
        let traced = core.for_each(bar.as_ref(), &indices, |at| {
            let (class, image) = chosen[at];
            trace_image(experiment, &network, &composites, image, class, thresholds[class])
        })?;
        let perturbed = Perturbed { targets: traced.into_iter().flatten().collect() };
        let what = format!("{} traces of {} true positives", perturbed.targets.len(), chosen.len());
        Ok((perturbed, what))
    })
}

fn trace_image(
    experiment: &NetworkExperiment,
    network: &Network,
    composites: &[Composite],
    image: usize,
    class: usize,
    threshold: f64,
) -> Result<Vec<RegionTarget>> {
    let settings = &experiment.settings.pixels;
    let id = &experiment.core.dataset.test.set.images[image].id;
    let seed = experiment.settings.seed;
    let seen = Seen::read(experiment, image)?;
    let input = seen.input(&experiment.mean())?;
    let side = seen.crop.side;
    let regions = regions(side, side, settings.side);
    let mut orders: Vec<(String, bool, Vec<u32>)> = Vec::new();
    let mut rank = |name: &str, relevance: Array2<f32>| {
        let order = relevance_order(&region_relevance(relevance.view(), &regions));
        orders.push((name.to_owned(), false, order.clone()));
        orders.push((name.to_owned(), true, order.into_iter().rev().collect()));
    };
    let trace = network.trace(input.view())?;
    for (name, composite) in experiment.settings.relevance.composites.iter().zip(composites) {
        let relevance = network.relevance(&trace, composite, &Targets::Classes(vec![class]), Bookkeeping::Off)?;
        rank(name, relevance.pixels.slice(s![0, 0, .., .., ..]).sum_axis(Axis(0)));
    }
    let gradient = network.gradient(input.view(), &[class])?.index_axis_move(Axis(0), 0);
    rank("gradient", gradient.mapv(f32::abs).sum_axis(Axis(0)));
    rank("gradient-times-input", (&gradient * &input.index_axis(Axis(0), 0)).sum_axis(Axis(0)));
    orders.push((
        RANDOM.to_owned(),
        false,
        random_order(regions.len(), &mut generator(seed, &format!("regions {class}"), id, 0)),
    ));
    drop(trace);

    let pixels = experiment.mean().pixel_range();
    let mut targets = Vec::new();
    for &fill in &settings.fills {
        let original = input.index_axis(Axis(0), 0);
        let substitute = substitute(fill, original, settings.side, &pixels, &mut generator(seed, "noise", id, 0));
        for (ranking, least_first, order) in &orders {
            experiment.core.interrupt.check()?;
            let order: Vec<Rect> = order.iter().take(settings.n_regions).map(|&at| regions[at as usize]).collect();
            let steps: Vec<&[Rect]> = order.chunks(settings.batch).collect();
            let mut images = Array4::zeros((steps.len() + 1, 3, side, side));
            let mut current = original.to_owned();
            images.index_axis_mut(Axis(0), 0).assign(&current);
            for (step, regions) in steps.iter().enumerate() {
                for region in *regions {
                    let place = s![.., region.top..region.bottom, region.left..region.right];
                    current.slice_mut(place).assign(&substitute.slice(place));
                }
                images.index_axis_mut(Axis(0), step + 1).assign(&current);
            }
            let scores = network.scores(images.view())?;
            let above = |step: usize| f64::from(scores[[step, class]]) - threshold;
            targets.push(RegionTarget {
                image,
                class,
                ranking: ranking.clone(),
                least_first: *least_first,
                fill,
                trace: Trace {
                    start: above(0),
                    scores: (1..=steps.len()).map(|step| above(step) as f32).collect(),
                    n_replaced: order.len(),
                    n_requested: settings.n_regions,
                },
            });
        }
    }
    Ok(targets)
}

/// The crop with all regions replaced, in the units of the network's input.
fn substitute(
    fill: Fill,
    input: ArrayView3<'_, f32>,
    side: usize,
    pixels: &PixelRange,
    rng: &mut impl Rng,
) -> Array3<f32> {
    match fill {
        Fill::Mean => {
            let means = input.mean_axis(Axis(2)).and_then(|rows| rows.mean_axis(Axis(1)));
            let means = means.unwrap_or_default();
            Array3::from_shape_fn(input.raw_dim(), |(channel, _, _)| means[channel])
        }
        Fill::Noise => Array3::from_shape_fn(input.raw_dim(), |(channel, _, _)| {
            rng.gen_range(pixels.low[channel]..=pixels.high[channel])
        }),
        Fill::Blur => blurred(input, side),
    }
}

/// Means over squares of `2 · side + 1` pixels, taken three times: nearly a Gaussian of standard deviation `side`.
fn blurred(input: ArrayView3<'_, f32>, side: usize) -> Array3<f32> {
    let mut image = input.to_owned();
    for _ in 0..3 {
        for axis in [1, 2] {
            for mut lane in image.lanes_mut(Axis(axis)) {
                let line: Vec<f32> = lane.iter().copied().collect();
                let sums: Vec<f64> = std::iter::once(0.0)
                    .chain(line.iter().scan(0.0, |sum, &value| {
                        *sum += f64::from(value);
                        Some(*sum)
                    }))
                    .collect();
                for (at, value) in lane.iter_mut().enumerate() {
                    let (from, to) = (at.saturating_sub(side), (at + side + 1).min(line.len()));
                    *value = ((sums[to] - sums[from]) / (to - from) as f64) as f32;
                }
            }
        }
    }
    image
}
