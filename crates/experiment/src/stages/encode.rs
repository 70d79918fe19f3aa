//! One raw vector an image, in shards.

use std::time::Instant;

use anyhow::{Result, ensure};
use fisherlens_fisher::Encoder;
use ndarray::{Array1, Array2, ArrayViewMut2, Axis, s};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Stage, mixture, pca};
use crate::dataset::Half;
use crate::experiment::{Experiment, Keys};
use fisherlens_artifact::array;
use fisherlens_model::Described;

/// The stage's artifact: one shard of one half.
#[derive(Debug, Serialize, Deserialize)]
pub struct Shard {
    /// Ids of the images.
    pub ids: Vec<String>,
    /// Descriptors each image has.
    pub n_descriptors: Vec<u32>,
    /// Raw vectors `(n_images, n_dimensions)`.
    #[serde(with = "array")]
    pub vectors: Array2<f32>,
}

/// The encoder that the experiment's parts build from the learned mixture.
///
/// # Errors
/// See [`mixture::get`]; a parameter that the encoder refuses.
pub fn encoder(experiment: &Experiment, keys: &Keys) -> Result<Box<dyn Encoder>> {
    (experiment.parts.encoder.value)(&mixture::get(experiment, keys)?)
}

/// Computes the shards of one half that are not there yet.
///
/// # Errors
/// An unreadable photograph; models that do not fit together; an interrupt. Finished shards stay.
pub fn ensure_shards(experiment: &Experiment, keys: &Keys, half: Half) -> Result<()> {
    let key = keys.encode(half);
    let images = experiment.dataset.half(half);
    let shards = images.shards(experiment.settings.data.shard_size);
    let missing: Vec<_> = shards.iter().enumerate().filter(|(i, _)| !has_shard(experiment, keys, half, *i)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let since = Instant::now();
    let pca = pca::get(experiment, keys)?;
    let encoder = encoder(experiment, keys)?;
    ensure!(
        pca.n_components() == encoder.n_features(),
        "the projection gives {} dimensions, the encoder takes {}: learn or load both together",
        pca.n_components(),
        encoder.n_features()
    );
    let extractor = experiment.parts.extractor.value.as_ref();
    let n_images: usize = missing.iter().map(|(_, range)| range.len()).sum();
    let bar = experiment.progress.bar(&format!("encode {}", half.name()), n_images as u64);
    for (index, range) in missing {
        let shard_since = Instant::now();
        let indices: Vec<usize> = range.clone().collect();
        let encoded = experiment.for_each(bar.as_ref(), &indices, |i| {
            let described = Described::from_file(extractor, &pca, &images.set.images[i].path)?;
            let vector = if described.is_empty() {
                Array1::zeros(encoder.n_dimensions())
            } else {
                encoder.encode(described.set())?
            };
            Ok((described.frames.len() as u32, vector))
        })?;
        let mut vectors = Array2::zeros((encoded.len(), encoder.n_dimensions()));
        for (mut row, (_, vector)) in vectors.rows_mut().into_iter().zip(&encoded) {
            row.assign(vector);
        }
        let shard = Shard {
            ids: indices.iter().map(|&i| images.set.images[i].id.clone()).collect(),
            n_descriptors: encoded.iter().map(|(n, _)| *n).collect(),
            vectors,
        };
        experiment.keep(Stage::Encode, key, Some(&part(half, index)), shard_since.elapsed().as_secs_f64(), &shard)?;
    }
    drop(bar);
    let what = format!("{n_images} {} images, {} dimensions", half.name(), encoder.n_dimensions());
    experiment.progress.computed("encode", &what, since.elapsed());
    Ok(())
}

/// Raw vectors of one half `(n_images, n_dimensions)` and the number of descriptors of each image.
///
/// # Errors
/// See [`ensure_shards`].
pub fn raw(experiment: &Experiment, keys: &Keys, half: Half) -> Result<(Array2<f32>, Vec<u32>)> {
    ensure_shards(experiment, keys, half)?;
    let images = experiment.dataset.half(half);
    let mut all: Option<Array2<f32>> = None;
    let mut n_descriptors = Vec::with_capacity(images.len());
    for (index, range) in images.shards(experiment.settings.data.shard_size).into_iter().enumerate() {
        let shard: Option<Shard> = experiment.stored(Stage::Encode, keys.encode(half), Some(&part(half, index)))?;
        let Some(shard) = shard else {
            anyhow::bail!("shard {index} of the encode stage went away while it was needed; run the command again");
        };
        let vectors = all.get_or_insert_with(|| Array2::zeros((images.len(), shard.vectors.ncols())));
        vectors.slice_mut(s![range, ..]).assign(&shard.vectors);
        n_descriptors.extend(shard.n_descriptors);
    }
    Ok((all.unwrap_or_default(), n_descriptors))
}

/// Normalised vectors Φ(x) of one half, and the number of descriptors of each image.
///
/// # Errors
/// See [`ensure_shards`].
pub fn normalized(experiment: &Experiment, keys: &Keys, half: Half) -> Result<(Array2<f32>, Vec<u32>)> {
    let (mut vectors, n_descriptors) = raw(experiment, keys, half)?;
    normalize(experiment, encoder(experiment, keys)?.as_ref(), vectors.view_mut());
    Ok((vectors, n_descriptors))
}

fn normalize(experiment: &Experiment, encoder: &dyn Encoder, mut vectors: ArrayViewMut2<'_, f32>) {
    let layout = encoder.layout();
    let normalization = experiment.settings.encoder.normalization;
    vectors.axis_iter_mut(Axis(0)).into_par_iter().for_each(|mut row| {
        normalization.apply(row.as_slice_mut().expect("rows of a C-ordered array are contiguous"), &layout);
    });
}

/// Removes the shards of both halves, once nothing needs them any more.
///
/// # Errors
/// What the file system says.
pub fn forget(experiment: &Experiment, keys: &Keys) -> Result<()> {
    for half in [Half::Train, Half::Test] {
        experiment.store.remove(Stage::Encode.name(), Stage::Encode.format_version(), keys.encode(half))?;
    }
    experiment.store.remove(Stage::Sample.name(), Stage::Sample.format_version(), keys.sample)
}

fn has_shard(experiment: &Experiment, keys: &Keys, half: Half, index: usize) -> bool {
    experiment.has(Stage::Encode, keys.encode(half), Some(&part(half, index)))
}

fn part(half: Half, index: usize) -> String {
    format!("{}-{index:04}", half.name())
}
