//! Learning from shards: the same as learning from the whole, and the same bits for any number of workers.

use std::ops::ControlFlow;

use fisherlens_mixture::{
    DiagonalGmm, DiagonalGmmParams, DiagonalGmmValidParams, EmState, EmSums, Init, MixtureError, VarianceFloor,
    VarianceSums,
};
use linfa::traits::Fit;
use linfa::{DatasetBase, ParamGuard};
use ndarray::{Array2, ArrayView2, array, s};
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256Plus;
use rayon::ThreadPoolBuilder;

const KMEANS: Init = Init::KMeans { n_samples: 900, n_iterations: 4 };

/// Samples without separate clusters, so that every EM iteration changes the mixture. A fifth of them are equal.
fn cloud(n_samples: usize, n_features: usize) -> Array2<f32> {
    let mut rng = Xoshiro256Plus::seed_from_u64(5);
    let mut x = Array2::from_shape_simple_fn((n_samples, n_features), || {
        rng.gen_range(-1.0_f32..1.0).powi(3) + rng.gen_range(-0.5_f32..0.5)
    });
    x.rows_mut().into_iter().step_by(5).for_each(|mut row| row.fill(0.0));
    x
}

fn valid(params: DiagonalGmmParams) -> DiagonalGmmValidParams {
    params.check().unwrap()
}

/// The samples between neighbouring borders.
fn shards<'a>(x: &'a Array2<f32>, borders: &[usize]) -> Vec<ArrayView2<'a, f32>> {
    borders.windows(2).map(|pair| x.slice(s![pair[0]..pair[1], ..])).collect()
}

fn in_one_process(
    params: &DiagonalGmmValidParams,
    shards: &[ArrayView2<'_, f32>],
) -> Result<DiagonalGmm, MixtureError> {
    params.fit_shards(shards.len(), &mut |shard| Ok(shards[shard].to_owned()), &mut |_, _| ControlFlow::Continue(()))
}

/// What `compute` returns for every shard. The last shard is computed first, as workers may do it.
fn by_workers<T>(shards: &[ArrayView2<'_, f32>], compute: impl Fn(ArrayView2<'_, f32>) -> T) -> Vec<T> {
    let mut results: Vec<T> = shards.iter().rev().map(|shard| compute(*shard)).collect();
    results.reverse();
    results
}

fn variance_sums(params: &DiagonalGmmValidParams, shards: &[ArrayView2<'_, f32>]) -> Vec<VarianceSums> {
    by_workers(shards, |x| params.variance_sums(x).unwrap())
}

fn em_sums(params: &DiagonalGmmValidParams, state: &EmState, shards: &[ArrayView2<'_, f32>]) -> Vec<EmSums> {
    by_workers(shards, |x| params.em_sums(state, x).unwrap())
}

/// Iterates from `state` to the end.
fn to_the_end(params: &DiagonalGmmValidParams, mut state: EmState, shards: &[ArrayView2<'_, f32>]) -> DiagonalGmm {
    while !state.is_finished() {
        let sums = em_sums(params, &state, shards);
        state = params.advance(state, &sums).unwrap();
    }
    state.into_mixture()
}

/// All steps, as a coordinator and its workers make them.
fn in_steps(params: &DiagonalGmmValidParams, x: &Array2<f32>, shards: &[ArrayView2<'_, f32>]) -> DiagonalGmm {
    let sums = variance_sums(params, shards);
    let rows = params.start_rows(sums.iter().map(VarianceSums::n_samples).sum());
    let state = params.start_from_rows(x.select(ndarray::Axis(0), &rows).view(), &sums).unwrap();
    to_the_end(params, state, shards)
}

#[test]
fn one_shard_has_the_bits_of_the_fit() {
    let x = cloud(5000, 7);
    for init in [Init::Random, KMEANS] {
        // 100 samples per component are all samples, so the start is the same.
        let params = valid(DiagonalGmm::params(50).init(init).seed(3).max_n_iterations(6));
        let whole = params.fit(&DatasetBase::from(x.view())).unwrap();
        assert_eq!(in_one_process(&params, &[x.view()]).unwrap(), whole, "{init:?}");
        let with_empty = shards(&x, &[0, 0, 5000, 5000]);
        assert_eq!(in_one_process(&params, &with_empty).unwrap(), whole, "{init:?}");
        assert_eq!(in_steps(&params, &x, &with_empty), whole, "{init:?}");
    }
}

#[test]
fn one_shard_from_the_same_start_has_the_bits_of_the_fit() {
    let x = cloud(7001, 5);
    let params = valid(DiagonalGmm::params(6).max_n_iterations(8).tolerance(0.0));
    let start = valid(DiagonalGmm::params(6).max_n_iterations(1)).fit(&DatasetBase::from(x.view())).unwrap();
    let whole = params.fit_from(&start, x.view()).unwrap();
    let shards = [x.view()];
    let state = params.start_from(&start, variance_sums(&params, &shards)).unwrap();
    assert_eq!(state.n_samples(), 7001);
    assert_eq!(to_the_end(&params, state, &shards), whole);
    // A mixture may have more components than there are samples.
    let few = x.slice(s![..4, ..]);
    let state = params.start_from(&start, variance_sums(&params, &[few])).unwrap();
    assert_eq!(to_the_end(&params, state, &[few]), params.fit_from(&start, few).unwrap());
}

#[test]
fn several_shards_give_the_mixture_of_the_whole_but_for_rounding() {
    let x = cloud(9000, 4) + 20.0;
    let params = valid(DiagonalGmm::params(90).init(KMEANS).seed(1).max_n_iterations(5));
    let whole = params.fit(&DatasetBase::from(x.view())).unwrap();
    let found = in_one_process(&params, &shards(&x, &[0, 1000, 1003, 4000, 9000])).unwrap();
    assert_eq!(found.report().n_iterations, whole.report().n_iterations);
    let pairs = found.weights().into_iter().zip(whole.weights());
    let pairs = pairs.chain(found.means().into_iter().zip(whole.means()));
    for (a, b) in pairs.chain(found.variances().into_iter().zip(whole.variances())) {
        assert!((a - b).abs() < 1e-4 * b.abs().max(0.1), "{a} {b}");
    }
    for (a, b) in found.report().log_likelihood_trace.iter().zip(&whole.report().log_likelihood_trace) {
        assert!((a - b).abs() < 1e-6, "{a} {b}");
    }
}

#[test]
fn workers_in_any_order_and_threads_do_not_change_any_bit() {
    let x = cloud(12_000, 9);
    let shards = shards(&x, &[0, 5000, 5000, 5100, 12_000]);
    for init in [Init::Random, KMEANS] {
        let params = valid(DiagonalGmm::params(12).init(init).seed(9).max_n_iterations(5));
        let expected = in_one_process(&params, &shards).unwrap();
        for n_threads in [1, 4] {
            let pool = ThreadPoolBuilder::new().num_threads(n_threads).build().unwrap();
            pool.install(|| {
                assert_eq!(in_one_process(&params, &shards).unwrap(), expected, "{n_threads} threads, {init:?}");
                assert_eq!(in_steps(&params, &x, &shards), expected, "{n_threads} threads, {init:?}");
            });
        }
    }
}

#[test]
fn sums_can_be_added_before_they_are_used() {
    let x = cloud(3000, 3);
    let shards = shards(&x, &[0, 900, 1000, 3000]);
    let params = valid(DiagonalGmm::params(5).init(Init::Random));
    let variances = variance_sums(&params, &shards);
    let mut total = variances[0].clone();
    variances[1..].iter().for_each(|next| total.append(next).unwrap());
    let start = params.fit(&DatasetBase::from(x.view())).unwrap();
    let state = params.start_from(&start, &variances).unwrap();
    assert_eq!(params.start_from(&start, [total]).unwrap(), state);
    let sums = em_sums(&params, &state, &shards);
    let mut total = sums[0].clone();
    sums[1..].iter().for_each(|next| total.append(next).unwrap());
    assert_eq!((total.n_samples(), total.n_iterations()), (3000, 0));
    assert_eq!(params.advance(state.clone(), [total]).unwrap(), params.advance(state, &sums).unwrap());
}

#[test]
fn start_rows_are_distinct_and_depend_on_the_seed_only() {
    let params = |seed| valid(DiagonalGmm::params(4).init(KMEANS).seed(seed));
    let rows = params(1).start_rows(1_000_000_000);
    assert_eq!(rows.len(), 900);
    assert!(rows.windows(2).all(|pair| pair[0] < pair[1]));
    assert!(rows[899] < 1_000_000_000 && rows[0] < 10_000_000 && rows[899] > 990_000_000);
    assert_eq!(rows, params(1).start_rows(1_000_000_000));
    assert_ne!(rows, params(2).start_rows(1_000_000_000));
    assert_eq!(params(1).start_rows(700), (0..700).collect::<Vec<_>>());
    assert_eq!(params(1).start_rows(0), Vec::<usize>::new());
    assert_eq!(valid(DiagonalGmm::params(4).init(Init::Random)).start_rows(100_000).len(), 400);
}

#[test]
fn iterations_are_limited_reported_and_stopped_as_in_the_fit() {
    let x = cloud(2000, 3);
    let shards = shards(&x, &[0, 800, 2000]);
    let base = || DiagonalGmm::params(4).init(Init::Random).seed(2);
    let limited = valid(base().tolerance(0.0).max_n_iterations(3));
    let sums = variance_sums(&limited, &shards);
    let rows = x.select(ndarray::Axis(0), &limited.start_rows(2000));
    let mut state = limited.start_from_rows(rows.view(), &sums).unwrap();
    let mut n_iterations = 0;
    assert_eq!(state.log_likelihood(), None);
    while !state.is_finished() {
        assert_eq!(state.n_iterations(), n_iterations);
        assert_eq!(state.mixture().report().log_likelihood_trace.len(), n_iterations);
        let sums = em_sums(&limited, &state, &shards);
        state = limited.advance(state, &sums).unwrap();
        n_iterations += 1;
    }
    let report = state.mixture().report().clone();
    assert!(!report.converged && report.n_iterations == 3 && report.log_likelihood_trace.len() == 4);
    assert_eq!(state.log_likelihood(), report.log_likelihood_trace.last().copied());
    let finished = |result: Result<_, MixtureError>| {
        assert!(matches!(result, Err(MixtureError::Finished { n_iterations: 3 })));
    };
    finished(limited.em_sums(&state, x.view()).map(|_| ()));
    finished(limited.advance(state, [] as [EmSums; 0]).map(|_| ()));

    let converged = in_one_process(&valid(base().tolerance(1e-2)), &shards).unwrap();
    assert!(converged.report().converged && converged.report().n_iterations < 100);

    let params = valid(base().tolerance(0.0));
    let mut seen = Vec::new();
    let mut load = |shard: usize| Ok::<_, MixtureError>(shards[shard].to_owned());
    let stopped = params.fit_shards(2, &mut load, &mut |n_iterations, log_likelihood| {
        seen.push(log_likelihood);
        if n_iterations == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    let report = stopped.unwrap().report().clone();
    assert_eq!((report.n_iterations, report.converged), (2, false));
    assert_eq!(report.log_likelihood_trace, seen);
}

#[test]
fn a_component_without_samples_keeps_its_parameters() {
    let x = cloud(1000, 2);
    let (means, variances) = (array![[0.0, 0.0], [500.0, 500.0]], array![[1.0, 1.0], [0.5, 0.25]]);
    let start = DiagonalGmm::from_parts(array![0.5, 0.5], means, variances).unwrap();
    let params = valid(DiagonalGmm::params(2).max_n_iterations(3));
    let parts = shards(&x, &[0, 300, 1000]);
    let state = params.start_from(&start, variance_sums(&params, &parts)).unwrap();
    let found = to_the_end(&params, state, &parts);
    assert_eq!(found.means().row(1), array![500.0, 500.0]);
    assert_eq!(found.variances().row(1), array![0.5, 0.25]);
    assert!((found.weights()[1] - 1e-6).abs() < 1e-9);
}

#[test]
fn sums_of_another_state_or_of_other_shards_are_refused() {
    let x = cloud(2000, 3);
    let parts = shards(&x, &[0, 800, 2000]);
    let params = valid(DiagonalGmm::params(4).init(Init::Random).tolerance(0.0).max_n_iterations(2));
    let start = |seed| {
        let params = valid(DiagonalGmm::params(4).init(Init::Random).seed(seed).max_n_iterations(2));
        let rows = x.select(ndarray::Axis(0), &params.start_rows(2000));
        params.start_from_rows(rows.view(), variance_sums(&params, &parts)).unwrap()
    };
    let state = start(0);
    let sums = em_sums(&params, &state, &parts);
    let next = params.advance(state.clone(), &sums).unwrap();
    let refused = |state: &EmState, sums: &[EmSums]| params.advance(state.clone(), sums).unwrap_err().to_string();

    assert!(refused(&next, &sums).contains("shard 0: the number of iterations is 0, expected 1"));
    let next_sums = em_sums(&params, &next, &parts);
    let mixed = [sums[0].clone(), next_sums[1].clone()];
    assert!(refused(&state, &mixed).contains("shard 1: the number of iterations is 1, expected 0"));
    assert!(refused(&start(1), &sums).contains("shard 0: the fingerprint of the mixture is"));
    assert!(refused(&state, &sums[..1]).contains("there are 800 samples, expected 2000"));
    assert!(refused(&state, &[]).contains("there are 0 samples, expected 2000"));
    assert!(refused(&state, &[&sums[..], &sums[..1]].concat()).contains("there are 2800 samples, expected 2000"));

    // Sums for the last E step, made with other parameters.
    let longer = valid(DiagonalGmm::params(4).init(Init::Random).tolerance(0.0).max_n_iterations(3));
    let last = params.advance(next, &next_sums).unwrap();
    let last_sums = em_sums(&params, &last, &parts);
    let error = longer.advance(last, &last_sums).unwrap_err().to_string();
    assert!(error.contains("the number of sums of posteriors is 0, expected 4"), "{error}");

    let other = valid(DiagonalGmm::params(5));
    assert!(other.em_sums(&state, x.view()).unwrap_err().to_string().contains("components of the state"));
    assert!(other.advance(state.clone(), &sums).unwrap_err().to_string().contains("components of the state"));
    assert!(params.em_sums(&state, cloud(9, 2).view()).unwrap_err().to_string().contains("features per sample"));
    let mut bad = cloud(9, 3);
    bad[[7, 1]] = f32::NAN;
    assert!(matches!(params.em_sums(&state, bad.view()), Err(MixtureError::NotFinite { sample: 7, feature: 1, .. })));
    assert!(matches!(params.variance_sums(bad.view()), Err(MixtureError::NotFinite { sample: 7, feature: 1, .. })));
    assert!(params.variance_sums(Array2::zeros((3, 0)).view()).unwrap_err().to_string().contains("features"));
}

#[test]
fn bad_starts_are_refused() {
    let x = cloud(2000, 3);
    let params = valid(DiagonalGmm::params(4).init(Init::Random));
    let sums = variance_sums(&params, &shards(&x, &[0, 800, 2000]));
    let refused =
        |rows: ArrayView2<'_, f32>, sums: &[VarianceSums]| params.start_from_rows(rows, sums).unwrap_err().to_string();
    assert!(refused(x.view(), &[]).contains("0 distinct samples for 4 components"));
    assert!(refused(x.view(), &sums).contains("rows for the start: expected 400, found 2000"));
    assert!(refused(x.slice(s![..400, ..2]), &sums).contains("features per sample: expected 3, found 2"));
    assert!(refused(Array2::zeros((400, 3)).view(), &sums).contains("1 distinct samples for 4 components"));
    assert!(refused(Array2::from_elem((400, 3), f32::NAN).view(), &sums).contains("NaN"));
    let other = variance_sums(&params, &[cloud(100, 2).view()]);
    assert!(refused(x.view(), &[&sums[..], &other[..]].concat()).contains("shard 2: features per sample"));
    let few = variance_sums(&params, &[x.slice(s![..3, ..])]);
    assert!(refused(x.slice(s![..3, ..]), &few).contains("3 distinct samples for 4 components"));
    let start = params.start_from_rows(x.slice(s![..400, ..]), &sums).unwrap().into_mixture();
    assert!(params.start_from(&start, &other).unwrap_err().to_string().contains("features per sample"));
    assert!(params.start_from(&start, [] as [VarianceSums; 0]).is_err());
    assert!(valid(DiagonalGmm::params(5)).start_from(&start, &sums).is_err());
}

#[test]
fn bad_shards_are_named_and_errors_of_loading_are_passed_on() {
    #[derive(Debug)]
    enum Failure {
        Mixture(MixtureError),
        Load,
    }
    impl From<MixtureError> for Failure {
        fn from(error: MixtureError) -> Self {
            Self::Mixture(error)
        }
    }
    let x = cloud(600, 3);
    let floor = VarianceFloor { relative: 0.1, absolute: 0.0 };
    let params = valid(DiagonalGmm::params(2).init(Init::Random).variance_floor(floor));
    // What shard 1 returns in the given pass, all other shards and passes are sound.
    let fit = |bad_pass: usize, bad: &dyn Fn() -> Result<Array2<f32>, Failure>| {
        let mut n_loads = 0;
        let result = params.fit_shards(
            2,
            &mut |shard| {
                n_loads += 1;
                if n_loads == 2 * bad_pass + 2 {
                    bad()
                } else {
                    Ok(x.slice(s![300 * shard..300 * shard + 300, ..]).to_owned())
                }
            },
            &mut |_, _| ControlFlow::Continue(()),
        );
        result.unwrap_err()
    };
    let message = |failure: Failure| match failure {
        Failure::Mixture(error) => error.to_string(),
        Failure::Load => "load".to_owned(),
    };
    for pass in 0..4 {
        assert_eq!(message(fit(pass, &|| Err(Failure::Load))), "load");
        let not_finite = message(fit(pass, &|| Ok(Array2::from_elem((300, 3), f32::NAN))));
        assert!(not_finite.starts_with("shard 1: feature 0 of sample 0 is NaN"), "{not_finite}");
        let narrow = message(fit(pass, &|| Ok(Array2::zeros((300, 2)))));
        assert!(narrow.starts_with("shard 1: features per sample: expected 3, found 2"), "{narrow}");
        if pass > 0 {
            let shorter = message(fit(pass, &|| Ok(Array2::zeros((299, 3)))));
            assert!(shorter.contains("299 samples") || shorter.contains("599 samples"), "{shorter}");
        }
    }
}
