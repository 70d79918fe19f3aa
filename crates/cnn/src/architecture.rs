//! A network as a checked list of layers, without weights.

use serde::{Deserialize, Serialize};

use crate::CnnError;
use crate::layer::{BlobShape, Layer, LayerKind};

/// The name of the blob that holds the images.
pub const DATA: &str = "data";

/// A directed graph of layers in an order in which they can be computed, with the shape of every blob.
///
/// Blob 0 is the input; layer `i` makes blob `i + 1`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Architecture {
    layers: Vec<Layer>,
    bottoms: Vec<Vec<usize>>,
    shapes: Vec<BlobShape>,
}

impl Architecture {
    /// Checks a list of layers on inputs of `(channels, height, width)`.
    ///
    /// # Errors
    /// [`CnnError::Layer`] for a name used twice, a blob that no earlier layer makes, or a layer that does not fit.
    pub fn new(input: BlobShape, layers: Vec<Layer>) -> Result<Self, CnnError> {
        let mut checked = Self { layers: Vec::new(), bottoms: Vec::new(), shapes: vec![input] };
        if input.contains(&0) || layers.is_empty() {
            let fault =
                format!("found an input of {input:?} and {} layers, expected at least one of each", layers.len());
            return Err(CnnError::Layer { layer: DATA.to_owned(), fault });
        }
        for layer in layers {
            checked.push(layer)?;
        }
        Ok(checked)
    }

    fn push(&mut self, layer: Layer) -> Result<(), CnnError> {
        let fail = |fault: String| CnnError::Layer { layer: layer.name.clone(), fault };
        if layer.name == DATA || self.blob(&layer.name).is_some() {
            return Err(fail("the name is taken, expected one of its own".to_owned()));
        }
        let mut bottoms = Vec::new();
        for bottom in &layer.bottoms {
            let blob = self.blob(bottom);
            bottoms.push(blob.ok_or_else(|| fail(format!("no layer before it makes a blob {bottom:?}")))?);
        }
        let inputs: Vec<BlobShape> = bottoms.iter().map(|&blob| self.shapes[blob]).collect();
        let shape = layer.kind.output_shape(&layer.name, &inputs)?;
        self.shapes.push(shape);
        self.bottoms.push(bottoms);
        self.layers.push(layer);
        Ok(())
    }

    fn blob(&self, name: &str) -> Option<usize> {
        if name == DATA {
            return Some(0);
        }
        self.layers.iter().position(|layer| layer.name == name).map(|at| at + 1)
    }

    /// The layers, in order.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// Blobs that a layer works on.
    pub fn bottoms(&self, layer: usize) -> &[usize] {
        &self.bottoms[layer]
    }

    /// `(channels, height, width)` of a blob; 0 is the input, `i + 1` what layer `i` makes.
    pub fn shape(&self, blob: usize) -> BlobShape {
        self.shapes[blob]
    }

    /// Shape of an input.
    pub fn input_shape(&self) -> BlobShape {
        self.shapes[0]
    }

    /// Index of a layer.
    ///
    /// # Errors
    /// [`CnnError::UnknownLayer`].
    pub fn layer(&self, name: &str) -> Result<usize, CnnError> {
        self.layers.iter().position(|layer| layer.name == name).ok_or_else(|| CnnError::UnknownLayer {
            found: name.to_owned(),
            known: self.layers.iter().map(|layer| layer.name.as_str()).collect::<Vec<_>>().join(", "),
        })
    }

    /// The blob of the scores: the last one, or the one before a final softmax.
    pub fn score_blob(&self) -> usize {
        let last = self.layers.len();
        if matches!(self.layers[last - 1].kind, LayerKind::Softmax) { self.bottoms[last - 1][0] } else { last }
    }

    /// How many scores there are.
    pub fn n_classes(&self) -> usize {
        self.shapes[self.score_blob()].iter().product()
    }

    /// Shape of a layer's weights, empty where it has none.
    pub fn weight_shape(&self, layer: usize) -> Vec<usize> {
        self.layers[layer].kind.weight_shape(self.shapes[self.bottoms[layer][0]])
    }

    /// Whether no value of a blob can be below 0: what a ReLU made, and what pools, normalises or joins such blobs.
    pub fn is_nonnegative(&self, blob: usize) -> bool {
        let Some(layer) = blob.checked_sub(1) else { return false };
        match self.layers[layer].kind {
            LayerKind::Relu | LayerKind::Softmax => true,
            LayerKind::Pooling { .. } | LayerKind::Lrn(_) | LayerKind::Dropout { .. } | LayerKind::Concat => {
                self.bottoms[layer].iter().all(|&bottom| self.is_nonnegative(bottom))
            }
            _ => false,
        }
    }

    /// All weights and biases together.
    pub fn n_parameters(&self) -> usize {
        let of_layer = |layer: usize| {
            let shape = self.weight_shape(layer);
            let bias = if self.layers[layer].kind.has_bias() { shape[0] } else { 0 };
            if shape.is_empty() { 0 } else { shape.iter().product::<usize>() + bias }
        };
        (0..self.layers.len()).map(of_layer).sum()
    }

    /// The same network with another number of scores: its last inner product has `n_classes` outputs and the name `name`.
    ///
    /// # Errors
    /// [`CnnError::Layer`] where the scores are not made by an inner product.
    pub fn with_classes(&self, n_classes: usize, name: &str) -> Result<Self, CnnError> {
        let last = self.score_blob() - 1;
        let mut layers = self.layers.clone();
        if !matches!(layers[last].kind, LayerKind::InnerProduct { .. }) {
            let fault = format!("found a {}, expected an inner product to be replaced", layers[last].kind.name());
            return Err(CnnError::Layer { layer: layers[last].name.clone(), fault });
        }
        let before = std::mem::replace(&mut layers[last].name, name.to_owned());
        layers[last].kind = LayerKind::InnerProduct { n_outputs: n_classes };
        for layer in &mut layers {
            layer.bottoms.iter_mut().filter(|bottom| **bottom == before).for_each(|bottom| name.clone_into(bottom));
        }
        Self::new(self.input_shape(), layers)
    }

    /// Cut in two after a layer: the layers up to and with it, and those above, whose input is what it makes.
    ///
    /// # Errors
    /// [`CnnError::UnknownLayer`], and [`CnnError::Layer`] where a layer above also works on a blob from below the cut.
    pub fn split_after(&self, name: &str) -> Result<(Self, Self), CnnError> {
        let cut = self.layer(name)?;
        let mut above = self.layers[cut + 1..].to_vec();
        for (layer, at) in above.iter_mut().zip(cut + 1..) {
            if let Some(&blob) = self.bottoms[at].iter().find(|&&blob| blob < cut + 1) {
                let blob = if blob == 0 { DATA } else { &self.layers[blob - 1].name };
                let fault = format!("works on {blob:?} too, expected a cut that all paths go through");
                return Err(CnnError::Layer { layer: layer.name.clone(), fault });
            }
            layer.bottoms.iter_mut().filter(|bottom| *bottom == name).for_each(|bottom| DATA.clone_into(bottom));
        }
        Ok((Self::new(self.input_shape(), self.layers[..=cut].to_vec())?, Self::new(self.shapes[cut + 1], above)?))
    }
}
