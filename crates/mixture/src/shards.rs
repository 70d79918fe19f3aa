//! Learning from samples in shards, of which only one must fit into memory. The shards of one pass can be summed by any number of workers.

use std::borrow::Borrow;
use std::ops::ControlFlow;

use ndarray::{Array2, ArrayView2};
use rand::SeedableRng;
use rand_xoshiro::Xoshiro256Plus;

use crate::diagonal_gmm::DiagonalGmm;
use crate::em_state::EmState;
use crate::em_sums::EmSums;
use crate::error::{MixtureError, in_shard};
use crate::params::{DiagonalGmmValidParams, Init};
use crate::posteriors::check_samples;
use crate::statistics::{EStep, Statistics};
use crate::variance::VarianceSums;

/// Number of samples per component that the start is made from, where `init` does not ask for more. Many of them can be equal, and the
/// start needs a different sample for each component.
const START_SAMPLES_PER_COMPONENT: usize = 100;

/// The steps of learning from shards. A coordinator and its workers make them in this order:
///
/// 1. Workers: [`variance_sums`](Self::variance_sums) of every shard.
/// 2. Coordinator: [`start_rows`](Self::start_rows) for the number of samples of all shards. Workers: the samples with these indices.
/// 3. Coordinator: [`start_from_rows`](Self::start_from_rows), or [`start_from`](Self::start_from) instead of steps 2 and 3.
/// 4. Until [`EmState::is_finished`]: [`em_sums`](Self::em_sums) of every shard by the workers, then [`advance`](Self::advance) by the
///    coordinator.
///
/// [`fit_shards`](Self::fit_shards) makes all of these steps in one process. Sums are always combined in the order of the shards.
/// Therefore both ways give the same bits, for any number of workers and threads. Other borders between the shards change the rounding.
impl DiagonalGmmValidParams {
    /// Number of samples, mean and variance of every feature over one shard: `x` `(N, D)`. A shard can have no samples.
    ///
    /// # Errors
    /// When a value is not finite or there is no feature.
    pub fn variance_sums(&self, x: ArrayView2<'_, f32>) -> Result<VarianceSums, MixtureError> {
        if x.ncols() == 0 {
            return Err(MixtureError::Dimension { what: "features per sample (at least)", expected: 1, found: 0 });
        }
        check_samples(x, x.ncols())?;
        Ok(VarianceSums::of(x.as_standard_layout().view()))
    }

    /// Indices of the samples that the start is made from, in increasing order. Index 0 is the first sample of the first shard, and indices
    /// go on through the shards in their order.
    ///
    /// They are drawn with the seed, without replacement, from `n_samples` samples: 100 per component, or the number of samples of
    /// [`Init::KMeans`] if it is larger. If there are fewer samples, all are taken.
    pub fn start_rows(&self, n_samples: usize) -> Vec<usize> {
        let n_rows = self.n_start_rows(n_samples);
        if n_rows == n_samples {
            return (0..n_samples).collect();
        }
        // The start draws from the rows with the same seed, so these draws take another part of the sequence of random numbers.
        let mut rng = Xoshiro256Plus::seed_from_u64(self.seed);
        rng.jump();
        let mut rows = rand::seq::index::sample(&mut rng, n_samples, n_rows).into_vec();
        rows.sort_unstable();
        rows
    }

    fn n_start_rows(&self, n_samples: usize) -> usize {
        let wanted = self.n_components.saturating_mul(START_SAMPLES_PER_COMPONENT);
        let wanted = match self.init {
            Init::KMeans { n_samples, .. } => wanted.max(n_samples),
            Init::Random => wanted,
        };
        wanted.min(n_samples)
    }

    /// The state before the first iteration. The start is made from `rows` `(M, D)`, the samples with the indices
    /// [`start_rows`](Self::start_rows) in the same order, as [`Fit::fit`](linfa::traits::Fit::fit) makes it from all samples. `sums`: the
    /// sums of all shards in their order; variances and variance floor come from them.
    ///
    /// If there are so few samples that `rows` holds all of them, the start is the same as that of `fit`, except that the variances of
    /// several shards are rounded differently.
    ///
    /// # Errors
    /// When there are fewer samples, or fewer distinct rows, than components, when the number of rows is not that of `start_rows`, when
    /// numbers of features differ, when a value is not finite, or when k-means fails.
    pub fn start_from_rows(
        &self,
        rows: ArrayView2<'_, f32>,
        sums: impl IntoIterator<Item: Borrow<VarianceSums>>,
    ) -> Result<EmState, MixtureError> {
        let sums = self.variance_total(sums)?;
        if sums.n_samples() < self.n_components {
            return Err(MixtureError::TooFewSamples { n_components: self.n_components, found: sums.n_samples() });
        }
        let expected = self.n_start_rows(sums.n_samples());
        if rows.nrows() != expected {
            return Err(MixtureError::Dimension { what: "rows for the start", expected, found: rows.nrows() });
        }
        check_samples(rows, sums.n_features())?;
        self.start_state(rows.as_standard_layout().view(), &sums)
    }

    /// The state before the first iteration, which starts at the mixture `start`; the twin of [`fit_from`](Self::fit_from). `sums`: the
    /// sums of all shards in their order; the variance floor comes from them. The parameters `init` and `seed` are not used.
    ///
    /// # Errors
    /// When there are no samples, or when numbers of components or features differ.
    pub fn start_from(
        &self,
        start: &DiagonalGmm,
        sums: impl IntoIterator<Item: Borrow<VarianceSums>>,
    ) -> Result<EmState, MixtureError> {
        self.check_components("components of the start", start)?;
        let sums = self.variance_total(sums)?;
        if start.n_features() != sums.n_features() {
            let (expected, found) = (start.n_features(), sums.n_features());
            return Err(MixtureError::Dimension { what: "features per sample", expected, found });
        }
        Ok(self.state_of(start.clone(), &sums))
    }

    fn variance_total(
        &self,
        sums: impl IntoIterator<Item: Borrow<VarianceSums>>,
    ) -> Result<VarianceSums, MixtureError> {
        let total = VarianceSums::total(sums)?.filter(|total| total.n_samples() > 0);
        total.ok_or(MixtureError::TooFewSamples { n_components: self.n_components, found: 0 })
    }

    /// The sums of the E step over one shard: `x` `(N, D)`. A shard can have no samples. The parameters must be those of
    /// [`advance`](Self::advance).
    ///
    /// When [`EmState::n_iterations`] has reached the largest allowed number, only the log-likelihood is summed, because no M step follows.
    ///
    /// # Errors
    /// When EM has ended, when numbers of components or features differ, or when a value is not finite.
    pub fn em_sums(&self, state: &EmState, x: ArrayView2<'_, f32>) -> Result<EmSums, MixtureError> {
        self.check_state(state)?;
        EmSums::of(x, state, self.next_posterior_floor(state), &mut EStep::new(&state.mixture))
    }

    /// The next state. `sums`: the sums of all shards in their order, for `state`.
    ///
    /// M step, convergence and limits are those of [`fit_from`](Self::fit_from). A caller that wants to stop early takes the mixture of the
    /// state with [`EmState::into_mixture`].
    ///
    /// # Errors
    /// [`MixtureError::Finished`] when EM has ended; [`MixtureError::Sums`] in [`MixtureError::Shard`] for sums of another state or other
    /// parameters; [`MixtureError::SampleCount`] when a shard is missing or given twice; [`MixtureError::Dimension`] when the state has
    /// another number of components than the parameters; [`MixtureError::Part`] when the new mixture has values outside their range.
    pub fn advance(
        &self,
        state: EmState,
        sums: impl IntoIterator<Item: Borrow<EmSums>>,
    ) -> Result<EmState, MixtureError> {
        self.check_state(&state)?;
        let mut total = Total::default();
        for sums in sums {
            total.append(self, &state, sums.borrow())?;
        }
        let total = total.of_all(&state)?;
        self.next_state(state, total, &mut |_, _| ControlFlow::Continue(()))
    }

    fn check_state(&self, state: &EmState) -> Result<(), MixtureError> {
        self.check_components("components of the state", &state.mixture)?;
        if state.is_finished {
            return Err(MixtureError::Finished { n_iterations: state.n_iterations() });
        }
        Ok(())
    }

    /// Learns a mixture from shards in one process. `load` returns one shard `(N, D)`, which can have no samples. It is called once per
    /// shard and E step, in order. Before the first E step it is called once for each shard, and a second time for the shards that have rows
    /// of the start.
    ///
    /// `progress` is called as in [`fit_with_progress`](Self::fit_with_progress), and can stop in the same way. An error of `load` stops at
    /// once.
    ///
    /// ```
    /// use fisherlens_mixture::{DiagonalGmm, MixtureError};
    /// use linfa::ParamGuard;
    /// use ndarray::Array2;
    /// use std::ops::ControlFlow;
    ///
    /// let mut load = |shard: usize| {
    ///     Ok::<_, MixtureError>(Array2::from_shape_fn((200, 2), |(n, d)| ((n * 7 + d * 3 + shard) % 50) as f32))
    /// };
    /// let params = DiagonalGmm::params(4).max_n_iterations(10).check()?;
    /// let mixture = params.fit_shards(3, &mut load, &mut |_, _| ControlFlow::Continue(()))?;
    /// assert_eq!(mixture.n_components(), 4);
    /// # Ok::<(), MixtureError>(())
    /// ```
    ///
    /// # Errors
    /// The errors of `load` and of the steps. [`MixtureError::Shard`] names the shard that has a value that is not finite, or another shape
    /// than before.
    pub fn fit_shards<E: From<MixtureError>>(
        &self,
        n_shards: usize,
        load: &mut dyn FnMut(usize) -> Result<Array2<f32>, E>,
        progress: &mut dyn FnMut(usize, f64) -> ControlFlow<()>,
    ) -> Result<DiagonalGmm, E> {
        let mut state = self.start_shards(n_shards, load)?;
        let mut e_step = EStep::new(&state.mixture);
        while !state.is_finished {
            let mut total = Total::default();
            for shard in 0..n_shards {
                let sums = EmSums::of(load(shard)?.view(), &state, self.next_posterior_floor(&state), &mut e_step);
                total.append(self, &state, &in_shard(shard, sums)?)?;
            }
            let total = total.of_all(&state)?;
            state = self.next_state(state, total, progress)?;
        }
        Ok(state.into_mixture())
    }

    /// Steps 1 to 3 in one process: the state before the first iteration. `load` returns one shard `(N, D)`, as in
    /// [`fit_shards`](Self::fit_shards). It is called once for each shard in order, and a second time for the shards that have rows of the
    /// start.
    ///
    /// # Errors
    /// The errors of `load` and of the steps; see [`fit_shards`](Self::fit_shards).
    pub fn start_shards<E: From<MixtureError>>(
        &self,
        n_shards: usize,
        load: &mut dyn FnMut(usize) -> Result<Array2<f32>, E>,
    ) -> Result<EmState, E> {
        let mut variances = Vec::with_capacity(n_shards);
        for shard in 0..n_shards {
            variances.push(in_shard(shard, self.variance_sums(load(shard)?.view()))?);
        }
        let rows = self.gather_rows(&variances, load)?;
        Ok(self.start_from_rows(rows.view(), &variances)?)
    }

    /// The samples with the indices `start_rows`, in order: `(M, D)`.
    fn gather_rows<E: From<MixtureError>>(
        &self,
        shards: &[VarianceSums],
        load: &mut dyn FnMut(usize) -> Result<Array2<f32>, E>,
    ) -> Result<Array2<f32>, E> {
        let total = self.variance_total(shards)?;
        let indices = self.start_rows(total.n_samples());
        let mut values = Vec::with_capacity(indices.len() * total.n_features());
        let mut remaining = &indices[..];
        let mut first = 0;
        for (shard, sums) in shards.iter().enumerate() {
            let start = first;
            first += sums.n_samples();
            let (here, later) = remaining.split_at(remaining.partition_point(|&index| index < first));
            remaining = later;
            if here.is_empty() {
                continue;
            }
            let x = load(shard)?;
            let unchanged = check_samples(x.view(), total.n_features()).and_then(|()| {
                let (expected, found) = (sums.n_samples(), x.nrows());
                if expected == found { Ok(()) } else { Err(MixtureError::SampleCount { expected, found }) }
            });
            in_shard(shard, unchanged)?;
            for &index in here {
                values.extend(x.row(index - start));
            }
        }
        let shape = (indices.len(), total.n_features());
        Ok(Array2::from_shape_vec(shape, values).expect("every index lies in one shard"))
    }
}

/// The sums of the E step over the shards so far.
#[derive(Default)]
struct Total {
    n_shards: usize,
    sums: Option<EmSums>,
}

impl Total {
    /// Adds the sums of the next shard.
    fn append(&mut self, params: &DiagonalGmmValidParams, state: &EmState, next: &EmSums) -> Result<(), MixtureError> {
        let result = match &mut self.sums {
            Some(sums) => sums.append(next),
            None => next.belong_to(state, params.next_posterior_floor(state).is_some()).map(|()| {
                self.sums = Some(next.clone());
            }),
        };
        in_shard(self.n_shards, result)?;
        self.n_shards += 1;
        Ok(())
    }

    /// The sums over all shards, if they cover all samples.
    fn of_all(&self, state: &EmState) -> Result<&Statistics, MixtureError> {
        match &self.sums {
            Some(sums) if sums.n_samples() == state.n_samples => Ok(sums.statistics()),
            sums => {
                let found = sums.as_ref().map_or(0, EmSums::n_samples);
                Err(MixtureError::SampleCount { expected: state.n_samples, found })
            }
        }
    }
}
