//! The E step: sums over all samples, on all threads, in an order that does not depend on their number.

use std::ops::Range;

use ndarray::{ArrayView2, Axis, s};
use rayon::prelude::*;

use crate::DiagonalGmm;
use crate::posteriors::{LANES, PosteriorKernel, SparsePosteriors, Workspace};

/// Samples whose statistics one thread sums; fixed, so that sums do not depend on the number of threads.
const CHUNK: usize = 4096;
/// Samples summed in `f32` before the sums go to `f64`.
const RUN: usize = 1024;
/// Chunks whose sums are held at a time; 64 · K·(1 + 2·D) · 8 bytes, 21 MB at K = 256, D = 80.
const GROUP: usize = 64;
/// Posteriors below never enter the M step: a million of them weigh nothing against one sample.
const NEGLIGIBLE_POSTERIOR: f32 = 1e-15;

/// Sums over samples, about the present means. Raw moments would cancel in `f32`.
pub(crate) struct Statistics {
    pub(crate) log_likelihood: f64,
    /// `(K)`: Σ γ.
    pub(crate) mass: Vec<f64>,
    /// `(K, D)`: Σ γ (x − μ).
    pub(crate) first: Vec<f64>,
    /// `(K, D)`: Σ γ (x − μ)².
    pub(crate) second: Vec<f64>,
}

impl Statistics {
    fn zeros(n_components: usize, n_features: usize) -> Self {
        Self {
            log_likelihood: 0.0,
            mass: vec![0.0; n_components],
            first: vec![0.0; n_components * n_features],
            second: vec![0.0; n_components * n_features],
        }
    }

    fn add(&mut self, other: &Self) {
        self.log_likelihood += other.log_likelihood;
        add_to(&mut self.mass, &other.mass);
        add_to(&mut self.first, &other.first);
        add_to(&mut self.second, &other.second);
    }

    /// The log-likelihood and, where a posterior floor is given, the sums for the M step. `x` holds finite values in standard
    /// layout.
    pub(crate) fn gather(model: &DiagonalGmm, x: ArrayView2<'_, f32>, posterior_floor: Option<f32>) -> Self {
        let (n_components, n_features) = model.means().dim();
        let kernel = PosteriorKernel::new(model);
        let means = model.means();
        let means = means.as_slice().expect("a mixture is kept in standard layout");
        let mut total = Self::zeros(n_components, n_features);
        let chunks: Vec<Range<usize>> =
            (0..x.nrows()).step_by(CHUNK).map(|start| start..x.nrows().min(start + CHUNK)).collect();
        for group in chunks.chunks(GROUP) {
            let parts: Vec<Self> = group
                .par_iter()
                .map_init(
                    || Scratch::new(&kernel, n_components, n_features),
                    |scratch, chunk| scratch.sum(&kernel, means, x.slice(s![chunk.clone(), ..]), posterior_floor),
                )
                .collect();
            for part in &parts {
                total.add(part);
            }
        }
        total
    }
}

fn add_to<T: Copy + Into<f64>>(sums: &mut [f64], values: &[T]) {
    for (sum, &value) in sums.iter_mut().zip(values) {
        *sum += value.into();
    }
}

/// Sums of one run of samples in `f32`, and what finding them needs.
struct Scratch {
    workspace: Workspace,
    posteriors: SparsePosteriors,
    log_densities: Vec<f64>,
    mass: Vec<f32>,
    first: Vec<f32>,
    second: Vec<f32>,
}

impl Scratch {
    fn new(kernel: &PosteriorKernel, n_components: usize, n_features: usize) -> Self {
        Self {
            workspace: kernel.workspace(),
            posteriors: SparsePosteriors::with_capacity(RUN),
            log_densities: Vec::with_capacity(RUN),
            mass: vec![0.0; n_components],
            first: vec![0.0; n_components * n_features],
            second: vec![0.0; n_components * n_features],
        }
    }

    /// Statistics of one chunk of samples.
    fn sum(
        &mut self,
        kernel: &PosteriorKernel,
        means: &[f32],
        x: ArrayView2<'_, f32>,
        posterior_floor: Option<f32>,
    ) -> Statistics {
        let mut sums = match posterior_floor {
            Some(_) => Statistics::zeros(self.mass.len(), x.ncols()),
            None => Statistics::zeros(0, 0),
        };
        // No posterior reaches infinity: the log-likelihood alone is wanted.
        let floor = posterior_floor.map_or(f32::INFINITY, |floor| floor.max(NEGLIGIBLE_POSTERIOR));
        for run in x.axis_chunks_iter(Axis(0), RUN) {
            self.posteriors.clear();
            self.log_densities.clear();
            kernel.append(run, floor, &mut self.workspace, &mut self.posteriors, Some(&mut self.log_densities));
            sums.log_likelihood += self.log_densities.iter().sum::<f64>();
            if posterior_floor.is_some() {
                self.mass.fill(0.0);
                self.first.fill(0.0);
                self.second.fill(0.0);
                let rows = run.as_slice().expect("the callers bring samples to standard layout");
                accumulate(rows, means, &self.posteriors, &mut self.mass, &mut self.first, &mut self.second);
                add_to(&mut sums.mass, &self.mass);
                add_to(&mut sums.first, &self.first);
                add_to(&mut sums.second, &self.second);
            }
        }
        sums
    }
}

#[multiversion::multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512dq+avx512vl+fma+avx2",
    "x86_64+avx2+fma",
    "aarch64+neon"
))]
fn accumulate(
    rows: &[f32],
    means: &[f32],
    posteriors: &SparsePosteriors,
    mass: &mut [f32],
    first: &mut [f32],
    second: &mut [f32],
) {
    let n_features = means.len() / mass.len();
    for (n, x) in rows.chunks_exact(n_features).enumerate() {
        let (components, values) = posteriors.row(n);
        for (&k, &posterior) in components.iter().zip(values) {
            let k = k as usize;
            let run = k * n_features..(k + 1) * n_features;
            mass[k] += posterior;
            let first = &mut first[run.clone()];
            let second = &mut second[run.clone()];
            let means = &means[run];
            // Whole registers first: the compiler's own unrolling would leave 16 of 80 features to single steps.
            let whole = n_features - n_features % LANES;
            for start in (0..whole).step_by(LANES) {
                let lanes = start..start + LANES;
                add_lanes(
                    posterior,
                    &x[lanes.clone()],
                    &means[lanes.clone()],
                    &mut first[lanes.clone()],
                    &mut second[lanes],
                );
            }
            for d in whole..n_features {
                let difference = x[d] - means[d];
                first[d] += posterior * difference;
                second[d] += posterior * difference * difference;
            }
        }
    }
}

#[inline(always)]
fn add_lanes(posterior: f32, x: &[f32], means: &[f32], first: &mut [f32], second: &mut [f32]) {
    for lane in 0..LANES {
        let difference = x[lane] - means[lane];
        let weighted = posterior * difference;
        first[lane] += weighted;
        second[lane] += weighted * difference;
    }
}
