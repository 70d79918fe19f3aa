//! The features: outputs of the frozen layers for all crops, stored in shards.

use anyhow::{Context as _, Result};
use fisherlens_artifact::array;
use fisherlens_cnn::Network;
use half::f16;
use ndarray::{Array2, Array4, Axis, concatenate};
use serde::{Deserialize, Serialize};

use crate::dataset::Half;
use crate::networks::experiment::NetworkExperiment;
use crate::networks::frames;
use crate::networks::stage::NetworkStage;
use crate::share::Chosen;

/// The stage's artifact: one shard of one half.
#[derive(Debug, Serialize, Deserialize)]
struct FeatureShard {
    /// Ids of the images. Each image has one row per crop.
    ids: Vec<String>,
    /// `(images · crops, channels · height · width)`. Half precision changes the values by less than a thousandth.
    #[serde(with = "array")]
    values: Array2<f16>,
}

/// Inputs of the layers that learn, one row per crop.
#[derive(Debug)]
pub struct Features {
    values: Array2<f16>,
    shape: [usize; 3],
    n_crops: usize,
}

/// Number of crops per image: ten for a training image, the centre crop for a test image.
pub const fn n_crops(half: Half) -> usize {
    match half {
        Half::Train => 10,
        Half::Test => 1,
    }
}

impl Features {
    /// Number of crops.
    pub fn len(&self) -> usize {
        self.values.nrows()
    }

    /// Whether there are no crops.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The image of a crop.
    pub fn image(&self, crop: usize) -> usize {
        crop / self.n_crops
    }

    /// Some crops as the input of a network `(crops, channels, height, width)`.
    pub fn batch(&self, crops: &[usize]) -> Array4<f32> {
        let [channels, height, width] = self.shape;
        let mut batch = Array2::zeros((crops.len(), channels * height * width));
        for (mut row, &crop) in batch.rows_mut().into_iter().zip(crops) {
            row.zip_mut_with(&self.values.row(crop), |to, from| *to = from.to_f32());
        }
        batch.into_shape_with_order((crops.len(), channels, height, width)).expect("each row has the size of a blob")
    }
}

/// Computes the shards of one half that are not stored yet, and loads all shards.
///
/// # Errors
/// An unreadable photograph; a stop on request. Finished shards stay stored.
pub fn get(experiment: &NetworkExperiment, half: Half) -> Result<Features> {
    let core = &experiment.core;
    let (below, above) = experiment.halves()?;
    let key = experiment.features_key(half);
    let address = |(), shard| NetworkStage::Features.id().shard(key, half, shard);
    let missing = core.missing_shards(half, Chosen::All, &[()], address);
    if !missing.is_empty() {
        let timer = core.start();
        let n_images: usize = missing.iter().map(|missing| missing.images.len()).sum();
        let bar = core.progress.bar(&format!("features {}", half.name()), n_images as u64);
        core.keep_shards(&missing, address, |missing| {
            // Large parts of a layer run on one thread, so it is faster to compute several images in parallel.
            let values = core
                .for_each(bar.as_ref(), &missing.images, |image| of_image(experiment, below.as_ref(), half, image))?;
            let views: Vec<_> = values.iter().map(Array2::view).collect();
            let images = &core.dataset.half(half).set.images;
            let ids = missing.images.iter().map(|&image| images[image].id.clone()).collect();
            Ok(vec![FeatureShard { ids, values: concatenate(Axis(0), &views)? }])
        })?;
        drop(bar);
        let what = format!("{} crops of {n_images} {} images", n_images * n_crops(half), half.name());
        core.computed(NetworkStage::Features.id(), &what, &timer);
    }
    let shape = above.architecture().input_shape();
    let mut values = Array2::zeros((0, shape.iter().product()));
    for shard in 0..core.dataset.half(half).shards(core.shard_size).len() {
        let stored: FeatureShard = core.needed(&address((), shard))?;
        values.append(Axis(0), stored.values.view()).context(
            "the stored features do not have the size of the network's input; remove them with `cargo xtask clean --stage \
             network-features` and run again",
        )?;
    }
    Ok(Features { values, shape, n_crops: n_crops(half) })
}

/// One row per crop.
fn of_image(experiment: &NetworkExperiment, below: Option<&Network>, half: Half, image: usize) -> Result<Array2<f16>> {
    let (frame, side) = (experiment.settings.network.frame, experiment.crop_side());
    let crops = frames::crops(experiment.entry(half, image), frame, side, n_crops(half), &experiment.mean())?;
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
