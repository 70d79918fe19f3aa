//! What a second thread gives.

use std::cell::RefCell;

use anyhow::Result;
use fisherlens_descriptors::LocalDescriptors;
use rayon::prelude::*;

use super::front::vector_of_file;
use super::mixture;
use super::relevance::{EPSILON, pixels_of_file};
use crate::bench::context::Bench;
use crate::bench::inputs::{Inputs, POSTERIOR_FLOOR};
use crate::bench::row::Row;
use crate::bench::timing::Timing;

/// Images shared among the threads.
const N_IMAGES: usize = 8;
/// One thread's time over that of two, at least.
const LEAST_GAIN: f64 = 1.9;

thread_local! {
    /// Memory that a thread uses again for each of its images.
    static MEMORY: RefCell<LocalDescriptors> = RefCell::default();
}

/// Vectors of many images, the mixture, and pixel maps of many images.
pub(crate) fn two(bench: &mut Bench) -> Result<Vec<Row>> {
    let shared = bench.inputs()?;
    let inputs: &Inputs = &shared;
    let vectors = || images(|local| vector_of_file(inputs, local).map(drop));
    let maps = || images(|local| pixels_of_file(inputs, local, EPSILON).map(drop));
    let one_vectors = bench.time(vectors)?;
    let two_vectors = bench.time_on_two(vectors)?;
    let one_maps = bench.time(maps)?;
    let two_maps = bench.time_on_two(maps)?;

    let sample = inputs.sample(mixture::n_samples(bench))?;
    let start = Inputs::start(sample, mixture::N_COMPONENTS)?;
    let params = mixture::steps(mixture::N_COMPONENTS, mixture::STEPS, POSTERIOR_FLOOR)?;
    let one_em = bench.seconds("em")?;
    let two_em = bench.time_on_two(|| Ok(params.fit_from(&start, sample)?))?;

    let row = |name, timing: Timing, one: f64, what: &str| {
        let gain = one / timing.best;
        let note = format!("{what}; {gain:.2} times as fast as one thread");
        Row { threads: 2, ..Row::new(name, timing, note) }.at_most(1.0 / LEAST_GAIN, one, "one thread's time")
    };
    let of_images = |what: &str| format!("{N_IMAGES} images, {what}");
    Ok(vec![
        row("two-threads-vectors", two_vectors, one_vectors.best, &of_images("file → vector")),
        row("two-threads-em", two_em, one_em, "the row em"),
        row("two-threads-relevance", two_maps, one_maps.best, &of_images("file → pixels, epsilon rule")),
    ])
}

fn images(work: impl Fn(&mut LocalDescriptors) -> Result<()> + Sync) -> Result<()> {
    let one = |_| MEMORY.with_borrow_mut(|local| work(local));
    (0..N_IMAGES).into_par_iter().with_max_len(1).try_for_each(one)
}
