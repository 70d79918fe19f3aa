//! Layer-wise relevance propagation through classifiers on Fisher vectors and similar vectors.
//!
//! The score of an image is distributed in three steps: to the dimensions of the image's vector, from there to its local descriptors, and
//! from there to its pixels. The relevance of every layer sums to the score, except for the part that a rule absorbs, and this part is
//! known (`lapuschkin2016`, supplement §2 and 3; `bach2015`).
//!
//! ```
//! use fisherlens_descriptors::Frame;
//! use fisherlens_fisher::{DescriptorSet, Encoder, FisherVector, Normalization};
//! use fisherlens_lrp::{Rule, descriptor_relevance, dimension_relevance, pixel_relevance};
//! use fisherlens_mixture::DiagonalGmm;
//! use ndarray::array;
//!
//! let mixture = DiagonalGmm::from_parts(array![0.5, 0.5], array![[-1.0], [1.0]], array![[1.0], [1.0]])?;
//! let encoder = FisherVector::params(mixture).check()?;
//! let values = array![[-1.5_f32], [0.25], [2.0]];
//! let positions = [[0.2, 0.5], [0.5, 0.5], [0.8, 0.5]];
//! let mapping = encoder.map(DescriptorSet { values: values.view(), positions: &positions })?;
//! let mut phi = mapping.mean().to_vec();
//! Normalization::Improved.apply(&mut phi, &encoder.layout());
//!
//! let (coefficients, bias) = ([0.5, -0.5, 1.0, 0.25, -1.0, 0.75], 0.1);
//! let by_dimension = dimension_relevance(&coefficients, bias, &phi);
//! let by_descriptor = descriptor_relevance(mapping.as_ref(), &by_dimension, Rule::Absolute)?;
//! let frames = [4.0, 10.0, 16.0].map(|x| Frame { x, y: 6.0, bin_size: 2, norm: 1.0 });
//! let by_pixel = pixel_relevance(&by_descriptor.values, &frames, 20, 12);
//!
//! let score: f64 = by_dimension.iter().sum();
//! assert!((f64::from(by_pixel.sum()) - score).abs() < 1e-5);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod color_map;
mod conservation;
mod draw_descriptors;
mod error;
mod expansion_point;
mod heatmap;
mod kernel_score;
mod linear;
mod mapping;
mod model_relevance;
mod pixels;
mod rule;
mod taylor;

pub use color_map::ColorMap;
pub use conservation::Conservation;
pub use draw_descriptors::draw_descriptors;
pub use error::LrpError;
pub use heatmap::{blend, heatmap, heatmap_scaled, largest_size, overlay};
pub use linear::{class_relevance, class_relevance_dual, dimension_relevance, dimension_relevance_dual};
pub use mapping::{DescriptorRelevance, MappingSums, descriptor_relevance, descriptor_relevance_with};
pub use model_relevance::model_relevance;
pub use pixels::pixel_relevance;
pub use rule::Rule;
pub use taylor::{DimensionRelevance, kernel_relevance};
