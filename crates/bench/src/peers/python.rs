//! numpy, scikit-learn, libsvm and other packages, timed by a script of this crate in the user's Python.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use ndarray::{ArrayBase, Data, Dimension};
use ndarray_npy::{WritableElement, WriteNpyExt as _};
use serde::Deserialize;
use tempfile::TempDir;

use crate::peers::Availability;
use crate::row::Peer;

/// The script.
const SCRIPT: &str = include_str!("../peers.py");

/// How to install the packages.
const INSTALL: &str = "pip install -r crates/bench/requirements.txt (in a virtual environment, named by --python)";

/// Variables that set the number of threads of libraries for matrix products.
const THREADS: [&str; 5] =
    ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"];

/// These variables make OpenBLAS choose slower code or smaller blocks.
const SLOWING: [&str; 2] = ["OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"];

/// A Python with numpy, and the folder with its input arrays.
#[derive(Debug)]
pub(crate) struct Python {
    program: PathBuf,
    folder: TempDir,
    fixed: Option<usize>,
    seconds: f64,
}

/// What the script prints.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Answer {
    Timed {
        best: f64,
        built_with: String,
        #[serde(default)]
        note: String,
    },
    Missing {
        missing: String,
    },
}

impl Python {
    /// Checks whether this Python has numpy. `fixed` and `seconds` limit the runs as for our own rows.
    ///
    /// # Errors
    /// When a temporary folder cannot be made.
    pub(crate) fn find(program: Option<&Path>, fixed: Option<usize>, seconds: f64) -> Result<Availability<Self>> {
        let program = program.map_or_else(|| PathBuf::from("python3"), Path::to_owned);
        let answered = Command::new(&program).args(["-c", "import numpy"]).output();
        if !answered.is_ok_and(|output| output.status.success()) {
            let program = program.display();
            return Ok(Availability::Missing(format!(
                "numpy is not measured, because {program} does not have it: {INSTALL}"
            )));
        }
        let folder = tempfile::Builder::new().prefix("fisherlens-bench-").tempdir()?;
        std::fs::write(folder.path().join("peers.py"), SCRIPT)?;
        Ok(Availability::Available(Self { program, folder, fixed, seconds }))
    }

    /// Writes an array for the script under `name`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn write<A, S, D>(&self, name: &str, array: &ArrayBase<S, D>) -> Result<()>
    where
        A: WritableElement,
        S: Data<Elem = A>,
        D: Dimension,
    {
        let path = self.path(name);
        let file = std::fs::File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
        array.write_npy(std::io::BufWriter::new(file)).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Removes an array, for example a large one.
    ///
    /// # Errors
    /// When the file cannot be removed.
    pub(crate) fn remove(&self, name: &str) -> Result<()> {
        Ok(std::fs::remove_file(self.path(name))?)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.npy"))
    }

    /// Times one of the script's measurements; `label` is the peer's name in the table. If a package is not installed, the reason is
    /// returned instead of a time.
    ///
    /// # Errors
    /// When the script fails.
    pub(crate) fn time(&self, name: &str, label: &str) -> Result<Availability<Peer>> {
        let mut command = Command::new(&self.program);
        command.arg(self.folder.path().join("peers.py")).arg(self.folder.path()).arg(name);
        command.args([self.fixed.unwrap_or(0).to_string(), self.seconds.to_string()]);
        for variable in THREADS {
            command.env(variable, "1");
        }
        for variable in SLOWING {
            command.env_remove(variable);
        }
        let output = command.output().with_context(|| format!("cannot run {}", self.program.display()))?;
        let printed = String::from_utf8_lossy(&output.stderr);
        anyhow::ensure!(output.status.success(), "the Python peer {name} failed: {}", printed.trim());
        let answer: Answer =
            serde_json::from_slice(&output.stdout).context("the output of the Python peer cannot be read")?;
        Ok(match answer {
            Answer::Timed { best, built_with, note } => {
                Availability::Available(Peer { name: label.to_owned(), seconds: best, built_with, note })
            }
            Answer::Missing { missing } => {
                Availability::Missing(format!("{label} is not measured, because Python has no {missing}: {INSTALL}"))
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_answers_are_read() {
        let timed: Answer = serde_json::from_str(r#"{"name": "em", "best": 1.5, "built_with": "numpy 2"}"#).unwrap();
        assert!(matches!(timed, Answer::Timed { best: 1.5, .. }));
        let missing: Answer = serde_json::from_str(r#"{"name": "em", "missing": "sklearn"}"#).unwrap();
        assert!(matches!(missing, Answer::Missing { .. }));
    }

    #[test]
    fn the_message_about_missing_numpy_says_what_to_install() {
        let found = Python::find(Some(Path::new("/nowhere/python3")), None, 1.0).unwrap();
        let Availability::Missing(words) = found else { panic!("this program does not exist") };
        assert!(words.contains("/nowhere/python3") && words.contains("pip install -r"), "{words}");
    }
}
