//! A learned pipeline in one file, and single photographs explained by it: scores, relevance of dimensions, descriptors and pixels,
//! pictures, and arrays for numpy.
//!
//! [`Model`] is everything that was learned; [`Explainer`] holds its stages ready to score and explain photographs.

mod explainer;
mod model;
pub mod npz;
mod panel;
mod part;
pub mod photograph;
mod png_file;
mod pyramid;
mod settings;
mod text;

pub use explainer::{Explained, Explainer, Explanation, conservation_line};
pub use model::{Model, Precision};
pub use npz::NpzFile;
pub use panel::{Cell, Panel};
pub use part::{BuildEncoder, Part, encoder, extractor};
pub use photograph::Described;
pub use png_file::write_png;
pub use pyramid::PyramidLevel;
pub use settings::{AssignmentKind, DescriptorKind, DescriptorSettings, EncoderKind, EncoderSettings};
