//! Arrays in artifacts: one block of bytes with element type and shape. It is copied as a whole, not element by element.
//!
//! In MessagePack an array is the map `{dtype: "<f4", shape: [rows, columns], data: bin}` with numpy's name of the
//! element type; `data` holds the elements in little-endian byte order and in C order. Use it on a field,
//!
//! ```
//! use fisherlens_artifact::array;
//! use ndarray::Array2;
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize)]
//! struct Shard {
//!     #[serde(with = "array")]
//!     vectors: Array2<f32>,
//!     #[serde(with = "array")]
//!     n_descriptors: Vec<u32>,
//! }
//! ```
//!
//! If a field holds several arrays, wrap each in [`Block`]: `Vec<Block<Array2<f32>>>`.
//!
//! A MessagePack byte block has at most 2³² − 1 bytes. Writing a larger array is an error; its message advises smaller shards.

use std::borrow::Cow;

use ndarray::{Array, ArrayBase, Data, Dimension, IxDyn};
use serde::de::Error as _;
use serde::ser::{Error as _, SerializeStruct as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_bytes::Bytes;

/// Length of the longest MessagePack byte block.
const MAX_N_BYTES: usize = u32::MAX as usize;

const _: () = assert!(
    cfg!(target_endian = "little"),
    "artifacts hold numbers as they are in memory, which must be little-endian"
);

/// A type of number that arrays in artifacts can have.
pub trait Element: bytemuck::Pod {
    /// numpy's name of the type.
    const DTYPE: &'static str;
}

macro_rules! elements {
    ($($element:ty => $dtype:literal),+ $(,)?) => {
        $(impl Element for $element { const DTYPE: &'static str = $dtype; })+
    };
}

elements! {
    half::f16 => "<f2", f32 => "<f4", f64 => "<f8", i8 => "|i1", u8 => "|u1", u16 => "<u2", i32 => "<i4", u32 => "<u4", i64 => "<i8",
    u64 => "<u8",
}

/// A type that can be written as an array.
pub trait ToBlock {
    /// Type of one number.
    type Element: Element;
    /// Length along each axis.
    fn shape(&self) -> Vec<usize>;
    /// The numbers in C order; borrowed if they are already in that order.
    fn elements(&self) -> Cow<'_, [Self::Element]>;
}

/// A type that can be read from an array.
pub trait FromBlock: ToBlock + Sized {
    /// Makes the value from the elements in C order. Their number must fit `shape`. Returns `None` when the type cannot have that shape.
    fn from_block(shape: &[usize], elements: Vec<Self::Element>) -> Option<Self>;
}

impl<A: Element, S: Data<Elem = A>, D: Dimension> ToBlock for ArrayBase<S, D> {
    type Element = A;

    fn shape(&self) -> Vec<usize> {
        ArrayBase::shape(self).to_vec()
    }

    fn elements(&self) -> Cow<'_, [A]> {
        match self.as_slice() {
            Some(slice) => Cow::Borrowed(slice),
            None => Cow::Owned(self.iter().copied().collect()),
        }
    }
}

impl<A: Element, D: Dimension> FromBlock for Array<A, D> {
    fn from_block(shape: &[usize], elements: Vec<A>) -> Option<Self> {
        Array::from_shape_vec(IxDyn(shape), elements).ok()?.into_dimensionality().ok()
    }
}

impl<E: Element> ToBlock for Vec<E> {
    type Element = E;

    fn shape(&self) -> Vec<usize> {
        vec![self.len()]
    }

    fn elements(&self) -> Cow<'_, [E]> {
        Cow::Borrowed(self)
    }
}

impl<E: Element> FromBlock for Vec<E> {
    fn from_block(shape: &[usize], elements: Vec<E>) -> Option<Self> {
        (shape == [elements.len()]).then_some(elements)
    }
}

impl<E: Element, const WIDTH: usize> ToBlock for Vec<[E; WIDTH]> {
    type Element = E;

    fn shape(&self) -> Vec<usize> {
        vec![self.len(), WIDTH]
    }

    fn elements(&self) -> Cow<'_, [E]> {
        Cow::Borrowed(self.as_flattened())
    }
}

impl<E: Element, const WIDTH: usize> FromBlock for Vec<[E; WIDTH]> {
    fn from_block(shape: &[usize], elements: Vec<E>) -> Option<Self> {
        let (rows, rest) = elements.as_chunks::<WIDTH>();
        (shape == [rows.len(), WIDTH] && rest.is_empty()).then(|| rows.to_vec())
    }
}

/// An array that serde writes as a byte block, also inside a list or an option.
///
/// ```
/// use fisherlens_artifact::Block;
///
/// let blocks = vec![Block(vec![1.0_f32, 2.0]), Block(vec![])];
/// let bytes = rmp_serde::to_vec_named(&blocks)?;
/// assert_eq!(rmp_serde::from_slice::<Vec<Block<Vec<f32>>>>(&bytes)?, blocks);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Block<T>(pub T);

impl<T: ToBlock> Serialize for Block<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize(&self.0, serializer)
    }
}

impl<'de, T: FromBlock> Deserialize<'de> for Block<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize(deserializer).map(Self)
    }
}

/// An array whose elements stay where they lie, in bytes that were read or mapped. The elements can begin at any address.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename = "Array")]
pub struct Borrowed<'a> {
    /// numpy's name of the element type.
    pub dtype: String,
    /// Length along each axis.
    pub shape: Vec<usize>,
    /// The elements in little-endian byte order and in C order.
    #[serde(borrow, with = "serde_bytes")]
    pub data: &'a [u8],
}

impl Borrowed<'_> {
    /// Whether the elements are of type `E` and as many as the shape says.
    ///
    /// # Errors
    /// What was found and what is expected.
    pub fn check<E: Element>(&self) -> Result<(), String> {
        let Self { dtype, shape, data } = self;
        if dtype != E::DTYPE {
            return Err(format!("array: found elements of type \"{dtype}\", expected \"{}\"", E::DTYPE));
        }
        check_shape::<E>(dtype, shape, data)
    }
}

/// Writes an array as `{dtype, shape, data}`; `#[serde(with = "array")]` calls it.
///
/// # Errors
/// An array with more bytes than a MessagePack block can have, and any error of the serializer.
pub fn serialize<T: ToBlock, S: Serializer>(array: &T, serializer: S) -> Result<S::Ok, S::Error> {
    let elements = array.elements();
    let bytes: &[u8] = bytemuck::cast_slice(&elements);
    check_n_bytes(bytes.len()).map_err(S::Error::custom)?;
    let mut map = serializer.serialize_struct("Array", 3)?;
    map.serialize_field("dtype", T::Element::DTYPE)?;
    map.serialize_field("shape", &array.shape())?;
    map.serialize_field("data", Bytes::new(bytes))?;
    map.end()
}

/// Reads what [`serialize`] wrote, with one copy of the data; `#[serde(with = "array")]` calls it.
///
/// # Errors
/// An unexpected element type, number of axes or number of bytes, and any error of the deserializer.
pub fn deserialize<'de, T: FromBlock, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    #[derive(Deserialize)]
    #[serde(rename = "Array")]
    struct Parts<'a> {
        dtype: String,
        shape: Vec<usize>,
        #[serde(borrow, with = "serde_bytes")]
        data: Cow<'a, [u8]>,
    }
    let Parts { dtype, shape, data } = Parts::deserialize(deserializer)?;
    let expected = T::Element::DTYPE;
    if dtype != expected {
        return Err(D::Error::custom(format!("array: found elements of type \"{dtype}\", expected \"{expected}\"")));
    }
    check_shape::<T::Element>(&dtype, &shape, &data).map_err(D::Error::custom)?;
    // The bytes may start at any address, so they are copied into a vector that has the alignment of its elements.
    let mut elements: Vec<T::Element> = vec![bytemuck::Zeroable::zeroed(); data.len() / size_of::<T::Element>()];
    bytemuck::cast_slice_mut(&mut elements).copy_from_slice(&data);
    T::from_block(&shape, elements)
        .ok_or_else(|| D::Error::custom(format!("array: the value that is read cannot have the shape {shape:?}")))
}

fn check_n_bytes(n_bytes: usize) -> Result<(), String> {
    if n_bytes <= MAX_N_BYTES {
        return Ok(());
    }
    Err(format!(
        "array: {n_bytes} bytes, expected at most {MAX_N_BYTES}, the longest MessagePack block; divide the data into smaller shards"
    ))
}

fn check_shape<E>(dtype: &str, shape: &[usize], data: &[u8]) -> Result<(), String> {
    let n_bytes = shape.iter().try_fold(size_of::<E>(), |product, length| product.checked_mul(*length));
    if n_bytes == Some(data.len()) {
        return Ok(());
    }
    Err(format!("array: found {} bytes of type \"{dtype}\", which do not fit the shape {shape:?}", data.len()))
}

#[cfg(test)]
mod tests {
    use ndarray::{Array0, Array1, Array2, Array3, ArrayView2, array, s};
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Everything {
        #[serde(with = "super")]
        plane: Array2<f32>,
        #[serde(with = "super")]
        line: Array1<f64>,
        #[serde(with = "super")]
        cube: Array3<u8>,
        #[serde(with = "super")]
        point: Array0<u64>,
        #[serde(with = "super")]
        labels: Array2<i8>,
        #[serde(with = "super")]
        counts: Vec<u32>,
        #[serde(with = "super")]
        positions: Vec<[f32; 2]>,
        list: Vec<Block<Array1<u16>>>,
        maybe: Option<Block<Vec<i32>>>,
    }

    fn everything() -> Everything {
        Everything {
            plane: array![[1.0, f32::NEG_INFINITY], [-0.0, f32::MIN_POSITIVE]],
            line: Array1::zeros(0),
            cube: Array3::from_shape_fn((2, 3, 4), |(i, j, k)| (i * 100 + j * 10 + k) as u8),
            point: ndarray::arr0(u64::MAX),
            labels: array![[-1, 0, 1]],
            counts: vec![0, 1, u32::MAX],
            positions: vec![[0.0, 0.5], [0.25, 1.0]],
            list: vec![Block(array![1, 2]), Block(array![])],
            maybe: Some(Block(vec![-1, 2])),
        }
    }

    #[test]
    fn every_kind_of_array_is_read_as_it_was_written() {
        let bytes = rmp_serde::to_vec_named(&everything()).unwrap();
        assert_eq!(rmp_serde::from_slice::<Everything>(&bytes).unwrap(), everything());
        // Reading must also work from a reader, which gives no borrowed bytes.
        assert_eq!(rmp_serde::from_read::<_, Everything>(bytes.as_slice()).unwrap(), everything());
    }

    #[test]
    fn the_bytes_are_those_that_numpy_reads() {
        let bytes = rmp_serde::to_vec_named(&Block(array![[1.0_f32, 2.0]])).unwrap();
        let mut expected = vec![0x83, 0xa5];
        expected.extend(b"dtype\xa3<f4\xa5shape\x92\x01\x02\xa4data\xc4\x08");
        expected.extend([0, 0, 0x80, 0x3f, 0, 0, 0, 0x40]);
        assert_eq!(bytes, expected);
    }

    #[test]
    fn arrays_of_any_stride_are_written_in_c_order() {
        let plane = Array2::from_shape_fn((4, 6), |(i, j)| (10 * i + j) as f32);
        for view in [plane.slice(s![..;2, 1..4]), plane.t(), plane.slice(s![.., ..;-1])] {
            let bytes = rmp_serde::to_vec_named(&Block(view)).unwrap();
            assert_eq!(rmp_serde::from_slice::<Block<Array2<f32>>>(&bytes).unwrap().0, view);
        }
    }

    #[test]
    fn unexpected_types_and_shapes_are_refused_and_named() {
        let refused = |bytes: &[u8]| rmp_serde::from_slice::<Block<Array2<f32>>>(bytes).unwrap_err().to_string();
        let bytes = rmp_serde::to_vec_named(&Block(array![[1.0_f64]])).unwrap();
        assert!(refused(&bytes).contains("\"<f8\", expected \"<f4\""), "{}", refused(&bytes));
        let bytes = rmp_serde::to_vec_named(&Block(vec![1.0_f32])).unwrap();
        assert!(refused(&bytes).contains("cannot have the shape [1]"), "{}", refused(&bytes));
        let mut bytes = rmp_serde::to_vec_named(&Block(array![[1.0_f32, 2.0]])).unwrap();
        let second_length = bytes.windows(5).position(|w| w == b"shape").unwrap() + 7;
        bytes[second_length] = 3;
        assert!(
            refused(&bytes).contains("8 bytes of type \"<f4\", which do not fit the shape [1, 3]"),
            "{}",
            refused(&bytes)
        );
        assert!(check_n_bytes(MAX_N_BYTES).is_ok());
        assert!(check_n_bytes(MAX_N_BYTES + 1).unwrap_err().contains("smaller shards"));
    }

    #[test]
    fn a_shape_that_overflows_is_refused() {
        #[derive(Serialize)]
        struct Raw<'a> {
            dtype: &'a str,
            shape: [u64; 2],
            #[serde(with = "serde_bytes")]
            data: &'a [u8],
        }
        let raw = Raw { dtype: "<f4", shape: [1 << 62, 1 << 62], data: &[] };
        let bytes = rmp_serde::to_vec_named(&raw).unwrap();
        assert!(rmp_serde::from_slice::<Block<Array2<f32>>>(&bytes).is_err());
        let zero = Raw { shape: [0, u64::MAX], ..raw };
        assert!(rmp_serde::from_slice::<Block<Array2<f32>>>(&rmp_serde::to_vec_named(&zero).unwrap()).is_err());
    }

    proptest! {
        #[test]
        fn any_array_is_read_at_any_alignment(rows in 0..9_usize, columns in 0..9_usize, pad in 0..8_usize, start: u32) {
            let plane = Array2::from_shape_fn((rows, columns), |(i, j)| {
                f32::from_bits(start.wrapping_add((i * 7919 + j) as u32).wrapping_mul(77_777) & 0x7f7f_ffff)
            });
            let mut bytes = vec![0; pad];
            bytes.extend(rmp_serde::to_vec_named(&Block(plane.view())).unwrap());
            let read: Block<Array2<f32>> = rmp_serde::from_slice(&bytes[pad..]).unwrap();
            prop_assert_eq!(&read.0, &plane);
            let columns_first: ArrayView2<'_, f32> = plane.t();
            let bytes = rmp_serde::to_vec_named(&Block(columns_first)).unwrap();
            prop_assert_eq!(rmp_serde::from_slice::<Block<Array2<f32>>>(&bytes).unwrap().0, columns_first);
        }

        #[test]
        fn damaged_blocks_never_panic(at in 0..60_usize, value: u8) {
            let mut bytes = rmp_serde::to_vec_named(&Block(array![[1.0_f32, 2.0], [3.0, 4.0]])).unwrap();
            let at = at % bytes.len();
            bytes[at] = value;
            let _ = rmp_serde::from_slice::<Block<Array2<f32>>>(&bytes);
            let _ = rmp_serde::from_slice::<Block<Array2<f32>>>(&bytes[..at]);
        }
    }
}
