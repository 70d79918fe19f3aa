//! Measures of the heatmaps of the true positives: context, relevance in the corners, and conservation per layer.

use anyhow::{Context as _, Result};
use fisherlens_cnn::{Bookkeeping, Composite, Crop, Framing, LayerConservation, Mean, Network, Placement, Targets};
use fisherlens_eval::{Context, Rect, context};
use ndarray::{Array2, Array3, ArrayView2, Axis, s};
use serde::{Deserialize, Serialize};

use crate::dataset::{Half, boxes};
use crate::networks::experiment::NetworkExperiment;
use crate::networks::stage::NetworkStage;
use crate::networks::{frames, retraining, scores};
use crate::settings::strategies::Corner;
use crate::share::Chosen;
use crate::stages::scores::targets;
use crate::tag::Region;

/// Number of photographs over which the table of conservation sums.
const N_CONSERVATION: usize = 8;

/// The stage's artifact: one shard of the test images.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct MeasuredShard {
    /// One entry per true positive and composite.
    targets: Vec<Measured>,
}

/// The measures of one class in one image by one composite.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Measured {
    /// Index of the image in the test set.
    pub image: usize,
    /// Index of the class.
    pub class: usize,
    /// Index of the composite in the settings.
    pub composite: usize,
    /// Relevance outside and inside the boxes, in the part of the photograph that the crop shows.
    pub context: Context,
    /// Share of the positive relevance in each corner, in the order of [`Corner::ALL`]; `None` without an experiment for comparison.
    pub corners: Option<[f64; 4]>,
}

/// A test photograph as the network sees it.
pub struct Seen {
    /// The padded frame.
    pub frame: Array3<u8>,
    /// Where the photograph lies in it.
    pub placement: Placement,
    /// The centre crop.
    pub crop: Crop,
}

impl Seen {
    /// Reads an image of the test half.
    ///
    /// # Errors
    /// An unreadable photograph.
    pub fn read(experiment: &NetworkExperiment, image: usize) -> Result<Self> {
        let entry = experiment.entry(Half::Test, image);
        let (frame, placement) = frames::framed(entry, Framing::Padded, experiment.settings.network.frame)?;
        let crop = Crop::centre((frame.dim().0, frame.dim().1), experiment.crop_side())?;
        Ok(Self { frame, placement, crop })
    }

    /// The crop as the input of the network, `(1, 3, side, side)`.
    ///
    /// # Errors
    /// A mean image that is too small.
    pub fn input(&self, mean: &Mean) -> Result<ndarray::Array4<f32>> {
        Ok(mean.inputs(&self.frame, &[self.crop])?)
    }

    /// The part of the crop that shows the photograph, without padding, in pixels of the crop.
    pub fn visible(&self) -> Rect {
        let Crop { left, top, side, .. } = self.crop;
        let within = |start: usize, length: usize, from: usize| {
            (start.saturating_sub(from).min(side), (start + length).saturating_sub(from).min(side))
        };
        let (left, right) = within(self.placement.offset[0], self.placement.size[0], left);
        let (top, bottom) = within(self.placement.offset[1], self.placement.size[1], top);
        Rect { left, top, right, bottom }
    }

    /// A rectangle of the photograph, clipped to the visible part and in pixels of the visible part.
    pub fn shown(&self, rect: &Rect) -> Rect {
        let visible = self.visible();
        let along = |value: usize, axis: usize, start: usize, length: usize| {
            let of_crop = if axis == 0 { self.crop.left } else { self.crop.top };
            let at = value as f64 * self.placement.scale[axis] + self.placement.offset[axis] as f64;
            (at - of_crop as f64 - start as f64).round().clamp(0.0, length as f64) as usize
        };
        let (width, height) = (visible.right - visible.left, visible.bottom - visible.top);
        Rect {
            left: along(rect.left, 0, visible.left, width),
            right: along(rect.right, 0, visible.left, width),
            top: along(rect.top, 1, visible.top, height),
            bottom: along(rect.bottom, 1, visible.top, height),
        }
    }

    /// Relevance of a crop, mapped onto the whole photograph and resized to `size` (width, height). It is 0 where the crop does not show
    /// the photograph.
    pub fn on_photograph(&self, relevance: ArrayView2<'_, f32>, size: (usize, usize)) -> Array2<f32> {
        let Placement { offset, size: inside, .. } = self.placement;
        Array2::from_shape_fn((size.1, size.0), |(y, x)| {
            let along = |at: usize, n: usize, axis: usize, start: usize| {
                let at = (at as f64 + 0.5) / n as f64 * inside[axis] as f64 + offset[axis] as f64 - start as f64;
                (at >= 0.0 && at < self.crop.side as f64).then_some(at as usize)
            };
            match (along(y, size.1, 1, self.crop.top), along(x, size.0, 0, self.crop.left)) {
                (Some(y), Some(x)) => relevance[[y, x]],
                _ => 0.0,
            }
        })
    }
}

/// The composites of the settings, parsed and checked.
///
/// # Errors
/// A composite that cannot be parsed, or that lacks a rule for a layer.
pub fn composites(experiment: &NetworkExperiment) -> Result<Vec<Composite>> {
    let pixels = experiment.mean().pixel_range();
    let read = |text: &String| {
        let composite = Composite::parse(text, &pixels).context("relevance.composites")?;
        for layer in 0..experiment.architecture.score_blob() {
            composite.rule_of(&experiment.architecture, layer).context("relevance.composites")?;
        }
        Ok(composite)
    };
    experiment.settings.relevance.composites.iter().map(read).collect()
}

/// Measures of all true positives. Computes the shards that are not stored yet.
///
/// # Errors
/// The errors of the earlier stages; an unreadable photograph; a stop on request. Finished shards stay stored.
pub fn get(experiment: &NetworkExperiment) -> Result<Vec<Measured>> {
    let core = &experiment.core;
    let key = experiment.relevance_key();
    let address = |(), shard| NetworkStage::Relevance.id().shard(key, Half::Test, shard);
    let missing = core.missing_shards(Half::Test, Chosen::All, &[()], address);
    if !missing.is_empty() {
        let timer = core.start();
        let targets = true_positives(experiment)?;
        let (network, _) = retraining::get(experiment)?;
        let composites = composites(experiment)?;
        let n_images: usize = missing.iter().map(|missing| missing.images.len()).sum();
        let bar = core.progress.bar("relevance", n_images as u64);
        core.keep_shards(&missing, address, |missing| {
            let measured = core.for_each(bar.as_ref(), &missing.images, |image| {
                measure(experiment, &network, &composites, image, &targets[image])
            })?;
            Ok(vec![MeasuredShard { targets: measured.into_iter().flatten().collect() }])
        })?;
        drop(bar);
        let n: usize = targets.iter().map(Vec::len).sum();
        let what = format!("{n} true positives, {} composites", composites.len());
        core.computed(NetworkStage::Relevance.id(), &what, &timer);
    }
    let mut all = Vec::new();
    for shard in 0..core.dataset.test.shards(core.shard_size).len() {
        let stored: MeasuredShard = core.needed(&address((), shard))?;
        all.extend(stored.targets);
    }
    Ok(all)
}

/// For each test image, the classes for which it is a true positive by its centre crop.
///
/// # Errors
/// See [`scores::get`].
pub fn true_positives(experiment: &NetworkExperiment) -> Result<Vec<Vec<usize>>> {
    let scores = scores::get(experiment)?.centre;
    Ok(targets(&scores.predictions(experiment.settings.data.difficult), scores.ids.len()))
}

fn measure(
    experiment: &NetworkExperiment,
    network: &Network,
    composites: &[Composite],
    image: usize,
    classes: &[usize],
) -> Result<Vec<Measured>> {
    if classes.is_empty() {
        return Ok(Vec::new());
    }
    let seen = Seen::read(experiment, image)?;
    let trace = network.trace(seen.input(&experiment.mean())?.view())?;
    let entry = &experiment.core.dataset.test.set.images[image];
    let visible = seen.visible();
    let mut measured = Vec::new();
    for (index, composite) in composites.iter().enumerate() {
        let relevance = network.relevance(&trace, composite, &Targets::Classes(classes.to_vec()), Bookkeeping::Off)?;
        for (target, &class) in classes.iter().enumerate() {
            let pixels = relevance.pixels.slice(s![target, 0, .., .., ..]).sum_axis(Axis(0));
            let pixels = pixels.slice(s![visible.top..visible.bottom, visible.left..visible.right]);
            let boxes: Vec<Rect> = boxes(entry, &experiment.core.dataset.test.set.classes[class])
                .iter()
                .map(|rect| seen.shown(rect))
                .collect();
            measured.push(Measured {
                image,
                class,
                composite: index,
                context: context(pixels, &boxes),
                corners: experiment.tag_size().map(|size| {
                    Corner::ALL.map(|corner| Region::of_share(corner, pixels.dim(), size).share(pixels.view()))
                }),
            });
        }
    }
    Ok(measured)
}

/// Conservation of each layer by the displayed composite, summed over some true positives.
///
/// # Errors
/// The errors of the earlier stages.
pub fn conservation(experiment: &NetworkExperiment) -> Result<Vec<LayerConservation>> {
    let targets = true_positives(experiment)?;
    let (network, _) = retraining::get(experiment)?;
    let composite = Composite::parse(&experiment.settings.relevance.display, &experiment.mean().pixel_range())?;
    let explained: Vec<usize> = (0..targets.len()).filter(|&image| !targets[image].is_empty()).collect();
    let mut sums: Vec<LayerConservation> = Vec::new();
    for image in crate::spread::spread(&explained, N_CONSERVATION) {
        let trace = network.trace(Seen::read(experiment, image)?.input(&experiment.mean())?.view())?;
        let classes = Targets::Classes(vec![targets[image][0]]);
        let layers = network.relevance(&trace, &composite, &classes, Bookkeeping::On)?.conservation;
        if sums.is_empty() {
            sums = layers;
            continue;
        }
        for (sum, layer) in sums.iter_mut().zip(layers) {
            sum.arrived += layer.arrived;
            sum.passed_on += layer.passed_on;
            sum.absorbed.bias += layer.absorbed.bias;
            sum.absorbed.stabilizer += layer.absorbed.stabilizer;
        }
    }
    Ok(sums)
}
