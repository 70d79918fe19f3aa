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

/// Vectors of many images.
pub(crate) fn vectors(bench: &mut Bench) -> Result<Vec<Row>> {
    let shared = bench.inputs()?;
    let inputs: &Inputs = &shared;
    let work = || images(|local| vector_of_file(inputs, local).map(drop));
    let (one, two) = (bench.time(work)?, bench.time_on_two(work)?);
    Ok(vec![row("two-threads-vectors", two, one.best, &format!("{N_IMAGES} images, file → vector"))])
}

/// The mixture.
pub(crate) fn em(bench: &mut Bench) -> Result<Vec<Row>> {
    let shared = bench.inputs()?;
    let sample = shared.sample(mixture::n_samples(bench))?;
    let start = Inputs::start(sample, mixture::N_COMPONENTS)?;
    let params = mixture::steps(mixture::N_COMPONENTS, mixture::STEPS, POSTERIOR_FLOOR)?;
    let work = || Ok(params.fit_from(&start, sample)?);
    let (one, two) = (bench.time(work)?, bench.time_on_two(work)?);
    Ok(vec![row("two-threads-em", two, one.best, "the work of row em")])
}

/// Pixel maps of many images.
pub(crate) fn relevance(bench: &mut Bench) -> Result<Vec<Row>> {
    let shared = bench.inputs()?;
    let inputs: &Inputs = &shared;
    let work = || images(|local| pixels_of_file(inputs, local, EPSILON).map(drop));
    let (one, two) = (bench.time(work)?, bench.time_on_two(work)?);
    Ok(vec![row("two-threads-relevance", two, one.best, &format!("{N_IMAGES} images, file → pixels, epsilon rule"))])
}

fn row(name: &'static str, timing: Timing, one: f64, what: &str) -> Row {
    let note = format!("{what}; {:.2} times as fast as one thread", one / timing.best);
    Row { threads: 2, ..Row::new(name, timing, note) }.at_most(1.0 / LEAST_GAIN, one, "one thread's time")
}

fn images(work: impl Fn(&mut LocalDescriptors) -> Result<()> + Sync) -> Result<()> {
    let one = |_| MEMORY.with_borrow_mut(|local| work(local));
    (0..N_IMAGES).into_par_iter().with_max_len(1).try_for_each(one)
}
