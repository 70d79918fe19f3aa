//! How time and memory grow with the image, with the mixture, and with the number of images.
//!
//! Every size of the image and of the mixture is measured in a separate process, which has its own peak of resident memory. The growth with
//! the number of images is computed: the time of each row, multiplied by the number of times that the experiment does this work.

use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};
use fisherlens_fisher::{Encoder, FisherVector};
use ndarray::{Array2, ArrayView2};
use serde::{Deserialize, Serialize};

use crate::context::Bench;
use crate::inputs::{Inputs, POSTERIOR_FLOOR};
use crate::rows::front::encode;
use crate::rows::mixture::steps;
use crate::rows::relevance::{EPSILON, pixels_of_gray};
use fisherlens_cli::console::say;
use fisherlens_experiment::provenance::status_bytes;
use fisherlens_report::{Grid, seconds};

/// Name of these tables on the command line.
pub(crate) const NAME: &str = "growth";

/// Factors by which the sides of the image are enlarged.
const SIDES: [usize; 3] = [1, 2, 4];
/// Numbers of components of the mixture.
const COMPONENTS: [usize; 5] = [64, 128, 256, 512, 1024];
/// Number of descriptors that EM is timed on.
const N_SAMPLES: usize = 50_000;
/// Number of steps of EM that are timed together; the time of one step is their mean.
const STEPS: usize = 4;
/// With these variables the GNU allocator maps every larger block separately and unmaps it when it is freed.
const UNMAP_FREED: [(&str, &str); 2] = [("MALLOC_MMAP_THRESHOLD_", "65536"), ("MALLOC_TRIM_THRESHOLD_", "65536")];
/// Number of runs; the fastest one counts.
const RUNS: usize = 3;

/// What a separate process measures for one size.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Measured {
    /// `side` or `components`.
    pub(crate) what: String,
    /// Factor of the sides, or number of components.
    pub(crate) size: usize,
    /// Number of descriptors.
    pub(crate) n_descriptors: usize,
    /// Seconds from grey values to the vector, or from projected descriptors to the vector.
    pub(crate) vector_seconds: f64,
    /// Seconds from grey values to the relevance of pixels by the epsilon rule, or seconds of one step of EM.
    pub(crate) other_seconds: f64,
    /// Resident memory for the vector in addition to the memory before; `None` if the system does not report it.
    pub(crate) vector_bytes: Option<u64>,
    /// Resident memory for the relevance or for EM, measured in the same way.
    pub(crate) other_bytes: Option<u64>,
}

/// Measures all sizes.
///
/// # Errors
/// When a process fails.
pub(crate) fn measure(bench: &Bench) -> Result<Vec<Measured>> {
    let sizes = SIDES.map(|side| ("side", side)).into_iter().chain(COMPONENTS.map(|k| ("components", k)));
    let mut all = Vec::new();
    for (what, size) in sizes {
        let timed = in_a_process(bench, &format!("{what}={size}"), &[])?;
        // If the allocator returns every freed block to the system at once, freed memory is not counted. This is slow, so times
        // are measured in another process.
        let weighed = in_a_process(bench, &format!("{what}={size}"), &UNMAP_FREED)?;
        let measured = Measured { vector_bytes: weighed.vector_bytes, other_bytes: weighed.other_bytes, ..timed };
        let name = format!("{what} {size}");
        say(format_args!("{name:>26}  {:.4} s, {:.4} s", measured.vector_seconds, measured.other_seconds));
        all.push(measured);
    }
    Ok(all)
}

/// Measures one size in a separate process.
fn in_a_process(bench: &Bench, word: &str, environment: &[(&str, &str)]) -> Result<Measured> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["bench", "--alone", word]).envs(environment.iter().copied());
    if let Some(image) = &bench.options.image {
        command.arg("--image").arg(image);
    }
    let output = command.output().context("this program cannot be run again")?;
    let printed = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "the measurement of {word} failed: {}", printed.trim());
    serde_json::from_slice(&output.stdout).context("the output of a measurement cannot be read")
}

/// Measures one size in this process, `side=2` or `components=512`, and returns what it prints.
///
/// # Errors
/// An unknown word; an error of a stage.
pub(crate) fn alone(word: &str, image: Option<&std::path::Path>) -> Result<String> {
    let (what, size) = word.split_once('=').context("a size is given as in side=2")?;
    let size: usize = size.parse().context("a size is a whole number")?;
    let inputs = Inputs::new(image)?;
    let measured = match what {
        "side" => side(&inputs, size)?,
        "components" => components(&inputs, size)?,
        _ => bail!("\"{what}\" is not measured, expected side or components"),
    };
    Ok(serde_json::to_string(&measured)?)
}

fn side(inputs: &Inputs, factor: usize) -> Result<Measured> {
    let gray = enlarged(inputs.gray.view(), factor);
    let mut n_descriptors = 0;
    let (vector_seconds, vector_bytes) = best(|| {
        let described = inputs.describe(gray.view())?;
        n_descriptors = described.frames.len();
        encode(inputs, described.set())
    })?;
    let (other_seconds, other_bytes) = best(|| pixels_of_gray(inputs, &gray, EPSILON))?;
    let what = "side".to_owned();
    Ok(Measured { what, size: factor, n_descriptors, vector_seconds, other_seconds, vector_bytes, other_bytes })
}

fn components(inputs: &Inputs, n_components: usize) -> Result<Measured> {
    let sample = inputs.sample(N_SAMPLES)?;
    let start = Inputs::start(sample, n_components)?;
    let floor = POSTERIOR_FLOOR.min(1e-2 / n_components as f32);
    let params = steps(n_components, STEPS, floor)?;
    let mut mixture = None;
    let (seconds, other_bytes) = best(|| {
        mixture = Some(params.fit_from(&start, sample)?);
        Ok(())
    })?;
    let mixture = mixture.context("the mixture was learned above")?;
    let encoder = FisherVector::params(mixture).posterior_floor(POSTERIOR_FLOOR).check()?;
    let (vector_seconds, vector_bytes) = best(|| Ok(encoder.encode(inputs.set())?))?;
    Ok(Measured {
        what: "components".to_owned(),
        size: n_components,
        n_descriptors: inputs.n_descriptors(),
        vector_seconds,
        // After the last step the likelihood is computed once more; the mean over the steps includes this.
        other_seconds: seconds / STEPS as f64,
        vector_bytes,
        other_bytes,
    })
}

/// Seconds of the fastest of [`RUNS`] runs, and the rise of the resident memory in the first run.
fn best<T>(mut work: impl FnMut() -> Result<T>) -> Result<(f64, Option<u64>)> {
    let before = memory("VmRSS:");
    // Linux resets the peak of the resident memory when 5 is written to this file.
    let is_reset = std::fs::write("/proc/self/clear_refs", "5").is_ok();
    let mut fastest = f64::INFINITY;
    let mut bytes = None;
    for run in 0..RUNS {
        let since = Instant::now();
        std::hint::black_box(work()?);
        fastest = fastest.min(since.elapsed().as_secs_f64());
        if run == 0 && is_reset {
            bytes = memory("VmHWM:").zip(before).map(|(peak, before)| peak.saturating_sub(before));
        }
    }
    Ok((fastest, bytes))
}

/// A value of this process's status, in bytes.
fn memory(field: &str) -> Option<u64> {
    status_bytes(&std::fs::read_to_string("/proc/self/status").ok()?, field)
}

/// The image, `factor` times as wide and high, with linear interpolation between its pixels.
fn enlarged(image: ArrayView2<'_, f32>, factor: usize) -> Array2<f32> {
    let (height, width) = image.dim();
    let between = |at: usize, length: usize| {
        let place = at as f32 / factor as f32;
        let low = (place as usize).min(length - 1);
        (low, (low + 1).min(length - 1), place - low as f32)
    };
    Array2::from_shape_fn((height * factor, width * factor), |(y, x)| {
        let (top, bottom, down) = between(y, height);
        let (left, right, over) = between(x, width);
        let row = |y: usize| image[[y, left]] * (1.0 - over) + image[[y, right]] * over;
        (row(top) * (1.0 - down) + row(bottom) * down).clamp(0.0, 1.0)
    })
}

/// The two measured tables.
pub(crate) fn grids(measured: &[Measured]) -> Vec<Grid> {
    let megabytes =
        |bytes: Option<u64>| bytes.map_or_else(|| "–".to_owned(), |bytes| format!("{:.0} MB", bytes as f64 / 1e6));
    let of = |what: &str| measured.iter().filter(|one| one.what == what).cloned().collect::<Vec<_>>();
    let row = |name: String, first: &Measured, one: &Measured| {
        vec![
            name,
            one.n_descriptors.to_string(),
            seconds(one.vector_seconds),
            format!("{:.2} ×", one.vector_seconds / first.vector_seconds),
            megabytes(one.vector_bytes),
            seconds(one.other_seconds),
            format!("{:.2} ×", one.other_seconds / first.other_seconds),
            megabytes(one.other_bytes),
        ]
    };
    let mut grids = Vec::new();
    for (what, title, column, other) in [
        (
            "side",
            "Growth with the sides of the image (enlarged photograph; from grey values to the vector and to the relevance of pixels).",
            "sides",
            "pixels",
        ),
        (
            "components",
            "Growth with the number of components of the mixture (vector of the photograph; one step of EM on 50,000 descriptors).",
            "K",
            "EM step",
        ),
    ] {
        let sizes = of(what);
        let Some(first) = sizes.first() else { continue };
        let rows = sizes.iter().map(|one| {
            let name = if what == "side" { format!("× {}", one.size) } else { one.size.to_string() };
            row(name, first, one)
        });
        let columns = [column, "descriptors", "vector", "growth", "memory", other, "growth", "memory"];
        grids.push(Grid {
            title: title.to_owned(),
            columns: columns.map(str::to_owned).to_vec(),
            rows: rows.collect(),
        });
    }
    grids
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_enlarged_image_contains_the_original_pixels() {
        let image = ndarray::array![[0.0_f32, 1.0], [0.5, 0.5]];
        let large = enlarged(image.view(), 2);
        assert_eq!(large.dim(), (4, 4));
        assert_eq!((large[[0, 0]], large[[0, 1]], large[[0, 2]], large[[2, 0]]), (0.0, 0.5, 1.0, 0.5));
        assert_eq!(enlarged(image.view(), 1), image);
    }

    #[test]
    fn sizes_become_two_tables() {
        let one = |what: &str, size, vector_seconds| Measured {
            what: what.to_owned(),
            size,
            n_descriptors: 10,
            vector_seconds,
            other_seconds: 1.0,
            vector_bytes: Some(5_000_000),
            other_bytes: None,
        };
        let grids = grids(&[one("side", 1, 0.1), one("side", 2, 0.4), one("components", 64, 0.2)]);
        assert_eq!(grids.len(), 2);
        assert_eq!(grids[0].rows[1][..5], ["× 2", "10", "400 ms", "4.00 ×", "5 MB"]);
        assert!(grids.iter().all(|grid| grid.rows.iter().all(|row| row.len() == grid.columns.len())));
    }
}
