//! Fisher vectors, VLAD and bags of words, with the mapping that relevance needs.

mod assigned;
mod bag_of_words;
mod encoder;
mod error;
mod fisher_vector;
mod kernel;
mod normalize;
mod params;
mod pyramid;
mod tables;
mod vlad;

pub use bag_of_words::BagOfWords;
pub use encoder::{DescriptorSet, Encoder, Layout, Mapping, Rows, Sign};
pub use error::FisherError;
pub use fisher_vector::FisherVector;
pub use normalize::Normalization;
pub use params::{
    Assignment, BagOfWordsParams, BagOfWordsValidParams, FisherPart, FisherVectorParams, FisherVectorValidParams,
    VladParams, VladValidParams,
};
pub use pyramid::{Grid, Pyramid};
pub use vlad::Vlad;
