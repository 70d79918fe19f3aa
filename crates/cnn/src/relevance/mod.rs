//! Layer-wise relevance propagation through a network, from the scores to the pixels.

mod composite;
mod conservation;
mod normalization;
mod parts;
pub(crate) mod rule;
#[cfg(test)]
mod twin_tests;

pub use composite::{Composite, LayerRule, PRESETS, Selector};
pub use conservation::{Absorbed, LayerConservation};
pub use rule::{PixelRange, Rule};

use burn::tensor::{Tensor, TensorData};
use ndarray::Array5;

use crate::error::CnnError;
use crate::layer::{LayerKind, Pooling, Window};
use crate::network::{Network, Trace, linear, values};
use crate::operations::{pool, spread, to_largest};
use crate::relevance::normalization::taylor;
use crate::relevance::parts::{LinearLayer, stabilized, tiled, total};
use crate::relevance::rule::STABILIZER;

/// The classes whose scores are explained. The score of a target is its own relevance at the start; all other scores have relevance 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Targets {
    /// For each image, the class with the highest score.
    Best,
    /// For every image, each of these classes separately.
    Classes(Vec<usize>),
    /// One class per image.
    Each(Vec<usize>),
}

/// Relevance of the pixels, and optionally the sums of relevance at each layer.
#[derive(Debug, Clone, PartialEq)]
pub struct Relevance {
    /// `(targets, images, channels, height, width)`. There is one target for [`Targets::Best`] and [`Targets::Each`].
    pub pixels: Array5<f32>,
    /// One entry per layer, from the scores to the pixels; empty with [`Bookkeeping::Off`].
    pub conservation: Vec<LayerConservation>,
}

/// Whether the sums of relevance at each layer are computed. This takes some more time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bookkeeping {
    /// They are not computed.
    Off,
    /// They are computed.
    On,
}

impl Network {
    /// Propagates relevance from the scores to the pixels by the rules of a composite.
    ///
    /// # Errors
    /// [`CnnError::NoRule`] and [`CnnError::RuleOfLayer`] before anything is computed; [`CnnError::Class`] for a class that the network
    /// does not have; [`CnnError::Shape`] if [`Targets::Each`] does not have one class per image.
    ///
    /// ```
    /// use fisherlens_cnn::{
    ///     Bookkeeping, Composite, Device, IMAGENET_MEAN, Mean, Network, Parameters, Targets, networks,
    /// };
    /// use ndarray::Array4;
    ///
    /// let architecture = networks::small(4);
    /// let weights = Parameters::drawn(&architecture, 1);
    /// let network = Network::new(architecture, &weights, &Device::flex())?;
    /// let trace = network.trace(Array4::ones((2, 3, 96, 96)).view())?;
    /// let composite = Composite::parse("alpha2-beta1", &Mean::Channels(IMAGENET_MEAN).pixel_range())?;
    /// let relevance = network.relevance(&trace, &composite, &Targets::Classes(vec![0, 3]), Bookkeeping::Off)?;
    /// assert_eq!(relevance.pixels.dim(), (2, 2, 3, 96, 96));
    /// # Ok::<(), fisherlens_cnn::CnnError>(())
    /// ```
    pub fn relevance(
        &self,
        trace: &Trace,
        composite: &Composite,
        targets: &Targets,
        bookkeeping: Bookkeeping,
    ) -> Result<Relevance, CnnError> {
        let architecture = self.architecture();
        let n_layers = architecture.score_blob();
        let rules: Vec<Option<&LayerRule>> =
            (0..n_layers).map(|layer| composite.rule_of(architecture, layer)).collect::<Result<_, _>>()?;
        let start = self.start(trace, targets)?;
        let n_targets = start.dims()[0] / trace.n_images();
        let mut relevance: Vec<Option<Tensor<4>>> = vec![None; n_layers + 1];
        relevance[n_layers] = Some(start);
        let mut conservation = Vec::new();
        for layer in (0..n_layers).rev() {
            // A blob that no score depends on has no relevance.
            let Some(arrived) = relevance[layer + 1].take() else { continue };
            let mut absorbed = (bookkeeping == Bookkeeping::On).then(Absorbed::default);
            let sum = absorbed.map(|_| total(arrived.clone()));
            let passed = self.layer_relevance(trace, layer, rules[layer], arrived, absorbed.as_mut());
            if let (Some(absorbed), Some(arrived)) = (absorbed, sum) {
                conservation.push(LayerConservation {
                    layer: architecture.layers()[layer].name.clone(),
                    kind: architecture.layers()[layer].kind.name(),
                    rule: rules[layer].map_or_else(String::new, ToString::to_string),
                    arrived,
                    passed_on: passed.iter().map(|passed| total(passed.clone())).sum(),
                    absorbed,
                });
            }
            for (&blob, passed) in architecture.bottoms(layer).iter().zip(passed) {
                // The relevance of a blob that several layers use is the sum over these layers.
                relevance[blob] = Some(match relevance[blob].take() {
                    Some(others) => others + passed,
                    None => passed,
                });
            }
        }
        let [channels, height, width] = architecture.input_shape();
        let shape = (n_targets, trace.n_images(), channels, height, width);
        let pixels = relevance[0]
            .take()
            .map_or_else(|| vec![0.0; n_targets * trace.blobs[0].dims().iter().product::<usize>()], values);
        let pixels = Array5::from_shape_vec(shape, pixels).expect("one relevance per target and pixel");
        Ok(Relevance { pixels, conservation })
    }

    /// Relevance of the scores, `(targets · images, …)`.
    fn start(&self, trace: &Trace, targets: &Targets) -> Result<Tensor<4>, CnnError> {
        let scores = trace.scores();
        let (n_images, n_classes) = scores.dim();
        let by_target: Vec<Vec<usize>> = match targets {
            Targets::Best => vec![scores.rows().into_iter().map(|row| best(row.iter().copied())).collect()],
            Targets::Classes(classes) => classes.iter().map(|&class| vec![class; n_images]).collect(),
            Targets::Each(classes) => vec![classes.clone()],
        };
        let mut start = vec![0.0; by_target.len() * n_images * n_classes];
        for (target, classes) in by_target.iter().enumerate() {
            if classes.len() != n_images {
                let (found, expected) = (vec![classes.len()], vec![n_images]);
                return Err(CnnError::Shape { what: "classes to explain", found, expected });
            }
            for (image, &class) in classes.iter().enumerate() {
                let score = scores.get((image, class)).ok_or(CnnError::Class { found: class, n_classes })?;
                start[(target * n_images + image) * n_classes + class] = *score;
            }
        }
        let [channels, height, width] = self.architecture().shape(trace.score_blob);
        let shape = [by_target.len() * n_images, channels, height, width];
        Ok(Tensor::from_data(TensorData::new(start, shape), self.device()))
    }

    /// Relevance of each input blob of a layer.
    fn layer_relevance(
        &self,
        trace: &Trace,
        layer: usize,
        rule: Option<&LayerRule>,
        arrived: Tensor<4>,
        absorbed: Option<&mut Absorbed>,
    ) -> Vec<Tensor<4>> {
        let architecture = self.architecture();
        let bottoms = architecture.bottoms(layer);
        let x = &trace.blobs[bottoms[0]];
        let kind = &architecture.layers()[layer].kind;
        vec![match (kind, rule) {
            (LayerKind::Convolution { .. } | LayerKind::InnerProduct { .. }, Some(LayerRule::Linear(rule))) => {
                let layer = LinearLayer {
                    operation: linear(kind).expect("it is linear"),
                    tensors: self.tensors(layer).expect("a linear layer has weights"),
                    x: x.clone(),
                    is_nonnegative: architecture.is_nonnegative(bottoms[0]),
                    z: trace.blobs[layer + 1].clone(),
                };
                layer.distribute(rule, &arrived, absorbed)
            }
            (LayerKind::Pooling { pooling: Pooling::Max, window }, Some(LayerRule::Winner)) => {
                to_largest(x.clone(), arrived, *window)
            }
            (LayerKind::Pooling { window, .. }, _) => proportionally(x, arrived, *window, absorbed),
            (LayerKind::Lrn(lrn), Some(LayerRule::Taylor)) => taylor(x, lrn, arrived, absorbed),
            (LayerKind::Concat, _) => {
                // Each input gets the relevance of its channels.
                let mut end = 0;
                let channels_of = |&blob: &usize| {
                    let n_channels = architecture.shape(blob)[0];
                    end += n_channels;
                    arrived.clone().narrow(1, end - n_channels, n_channels)
                };
                return bottoms.iter().map(channels_of).collect();
            }
            _ => arrived,
        }]
    }
}

/// Pooling: each window distributes its relevance in proportion to its inputs.
fn proportionally(x: &Tensor<4>, arrived: Tensor<4>, window: Window, absorbed: Option<&mut Absorbed>) -> Tensor<4> {
    let n_targets = arrived.dims()[0] / x.dims()[0];
    let z = pool(x.clone(), Pooling::Average, window);
    let denominator = stabilized(z.clone(), STABILIZER);
    let s = arrived / tiled(denominator.clone(), n_targets);
    if let Some(absorbed) = absorbed {
        absorbed.stabilizer += total(s.clone() * tiled(denominator - z, n_targets));
    }
    let x = tiled(x.clone(), n_targets);
    spread(x.clone(), s, window) * x
}

/// Index of the highest score, the first one if several are equal.
fn best(scores: impl Iterator<Item = f32>) -> usize {
    scores
        .enumerate()
        .fold((0, f32::NEG_INFINITY), |best, (at, score)| if score > best.1 { (at, score) } else { best })
        .0
}
