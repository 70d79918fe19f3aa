//! The E step: sums over all samples, on all threads, in an order that does not depend on their number.

use std::ops::Range;
use std::sync::Mutex;

use ndarray::{ArrayView2, Axis, s};
use rayon::prelude::*;

use crate::posteriors::{PosteriorKernel, SparsePosteriors, Workspace};
use crate::{ByComponent, DiagonalGmm};

/// Samples whose statistics one thread sums; fixed, so that sums do not depend on the number of threads.
const CHUNK: usize = 2048;
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

    fn clear(&mut self) {
        self.log_likelihood = 0.0;
        self.mass.fill(0.0);
        self.first.fill(0.0);
        self.second.fill(0.0);
    }

    /// Adds parts in their order.
    fn add(&mut self, parts: &[Self]) {
        self.log_likelihood += parts.iter().map(|part| part.log_likelihood).sum::<f64>();
        add_in_order(&mut self.mass, parts, |part| &part.mass);
        add_in_order(&mut self.first, parts, |part| &part.first);
        add_in_order(&mut self.second, parts, |part| &part.second);
    }
}

/// The E step of one learning: memory that every step uses again, as fresh pages would hold the threads up.
pub(crate) struct EStep {
    n_components: usize,
    n_features: usize,
    /// Sums of the chunks of one group.
    parts: Vec<Statistics>,
    /// One a thread, in the end.
    scratches: Mutex<Vec<Scratch>>,
}

impl EStep {
    pub(crate) fn new(model: &DiagonalGmm) -> Self {
        let (n_components, n_features) = model.means().dim();
        Self { n_components, n_features, parts: Vec::new(), scratches: Mutex::new(Vec::new()) }
    }

    /// The log-likelihood and, where a posterior floor is given, the sums for the M step. `x` holds finite values in standard
    /// layout.
    pub(crate) fn gather(
        &mut self,
        model: &DiagonalGmm,
        x: ArrayView2<'_, f32>,
        posterior_floor: Option<f32>,
    ) -> Statistics {
        let kernel = PosteriorKernel::new(model);
        let means = model.means();
        let means = means.as_slice().expect("a mixture is kept in standard layout");
        let mut total = Statistics::zeros(self.n_components, self.n_features);
        let chunks: Vec<Range<usize>> =
            (0..x.nrows()).step_by(CHUNK).map(|start| start..x.nrows().min(start + CHUNK)).collect();
        while self.parts.len() < chunks.len().min(GROUP) {
            self.parts.push(Statistics::zeros(self.n_components, self.n_features));
        }
        let scratches = &self.scratches;
        let parts = &mut self.parts;
        for group in chunks.chunks(GROUP) {
            parts.par_iter_mut().zip(group).with_max_len(1).for_each(|(part, chunk)| {
                let scratch = scratches.lock().expect("no thread stops while it holds it").pop();
                let mut scratch = scratch.unwrap_or_else(|| Scratch::new(&kernel, self.n_components, self.n_features));
                scratch.sum(&kernel, means, x.slice(s![chunk.clone(), ..]), posterior_floor, part);
                scratches.lock().expect("no thread stops while it holds it").push(scratch);
            });
            total.add(&parts[..group.len()]);
        }
        total
    }
}

/// Every entry by one thread, part after part.
fn add_in_order(sums: &mut [f64], parts: &[Statistics], of: impl Fn(&Statistics) -> &Vec<f64> + Sync) {
    const ENTRIES: usize = 2048;
    sums.par_chunks_mut(ENTRIES).enumerate().for_each(|(index, sums)| {
        for part in parts {
            add_to(sums, &of(part)[index * ENTRIES..index * ENTRIES + sums.len()]);
        }
    });
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

    /// Statistics of one chunk of samples, which overwrite `sums`.
    fn sum(
        &mut self,
        kernel: &PosteriorKernel,
        means: &[f32],
        x: ArrayView2<'_, f32>,
        posterior_floor: Option<f32>,
        sums: &mut Statistics,
    ) {
        sums.clear();
        let Some(floor) = posterior_floor else {
            // No posterior reaches infinity: the log-likelihood alone is wanted.
            sums.log_likelihood = self.append(kernel, x, f32::INFINITY);
            return;
        };
        let n_features = x.ncols();
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
    }

    /// The log-likelihood of some samples; their posteriors of at least `floor` take the place of the last ones.
    fn append(&mut self, kernel: &PosteriorKernel, x: ArrayView2<'_, f32>, floor: f32) -> f64 {
        self.posteriors.clear();
        self.log_densities.clear();
        kernel.append(x, floor, &mut self.workspace, &mut self.posteriors, Some(&mut self.log_densities));
        self.log_densities.iter().sum()
    }
}
