//! A network with its weights on a device: scores, and the values of all blobs.

use burn::tensor::{Device, Tensor, TensorData, activation};
use ndarray::{Array2, Array4, ArrayD, ArrayView4};

use crate::architecture::Architecture;
use crate::error::CnnError;
use crate::layer::LayerKind;
use crate::operations::{Linear, normalize, pool};
use crate::parameters::{LayerParameters, Parameters};

/// Weights of one layer on a device. The shape is `(outputs, inputs, 1, 1)` for an inner product and `(1, channels, 1, 1)` for a PReLU.
#[derive(Debug, Clone)]
pub(crate) struct Tensors {
    pub(crate) weight: Tensor<4>,
    pub(crate) bias: Option<Tensor<1>>,
}

/// A network with its weights on a device.
///
/// Images are `(images, channels, height, width)`, prepared as in the network's training. The networks of the paper need blue, green
/// and red from 0 to 255, minus the mean ([`Mean`](crate::Mean)).
///
/// ```
/// use fisherlens_cnn::{Device, Network, Parameters, networks};
/// use ndarray::Array4;
///
/// let architecture = networks::small(4);
/// let weights = Parameters::drawn(&architecture, 1);
/// let network = Network::new(architecture, &weights, &Device::flex())?;
/// assert_eq!(network.scores(Array4::ones((2, 3, 96, 96)).view())?.dim(), (2, 4));
/// # Ok::<(), fisherlens_cnn::CnnError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Network {
    architecture: Architecture,
    tensors: Vec<Option<Tensors>>,
    device: Device,
}

/// The values of all blobs for some images, computed by [`Network::trace`]. [`Network::relevance`] needs them.
#[derive(Debug, Clone)]
pub struct Trace {
    pub(crate) blobs: Vec<Tensor<4>>,
    pub(crate) score_blob: usize,
}

impl Network {
    /// A network from an architecture and weights.
    ///
    /// # Errors
    /// [`CnnError::Weights`] with one line per layer whose weights do not fit.
    pub fn new(architecture: Architecture, parameters: &Parameters, device: &Device) -> Result<Self, CnnError> {
        let fitted = parameters.fitted(&architecture)?;
        let on_device = |name: &str| fitted.get(name).map(|parameters| tensors(parameters, device));
        let tensors = architecture.layers().iter().map(|layer| on_device(&layer.name)).collect();
        Ok(Self { architecture, tensors, device: device.clone() })
    }

    /// The layers of the network.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// The device on which the network computes.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Weights of a layer; `None` if it has none.
    pub(crate) fn tensors(&self, layer: usize) -> Option<&Tensors> {
        self.tensors[layer].as_ref()
    }

    /// All layers that have weights, with their indices.
    pub(crate) fn tensors_mut(&mut self) -> impl Iterator<Item = (usize, &mut Tensors)> {
        let tensors = self.tensors.iter_mut().enumerate();
        tensors.filter_map(|(layer, tensors)| tensors.as_mut().map(|tensors| (layer, tensors)))
    }

    /// A copy with changed weights of the same shapes.
    pub(crate) fn map(&self, change: impl Fn(Tensors) -> Tensors) -> Self {
        let tensors = self.tensors.iter().map(|tensors| tensors.clone().map(&change)).collect();
        Self { architecture: self.architecture.clone(), tensors, device: self.device.clone() }
    }

    /// The weights, copied from the device.
    pub fn parameters(&self) -> Parameters {
        let mut parameters = Parameters::new();
        for (index, (layer, tensors)) in self.architecture.layers().iter().zip(&self.tensors).enumerate() {
            if let Some(tensors) = tensors {
                let shape = self.architecture.weight_shape(index);
                let weight = ArrayD::from_shape_vec(shape, values(tensors.weight.clone()));
                let weight = weight.expect("the weights have the layer's shape");
                let bias = tensors.bias.clone().map(|bias| values(bias).into());
                parameters.insert(&layer.name, LayerParameters { weight, bias });
            }
        }
        parameters
    }

    /// Scores of images, before a final softmax: `(images, classes)`.
    ///
    /// # Errors
    /// [`CnnError::Shape`] if the images do not have the network's `(channels, height, width)`.
    pub fn scores(&self, images: ArrayView4<'_, f32>) -> Result<Array2<f32>, CnnError> {
        let n_images = images.dim().0;
        let scores = self.forward(self.upload(images)?, self.architecture.score_blob());
        let scores = Array2::from_shape_vec((n_images, self.architecture.n_classes()), values(scores));
        Ok(scores.expect("one score per image and class"))
    }

    /// Output blob of a layer for images: `(images, channels, height, width)`.
    ///
    /// # Errors
    /// See [`Network::scores`]; [`CnnError::UnknownLayer`] if there is no such layer.
    pub fn blob(&self, images: ArrayView4<'_, f32>, layer: &str) -> Result<Array4<f32>, CnnError> {
        let blob = self.architecture.layer(layer)? + 1;
        Ok(to_array(self.forward(self.upload(images)?, blob)))
    }

    /// All blobs for images, up to the scores.
    ///
    /// # Errors
    /// See [`Network::scores`].
    pub fn trace(&self, images: ArrayView4<'_, f32>) -> Result<Trace, CnnError> {
        let score_blob = self.architecture.score_blob();
        let mut blobs = vec![self.upload(images)?];
        for layer in 0..score_blob {
            let bottoms = self.architecture.bottoms(layer).iter().map(|&blob| blobs[blob].clone()).collect();
            blobs.push(self.layer_forward(layer, bottoms));
        }
        Ok(Trace { blobs, score_blob })
    }

    /// Computes the blob with index `wanted`. Other blobs are freed as soon as no layer needs them.
    pub(crate) fn forward(&self, images: Tensor<4>, wanted: usize) -> Tensor<4> {
        self.forward_with(images, wanted, &mut |_, x| x)
    }

    /// The same, with a function for dropout layers. It gets the share and the input of the layer.
    pub(crate) fn forward_with(
        &self,
        images: Tensor<4>,
        wanted: usize,
        dropout: &mut dyn FnMut(f32, Tensor<4>) -> Tensor<4>,
    ) -> Tensor<4> {
        let mut last_use = vec![0; wanted + 1];
        for layer in 0..wanted {
            self.architecture.bottoms(layer).iter().for_each(|&blob| last_use[blob] = layer);
        }
        let mut blobs: Vec<Option<Tensor<4>>> = vec![None; wanted + 1];
        blobs[0] = Some(images);
        for layer in 0..wanted {
            let take = |&blob: &usize| {
                let value =
                    if last_use[blob] == layer && blob != wanted { blobs[blob].take() } else { blobs[blob].clone() };
                value.expect("a blob is kept until its last use")
            };
            let mut bottoms: Vec<Tensor<4>> = self.architecture.bottoms(layer).iter().map(take).collect();
            blobs[layer + 1] = Some(match self.architecture.layers()[layer].kind {
                LayerKind::Dropout { ratio } => dropout(ratio, bottoms.remove(0)),
                _ => self.layer_forward(layer, bottoms),
            });
        }
        blobs[wanted].take().expect("the last layer has computed it")
    }

    /// Output of one layer from its input blobs.
    fn layer_forward(&self, layer: usize, mut bottoms: Vec<Tensor<4>>) -> Tensor<4> {
        let kind = &self.architecture.layers()[layer].kind;
        if matches!(kind, LayerKind::Concat) {
            return Tensor::cat(bottoms, 1);
        }
        let x = bottoms.pop().expect("every layer has an input");
        match kind {
            LayerKind::Convolution { .. } | LayerKind::InnerProduct { .. } => {
                let tensors = self.tensors[layer].as_ref().expect("a linear layer has weights").clone();
                linear(kind).expect("it is linear").forward(x, tensors.weight, tensors.bias)
            }
            LayerKind::Relu => activation::relu(x),
            LayerKind::PRelu => {
                let slope = self.tensors[layer].as_ref().expect("a PReLU has slopes").weight.clone();
                x.clone().clamp_min(0.0) + x.clamp_max(0.0) * slope
            }
            LayerKind::Pooling { pooling, window } => pool(x, *pooling, *window),
            LayerKind::Lrn(lrn) => normalize(x, lrn),
            LayerKind::Dropout { .. } => x,
            LayerKind::Softmax => activation::softmax(x, 1),
            LayerKind::Concat => unreachable!("handled above"),
        }
    }

    /// Checks the shape of images and copies them to the device.
    pub(crate) fn upload(&self, images: ArrayView4<'_, f32>) -> Result<Tensor<4>, CnnError> {
        let (n_images, channels, height, width) = images.dim();
        let [a, b, c] = self.architecture.input_shape();
        if (channels, height, width) != (a, b, c) || n_images == 0 {
            return Err(CnnError::Shape {
                what: "images",
                found: images.shape().to_vec(),
                expected: vec![n_images.max(1), a, b, c],
            });
        }
        Ok(to_tensor(images, &self.device))
    }
}

impl Trace {
    /// Scores of the images: `(images, classes)`.
    pub fn scores(&self) -> Array2<f32> {
        let scores = &self.blobs[self.score_blob];
        let [n_images, n_classes, ..] = scores.dims();
        Array2::from_shape_vec((n_images, n_classes), values(scores.clone())).expect("one score per image and class")
    }

    /// Number of images.
    pub fn n_images(&self) -> usize {
        self.blobs[0].dims()[0]
    }
}

/// The operation of a layer with weights and bias; `None` for other layers.
pub(crate) fn linear(kind: &LayerKind) -> Option<Linear> {
    match kind {
        LayerKind::Convolution { window, n_groups, .. } => {
            Some(Linear::Convolution { window: *window, n_groups: *n_groups })
        }
        LayerKind::InnerProduct { .. } => Some(Linear::InnerProduct),
        _ => None,
    }
}

/// Copies the weights of one layer to a device, with four axes.
fn tensors(parameters: &LayerParameters, device: &Device) -> Tensors {
    let shape = match *parameters.weight.shape() {
        [outputs, inputs] => [outputs, inputs, 1, 1],
        [outputs, channels, height, width] => [outputs, channels, height, width],
        ref other => [1, other.iter().product(), 1, 1],
    };
    let weight: Vec<f32> = parameters.weight.iter().copied().collect();
    let bias = parameters.bias.as_ref().map(|bias| {
        let n = bias.len();
        Tensor::from_data(TensorData::new(bias.to_vec(), [n]), device)
    });
    Tensors { weight: Tensor::from_data(TensorData::new(weight, shape), device), bias }
}

pub(crate) fn to_tensor(array: ArrayView4<'_, f32>, device: &Device) -> Tensor<4> {
    let (n, channels, height, width) = array.dim();
    Tensor::from_data(
        TensorData::new(array.iter().copied().collect::<Vec<f32>>(), [n, channels, height, width]),
        device,
    )
}

pub(crate) fn to_array(tensor: Tensor<4>) -> Array4<f32> {
    let [n, channels, height, width] = tensor.dims();
    Array4::from_shape_vec((n, channels, height, width), values(tensor)).expect("the shape is the tensor's own")
}

pub(crate) fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec().expect("the networks compute in f32")
}
