//! Properties that must hold for any mixture and any samples.

use approx::assert_relative_eq;
use fisherlens_mixture::{DiagonalGmm, DiagonalGmmParams, Init, MixtureError, VarianceFloor};
use linfa::traits::{Fit, Predict};
use linfa::{DatasetBase, ParamGuard};
use ndarray::{Array1, Array2, ArrayView2, Axis, array, s};
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256Plus;
use rayon::ThreadPoolBuilder;

const NO_FLOOR: VarianceFloor = VarianceFloor { relative: 0.0, absolute: 0.0 };

/// Three components that lie far apart and have different weights and variances.
fn three_clusters() -> DiagonalGmm {
    let means = array![[0.0, 0.0, 0.0], [12.0, -9.0, 3.0], [-8.0, 10.0, 11.0]];
    let variances = array![[1.0, 0.25, 4.0], [0.5, 2.0, 1.0], [3.0, 1.0, 0.5]];
    DiagonalGmm::from_parts(array![0.5, 0.3, 0.2], means, variances).unwrap()
}

/// Samples without separate clusters, so that every EM iteration changes the mixture.
fn cloud(n_samples: usize, n_features: usize) -> Array2<f32> {
    let mut rng = Xoshiro256Plus::seed_from_u64(5);
    Array2::from_shape_simple_fn((n_samples, n_features), || {
        rng.gen_range(-1.0_f32..1.0).powi(3) + rng.gen_range(-0.5_f32..0.5)
    })
}

/// Posteriors and log densities computed by their definition in `f64`.
fn by_definition(mixture: &DiagonalGmm, x: ArrayView2<'_, f32>) -> (Array2<f64>, Array1<f64>) {
    let joint = Array2::from_shape_fn((x.nrows(), mixture.n_components()), |(n, k)| {
        let mut log_density = f64::from(mixture.weights()[k]).ln();
        for d in 0..x.ncols() {
            let variance = f64::from(mixture.variances()[[k, d]]);
            let difference = f64::from(x[[n, d]]) - f64::from(mixture.means()[[k, d]]);
            log_density -= 0.5 * ((2.0 * std::f64::consts::PI * variance).ln() + difference * difference / variance);
        }
        log_density
    });
    let largest = joint.fold_axis(Axis(1), f64::NEG_INFINITY, |&a, &b| a.max(b));
    let mut posteriors = (&joint - &largest.view().insert_axis(Axis(1))).mapv(f64::exp);
    let sums = posteriors.sum_axis(Axis(1));
    posteriors /= &sums.view().insert_axis(Axis(1));
    (posteriors, largest + sums.mapv(f64::ln))
}

fn fit(params: DiagonalGmmParams, x: &Array2<f32>) -> DiagonalGmm {
    params.check().unwrap().fit(&DatasetBase::from(x.view())).unwrap()
}

#[test]
fn posteriors_equal_their_definition_and_sum_to_one() {
    let mut rng = Xoshiro256Plus::seed_from_u64(8);
    for (n_components, n_features) in [(1, 1), (3, 5), (17, 33), (64, 20)] {
        let mut weights = Array1::from_shape_simple_fn(n_components, || rng.gen_range(0.1_f32..1.0));
        weights /= weights.sum();
        let means = Array2::from_shape_simple_fn((n_components, n_features), || rng.gen_range(-2.0_f32..2.0));
        let variances = Array2::from_shape_simple_fn((n_components, n_features), || rng.gen_range(0.2_f32..3.0));
        let mixture = DiagonalGmm::from_parts(weights, means, variances).unwrap();
        let x = Array2::from_shape_simple_fn((1003, n_features), || rng.gen_range(-3.0_f32..3.0));
        let (expected, log_densities) = by_definition(&mixture, x.view());
        let found = mixture.posteriors(x.view(), 0.0);
        for (row, expected) in found.rows().into_iter().zip(expected.rows()) {
            assert!((row.iter().map(|&value| f64::from(value)).sum::<f64>() - 1.0).abs() < 2e-6);
            for (&found, &expected) in row.iter().zip(expected) {
                assert!((f64::from(found) - expected).abs() < 1e-5, "{found} for {expected}");
            }
        }
        for (&found, &expected) in mixture.log_likelihood(x.view()).iter().zip(&log_densities) {
            assert_relative_eq!(found, expected, max_relative = 1e-5, epsilon = 1e-4);
        }
    }
}

/// Rows that equal an earlier row are copied from it. The result must not depend on where such rows are and how many there are.
#[test]
fn equal_rows_have_equal_posteriors_at_any_position() {
    let mixture = three_clusters();
    let distinct = cloud(700, 3) * 8.0;
    let n_features = distinct.ncols();
    // Runs of the same row, two rows that alternate, and a row that appears again after other rows.
    let source: Vec<usize> = (0..2500)
        .map(|n| match n % 1000 {
            300..620 | 700..720 => 7,
            620..700 => [3, 11][n % 2],
            n => (n * 13) % 700,
        })
        .collect();
    let x = Array2::from_shape_fn((source.len(), n_features), |(n, d)| distinct[[source[n], d]]);
    for floor in [0.0, 1e-4] {
        let expected = mixture.posteriors(distinct.view(), floor);
        let found = mixture.posteriors(x.view(), floor);
        for (n, &source) in source.iter().enumerate() {
            for (found, expected) in found.row(n).iter().zip(expected.row(source)) {
                assert!((found - expected).abs() < 1e-6, "row {n}: {found} for {expected}");
            }
        }
    }
    let expected = mixture.log_likelihood(distinct.view());
    for (n, found) in mixture.log_likelihood(x.view()).iter().enumerate() {
        assert_relative_eq!(*found, expected[source[n]], max_relative = 1e-6);
    }
}

#[test]
fn a_floor_removes_small_posteriors_and_keeps_the_others() {
    let mixture = three_clusters();
    let x = cloud(500, 3) * 10.0;
    let all = mixture.posteriors(x.view(), 0.0);
    let floor = 1e-3;
    let floored = mixture.posteriors(x.view(), floor);
    let expected = all.mapv(|posterior| if posterior < floor { 0.0 } else { posterior });
    for (&found, &expected) in floored.iter().zip(&expected) {
        // The posteriors that are left out enter the sum with a product of integers.
        assert_eq!(found == 0.0, expected == 0.0);
        assert_relative_eq!(found, expected, max_relative = 1e-6);
    }
    assert!(expected.iter().any(|&posterior| posterior == 0.0));
    let sparse = mixture.sparse_posteriors(x.view(), floor).unwrap();
    assert_eq!(sparse.len(), 500);
    for (n, row) in floored.rows().into_iter().enumerate() {
        let (components, values) = sparse.row(n);
        assert!(components.is_sorted());
        assert_eq!(values.len(), row.iter().filter(|&&posterior| posterior > 0.0).count());
        assert!(components.iter().zip(values).all(|(&k, &value)| row[k as usize] == value));
    }
}

#[test]
fn an_em_iteration_never_lowers_the_likelihood() {
    let x = cloud(4000, 6);
    for init in [Init::Random, Init::KMeans { n_samples: 1000, n_iterations: 3 }] {
        let params = DiagonalGmm::params(12).init(init).posterior_floor(0.0).variance_floor(NO_FLOOR);
        let mixture = fit(params.tolerance(0.0).max_n_iterations(40), &x);
        let trace = &mixture.report().log_likelihood_trace;
        assert_eq!(trace.len(), 41);
        assert!(trace.windows(2).all(|pair| pair[1] >= pair[0] - 1e-7), "{init:?}: {trace:?}");
        assert!(trace[40] > trace[0] + 0.01);
        let mean = mixture.log_likelihood(x.view()).mean().unwrap();
        assert_relative_eq!(trace[40], mean, max_relative = 1e-9);
    }
}

#[test]
fn the_number_of_threads_does_not_change_any_bit() {
    let x = cloud(20_011, 16);
    for init in [Init::Random, Init::KMeans { n_samples: 2000, n_iterations: 5 }] {
        let fit_with = |n_threads| {
            let pool = ThreadPoolBuilder::new().num_threads(n_threads).build().unwrap();
            pool.install(|| fit(DiagonalGmm::params(32).init(init).max_n_iterations(5).seed(3), &x))
        };
        let one = fit_with(1);
        for n_threads in [2, 3, 7] {
            assert_eq!(one, fit_with(n_threads), "{n_threads} threads, {init:?}");
        }
    }
}

#[test]
fn separate_clusters_are_found_and_drawn_from() {
    let truth = three_clusters();
    let x = truth.generate(30_000, &mut Xoshiro256Plus::seed_from_u64(1));
    assert_eq!(x, truth.generate(30_000, &mut Xoshiro256Plus::seed_from_u64(1)));
    // EM may end in a local optimum, so users take the best of several starts.
    let likelihood = |mixture: &DiagonalGmm| *mixture.report().log_likelihood_trace.last().unwrap();
    let fits = (0..5).map(|seed| fit(DiagonalGmm::params(3).seed(seed), &x));
    let found = fits.max_by(|a, b| likelihood(a).total_cmp(&likelihood(b))).unwrap();
    assert!(found.report().converged);
    let predicted = found.predict(&x);
    for k in 0..3 {
        let distance =
            |j: usize| found.means().row(j).iter().zip(truth.means().row(k)).map(|(a, b)| (a - b).powi(2)).sum::<f32>();
        let j = (0..3).min_by(|&a, &b| distance(a).total_cmp(&distance(b))).unwrap();
        assert!(distance(j) < 0.01);
        assert_relative_eq!(found.weights()[j], truth.weights()[k], max_relative = 0.03);
        // Each sample is predicted to come from the component that is nearest to it.
        let drawn: Vec<usize> = (0..x.nrows()).filter(|&n| predicted[n] == j).collect();
        assert!(drawn.len() > 5000);
        assert!(drawn.iter().all(|&n| (x[[n, 0]] - truth.means()[[k, 0]]).abs() < 8.0));
        for d in 0..3 {
            assert_relative_eq!(found.variances()[[j, d]], truth.variances()[[k, d]], max_relative = 0.06);
        }
    }
}

#[test]
fn variances_stay_above_their_floor() {
    let mut x = cloud(3000, 4);
    // A third of the samples are equal, like the descriptors of flat image areas.
    x.slice_mut(s![..1000, ..]).fill(0.0);
    let params = DiagonalGmm::params(6).max_n_iterations(30).tolerance(0.0);
    let relative = fit(params.clone().variance_floor(VarianceFloor { relative: 0.01, absolute: 0.0 }), &x);
    let of_data = x.var_axis(Axis(0), 0.0);
    let smallest =
        |mixture: &DiagonalGmm, d: usize| mixture.variances().column(d).fold(f32::INFINITY, |a, &b| a.min(b));
    for d in 0..4 {
        assert_relative_eq!(smallest(&relative, d), 0.01 * of_data[d], max_relative = 1e-4);
    }
    let absolute = fit(params.variance_floor(VarianceFloor { relative: 0.0, absolute: 0.002 }), &x);
    assert!((0..4).all(|d| smallest(&absolute, d) == 0.002));
}

#[test]
fn added_variance_equals_scikit_learn() {
    // With one component, its variance is the variance of the samples plus `reg_covar`.
    let x = array![[0.0_f32], [2.0], [4.0]];
    let params = DiagonalGmm::params(1).init(Init::Random).variance_floor(NO_FLOOR).reg_covar(0.5);
    let mixture = fit(params, &x);
    assert_relative_eq!(mixture.means()[[0, 0]], 2.0, max_relative = 1e-6);
    assert_relative_eq!(mixture.variances()[[0, 0]], 8.0 / 3.0 + 0.5, max_relative = 1e-6);
}

#[test]
fn the_caller_can_stop_early_and_gets_the_mixture_reached_so_far() {
    let x = cloud(1000, 3);
    let params = DiagonalGmm::params(4).tolerance(0.0).max_n_iterations(50).check().unwrap();
    let mut seen = Vec::new();
    let mixture = params
        .fit_with_progress(x.view(), &mut |n_iterations, log_likelihood| {
            seen.push(log_likelihood);
            if n_iterations == 3 { std::ops::ControlFlow::Break(()) } else { std::ops::ControlFlow::Continue(()) }
        })
        .unwrap();
    assert_eq!(mixture.report().n_iterations, 3);
    assert_eq!(mixture.report().log_likelihood_trace, seen);
    assert!(!mixture.report().converged);
}

#[test]
fn each_parameter_is_checked() {
    let base = || DiagonalGmm::params(4);
    let wrong = [
        ("n_components", DiagonalGmm::params(0)),
        ("max_n_iterations", base().max_n_iterations(0)),
        ("tolerance", base().tolerance(f64::NAN)),
        ("init.n_samples", base().init(Init::KMeans { n_samples: 3, n_iterations: 1 })),
        ("init.n_iterations", base().init(Init::KMeans { n_samples: 10, n_iterations: 0 })),
        ("variance_floor.relative", base().variance_floor(VarianceFloor { relative: 1.5, absolute: 0.0 })),
        ("variance_floor.absolute", base().variance_floor(VarianceFloor { relative: 0.0, absolute: -1.0 })),
        ("posterior_floor", base().posterior_floor(0.3)),
        ("reg_covar", base().reg_covar(f32::INFINITY)),
    ];
    for (expected, params) in wrong {
        let error = params.check().unwrap_err();
        let MixtureError::Parameter { field, .. } = &error else { panic!("{error}") };
        assert_eq!(*field, expected);
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn bad_samples_are_refused_with_their_row() {
    let params = DiagonalGmm::params(4).check().unwrap();
    let fit = |x: Array2<f32>| params.fit(&DatasetBase::from(x)).unwrap_err().to_string();
    let mut x = cloud(50, 3);
    x[[17, 2]] = f32::NAN;
    assert!(fit(x).contains("17"));
    assert!(fit(cloud(3, 2)).contains('4'));
    assert!(fit(Array2::zeros((100, 2))).contains('4'));
    assert!(fit(Array2::zeros((10, 0))).contains("features"));
    assert!(three_clusters().sparse_posteriors(cloud(5, 2).view(), 0.0).is_err());
    assert!(three_clusters().sparse_posteriors(cloud(5, 3).view(), 1.5).is_err());
    let parts = |weights, means, variances| DiagonalGmm::from_parts(weights, means, variances).unwrap_err().to_string();
    assert!(parts(array![0.5, 0.6], array![[0.0], [1.0]], array![[1.0], [1.0]]).contains("1.1"));
    assert!(parts(array![1.0], array![[0.0]], array![[0.0]]).contains("variances"));
    assert!(parts(array![1.0], array![[f32::NAN]], array![[1.0]]).contains("means"));
    assert!(parts(array![1.0], array![[0.0], [1.0]], array![[1.0], [1.0]]).contains("weights"));
}

#[test]
fn posteriors_in_blocks_equal_the_list_of_all_and_need_an_array_that_fits() {
    let mixture = DiagonalGmm::from_parts(
        ndarray::array![0.25, 0.5, 0.25],
        ndarray::array![[0.0, 1.0], [2.0, 0.0], [4.0, 3.0]],
        ndarray::array![[1.0, 0.5], [0.25, 1.0], [2.0, 1.0]],
    )
    .unwrap();
    // More rows than one block has; some of them are equal, also across the border of two blocks.
    let x = ndarray::Array2::from_shape_fn((700, 2), |(n, d)| ((n / 3 * 7 + d * 5) % 23) as f32 / 5.0);
    for floor in [0.0, 1e-3] {
        let dense = mixture.posteriors(x.view(), floor);
        let listed = mixture.sparse_posteriors(x.view(), floor).unwrap();
        for n in 0..700 {
            let (components, values) = listed.row(n);
            let mut expected = [0.0_f32; 3];
            components.iter().zip(values).for_each(|(&k, &value)| expected[k as usize] = value);
            assert_eq!(dense.row(n).to_vec(), expected, "row {n}");
        }
    }
    for shape in [(699, 3), (700, 2)] {
        let mut wrong = ndarray::Array2::zeros(shape);
        assert!(mixture.posteriors_into(x.view(), 0.0, wrong.view_mut()).is_err());
    }
}
