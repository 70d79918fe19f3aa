//! Folders under a temporary name, which do not outlive their process for long.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use tempfile::TempDir;

use crate::unfinished::temporary_file;

/// How the names of these folders begin.
const PREFIX: &str = ".unfinished-";
/// The file that a process keeps locked in its folder. The operating system gives the lock back when the process dies.
const LOCK: &str = "fisherlens.lock";

/// A new, empty folder, which is removed with its content when the value is dropped.
#[derive(Debug)]
pub struct TemporaryFolder {
    // Fields are dropped in this order: some systems do not remove a folder that has an open file.
    _lock: Option<File>,
    folder: TempDir,
}

impl TemporaryFolder {
    /// Makes a folder under a temporary name in `parent`. What is complete is renamed out of it, so that no reader finds a half of something.
    ///
    /// A program that is killed leaves its folder behind. Such folders of dead processes in `parent` are removed first.
    ///
    /// ```
    /// use fisherlens_files::TemporaryFolder;
    ///
    /// let parent = tempfile::tempdir()?;
    /// let folder = TemporaryFolder::new(parent.path())?;
    /// std::fs::write(folder.path().join("page.html"), "complete")?;
    /// std::fs::rename(folder.path().join("page.html"), parent.path().join("page.html"))?;
    /// drop(folder);
    /// assert_eq!(std::fs::read_dir(parent.path())?.count(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The error of the file system.
    pub fn new(parent: &Path) -> io::Result<Self> {
        remove_abandoned(parent);
        let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(parent)?;
        // The file is locked before it has its name, so that no other process finds it unlocked.
        let lock = temporary_file(&folder.path().join(LOCK))?;
        let is_locked = lock.as_file().try_lock().is_ok();
        let lock = if is_locked { Some(lock.persist(folder.path().join(LOCK))?) } else { None };
        Ok(Self { _lock: lock, folder })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Leaves the folder as a process does that is killed: unlocked, and on the disk.
    #[cfg(test)]
    fn abandon(self) -> std::path::PathBuf {
        self.folder.keep()
    }
}

/// Removes the folders whose process has died. What cannot be removed stays.
fn remove_abandoned(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let is_ours = entry.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes());
        // A folder without the lock is just being made, or is somebody else's.
        let Some(lock) = is_ours.then(|| File::open(entry.path().join(LOCK)).ok()).flatten() else { continue };
        if lock.try_lock().is_ok() {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_dead_processes_are_removed_and_no_others() {
        let parent = tempfile::tempdir().unwrap();
        let dead = TemporaryFolder::new(parent.path()).unwrap().abandon();
        fs::write(dead.join("half"), "of something").unwrap();
        let foreign = parent.path().join(".unfinished-symphony");
        fs::create_dir(&foreign).unwrap();
        fs::write(foreign.join("notes"), "b minor").unwrap();
        let alive = TemporaryFolder::new(parent.path()).unwrap();
        assert!(!dead.exists());
        let other = TemporaryFolder::new(parent.path()).unwrap();
        assert!(alive.path().exists() && other.path().exists() && foreign.join("notes").exists());
        drop((alive, other));
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 1);
    }
}
