//! Learns a Gaussian mixture from made-up points in the plane, then uses it: posteriors, log-likelihoods and random draws.
//!
//! Run: `cargo run --package fisherlens-mixture --example learn_and_use`
#![expect(clippy::print_stdout, reason = "an example prints what it computes")]

use fisherlens_mixture::{DiagonalGmm, MixtureError};
use linfa::{Dataset, traits::Fit};
use ndarray::{Axis, array, concatenate};
use rand::SeedableRng;
use rand_xoshiro::Xoshiro256Plus;

fn main() -> Result<(), MixtureError> {
    // 3,000 points from a known mixture of three components.
    let truth = DiagonalGmm::from_parts(
        array![0.5, 0.3, 0.2],
        array![[0.0, 0.0], [5.0, 1.0], [-3.0, 4.0]],
        array![[1.0, 0.5], [0.2, 2.0], [1.5, 0.3]],
    )?;
    let points = truth.generate(3000, &mut Xoshiro256Plus::seed_from_u64(1));

    // The same points and the same seed always give the same mixture.
    let mixture = DiagonalGmm::params(3).max_n_iterations(200).seed(7).fit(&Dataset::from(points.clone()))?;
    let report = mixture.report();
    println!("converged: {}, after {} iterations", report.converged, report.n_iterations);
    for k in 0..mixture.n_components() {
        let (mean, variance) = (mixture.means().row(k).to_owned(), mixture.variances().row(k).to_owned());
        println!("component {k}: weight {:.3}, mean {mean:.2}, variance {variance:.2}", mixture.weights()[k]);
    }

    // Two points of the data, and one that is far from all components.
    let some = concatenate![Axis(0), points.select(Axis(0), &[0, 1]), array![[20.0, 20.0]]];
    let posteriors = mixture.posteriors(some.view(), 0.0);
    let log_likelihoods = mixture.log_likelihood(some.view());
    for ((point, posteriors), log_likelihood) in some.rows().into_iter().zip(posteriors.rows()).zip(&log_likelihoods) {
        println!("point {point:.2}: posteriors {posteriors:.4}, log-likelihood {log_likelihood:.2}");
    }

    let draws = mixture.generate(2, &mut Xoshiro256Plus::seed_from_u64(2));
    println!("two new points drawn from the mixture:\n{draws:.2}");
    Ok(())
}
