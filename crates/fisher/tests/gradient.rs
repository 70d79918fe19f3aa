//! The Fisher vector is the scaled gradient of the mean log-likelihood: comparison with finite differences.

mod support;

use fisherlens_fisher::{Encoder, FisherVector};
use fisherlens_mixture::DiagonalGmm;
use support::{descriptors, mixture, set};

const N_COMPONENTS: usize = 4;
const N_FEATURES: usize = 3;

/// The mean log-likelihood of the rows of `x` by its definition in `f64`. `means` and `deviations`: `(K, D)`, row after row.
fn log_likelihood(weights: &[f64], means: &[f64], deviations: &[f64], x: &ndarray::Array2<f32>) -> f64 {
    let mut sum = 0.0;
    for row in x.rows() {
        let mut density = 0.0;
        for k in 0..weights.len() {
            let mut factor = weights[k];
            for d in 0..N_FEATURES {
                let deviation = deviations[k * N_FEATURES + d];
                let z = (f64::from(row[d]) - means[k * N_FEATURES + d]) / deviation;
                factor *= (-0.5 * z * z).exp() / (deviation * std::f64::consts::TAU.sqrt());
            }
            density += factor;
        }
        sum += density.ln();
    }
    sum / x.nrows() as f64
}

#[test]
fn parts_are_scaled_derivatives() {
    let (x, positions) = descriptors(60, N_FEATURES, 9);
    let whole = mixture(N_COMPONENTS + 1, N_FEATURES);
    // The last component is left out, because it is far from all descriptors and its derivatives are 0.
    let kept = ndarray::s![..N_COMPONENTS];
    let weights = whole.weights().slice(kept).to_owned();
    let gmm = DiagonalGmm::from_parts(
        &weights / weights.sum(),
        whole.means().slice(ndarray::s![..N_COMPONENTS, ..]).to_owned(),
        whole.variances().slice(ndarray::s![..N_COMPONENTS, ..]).to_owned(),
    )
    .unwrap();
    let encoder = FisherVector::params(gmm.clone()).posterior_floor(0.0).check().unwrap();
    let found = encoder.encode(set(&x, &positions)).unwrap();
    let weights: Vec<f64> = gmm.weights().iter().map(|&w| w.into()).collect();
    let means: Vec<f64> = gmm.means().iter().map(|&m| m.into()).collect();
    let deviations: Vec<f64> = gmm.variances().iter().map(|&v| f64::from(v).sqrt()).collect();
    let step = 1e-5;
    let near = |d: usize, expected: f64| {
        let found = f64::from(found[d]);
        assert!((found - expected).abs() < 1e-5, "[{d}] {found} instead of {expected}");
    };
    for k in 0..N_COMPONENTS {
        // π = softmax(α): ∂/∂α_k = mean(γ_k) − π_k, scaled by 1/√π_k.
        let softmax = |by: f64| {
            let mut weights = weights.clone();
            weights[k] *= by.exp();
            let sum: f64 = weights.iter().sum();
            for weight in &mut weights {
                *weight /= sum;
            }
            log_likelihood(&weights, &means, &deviations, &x)
        };
        let derivative = (softmax(step) - softmax(-step)) / (2.0 * step);
        near(k, derivative / weights[k].sqrt());
        for d in 0..N_FEATURES {
            let at = k * N_FEATURES + d;
            // The Fisher information of a mean is π/σ², and the Fisher information of a standard deviation is 2π/σ².
            let by_mean = |by: f64| {
                let mut means = means.clone();
                means[at] += by;
                log_likelihood(&weights, &means, &deviations, &x)
            };
            let derivative = (by_mean(step) - by_mean(-step)) / (2.0 * step);
            near(N_COMPONENTS + at, derivative * deviations[at] / weights[k].sqrt());
            let by_deviation = |by: f64| {
                let mut deviations = deviations.clone();
                deviations[at] += by;
                log_likelihood(&weights, &means, &deviations, &x)
            };
            let derivative = (by_deviation(step) - by_deviation(-step)) / (2.0 * step);
            near(N_COMPONENTS * (1 + N_FEATURES) + at, derivative * deviations[at] / (2.0 * weights[k]).sqrt());
        }
    }
}
