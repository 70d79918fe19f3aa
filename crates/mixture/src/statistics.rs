//! The E step: sums over all samples, on all threads, in an order that does not depend on the number of threads.

use std::ops::Range;
use std::sync::Mutex;

use fisherlens_lanes::add;
use ndarray::{ArrayView2, Axis, s};
use rayon::prelude::*;

use crate::by_component::ByComponent;
use crate::diagonal_gmm::DiagonalGmm;
use crate::posteriors::{PosteriorTables, Workspace};
use crate::sparse_posteriors::SparsePosteriors;

/// Number of samples that one thread sums at a time. It is fixed, so that the sums do not depend on the number of threads.
const CHUNK: usize = 2048;
/// Number of samples that are summed in `f32`; the sums of such runs are added in `f64`.
const RUN: usize = 1024;
/// Number of chunks whose sums are in memory at the same time: 64 · K·(1 + 2·D) · 8 bytes, 21 MB at K = 256, D = 80.
const GROUP: usize = 64;
/// Posteriors below this constant divided by K never enter the M step. Together, all such posteriors of a sample are smaller than the
/// rounding error of the sum of its posteriors, which is 1.
const NEGLIGIBLE_SHARE: f32 = 0.5 * f32::EPSILON;

/// Sums over samples. Moments are about the present means μ, because moments about 0 would lose their digits in `f32`. The arrays are
/// empty where no M step follows.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Statistics {
    /// Σ ln p(x).
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

    /// Adds the parts in their order. Arrays that are empty here stay empty.
    pub(crate) fn add(&mut self, parts: &[Self]) {
        self.log_likelihood += parts.iter().map(|part| part.log_likelihood).sum::<f64>();
        add_in_order(&mut self.mass, parts, |part| &part.mass);
        add_in_order(&mut self.first, parts, |part| &part.first);
        add_in_order(&mut self.second, parts, |part| &part.second);
    }
}

/// The E steps of one fit. All of them use the same memory, because the threads would wait for new memory pages in every step.
pub(crate) struct EStep {
    n_components: usize,
    n_features: usize,
    /// Sums of the chunks of one group.
    parts: Vec<Statistics>,
    /// A thread takes one out while it sums a chunk, so that in the end there is about one per thread.
    scratches: Mutex<Vec<Scratch>>,
}

impl EStep {
    pub(crate) fn new(model: &DiagonalGmm) -> Self {
        let (n_components, n_features) = model.means().dim();
        Self { n_components, n_features, parts: Vec::new(), scratches: Mutex::new(Vec::new()) }
    }

    /// The log-likelihood and, where a posterior floor is given, the sums for the M step; otherwise their arrays are empty.
    ///
    /// `x` `(N, D)`: finite samples in standard layout.
    pub(crate) fn gather(
        &mut self,
        model: &DiagonalGmm,
        x: ArrayView2<'_, f32>,
        posterior_floor: Option<f32>,
    ) -> Statistics {
        let floor = match posterior_floor {
            Some(floor) => floor.max(NEGLIGIBLE_SHARE / self.n_components as f32),
            // Only the log-likelihood is needed, and no posterior reaches an infinite floor.
            None => f32::INFINITY,
        };
        let tables = model.tables(floor);
        let means = model.means();
        let means = means.as_slice().expect("a mixture has arrays in standard layout");
        let mut total = match posterior_floor {
            Some(_) => Statistics::zeros(self.n_components, self.n_features),
            None => Statistics::zeros(0, 0),
        };
        let chunks: Vec<Range<usize>> =
            (0..x.nrows()).step_by(CHUNK).map(|start| start..x.nrows().min(start + CHUNK)).collect();
        while self.parts.len() < chunks.len().min(GROUP) {
            self.parts.push(Statistics::zeros(self.n_components, self.n_features));
        }
        let scratches = &self.scratches;
        let parts = &mut self.parts;
        for group in chunks.chunks(GROUP) {
            parts.par_iter_mut().zip(group).with_max_len(1).for_each(|(part, chunk)| {
                let scratch = scratches.lock().expect("no thread panics while it holds the lock").pop();
                let mut scratch = scratch.unwrap_or_else(|| Scratch::new(tables, self.n_components, self.n_features));
                scratch.sum(tables, means, x.slice(s![chunk.clone(), ..]), floor, part);
                scratches.lock().expect("no thread panics while it holds the lock").push(scratch);
            });
            total.add(&parts[..group.len()]);
        }
        total
    }
}

/// Adds one field of all parts to `sums`. Each entry is summed by one thread, in the order of the parts.
fn add_in_order(sums: &mut [f64], parts: &[Statistics], of: impl Fn(&Statistics) -> &Vec<f64> + Sync) {
    const ENTRIES: usize = 2048;
    sums.par_chunks_mut(ENTRIES).enumerate().for_each(|(index, sums)| {
        for part in parts {
            add(sums, &of(part)[index * ENTRIES..index * ENTRIES + sums.len()]);
        }
    });
}

/// Memory for the sums of one chunk of samples.
struct Scratch {
    workspace: Workspace,
    posteriors: SparsePosteriors,
    log_densities: Vec<f64>,
    by_component: ByComponent,
    first: Vec<f32>,
    second: Vec<f32>,
}

impl Scratch {
    fn new(tables: &PosteriorTables, n_components: usize, n_features: usize) -> Self {
        Self {
            workspace: tables.workspace(),
            posteriors: SparsePosteriors::with_capacity(RUN),
            log_densities: Vec::with_capacity(RUN),
            by_component: ByComponent::new(n_components),
            first: vec![0.0; n_features],
            second: vec![0.0; n_features],
        }
    }

    /// Overwrites `sums` with the statistics of one chunk of samples.
    fn sum(
        &mut self,
        tables: &PosteriorTables,
        means: &[f32],
        x: ArrayView2<'_, f32>,
        floor: f32,
        sums: &mut Statistics,
    ) {
        sums.clear();
        if floor.is_infinite() {
            sums.log_likelihood = self.log_likelihood(tables, x, floor);
            return;
        }
        let n_features = x.ncols();
        for run in x.axis_chunks_iter(Axis(0), RUN) {
            sums.log_likelihood += self.log_likelihood(tables, run, floor);
            self.by_component.fill(&self.posteriors, 0..run.nrows() as u32);
            let values = run.as_slice().expect("the callers bring samples to standard layout");
            for (k, mass) in sums.mass.iter_mut().enumerate() {
                if self.by_component.component(k).0.is_empty() {
                    continue;
                }
                let block = k * n_features..(k + 1) * n_features;
                let (first, second) = (&mut self.first, &mut self.second);
                *mass += self.by_component.moments(k, values, &means[block.clone()], first, second);
                add(&mut sums.first[block.clone()], &self.first);
                add(&mut sums.second[block], &self.second);
            }
        }
    }

    /// Returns the sum of ln p(x) over the samples `x` and replaces `self.posteriors` by their posteriors of at least `floor`.
    fn log_likelihood(&mut self, tables: &PosteriorTables, x: ArrayView2<'_, f32>, floor: f32) -> f64 {
        self.posteriors.clear();
        self.log_densities.clear();
        tables.append(x, floor, &mut self.workspace, &mut self.posteriors, Some(&mut self.log_densities));
        self.log_densities.iter().sum()
    }
}
