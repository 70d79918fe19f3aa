//! Weights by the names of their layers, outside of any network.

use std::collections::BTreeMap;

use ndarray::{Array1, ArrayD};
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::CnnError;
use crate::architecture::Architecture;
use crate::layer::LayerKind;

/// The weights of one layer.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerParameters {
    /// Convolution `(filters, channels / groups, kernel, kernel)`, inner product `(outputs, inputs)`, PReLU `(channels)`.
    pub weight: ArrayD<f32>,
    /// `(outputs)`; missing where the layer has none.
    pub bias: Option<Array1<f32>>,
}

/// The weights of a network, as a file holds them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Parameters {
    layers: BTreeMap<String, LayerParameters>,
}

impl Parameters {
    /// No weights yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Weights of a fresh network: uniform in ±√(3 / fan-in) ("xavier" of Caffe), biases 0.
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

    /// Adds or replaces a layer's weights.
    pub fn insert(&mut self, layer: &str, parameters: LayerParameters) {
        self.layers.insert(layer.to_owned(), parameters);
    }

    /// A layer's weights.
    pub fn get(&self, layer: &str) -> Option<&LayerParameters> {
        self.layers.get(layer)
    }

    /// All layers in alphabetical order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &LayerParameters)> {
        self.layers.iter().map(|(name, parameters)| (name.as_str(), parameters))
    }

    /// How many layers have weights.
    pub fn len(&self) -> usize {
        self.layers.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.layers.is_empty()
    }

    /// Those of one network brought to its shapes; weights of other layers (auxiliary heads) are left out.
    ///
    /// Axes of length 1 may be missing or be too many, as in old files.
    ///
    /// # Errors
    /// [`CnnError::Weights`] with a line for every layer whose weights are missing, have another shape, or are not finite.
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

    fn fitted_layer(&self, name: &str, shape: &[usize], has_bias: bool) -> Result<LayerParameters, String> {
        let Some(found) = self.get(name) else {
            return Err(format!("{name}: no weights found, expected {shape:?}"));
        };
        let real = |shape: &[usize]| shape.iter().copied().filter(|&side| side != 1).collect::<Vec<_>>();
        // A convolution's kernel, flattened, fits an inner product that stands on its blob.
        let count: usize = shape.iter().product();
        let flattened =
            shape.len() == 2 && found.weight.shape().first() == Some(&shape[0]) && found.weight.len() == count;
        if real(found.weight.shape()) != real(shape) && !flattened {
            return Err(format!("{name}: found weights {:?}, expected {shape:?}", found.weight.shape()));
        }
        let bias = match &found.bias {
            None if has_bias => return Err(format!("{name}: no bias found, expected {} values", shape[0])),
            Some(bias) if has_bias && bias.len() != shape[0] => {
                return Err(format!("{name}: found {} values of bias, expected {}", bias.len(), shape[0]));
            }
            bias => bias.clone().filter(|_| has_bias),
        };
        let values = found.weight.iter().chain(bias.iter().flatten());
        if let Some(value) = values.copied().find(|value| !value.is_finite()) {
            return Err(format!("{name}: found the value {value}, expected finite weights"));
        }
        let weight = found.weight.as_standard_layout().into_owned();
        let weight = weight.into_shape_with_order(shape).expect("as many values as the shape asks for");
        Ok(LayerParameters { weight, bias })
    }
}
