//! Retraining with several labels an image: sum of hinge losses, stochastic gradient descent as Caffe does it.

use std::collections::BTreeMap;

use burn::tensor::{Tensor, TensorData, activation};
use ndarray::{ArrayView2, ArrayView4};
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use serde::{Deserialize, Serialize};

use crate::CnnError;
use crate::architecture::Architecture;
use crate::network::{Network, Tensors, values};
use crate::parameters::Parameters;

/// Stochastic gradient descent with momentum, weight decay and a schedule of steps.
///
/// ```text
/// v ← momentum · v + rate · (∂L/∂w + decay · w)          w ← w − v
/// rate = learning_rate · layers[name].rate · gamma^⌊step / step_size⌋          decay = weight_decay · layers[name].decay
/// ```
/// Biases learn at twice the rate and do not decay, as in Caffe's own networks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sgd {
    /// Rate at the start, above 0.
    pub learning_rate: f32,
    /// Share of the last step that is kept, 0 to 1.
    pub momentum: f32,
    /// Weight decay, at least 0.
    pub weight_decay: f32,
    /// Factor of the schedule, above 0 and at most 1.
    pub gamma: f32,
    /// Steps between two falls of the rate.
    pub step_size: usize,
    /// Images a step.
    pub batch_size: usize,
    /// Multipliers of single layers, by their names; all others have 1 and 1.
    pub layers: BTreeMap<String, Multipliers>,
    /// Seed of order and dropout.
    pub seed: u64,
}

/// What learning rate and weight decay are multiplied with in one layer: Caffe's `lr_mult` and `decay_mult` of its weight.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Multipliers {
    /// Of the learning rate, at least 0; a layer with 0 keeps its weights.
    pub rate: f32,
    /// Of the weight decay, at least 0.
    pub decay: f32,
}

impl Default for Multipliers {
    fn default() -> Self {
        Self { rate: 1.0, decay: 1.0 }
    }
}

impl Sgd {
    /// Rate of a step for weights with multiplier 1.
    pub fn rate(&self, step: usize) -> f32 {
        self.learning_rate * self.gamma.powi((step / self.step_size) as i32)
    }

    /// Samples of a step: each epoch a new order of all `n`, drawn from seed and epoch; the last batch of an epoch takes from the next.
    pub fn batch(&self, n: usize, step: usize) -> Vec<usize> {
        let first = step * self.batch_size;
        let mut orders: Vec<(usize, Vec<usize>)> = Vec::new();
        (first..first + self.batch_size)
            .map(|at| {
                let epoch = at / n;
                if orders.last().is_none_or(|(of, _)| *of != epoch) {
                    orders.push((epoch, self.order(n, epoch)));
                }
                orders.last().expect("pushed above").1[at % n]
            })
            .collect()
    }

    fn order(&self, n: usize, epoch: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        order.shuffle(&mut generator(self.seed, epoch as u64, 0));
        order
    }

    /// Whether every setting is in its range and every layer with multipliers is one with weights.
    ///
    /// # Errors
    /// [`CnnError::Setting`] with the setting's name; [`CnnError::UnknownLayer`].
    pub fn check(&self, architecture: &Architecture) -> Result<(), CnnError> {
        let fail =
            |name: String, found: String, expected: &'static str| Err(CnnError::Setting { name, found, expected });
        let finite = |name: String, value: f32, least: f32, expected| {
            if value >= least && value.is_finite() { Ok(()) } else { fail(name, value.to_string(), expected) }
        };
        let own = |name: &str, value, least, expected| finite(name.to_owned(), value, least, expected);
        own("learning_rate", self.learning_rate, f32::MIN_POSITIVE, "a finite number above 0")?;
        own("weight_decay", self.weight_decay, 0.0, "a finite number of at least 0")?;
        if !(0.0..1.0).contains(&self.momentum) {
            return fail("momentum".to_owned(), self.momentum.to_string(), "0 <= momentum < 1");
        }
        if !(self.gamma > 0.0 && self.gamma <= 1.0) {
            return fail("gamma".to_owned(), self.gamma.to_string(), "0 < gamma <= 1");
        }
        for (name, value) in [("step_size", self.step_size), ("batch_size", self.batch_size)] {
            if value == 0 {
                return fail(name.to_owned(), "0".to_owned(), "at least 1");
            }
        }
        for (layer, multipliers) in &self.layers {
            let kind = &architecture.layers()[architecture.layer(layer)?].kind;
            if !kind.has_bias() {
                return fail(format!("layers.{layer}"), "a layer without weights".to_owned(), "one that learns");
            }
            finite(format!("layers.{layer}.rate"), multipliers.rate, 0.0, "a finite number of at least 0")?;
            finite(format!("layers.{layer}.decay"), multipliers.decay, 0.0, "a finite number of at least 0")?;
        }
        Ok(())
    }
}

/// Draws of one purpose at one time of a training.
fn generator(seed: u64, time: u64, purpose: u64) -> Xoshiro256PlusPlus {
    Xoshiro256PlusPlus::seed_from_u64(seed ^ (time << 1 | purpose).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// A network in training. All that a step depends on is its weights, its velocities and its number, so that one
/// that was stored and resumed takes the very same steps.
#[derive(Debug)]
pub struct Training {
    network: Network,
    velocities: Network,
    multipliers: Vec<Multipliers>,
    sgd: Sgd,
    step: usize,
}

impl Training {
    /// Begins from a network's weights.
    ///
    /// # Errors
    /// See [`Sgd::check`].
    pub fn new(network: Network, sgd: Sgd) -> Result<Self, CnnError> {
        let velocities = network.map(|tensors| Tensors {
            weight: tensors.weight.zeros_like(),
            bias: tensors.bias.map(|bias| bias.zeros_like()),
        });
        Self::with_velocities(network, velocities, sgd, 0)
    }

    /// Goes on after `step` steps with what [`Training::network`] and [`Training::velocities`] were then.
    ///
    /// # Errors
    /// See [`Training::new`]; [`CnnError::Weights`] for velocities of another network.
    pub fn resume(network: Network, velocities: &Parameters, step: usize, sgd: Sgd) -> Result<Self, CnnError> {
        let velocities = Network::new(network.architecture().clone(), velocities, network.device())?;
        Self::with_velocities(network, velocities, sgd, step)
    }

    fn with_velocities(network: Network, velocities: Network, sgd: Sgd, step: usize) -> Result<Self, CnnError> {
        sgd.check(network.architecture())?;
        let of = |name: &String| sgd.layers.get(name).copied().unwrap_or_default();
        let multipliers = network.architecture().layers().iter().map(|layer| of(&layer.name)).collect();
        Ok(Self { network, velocities, multipliers, sgd, step })
    }

    /// The network as it is now.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The velocities as they are now.
    pub fn velocities(&self) -> Parameters {
        self.velocities.parameters()
    }

    /// Steps taken.
    pub fn step(&self) -> usize {
        self.step
    }

    /// One step on a batch: images, and labels −1, 0 (without loss) or +1 `(images, classes)`. Gives the loss before the step:
    /// the mean over images of `Σ_c max(0, 1 − y[c]·f[c])`.
    ///
    /// # Errors
    /// [`CnnError::Shape`]; [`CnnError::NotFinite`] where the loss is not a number, the weights being left as they were.
    pub fn advance(&mut self, images: ArrayView4<'_, f32>, labels: ArrayView2<'_, i8>) -> Result<f32, CnnError> {
        let network = self.network.map(|tensors| Tensors {
            weight: tensors.weight.autodiff().require_grad(),
            bias: tensors.bias.map(|bias| bias.autodiff().require_grad()),
        });
        let x = self.network.upload(images)?.autodiff();
        let mut draws = generator(self.sgd.seed, self.step as u64, 1);
        let mut dropout = |ratio: f32, x: Tensor<4>| dropped(ratio, x, &mut draws);
        let scores = network.forward_with(x, network.architecture().score_blob(), &mut dropout);
        let loss = hinge(scores, labels)?;
        let value = values(loss.clone().inner())[0];
        if !value.is_finite() {
            return Err(CnnError::NotFinite { what: "the loss", value, step: self.step });
        }
        let mut gradients = loss.backward();
        let rate = self.sgd.rate(self.step);
        let Sgd { momentum, weight_decay, .. } = self.sgd;
        let moving = self.network.tensors_mut().zip(self.velocities.tensors_mut());
        for ((layer, tensors), (_, velocity)) in moving {
            let multipliers = self.multipliers[layer];
            let (rate, decay) = (rate * multipliers.rate, weight_decay * multipliers.decay);
            if rate == 0.0 {
                continue;
            }
            let own = network.tensors(layer).expect("the same layers have weights");
            if let Some(gradient) = own.weight.grad_remove(&mut gradients) {
                let step = (gradient + tensors.weight.clone() * decay) * rate;
                velocity.weight = velocity.weight.clone() * momentum + step;
                tensors.weight = tensors.weight.clone() - velocity.weight.clone();
            }
            let gradient = own.bias.as_ref().and_then(|bias| bias.grad_remove(&mut gradients));
            if let (Some(gradient), Some(bias), Some(velocity)) = (gradient, &mut tensors.bias, &mut velocity.bias) {
                *velocity = velocity.clone() * momentum + gradient * (2.0 * rate);
                *bias = bias.clone() - velocity.clone();
            }
        }
        self.step += 1;
        Ok(value)
    }
}

/// Zeroes a share of the values and enlarges the others by as much.
fn dropped(ratio: f32, x: Tensor<4>, draws: &mut impl Rng) -> Tensor<4> {
    let shape = x.dims();
    let kept = 1.0 / (1.0 - ratio);
    let mask: Vec<f32> =
        (0..shape.iter().product()).map(|_| if draws.r#gen::<f32>() < ratio { 0.0 } else { kept }).collect();
    let mask: Tensor<4> = Tensor::from_data(TensorData::new(mask, shape), &x.device().inner());
    x * mask.autodiff()
}

/// Mean over images of the sum over classes of `max(0, 1 − y f)`.
fn hinge(scores: Tensor<4>, labels: ArrayView2<'_, i8>) -> Result<Tensor<1>, CnnError> {
    let [n_images, n_classes, ..] = scores.dims();
    if labels.dim() != (n_images, n_classes) {
        let (found, expected) = (labels.shape().to_vec(), vec![n_images, n_classes]);
        return Err(CnnError::Shape { what: "labels", found, expected });
    }
    let device = scores.device().inner();
    let signs: Vec<f32> = labels.iter().map(|&label| f32::from(label)).collect();
    let counted: Vec<f32> = signs.iter().map(|sign| sign.abs()).collect();
    let tensor = |values: Vec<f32>| -> Tensor<4> {
        Tensor::from_data(TensorData::new(values, [n_images, n_classes, 1, 1]), &device).autodiff()
    };
    let losses = activation::relu(tensor(counted) - tensor(signs) * scores);
    Ok(losses.sum() / n_images as f32)
}
