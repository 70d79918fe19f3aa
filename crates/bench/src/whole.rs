//! The whole experiment on PASCAL VOC 2007, as a user runs it, compared with the sum of its rows.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde::Serialize;

use crate::context::{Bench, Voc};
use crate::estimate::{Counts, Item, items, sum};
use crate::row::Row;
use crate::timing::Timing;
use fisherlens_cli::console::say;
use fisherlens_experiment::interrupt::Interrupt;
use fisherlens_experiment::provenance::status_bytes;
use fisherlens_experiment::settings::Settings;

/// Name of the row.
pub(crate) const NAME: &str = "whole-experiment";

/// The experiment.
const EXPERIMENT: &str = "voc2007-val";
/// Number of threads that it uses.
const THREADS: usize = 2;
/// Largest ratio of its time on these threads to the sum of its rows divided by the number of threads.
const MAX_OVERHEAD: f64 = 1.15;
/// Largest resident memory, in bytes.
const MAX_MEMORY: u64 = 3_000_000_000;
/// Time between two measurements of its memory.
const INTERVAL: Duration = Duration::from_millis(200);

/// Time and memory of the run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Whole {
    /// Wall-clock time and goal.
    #[serde(skip)]
    pub(crate) row: Row,
    /// Largest resident memory in bytes; `None` if the system does not report it.
    pub(crate) peak_bytes: Option<u64>,
    /// Whether the memory is within the bound.
    pub(crate) memory_met: Option<bool>,
    /// The lines of the sum.
    pub(crate) items: Vec<Item>,
}

/// Runs the experiment in a separate process and computes the sum of its rows.
///
/// # Errors
/// When the experiment fails or finds results of an earlier run; an interrupt.
pub(crate) fn measure(bench: &mut Bench, voc: &Voc, interrupt: &Interrupt) -> Result<Whole> {
    let folder = tempfile::Builder::new().prefix("fisherlens-bench-").tempdir()?;
    let artifacts = voc.artifacts.clone().unwrap_or_else(|| folder.path().join("artifacts"));
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["reproduce", EXPERIMENT, "--threads", &THREADS.to_string()]).arg("--voc").arg(&voc.folder);
    command.arg("--artifacts").arg(&artifacts).arg("--report").arg(folder.path().join("report"));
    // No row measures the replacement of regions of pixels.
    command.args(["--set", "pixels.fills=[]"]);
    if voc.allow_missing {
        command.arg("--allow-missing");
    }
    let (seconds, peak_bytes, lines) = watch(command, interrupt)?;
    let counts = counts(&lines, &Settings::load(EXPERIMENT, &[])?);
    ensure!(
        counts.is_whole(),
        "some stages computed nothing ({counts:?}): a whole run needs an empty folder, and {} may have results of an earlier run; give an \
         empty folder",
        artifacts.display()
    );
    let items = items(bench, &counts)?;
    let timing = Timing { best: seconds, median: seconds, repeats: 1 };
    let memory_met = peak_bytes.map(|bytes| bytes <= MAX_MEMORY);
    let memory = peak_bytes.map_or_else(
        || "peak memory unknown".to_owned(),
        |bytes| {
            let met = if bytes <= MAX_MEMORY { "within" } else { "above" };
            format!("peak memory {:.2} GB, {met} {:.0} GB", bytes as f64 / 1e9, MAX_MEMORY as f64 / 1e9)
        },
    );
    let row = Row::new(
        NAME,
        timing,
        format!("reproduce {EXPERIMENT} without pixels, from images to report, wall-clock time; {memory}"),
    );
    let row = Row { threads: THREADS, ..row };
    let row = row.at_most(MAX_OVERHEAD / THREADS as f64, sum(&items), "the sum of its rows on one thread");
    Ok(Whole { row, peak_bytes, memory_met, items })
}

/// Runs a process; returns its wall-clock time, its peak of resident memory and the lines of its standard error, which are also printed.
fn watch(mut command: Command, interrupt: &Interrupt) -> Result<(f64, Option<u64>, Vec<String>)> {
    let since = Instant::now();
    let mut child =
        command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().context("this program cannot be run again")?;
    let stderr = child.stderr.take().context("standard error is piped")?;
    let reader = std::thread::spawn(move || {
        let lines = BufReader::new(stderr).lines().map_while(Result::ok);
        lines.inspect(|line| say(line)).collect::<Vec<String>>()
    });
    let status_file = format!("/proc/{}/status", child.id());
    let mut peak = None;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        let text = std::fs::read_to_string(&status_file).unwrap_or_default();
        peak = peak.max(status_bytes(&text, "VmHWM:"));
        if interrupt.is_raised() {
            // An artifact gets its name only when it is complete, so no half-written artifact is left.
            child.kill()?;
        }
        std::thread::sleep(INTERVAL);
    };
    let seconds = since.elapsed().as_secs_f64();
    let lines = reader.join().unwrap_or_default();
    interrupt.check()?;
    ensure!(status.success(), "the experiment failed: {}", lines.last().map_or("it printed nothing", String::as_str));
    Ok((seconds, peak, lines))
}

/// Counts the work that the lines of finished stages report. A stage whose result was stored already prints no such line.
fn counts(lines: &[String], settings: &Settings) -> Counts {
    let mut counts = Counts::default();
    let mut n_sampled = 0;
    for line in lines {
        let words: Vec<&str> = line.split_whitespace().collect();
        let number = |index: usize| words.get(index).and_then(|word| word.parse::<usize>().ok()).unwrap_or(0);
        // "… for 3 seeds"
        let of_seeds = words.iter().position(|word| *word == "seeds").map_or(1, |at| number(at - 1).max(1));
        match words.as_slice() {
            ["sample", _, "descriptors", "of", ..] => {
                n_sampled = number(1) / of_seeds;
                counts.sampled += number(4);
            }
            ["mixture", _, "components,", _, "EM", "steps,", ..] => {
                counts.projected += n_sampled;
                counts.em_visits += n_sampled * number(3);
            }
            ["encode", _, half, "images,", ..] => {
                counts.described += number(1);
                counts.encoded += number(1) * of_seeds;
                if *half == "train" {
                    counts.trained = number(1);
                }
            }
            ["classifier", _, "classes", ..] => counts.trainings += 1,
            ["relevance", _, "heatmaps", "of", ..] => {
                counts.heatmaps += number(1);
                counts.explained += number(4);
            }
            ["resampling", _, "traces", "of", ..] => {
                counts.traces += number(1);
                counts.traced += number(4);
                counts.ranked += number(6);
            }
            _ => {}
        }
    }
    let (n_costs, n_folds) = (settings.classifier.c_grid.len(), settings.classifier.n_folds);
    counts.solved_per_class = if n_costs > 1 { n_costs * n_folds + 1 } else { 1 };
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use fisherlens_experiment::interrupt::Interrupted;

    #[test]
    fn counts_are_read_from_the_lines_of_the_stages() {
        let lines = [
            "   reproduce  voc2007-val: 2500 images to learn from, 2508 to judge on, 20 classes",
            "      sample  1000000 descriptors of 2500 images for 2 seeds  (1 min 05 s)",
            "         pca  128 → 80 dimensions  (0.3 s)",
            "     mixture  256 components, 31 EM steps, converged  (1 min 40 s)",
            "     mixture  256 components, 40 EM steps, stopped at the limit  (1 min 40 s)",
            "      encode  2500 train images, 41216 dimensions for 2 seeds  (3 min 00 s)",
            "      encode  2508 test images, 41216 dimensions for 2 seeds  (3 min 00 s)",
            "  classifier  20 classes  (9.0 s)",
            "      scores  mAP 53.13 (seed 2016)  (4.0 s)",
            "   relevance  8661 heatmaps of 2100 images  (4 min 00 s)",
            "  resampling  57740 traces of 2100 images, 20000 orders by relevance  (9 min 00 s)",
        ]
        .map(str::to_owned);
        let settings = Settings::load(EXPERIMENT, &[]).unwrap();
        let counts = counts(&lines, &settings);
        let expected = Counts {
            sampled: 2500,
            projected: 1_000_000,
            em_visits: 500_000 * 71,
            described: 5008,
            encoded: 2 * 5008,
            trained: 2500,
            trainings: 1,
            solved_per_class: 13,
            explained: 2100,
            heatmaps: 8661,
            traced: 2100,
            traces: 57_740,
            ranked: 20_000,
        };
        assert_eq!(counts, expected);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_process_is_watched_until_its_end() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo one >&2; sleep 0.3; echo two >&2"]);
        let (seconds, peak, lines) = watch(command, &Interrupt::default()).unwrap();
        assert!(seconds >= 0.3 && peak.is_some_and(|bytes| bytes > 0));
        assert_eq!(lines, ["one", "two"]);
        let mut command = Command::new("sh");
        command.args(["-c", "echo no such data >&2; exit 3"]);
        let message = watch(command, &Interrupt::default()).unwrap_err().to_string();
        assert!(message.contains("no such data"), "{message}");
        let interrupt = Interrupt::default();
        interrupt.raise();
        let mut command = Command::new("sleep");
        command.arg("60");
        assert!(watch(command, &interrupt).unwrap_err().is::<Interrupted>());
    }
}
