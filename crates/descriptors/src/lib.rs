//! Dense SIFT descriptors of photographs at several bin sizes, with the square of pixels behind each descriptor, and PCA.
//!
//! The extractor follows VLFeat's `vl_phow` (`vedaldi2010`, `lowe2004`): one regular grid of descriptors per bin size; each descriptor
//! consists of 4 × 4 bins of 8 gradient orientations. Photographs are decoded from bytes; this crate opens no file.
//!
//! ```
//! use fisherlens_descriptors::{DenseSift, DescriptorExtractor};
//! use linfa::ParamGuard;
//! use ndarray::Array2;
//!
//! let extractor = DenseSift::params().bin_sizes(vec![4, 6]).step(5).check()?;
//! let image = Array2::from_shape_fn((60, 80), |(y, x)| ((x * y) % 7) as f32 / 7.0);
//! let descriptors = extractor.extract(image.view())?;
//! assert_eq!(descriptors.values.ncols(), 128);
//! assert_eq!(descriptors.frames[0].bin_size, 4);
//! # Ok::<(), fisherlens_descriptors::DescriptorError>(())
//! ```

// `ndarray_linalg::Eigh` calls LAPACK routines that this crate defines; without a use of the crate they would not be linked.
use fisherlens_lapack as _;

mod dense_sift;
mod error;
mod extractor;
mod frame;
#[cfg(test)]
mod golden_tests;
mod gradient;
mod gray;
mod grid;
#[cfg(feature = "decode")]
mod jpeg;
mod multiscale;
mod normalize;
#[cfg(feature = "decode")]
mod orientation;
#[cfg(feature = "decode")]
mod other_formats;
mod params;
mod pca;
mod pca_sums;
#[cfg(feature = "decode")]
mod photograph;
mod running_sums;
mod smoothing;
mod touched;
#[cfg(test)]
mod twin_tests;
mod window;

pub use error::DescriptorError;
pub use extractor::{DescriptorExtractor, LocalDescriptors};
pub use frame::{Frame, SupportSquare};
pub use gray::{gray_from_float_rgb, gray_from_rgb};
pub use params::{DenseSift, DenseSiftParams, LowContrast, PcaParams, PcaValidParams, RootSift, Whitening, Window};
pub use pca::Pca;
pub use pca_sums::PcaSums;
#[cfg(feature = "decode")]
pub use photograph::{Photograph, fitted_size};
pub use smoothing::smooth;
