//! The machine and its limits: how fast it multiplies matrices and how fast it moves memory.

use std::hint::black_box;

use anyhow::Result;
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use ndarray::{Array2, linalg::general_mat_mul};
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256Plus;
use serde::Serialize;

use crate::timing::Repeats;

/// Rows and columns of the matrices whose product gives G.
const PRODUCT: usize = 2048;

/// Number of values of each array that is read or written: 256 MiB of `f32`.
const STREAM: usize = 64 << 20;

/// The machine that the numbers were measured on.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Machine {
    /// Name of the processor.
    pub(crate) processor: String,
    /// The instruction sets that inner loops choose from, as far as the processor has them.
    pub(crate) features: Vec<&'static str>,
    /// Number of processors that threads can run on.
    pub(crate) cores: usize,
    /// Operating system and architecture.
    pub(crate) os: String,
    /// Mean number of running programs in the last minute, 0 on an idle machine; `None` if the system does not report it.
    pub(crate) load: Option<f64>,
}

impl Machine {
    /// The machine that this program runs on.
    pub(crate) fn detect() -> Self {
        Self {
            processor: fisherlens_experiment::provenance::processor(),
            features: features(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            os: fisherlens_experiment::provenance::operating_system(),
            load: load(),
        }
    }

    /// The kind of processor, by which `docs/benchmarks.md` divides its numbers.
    pub(crate) fn kind(&self) -> &'static str {
        match self.features.as_slice() {
            features if features.contains(&"avx512f") => "AVX-512",
            features if features.contains(&"avx2") => "AVX2",
            _ => "other",
        }
    }

    /// Whether the processor has AVX-512.
    pub(crate) fn has_avx512(&self) -> bool {
        self.features.contains(&"avx512f")
    }
}

fn load() -> Option<f64> {
    std::fs::read_to_string("/proc/loadavg").ok()?.split(' ').next()?.parse().ok()
}

#[cfg(target_arch = "x86_64")]
fn features() -> Vec<&'static str> {
    let known = [
        ("avx2", is_x86_feature_detected!("avx2")),
        ("fma", is_x86_feature_detected!("fma")),
        ("avx512f", is_x86_feature_detected!("avx512f")),
    ];
    known.into_iter().filter(|(_, detected)| *detected).map(|(name, _)| name).collect()
}

#[cfg(target_arch = "aarch64")]
fn features() -> Vec<&'static str> {
    if std::arch::is_aarch64_feature_detected!("neon") { vec!["neon"] } else { Vec::new() }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn features() -> Vec<&'static str> {
    Vec::new()
}

/// A rate and what reached it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rate {
    /// The rate in 10⁹ per second.
    pub(crate) giga: f64,
    /// Which way of working reached it.
    pub(crate) by: &'static str,
}

/// The rates of one thread.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Limits {
    /// Every matrix product that was tried, in `f32`, the best first: GFLOP/s.
    pub(crate) products: Vec<Rate>,
    /// Every way of moving memory that was tried, the best first: GB/s.
    pub(crate) streams: Vec<Rate>,
}

impl Limits {
    /// Measures both on the calling thread; the sizes are divided by `shrink`.
    ///
    /// # Errors
    /// No error is expected.
    pub(crate) fn measure(shrink: usize, repeats: Repeats) -> Result<Self> {
        let products = products(PRODUCT / shrink, repeats)?;
        Ok(Self { products, streams: streams(STREAM / (shrink * shrink), repeats)? })
    }

    /// G: the rate of the best `f32` product in GFLOP/s.
    pub(crate) fn gflops(&self) -> f64 {
        self.products[0].giga
    }

    /// The best rate of moving memory in GB/s.
    pub(crate) fn bandwidth(&self) -> f64 {
        self.streams[0].giga
    }

    /// Seconds that `flop` operations take at the rate G.
    pub(crate) fn product_seconds(&self, flop: f64) -> f64 {
        flop / (self.gflops() * 1e9)
    }

    /// Seconds that it takes to move `bytes`.
    pub(crate) fn memory_seconds(&self, bytes: f64) -> f64 {
        bytes / (self.bandwidth() * 1e9)
    }
}

fn best_first(mut rates: Vec<Rate>) -> Vec<Rate> {
    rates.sort_by(|a, b| b.giga.total_cmp(&a.giga));
    rates
}

fn products(n: usize, repeats: Repeats) -> Result<Vec<Rate>> {
    let mut rng = Xoshiro256Plus::seed_from_u64(1);
    let mut random = || Array2::from_shape_simple_fn((n, n), || rng.gen_range(-1.0_f32..1.0));
    let (a, b) = (random(), random());
    let mut c = Array2::<f32>::zeros((n, n));
    let flop = 2.0 * (n as f64).powi(3);
    let by_ndarray = repeats.time(|| {
        general_mat_mul(1.0, &a, &b, 0.0, &mut c);
        black_box(&mut c);
        Ok(())
    })?;
    let (a, b) = (a.into_raw_vec_and_offset().0, b.into_raw_vec_and_offset().0);
    let mut c = c.into_raw_vec_and_offset().0;
    let by_faer = repeats.time(|| {
        let (a, b) = (MatRef::from_row_major_slice(&a, n, n), MatRef::from_row_major_slice(&b, n, n));
        matmul(MatMut::from_row_major_slice_mut(&mut c, n, n), Accum::Replace, a, b, 1.0, Par::Seq);
        black_box(&mut c);
        Ok(())
    })?;
    let rate = |seconds: f64, by| Rate { giga: flop / seconds / 1e9, by };
    Ok(best_first(vec![rate(by_ndarray.best, "ndarray"), rate(by_faer.best, "faer")]))
}

fn streams(n: usize, repeats: Repeats) -> Result<Vec<Rate>> {
    let (b, c) = (vec![1.0_f32; n], vec![2.0_f32; n]);
    let mut a = vec![0.0_f32; n];
    let copy = repeats.time(|| {
        a.copy_from_slice(&b);
        black_box(&mut a);
        Ok(())
    })?;
    let add = repeats.time(|| {
        for ((a, b), c) in a.iter_mut().zip(&b).zip(&c) {
            *a = b + c;
        }
        black_box(&mut a);
        Ok(())
    })?;
    let read = repeats.time(|| Ok(largest(black_box(&b))))?;
    // Counted as in the benchmark STREAM: the bytes that are read and written, without those that the cache loads before they are
    // overwritten.
    let rate = |n_arrays: usize, seconds: f64, by| Rate { giga: (4 * n_arrays * n) as f64 / seconds / 1e9, by };
    Ok(best_first(vec![rate(2, copy.best, "copy"), rate(3, add.best, "add"), rate(1, read.best, "read")]))
}

/// The largest value. It keeps 64 maxima, because one chain of comparisons would be slower than the memory.
fn largest(values: &[f32]) -> f32 {
    let mut maxima = [f32::MIN; 64];
    for chunk in values.as_chunks::<64>().0 {
        for (max, &value) in maxima.iter_mut().zip(chunk) {
            *max = if value > *max { value } else { *max };
        }
    }
    maxima.into_iter().fold(f32::MIN, f32::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_give_the_seconds_of_work() {
        let limits = Limits {
            products: vec![Rate { giga: 100.0, by: "faer" }, Rate { giga: 50.0, by: "ndarray" }],
            streams: vec![Rate { giga: 20.0, by: "read" }],
        };
        assert_eq!(limits.product_seconds(2e11), 2.0);
        assert_eq!(limits.memory_seconds(1e10), 0.5);
    }

    #[test]
    fn the_best_rate_comes_first() {
        let limits = Limits::measure(64, Repeats { fixed: Some(1), min: 1, seconds: 0.0 }).unwrap();
        assert!(limits.products.len() == 2 && limits.products[0].giga >= limits.products[1].giga);
        assert!(limits.streams.len() == 3 && limits.bandwidth() > 0.0);
    }
}
