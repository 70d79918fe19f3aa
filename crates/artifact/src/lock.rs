//! The right to use a store, which the operating system takes back when a process dies.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use fisherlens_files::is_unfinished;

use crate::error::ArtifactError;
use crate::store::{Store, list};

/// Name of the file that processes lock.
const NAME: &str = ".lock";

/// A file that was not written for so long counts as left by a killed process. Where locks hold only within one machine, another machine may be
/// writing younger ones.
const ABANDONED: Duration = Duration::from_secs(3600);

/// The right to use a store. Dropping it gives the right back; so does the end of the process, however it ends.
#[derive(Debug)]
pub struct StoreLock {
    /// `None` where the file system has no locks, or where the folder cannot be written.
    _file: Option<File>,
}

impl Store {
    /// The right to read and write the store together with other processes. If no other process uses the store, files that a killed process
    /// left unfinished an hour ago or more are removed. Waits while another process has [`Store::own`]ed the store.
    pub fn share(&self) -> StoreLock {
        let Ok(file) = self.lock_file() else { return StoreLock { _file: None } };
        if file.try_lock().is_ok() {
            for (path, _) in self.unfinished().into_iter().filter(|(path, _)| is_abandoned(path)) {
                let _ = fs::remove_file(path);
            }
        }
        let locked = file.lock_shared().is_ok();
        StoreLock { _file: locked.then_some(file) }
    }

    /// The right to change the store while no other process uses it.
    ///
    /// # Errors
    /// [`ArtifactError::InUse`] when another process uses the store.
    pub fn own(&self) -> Result<StoreLock, ArtifactError> {
        let Ok(file) = self.lock_file() else { return Ok(StoreLock { _file: None }) };
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => Err(ArtifactError::InUse { root: self.root().to_owned() }),
            Err(TryLockError::Error(_)) => Ok(StoreLock { _file: None }),
            Ok(()) => Ok(StoreLock { _file: Some(file) }),
        }
    }

    /// Path and size of files that are being written, or that a killed process left unfinished.
    pub fn unfinished(&self) -> Vec<(PathBuf, u64)> {
        let inside = |folder: PathBuf| list(&folder).unwrap_or_default();
        let stages = inside(self.root().to_owned()).into_iter().filter(|path| path.is_dir());
        let files = stages.flat_map(inside).filter(|path| path.is_dir()).flat_map(inside);
        let sized = |path: PathBuf| fs::metadata(&path).ok().map(|metadata| (path, metadata.len()));
        files.filter(|path| is_unfinished(path)).filter_map(sized).collect()
    }

    fn lock_file(&self) -> std::io::Result<File> {
        let path = self.root().join(NAME);
        // Opening a pipe would wait for ever.
        if path.metadata().is_ok_and(|metadata| !metadata.is_file()) {
            return Err(std::io::Error::from(std::io::ErrorKind::InvalidInput));
        }
        File::options().create(true).truncate(false).write(true).open(path)
    }
}

fn is_abandoned(path: &Path) -> bool {
    let written = fs::metadata(path).and_then(|metadata| metadata.modified());
    written.is_ok_and(|written| written.elapsed().is_ok_and(|since| since >= ABANDONED))
}
