//! The layers of a network, checked, without weights.

use serde::{Deserialize, Serialize};

use crate::error::CnnError;
use crate::layer::{BlobShape, Layer, LayerKind};

/// The name of the blob that contains the images.
pub const DATA: &str = "data";

/// A directed graph of layers, in an order in which they can be computed, with the shape of every blob (the output of a layer).
///
/// Blob 0 is the input; layer `i` computes blob `i + 1`.
///
/// ```
/// use fisherlens_cnn::{Architecture, DATA, Layer, LayerKind};
///
/// let layer = |name: &str, kind, bottom: &str| Layer { name: name.to_owned(), kind, bottoms: vec![bottom.to_owned()] };
/// let layers = vec![
///     layer("fc1", LayerKind::InnerProduct { n_outputs: 5 }, DATA),
///     layer("relu1", LayerKind::Relu, "fc1"),
///     layer("fc2", LayerKind::InnerProduct { n_outputs: 2 }, "relu1"),
/// ];
/// let architecture = Architecture::new([3, 4, 4], layers)?;
/// assert_eq!((architecture.n_classes(), architecture.n_parameters()), (2, 5 * 48 + 5 + 2 * 5 + 2));
/// # Ok::<(), fisherlens_cnn::CnnError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Architecture {
    layers: Vec<Layer>,
    bottoms: Vec<Vec<usize>>,
    shapes: Vec<BlobShape>,
}

impl Architecture {
    /// Checks a list of layers for inputs of `(channels, height, width)`.
    ///
    /// # Errors
    /// [`CnnError::Layer`] for a name that is used twice, a blob that no earlier layer computes, or a layer that does not fit the
    /// shape of its input.
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

    /// Checks one more layer and adds it.
    fn push(&mut self, layer: Layer) -> Result<(), CnnError> {
        let fail = |fault: String| CnnError::Layer { layer: layer.name.clone(), fault };
        if layer.name == DATA || self.blob(&layer.name).is_some() {
            return Err(fail("the name is already used, expected a unique name".to_owned()));
        }
        let mut bottoms = Vec::new();
        for bottom in &layer.bottoms {
            let blob = self.blob(bottom);
            bottoms.push(blob.ok_or_else(|| fail(format!("no earlier layer computes a blob {bottom:?}")))?);
        }
        let inputs: Vec<BlobShape> = bottoms.iter().map(|&blob| self.shapes[blob]).collect();
        let shape = layer.kind.output_shape(&layer.name, &inputs)?;
        self.shapes.push(shape);
        self.bottoms.push(bottoms);
        self.layers.push(layer);
        Ok(())
    }

    /// Index of the blob with this name.
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

    /// Indices of the input blobs of a layer.
    pub fn bottoms(&self, layer: usize) -> &[usize] {
        &self.bottoms[layer]
    }

    /// `(channels, height, width)` of a blob. Blob 0 is the input, blob `i + 1` the output of layer `i`.
    pub fn shape(&self, blob: usize) -> BlobShape {
        self.shapes[blob]
    }

    /// `(channels, height, width)` of an input image.
    pub fn input_shape(&self) -> BlobShape {
        self.shapes[0]
    }

    /// Index of the layer with this name.
    ///
    /// # Errors
    /// [`CnnError::UnknownLayer`] if there is no such layer.
    pub fn layer(&self, name: &str) -> Result<usize, CnnError> {
        self.layers.iter().position(|layer| layer.name == name).ok_or_else(|| CnnError::UnknownLayer {
            found: name.to_owned(),
            known: self.layers.iter().map(|layer| layer.name.as_str()).collect::<Vec<_>>().join(", "),
        })
    }

    /// Index of the blob that contains the scores: the last blob, or the input of a final softmax.
    pub fn score_blob(&self) -> usize {
        let last = self.layers.len();
        if matches!(self.layers[last - 1].kind, LayerKind::Softmax) { self.bottoms[last - 1][0] } else { last }
    }

    /// Number of scores.
    pub fn n_classes(&self) -> usize {
        self.shapes[self.score_blob()].iter().product()
    }

    /// Shape of the weights of a layer; empty if it has none.
    pub fn weight_shape(&self, layer: usize) -> Vec<usize> {
        self.layers[layer].kind.weight_shape(self.shapes[self.bottoms[layer][0]])
    }

    /// Whether no value of a blob can be below 0. This holds for the outputs of ReLU and softmax, and for pooling, normalisation,
    /// dropout and concatenation of such blobs.
    pub(crate) fn is_nonnegative(&self, blob: usize) -> bool {
        let Some(layer) = blob.checked_sub(1) else { return false };
        match self.layers[layer].kind {
            LayerKind::Relu | LayerKind::Softmax => true,
            LayerKind::Pooling { .. } | LayerKind::Lrn(_) | LayerKind::Dropout { .. } | LayerKind::Concat => {
                self.bottoms[layer].iter().all(|&bottom| self.is_nonnegative(bottom))
            }
            _ => false,
        }
    }

    /// Number of weights and biases of all layers.
    pub fn n_parameters(&self) -> usize {
        let n_of_layer = |layer: usize| {
            let shape = self.weight_shape(layer);
            let bias = if self.layers[layer].kind.has_bias() { shape[0] } else { 0 };
            if shape.is_empty() { 0 } else { shape.iter().product::<usize>() + bias }
        };
        (0..self.layers.len()).map(n_of_layer).sum()
    }

    /// The same network with another number of scores: its last inner product gets `n_classes` outputs and the name `name`.
    ///
    /// # Errors
    /// [`CnnError::Layer`] if the scores are not the output of an inner product.
    pub fn with_classes(&self, n_classes: usize, name: &str) -> Result<Self, CnnError> {
        let last = self.score_blob() - 1;
        let mut layers = self.layers.clone();
        if !matches!(layers[last].kind, LayerKind::InnerProduct { .. }) {
            let fault =
                format!("found the type {}, expected an inner product that can be replaced", layers[last].kind.name());
            return Err(CnnError::Layer { layer: layers[last].name.clone(), fault });
        }
        let old_name = std::mem::replace(&mut layers[last].name, name.to_owned());
        layers[last].kind = LayerKind::InnerProduct { n_outputs: n_classes };
        for layer in &mut layers {
            layer.bottoms.iter_mut().filter(|bottom| **bottom == old_name).for_each(|bottom| name.clone_into(bottom));
        }
        Self::new(self.input_shape(), layers)
    }

    /// Splits the network after a layer. The first part ends with this layer; the input of the second part is its output.
    ///
    /// # Errors
    /// [`CnnError::UnknownLayer`] if there is no such layer; [`CnnError::Layer`] if a layer of the second part also uses another blob of
    /// the first part.
    pub fn split_after(&self, name: &str) -> Result<(Self, Self), CnnError> {
        let cut = self.layer(name)?;
        let mut above = self.layers[cut + 1..].to_vec();
        for (layer, at) in above.iter_mut().zip(cut + 1..) {
            if let Some(&blob) = self.bottoms[at].iter().find(|&&blob| blob < cut + 1) {
                let blob = if blob == 0 { DATA } else { &self.layers[blob - 1].name };
                let fault = format!("also uses {blob:?}, expected a split after a layer that all paths go through");
                return Err(CnnError::Layer { layer: layer.name.clone(), fault });
            }
            layer.bottoms.iter_mut().filter(|bottom| *bottom == name).for_each(|bottom| DATA.clone_into(bottom));
        }
        Ok((Self::new(self.input_shape(), self.layers[..=cut].to_vec())?, Self::new(self.shapes[cut + 1], above)?))
    }
}
