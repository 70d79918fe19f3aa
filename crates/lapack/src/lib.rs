//! The few LAPACK routines that `ndarray-linalg` calls for `eigh` and `svd`, without a system library.
//!
//! `ndarray-linalg` declares LAPACK's Fortran symbols and leaves it to another crate to define them. With the default
//! feature `pure` this crate defines `ssyev_`, `dsyev_`, `sgesdd_`, `dgesdd_`, `sgesvd_` and `dgesvd_` in Rust on top
//! of faer. The features `openblas-system` and `openblas-static` link OpenBLAS instead and leave ours out, so that
//! features add up: OpenBLAS wins wherever it is asked for. A routine outside this list, called with `pure`, is a link
//! error naming the symbol.
//!
//! A crate that calls `ndarray-linalg` names this one (`use fisherlens_lapack as _;`) so that the symbols link.
//!
//! ```
//! assert!(["faer", "openblas", "external"].contains(&fisherlens_lapack::provider()));
//! ```

#[cfg(any(feature = "openblas-system", feature = "openblas-static"))]
use openblas_src as _;

#[cfg(all(feature = "pure", not(any(feature = "openblas-system", feature = "openblas-static"))))]
mod arguments;
#[cfg(all(feature = "pure", not(any(feature = "openblas-system", feature = "openblas-static"))))]
mod singular_values;
#[cfg(all(feature = "pure", not(any(feature = "openblas-system", feature = "openblas-static"))))]
mod symmetric_eigen;

/// Who answers LAPACK calls: `"faer"`, `"openblas"`, or `"external"` when no feature chose one and the final binary
/// has to link a LAPACK of its own.
pub fn provider() -> &'static str {
    if cfg!(any(feature = "openblas-system", feature = "openblas-static")) {
        "openblas"
    } else if cfg!(feature = "pure") {
        "faer"
    } else {
        "external"
    }
}
