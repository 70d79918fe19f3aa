//! Retraining with several labels an image: sum of hinge losses, stochastic gradient descent as Caffe does it.

use burn::tensor::{Tensor, TensorData, activation};
use ndarray::{ArrayView2, ArrayView4};
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use serde::{Deserialize, Serialize};

use crate::CnnError;
use crate::network::{Network, Tensors, values};
use crate::parameters::Parameters;

/// Stochastic gradient descent with momentum, weight decay and a schedule of steps.
///
/// ```text
/// v ← momentum · v + rate · (∂L/∂w + decay · w)          w ← w − v
/// rate = learning_rate · layer's multiplier · gamma^⌊step / step_size⌋          decay = weight_decay · layer's multiplier
/// ```
/// Biases learn at twice the rate and do not decay, as in Caffe's own networks. The multipliers are 1 but for the new layer's.
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
    /// Multiplier of the rate of the layer that gives the scores, which is new.
    pub new_layer_multiplier: f32,
    /// Multiplier of that layer's weight decay.
    pub new_layer_decay: f32,
    /// Seed of order and dropout.
    pub seed: u64,
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

    fn check(&self) -> Result<(), CnnError> {
        let fail = |name: &'static str, found: String, expected: &'static str| {
            Err(CnnError::Setting { name, found, expected })
        };
        match self {
            Self { learning_rate: rate, .. } if !(*rate > 0.0 && rate.is_finite()) => {
                fail("learning_rate", rate.to_string(), "a finite number above 0")
            }
            Self { momentum, .. } if !(0.0..1.0).contains(momentum) => {
                fail("momentum", momentum.to_string(), "0 <= momentum < 1")
            }
            Self { weight_decay, .. } if !(*weight_decay >= 0.0 && weight_decay.is_finite()) => {
                fail("weight_decay", weight_decay.to_string(), "a finite number of at least 0")
            }
            Self { gamma, .. } if !(*gamma > 0.0 && *gamma <= 1.0) => {
                fail("gamma", gamma.to_string(), "0 < gamma <= 1")
            }
            Self { new_layer_multiplier: multiplier, .. } if !(*multiplier >= 0.0 && multiplier.is_finite()) => {
                fail("new_layer_multiplier", multiplier.to_string(), "a finite number of at least 0")
            }
            Self { new_layer_decay: multiplier, .. } if !(*multiplier >= 0.0 && multiplier.is_finite()) => {
                fail("new_layer_decay", multiplier.to_string(), "a finite number of at least 0")
            }
            Self { step_size: 0, .. } => fail("step_size", "0".to_owned(), "at least 1"),
            Self { batch_size: 0, .. } => fail("batch_size", "0".to_owned(), "at least 1"),
            _ => Ok(()),
        }
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
    multipliers: Vec<f32>,
    sgd: Sgd,
    step: usize,
}

impl Training {
    /// Begins from a network's weights.
    ///
    /// `frozen`: names of layers that keep their weights.
    ///
    /// # Errors
    /// [`CnnError::Setting`]; [`CnnError::UnknownLayer`].
    pub fn new(network: Network, sgd: Sgd, frozen: &[String]) -> Result<Self, CnnError> {
        let velocities = network.map(|tensors| Tensors {
            weight: tensors.weight.zeros_like(),
            bias: tensors.bias.map(|bias| bias.zeros_like()),
        });
        Self::with_velocities(network, velocities, sgd, frozen, 0)
    }

    /// Goes on after `step` steps with what [`Training::network`] and [`Training::velocities`] were then.
    ///
    /// # Errors
    /// See [`Training::new`]; [`CnnError::Weights`] for velocities of another network.
    pub fn resume(
        network: Network,
        velocities: &Parameters,
        step: usize,
        sgd: Sgd,
        frozen: &[String],
    ) -> Result<Self, CnnError> {
        let velocities = Network::new(network.architecture().clone(), velocities, network.device())?;
        Self::with_velocities(network, velocities, sgd, frozen, step)
    }

    fn with_velocities(
        network: Network,
        velocities: Network,
        sgd: Sgd,
        frozen: &[String],
        step: usize,
    ) -> Result<Self, CnnError> {
        sgd.check()?;
        let architecture = network.architecture();
        let mut multipliers = vec![1.0; architecture.layers().len()];
        multipliers[architecture.score_blob() - 1] = sgd.new_layer_multiplier;
        for layer in frozen {
            multipliers[architecture.layer(layer)?] = 0.0;
        }
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
        let Sgd { momentum, weight_decay, new_layer_decay, .. } = self.sgd;
        let new_layer = self.network.architecture().score_blob() - 1;
        let moving = self.network.tensors_mut().zip(self.velocities.tensors_mut());
        for ((layer, tensors), (_, velocity)) in moving {
            let rate = rate * self.multipliers[layer];
            if rate == 0.0 {
                continue;
            }
            let own = network.tensors(layer).expect("the same layers have weights");
            if let Some(gradient) = own.weight.grad_remove(&mut gradients) {
                let decay = if layer == new_layer { weight_decay * new_layer_decay } else { weight_decay };
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
