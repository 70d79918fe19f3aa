//! `cargo xtask-cnn bench --weights FILE`: GoogLeNet's scores and relevance compared with zennit on PyTorch and with other programs, on one
//! thread, with the same images and in the same run.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use fisherlens_cnn::{Bookkeeping, Composite, Device, IMAGENET_MEAN, Mean, Network, Targets, networks};
use ndarray::Array4;
use ndarray_npy::WriteNpyExt as _;
use rand::Rng;
use serde::Deserialize;

use crate::product_rate;
use fisherlens_cli::answer;
use fisherlens_experiment::experiment::generator;
use fisherlens_experiment::interrupt::Interrupt;
use fisherlens_experiment::networks::frames::read_weights;

/// Number of images that are processed together.
const BATCH: usize = 8;
/// Number of rounds, in which our work and the peer's alternate; the best time of each counts.
const N_ROUNDS: usize = 3;
/// Number of timed runs per round.
const N_RUNS: usize = 3;
/// What is measured: the forward pass, then composites by their names.
const WORK: [&str; 5] = ["forward", "epsilon", "z-plus", "alpha2-beta1", "gamma"];
/// The script of the peers.
const PEERS: &str = include_str!("network_peers.py");
/// The programs that it measures, and the work that each of them does.
const PROGRAMS: [(&str, &[&str]); 5] = [
    ("zennit", &WORK),
    ("onnxruntime", &["forward"]),
    ("openvino", &["forward"]),
    ("torch.compile", &["forward"]),
    ("captum", &["epsilon"]),
];
/// Largest relative difference between the sums of the outputs.
const MAX_GAP: f64 = 1e-3;

/// What the script prints.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Answer {
    Timed { best: f64, sum: f64, built_with: String },
    Missing { missing: String },
}

/// The best time of another program.
struct Beside {
    program: &'static str,
    /// Index of the work.
    at: usize,
    seconds: f64,
    /// Relative difference between the sums of its output and of ours.
    gap: f64,
}

/// Measures and prints the table.
///
/// # Errors
/// When the weights do not fit or the peer fails; an interrupt.
pub fn run(weights: &Path, python: Option<&Path>, no_peers: bool, interrupt: &Interrupt) -> Result<()> {
    let network = Network::new(networks::googlenet(), &read_weights(weights)?.0, &Device::flex())?;
    let images = images();
    let folder = tempfile::tempdir()?;
    let (script, input) = (folder.path().join("network_peers.py"), folder.path().join("images.npy"));
    std::fs::write(&script, PEERS)?;
    images.write_npy(std::fs::File::create(&input)?)?;
    let flop = 2.0 * multiplications(&network) as f64 * BATCH as f64;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build()?;
    let mut rate = 0.0_f64;
    let mut ours = [f64::INFINITY; WORK.len()];
    let mut peers: Vec<Beside> = Vec::new();
    let (mut built_with, mut missing) = (BTreeSet::new(), BTreeSet::new());
    for _ in 0..N_ROUNDS {
        rate = rate.max(product_rate()?);
        for (at, work) in WORK.into_iter().enumerate() {
            interrupt.check()?;
            let (seconds, sum) = pool.install(|| measure(&network, &images, work))?;
            ours[at] = ours[at].min(seconds);
            let programs = PROGRAMS.iter().filter(|(_, works)| !no_peers && works.contains(&work));
            for &(program, _) in programs {
                if missing.iter().any(|(name, _)| *name == program) {
                    continue;
                }
                interrupt.check()?;
                match ask(python, &script, weights, &input, program, work)? {
                    Answer::Timed { best, sum: theirs, built_with: with } => {
                        let gap = (theirs - sum).abs() / sum.abs();
                        // The peer whose rules are the same must do the same work.
                        ensure!(
                            gap < MAX_GAP || program == "captum",
                            "{work}: the sum of the output of {program} is {theirs}, ours is {sum}: this is not the same work"
                        );
                        match peers.iter_mut().find(|peer| (peer.program, peer.at) == (program, at)) {
                            Some(peer) => peer.seconds = peer.seconds.min(best),
                            None => peers.push(Beside { program, at, seconds: best, gap }),
                        }
                        built_with.insert(with);
                    }
                    Answer::Missing { missing: package } => {
                        missing.insert((program, package));
                    }
                }
            }
        }
    }
    answer!(
        "GoogLeNet, {BATCH} images together, one thread, milliseconds per image; matrix products at {:.0} GFLOP/s; the products of a forward \
         pass take {:.1} ms",
        rate / 1e9,
        1e3 * flop / rate / BATCH as f64
    );
    answer!("{:<14} {:>8}   {:<14} {:>8} {:>8} {:>10}", "work", "ours", "program", "its time", "times", "sum, gap");
    let per_image = |seconds: f64| 1e3 * seconds / BATCH as f64;
    for (at, work) in WORK.into_iter().enumerate() {
        answer!("{work:<14} {:>8.1}", per_image(ours[at]));
        for Beside { program, seconds, gap, .. } in peers.iter().filter(|peer| peer.at == at) {
            let (theirs, times) = (per_image(*seconds), seconds / ours[at]);
            answer!("{:<14} {:>8}   {program:<14} {theirs:>8.1} {times:>8.2} {gap:>10.1e}", "", "");
        }
    }
    for line in built_with {
        answer!("peer: {line}");
    }
    for (program, package) in missing {
        answer!(
            "{program} is not measured, because Python has no {package}: pip install -r crates/bench/requirements.txt"
        );
    }
    Ok(())
}

/// Best time of [`N_RUNS`] runs, and the sum of the output.
fn measure(network: &Network, images: &Array4<f32>, work: &str) -> Result<(f64, f64)> {
    let once = || -> Result<f64> {
        if work == "forward" {
            return Ok(network.scores(images.view())?.iter().map(|&score| f64::from(score)).sum());
        }
        let composite = Composite::parse(work, &Mean::Channels(IMAGENET_MEAN).pixel_range())?;
        let trace = network.trace(images.view())?;
        let relevance = network.relevance(&trace, &composite, &Targets::Best, Bookkeeping::Off)?;
        Ok(relevance.pixels.iter().map(|&value| f64::from(value)).sum())
    };
    let sum = once()?;
    let mut best = f64::INFINITY;
    for _ in 0..N_RUNS {
        let since = Instant::now();
        once()?;
        best = best.min(since.elapsed().as_secs_f64());
    }
    Ok((best, sum))
}

/// Smooth coloured noise. As in a photograph, no value is exactly 0 and neighbours are similar.
fn images() -> Array4<f32> {
    let mut rng = generator(1, "bench", "images", 0);
    let waves: Vec<[f32; 4]> = (0..BATCH * 3 * 6).map(|_| std::array::from_fn(|_| rng.gen_range(0.0..1.0))).collect();
    Array4::from_shape_fn((BATCH, 3, 224, 224), |(image, channel, y, x)| {
        let of = &waves[(image * 3 + channel) * 6..][..6];
        let wave = |&[a, b, c, d]: &[f32; 4]| (0.2 * (a * x as f32 + b * y as f32) + 6.0 * c).sin() * d;
        40.0 * of.iter().map(wave).sum::<f32>()
    })
}

/// Runs the peer's script.
fn ask(python: Option<&Path>, script: &Path, weights: &Path, input: &Path, peer: &str, work: &str) -> Result<Answer> {
    let program = python.unwrap_or(Path::new("python3"));
    let mut command = Command::new(program);
    command.arg(script).arg(weights).arg(input).args([peer, work]).arg(N_RUNS.to_string());
    for variable in ["OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"] {
        command.env(variable, "1");
    }
    let output = command.output().with_context(|| format!("cannot run {}", program.display()))?;
    let printed = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "the peer {peer} failed: {}", printed.trim());
    serde_json::from_slice(&output.stdout).context("the output of the peer cannot be read")
}

/// Number of multiplications of all linear layers for one image.
fn multiplications(network: &Network) -> usize {
    let architecture = network.architecture();
    let of_layer = |layer: usize| {
        let shape = architecture.weight_shape(layer);
        let [_, height, width] = architecture.shape(layer + 1);
        if shape.is_empty() { 0 } else { shape.iter().product::<usize>() * height * width }
    };
    (0..architecture.layers().len()).map(of_layer).sum()
}
