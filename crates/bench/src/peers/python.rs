//! numpy, scikit-learn and libsvm, timed by a script of ours in a Python of yours.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use ndarray::{ArrayBase, Data, Dimension};
use ndarray_npy::{WritableElement, WriteNpyExt as _};
use serde::Deserialize;
use tempfile::TempDir;

use super::Found;
use crate::row::Peer;

/// The script.
const SCRIPT: &str = include_str!("../peers.py");

/// What to install.
const INSTALL: &str = "pip install numpy scikit-learn threadpoolctl (in a virtual environment, named by --python)";

/// Number of threads of whatever library multiplies matrices.
const THREADS: [&str; 5] =
    ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"];

/// These make a current OpenBLAS choose older kernels or smaller blocks.
const SLOWING: [&str; 2] = ["OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"];

/// A Python with numpy, and the folder through which arrays go to it.
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
    Timed { best: f64, built_with: String },
    Missing { missing: String },
}

impl Python {
    /// Looks whether this Python has numpy. `fixed` and `seconds` limit the runs as for our own rows.
    ///
    /// # Errors
    /// A temporary folder that cannot be made.
    pub(crate) fn find(program: Option<&Path>, fixed: Option<usize>, seconds: f64) -> Result<Found<Self>> {
        let program = program.map_or_else(|| PathBuf::from("python3"), Path::to_owned);
        let answered = Command::new(&program).args(["-c", "import numpy"]).output();
        if !answered.is_ok_and(|output| output.status.success()) {
            let program = program.display();
            return Ok(Found::Missing(format!("numpy is not measured: {program} does not have it; {INSTALL}")));
        }
        let folder = tempfile::Builder::new().prefix("fisherlens-bench-").tempdir()?;
        std::fs::write(folder.path().join("peers.py"), SCRIPT)?;
        Ok(Found::Here(Self { program, folder, fixed, seconds }))
    }

    /// Hands over an array under `name`.
    ///
    /// # Errors
    /// What the file system says.
    pub(crate) fn hand<A, S, D>(&self, name: &str, array: &ArrayBase<S, D>) -> Result<()>
    where
        A: WritableElement,
        S: Data<Elem = A>,
        D: Dimension,
    {
        let path = self.path(name);
        let file = std::fs::File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
        array.write_npy(std::io::BufWriter::new(file)).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Removes an array that is large.
    ///
    /// # Errors
    /// What the file system says.
    pub(crate) fn take_back(&self, name: &str) -> Result<()> {
        Ok(std::fs::remove_file(self.path(name))?)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.npy"))
    }

    /// Times one of the script's measurements; `label` is its name in the table. A package that is not installed is the reason
    /// returned in place of a time.
    ///
    /// # Errors
    /// A script that fails.
    pub(crate) fn time(&self, name: &str, label: &str) -> Result<Found<Peer>> {
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
        let said = String::from_utf8_lossy(&output.stderr);
        anyhow::ensure!(output.status.success(), "the Python peer {name} failed: {}", said.trim());
        let answer: Answer = serde_json::from_slice(&output.stdout).context("the Python peer's answer")?;
        Ok(match answer {
            Answer::Timed { best, built_with } => {
                Found::Here(Peer { name: label.to_owned(), seconds: best, built_with })
            }
            Answer::Missing { missing } => {
                Found::Missing(format!("{label} is not measured: Python has no {missing}; {INSTALL}"))
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read() {
        let timed: Answer = serde_json::from_str(r#"{"name": "em", "best": 1.5, "built_with": "numpy 2"}"#).unwrap();
        assert!(matches!(timed, Answer::Timed { best: 1.5, .. }));
        let missing: Answer = serde_json::from_str(r#"{"name": "em", "missing": "sklearn"}"#).unwrap();
        assert!(matches!(missing, Answer::Missing { .. }));
    }

    #[test]
    fn a_python_without_numpy_is_told_with_what_to_install() {
        let found = Python::find(Some(Path::new("/nowhere/python3")), None, 1.0).unwrap();
        let Found::Missing(words) = found else { panic!("there is no such program") };
        assert!(words.contains("/nowhere/python3") && words.contains("pip install numpy"), "{words}");
    }
}
