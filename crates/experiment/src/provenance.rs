//! The origin of the numbers of a run: program, processor, seeds, digests. Some fields are complete on Linux only.

use fisherlens_report::Provenance;

use crate::dataset::Dataset;
use crate::experiment::Experiment;
use crate::program::Program;

/// Collects everything that is known about the run.
pub fn collect(experiment: &Experiment) -> Provenance {
    let settings = &experiment.settings;
    let n_seeds = settings.evaluation.n_seeds as u64;
    let seeds = (0..n_seeds).map(|offset| {
        let what = if offset == 0 { "sample, mixture, folds, draws" } else { "further run, up to its scores" };
        (what.to_owned(), settings.seed + offset)
    });
    collect_from(&experiment.core.dataset, settings, &experiment.core.program, seeds.collect())
}

/// [`collect`] for both kinds of experiment.
pub(crate) fn collect_from(
    dataset: &Dataset,
    settings: &impl serde::Serialize,
    program: &Program,
    seeds: Vec<(String, u64)>,
) -> Provenance {
    let data_digest = fisherlens_artifact::Key::builder("data", 1)
        .input("train files", dataset.train.files)
        .input("train labels", dataset.train.labels)
        .input("train annotations", dataset.train.annotations)
        .input("test files", dataset.test.files)
        .input("test labels", dataset.test.labels)
        .input("test annotations", dataset.test.annotations)
        .finish();
    let settings_digest = fisherlens_artifact::Key::builder("settings", 1).setting("settings", settings).finish();
    Provenance {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        commit: program.commit.clone(),
        crates: program.crates.clone(),
        processor: processor(),
        code_path: code_path().to_owned(),
        n_threads: rayon::current_num_threads(),
        seeds,
        data_digest: data_digest.to_hex(),
        settings_digest: settings_digest.to_hex(),
        operating_system: operating_system(),
        command_line: program.command_line.clone(),
        peak_memory: peak_memory(),
    }
}

/// The processor's name.
pub fn processor() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find(|line| line.starts_with("model name")).and_then(|line| line.split(':').nth(1));
    name.map_or_else(|| std::env::consts::ARCH.to_owned(), |name| name.trim().to_owned())
}

/// The widest instruction set that the kernels use on this machine.
fn code_path() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vl") {
            "avx512"
        } else if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            "avx2"
        } else {
            "sse2"
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        std::env::consts::ARCH
    }
}

/// Name of the operating system, and the architecture.
pub fn operating_system() -> String {
    let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    let name = name.map_or_else(|| std::env::consts::OS.to_owned(), |name| name.trim_matches('"').to_owned());
    format!("{name}, {}", std::env::consts::ARCH)
}

/// Largest resident memory so far, in bytes; `None` if the system does not report it.
fn peak_memory() -> Option<u64> {
    status_bytes(&std::fs::read_to_string("/proc/self/status").ok()?, "VmHWM:")
}

/// The value of `field` in the text of a file `/proc/PID/status`, in bytes; `None` if the text does not have it.
pub fn status_bytes(status: &str, field: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_from_the_status() {
        let status = "Name:\txtask\nVmHWM:\t  1048576 kB\nVmRSS:\t     512 kB\n";
        assert_eq!(status_bytes(status, "VmHWM:"), Some(1 << 30));
        assert_eq!(status_bytes(status, "VmSwap:"), None);
    }
}
