//! Descriptors drawn from the training images, in shards. The projection and the mixture learn from them.

use std::sync::Mutex;

use anyhow::{Result, bail};
use fisherlens_artifact::{Address, array};
use fisherlens_descriptors::LocalDescriptors;
use fisherlens_model::photograph;
use ndarray::{Array2, Axis, concatenate};
use rand::seq::index;
use serde::{Deserialize, Serialize};

use crate::core::MissingShard;
use crate::dataset::Half;
use crate::experiment::{Experiment, generator};
use crate::keys::Keys;
use crate::share::Chosen;
use crate::stage::Stage;

/// The stage's artifact: the descriptors of one shard of the training images.
#[derive(Debug, Serialize, Deserialize)]
struct SampleShard {
    /// `(n_sampled, n_features)`, grouped by image.
    #[serde(with = "array")]
    values: Array2<f32>,
}

/// The same number of descriptors from each chosen training image, drawn without replacement `(n_sampled, n_features)`.
///
/// # Errors
/// An unreadable photograph; training images that are all smaller than the grid; a stop on request.
pub fn get(experiment: &Experiment, keys: &Keys) -> Result<Array2<f32>> {
    ensure_shards(experiment, std::slice::from_ref(keys), Chosen::All)?;
    let shards = (0..n_shards(experiment)).map(|index| shard(experiment, keys, index)).collect::<Result<Vec<_>>>()?;
    let views: Vec<_> = shards.iter().map(Array2::view).collect();
    let values = concatenate(Axis(0), &views)?;
    ensure_not_empty(values.nrows())?;
    Ok(values)
}

/// Refuses a sample without descriptors.
///
/// # Errors
/// What can be done.
pub fn ensure_not_empty(n_descriptors: usize) -> Result<()> {
    if n_descriptors == 0 {
        bail!("no training image is large enough for one descriptor; expected larger images or a smaller bin size");
    }
    Ok(())
}

/// Number of shards.
pub fn n_shards(experiment: &Experiment) -> usize {
    experiment.core.dataset.train.shards(experiment.core.shard_size).len()
}

/// The descriptors of one shard, which is known to be stored.
///
/// # Errors
/// A shard that is absent or damaged.
pub fn shard(experiment: &Experiment, keys: &Keys, index: usize) -> Result<Array2<f32>> {
    Ok(experiment.core.needed::<SampleShard>(&address(keys, index))?.values)
}

/// Draws the chosen shards of these seeds that are not stored yet. The descriptors of a photograph are extracted once for all seeds.
///
/// # Errors
/// An unreadable photograph; a stop on request. Finished shards stay stored.
pub fn ensure_shards(experiment: &Experiment, seeds: &[Keys], chosen: Chosen) -> Result<()> {
    let core = &experiment.core;
    let address = |seed: usize, shard| address(&seeds[seed], shard);
    let variants: Vec<usize> = (0..seeds.len()).collect();
    let mut missing = core.missing_shards(Half::Train, chosen, &variants, address);
    if missing.is_empty() {
        return Ok(());
    }
    let timer = core.start();
    let shares: Vec<Vec<usize>> = seeds.iter().map(|keys| shares(experiment, keys.seed)).collect();
    let extractor = experiment.parts.extractor.value.as_ref();
    for missing in &mut missing {
        let MissingShard { images, variants, .. } = missing;
        images.retain(|&image| variants.iter().any(|&seed| shares[seed][image] > 0));
    }
    let n_images: usize = missing.iter().map(|missing| missing.images.len()).sum();
    let bar = core.progress.bar("sample", n_images as u64);
    // The next image uses the memory of one image's descriptors again: new memory for each image would cost more time than the extraction.
    let memory = Mutex::new(Vec::new());
    let mut n_drawn = 0;
    core.keep_shards(&missing, address, |missing| {
        let drawn = core.for_each(bar.as_ref(), &missing.images, |image| {
            let entry = &core.dataset.train.set.images[image];
            let not_poisoned = "no thread panics while it holds this lock";
            let mut local: LocalDescriptors = memory.lock().expect(not_poisoned).pop().unwrap_or_default();
            photograph::extract_into(extractor, &core.dataset.reading.photograph(entry)?, &entry.path, &mut local)?;
            let of_seed = |&seed: &usize| {
                let mut rng = generator(seeds[seed].seed, "sample", &entry.stem(), 0);
                let mut rows = index::sample(&mut rng, local.len(), shares[seed][image].min(local.len())).into_vec();
                rows.sort_unstable();
                local.values.select(Axis(0), &rows)
            };
            let drawn: Vec<Array2<f32>> = missing.variants.iter().map(of_seed).collect();
            memory.lock().expect(not_poisoned).push(local);
            Ok(drawn)
        })?;
        let none = Array2::zeros((0, extractor.n_features()));
        let mut shards = Vec::with_capacity(missing.variants.len());
        for seed in 0..missing.variants.len() {
            let of_seed = drawn.iter().map(|drawn| &drawn[seed]);
            let views: Vec<_> = of_seed.chain([&none]).map(Array2::view).collect();
            let values = concatenate(Axis(0), &views)?;
            n_drawn += values.nrows();
            shards.push(SampleShard { values });
        }
        Ok(shards)
    })?;
    drop(bar);
    let for_seeds = if seeds.len() > 1 { format!(" for {} seeds", seeds.len()) } else { String::new() };
    core.computed(Stage::Sample.id(), &format!("{n_drawn} descriptors of {n_images} images{for_seeds}"), &timer);
    Ok(())
}

/// Number of descriptors to draw from each training image. The shares of the chosen images add up exactly to the requested number.
fn shares(experiment: &Experiment, seed: u64) -> Vec<usize> {
    let n_images = experiment.core.dataset.train.len();
    let settings = &experiment.settings.sample;
    let mut chosen: Vec<usize> = (0..n_images).collect();
    if let Some(n_chosen) = settings.n_images.filter(|n_chosen| *n_chosen < n_images) {
        chosen = index::sample(&mut generator(seed, "sampled images", "", 0), n_images, n_chosen).into_vec();
        chosen.sort_unstable();
    }
    let (wanted, n_chosen) = (settings.n_descriptors, chosen.len());
    let mut shares = vec![0; n_images];
    for (place, image) in chosen.into_iter().enumerate() {
        shares[image] = (place + 1) * wanted / n_chosen - place * wanted / n_chosen;
    }
    shares
}

/// The address of a shard.
pub(crate) fn address(keys: &Keys, shard: usize) -> Address {
    Stage::Sample.id().shard(keys.sample_shards, Half::Train, shard)
}
