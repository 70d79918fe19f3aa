//! A learned pipeline in one file, and explanations of single photographs: scores, relevance of dimensions, descriptors and pixels,
//! pictures, and arrays for NumPy.
//!
//! [`Model`] holds everything that was learned and is read from one file; a model of the twenty classes of PASCAL VOC 2007 comes with the
//! crate. [`Explainer`] builds the stages of a model and scores and explains photographs with them. Photographs in files are read by
//! [`photograph::read_upright`]; arrays go to and come from NumPy by [`npz`].
//!
//! ```
//! use fisherlens_descriptors::gray_from_rgb;
//! use fisherlens_lrp::{ColorMap, overlay};
//! use fisherlens_model::{Explainer, Model};
//! use ndarray::Array3;
//!
//! // A made-up photograph: bright bars that become wider from left to right.
//! let rgb = Array3::from_shape_fn((90, 120, 3), |(_, x, channel)| if x * x / 400 % 2 == 0 { 40 } else { 200 + 20 * channel as u8 });
//!
//! let model = Model::shipped();
//! let explainer = Explainer::from_model(&model)?;
//! let described = explainer.describe_gray(gray_from_rgb(rgb.view()).view())?;
//! let mapped = explainer.map(&described, &[model.display_rule])?;
//! for (class, name) in model.classes.iter().enumerate() {
//!     println!("{name} {:+.2}", mapped.score(class));
//! }
//!
//! let class = model.classes.iter().position(|name| name == "horse").expect("horse is one of the twenty classes");
//! let explanation = mapped.explain(class, model.display_rule)?;
//! let picture = overlay(rgb.view(), explanation.pixels.view(), ColorMap::Diverging, 0.6);
//! assert_eq!(picture.dim(), rgb.dim());
//! # Ok::<(), fisherlens_model::ModelError>(())
//! ```

mod error;
mod explainer;
mod model;
pub mod npz;
mod npz_header;
mod panel;
mod part;
pub mod photograph;
mod png_file;
mod pyramid;
mod settings;
mod text;

pub use error::ModelError;
pub use explainer::{Explainer, Explanation, MappedImage, conservation_line};
pub use model::{Model, Precision};
pub use npz::NpzFile;
pub use panel::{Cell, Panel};
pub use part::{BuildEncoder, Part, encoder, extractor};
pub use photograph::Described;
pub use png_file::{png_bytes, write_png};
pub use pyramid::PyramidLevel;
pub use settings::{AssignmentKind, DescriptorKind, DescriptorSettings, EncoderKind, EncoderSettings, describe};
