//! The weights of a network by the names of its layers, as they are stored in files.

use std::collections::BTreeMap;

use ndarray::{Array1, ArrayD};
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::architecture::Architecture;
use crate::error::CnnError;
use crate::layer::LayerKind;

/// The weights of one layer.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerParameters {
    /// The weights: `(filters, channels / groups, kernel, kernel)` for a convolution, `(outputs, inputs)` for an inner product,
    /// `(channels)` for a PReLU.
    pub weight: ArrayD<f32>,
    /// The bias `(outputs)`; `None` if the layer has no bias.
    pub bias: Option<Array1<f32>>,
}

/// The weights of a network by the names of its layers.
///
/// ```
/// use fisherlens_cnn::{Parameters, networks, read_safetensors, write_safetensors};
///
/// let weights = Parameters::drawn(&networks::small(4), 1);
/// assert_eq!(weights.get("fc5").unwrap().weight.shape(), [4, 80]);
/// assert_eq!(read_safetensors(&write_safetensors(&weights)?)?, weights);
/// # Ok::<(), fisherlens_cnn::CnnError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Parameters {
    layers: BTreeMap<String, LayerParameters>,
}

impl Parameters {
    /// No weights.
    pub fn new() -> Self {
        Self::default()
    }

    /// Random weights for a new network: uniform in ±√(3 / fan-in) ("xavier" in Caffe). Biases are 0, slopes of PReLU 0.25.
    pub fn drawn(architecture: &Architecture, seed: u64) -> Self {
        let mut generator = Xoshiro256PlusPlus::seed_from_u64(seed);
        let mut drawn = Self::new();
        for (index, layer) in architecture.layers().iter().enumerate() {
            let shape = architecture.weight_shape(index);
            if shape.is_empty() {
                continue;
            }
            let fan_in: usize = shape[1..].iter().product();
            let bound = (3.0 / fan_in as f32).sqrt();
            let weight = match layer.kind {
                LayerKind::PRelu => ArrayD::from_elem(shape.clone(), 0.25),
                _ => ArrayD::from_shape_simple_fn(shape.clone(), || generator.gen_range(-bound..=bound)),
            };
            let bias = layer.kind.has_bias().then(|| Array1::zeros(shape[0]));
            drawn.insert(&layer.name, LayerParameters { weight, bias });
        }
        drawn
    }

    /// Adds or replaces the weights of a layer.
    pub fn insert(&mut self, layer: &str, parameters: LayerParameters) {
        self.layers.insert(layer.to_owned(), parameters);
    }

    /// The weights of a layer.
    pub fn get(&self, layer: &str) -> Option<&LayerParameters> {
        self.layers.get(layer)
    }

    /// All layers that have weights, in alphabetical order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &LayerParameters)> {
        self.layers.iter().map(|(name, parameters)| (name.as_str(), parameters))
    }

    /// Number of layers that have weights.
    pub fn len(&self) -> usize {
        self.layers.len()
    }

    /// Whether there are no weights.
    pub fn is_empty(&self) -> bool {
        self.layers.is_empty()
    }

    /// The weights that a network needs, in its shapes. Weights of other layers, such as auxiliary heads, are left out.
    ///
    /// Axes of length 1 may be missing or additional, as in older files. The weights of an inner product may have the shape of a
    /// convolution that covers its whole input.
    ///
    /// # Errors
    /// [`CnnError::Weights`] with one line per layer whose weights are missing, have another shape, or are not finite.
    pub fn fitted(&self, architecture: &Architecture) -> Result<Self, CnnError> {
        let (mut fitted, mut mismatches) = (Self::new(), Vec::new());
        for (index, layer) in architecture.layers().iter().enumerate() {
            let shape = architecture.weight_shape(index);
            if shape.is_empty() {
                continue;
            }
            match self.fitted_layer(&layer.name, &shape, layer.kind.has_bias()) {
                Ok(parameters) => fitted.insert(&layer.name, parameters),
                Err(mismatch) => mismatches.push(mismatch),
            }
        }
        if mismatches.is_empty() { Ok(fitted) } else { Err(CnnError::Weights { mismatches }) }
    }

    /// The layers with weights that a network does not have. [`Parameters::fitted`] passes over them, as Caffe does.
    pub fn unused<'a>(&'a self, architecture: &Architecture) -> Vec<&'a str> {
        let names = self.layers.keys().map(String::as_str);
        names.filter(|name| architecture.layers().iter().all(|layer| layer.name != **name)).collect()
    }

    /// The layer of these weights that takes the place of a network's last layer if the network was trained again on `n_classes` classes:
    /// the last layer itself, or else the only other layer with as many inputs and with `n_classes` outputs, whatever its name is. `None` if
    /// there is no such layer, or several.
    pub fn last_layer(&self, architecture: &Architecture, n_classes: usize) -> Option<&str> {
        let last = architecture.score_blob().checked_sub(1)?;
        let &[_, n_inputs] = architecture.weight_shape(last).as_slice() else { return None };
        let fits = |name: &&str| {
            let weight = self.layers.get(*name).map(|layer| &layer.weight);
            weight.is_some_and(|weight| weight.len() == n_classes * n_inputs && weight.shape().contains(&n_classes))
        };
        let own = architecture.layers()[last].name.as_str();
        if let Some((name, _)) = self.layers.get_key_value(own).filter(|_| fits(&own)) {
            return Some(name);
        }
        let mut others = self.unused(architecture).into_iter().filter(fits);
        others.next().filter(|_| others.next().is_none())
    }

    fn fitted_layer(&self, name: &str, shape: &[usize], has_bias: bool) -> Result<LayerParameters, String> {
        let Some(found) = self.get(name) else {
            return Err(format!("{name}: found no weights, expected {shape:?}"));
        };
        let without_ones = |shape: &[usize]| shape.iter().copied().filter(|&side| side != 1).collect::<Vec<_>>();
        // An inner product also accepts the kernel of a convolution, flattened.
        let count: usize = shape.iter().product();
        let flattened =
            shape.len() == 2 && found.weight.shape().first() == Some(&shape[0]) && found.weight.len() == count;
        if without_ones(found.weight.shape()) != without_ones(shape) && !flattened {
            return Err(format!("{name}: found weights of shape {:?}, expected {shape:?}", found.weight.shape()));
        }
        let bias = match &found.bias {
            None if has_bias => return Err(format!("{name}: found no bias, expected {} values", shape[0])),
            Some(bias) if has_bias && bias.len() != shape[0] => {
                return Err(format!("{name}: found a bias of {} values, expected {}", bias.len(), shape[0]));
            }
            bias => bias.clone().filter(|_| has_bias),
        };
        let values = found.weight.iter().chain(bias.iter().flatten());
        if let Some(value) = values.copied().find(|value| !value.is_finite()) {
            return Err(format!("{name}: found the value {value}, expected finite values"));
        }
        let weight = found.weight.as_standard_layout().into_owned();
        let weight = weight.into_shape_with_order(shape).expect("the number of values was checked above");
        Ok(LayerParameters { weight, bias })
    }
}
