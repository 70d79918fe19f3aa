//! Scores of the test images: by the centre crop, for which heatmaps are computed, and by sliding windows.

use anyhow::Result;
use fisherlens_artifact::{Address, array};
use fisherlens_cnn::{Crop, Framing, Mean, Network};
use ndarray::{Array1, Array2, Axis};
use serde::{Deserialize, Serialize};

use crate::dataset::Half;
use crate::networks::experiment::NetworkExperiment;
use crate::networks::stage::NetworkStage;
use crate::networks::{frames, retraining};
use crate::share::Chosen;
use crate::stages::scores::Scores;

/// Number of windows that are scored together.
const BATCH: usize = 16;

/// The stage's artifact: one shard of the test images.
#[derive(Debug, Serialize, Deserialize)]
struct ScoreShard {
    /// Scores of the centre crops, `(images, classes)`.
    #[serde(with = "array")]
    centre: Array2<f32>,
    /// Means over the windows, `(images, classes)`.
    #[serde(with = "array")]
    sliding: Array2<f32>,
    /// Number of windows of each image.
    n_windows: Vec<u32>,
}

/// Scores by centre crops and by sliding windows.
#[derive(Debug, Clone)]
pub struct NetworkScores {
    /// By the centre crop of the padded frame.
    pub centre: Scores,
    /// Means over windows of the covering frame.
    pub sliding: Scores,
    /// Smallest and largest number of windows per image.
    pub n_windows: (u32, u32),
}

/// Computes the shards that are not stored yet, and loads all shards.
///
/// # Errors
/// The errors of the retraining; an unreadable photograph; a stop on request. Finished shards stay stored.
pub fn get(experiment: &NetworkExperiment) -> Result<NetworkScores> {
    let core = &experiment.core;
    let missing = core.missing_shards(Half::Test, Chosen::All, &[()], |(), shard| address(experiment, shard));
    if !missing.is_empty() {
        let timer = core.start();
        let (network, _) = retraining::get(experiment)?;
        let n_images: usize = missing.iter().map(|missing| missing.images.len()).sum();
        let bar = core.progress.bar("scores", n_images as u64);
        core.keep_shards(
            &missing,
            |(), shard| address(experiment, shard),
            |missing| {
                let scored =
                    core.for_each(bar.as_ref(), &missing.images, |image| of_image(experiment, &network, image))?;
                let stack = |rows: Vec<&Array1<f32>>| {
                    let rows: Vec<_> = rows.iter().map(|row| row.view()).collect();
                    ndarray::stack(Axis(0), &rows)
                };
                Ok(vec![ScoreShard {
                    centre: stack(scored.iter().map(|(centre, _, _)| centre).collect())?,
                    sliding: stack(scored.iter().map(|(_, sliding, _)| sliding).collect())?,
                    n_windows: scored.iter().map(|(_, _, n)| *n).collect(),
                }])
            },
        )?;
        drop(bar);
        let what = format!("{n_images} test images, centre crops and windows");
        core.computed(NetworkStage::Scores.id(), &what, &timer);
    }
    read(experiment, core.dataset.test.shards(core.shard_size).len())
}

fn address(experiment: &NetworkExperiment, shard: usize) -> Address {
    NetworkStage::Scores.id().shard(experiment.scores_key(), Half::Test, shard)
}

fn read(experiment: &NetworkExperiment, n_shards: usize) -> Result<NetworkScores> {
    let images = &experiment.core.dataset.test;
    let n_classes = experiment.core.dataset.classes().len();
    let (mut centre, mut sliding) = (Array2::zeros((0, n_classes)), Array2::zeros((0, n_classes)));
    let mut n_windows = Vec::new();
    for shard in 0..n_shards {
        let stored: ScoreShard = experiment.core.needed(&address(experiment, shard))?;
        centre.append(Axis(0), stored.centre.view())?;
        sliding.append(Axis(0), stored.sliding.view())?;
        n_windows.extend(stored.n_windows);
    }
    let scores = |scores: Array2<f32>| Scores {
        ids: images.set.images.iter().map(|entry| entry.id.clone()).collect(),
        classes: images.set.classes.clone(),
        scores,
        labels: images.label_matrix(),
        n_descriptors: vec![0; images.len()],
    };
    let range = (n_windows.iter().copied().min().unwrap_or(0), n_windows.iter().copied().max().unwrap_or(0));
    Ok(NetworkScores { centre: scores(centre), sliding: scores(sliding), n_windows: range })
}

fn of_image(
    experiment: &NetworkExperiment,
    network: &Network,
    image: usize,
) -> Result<(Array1<f32>, Array1<f32>, u32)> {
    let settings = &experiment.settings.network;
    let entry = experiment.entry(Half::Test, image);
    let centre = frames::crops(entry, settings.frame, experiment.crop_side(), 1, &experiment.mean())?;
    let centre = network.scores(centre.view())?.index_axis_move(Axis(0), 0);
    let (frame, _) = frames::framed(entry, Framing::Covering, settings.frame)?;
    let windows = Crop::windows((frame.dim().0, frame.dim().1), experiment.crop_side(), settings.stride)?;
    let mean: Mean = experiment.mean();
    let mut sum = Array1::<f64>::zeros(centre.len());
    for windows in windows.chunks(BATCH) {
        let scores = network.scores(mean.inputs(&frame, windows)?.view())?;
        scores.rows().into_iter().for_each(|row| sum.zip_mut_with(&row, |sum, &score| *sum += f64::from(score)));
    }
    let sliding = sum.mapv(|sum| (sum / windows.len() as f64) as f32);
    Ok((centre, sliding, windows.len() as u32))
}
