//! Reading and writing weights in the safetensors format.

use std::collections::BTreeMap;

use half::{bf16, f16};
use ndarray::{Array1, ArrayD};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::error::CnnError;
use crate::parameters::{LayerParameters, Parameters};

/// Endings of the names of weights and biases, in ONNX exports of Caffe's networks and in PyTorch.
const ENDINGS: [(&str, &str); 2] = [("_w", "_b"), (".weight", ".bias")];

/// Weights and bias of one layer, as far as they have been read.
type Halves = (Option<ArrayD<f32>>, Option<Array1<f32>>);

/// Reads weights and biases named `LAYER_w` and `LAYER_b`, or `LAYER.weight` and `LAYER.bias`. Values of type f16 and bf16 become f32.
///
/// # Errors
/// [`CnnError::File`] if the file is damaged, a name has another ending, a layer has two weights, two biases or no weights, a bias
/// has more than one axis, or values have another type.
pub fn read_safetensors(bytes: &[u8]) -> Result<Parameters, CnnError> {
    let file = SafeTensors::deserialize(bytes).map_err(|error| fault(error.to_string()))?;
    let mut halves: BTreeMap<String, Halves> = BTreeMap::new();
    for (name, view) in file.iter() {
        // The name without its ending, and whether the tensor is a bias.
        let found = ENDINGS.iter().find_map(|(weight, bias)| {
            let layer = |ending, is_bias| name.strip_suffix(ending).map(|layer| (layer, is_bias));
            layer(*weight, false).or_else(|| layer(*bias, true))
        });
        let (layer, is_bias) = found.ok_or_else(|| {
            fault(format!("tensor {name:?}: the name must be a layer's name followed by _w, _b, .weight or .bias; rename the tensor"))
        })?;
        let values = values(name, &view)?;
        let entry = halves.entry(layer.to_owned()).or_default();
        let is_there = if is_bias { entry.1.is_some() } else { entry.0.is_some() };
        if is_there {
            let part = if is_bias { "bias" } else { "weights" };
            return Err(fault(format!("tensor {name:?}: layer {layer:?} already has {part}, expected one tensor")));
        }
        if is_bias {
            if view.shape().len() != 1 {
                return Err(fault(format!(
                    "tensor {name:?}: found a bias of shape {:?}, expected one axis",
                    view.shape()
                )));
            }
            entry.1 = Some(values.into());
        } else {
            let array = ArrayD::from_shape_vec(view.shape(), values);
            entry.0 = Some(array.map_err(|error| fault(format!("tensor {name:?}: {error}")))?);
        }
    }
    let mut parameters = Parameters::new();
    for (layer, halves) in halves {
        let (Some(weight), bias) = halves else {
            return Err(fault(format!("layer {layer:?} has a bias but no weights")));
        };
        parameters.insert(&layer, LayerParameters { weight, bias });
    }
    Ok(parameters)
}

/// The values of a tensor as f32.
fn values(name: &str, view: &TensorView<'_>) -> Result<Vec<f32>, CnnError> {
    let bytes = view.data();
    match view.dtype() {
        Dtype::F32 => Ok(bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()),
        Dtype::F16 => Ok(bytes.chunks_exact(2).map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32()).collect()),
        Dtype::BF16 => Ok(bytes.chunks_exact(2).map(|b| bf16::from_le_bytes([b[0], b[1]]).to_f32()).collect()),
        other => Err(fault(format!("tensor {name:?}: found values of type {other:?}, expected F32, F16 or BF16"))),
    }
}

/// Writes weights and biases as f32, named `LAYER_w` and `LAYER_b`. Returns the bytes of the file.
///
/// # Errors
/// [`CnnError::File`] if the weights cannot be written in this format.
pub fn write_safetensors(parameters: &Parameters) -> Result<Vec<u8>, CnnError> {
    let bytes =
        |values: &mut dyn Iterator<Item = &f32>| -> Vec<u8> { values.flat_map(|value| value.to_le_bytes()).collect() };
    let mut tensors = Vec::new();
    for (layer, parameters) in parameters.iter() {
        let weight = &parameters.weight;
        tensors.push((format!("{layer}_w"), weight.shape().to_vec(), bytes(&mut weight.iter())));
        if let Some(bias) = &parameters.bias {
            tensors.push((format!("{layer}_b"), vec![bias.len()], bytes(&mut bias.iter())));
        }
    }
    let mut views = Vec::with_capacity(tensors.len());
    for (name, shape, data) in &tensors {
        let view = TensorView::new(Dtype::F32, shape.clone(), data).map_err(|error| fault(error.to_string()))?;
        views.push((name, view));
    }
    safetensors::serialize(views, None).map_err(|error| fault(error.to_string()))
}

fn fault(fault: String) -> CnnError {
    CnnError::File { format: "safetensors", fault }
}
