//! One raw vector per image, in shards.

use anyhow::{Result, ensure};
use fisherlens_artifact::{Address, array};
use fisherlens_fisher::Encoder;
use fisherlens_model::Described;
use ndarray::{Array1, Array2, ArrayViewMut2, Axis, s};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::dataset::Half;
use crate::experiment::Experiment;
use crate::keys::Keys;
use crate::stage::Stage;
use crate::stages::{mixture, pca};

/// The stage's artifact: one shard of one half.
#[derive(Debug, Serialize, Deserialize)]
pub struct EncodedShard {
    /// Ids of the images.
    pub ids: Vec<String>,
    /// Number of descriptors of each image.
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
    Ok((experiment.parts.encoder.value)(&mixture::get(experiment, keys)?)?)
}

/// Computes the shards of one half that are not stored yet.
///
/// # Errors
/// An unreadable photograph; models that do not fit together; a stop on request. Finished shards stay stored.
pub fn ensure_shards(experiment: &Experiment, keys: &Keys, half: Half) -> Result<()> {
    let Experiment { core, .. } = experiment;
    let address = |(), shard| address(keys, half, shard);
    let missing = core.missing_shards(half, &[()], address);
    if missing.is_empty() {
        return Ok(());
    }
    let timer = core.start();
    let pca = pca::get(experiment, keys)?;
    let encoder = encoder(experiment, keys)?;
    ensure!(
        pca.n_components() == encoder.n_features(),
        "the projection gives {} dimensions, but the encoder expects {}: learn both models, or load two files that belong together",
        pca.n_components(),
        encoder.n_features()
    );
    let extractor = experiment.parts.extractor.value.as_ref();
    let images = &core.dataset.half(half).set.images;
    let n_images: usize = missing.iter().map(|missing| missing.images.len()).sum();
    let bar = core.progress.bar(&format!("encode {}", half.name()), n_images as u64);
    core.keep_shards(&missing, address, |missing| {
        let encoded = core.for_each(bar.as_ref(), &missing.images, |image| {
            let entry = &images[image];
            let photograph = core.dataset.reading.photograph(entry)?;
            let described = Described::new(extractor, &pca, &photograph, &entry.path)?;
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
        Ok(vec![EncodedShard {
            ids: missing.images.iter().map(|&image| images[image].id.clone()).collect(),
            n_descriptors: encoded.iter().map(|(n, _)| *n).collect(),
            vectors,
        }])
    })?;
    drop(bar);
    let what = format!("{n_images} {} images, {} dimensions", half.name(), encoder.n_dimensions());
    core.computed(Stage::Encode.id(), &what, &timer);
    Ok(())
}

/// Raw vectors of one half `(n_images, n_dimensions)` and the number of descriptors of each image.
///
/// # Errors
/// See [`ensure_shards`].
pub fn raw(experiment: &Experiment, keys: &Keys, half: Half) -> Result<(Array2<f32>, Vec<u32>)> {
    ensure_shards(experiment, keys, half)?;
    let core = &experiment.core;
    let images = core.dataset.half(half);
    let mut all: Option<Array2<f32>> = None;
    let mut n_descriptors = Vec::with_capacity(images.len());
    for (index, range) in images.shards(core.shard_size).into_iter().enumerate() {
        let shard: EncodedShard = core.needed(&address(keys, half, index))?;
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

/// Removes the vectors of both halves and the sample, when no stage needs them any more.
///
/// # Errors
/// The errors of the file system.
pub fn forget(experiment: &Experiment, keys: &Keys) -> Result<()> {
    let (store, encode, sample) = (&experiment.core.store, Stage::Encode.id(), Stage::Sample.id());
    for half in [Half::Train, Half::Test] {
        store.remove(encode.name, encode.format_version, keys.encode(half))?;
    }
    Ok(store.remove(sample.name, sample.format_version, keys.sample)?)
}

fn address(keys: &Keys, half: Half, shard: usize) -> Address {
    Stage::Encode.id().shard(keys.encode(half), half, shard)
}
