//! What the frozen layers make of all crops, in shards on the disk.

use std::time::Instant;

use anyhow::{Context as _, Result};
use fisherlens_cnn::Network;
use half::f16;
use ndarray::{Array2, Array4, Axis, concatenate};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{NetworkExperiment, NetworkStage, frames};
use crate::dataset::Half;
use fisherlens_artifact::array;

/// The stage's artifact: one shard of one half.
#[derive(Debug, Serialize, Deserialize)]
struct Shard {
    /// Ids of the images; each has as many rows as crops.
    ids: Vec<String>,
    /// `(images · crops, channels · height · width)`; half precision costs less than a thousandth.
    #[serde(with = "array")]
    values: Array2<f16>,
}

/// Inputs of the layers that learn, one row a crop.
#[derive(Debug)]
pub struct Features {
    values: Array2<f16>,
    shape: [usize; 3],
    n_crops: usize,
}

/// Crops of an image of one half: ten to learn from, the centre to be judged on.
pub const fn n_crops(half: Half) -> usize {
    match half {
        Half::Train => 10,
        Half::Test => 1,
    }
}

impl Features {
    /// How many crops.
    pub fn len(&self) -> usize {
        self.values.nrows()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The image of a crop.
    pub fn image(&self, crop: usize) -> usize {
        crop / self.n_crops
    }

    /// Some crops as a network takes them.
    pub fn batch(&self, crops: &[usize]) -> Array4<f32> {
        let [channels, height, width] = self.shape;
        let mut batch = Array2::zeros((crops.len(), channels * height * width));
        for (mut row, &crop) in batch.rows_mut().into_iter().zip(crops) {
            row.zip_mut_with(&self.values.row(crop), |to, from| *to = from.to_f32());
        }
        batch.into_shape_with_order((crops.len(), channels, height, width)).expect("rows have the blob's size")
    }
}

/// Computes the shards of one half that are not there yet, and reads all.
///
/// # Errors
/// An unreadable photograph; an interrupt. Finished shards stay.
pub fn get(experiment: &NetworkExperiment, half: Half) -> Result<Features> {
    let (below, above) = experiment.halves()?;
    let key = experiment.features_key(half);
    let images = experiment.dataset.half(half);
    let shards = images.shards(experiment.settings.data.shard_size);
    let missing = |shard: &usize| !experiment.has(NetworkStage::Features, key, Some(&part(half, *shard)));
    let missing: Vec<usize> = (0..shards.len()).filter(missing).collect();
    let since = Instant::now();
    let n_images: usize = missing.iter().map(|&shard| shards[shard].len()).sum();
    let bar = experiment.progress.bar(&format!("features {}", half.name()), n_images as u64);
    for &shard in &missing {
        let since = Instant::now();
        // Much of a layer runs on one thread, so images are worth more threads than what is inside of one.
        let values = shards[shard].clone().into_par_iter().with_max_len(1).map(|image| {
            experiment.interrupt.check()?;
            let values = of_image(experiment, below.as_ref(), half, image);
            bar.advance(1);
            values
        });
        let values: Vec<_> = values.collect::<Result<_>>()?;
        let views: Vec<_> = values.iter().map(Array2::view).collect();
        let shard_value = Shard {
            ids: shards[shard].clone().map(|image| images.set.images[image].id.clone()).collect(),
            values: concatenate(Axis(0), &views)?,
        };
        let seconds = since.elapsed().as_secs_f64();
        experiment.keep(NetworkStage::Features, key, Some(&part(half, shard)), seconds, &shard_value)?;
    }
    drop(bar);
    if n_images > 0 {
        let what = format!("{} crops of {n_images} {} images", n_images * n_crops(half), half.name());
        experiment.progress.computed("features", &what, since.elapsed());
    }
    let shape = above.architecture().input_shape();
    let mut values = Array2::zeros((0, shape.iter().product()));
    for shard in 0..shards.len() {
        let stored: Option<Shard> = experiment.stored(NetworkStage::Features, key, Some(&part(half, shard)))?;
        let stored =
            stored.with_context(|| format!("shard {shard} of the features went away; run the command again"))?;
        values.append(Axis(0), stored.values.view()).context("features of another size; remove them and run again")?;
    }
    Ok(Features { values, shape, n_crops: n_crops(half) })
}

/// One row a crop.
fn of_image(experiment: &NetworkExperiment, below: Option<&Network>, half: Half, image: usize) -> Result<Array2<f16>> {
    let (frame, side) = (experiment.settings.network.frame, experiment.crop_side());
    let crops = frames::crops(experiment.path(half, image), frame, side, n_crops(half), &experiment.mean())?;
    let blob = match below {
        Some(below) => {
            let last = below.architecture().layers().last().expect("a network has layers");
            below.blob(crops.view(), &last.name)?
        }
        None => crops,
    };
    let n = blob.len() / n_crops(half);
    let values: Vec<f16> = blob.iter().map(|&value| f16::from_f32(value)).collect();
    Ok(Array2::from_shape_vec((n_crops(half), n), values)?)
}

fn part(half: Half, shard: usize) -> String {
    format!("{}-{shard:04}", half.name())
}
