//! Moves unpacked files to their place, among files that are there already.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::FetchError;

/// A file or a whole folder, and where it goes.
struct Move {
    from: PathBuf,
    to: PathBuf,
}

/// Moves everything in the folder `from` into the folder `to`. Folders that are there already get the new files, and files of the same name
/// are replaced. Nothing is moved if something is in the way.
///
/// # Errors
/// [`FetchError::Blocked`] where a file meets a folder, or where a symbolic link, a pipe or a device is; [`FetchError::Io`].
pub(crate) fn merge(from: &Path, to: &Path) -> Result<(), FetchError> {
    let mut moves = Vec::new();
    plan(from, to, &mut moves)?;
    moves.iter().try_for_each(|step| fs::rename(&step.from, &step.to).map_err(FetchError::io("write", &step.to)))
}

fn plan(from: &Path, to: &Path, moves: &mut Vec<Move>) -> Result<(), FetchError> {
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
            (true, true, _) => plan(&step.from, &step.to, moves)?,
            (false, _, true) => moves.push(step),
            (true, ..) if there.is_symlink() => return blocked("a symbolic link is there, expected a folder"),
            (true, ..) => return blocked("a file is there, expected a folder"),
            (false, true, _) => return blocked("a folder is there, expected a file"),
            (false, ..) => return blocked("a symbolic link, a pipe or a device is there, expected a file"),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: PathBuf, text: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn read(path: PathBuf) -> String {
        fs::read_to_string(path).unwrap()
    }

    #[test]
    fn folders_are_merged_and_files_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        write(from.join("a/b/new"), "new");
        write(from.join("a/same"), "new");
        write(from.join("c/d"), "new");
        write(to.join("a/same"), "old");
        write(to.join("a/b/own"), "old");
        merge(&from, &to).unwrap();
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
        assert!(merge(&from, &to).unwrap_err().to_string().contains("a file is there, expected a folder"));
        assert!(!to.join("a").exists());
        fs::remove_file(to.join("z")).unwrap();
        fs::create_dir_all(to.join("z/b")).unwrap();
        assert!(merge(&from, &to).unwrap_err().to_string().contains("a folder is there, expected a file"));
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
        assert!(merge(&from, &to).unwrap_err().to_string().contains("a symbolic link is there, expected a folder"));
        fs::remove_file(to.join("inner")).unwrap();
        symlink(outside.join("file"), to.join("plain")).unwrap();
        assert!(merge(&from, &to).unwrap_err().to_string().contains("a symbolic link, a pipe or a device"));
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    }
}
