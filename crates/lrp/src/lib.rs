//! Layer-wise relevance propagation through classifiers on Fisher vectors and their kin: the score of an image is passed
//! down to the dimensions of its vector, from there to its local descriptors, and from those to its pixels, so that every
//! layer sums to the score, but for what a rule is known to absorb (`lapuschkin2016`, supplement §2 and 3; `bach2015`).
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

mod conservation;
mod error;
mod heatmap;
mod kernel;
mod machine;
mod mapping;
mod pixels;
mod root;
mod rule;
mod squares;
mod svm;

pub use conservation::Conservation;
pub use error::LrpError;
pub use heatmap::{ColorMap, blend, heatmap, heatmap_scaled, largest_size, overlay};
pub use kernel::{DimensionRelevance, kernel_relevance, model_relevance};
pub use mapping::{DescriptorRelevance, MappingSums, descriptor_relevance, descriptor_relevance_with};
pub use pixels::{pixel_relevance, pixel_relevance_checked};
pub use rule::Rule;
pub use squares::draw_descriptors;
pub use svm::{class_relevance, class_relevance_dual, dimension_relevance, dimension_relevance_dual};
