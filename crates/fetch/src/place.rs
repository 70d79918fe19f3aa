//! Moves unpacked files to their place, among files that are there already.

use std::fs::{self, File};
use std::io::{self, BufReader, Read as _};
use std::path::{Path, PathBuf};

use crate::error::FetchError;
use crate::observer::{Observer, stopped};

/// Bytes that are compared at a time.
const BLOCK: usize = 1 << 16;

const LINK: &str = "a symbolic link is there, expected a folder";
const FILE: &str = "a file is there, expected a folder";

/// A file or a whole folder, and where it goes.
struct Move {
    from: PathBuf,
    to: PathBuf,
}

/// Moves everything in the folder `from` into the folder `to`. Folders that are there already get the new files, and files with
/// the same name and the same bytes stay. Nothing is moved if something is in the way.
///
/// # Errors
/// [`FetchError::Blocked`] where a file meets a folder or a file with other bytes, or where a symbolic link, a pipe or a device is;
/// [`FetchError::Io`]; [`FetchError::Stopped`].
pub(crate) fn merge(from: &Path, to: &Path, observer: &dyn Observer) -> Result<(), FetchError> {
    let mut moves = Vec::new();
    plan(from, to, &mut moves, observer)?;
    moves.iter().try_for_each(|step| fs::rename(&step.from, &step.to).map_err(FetchError::io("write", &step.to)))
}

/// Refuses a folder `inner` below `to` that nothing can be put into: it, and the folders around it, are folders or not there yet.
///
/// # Errors
/// [`FetchError::Blocked`], [`FetchError::Io`].
pub(crate) fn check_folders(to: &Path, inner: &Path) -> Result<(), FetchError> {
    let mut path = to.to_owned();
    for part in inner {
        path.push(part);
        match path.symlink_metadata() {
            Ok(metadata) if metadata.is_dir() => {}
            Ok(metadata) => {
                let problem = if metadata.is_symlink() { LINK } else { FILE };
                return Err(FetchError::Blocked { path, problem });
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(FetchError::io("read", &path)(error)),
        }
    }
    Ok(())
}

/// Whether two files have the same bytes.
fn are_equal(a: &Path, b: &Path, observer: &dyn Observer) -> Result<bool, FetchError> {
    let open = |path: &Path| {
        let file = File::open(path)?;
        let n_bytes = file.metadata()?.len();
        Ok((BufReader::with_capacity(BLOCK, file), n_bytes))
    };
    let (mut left, n_left) = open(a).map_err(FetchError::io("read", a))?;
    let (mut right, n_right) = open(b).map_err(FetchError::io("read", b))?;
    let (mut block, mut other) = (vec![0; BLOCK], vec![0; BLOCK]);
    let mut rest = n_left;
    if n_left != n_right {
        return Ok(false);
    }
    while rest > 0 {
        stopped(observer)?;
        let n = usize::try_from(rest).map_or(BLOCK, |rest| rest.min(BLOCK));
        left.read_exact(&mut block[..n]).map_err(FetchError::io("read", a))?;
        right.read_exact(&mut other[..n]).map_err(FetchError::io("read", b))?;
        if block[..n] != other[..n] {
            return Ok(false);
        }
        rest -= n as u64;
    }
    Ok(true)
}

fn plan(from: &Path, to: &Path, moves: &mut Vec<Move>, observer: &dyn Observer) -> Result<(), FetchError> {
    for entry in fs::read_dir(from).map_err(FetchError::io("read", from))? {
        let entry = entry.map_err(FetchError::io("read", from))?;
        let step = Move { from: entry.path(), to: to.join(entry.file_name()) };
        let is_folder = entry.file_type().map_err(FetchError::io("read", &step.from))?.is_dir();
        let there = match step.to.symlink_metadata() {
            Ok(metadata) => metadata.file_type(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                moves.push(step);
                continue;
            }
            Err(error) => return Err(FetchError::io("read", &step.to)(error)),
        };
        let blocked = |problem| Err(FetchError::Blocked { path: step.to.clone(), problem });
        match (is_folder, there.is_dir(), there.is_file()) {
            (true, true, _) => plan(&step.from, &step.to, moves, observer)?,
            (false, _, true) if are_equal(&step.from, &step.to, observer)? => {}
            (false, _, true) => return blocked("a file with other bytes is there"),
            (true, ..) if there.is_symlink() => return blocked(LINK),
            (true, ..) => return blocked(FILE),
            (false, true, _) => return blocked("a folder is there, expected a file"),
            (false, ..) => return blocked("a symbolic link, a pipe or a device is there, expected a file"),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observer::Silent;

    fn write(path: PathBuf, text: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn read(path: PathBuf) -> String {
        fs::read_to_string(path).unwrap()
    }

    #[test]
    fn folders_are_merged_and_no_other_file_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        write(from.join("a/b/new"), "new");
        write(from.join("a/same"), "new");
        write(from.join("c/d"), "new");
        write(to.join("a/same"), "old");
        write(to.join("a/b/own"), "old");
        for other in ["old", "older"] {
            write(to.join("a/same"), other);
            let message = merge(&from, &to, &Silent).unwrap_err().to_string();
            assert!(message.contains("same into place: a file with other bytes is there"), "{message}");
            assert!(!to.join("c").exists() && !to.join("a/b/new").exists());
            assert_eq!(read(to.join("a/same")), other);
        }
        write(to.join("a/same"), "new");
        merge(&from, &to, &Silent).unwrap();
        assert_eq!([read(to.join("a/b/new")), read(to.join("a/same")), read(to.join("c/d"))], ["new"; 3]);
        assert_eq!(read(to.join("a/b/own")), "old");
    }

    #[test]
    fn nothing_is_moved_if_something_is_in_the_way() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        write(from.join("a"), "new");
        write(from.join("z/b"), "new");
        write(to.join("z"), "old");
        assert!(merge(&from, &to, &Silent).unwrap_err().to_string().contains("a file is there, expected a folder"));
        assert!(!to.join("a").exists());
        fs::remove_file(to.join("z")).unwrap();
        fs::create_dir_all(to.join("z/b")).unwrap();
        assert!(merge(&from, &to, &Silent).unwrap_err().to_string().contains("a folder is there, expected a file"));
        assert!(!to.join("a").exists());
    }

    #[cfg(unix)]
    #[test]
    fn symbolic_links_are_not_written_through() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        let (from, to, outside) = (folder.path().join("from"), folder.path().join("to"), folder.path().join("outside"));
        write(from.join("inner/file"), "new");
        write(from.join("plain"), "new");
        fs::create_dir_all(&to).unwrap();
        fs::create_dir_all(&outside).unwrap();
        symlink(&outside, to.join("inner")).unwrap();
        assert!(
            merge(&from, &to, &Silent).unwrap_err().to_string().contains("a symbolic link is there, expected a folder")
        );
        fs::remove_file(to.join("inner")).unwrap();
        symlink(outside.join("file"), to.join("plain")).unwrap();
        assert!(merge(&from, &to, &Silent).unwrap_err().to_string().contains("a symbolic link, a pipe or a device"));
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    }
}
