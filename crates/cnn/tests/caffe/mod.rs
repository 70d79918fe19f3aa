//! Writes files of Caffe from its message definitions, independently of the reader under test, and has small networks for these files.

#![allow(dead_code, reason = "each test file uses only a part of this module")]

use fisherlens_cnn::{
    Architecture, CnnError, DATA, Layer, LayerKind, LayerParameters, Parameters, Window, read_binaryproto,
    read_caffemodel,
};
use ndarray::Array1;
use prost::Message;

/// `BlobShape`
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Shape {
    #[prost(int64, repeated, tag = "1")]
    pub(crate) dim: Vec<i64>,
}

/// `BlobProto`
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Blob {
    #[prost(int32, optional, tag = "1")]
    pub(crate) num: Option<i32>,
    #[prost(int32, optional, tag = "2")]
    pub(crate) channels: Option<i32>,
    #[prost(int32, optional, tag = "3")]
    pub(crate) height: Option<i32>,
    #[prost(int32, optional, tag = "4")]
    pub(crate) width: Option<i32>,
    #[prost(float, repeated, tag = "5")]
    pub(crate) data: Vec<f32>,
    #[prost(float, repeated, tag = "6")]
    pub(crate) diff: Vec<f32>,
    #[prost(message, optional, tag = "7")]
    pub(crate) shape: Option<Shape>,
    #[prost(double, repeated, tag = "8")]
    pub(crate) double_data: Vec<f64>,
    #[prost(double, repeated, tag = "9")]
    pub(crate) double_diff: Vec<f64>,
}

/// `LayerParameter`
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Current {
    #[prost(string, optional, tag = "1")]
    pub(crate) name: Option<String>,
    #[prost(string, optional, tag = "2")]
    pub(crate) kind: Option<String>,
    #[prost(string, repeated, tag = "3")]
    pub(crate) bottom: Vec<String>,
    #[prost(string, repeated, tag = "4")]
    pub(crate) top: Vec<String>,
    #[prost(float, repeated, packed = "false", tag = "5")]
    pub(crate) loss_weight: Vec<f32>,
    #[prost(message, repeated, tag = "7")]
    pub(crate) blobs: Vec<Blob>,
    #[prost(int32, optional, tag = "10")]
    pub(crate) phase: Option<i32>,
}

/// `V1LayerParameter`
#[derive(Clone, PartialEq, Message)]
pub(crate) struct V1 {
    #[prost(message, optional, tag = "1")]
    pub(crate) layer: Option<V0>,
    #[prost(string, repeated, tag = "2")]
    pub(crate) bottom: Vec<String>,
    #[prost(string, repeated, tag = "3")]
    pub(crate) top: Vec<String>,
    #[prost(string, optional, tag = "4")]
    pub(crate) name: Option<String>,
    #[prost(int32, optional, tag = "5")]
    pub(crate) kind: Option<i32>,
    #[prost(message, repeated, tag = "6")]
    pub(crate) blobs: Vec<Blob>,
    #[prost(float, repeated, packed = "false", tag = "7")]
    pub(crate) blobs_lr: Vec<f32>,
}

/// `V0LayerParameter`
#[derive(Clone, PartialEq, Message)]
pub(crate) struct V0 {
    #[prost(string, optional, tag = "1")]
    pub(crate) name: Option<String>,
    #[prost(string, optional, tag = "2")]
    pub(crate) kind: Option<String>,
    #[prost(uint32, optional, tag = "3")]
    pub(crate) num_output: Option<u32>,
    #[prost(message, repeated, tag = "50")]
    pub(crate) blobs: Vec<Blob>,
}

/// `NetParameter`
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Net {
    #[prost(string, optional, tag = "1")]
    pub(crate) name: Option<String>,
    #[prost(message, repeated, tag = "2")]
    pub(crate) layers: Vec<V1>,
    #[prost(string, repeated, tag = "3")]
    pub(crate) input: Vec<String>,
    #[prost(int32, repeated, packed = "false", tag = "4")]
    pub(crate) input_dim: Vec<i32>,
    #[prost(message, repeated, tag = "100")]
    pub(crate) layer: Vec<Current>,
}

/// The three versions of the format.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Form {
    Current,
    V1,
    V0,
}

pub(crate) const FORMS: [Form; 3] = [Form::Current, Form::V1, Form::V0];

/// A blob of the current version.
pub(crate) fn new_blob(shape: &[usize], values: &[f32]) -> Blob {
    let dim = shape.iter().map(|&side| side as i64).collect();
    Blob { data: values.to_vec(), shape: Some(Shape { dim }), ..Blob::default() }
}

/// A blob of the older versions: always four axes, and the last ones are those of `shape`.
pub(crate) fn old_blob(shape: &[usize], values: &[f32]) -> Blob {
    let mut sides = [1; 4];
    sides[4 - shape.len()..].copy_from_slice(shape);
    let [num, channels, height, width] = sides.map(|side| Some(side as i32));
    Blob { num, channels, height, width, data: values.to_vec(), ..Blob::default() }
}

impl Net {
    /// Adds a layer as Caffe writes it, including fields that a reader of weights does not need.
    pub(crate) fn push(&mut self, form: Form, name: &str, kind: &str, blobs: Vec<Blob>) {
        let (name, kind) = (Some(name.to_owned()), Some(kind.to_owned()));
        let (bottom, top) = (vec!["below".to_owned()], vec!["above".to_owned()]);
        match form {
            Form::Current => {
                self.layer.push(Current {
                    name,
                    kind,
                    bottom,
                    top,
                    loss_weight: vec![1.0, 0.3],
                    blobs,
                    phase: Some(-1),
                });
            }
            Form::V1 => {
                let layer = V1 { name, kind: Some(4), bottom, top, blobs, blobs_lr: vec![1.0, 2.0], layer: None };
                self.layers.push(layer);
            }
            Form::V0 => {
                let layer = Some(V0 { name, kind, num_output: Some(3), blobs });
                self.layers.push(V1 { layer, bottom, top, ..V1::default() });
            }
        }
    }

    /// A network with these weights.
    pub(crate) fn of(form: Form, parameters: &Parameters) -> Self {
        let blob = if form == Form::Current { new_blob } else { old_blob };
        let mut net = Self { name: Some("net".to_owned()), ..Self::default() };
        net.input.push(DATA.to_owned());
        net.input_dim.extend([10, 3, 96, 96]);
        net.push(form, "data", "Data", Vec::new());
        for (name, layer) in parameters.iter() {
            let mut blobs = vec![blob(layer.weight.shape(), layer.weight.as_slice().unwrap())];
            blobs.extend(layer.bias.iter().map(|bias| blob(&[bias.len()], bias.as_slice().unwrap())));
            net.push(form, name, "Convolution", blobs);
            net.push(form, &format!("relu of {name}"), "ReLU", Vec::new());
        }
        net
    }
}

/// The bytes of a network with one layer.
pub(crate) fn of_one(blobs: Vec<Blob>) -> Vec<u8> {
    let mut net = Net::default();
    net.push(Form::Current, "conv1", "Convolution", blobs);
    net.encode_to_vec()
}

/// The error of a `.caffemodel` file.
pub(crate) fn fault(bytes: &[u8]) -> String {
    match read_caffemodel(bytes) {
        Err(CnnError::File { format: "caffemodel", fault }) => fault,
        other => panic!("{other:?}"),
    }
}

/// The error of a mean image.
pub(crate) fn mean_fault(bytes: &[u8]) -> String {
    match read_binaryproto(bytes) {
        Err(CnnError::File { format: "binaryproto", fault }) => fault,
        other => panic!("{other:?}"),
    }
}

/// Name, shape, weights and bias of a layer, as bits.
type Bits = (String, Vec<usize>, Vec<u32>, Option<Vec<u32>>);

/// Compares all weights and biases bit by bit.
pub(crate) fn assert_same_bits(one: &Parameters, other: &Parameters) {
    let bits = |parameters: &Parameters| -> Vec<Bits> {
        let of_layer = |(name, layer): (&str, &LayerParameters)| {
            let bias = layer.bias.as_ref().map(|bias| bias.iter().map(|value| value.to_bits()).collect());
            let weight = layer.weight.iter().map(|value| value.to_bits()).collect();
            (name.to_owned(), layer.weight.shape().to_vec(), weight, bias)
        };
        parameters.iter().map(of_layer).collect()
    };
    assert!(bits(one) == bits(other), "{one:?}\n{other:?}");
}

pub(crate) fn layer(name: &str, below: &str, kind: LayerKind) -> Layer {
    Layer { name: name.to_owned(), kind, bottoms: vec![below.to_owned()] }
}

pub(crate) fn window(kernel: usize, stride: usize) -> Window {
    Window { kernel, stride, padding: 0 }
}

/// A grouped convolution, a PReLU, a 1 × 1 convolution, and an inner product on a blob of more than one pixel.
pub(crate) fn tiny() -> Architecture {
    let layers = vec![
        layer("conv1", DATA, LayerKind::Convolution { n_filters: 6, window: window(2, 1), n_groups: 2 }),
        layer("prelu1", "conv1", LayerKind::PRelu),
        layer("conv2", "prelu1", LayerKind::Convolution { n_filters: 2, window: window(1, 1), n_groups: 1 }),
        layer("fc3", "conv2", LayerKind::InnerProduct { n_outputs: 3 }),
    ];
    Architecture::new([4, 3, 3], layers).unwrap()
}

/// Random weights with biases that are not 0.
pub(crate) fn drawn(architecture: &Architecture) -> Parameters {
    let mut with_bias = Parameters::new();
    for (name, layer) in Parameters::drawn(architecture, 7).iter() {
        let bias = layer.bias.as_ref().map(|bias| Array1::from_shape_fn(bias.len(), |at| at as f32 - 0.7));
        with_bias.insert(name, LayerParameters { weight: layer.weight.clone(), bias });
    }
    with_bias
}

/// A protobuf field with these bytes.
pub(crate) fn within(field: u64, bytes: &[u8]) -> Vec<u8> {
    [claim(field, bytes.len() as u64), bytes.to_vec()].concat()
}

/// The key and the length of a protobuf field, without its bytes.
pub(crate) fn claim(field: u64, length: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    for mut number in [field << 3 | 2, length] {
        while number > 127 {
            bytes.push(number as u8 | 128);
            number >>= 7;
        }
        bytes.push(number as u8);
    }
    bytes
}
