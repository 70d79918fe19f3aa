//! The E step: sums over all samples, on all threads, in an order that does not depend on their number.

use std::ops::Range;

use ndarray::{ArrayView2, Axis, s};
use rayon::prelude::*;

use crate::posteriors::{PosteriorKernel, SparsePosteriors, Workspace};
use crate::{ByComponent, DiagonalGmm};

/// Samples whose statistics one thread sums; fixed, so that sums do not depend on the number of threads.
const CHUNK: usize = 4096;
/// Samples summed in `f32` before the sums go to `f64`.
const RUN: usize = 1024;
/// Chunks whose sums are held at a time; 64 · K·(1 + 2·D) · 8 bytes, 21 MB at K = 256, D = 80.
const GROUP: usize = 64;
/// Posteriors below this share of 1/K never enter the M step: all those of a sample together are less than the rounding of their sum, 1.
const NEGLIGIBLE_SHARE: f32 = 0.5 * f32::EPSILON;

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

/// What the sums of one chunk of samples need.
struct Scratch {
    workspace: Workspace,
    posteriors: SparsePosteriors,
    log_densities: Vec<f64>,
    by_component: ByComponent,
    first: Vec<f32>,
    second: Vec<f32>,
}

impl Scratch {
    fn new(kernel: &PosteriorKernel, n_components: usize, n_features: usize) -> Self {
        Self {
            workspace: kernel.workspace(),
            posteriors: SparsePosteriors::with_capacity(RUN),
            log_densities: Vec::with_capacity(RUN),
            by_component: ByComponent::new(n_components),
            first: vec![0.0; n_features],
            second: vec![0.0; n_features],
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
        let Some(floor) = posterior_floor else {
            // No posterior reaches infinity: the log-likelihood alone is wanted.
            let mut sums = Statistics::zeros(0, 0);
            sums.log_likelihood = self.append(kernel, x, f32::INFINITY);
            return sums;
        };
        let n_features = x.ncols();
        let mut sums = Statistics::zeros(means.len() / n_features, n_features);
        let floor = floor.max(NEGLIGIBLE_SHARE / sums.mass.len() as f32);
        for run in x.axis_chunks_iter(Axis(0), RUN) {
            sums.log_likelihood += self.append(kernel, run, floor);
            self.by_component.fill(&self.posteriors, 0..run.nrows() as u32);
            let values = run.as_slice().expect("the callers bring samples to standard layout");
            for (k, mass) in sums.mass.iter_mut().enumerate() {
                if self.by_component.component(k).0.is_empty() {
                    continue;
                }
                let block = k * n_features..(k + 1) * n_features;
                let (first, second) = (&mut self.first, &mut self.second);
                *mass += self.by_component.moments(k, values, &means[block.clone()], first, second);
                add_to(&mut sums.first[block.clone()], &self.first);
                add_to(&mut sums.second[block], &self.second);
            }
        }
        sums
    }

    /// The log-likelihood of some samples; their posteriors of at least `floor` take the place of the last ones.
    fn append(&mut self, kernel: &PosteriorKernel, x: ArrayView2<'_, f32>, floor: f32) -> f64 {
        self.posteriors.clear();
        self.log_densities.clear();
        kernel.append(x, floor, &mut self.workspace, &mut self.posteriors, Some(&mut self.log_densities));
        self.log_densities.iter().sum()
    }
}
