//! Weights and mean images in the protobuf files of Caffe.
//!
//! Layers and their blobs are walked through in the file's own bytes and read one at a time, as a list of messages takes
//! fifty times the memory that empty ones take in a file. A single blob is prost's to read: it reserves nothing on the
//! word of a length, so that memory follows the bytes that are there.

use ndarray::{Array1, Array3, ArrayD, Axis, Ix3};
use prost::Message;

use crate::CnnError;
use crate::parameters::{LayerParameters, Parameters};

/// Caffe's own bound, `kMaxBlobAxes`.
const MAX_AXES: usize = 32;

/// A side in protobuf: a key of one byte and a number of at most ten.
const MAX_SIDE_BYTES: usize = 11;

/// Far above the layers of any network, and few enough that their names and shapes stay small.
const MAX_LAYERS: usize = 1 << 14;

/// Fields of a `NetParameter`.
const NET_LAYERS: usize = 2;
const NET_LAYER: usize = 100;

/// Where a form of layer keeps what is read.
struct LayerForm {
    name: usize,
    /// A text, in V1 a number.
    kind: usize,
    blobs: usize,
    /// A layer of the form before, in place of everything else.
    older: Option<usize>,
}

/// `LayerParameter`, written since 2014.
const CURRENT: LayerForm = LayerForm { name: 1, kind: 2, blobs: 7, older: None };
/// `V1LayerParameter`, the form of the networks of 2014.
const V1: LayerForm = LayerForm { name: 4, kind: 5, blobs: 6, older: Some(1) };
/// `V0LayerParameter`, always inside one of V1.
const V0: LayerForm = LayerForm { name: 1, kind: 2, blobs: 50, older: None };

/// Reads the weights of a `.caffemodel`, a binary `NetParameter`, in its current form (`layer`) and both older ones (`layers`).
///
/// Of each layer the first blob becomes the weights, in the shape that the file gives them, and the second the bias, flat.
/// Older files have four axes throughout, such as `(1, 1, outputs, inputs)`, which [`Parameters::fitted`] understands.
/// Layers without blobs are passed over; auxiliary heads are kept, and left out by [`Parameters::fitted`].
///
/// # Errors
/// [`CnnError::File`] for what is not protobuf or is cut off; a file without weights; a layer of more than two blobs, as
/// that of a batch normalisation, without a name or with one already used; a blob whose shape is missing, has a side
/// below 1 or more than 32 axes, or is not that of its values; and a bias with more than one side above 1.
///
/// # References
/// `caffe.proto`, `Blob::FromProto` and `upgrade_proto.cpp` of Caffe (`jia2014`).
pub fn read_caffemodel(bytes: &[u8]) -> Result<Parameters, CnnError> {
    read_net(bytes).map_err(|fault| CnnError::File { format: "caffemodel", fault })
}

/// Reads a mean image, a binary `BlobProto`: `(channels, height, width)`, channels in the order blue, green, red.
///
/// The old shape `(1, channels, height, width)` loses its first axis.
///
/// # Errors
/// [`CnnError::File`] for what is not protobuf or is cut off, a shape that is not one of an image or not that of the values,
/// and values that are infinite or not numbers.
///
/// # References
/// `caffe.proto` and `compute_image_mean.cpp` of Caffe (`jia2014`).
pub fn read_binaryproto(bytes: &[u8]) -> Result<Array3<f32>, CnnError> {
    read_mean(bytes).map_err(|fault| CnnError::File { format: "binaryproto", fault })
}

fn read_net(bytes: &[u8]) -> Result<Parameters, String> {
    let (mut parameters, mut n_layers) = (Parameters::new(), 0);
    for field in Fields::of(bytes) {
        let found = field.map_err(|fault| format!("found no protobuf ({fault}), expected a binary NetParameter"))?;
        let (layer, form) = match found {
            (NET_LAYERS, Value::Bytes(layer)) => (layer, &V1),
            (NET_LAYER, Value::Bytes(layer)) => (layer, &CURRENT),
            (NET_LAYERS | NET_LAYER, _) => {
                return Err(format!("found a number in field {}, expected a layer of a NetParameter", found.0));
            }
            _ => continue,
        };
        n_layers += 1;
        let read = read_layer(layer, form).map_err(|fault| format!("layer {n_layers}: {fault}"))?;
        let Some((name, layer)) = read else { continue };
        if parameters.get(name).is_some() {
            return Err(format!(
                "layer {n_layers}: found another layer {name:?} with weights, expected one of each name"
            ));
        }
        if parameters.len() == MAX_LAYERS {
            return Err(format!("found more than {MAX_LAYERS} layers with weights, expected fewer"));
        }
        parameters.insert(name, layer);
    }
    if parameters.is_empty() {
        return Err(format!("found {n_layers} layers and none with weights, expected a trained network"));
    }
    Ok(parameters)
}

/// A layer's name and weights; nothing for one without.
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
                if let Some(place) = blobs.get_mut(n_blobs) {
                    *place = Some(blob);
                }
                n_blobs += 1;
            }
            _ if field == form.name || field == form.blobs => {
                return Err(format!("found a number in field {field}, expected a name or a blob"));
            }
            _ => {}
        }
    }
    let of_layer = |fault: String| format!("{name:?} ({kind}): {fault}");
    if n_blobs > blobs.len() {
        return Err(of_layer(format!("found {n_blobs} blobs, expected weights and at most a bias")));
    }
    let read = |blob: Option<&[u8]>, part: &str| {
        blob.map(read_blob).transpose().map_err(|fault| of_layer(format!("{part}: {fault}")))
    };
    let Some(weight) = read(blobs[0], "weights")? else { return Ok(None) };
    if name.is_empty() {
        return Err("found weights and no name, expected the name of their layer".to_owned());
    }
    let bias = read(blobs[1], "bias")?.map(flat).transpose().map_err(of_layer)?;
    Ok(Some((name, LayerParameters { weight, bias })))
}

/// Old files write a bias as `(1, 1, 1, outputs)`.
fn flat(bias: ArrayD<f32>) -> Result<Array1<f32>, String> {
    let n_outputs = bias.len();
    if !bias.shape().contains(&n_outputs) {
        return Err(format!("found a bias of shape {:?}, expected one side above 1", bias.shape()));
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
        Some(value) => Err(format!("found the value {value}, expected finite ones")),
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
    /// A `BlobShape`, read only once it is known to be short: a side of one byte becomes one of eight.
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
    let blob = BlobProto::decode(message).map_err(|error| format!("found no BlobProto: {error}"))?;
    let shape = blob.checked_shape()?;
    let values = blob.values();
    let expected = shape.iter().try_fold(1_usize, |product, &side| product.checked_mul(side));
    if expected != Some(values.len()) {
        return Err(format!("found {} values, expected those of shape {shape:?}", values.len()));
    }
    Ok(ArrayD::from_shape_vec(shape, values).expect("as many values as the shape asks for"))
}

impl BlobProto {
    /// As Caffe has it: any of the four old sides goes before a shape, and those missing are 0.
    fn checked_shape(&self) -> Result<Vec<usize>, String> {
        let old = [self.num, self.channels, self.height, self.width];
        let sides = match &self.shape {
            _ if old.iter().any(Option::is_some) => old.map(Option::unwrap_or_default).to_vec(),
            Some(shape) if shape.len() <= MAX_AXES * MAX_SIDE_BYTES => {
                let shape = BlobShape::decode(shape.as_slice());
                shape.map_err(|error| format!("found no BlobShape: {error}"))?.dim
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
        // A shape without sides is one value to Caffe.
        Ok(if shape.is_empty() { vec![1] } else { shape })
    }

    fn values(self) -> Vec<f32> {
        if !self.double_data.is_empty() {
            return self.double_data.iter().map(|&value| value as f32).collect();
        }
        // What was pushed one by one has room for up to as many again.
        let mut values = self.data;
        values.shrink_to_fit();
        values
    }
}

/// The fields of a protobuf message in the order of the file: numbers and what they hold.
struct Fields<'a> {
    length: usize,
    rest: &'a [u8],
}

/// What a field holds, as far as the file tells without its description.
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

    fn read(&mut self) -> Result<(usize, Value<'a>), String> {
        let key = self.number()?;
        let (field, wire_type) = (key >> 3, key & 7);
        let n_bytes = match wire_type {
            _ if field == 0 => return Err("a field has number 0".to_owned()),
            0 => return Ok((field, Value::Number(self.number()?))),
            1 => 8,
            2 => self.number()?,
            5 => 4,
            // 3 and 4 are groups, which no message of Caffe has.
            _ => return Err(format!("field {field} has wire type {wire_type}")),
        };
        let cut = self.rest.split_at_checked(n_bytes);
        let (value, rest) =
            cut.ok_or_else(|| format!("field {field} claims {n_bytes} bytes, {} are left", self.rest.len()))?;
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
        let at = self.length - self.rest.len();
        (!self.rest.is_empty()).then(|| {
            self.read().map_err(|fault| {
                self.rest = &[];
                format!("at byte {at} {fault}")
            })
        })
    }
}
