//! Weights and mean images from the protobuf files of Caffe.
//!
//! Layers and blobs are decoded one at a time directly from the bytes of the file. A decoded list of messages would take too much
//! memory: for empty messages fifty times the size of the file. Single blobs are decoded by prost. Prost does not allocate memory
//! because of a length in the file alone, so the memory is proportional to the bytes that are really there.

use ndarray::{Array1, Array3, ArrayD, Axis, Ix3};
use prost::Message;

use crate::error::CnnError;
use crate::parameters::{LayerParameters, Parameters};

/// Caffe's limit for the axes of a blob, `kMaxBlobAxes`.
const MAX_AXES: usize = 32;

/// A side of a shape takes at most this many bytes in protobuf: a key of one byte and a number of at most ten.
const MAX_SIDE_BYTES: usize = 11;

/// Far more layers than any network has, and few enough that their names and shapes need little memory.
const MAX_LAYERS: usize = 1 << 14;

/// Numbers of the fields of a `NetParameter` that contain layers.
const NET_LAYERS: usize = 2;
const NET_LAYER: usize = 100;

/// Numbers of the fields that are read from a layer. They depend on the version of the format.
struct LayerForm {
    name: usize,
    /// The type: a text, or in V1 a number.
    kind: usize,
    blobs: usize,
    /// A layer in the version before. If it is there, it contains everything else.
    older: Option<usize>,
}

/// `LayerParameter`, in use since 2014.
const CURRENT: LayerForm = LayerForm { name: 1, kind: 2, blobs: 7, older: None };
/// `V1LayerParameter`, in the files of the networks of 2014.
const V1: LayerForm = LayerForm { name: 4, kind: 5, blobs: 6, older: Some(1) };
/// `V0LayerParameter`, always inside a `V1LayerParameter`.
const V0: LayerForm = LayerForm { name: 1, kind: 2, blobs: 50, older: None };

/// Reads the weights of a `.caffemodel` file, a binary `NetParameter`. The current version (`layer`) and both older versions
/// (`layers`) are supported.
///
/// The first blob of a layer becomes its weights, in the shape of the file. If there are two, the second becomes its bias, with one axis;
/// of a layer with more blobs, as a batch normalisation has, only the first is kept. Shapes in
/// older files always have four axes, such as `(1, 1, outputs, inputs)`; [`Parameters::fitted`] accepts them. Layers without blobs
/// are skipped. Weights of auxiliary heads are read too; [`Parameters::fitted`] leaves them out.
///
/// # Errors
/// [`CnnError::File`] in these cases:
/// - the bytes are not protobuf or are cut off;
/// - the file has no weights;
/// - a layer with blobs has no name, or a name that another layer with weights has;
/// - the shape of a blob is missing, has a side below 1 or more than 32 axes, or does not fit the number of values;
/// - a bias has more than one side above 1.
///
/// # References
/// `caffe.proto`, `Blob::FromProto` and `upgrade_proto.cpp` of Caffe (`jia2014`).
pub fn read_caffemodel(bytes: &[u8]) -> Result<Parameters, CnnError> {
    read_net(bytes).map_err(|fault| CnnError::File { format: "caffemodel", fault })
}

/// Reads a mean image, a binary `BlobProto`. Returns `(channels, height, width)`, with channels in the order blue, green, red.
///
/// The first axis of the older shape `(1, channels, height, width)` is removed.
///
/// # Errors
/// [`CnnError::File`] if the bytes are not protobuf or are cut off, if the shape is not the shape of an image or does not fit the
/// number of values, or if a value is infinite or NaN.
///
/// # References
/// `caffe.proto` and `compute_image_mean.cpp` of Caffe (`jia2014`).
pub fn read_binaryproto(bytes: &[u8]) -> Result<Array3<f32>, CnnError> {
    read_mean(bytes).map_err(|fault| CnnError::File { format: "binaryproto", fault })
}

fn read_net(bytes: &[u8]) -> Result<Parameters, String> {
    let (mut parameters, mut n_layers) = (Parameters::new(), 0);
    for field in Fields::of(bytes) {
        let field =
            field.map_err(|fault| format!("the file is not protobuf ({fault}), expected a binary NetParameter"))?;
        let (layer, form) = match field {
            (NET_LAYERS, Value::Bytes(layer)) => (layer, &V1),
            (NET_LAYER, Value::Bytes(layer)) => (layer, &CURRENT),
            (NET_LAYERS | NET_LAYER, _) => {
                return Err(format!("found a number in field {}, expected a layer of a NetParameter", field.0));
            }
            _ => continue,
        };
        n_layers += 1;
        let read = read_layer(layer, form).map_err(|fault| format!("layer {n_layers}: {fault}"))?;
        let Some((name, layer)) = read else { continue };
        if parameters.get(name).is_some() {
            return Err(format!("layer {n_layers}: found a second layer {name:?} with weights, expected unique names"));
        }
        if parameters.len() == MAX_LAYERS {
            return Err(format!("found more than {MAX_LAYERS} layers with weights, expected fewer"));
        }
        parameters.insert(name, layer);
    }
    if parameters.is_empty() {
        return Err(format!("found {n_layers} layers, all without weights, expected a trained network"));
    }
    Ok(parameters)
}

/// Name and weights of a layer; `None` if it has no weights.
fn read_layer<'a>(message: &'a [u8], form: &LayerForm) -> Result<Option<(&'a str, LayerParameters)>, String> {
    let (mut name, mut kind, mut blobs, mut n_blobs) = ("", "no type".to_owned(), [None; 2], 0);
    for field in Fields::of(message) {
        let (field, value) = field?;
        match value {
            Value::Bytes(older) if Some(field) == form.older => return read_layer(older, &V0),
            Value::Bytes(text) if field == form.name => {
                name = str::from_utf8(text).map_err(|_| "found a name that is not UTF-8".to_owned())?;
            }
            Value::Bytes(text) if field == form.kind => kind = String::from_utf8_lossy(text).into_owned(),
            Value::Number(number) if field == form.kind => kind = format!("type {number}"),
            Value::Bytes(blob) if field == form.blobs => {
                // Further blobs are only counted.
                if let Some(entry) = blobs.get_mut(n_blobs) {
                    *entry = Some(blob);
                }
                n_blobs += 1;
            }
            _ if field == form.name || field == form.blobs => {
                return Err(format!("found a number in field {field}, expected a name or a blob"));
            }
            _ => {}
        }
    }
    let in_layer = |fault: String| format!("{name:?} ({kind}): {fault}");
    let read = |blob: Option<&[u8]>, part: &str| {
        blob.map(read_blob).transpose().map_err(|fault| in_layer(format!("{part}: {fault}")))
    };
    let Some(weight) = read(blobs[0], "weights")? else { return Ok(None) };
    if name.is_empty() {
        return Err("found weights without a name, expected the name of their layer".to_owned());
    }
    // The second of three or more blobs, as a batch normalisation has, is no bias. No known network needs such a layer.
    let second = blobs[1].filter(|_| n_blobs == blobs.len());
    let bias = read(second, "bias")?.map(flat).transpose().map_err(in_layer)?;
    Ok(Some((name, LayerParameters { weight, bias })))
}

/// The bias with one axis. Older files have the shape `(1, 1, 1, outputs)`.
fn flat(bias: ArrayD<f32>) -> Result<Array1<f32>, String> {
    let n_outputs = bias.len();
    if !bias.shape().contains(&n_outputs) {
        return Err(format!("found a bias of shape {:?}, expected at most one side above 1", bias.shape()));
    }
    Ok(bias.into_shape_with_order(n_outputs).expect("a new array is contiguous"))
}

fn read_mean(bytes: &[u8]) -> Result<Array3<f32>, String> {
    let mut mean = read_blob(bytes)?;
    while mean.ndim() > 3 && mean.shape()[0] == 1 {
        mean.index_axis_inplace(Axis(0), 0);
    }
    let shape = mean.shape().to_vec();
    let mean = mean
        .into_dimensionality::<Ix3>()
        .map_err(|_| format!("found shape {shape:?}, expected channels, height and width"))?;
    match mean.iter().find(|value| !value.is_finite()) {
        Some(value) => Err(format!("found the value {value}, expected finite values")),
        None => Ok(mean),
    }
}

#[derive(Clone, PartialEq, Message)]
struct BlobProto {
    #[prost(int64, optional, tag = "1")]
    num: Option<i64>,
    #[prost(int64, optional, tag = "2")]
    channels: Option<i64>,
    #[prost(int64, optional, tag = "3")]
    height: Option<i64>,
    #[prost(int64, optional, tag = "4")]
    width: Option<i64>,
    #[prost(float, repeated, tag = "5")]
    data: Vec<f32>,
    /// A `BlobShape`. It is decoded only after its length has been checked, because a side of one byte takes eight bytes in memory.
    #[prost(bytes = "vec", optional, tag = "7")]
    shape: Option<Vec<u8>>,
    #[prost(double, repeated, tag = "8")]
    double_data: Vec<f64>,
}

#[derive(Clone, PartialEq, Message)]
struct BlobShape {
    #[prost(int64, repeated, tag = "1")]
    dim: Vec<i64>,
}

fn read_blob(message: &[u8]) -> Result<ArrayD<f32>, String> {
    let blob = BlobProto::decode(message).map_err(|error| format!("the bytes are not a BlobProto: {error}"))?;
    let shape = blob.checked_shape()?;
    let values = blob.values();
    let expected = shape.iter().try_fold(1_usize, |product, &side| product.checked_mul(side));
    if expected != Some(values.len()) {
        return Err(format!("found {} values, expected as many as in the shape {shape:?}", values.len()));
    }
    Ok(ArrayD::from_shape_vec(shape, values).expect("the number of values was checked above"))
}

impl BlobProto {
    /// The shape as Caffe reads it. If one of the four older fields is there, they are used instead of `shape`, and missing ones
    /// count as 0.
    fn checked_shape(&self) -> Result<Vec<usize>, String> {
        let old = [self.num, self.channels, self.height, self.width];
        let sides = match &self.shape {
            _ if old.iter().any(Option::is_some) => old.map(Option::unwrap_or_default).to_vec(),
            Some(shape) if shape.len() <= MAX_AXES * MAX_SIDE_BYTES => {
                let shape = BlobShape::decode(shape.as_slice());
                shape.map_err(|error| format!("the shape is not a BlobShape: {error}"))?.dim
            }
            Some(shape) => {
                return Err(format!("found a shape of {} bytes, expected at most {MAX_AXES} axes", shape.len()));
            }
            None => return Err("found no shape, expected a BlobShape or num, channels, height and width".to_owned()),
        };
        if sides.len() > MAX_AXES {
            return Err(format!("found {} axes, expected at most {MAX_AXES}", sides.len()));
        }
        let shape = sides.iter().map(|&side| usize::try_from(side).ok().filter(|&side| side > 0));
        let shape = shape.collect::<Option<Vec<usize>>>();
        let shape = shape.ok_or_else(|| format!("found shape {sides:?}, expected sides of at least 1"))?;
        // In Caffe a shape without sides is a single value.
        Ok(if shape.is_empty() { vec![1] } else { shape })
    }

    /// The values as `f32`, from whichever field has them.
    fn values(self) -> Vec<f32> {
        if !self.double_data.is_empty() {
            return self.double_data.iter().map(|&value| value as f32).collect();
        }
        // A vector that grew by single values can have up to twice the capacity that it needs.
        let mut values = self.data;
        values.shrink_to_fit();
        values
    }
}

/// Iterator over the fields of a protobuf message, in the order of the file: field number and value.
struct Fields<'a> {
    /// Length of the whole message, for the positions in error messages.
    length: usize,
    rest: &'a [u8],
}

/// The value of a field, as far as it can be known without the message definition.
enum Value<'a> {
    /// A message, a text or packed numbers.
    Bytes(&'a [u8]),
    /// An integer.
    Number(usize),
    /// A float or a double.
    Real,
}

impl<'a> Fields<'a> {
    fn of(message: &'a [u8]) -> Self {
        Self { length: message.len(), rest: message }
    }

    /// Reads one field: a key, which contains the field number and the wire type, and a value.
    fn read(&mut self) -> Result<(usize, Value<'a>), String> {
        let key = self.number()?;
        let (field, wire_type) = (key >> 3, key & 7);
        let n_bytes = match wire_type {
            _ if field == 0 => return Err("a field has number 0".to_owned()),
            0 => return Ok((field, Value::Number(self.number()?))),
            1 => 8,
            2 => self.number()?,
            5 => 4,
            // Types 3 and 4 are groups. No message of Caffe uses them.
            _ => return Err(format!("field {field} has wire type {wire_type}")),
        };
        let split = self.rest.split_at_checked(n_bytes);
        let (value, rest) = split
            .ok_or_else(|| format!("field {field} should have {n_bytes} bytes, but {} are left", self.rest.len()))?;
        self.rest = rest;
        Ok((field, if wire_type == 2 { Value::Bytes(value) } else { Value::Real }))
    }

    fn number(&mut self) -> Result<usize, String> {
        prost::decode_length_delimiter(&mut self.rest).map_err(|_| "a number is cut off or too long".to_owned())
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(usize, Value<'a>), String>;

    fn next(&mut self) -> Option<Self::Item> {
        let position = self.length - self.rest.len();
        (!self.rest.is_empty()).then(|| {
            self.read().map_err(|fault| {
                self.rest = &[];
                format!("at byte {position}: {fault}")
            })
        })
    }
}
