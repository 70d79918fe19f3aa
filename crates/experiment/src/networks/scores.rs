//! Scores of the test images: by one centre crop, which heatmaps are made of, and by sliding windows.

use std::time::Instant;

use anyhow::{Context as _, Result};
use fisherlens_cnn::{Crop, Framing, Mean, Network};
use ndarray::{Array1, Array2, Axis};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{NetworkExperiment, NetworkStage, frames, retraining};
use crate::dataset::Half;
use crate::stages::scores::Scores;
use fisherlens_artifact::array;

/// Windows that are scored at once.
const BATCH: usize = 16;

/// The stage's artifact: one shard of the test images.
#[derive(Debug, Serialize, Deserialize)]
struct Shard {
    /// `(images, classes)`.
    #[serde(with = "array")]
    centre: Array2<f32>,
    /// Means over the windows, `(images, classes)`.
    #[serde(with = "array")]
    sliding: Array2<f32>,
    /// Windows of each image.
    n_windows: Vec<u32>,
}

/// Scores both ways.
#[derive(Debug, Clone)]
pub struct NetworkScores {
    /// By the centre crop of the padded frame.
    pub centre: Scores,
    /// Means over windows of the covering frame.
    pub sliding: Scores,
    /// Fewest and most windows of an image.
    pub n_windows: (u32, u32),
}

/// Computes the shards that are not there yet, and reads all.
///
/// # Errors
/// What the retraining says; an unreadable photograph; an interrupt. Finished shards stay.
pub fn get(experiment: &NetworkExperiment) -> Result<NetworkScores> {
    let key = experiment.scores_key();
    let images = &experiment.dataset.test;
    let shards = images.shards(experiment.settings.data.shard_size);
    let missing = |shard: &usize| !experiment.has(NetworkStage::Scores, key, Some(&part(*shard)));
    let missing: Vec<usize> = (0..shards.len()).filter(missing).collect();
    if !missing.is_empty() {
        let (network, _) = retraining::get(experiment)?;
        let since = Instant::now();
        let n_images: usize = missing.iter().map(|&shard| shards[shard].len()).sum();
        let bar = experiment.progress.bar("scores", n_images as u64);
        for &shard in &missing {
            let since = Instant::now();
            let scored = shards[shard].clone().into_par_iter().with_max_len(1).map(|image| {
                experiment.interrupt.check()?;
                let scored = of_image(experiment, &network, image);
                bar.advance(1);
                scored
            });
            let scored: Vec<(Array1<f32>, Array1<f32>, u32)> = scored.collect::<Result<_>>()?;
            let stack = |rows: Vec<&Array1<f32>>| {
                let rows: Vec<_> = rows.iter().map(|row| row.view()).collect();
                ndarray::stack(Axis(0), &rows)
            };
            let value = Shard {
                centre: stack(scored.iter().map(|(centre, _, _)| centre).collect())?,
                sliding: stack(scored.iter().map(|(_, sliding, _)| sliding).collect())?,
                n_windows: scored.iter().map(|(_, _, n)| *n).collect(),
            };
            experiment.keep(NetworkStage::Scores, key, Some(&part(shard)), since.elapsed().as_secs_f64(), &value)?;
        }
        drop(bar);
        experiment.progress.computed(
            "scores",
            &format!("{n_images} test images, centre crops and windows"),
            since.elapsed(),
        );
    }
    read(experiment, shards.len())
}

fn read(experiment: &NetworkExperiment, n_shards: usize) -> Result<NetworkScores> {
    let images = &experiment.dataset.test;
    let n_classes = experiment.dataset.classes().len();
    let (mut centre, mut sliding) = (Array2::zeros((0, n_classes)), Array2::zeros((0, n_classes)));
    let mut n_windows = Vec::new();
    for shard in 0..n_shards {
        let stored: Option<Shard> =
            experiment.stored(NetworkStage::Scores, experiment.scores_key(), Some(&part(shard)))?;
        let stored = stored.with_context(|| format!("shard {shard} of the scores went away; run the command again"))?;
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
    let path = experiment.path(Half::Test, image);
    let centre = frames::crops(path, settings.frame, experiment.crop_side(), 1, &experiment.mean())?;
    let centre = network.scores(centre.view())?.index_axis_move(Axis(0), 0);
    let (frame, _) = frames::framed(path, Framing::Covering, settings.frame)?;
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

fn part(shard: usize) -> String {
    format!("test-{shard:04}")
}
