//! The gain of a second thread.

use anyhow::Result;
use fisherlens_lanes::on_all_threads;
use rayon::prelude::*;

use crate::context::Bench;
use crate::inputs::{Inputs, POSTERIOR_FLOOR};
use crate::row::Row;
use crate::rows::front::vector_of_file;
use crate::rows::mixture;
use crate::rows::relevance::{EPSILON, pixels_of_file};
use crate::timing::Timing;

/// Number of images that the threads share.
const N_IMAGES: usize = 8;
/// Smallest ratio of the time of one thread to the time of two threads.
const MIN_GAIN: f64 = 1.9;

/// Fisher vectors of several images.
pub(crate) fn vectors(bench: &mut Bench) -> Result<Vec<Row>> {
    let shared = bench.inputs()?;
    let inputs: &Inputs = &shared;
    let work = || images(|| vector_of_file(inputs).map(drop));
    let (one, two) = (bench.time(work)?, bench.time_on_two(work)?);
    Ok(vec![row("two-threads-vectors", two, one.best, &format!("{N_IMAGES} images, file → vector"))])
}

/// Expectation maximisation.
pub(crate) fn em(bench: &mut Bench) -> Result<Vec<Row>> {
    let shared = bench.inputs()?;
    let sample = shared.sample(mixture::n_samples(bench))?;
    let start = Inputs::start(sample, mixture::N_COMPONENTS)?;
    let params = mixture::steps(mixture::N_COMPONENTS, mixture::STEPS, POSTERIOR_FLOOR)?;
    let work = || Ok(params.fit_from(&start, sample)?);
    let (one, two) = (bench.time(work)?, bench.time_on_two(work)?);
    Ok(vec![row("two-threads-em", two, one.best, "the work of row em")])
}

/// Heatmaps of several images.
pub(crate) fn relevance(bench: &mut Bench) -> Result<Vec<Row>> {
    let shared = bench.inputs()?;
    let inputs: &Inputs = &shared;
    let work = || images(|| pixels_of_file(inputs, EPSILON).map(drop));
    let (one, two) = (bench.time(work)?, bench.time_on_two(work)?);
    Ok(vec![row("two-threads-relevance", two, one.best, &format!("{N_IMAGES} images, file → pixels, epsilon rule"))])
}

/// The heatmap of a single image, whose parts the threads share.
pub(crate) fn one_image(bench: &mut Bench) -> Result<Vec<Row>> {
    let shared = bench.inputs()?;
    let inputs: &Inputs = &shared;
    let one = bench.time(|| pixels_of_file(inputs, EPSILON))?.best;
    let two = bench.time_on_two(|| on_all_threads(|| pixels_of_file(inputs, EPSILON)))?;
    let note = format!("file → pixels, epsilon rule; {:.2} times as fast as one thread", one / two.best);
    let row = Row { threads: 2, ..Row::new("one-image-two-threads", two, note) };
    Ok(vec![row.at_most(0.6, one, "one thread's time")])
}

fn row(name: &'static str, timing: Timing, one: f64, what: &str) -> Row {
    let note = format!("{what}; {:.2} times as fast as one thread", one / timing.best);
    Row { threads: 2, ..Row::new(name, timing, note) }.at_most(1.0 / MIN_GAIN, one, "one thread's time")
}

fn images(work: impl Fn() -> Result<()> + Sync) -> Result<()> {
    (0..N_IMAGES).into_par_iter().with_max_len(1).try_for_each(|_| work())
}
