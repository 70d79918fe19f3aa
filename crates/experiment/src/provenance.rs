//! The origin of the numbers of a run: program, processor, seeds, digests. Some fields are complete on Linux only.

use std::path::Path;

use fisherlens_report::Provenance;

use crate::dataset::Dataset;
use crate::experiment::Experiment;

/// The crates that the numbers depend on.
const CRATES: [&str; 16] = [
    "faer",
    "linfa",
    "linfa-clustering",
    "linfa-logistic",
    "matrixmultiply",
    "multiversion",
    "ndarray",
    "ndarray-linalg",
    "png",
    "rand",
    "rand_distr",
    "rand_xoshiro",
    "rayon",
    "rmp-serde",
    "zune-jpeg",
    "blake3",
];

/// The program that runs an experiment. The report shows these values.
#[derive(Debug, Clone, Default)]
pub struct Program {
    /// The command as it was typed.
    pub command_line: String,
    /// The commit that the program was built from, if it is known.
    pub commit: Option<String>,
    /// Names and versions of the crates that the numbers depend on.
    pub crates: Vec<(String, String)>,
}

impl Program {
    /// A program in a checkout: `command` with its arguments, the commit that is checked out in `root`, and the versions in the text of a
    /// lock file.
    ///
    /// # Panics
    /// When the lock file is not TOML.
    pub fn of_checkout(command: &str, root: &Path, lock: &str) -> Self {
        let words = std::env::args().skip(1);
        let command_line = std::iter::once(command.to_owned()).chain(words).collect::<Vec<_>>().join(" ");
        Self { command_line, commit: commit(&root.join(".git")), crates: crates(lock) }
    }
}

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

/// The commit that is checked out. It is read from the files of git, so that the program git is not needed.
fn commit(git: &Path) -> Option<String> {
    let head = std::fs::read_to_string(git.join("HEAD")).ok()?;
    let head = head.trim();
    let Some(reference) = head.strip_prefix("ref: ") else { return Some(head.to_owned()) };
    if let Ok(commit) = std::fs::read_to_string(git.join(reference)) {
        return Some(commit.trim().to_owned());
    }
    let packed = std::fs::read_to_string(git.join("packed-refs")).ok()?;
    packed.lines().find_map(|line| line.strip_suffix(reference)).map(|commit| commit.trim().to_owned())
}

fn crates(lock: &str) -> Vec<(String, String)> {
    let lock: toml::Table = lock.parse().expect("the lock file of a build is valid TOML");
    let packages = lock.get("package").and_then(toml::Value::as_array).map_or(&[][..], Vec::as_slice);
    let field = |package: &toml::Value, name: &str| package.get(name).and_then(toml::Value::as_str).map(str::to_owned);
    packages
        .iter()
        .filter_map(|package| Some((field(package, "name")?, field(package, "version")?)))
        .filter(|(name, _)| CRATES.contains(&name.as_str()))
        .collect()
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
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_the_lock_file() {
        let lock = "version = 4\n[[package]]\nname = \"ndarray\"\nversion = \"0.16.1\"\n[[package]]\nname = \"other\"\nversion = \"1.0.0\"\n";
        assert_eq!(crates(lock), [("ndarray".to_owned(), "0.16.1".to_owned())]);
    }

    #[test]
    fn the_commit_is_read_from_the_files_of_git() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("HEAD"), "0123abcd\n").unwrap();
        assert_eq!(commit(folder.path()).as_deref(), Some("0123abcd"));
        std::fs::write(folder.path().join("HEAD"), "ref: refs/heads/main\n").unwrap();
        std::fs::write(folder.path().join("packed-refs"), "4567ef refs/heads/main\n").unwrap();
        assert_eq!(commit(folder.path()).as_deref(), Some("4567ef"));
        assert_eq!(commit(&folder.path().join("absent")), None);
    }
}
