//! One raw vector per image, in shards.

use anyhow::{Result, ensure};
use fisherlens_artifact::{Address, array};
use fisherlens_descriptors::Pca;
use fisherlens_fisher::quantized::n_scales;
use fisherlens_fisher::{Encoder, Layout, Quantized};
use fisherlens_model::Described;
use ndarray::{Array1, Array2, ArrayView1};
use serde::Serialize;

use crate::core::MissingShard;
use crate::dataset::Half;
use crate::experiment::Experiment;
use crate::keys::Keys;
use crate::settings::sections::VectorFormat;
use crate::share::Chosen;
use crate::stage::Stage;
use crate::stages::{mixture, pca};

/// The stage's artifact: one shard of one half.
#[derive(Debug, Serialize)]
struct EncodedShard {
    /// Ids of the images.
    ids: Vec<String>,
    /// Number of descriptors of each image.
    n_descriptors: Vec<u32>,
    /// Raw vectors `(n_images, n_dimensions)`.
    #[serde(with = "array")]
    vectors: Array2<f32>,
}

/// The stage's artifact with `data.vectors = "int8"`.
#[derive(Debug, Serialize)]
struct RoundedShard {
    /// Ids of the images.
    ids: Vec<String>,
    /// Number of descriptors of each image.
    n_descriptors: Vec<u32>,
    /// Raw vectors `(n_images, n_dimensions)`, rounded as [`Quantized`] does.
    #[serde(with = "array")]
    codes: Array2<i8>,
    /// `(n_images, n_scales)`.
    #[serde(with = "array")]
    scales: Array2<f32>,
}

/// The encoder that the experiment's parts build from the learned mixture.
///
/// # Errors
/// See [`mixture::get`]; a parameter that the encoder refuses.
pub fn encoder(experiment: &Experiment, keys: &Keys) -> Result<Box<dyn Encoder>> {
    Ok((experiment.parts.encoder.value)(&mixture::get(experiment, keys)?)?)
}

/// Computes the chosen shards of one half that are not stored yet, for several seeds. The descriptors of a photograph are extracted once
/// for all seeds.
///
/// # Errors
/// An unreadable photograph; models that do not fit together; a stop on request. Finished shards stay stored.
pub fn ensure_shards(experiment: &Experiment, seeds: &[Keys], half: Half, chosen: Chosen) -> Result<()> {
    let Experiment { core, .. } = experiment;
    let address = |seed: usize, shard| address(&seeds[seed], half, shard);
    // With models from files, the vectors of all seeds are the same.
    let is_first = |&seed: &usize| seeds[..seed].iter().all(|keys| keys.encode(half) != seeds[seed].encode(half));
    let variants: Vec<usize> = (0..seeds.len()).filter(is_first).collect();
    let missing = core.missing_shards(half, chosen, &variants, address);
    if missing.is_empty() {
        return Ok(());
    }
    let timer = core.start();
    let models = seeds.iter().map(|keys| Models::of(experiment, keys)).collect::<Result<Vec<_>>>()?;
    let extractor = experiment.parts.extractor.value.as_ref();
    let images = &core.dataset.half(half).set.images;
    let n_images: usize = missing.iter().map(|missing| missing.images.len()).sum();
    let bar = core.progress.bar(&format!("encode {}", half.name()), n_images as u64);
    let encode = |missing: &MissingShard<usize>| -> Result<Vec<EncodedShard>> {
        let models: Vec<&Models> = missing.variants.iter().map(|&seed| &models[seed]).collect();
        let pcas: Vec<&Pca> = models.iter().map(|models| &models.pca).collect();
        let encoded = core.for_each(bar.as_ref(), &missing.images, |image| {
            let entry = &images[image];
            let photograph = core.dataset.reading.photograph(entry)?;
            let described = Described::of_each(extractor, &pcas, photograph.gray().view(), &entry.path)?;
            let vectors = models.iter().zip(&described).map(|(models, described)| models.vector(described));
            Ok((described[0].frames.len() as u32, vectors.collect::<Result<Vec<_>>>()?))
        })?;
        let of_seed = |(place, models): (usize, &&Models)| {
            let mut vectors = Array2::zeros((encoded.len(), models.encoder.n_dimensions()));
            for (mut row, (_, of_seeds)) in vectors.rows_mut().into_iter().zip(&encoded) {
                row.assign(&of_seeds[place]);
            }
            EncodedShard {
                ids: missing.images.iter().map(|&image| images[image].id.clone()).collect(),
                n_descriptors: encoded.iter().map(|(n, _)| *n).collect(),
                vectors,
            }
        };
        Ok(models.iter().enumerate().map(of_seed).collect())
    };
    let layout = models[0].encoder.layout();
    match experiment.settings.data.vectors {
        VectorFormat::F32 => core.keep_shards(&missing, address, encode),
        VectorFormat::Int8 => core.keep_shards(&missing, address, |missing| {
            Ok(encode(missing)?.into_iter().map(|shard| rounded(shard, &layout)).collect())
        }),
    }?;
    drop(bar);
    let for_seeds = if variants.len() > 1 { format!(" for {} seeds", variants.len()) } else { String::new() };
    let what = format!("{n_images} {} images, {} dimensions{for_seeds}", half.name(), layout.len());
    core.computed(Stage::Encode.id(), &what, &timer);
    Ok(())
}

/// The models of one seed.
struct Models {
    pca: Pca,
    encoder: Box<dyn Encoder>,
}

impl Models {
    fn of(experiment: &Experiment, keys: &Keys) -> Result<Self> {
        let (pca, encoder) = (pca::get(experiment, keys)?, encoder(experiment, keys)?);
        ensure!(
            pca.n_components() == encoder.n_features(),
            "the projection gives {} dimensions, but the encoder expects {}: learn both models, or load two files that belong together",
            pca.n_components(),
            encoder.n_features()
        );
        Ok(Self { pca, encoder })
    }

    /// The raw vector of a photograph; zeros if it has no descriptors.
    fn vector(&self, described: &Described) -> Result<Array1<f32>> {
        if described.is_empty() {
            return Ok(Array1::zeros(self.encoder.n_dimensions()));
        }
        Ok(self.encoder.encode(described.set())?)
    }
}

fn rounded(shard: EncodedShard, layout: &Layout) -> RoundedShard {
    let EncodedShard { ids, n_descriptors, vectors } = shard;
    let n_images = vectors.nrows();
    let (mut codes, mut scales) = (Array2::zeros(vectors.dim()), Array2::zeros((n_images, n_scales(layout))));
    for (image, vector) in vectors.rows().into_iter().enumerate() {
        let vector = Quantized::of(vector.as_slice().expect("rows of a C-ordered array are contiguous"), layout);
        codes.row_mut(image).assign(&ArrayView1::from(&vector.codes));
        scales.row_mut(image).assign(&ArrayView1::from(&vector.scales));
    }
    RoundedShard { ids, n_descriptors, codes, scales }
}

/// Removes the vectors of both halves and the sample of a further seed, when no stage needs them any more.
///
/// # Errors
/// The errors of the file system.
pub fn forget(experiment: &Experiment, keys: &Keys) -> Result<()> {
    let (store, encode, sample) = (&experiment.core.store, Stage::Encode.id(), Stage::Sample.id());
    // With models from files, the vectors of all seeds are the same.
    let own = Keys::of(experiment)?;
    for half in [Half::Train, Half::Test].into_iter().filter(|half| own.encode(*half) != keys.encode(*half)) {
        store.remove(encode.name, encode.format_version, keys.encode(half))?;
    }
    if own.sample_shards != keys.sample_shards {
        store.remove(sample.name, sample.format_version, keys.sample_shards)?;
    }
    Ok(())
}

/// The address of a shard.
pub(crate) fn address(keys: &Keys, half: Half, shard: usize) -> Address {
    Stage::Encode.id().shard(keys.encode(half), half, shard)
}
