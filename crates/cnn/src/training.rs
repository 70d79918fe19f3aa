//! Retraining with several labels per image: a sum of hinge losses, minimised by stochastic gradient descent as in Caffe.

use std::collections::BTreeMap;

use burn::tensor::{Tensor, TensorData, activation};
use ndarray::{ArrayView2, ArrayView4};
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use serde::{Deserialize, Serialize};

use crate::architecture::Architecture;
use crate::error::CnnError;
use crate::network::{Network, Tensors, values};
use crate::parameters::Parameters;

/// Settings of stochastic gradient descent with momentum, weight decay and a learning rate that falls in steps.
///
/// ```text
/// v ← momentum · v + rate · (∂L/∂w + decay · w)          w ← w − v
/// rate = learning_rate · layers[name].rate · gamma^⌊step / step_size⌋          decay = weight_decay · layers[name].decay
/// ```
/// Biases have twice the learning rate and no weight decay, as in Caffe's own networks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sgd {
    /// Learning rate at the start, above 0.
    pub learning_rate: f32,
    /// Share of the previous step that is added to the next one, at least 0 and below 1.
    pub momentum: f32,
    /// Weight decay, at least 0.
    pub weight_decay: f32,
    /// The learning rate is multiplied by this factor after every `step_size` steps. Above 0 and at most 1.
    pub gamma: f32,
    /// Number of steps after which the learning rate falls.
    pub step_size: usize,
    /// Number of images per step.
    pub batch_size: usize,
    /// Multipliers of single layers, by name. The other layers have multipliers of 1.
    pub layers: BTreeMap<String, Multipliers>,
    /// Seed of the order of the images and of dropout.
    pub seed: u64,
}

/// Multipliers of learning rate and weight decay for one layer: Caffe's `lr_mult` and `decay_mult` of the weights.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Multipliers {
    /// Multiplier of the learning rate, at least 0. With 0 the weights of the layer do not change.
    pub rate: f32,
    /// Multiplier of the weight decay, at least 0.
    pub decay: f32,
}

impl Default for Multipliers {
    fn default() -> Self {
        Self { rate: 1.0, decay: 1.0 }
    }
}

impl Sgd {
    /// Learning rate at a step, for weights with a multiplier of 1.
    pub fn rate(&self, step: usize) -> f32 {
        self.learning_rate * self.gamma.powi((step / self.step_size) as i32)
    }

    /// Indices of the samples of a step. Each epoch has a new random order of all `n` samples, which depends on the seed and the epoch.
    /// If the samples of an epoch do not fill its last batch, the batch is completed with samples of the next epoch.
    ///
    /// # Panics
    /// If `n` is 0.
    pub fn batch(&self, n: usize, step: usize) -> Vec<usize> {
        let first = step * self.batch_size;
        // Epochs of this batch with their orders.
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

    /// Checks that every setting is in its range and that every layer with multipliers can learn.
    ///
    /// # Errors
    /// [`CnnError::Setting`] with the name of the setting; [`CnnError::UnknownLayer`] for multipliers of a layer that does not exist.
    pub fn check(&self, architecture: &Architecture) -> Result<(), CnnError> {
        let fail =
            |name: String, found: String, expected: &'static str| Err(CnnError::Setting { name, found, expected });
        let finite = |name: String, value: f32, min: f32, expected| {
            if value >= min && value.is_finite() { Ok(()) } else { fail(name, value.to_string(), expected) }
        };
        let global = |name: &str, value, min, expected| finite(name.to_owned(), value, min, expected);
        global("learning_rate", self.learning_rate, f32::MIN_POSITIVE, "a finite number above 0")?;
        global("weight_decay", self.weight_decay, 0.0, "a finite number of at least 0")?;
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
                return fail(
                    format!("layers.{layer}"),
                    "a layer that does not learn".to_owned(),
                    "a convolution or an inner product",
                );
            }
            finite(format!("layers.{layer}.rate"), multipliers.rate, 0.0, "a finite number of at least 0")?;
            finite(format!("layers.{layer}.decay"), multipliers.decay, 0.0, "a finite number of at least 0")?;
        }
        Ok(())
    }
}

/// Random generator for one purpose (0: order, 1: dropout) at one time (epoch or step) of a training.
fn generator(seed: u64, time: u64, purpose: u64) -> Xoshiro256PlusPlus {
    Xoshiro256PlusPlus::seed_from_u64(seed ^ (time << 1 | purpose).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// A network in training. A step depends only on the weights, the velocities and the number of the step. So a training that was
/// stored and resumed takes exactly the same steps.
///
/// ```
/// use std::collections::BTreeMap;
///
/// use fisherlens_cnn::{Device, Network, Parameters, Sgd, Training, networks};
/// use ndarray::{Array4, array};
///
/// let sgd = Sgd {
///     learning_rate: 0.01,
///     momentum: 0.9,
///     weight_decay: 5e-4,
///     gamma: 0.1,
///     step_size: 100,
///     batch_size: 2,
///     layers: BTreeMap::new(),
///     seed: 1,
/// };
/// let architecture = networks::small(2);
/// let weights = Parameters::drawn(&architecture, 1);
/// let mut training = Training::new(Network::new(architecture, &weights, &Device::flex())?, sgd)?;
/// let (images, labels) = (Array4::ones((2, 3, 96, 96)), array![[1_i8, -1], [1, -1]]);
/// let first_loss = training.advance(images.view(), labels.view())?;
/// let second_loss = training.advance(images.view(), labels.view())?;
/// assert!(second_loss < first_loss);
/// # Ok::<(), fisherlens_cnn::CnnError>(())
/// ```
#[derive(Debug)]
pub struct Training {
    network: Network,
    velocities: Network,
    multipliers: Vec<Multipliers>,
    sgd: Sgd,
    step: usize,
}

impl Training {
    /// Starts a training from the weights of a network.
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

    /// Continues a training after `step` steps. `network` and `velocities`: the results of [`Training::network`] and
    /// [`Training::velocities`] at that step.
    ///
    /// # Errors
    /// See [`Training::new`]; [`CnnError::Weights`] if the velocities belong to another network.
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

    /// The network in its current state.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The current velocities v of all weights and biases.
    pub fn velocities(&self) -> Parameters {
        self.velocities.parameters()
    }

    /// Number of steps so far.
    pub fn step(&self) -> usize {
        self.step
    }

    /// Takes one step on a batch of images. `labels` `(images, classes)`: −1, 0 (no loss) or +1.
    ///
    /// Returns the loss before the step: the mean over images of `Σ_c max(0, 1 − y[c]·f[c])`, where y are the labels and f the scores.
    ///
    /// # Errors
    /// [`CnnError::Shape`] if images or labels do not fit the network; [`CnnError::NotFinite`] if the loss is infinite or NaN. Then the
    /// weights do not change.
    pub fn advance(&mut self, images: ArrayView4<'_, f32>, labels: ArrayView2<'_, i8>) -> Result<f32, CnnError> {
        // A copy of the network that records gradients.
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
        let learning = self.network.tensors_mut().zip(self.velocities.tensors_mut());
        for ((layer, tensors), (_, velocity)) in learning {
            let multipliers = self.multipliers[layer];
            let (rate, decay) = (rate * multipliers.rate, weight_decay * multipliers.decay);
            if rate == 0.0 {
                continue;
            }
            let recorded = network.tensors(layer).expect("the copy has the same layers");
            if let Some(gradient) = recorded.weight.grad_remove(&mut gradients) {
                let step = (gradient + tensors.weight.clone() * decay) * rate;
                velocity.weight = velocity.weight.clone() * momentum + step;
                tensors.weight = tensors.weight.clone() - velocity.weight.clone();
            }
            let gradient = recorded.bias.as_ref().and_then(|bias| bias.grad_remove(&mut gradients));
            if let (Some(gradient), Some(bias), Some(velocity)) = (gradient, &mut tensors.bias, &mut velocity.bias) {
                *velocity = velocity.clone() * momentum + gradient * (2.0 * rate);
                *bias = bias.clone() - velocity.clone();
            }
        }
        self.step += 1;
        Ok(value)
    }
}

/// Dropout in training: sets a random share of the values to 0 and divides the others by 1 − share.
fn dropped(ratio: f32, x: Tensor<4>, draws: &mut impl Rng) -> Tensor<4> {
    let shape = x.dims();
    let kept = 1.0 / (1.0 - ratio);
    let mask: Vec<f32> =
        (0..shape.iter().product()).map(|_| if draws.r#gen::<f32>() < ratio { 0.0 } else { kept }).collect();
    let mask: Tensor<4> = Tensor::from_data(TensorData::new(mask, shape), &x.device().inner());
    x * mask.autodiff()
}

/// Hinge loss: the mean over images of the sum over classes of `max(0, 1 − y f)`.
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
    // |y| − y f is 0 for the label 0.
    let losses = activation::relu(tensor(counted) - tensor(signs) * scores);
    Ok(losses.sum() / n_images as f32)
}
