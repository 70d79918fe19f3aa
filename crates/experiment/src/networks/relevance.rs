//! Heatmaps of the true positives: their context, the tag's corner, and pictures for the report.

use std::time::Instant;

use anyhow::{Context as _, Result};
use fisherlens_cnn::{Bookkeeping, Composite, Crop, Framing, LayerConservation, Mean, Network, Placement, Targets};
use fisherlens_eval::{Context, Rect, context};
use fisherlens_voc::ImageEntry;
use ndarray::{Array2, Array3, ArrayView2, Axis, s};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{NetworkExperiment, NetworkStage, frames, retraining, scores};
use crate::dataset::Half;
use crate::settings::Corner;
use crate::stages::scores::targets;

/// Photographs that the table of conservation sums over.
const N_CONSERVATION: usize = 8;

/// The stage's artifact: one shard of the test images.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Shard {
    /// One entry a true positive and composite.
    pub targets: Vec<Measured>,
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
    /// Relevance outside against inside the boxes, within what the crop shows of the photograph.
    pub context: Context,
    /// Share of the positive relevance in each corner ([`Corner::ALL`]), where a tag is looked for.
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
        let path = experiment.path(Half::Test, image);
        let (frame, placement) = frames::framed(path, Framing::Padded, experiment.settings.network.frame)?;
        let crop = Crop::centre((frame.dim().0, frame.dim().1), experiment.crop_side())?;
        Ok(Self { frame, placement, crop })
    }

    /// Its crop as the network takes it, `(1, 3, side, side)`.
    ///
    /// # Errors
    /// A mean image that is too small.
    pub fn input(&self, mean: &Mean) -> Result<ndarray::Array4<f32>> {
        Ok(mean.inputs(&self.frame, &[self.crop])?)
    }

    /// What the crop shows of the photograph, in the crop's pixels: padding is none of it.
    pub fn visible(&self) -> Rect {
        let Crop { left, top, side, .. } = self.crop;
        let within = |start: usize, length: usize, from: usize| {
            (start.saturating_sub(from).min(side), (start + length).saturating_sub(from).min(side))
        };
        let (left, right) = within(self.placement.offset[0], self.placement.size[0], left);
        let (top, bottom) = within(self.placement.offset[1], self.placement.size[1], top);
        Rect { left, top, right, bottom }
    }

    /// A rectangle of the photograph in pixels of what is visible, as far as it is.
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

    /// Relevance of a crop as it lies on the photograph, brought to `size` (width, height); 0 where the crop shows nothing of it.
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

/// The composites of the settings, ready to be used.
///
/// # Errors
/// One that could not be read, or that lacks a rule for a layer.
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

/// Measures of all true positives; computes the shards that are not there yet.
///
/// # Errors
/// What the earlier stages say; an unreadable photograph; an interrupt. Finished shards stay.
pub fn get(experiment: &NetworkExperiment) -> Result<Vec<Measured>> {
    let key = experiment.relevance_key();
    let images = &experiment.dataset.test;
    let shards = images.shards(experiment.settings.data.shard_size);
    let missing = |shard: &usize| !experiment.has(NetworkStage::Relevance, key, Some(&part(*shard)));
    let missing: Vec<usize> = (0..shards.len()).filter(missing).collect();
    if !missing.is_empty() {
        let found = scores::get(experiment)?.centre;
        let targets = targets(&found.predictions(experiment.settings.data.difficult), images.len());
        let (network, _) = retraining::get(experiment)?;
        let composites = composites(experiment)?;
        let since = Instant::now();
        let n_images: usize = missing.iter().map(|&shard| shards[shard].len()).sum();
        let bar = experiment.progress.bar("relevance", n_images as u64);
        for &shard in &missing {
            let since = Instant::now();
            let measured = shards[shard].clone().into_par_iter().with_max_len(1).map(|image| {
                experiment.interrupt.check()?;
                let measured = measure(experiment, &network, &composites, image, &targets[image]);
                bar.advance(1);
                measured
            });
            let measured: Vec<Vec<Measured>> = measured.collect::<Result<_>>()?;
            let value = Shard { targets: measured.into_iter().flatten().collect() };
            experiment.keep(NetworkStage::Relevance, key, Some(&part(shard)), since.elapsed().as_secs_f64(), &value)?;
        }
        drop(bar);
        let n: usize = targets.iter().map(Vec::len).sum();
        experiment.progress.computed(
            "relevance",
            &format!("{n} true positives, {} composites", composites.len()),
            since.elapsed(),
        );
    }
    let mut all = Vec::new();
    for shard in 0..shards.len() {
        let stored: Option<Shard> = experiment.stored(NetworkStage::Relevance, key, Some(&part(shard)))?;
        let stored =
            stored.with_context(|| format!("shard {shard} of the relevance went away; run the command again"))?;
        all.extend(stored.targets);
    }
    Ok(all)
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
    let entry = &experiment.dataset.test.set.images[image];
    let visible = seen.visible();
    let mut measured = Vec::new();
    for (index, composite) in composites.iter().enumerate() {
        let relevance = network.relevance(&trace, composite, &Targets::Classes(classes.to_vec()), Bookkeeping::Off)?;
        for (target, &class) in classes.iter().enumerate() {
            let pixels = relevance.pixels.slice(s![target, 0, .., .., ..]).sum_axis(Axis(0));
            let pixels = pixels.slice(s![visible.top..visible.bottom, visible.left..visible.right]);
            let boxes: Vec<Rect> =
                boxes(entry, &experiment.dataset.test.set.classes[class]).iter().map(|rect| seen.shown(rect)).collect();
            measured.push(Measured {
                image,
                class,
                composite: index,
                context: context(pixels, &boxes),
                corners: experiment.tag_size().map(|size| corner_shares(pixels, size)),
            });
        }
    }
    Ok(measured)
}

/// Boxes of a class, difficult ones among them, in pixels of the photograph.
fn boxes(entry: &ImageEntry, class: &str) -> Vec<Rect> {
    let of_class = entry.annotation.objects.iter().filter(|object| object.class == class);
    of_class
        .map(|object| {
            let bounds = &object.bounds;
            Rect {
                left: bounds.left as usize,
                top: bounds.top as usize,
                right: bounds.right as usize,
                bottom: bounds.bottom as usize,
            }
        })
        .collect()
}

/// Share of the positive relevance in each corner, whose size is a share of width and height.
fn corner_shares(relevance: ArrayView2<'_, f32>, size: [f64; 2]) -> [f64; 4] {
    let (height, width) = relevance.dim();
    let positive = |part: ArrayView2<'_, f32>| part.iter().map(|&value| f64::from(value.max(0.0))).sum::<f64>();
    let whole = positive(relevance).max(f64::MIN_POSITIVE);
    let (wide, high) = ((width as f64 * size[0]) as usize, (height as f64 * size[1]) as usize);
    Corner::ALL.map(|corner| {
        let columns = match corner {
            Corner::UpperLeft | Corner::LowerLeft => 0..wide,
            Corner::UpperRight | Corner::LowerRight => width - wide..width,
        };
        let rows = match corner {
            Corner::UpperLeft | Corner::UpperRight => 0..high,
            Corner::LowerLeft | Corner::LowerRight => height - high..height,
        };
        positive(relevance.slice(s![rows, columns])) / whole
    })
}

/// What each layer keeps, by the displayed composite, summed over some true positives.
///
/// # Errors
/// What the earlier stages say.
pub fn conservation(experiment: &NetworkExperiment) -> Result<Vec<LayerConservation>> {
    let found = scores::get(experiment)?.centre;
    let targets = targets(&found.predictions(experiment.settings.data.difficult), experiment.dataset.test.len());
    let (network, _) = retraining::get(experiment)?;
    let composite = Composite::parse(&experiment.settings.relevance.display, &experiment.mean().pixel_range())?;
    let explained: Vec<usize> = (0..targets.len()).filter(|&image| !targets[image].is_empty()).collect();
    let mut sums: Vec<LayerConservation> = Vec::new();
    for image in crate::stages::spread(&explained, N_CONSERVATION) {
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

fn part(shard: usize) -> String {
    format!("test-{shard:04}")
}
