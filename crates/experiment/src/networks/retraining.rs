//! Retraining of the layers above the cut, with checkpoints.

use std::time::Instant;

use anyhow::{Context as _, Result};
use fisherlens_artifact::Address;
use fisherlens_cnn::{Network, Training, read_safetensors, write_safetensors};
use fisherlens_eval::average_precision;
use ndarray::{Array2, Axis, concatenate};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::dataset::{Dataset, Half};
use crate::networks::experiment::NetworkExperiment;
use crate::networks::features;
use crate::networks::features::Features;
use crate::networks::stage::NetworkStage;
use crate::progress::duration;

/// Number of crops that are scored together.
const BATCH: usize = 50;

/// Name of the part that stores the checkpoint of an unfinished training.
const CHECKPOINT: &str = "checkpoint";

/// One line of a training's history.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Look {
    /// Steps taken.
    pub step: usize,
    /// Mean loss of the steps since the previous line.
    pub loss: f64,
    /// Learning rate.
    pub rate: f32,
    /// Mean average precision of the test images' centre crops, 0 to 1.
    pub mean_average_precision: f64,
}

/// The stored state of a training, at a checkpoint and at the end.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct State {
    /// Steps taken.
    pub step: usize,
    /// Seconds that the steps took.
    pub seconds: f64,
    /// Weights of the layers that learn, in the safetensors format.
    weights: ByteBuf,
    /// Velocities of the same layers, in the safetensors format; empty at the end of the training.
    velocities: ByteBuf,
    /// Sum of the losses since the last line of the history, and the number of these steps.
    running: (f64, usize),
    /// Measurements during the training.
    pub history: Vec<Look>,
}

/// The whole network with the retrained layers, and the final state of the training.
///
/// # Errors
/// The errors of the features; weights that cannot be stored; a stop on request, after a checkpoint is stored.
pub fn get(experiment: &NetworkExperiment) -> Result<(Network, State)> {
    let address = NetworkStage::Retraining.id().at(experiment.retraining_key());
    let state = experiment.core.cached(address, || train(experiment))?;
    let mut weights = experiment.weights.clone();
    for (layer, parameters) in read_safetensors(&state.weights)?.iter() {
        weights.insert(layer, parameters.clone());
    }
    Ok((Network::new(experiment.architecture.clone(), &weights, &experiment.device)?, state))
}

fn train(experiment: &NetworkExperiment) -> Result<(State, String)> {
    let core = &experiment.core;
    let learned = features::get(experiment, Half::Train)?;
    let judged = features::get(experiment, Half::Test)?;
    let labels = core.dataset.train.label_matrix();
    let settings = &experiment.settings.retraining;
    let sgd = experiment.settings.sgd();
    let n_steps = (settings.n_epochs * learned.len() as f64 / settings.batch_size as f64).round() as usize;
    let since = Instant::now();
    let (mut training, mut history, mut running, before) = begin(experiment)?;
    let bar = core.progress.bar("retraining", n_steps as u64);
    bar.set_position(training.step() as u64);
    while training.step() < n_steps {
        let crops = sgd.batch(learned.len(), training.step());
        let images: Vec<usize> = crops.iter().map(|&crop| learned.image(crop)).collect();
        let loss = training.advance(learned.batch(&crops).view(), labels.select(Axis(0), &images).view())?;
        running = (running.0 + f64::from(loss), running.1 + 1);
        let step = training.step();
        bar.set_position(step as u64);
        bar.set_message(&format!("loss {:.3}, rate {:.1e}", running.0 / running.1 as f64, sgd.rate(step)));
        if step % settings.validate_every == 0 || step == n_steps {
            let scores = scores(training.network(), &judged)?;
            let look = Look {
                step,
                loss: running.0 / running.1 as f64,
                rate: sgd.rate(step - 1),
                mean_average_precision: experiment.mean_average_precision(&scores),
            };
            running = (0.0, 0);
            let seconds = since.elapsed().as_secs_f64();
            let left = seconds / (step - before.0) as f64 * (n_steps - step) as f64;
            core.progress.stage_line(
                "retraining",
                &format!(
                    "step {step} of {n_steps}: loss {:.4}, rate {:.1e}, mAP {:.2}, {} left",
                    look.loss,
                    look.rate,
                    100.0 * look.mean_average_precision,
                    duration(std::time::Duration::from_secs_f64(left))
                ),
            );
            history.push(look);
        }
        let stopped = core.interrupt.is_raised();
        if (step % settings.checkpoint_every == 0 || stopped) && step < n_steps {
            let seconds = before.1 + since.elapsed().as_secs_f64();
            let state = snapshot(&training, &history, running, seconds, true)?;
            core.keep(&checkpoint(experiment), seconds, &state)?;
        }
        core.interrupt.check()?;
    }
    let seconds = before.1 + since.elapsed().as_secs_f64();
    Ok((snapshot(&training, &history, running, seconds, false)?, format!("{n_steps} steps")))
}

/// The address of the checkpoint.
fn checkpoint(experiment: &NetworkExperiment) -> Address {
    NetworkStage::Retraining.id().part(experiment.retraining_key(), CHECKPOINT)
}

/// Starts the training, or continues it from the checkpoint. Returns the training, its history, the running loss, and the steps and seconds
/// before this run.
#[expect(clippy::type_complexity, reason = "the caller takes the parts of the state apart at once")]
fn begin(experiment: &NetworkExperiment) -> Result<(Training, Vec<Look>, (f64, usize), (usize, f64))> {
    let (_, network) = experiment.halves()?;
    let sgd = experiment.settings.sgd();
    let Some(state) = experiment.core.stored::<State>(&checkpoint(experiment))? else {
        return Ok((Training::new(network, sgd)?, Vec::new(), (0.0, 0), (0, 0.0)));
    };
    let network = Network::new(network.architecture().clone(), &read_safetensors(&state.weights)?, &experiment.device)?;
    let velocities = read_safetensors(&state.velocities)?;
    let training = Training::resume(network, &velocities, state.step, sgd).context(
        "cannot continue from the checkpoint; remove it with `cargo xtask clean --stage network-retraining` and run again",
    )?;
    experiment.core.progress.stage_line("retraining", &format!("continues after step {}", state.step));
    Ok((training, state.history, state.running, (state.step, state.seconds)))
}

fn snapshot(
    training: &Training,
    history: &[Look],
    running: (f64, usize),
    seconds: f64,
    with_velocities: bool,
) -> Result<State> {
    let velocities = if with_velocities { write_safetensors(&training.velocities())? } else { Vec::new() };
    Ok(State {
        step: training.step(),
        seconds,
        weights: ByteBuf::from(write_safetensors(&training.network().parameters())?),
        velocities: ByteBuf::from(velocities),
        running,
        history: history.to_vec(),
    })
}

/// Scores of all crops by the layers above the cut.
fn scores(network: &Network, features: &Features) -> Result<Array2<f32>> {
    let crops: Vec<usize> = (0..features.len()).collect();
    let batches = crops.chunks(BATCH).map(|crops| network.scores(features.batch(crops).view()));
    let batches = batches.collect::<Result<Vec<_>, _>>()?;
    let views: Vec<_> = batches.iter().map(Array2::view).collect();
    Ok(concatenate(Axis(0), &views)?)
}

impl NetworkExperiment {
    /// Mean average precision over the classes of the test images, 0 to 1. Images with label 0 are left out.
    pub fn mean_average_precision(&self, scores: &Array2<f32>) -> f64 {
        mean(&average_precisions(&self.core.dataset, scores, self.settings.evaluation.interpolation))
    }
}

/// Average precision of each class on the test images; `None` for a class without a positive image.
pub fn average_precisions(
    dataset: &Dataset,
    scores: &Array2<f32>,
    interpolation: fisherlens_eval::Interpolation,
) -> Vec<Option<f64>> {
    let labels = dataset.test.label_matrix();
    let of_class = |class: usize| {
        let (scores, labels) = (scores.column(class).to_vec(), labels.column(class).to_vec());
        average_precision(&scores, &labels, interpolation)
    };
    (0..dataset.classes().len()).map(of_class).collect()
}

fn mean(values: &[Option<f64>]) -> f64 {
    let values: Vec<f64> = values.iter().flatten().copied().collect();
    values.iter().sum::<f64>() / values.len().max(1) as f64
}
