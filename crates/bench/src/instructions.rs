//! The number of instructions of the inner loops, which does not depend on the load of the machine.
//!
//! On a shared machine times vary more than a small loss of speed; the number of instructions that valgrind counts does not vary. Valgrind
//! does not support AVX-512, so the AVX2 path is counted. The number says nothing about caches.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use serde::{Deserialize, Serialize};

use crate::kernels::{COUNTED, KERNELS};
use fisherlens_cli::answer;
use fisherlens_cli::console::say;
use fisherlens_experiment::provenance::processor;

/// If the count of a kernel grows by a larger share, the command fails.
const MAX_GROWTH: f64 = 0.02;
/// The same on another processor, for which the C library may choose other ways to copy and to fill memory.
const MAX_GROWTH_ELSEWHERE: f64 = 0.1;

/// The instruction sets of the code that is counted.
const FEATURES: &str = "avx2 fma, no avx512";

/// The last words of the message when the program is missing.
const INSTALL: &str = "apt-get install valgrind";

/// The counts in the repository. Each profile of cargo makes other code.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Baseline {
    /// Instruction sets that valgrind supports.
    features: String,
    /// `cargo xtask-release`.
    #[serde(default)]
    release: Counts,
    /// `cargo xtask`.
    #[serde(default)]
    dev: Counts,
}

/// The counts of one profile.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Counts {
    /// What `rustc --version` printed.
    compiler: String,
    /// The processor on which they were counted.
    processor: String,
    /// Number of instructions of each kernel.
    kernels: BTreeMap<String, u64>,
}

impl Baseline {
    /// The counts of the profile that this program was compiled with.
    fn present(&mut self) -> &mut Counts {
        if cfg!(debug_assertions) { &mut self.dev } else { &mut self.release }
    }
}

/// Counts every kernel and compares with the stored counts, or stores them.
///
/// # Errors
/// When Valgrind is missing, or a count is more than 2 % above the stored one (10 % on another processor).
pub(crate) fn run(update: bool) -> Result<()> {
    ensure_valgrind()?;
    let path = path();
    let mut found = Counts { compiler: compiler()?, processor: processor(), kernels: BTreeMap::new() };
    for kernel in KERNELS {
        let count = count(kernel)?;
        say(format_args!("{kernel:>26}  {} instructions", grouped(count)));
        found.kernels.insert(kernel.to_owned(), count);
    }
    let stored = std::fs::read_to_string(&path)
        .with_context(|| format!("cannot read the stored counts in {}; --update writes them", path.display()));
    let stored =
        stored.and_then(|text| toml::from_str(&text).with_context(|| format!("cannot read {}", path.display())));
    if update {
        let mut stored: Baseline = stored.unwrap_or_default();
        FEATURES.clone_into(&mut stored.features);
        let n_kernels = found.kernels.len();
        *stored.present() = found;
        let text = "# Number of instructions of the inner loops on their AVX2 path, counted by callgrind.\n\
                    # Written by `cargo xtask bench --instructions --update`; another compiler gives other counts.\n"
            .to_owned()
            + &toml::to_string(&stored)?;
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        answer!("{n_kernels} kernels stored in {}", path.display());
        return Ok(());
    }
    let stored = stored?.present().clone();
    let max_growth = if stored.processor == found.processor { MAX_GROWTH } else { MAX_GROWTH_ELSEWHERE };
    let (table, grown) = compare(&stored.kernels, &found.kernels, max_growth);
    answer!("{table}");
    answer!("Counted on the path for {FEATURES}, because valgrind does not support AVX-512.");
    if stored.compiler != found.compiler {
        answer!(
            "The stored counts come from {}, and these from {}. Another compiler makes other code, so a difference is no error.",
            stored.compiler,
            found.compiler
        );
        return Ok(());
    }
    if !grown.is_empty() {
        bail!(
            "{} more than {:.0} % above the stored count; if this is intended, store the new counts with --update",
            grown.join(", ") + if grown.len() == 1 { " is" } else { " are" },
            100.0 * max_growth
        );
    }
    Ok(())
}

/// The compiler of this checkout.
fn compiler() -> Result<String> {
    let output = Command::new("rustc").arg("--version").output().context("rustc cannot be run")?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/instructions.toml")
}

fn ensure_valgrind() -> Result<()> {
    let answered = Command::new("valgrind").arg("--version").output();
    ensure!(
        answered.is_ok_and(|output| output.status.success()),
        "valgrind counts the instructions, but it is not installed: {INSTALL}"
    );
    Ok(())
}

/// Number of instructions of one kernel, from a run of this program under callgrind.
fn count(kernel: &str) -> Result<u64> {
    let program = std::env::current_exe()?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(format!("--toggle-collect={COUNTED}"))
        .arg(program)
        .args(["bench", "--alone", kernel])
        .output()
        .context("valgrind cannot be run")?;
    let printed = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "kernel {kernel} failed under valgrind: {}", printed.trim());
    let count =
        collected(&printed).with_context(|| format!("valgrind printed no count for {kernel}: {}", printed.trim()))?;
    ensure!(
        count > 0,
        "valgrind counted no instruction of {kernel}: the program has no symbols, or its function was inlined"
    );
    Ok(count)
}

/// The number after `Collected :`.
fn collected(printed: &str) -> Option<u64> {
    let line = printed.lines().find(|line| line.contains("Collected :"))?;
    line.rsplit(':').next()?.trim().parse().ok()
}

/// The table, and the kernels whose count has grown too much.
fn compare(stored: &BTreeMap<String, u64>, found: &BTreeMap<String, u64>, max_growth: f64) -> (String, Vec<String>) {
    let mut table = format!("{:<18}{:>16}{:>16}{:>10}\n", "kernel", "instructions", "stored", "change");
    let mut grown = Vec::new();
    for kernel in KERNELS {
        let Some(&now) = found.get(kernel) else { continue };
        let Some(&before) = stored.get(kernel) else {
            let _ = writeln!(table, "{kernel:<18}{:>16}{:>16}{:>10}", grouped(now), "–", "new");
            continue;
        };
        let change = now as f64 / before as f64 - 1.0;
        let _ = writeln!(table, "{kernel:<18}{:>16}{:>16}{:>+9.2}%", grouped(now), grouped(before), 100.0 * change);
        if change > max_growth {
            grown.push(kernel.to_owned());
        }
    }
    (table, grown)
}

/// A number with commas, as in `1,234,567`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_read_from_the_output_of_callgrind() {
        let printed = "==1== Events    : Ir\n==1== Collected : 1234567\n==1== \n";
        assert_eq!(collected(printed), Some(1_234_567));
        assert_eq!(collected("nothing"), None);
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(grouped(123), "123");
    }

    #[test]
    fn growth_above_two_percent_is_reported() {
        let counts =
            |sift: u64, gram: u64| BTreeMap::from([("dense-sift".to_owned(), sift), ("gram".to_owned(), gram)]);
        let (table, grown) = compare(&counts(1000, 1000), &counts(1019, 1021), MAX_GROWTH);
        assert_eq!(grown, ["gram"]);
        assert!(table.contains("+1.90%") && table.contains("+2.10%"), "{table}");
        let (table, grown) = compare(&BTreeMap::new(), &counts(1, 1), MAX_GROWTH);
        assert!(grown.is_empty() && table.contains("new"));
    }

    #[test]
    fn every_kernel_has_a_stored_count() {
        let stored: Baseline = toml::from_str(include_str!("instructions.toml")).unwrap();
        for counts in [&stored.release, &stored.dev] {
            assert!(KERNELS.iter().all(|kernel| counts.kernels.contains_key(*kernel)));
        }
    }
}
