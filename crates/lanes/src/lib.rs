//! Vectorised loops: functions that are compiled for several kinds of processors, and the sums that such functions share.
//!
//! A vectorised loop is plain Rust over arrays of [`LANES`] numbers. [`vectorised!`] compiles its function once per kind of processor, and
//! the version is chosen at run time. [`multiply_add`] and [`sum_lanes`] are inlined into the function that calls them, so that they are
//! compiled for the same processor. [`add`], [`add_scaled`], [`add_scaled_f32`] and [`dot`] are vectorised functions themselves.
//!
//! [`on_all_threads`] and [`is_divided`] decide whether the work on a single image is divided among threads.
//!
//! ```
//! use fisherlens_lanes::{LANES, has_fma, multiply_add, sum_lanes, vectorised};
//!
//! vectorised!(
//!     /// `Σ x²`; numbers behind the last whole run of lanes are left out.
//!     fn sum_of_squares(x: &[f32]) -> f32 {
//!         let fused = has_fma!();
//!         let mut sums = [0.0_f32; LANES];
//!         for run in x.as_chunks::<LANES>().0 {
//!             for lane in 0..LANES {
//!                 sums[lane] = multiply_add(fused, run[lane], run[lane], sums[lane]);
//!             }
//!         }
//!         sum_lanes(&sums)
//!     }
//! );
//!
//! assert_eq!(sum_of_squares(&[2.0; 3 * LANES]), 192.0);
//! ```

mod dispatch;
mod fused;
mod lane_sums;
mod rounding;
mod threads;
mod vectors;

pub use fused::multiply_add;
pub use lane_sums::{LANES, sum_lanes};
#[doc(hidden)] // `vectorised!` and `has_fma!` expand to paths through it
pub use multiversion;
pub use rounding::ROUNDING;
pub use threads::{is_divided, on_all_threads, on_free_threads};
pub use vectors::{add, add_scaled, add_scaled_f32, dot};
