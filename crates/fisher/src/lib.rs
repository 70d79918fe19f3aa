//! Fisher vectors, VLAD and bags of words: encoders that turn the local descriptors of an image into one vector.
//!
//! An [`Encoder`] makes the [`Mapping`] m(l) of all descriptors l of an image. The vector is the mean of m(l), and relevance is
//! distributed from the vector to the descriptors with the same mapping. A [`Pyramid`] applies an encoder to the cells of the image, and
//! a [`Normalization`] prepares the vector for a classifier.
//!
//! ```
//! use fisherlens_fisher::{DescriptorSet, Encoder, FisherVector, Normalization};
//! use fisherlens_mixture::DiagonalGmm;
//! use ndarray::array;
//!
//! // A mixture of K = 2 components in D = 2 dimensions, and N = 3 descriptors of one image with their positions.
//! let means = array![[0.0, 0.0], [4.0, 4.0]];
//! let variances = array![[1.0, 1.0], [1.0, 2.0]];
//! let mixture = DiagonalGmm::from_parts(array![0.4, 0.6], means, variances)?;
//! let values = array![[0.5_f32, -0.5], [3.0, 4.0], [4.0, 5.0]];
//! let positions = [[0.1, 0.1], [0.5, 0.5], [0.9, 0.5]];
//! let descriptors = DescriptorSet { values: values.view(), positions: &positions };
//!
//! let encoder = FisherVector::params(mixture).check()?;
//! let mut vector = encoder.encode(descriptors)?.to_vec();
//! Normalization::Improved.apply(&mut vector, &encoder.layout());
//! assert_eq!(vector.len(), 2 * (1 + 2 + 2));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod assigned;
mod assigned_by_batch;
mod bag_of_words;
mod by_batch;
mod contraction;
mod encoder;
mod error;
mod fisher_vector;
mod moments;
mod normalize;
mod params;
mod pyramid;
pub mod quantized;
mod tables;
mod vlad;

pub use bag_of_words::BagOfWords;
pub use by_batch::SumsByBatch;
pub use encoder::{DescriptorSet, Encoder, Layout, Mapping, Rows, Sign};
pub use error::FisherError;
pub use fisher_vector::FisherVector;
pub use normalize::Normalization;
pub use params::{Assignment, BagOfWordsParams, FisherPart, FisherVectorParams, VladParams};
pub use pyramid::{Grid, Pyramid};
pub use quantized::Quantized;
pub use vlad::Vlad;
