//! The program that runs an experiment: its command, its commit, and the versions of the crates that the numbers depend on.

use std::path::Path;

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
        let words = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned());
        let command_line = std::iter::once(command.to_owned()).chain(words).collect::<Vec<_>>().join(" ");
        Self { command_line, commit: commit(&root.join(".git")), crates: crates(lock) }
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
