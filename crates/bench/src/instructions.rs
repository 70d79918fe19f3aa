//! Instructions of the hot kernels: a number that a busy machine does not move.
//!
//! Times on a shared machine scatter by more than a small slip costs; the number of instructions that valgrind counts does not.
//! It knows no AVX-512, so what is counted is the AVX2 path, and it says nothing about caches.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use serde::{Deserialize, Serialize};

use super::kernels::{COUNTED, KERNELS};
use fisherlens_cli::answer;
use fisherlens_cli::console::say;

/// A kernel may grow by this share before the command fails.
const MOST_GROWTH: f64 = 0.02;

/// Ends the sentence on what to do without the program.
const INSTALL: &str = "apt-get install valgrind";

/// What lies in the repository.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Baseline {
    /// Instruction sets that valgrind offered.
    features: String,
    /// Instructions by kernel.
    kernels: BTreeMap<String, u64>,
}

/// Counts every kernel and compares with the stored counts, or stores them.
///
/// # Errors
/// Valgrind that is missing; a kernel that has grown by more than 2 %.
pub(crate) fn run(update: bool) -> Result<()> {
    ensure_valgrind()?;
    let path = path();
    let mut found = Baseline { features: "avx2 fma, no avx512".to_owned(), kernels: BTreeMap::new() };
    for kernel in KERNELS {
        let count = count(kernel)?;
        say(format_args!("{kernel:>26}  {} instructions", grouped(count)));
        found.kernels.insert(kernel.to_owned(), count);
    }
    if update {
        let text = "# Instructions of the hot kernels on their AVX2 path, counted by callgrind.\n\
                    # Written by `cargo xtask bench --instructions --update`; another compiler gives other counts.\n"
            .to_owned()
            + &toml::to_string(&found)?;
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        answer!("{} kernels stored in {}", found.kernels.len(), path.display());
        return Ok(());
    }
    let stored = std::fs::read_to_string(&path)
        .with_context(|| format!("no counts to compare with in {}; --update writes them", path.display()))?;
    let stored: Baseline = toml::from_str(&stored).with_context(|| format!("cannot read {}", path.display()))?;
    let (table, grown) = compare(&stored.kernels, &found.kernels);
    answer!("{table}");
    answer!("Counted on the path for {}: valgrind knows no AVX-512.", found.features);
    if !grown.is_empty() {
        bail!(
            "{} more than {:.0} % above the stored count; if that is meant, --update stores the new ones",
            grown.join(", ") + if grown.len() == 1 { " is" } else { " are" },
            100.0 * MOST_GROWTH
        );
    }
    Ok(())
}

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/instructions.toml")
}

fn ensure_valgrind() -> Result<()> {
    let answered = Command::new("valgrind").arg("--version").output();
    ensure!(
        answered.is_ok_and(|output| output.status.success()),
        "instructions are counted by valgrind, which is not here: {INSTALL}"
    );
    Ok(())
}

/// Instructions of one kernel, from a run of this program under callgrind.
fn count(kernel: &str) -> Result<u64> {
    let program = std::env::current_exe()?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(format!("--toggle-collect={COUNTED}"))
        .arg(program)
        .args(["bench", "--alone", kernel])
        .output()
        .context("valgrind cannot be run")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "kernel {kernel} fails under valgrind: {}", said.trim());
    let count = collected(&said).with_context(|| format!("valgrind tells no count of {kernel}: {}", said.trim()))?;
    ensure!(count > 0, "valgrind saw nothing of {kernel}: the program has no symbols, or its function was inlined");
    Ok(count)
}

/// The number after `Collected :`.
fn collected(said: &str) -> Option<u64> {
    let line = said.lines().find(|line| line.contains("Collected :"))?;
    line.rsplit(':').next()?.trim().parse().ok()
}

/// A table, and the kernels that have grown too much.
fn compare(stored: &BTreeMap<String, u64>, found: &BTreeMap<String, u64>) -> (String, Vec<String>) {
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
        if change > MOST_GROWTH {
            grown.push(kernel.to_owned());
        }
    }
    (table, grown)
}

/// `1,234,567`.
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
    fn the_count_is_read_from_what_callgrind_says() {
        let said = "==1== Events    : Ir\n==1== Collected : 1234567\n==1== \n";
        assert_eq!(collected(said), Some(1_234_567));
        assert_eq!(collected("nothing"), None);
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(grouped(123), "123");
    }

    #[test]
    fn more_than_two_percent_is_too_much() {
        let counts =
            |sift: u64, gram: u64| BTreeMap::from([("dense-sift".to_owned(), sift), ("gram".to_owned(), gram)]);
        let (table, grown) = compare(&counts(1000, 1000), &counts(1019, 1021));
        assert_eq!(grown, ["gram"]);
        assert!(table.contains("+1.90%") && table.contains("+2.10%"), "{table}");
        let (table, grown) = compare(&BTreeMap::new(), &counts(1, 1));
        assert!(grown.is_empty() && table.contains("new"));
    }

    #[test]
    fn the_stored_counts_are_those_of_the_kernels() {
        let stored: Baseline = toml::from_str(include_str!("instructions.toml")).unwrap();
        assert!(KERNELS.iter().all(|kernel| stored.kernels.contains_key(*kernel)));
    }
}
