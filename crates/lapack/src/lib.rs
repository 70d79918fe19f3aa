//! LAPACK's symmetric eigenvalue routines, which `ndarray-linalg` calls for `eigh`, without a system library.
//!
//! `ndarray-linalg` declares LAPACK's Fortran symbols; another crate must define them. With the default feature `pure`, this crate
//! defines `ssyev_` and `dsyev_` in Rust on top of faer. The features `openblas-system` and `openblas-static` link OpenBLAS instead and
//! leave our routines out. Features of several crates can therefore be combined: if one crate asks for OpenBLAS, all of them use it.
//! Without any of these features, the final binary must link a LAPACK library itself.
//!
//! With `pure`, a program that uses another routine, for example `svd`, does not link; the error names the missing symbol.
//!
//! A crate that calls `ndarray-linalg` must name this crate, so that its symbols are linked:
//!
//! ```
//! use fisherlens_lapack as _;
//! use ndarray::array;
//! use ndarray_linalg::{Eigh, UPLO};
//!
//! let (values, _vectors) = array![[2.0_f64, 1.0], [1.0, 2.0]].eigh(UPLO::Lower)?;
//! assert!((values[0] - 1.0).abs() < 1e-12 && (values[1] - 3.0).abs() < 1e-12);
//! # Ok::<(), ndarray_linalg::error::LinalgError>(())
//! ```

#[cfg(any(feature = "openblas-system", feature = "openblas-static"))]
use openblas_src as _;

#[cfg(all(feature = "pure", not(any(feature = "openblas-system", feature = "openblas-static"))))]
mod arguments;
#[cfg(all(feature = "pure", not(any(feature = "openblas-system", feature = "openblas-static"))))]
mod symmetric_eigen;
