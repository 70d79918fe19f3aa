//! A network with its weights on a device: scores, and every value on the way.

use burn::tensor::{Device, Tensor, TensorData, activation};
use ndarray::{Array2, Array4, ArrayD, ArrayView4};

use crate::CnnError;
use crate::architecture::Architecture;
use crate::layer::LayerKind;
use crate::operations::{Linear, normalize, pool};
use crate::parameters::{LayerParameters, Parameters};

/// Weights of one layer on a device. An inner product has `(outputs, inputs, 1, 1)`, a PReLU `(1, channels, 1, 1)`.
#[derive(Debug, Clone)]
pub(crate) struct Tensors {
    pub(crate) weight: Tensor<4>,
    pub(crate) bias: Option<Tensor<1>>,
}

/// A network ready to compute.
///
/// Images are `(images, channels, height, width)`, what the network was trained on: for those of the paper blue, green and
/// red from 0 to 255 less the mean ([`crate::Mean`]).
#[derive(Debug, Clone)]
pub struct Network {
    architecture: Architecture,
    tensors: Vec<Option<Tensors>>,
    device: Device,
}

/// All blobs of some images, as [`Network::trace`] leaves them; relevance walks them back.
#[derive(Debug, Clone)]
pub struct Trace {
    pub(crate) blobs: Vec<Tensor<4>>,
    pub(crate) score_blob: usize,
}

impl Network {
    /// Puts weights into an architecture.
    ///
    /// # Errors
    /// [`CnnError::Weights`] with a line for every layer that does not fit.
    pub fn new(architecture: Architecture, parameters: &Parameters, device: &Device) -> Result<Self, CnnError> {
        let fitted = parameters.fitted(&architecture)?;
        let on_device = |name: &str| fitted.get(name).map(|parameters| tensors(parameters, device));
        let tensors = architecture.layers().iter().map(|layer| on_device(&layer.name)).collect();
        Ok(Self { architecture, tensors, device: device.clone() })
    }

    /// Its layers.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// Where it computes.
    pub fn device(&self) -> &Device {
        &self.device
    }

    pub(crate) fn tensors(&self, layer: usize) -> Option<&Tensors> {
        self.tensors[layer].as_ref()
    }

    pub(crate) fn tensors_mut(&mut self) -> impl Iterator<Item = (usize, &mut Tensors)> {
        let tensors = self.tensors.iter_mut().enumerate();
        tensors.filter_map(|(layer, tensors)| tensors.as_mut().map(|tensors| (layer, tensors)))
    }

    /// A copy with other tensors of the same shapes.
    pub(crate) fn map(&self, change: impl Fn(Tensors) -> Tensors) -> Self {
        let tensors = self.tensors.iter().map(|tensors| tensors.clone().map(&change)).collect();
        Self { architecture: self.architecture.clone(), tensors, device: self.device.clone() }
    }

    /// Its weights, back from the device.
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

    /// Scores of images, before any softmax: `(images, classes)`.
    ///
    /// # Errors
    /// [`CnnError::Shape`] where images are not the network's `(channels, height, width)`.
    pub fn scores(&self, images: ArrayView4<'_, f32>) -> Result<Array2<f32>, CnnError> {
        let n_images = images.dim().0;
        let scores = self.forward(self.upload(images)?, self.architecture.score_blob());
        let scores = Array2::from_shape_vec((n_images, self.architecture.n_classes()), values(scores));
        Ok(scores.expect("one score an image and class"))
    }

    /// The blob that a layer makes, for images: `(images, channels, height, width)`.
    ///
    /// # Errors
    /// [`CnnError::Shape`]; [`CnnError::UnknownLayer`].
    pub fn blob(&self, images: ArrayView4<'_, f32>, layer: &str) -> Result<Array4<f32>, CnnError> {
        let blob = self.architecture.layer(layer)? + 1;
        Ok(to_array(self.forward(self.upload(images)?, blob)))
    }

    /// All blobs of images.
    ///
    /// # Errors
    /// [`CnnError::Shape`].
    pub fn trace(&self, images: ArrayView4<'_, f32>) -> Result<Trace, CnnError> {
        let score_blob = self.architecture.score_blob();
        let mut blobs = vec![self.upload(images)?];
        for layer in 0..score_blob {
            let bottoms = self.architecture.bottoms(layer).iter().map(|&blob| blobs[blob].clone()).collect();
            blobs.push(self.layer_forward(layer, bottoms));
        }
        Ok(Trace { blobs, score_blob })
    }

    /// Computes up to a blob, letting go of others as soon as no layer needs them.
    pub(crate) fn forward(&self, images: Tensor<4>, wanted: usize) -> Tensor<4> {
        self.forward_with(images, wanted, &mut |_, x| x)
    }

    /// The same with something done at dropout layers, which are given their share.
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
                value.expect("a blob lives until its last use")
            };
            let mut bottoms: Vec<Tensor<4>> = self.architecture.bottoms(layer).iter().map(take).collect();
            blobs[layer + 1] = Some(match self.architecture.layers()[layer].kind {
                LayerKind::Dropout { ratio } => dropout(ratio, bottoms.remove(0)),
                _ => self.layer_forward(layer, bottoms),
            });
        }
        blobs[wanted].take().expect("the last layer made it")
    }

    fn layer_forward(&self, layer: usize, mut bottoms: Vec<Tensor<4>>) -> Tensor<4> {
        let kind = &self.architecture.layers()[layer].kind;
        if matches!(kind, LayerKind::Concat) {
            return Tensor::cat(bottoms, 1);
        }
        let x = bottoms.pop().expect("every layer stands on a blob");
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
            LayerKind::Concat => unreachable!("answered above"),
        }
    }

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
    /// Scores, `(images, classes)`.
    pub fn scores(&self) -> Array2<f32> {
        let scores = &self.blobs[self.score_blob];
        let [n_images, n_classes, ..] = scores.dims();
        Array2::from_shape_vec((n_images, n_classes), values(scores.clone())).expect("one score an image and class")
    }

    /// How many images.
    pub fn n_images(&self) -> usize {
        self.blobs[0].dims()[0]
    }
}

pub(crate) fn linear(kind: &LayerKind) -> Option<Linear> {
    match kind {
        LayerKind::Convolution { window, n_groups, .. } => {
            Some(Linear::Convolution { window: *window, n_groups: *n_groups })
        }
        LayerKind::InnerProduct { .. } => Some(Linear::InnerProduct),
        _ => None,
    }
}

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
    Array4::from_shape_vec((n, channels, height, width), values(tensor)).expect("as many values as the shape asks for")
}

pub(crate) fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec().expect("the networks compute in f32")
}
