//! Unpacks tar archives into a new folder. Nothing in an archive can write outside of it.

use std::fs::{self, File};
use std::io::{self, BufReader, Read, Write as _};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use tar::{Archive, Entry, EntryType};

use crate::error::FetchError;
use crate::names::inner_path;
use crate::observer::{Bar, Observer, Work, stopped};
use crate::package::{Limits, Packing};

/// Bytes that are copied at a time.
const BLOCK: usize = 1 << 16;
/// Bytes of an archive for each entry beside its content: the header, the filling up to whole blocks, and a long name.
const BYTES_PER_ENTRY: u64 = 4096;

/// Unpacks the archive `path`, called `name`, into `folder`, which must be new and empty. `is_wanted` says which files are written; the others
/// are read and counted.
///
/// Only plain files and folders are accepted, with the permissions that any new file has.
///
/// # Errors
/// [`FetchError::Archive`] for anything else, for names that lead out of the folder, for a file that is there twice, for an archive that was
/// cut short or damaged, and for one that holds more than `limits`; [`FetchError::Io`]; [`FetchError::Stopped`].
pub(crate) fn unpack(
    path: &Path,
    name: &str,
    packing: Packing,
    limits: Limits,
    folder: &Path,
    is_wanted: &dyn Fn(&Path) -> bool,
    observer: &dyn Observer,
) -> Result<(), FetchError> {
    let file = File::open(path).map_err(FetchError::io("read", path))?;
    let n_bytes = file.metadata().map_err(FetchError::io("read", path))?.len();
    let bar = observer.begin(Work::Unpack, name, n_bytes);
    let file = Watched { inner: BufReader::with_capacity(BLOCK, file), n_bytes: 0, bar: &*bar, observer };
    let stream: Box<dyn Read> = match packing {
        Packing::Tar => Box::new(file),
        Packing::TarGz => Box::new(MultiGzDecoder::new(file)),
    };
    let most = limits.n_entries.saturating_add(2).saturating_mul(BYTES_PER_ENTRY).saturating_add(limits.n_bytes);
    let mut ends_early = false;
    let stream = Bounded { inner: stream, left: most, ends_early: &mut ends_early };
    let result = Unpacking { path, folder, is_wanted, observer, left: limits, limits }.all(&mut Archive::new(stream));
    // Reading ends with an error of its own when the observer asks to stop.
    stopped(observer)?;
    result?;
    if ends_early {
        return Err(refused(path, "it has no end mark, so it was cut short".to_owned()));
    }
    Ok(())
}

/// What stays the same from entry to entry, and what may still come.
struct Unpacking<'a> {
    path: &'a Path,
    folder: &'a Path,
    is_wanted: &'a dyn Fn(&Path) -> bool,
    observer: &'a dyn Observer,
    limits: Limits,
    left: Limits,
}

impl Unpacking<'_> {
    fn all<R: Read>(mut self, archive: &mut Archive<R>) -> Result<(), FetchError> {
        for entry in archive.entries().map_err(|error| self.damaged(&error))? {
            let entry = entry.map_err(|error| self.damaged(&error))?;
            self.one(entry)?;
        }
        Ok(())
    }

    fn one<R: Read>(&mut self, mut entry: Entry<'_, R>) -> Result<(), FetchError> {
        let path = self.path;
        let bytes = entry.path_bytes().into_owned();
        let shown = String::from_utf8_lossy(&bytes).into_owned();
        let refuse = |problem: &str| refused(path, format!("the entry \"{}\": {problem}", shown.escape_debug()));
        let kind = entry.header().entry_type();
        if kind == EntryType::XGlobalHeader {
            return Ok(());
        }
        self.left.n_entries = match self.left.n_entries.checked_sub(1) {
            Some(left) => left,
            None => return Err(refuse(&format!("it has more than {} entries", self.limits.n_entries))),
        };
        let inner = inner_path(&bytes).map_err(refuse)?;
        let target = self.folder.join(&inner);
        // Old archives mark folders by a slash at the end of the name.
        let is_folder = kind.is_dir() || (kind.is_file() && bytes.ends_with(b"/"));
        match kind {
            _ if is_folder => make_folder(&target, refuse),
            EntryType::Regular | EntryType::Continuous => {
                if inner.as_os_str().is_empty() {
                    return Err(refuse("it has no name"));
                }
                let size = entry.size();
                self.left.n_bytes = match self.left.n_bytes.checked_sub(size) {
                    Some(left) => left,
                    None => return Err(refuse(&format!("its files have more than {} bytes", self.limits.n_bytes))),
                };
                if (self.is_wanted)(&inner) { self.write(&mut entry, size, &shown, &target) } else { Ok(()) }
            }
            EntryType::Symlink | EntryType::Link => Err(refuse("it is a link, expected a file or a folder")),
            _ => Err(refuse("it is a device, a pipe or something unknown, expected a file or a folder")),
        }
    }

    fn write<R: Read>(
        &self,
        entry: &mut Entry<'_, R>,
        size: u64,
        shown: &str,
        target: &Path,
    ) -> Result<(), FetchError> {
        let refuse = |problem: &str| refused(self.path, format!("the entry \"{}\": {problem}", shown.escape_debug()));
        if let Some(around) = target.parent() {
            make_folder(around, refuse)?;
        }
        let file = File::options().write(true).create_new(true).open(target);
        let mut file = file.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => refuse("it is in the archive twice"),
            _ => FetchError::io("write", target)(error),
        })?;
        let mut block = vec![0; BLOCK];
        let mut done = 0;
        loop {
            stopped(self.observer)?;
            let n = match entry.read(&mut block) {
                Ok(n) => n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(self.damaged(&error)),
            };
            if n == 0 {
                break;
            }
            file.write_all(&block[..n]).map_err(FetchError::io("write", target))?;
            done += n as u64;
        }
        if done == size {
            Ok(())
        } else {
            Err(refuse(&format!("it was cut short: found {done} bytes, expected {size}")))
        }
    }

    fn damaged(&self, error: &io::Error) -> FetchError {
        refused(self.path, format!("it is damaged, or not such an archive: {error}"))
    }
}

/// Makes a folder and those around it. `refuse` says that the archive has a file of that name.
fn make_folder(path: &Path, refuse: impl Fn(&str) -> FetchError) -> Result<(), FetchError> {
    fs::create_dir_all(path).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => refuse("a file of the archive is in its way"),
        _ => FetchError::io("make the folder", path)(error),
    })
}

fn refused(path: &Path, problem: String) -> FetchError {
    FetchError::Archive { path: path.to_owned(), problem }
}

/// A file that is being read: its progress is reported, and reading fails after a stop.
struct Watched<'a> {
    inner: BufReader<File>,
    n_bytes: u64,
    bar: &'a dyn Bar,
    observer: &'a dyn Observer,
}

impl Read for Watched<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.observer.is_stopped() {
            return Err(io::Error::other("stopped"));
        }
        let n = self.inner.read(buffer)?;
        self.n_bytes += n as u64;
        self.bar.set_position(self.n_bytes);
        Ok(n)
    }
}

/// A stream of at most `left` bytes, which remembers whether its end was reached. A whole archive has an end mark, after which nothing is read.
struct Bounded<'a> {
    inner: Box<dyn Read + 'a>,
    left: u64,
    ends_early: &'a mut bool,
}

impl Read for Bounded<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        if n == 0 && !buffer.is_empty() {
            *self.ends_early = true;
        }
        self.left = self.left.checked_sub(n as u64).ok_or_else(|| io::Error::other("it is larger than expected"))?;
        Ok(n)
    }
}
