//! Expectation maximisation.

use std::hint::black_box;

use anyhow::{Result, ensure};
use fisherlens_mixture::{DiagonalGmm, DiagonalGmmValidParams, Init};
use linfa::ParamGuard;
use ndarray::arr0;

use crate::context::Bench;
use crate::inputs::{Inputs, POSTERIOR_FLOOR};
use crate::row::Row;
use crate::rows::front::posterior_flop;

/// Number of steps that are timed.
pub(crate) const STEPS: usize = 10;
/// Number of components.
pub(crate) const N_COMPONENTS: usize = 256;
/// Largest difference between the log-likelihoods per sample of two programs after the same steps from the same start.
const MAX_DIFFERENCE: f64 = 0.05;

/// Number of descriptors.
pub(crate) fn n_samples(bench: &Bench) -> usize {
    if bench.options.quick { 20_000 } else { 200_000 }
}

/// Parameters for exactly `n_steps` steps.
///
/// # Errors
/// No error is expected.
pub(crate) fn steps(n_components: usize, n_steps: usize, posterior_floor: f32) -> Result<DiagonalGmmValidParams> {
    let params = DiagonalGmm::params(n_components).max_n_iterations(n_steps).tolerance(0.0);
    Ok(params.posterior_floor(posterior_floor).check()?)
}

/// Expectation maximisation as in the experiment: posteriors below 1e-4 are left out of the M step.
pub(crate) fn with_floor(bench: &mut Bench) -> Result<Vec<Row>> {
    let inputs = bench.inputs()?;
    let sample = inputs.sample(n_samples(bench))?;
    let start = Inputs::start(sample, N_COMPONENTS)?;
    let params = steps(N_COMPONENTS, STEPS, POSTERIOR_FLOOR)?;
    let timing = bench.time(|| Ok(params.fit_from(&start, black_box(sample))?))?;
    let peer = match bench.vlfeat() {
        None => None,
        Some(vlfeat) => {
            let theirs = vlfeat.expectation_maximisation(sample, &start, 1)? / sample.nrows() as f64;
            let ours = steps(N_COMPONENTS, 1, POSTERIOR_FLOOR)?.fit_from(&start, sample)?;
            let ours = ours.report().log_likelihood_trace[1];
            ensure!(
                (theirs - ours).abs() < MAX_DIFFERENCE,
                "the log-likelihood after one step is {theirs} in VLFeat and {ours} here: this is not the same work"
            );
            Some(bench.time_vlfeat(&vlfeat, || vlfeat.expectation_maximisation(black_box(sample), &start, STEPS))?)
        }
    };
    let flop = posterior_flop(sample.nrows(), sample.ncols(), N_COMPONENTS) * STEPS as f64;
    let product = bench.limits.product_seconds(flop);
    let note = format!(
        "{} × {}, K {N_COMPONENTS}, {STEPS} steps, floor {POSTERIOR_FLOOR:e}; limit: the E steps' products",
        sample.nrows(),
        sample.ncols()
    );
    Ok(vec![Row::new("em", timing, note).with_peer(peer, Some(9.0)).product(product, Some(0.47))])
}

/// Expectation maximisation as in textbooks: every posterior counts.
pub(crate) fn plain(bench: &mut Bench) -> Result<Vec<Row>> {
    let inputs = bench.inputs()?;
    let sample = inputs.sample(n_samples(bench))?;
    let start = Inputs::start(sample, N_COMPONENTS)?;
    let params = steps(N_COMPONENTS, STEPS, 0.0)?;
    let timing = bench.time(|| Ok(params.fit_from(&start, black_box(sample))?))?;
    if let Some(python) = bench.python() {
        python.write("sample", &sample)?;
        python.write("start_means", &start.means())?;
        python.write("start_variances", &start.variances())?;
    }
    let peer = bench.time_python("em", "scikit-learn")?;
    let flop = 2.0 * posterior_flop(sample.nrows(), sample.ncols(), N_COMPONENTS) * STEPS as f64;
    let product = bench.limits.product_seconds(flop);
    let note = format!(
        "{} × {}, K {N_COMPONENTS}, {STEPS} steps, floor 0; limit: both products of each step, though the second product leaves out \
         posteriors that are too small to change the sums",
        sample.nrows(),
        sample.ncols()
    );
    Ok(vec![Row::new("em-plain", timing, note).with_peer(peer, Some(4.0)).product(product, Some(0.65))])
}

/// k-means, the start of expectation maximisation.
pub(crate) fn k_means(bench: &mut Bench) -> Result<Vec<Row>> {
    let inputs = bench.inputs()?;
    let sample = inputs.sample(n_samples(bench) / 4)?;
    let n_samples = sample.nrows();
    let init = Init::KMeans { n_samples, n_iterations: STEPS };
    let params = DiagonalGmm::params(N_COMPONENTS).init(init).check()?;
    let sums = params.variance_sums(sample)?;
    let timing = bench.time(|| Ok(params.start_from_rows(black_box(sample), [&sums])?))?;
    if let Some(python) = bench.python() {
        python.write("sample", &sample)?;
        python.write("start_means", &Inputs::start(sample, N_COMPONENTS)?.means())?;
        python.write("steps", &arr0(STEPS as i64))?;
    }
    let others = bench.time_others("k-means", &["faiss", "scikit-learn"])?;
    let flop = 2.0 * (n_samples * sample.ncols() * N_COMPONENTS * STEPS) as f64;
    let product = bench.limits.product_seconds(flop);
    let note = format!(
        "{n_samples} × {}, {N_COMPONENTS} clusters, {STEPS} iterations, by linfa; with the moments of the clusters; limit: the distances as products",
        sample.ncols()
    );
    Ok(vec![Row::new("k-means", timing, note).product(product, None).beside(others)])
}
