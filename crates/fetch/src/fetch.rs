//! Fetches a package: what is missing is downloaded, checked, and put into place.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use fisherlens_files::{NewFile, TemporaryFolder, free_bytes};

use crate::address;
use crate::digest::Digest;
use crate::download::download;
use crate::error::FetchError;
use crate::given::{Local, find, recognise};
use crate::names::{check_plain, inner_path};
use crate::observer::{Observer, Work, stopped};
use crate::options::Options;
use crate::package::{Content, Expected, Member, Package, RemoteFile};
use crate::part::part_of;
use crate::place::{check_folders, merge};
use crate::record::Record;
use crate::unpack::unpack;

/// Bytes that are copied at a time.
const BLOCK: usize = 1 << 18;
/// Room that stays free on the disk.
const SPARE: u64 = 32 << 20;

/// What is fetched, and how.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// What is fetched.
    pub package: &'a Package,
    /// The target: the folder that everything is put into. It is made if it is not there.
    pub folder: &'a Path,
    /// Files of the package that the user has already. They are recognised by their digests, and they stay where they are.
    pub given: &'a [PathBuf],
    /// Addresses that are tried before the known ones: the name of the file is added to each of them.
    pub mirrors: &'a [String],
    /// Whether archives that were downloaded stay in the target after they were unpacked.
    pub keep_archives: bool,
    /// How patient the downloads are.
    pub options: Options,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// Whether everything was there already, so that nothing was done.
    pub was_there: bool,
    /// Files whose digest nobody has published, with the digest of the file that came, and the digest of a copy if one is known.
    pub unpublished: Vec<(String, Digest, Option<Digest>)>,
    /// Archives that stay in the target or where the user has them.
    pub archives: Vec<PathBuf>,
}

/// One file of the package, and where its bytes are.
struct Step<'a> {
    file: &'a RemoteFile,
    local: Option<Local>,
}

/// Fetches a package into a folder. A call that was stopped, or that failed, is continued by the next call. If everything is there already,
/// nothing is done and no server is asked.
///
/// # Errors
/// Every [`FetchError`].
pub fn fetch(request: &Request<'_>, observer: &dyn Observer) -> Result<Fetched, FetchError> {
    check(request)?;
    let mut fetched = Fetched { was_there: true, unpublished: Vec::new(), archives: Vec::new() };
    let mut missing = Vec::new();
    for file in &request.package.files {
        stopped(observer)?;
        if !is_complete(file, request.folder, observer)? {
            missing.push(file);
        }
    }
    if missing.is_empty() {
        return Ok(fetched);
    }
    fetched.was_there = false;
    if request.folder.is_file() {
        let cause = io::Error::new(io::ErrorKind::NotADirectory, "it is a file, expected a folder");
        return Err(FetchError::io("write into", request.folder)(cause));
    }
    missing.iter().try_for_each(|file| check_place(file, request.folder))?;
    let mut given = recognise(request.given, request.package, observer)?;
    fs::create_dir_all(request.folder).map_err(FetchError::io("make the folder", request.folder))?;
    let mut steps = Vec::new();
    for (file, local) in request.package.files.iter().zip(&mut given).filter(|(file, _)| missing.contains(file)) {
        let local = match local.take() {
            Some(local) => Some(local),
            None => find(&request.folder.join(&file.name), file, observer)?,
        };
        if let Some(local) = &local {
            observer.line(&format!("{} is there: {}", file.name, local.path.display()));
        }
        steps.push(Step { file, local });
    }
    check_space(request, &steps)?;
    for step in steps {
        one(request, step, &mut fetched, observer)?;
    }
    Ok(fetched)
}

/// Refuses addresses and names that nothing can be done with.
fn check(request: &Request<'_>) -> Result<(), FetchError> {
    let package = request.package;
    let known = package.files.iter().flat_map(|file| &file.addresses).map(|address| (address, false));
    for (address, is_base) in request.mirrors.iter().map(|mirror| (mirror, true)).chain(known) {
        address::check(address, is_base)
            .map_err(|problem| FetchError::Address { address: address::masked_anywhere(address), problem })?;
    }
    for file in &package.files {
        let refuse =
            |name: &str, problem| FetchError::Name { package: package.name.clone(), name: name.to_owned(), problem };
        check_plain(&file.name).map_err(|problem| refuse(&file.name, problem))?;
        match &file.content {
            Content::File(_) => {}
            Content::Tree { root, .. } => {
                inner_path(root.as_bytes()).map_err(|problem| refuse(root, problem))?;
            }
            Content::Members { members, .. } => members
                .iter()
                .try_for_each(|member| check_plain(&member.name).map_err(|problem| refuse(&member.name, problem)))?,
        }
    }
    Ok(())
}

/// Refuses a target in which the folder of an archive has no place, before anything is downloaded.
fn check_place(file: &RemoteFile, folder: &Path) -> Result<(), FetchError> {
    let Content::Tree { root, .. } = &file.content else { return Ok(()) };
    check_folders(folder, Path::new(root))?;
    Record::check(&folder.join(root))
}

/// Whether everything of the file is in its place already.
fn is_complete(file: &RemoteFile, folder: &Path, observer: &dyn Observer) -> Result<bool, FetchError> {
    match &file.content {
        Content::File(_) => Ok(find(&folder.join(&file.name), file, observer)?.is_some()),
        Content::Tree { root, .. } => Ok(Record::of(&folder.join(root)).has(file)),
        Content::Members { members, .. } => {
            for member in members {
                if !is_member_there(member, folder, observer)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
    }
}

fn is_member_there(member: &Member, folder: &Path, observer: &dyn Observer) -> Result<bool, FetchError> {
    let path = folder.join(&member.name);
    if path.symlink_metadata().is_err() {
        return Ok(false);
    }
    if !path.is_file() {
        return Err(FetchError::NotAFile { path });
    }
    let found = Digest::of_file(&path, &member.name, observer)?;
    if found == member.digest {
        return Ok(true);
    }
    let problem = format!("is another file: its sha256 is {found}, expected {}", member.digest);
    Err(FetchError::Existing { path, problem, part: None })
}

/// Compares the free room with the largest number of bytes that are needed at the same time.
fn check_space(request: &Request<'_>, steps: &[Step<'_>]) -> Result<(), FetchError> {
    let (mut used, mut needed) = (0_u64, 0_u64);
    for Step { file, local } in steps {
        let there = part_of(&request.folder.join(&file.name)).metadata().map_or(0, |metadata| metadata.len());
        let downloaded = match local {
            Some(local) if file.is_archive() || local.path.starts_with(request.folder) => 0,
            Some(_) => file.size.most,
            None => file.size.most.saturating_sub(there),
        };
        used = used.saturating_add(downloaded).saturating_add(file.unpacked());
        needed = needed.max(used);
        if file.is_archive() && !request.keep_archives {
            used = used.saturating_sub(downloaded);
        }
    }
    let needed = needed.saturating_add(SPARE);
    match free_bytes(request.folder) {
        Some(free) if free < needed => Err(FetchError::Space { folder: request.folder.to_owned(), free, needed }),
        _ => Ok(()),
    }
}

/// Downloads one file unless it is there, and puts it or what is inside it into place.
fn one(
    request: &Request<'_>,
    step: Step<'_>,
    fetched: &mut Fetched,
    observer: &dyn Observer,
) -> Result<(), FetchError> {
    let Step { file, local } = step;
    let own_path = request.folder.join(&file.name);
    let is_download = local.is_none();
    let local = match local {
        Some(local) => local,
        None => Local { digest: downloaded(request, file, &own_path, observer)?, path: own_path.clone() },
    };
    match file.digest {
        Expected::Published(_) => {}
        Expected::Seen(seen) => fetched.unpublished.push((file.name.clone(), local.digest, Some(seen))),
        Expected::Unknown => fetched.unpublished.push((file.name.clone(), local.digest, None)),
    }
    let done = match &file.content {
        Content::File(_) if local.path == own_path => Ok(()),
        Content::File(_) => copy(&local.path, &own_path, &file.name, observer),
        Content::Tree { packing, root, limits } => {
            let folder = TemporaryFolder::new(request.folder).map_err(FetchError::io("write into", request.folder))?;
            let inside = new_folder(&folder)?;
            unpack(&local.path, &file.name, *packing, *limits, &inside, &|_| true, observer)
                .and_then(|()| check_root(&local.path, &inside, root))
                .and_then(|()| merge(&inside, request.folder, observer))
                .and_then(|()| {
                    let root = request.folder.join(root);
                    Record::of(&root).add(&root, local.digest, &file.name)
                })
        }
        Content::Members { packing, members, limits } => {
            let folder = TemporaryFolder::new(request.folder).map_err(FetchError::io("write into", request.folder))?;
            let inside = new_folder(&folder)?;
            let is_wanted = |path: &Path| members.iter().any(|member| path.as_os_str() == member.name.as_str());
            unpack(&local.path, &file.name, *packing, *limits, &inside, &is_wanted, observer)
                .and_then(|()| check_members(&local.path, &inside, members, observer))
                .and_then(|()| merge(&inside, request.folder, observer))
        }
    };
    if !file.is_archive() {
        return done;
    }
    // An archive that cannot be unpacked would be found again by the next call.
    let is_useless = matches!(done, Err(FetchError::Archive { .. }));
    if is_download && (is_useless || (done.is_ok() && !request.keep_archives)) {
        fs::remove_file(&own_path).map_err(FetchError::io("remove", &own_path))?;
    } else {
        fetched.archives.push(local.path);
    }
    done
}

fn downloaded(
    request: &Request<'_>,
    file: &RemoteFile,
    path: &Path,
    observer: &dyn Observer,
) -> Result<Digest, FetchError> {
    let mirror = |base: &String| format!("{}/{}", base.trim_end_matches('/'), file.name);
    let addresses: Vec<String> = request.mirrors.iter().map(mirror).chain(file.addresses.iter().cloned()).collect();
    match download(file, &addresses, path, &request.options, observer)? {
        Some(digest) => Ok(digest),
        // Another process was faster.
        None => match find(path, file, observer)? {
            Some(local) => Ok(local.digest),
            None => Err(FetchError::Busy { path: part_of(path) }),
        },
    }
}

/// A folder inside the temporary one, in which no other file is.
fn new_folder(folder: &TemporaryFolder) -> Result<PathBuf, FetchError> {
    let path = folder.path().join("inside");
    fs::create_dir(&path).map_err(FetchError::io("make the folder", &path))?;
    Ok(path)
}

fn check_root(archive: &Path, inside: &Path, root: &str) -> Result<(), FetchError> {
    if inside.join(root).is_dir() {
        return Ok(());
    }
    Err(FetchError::Archive { path: archive.to_owned(), problem: format!("it holds no folder {root}") })
}

fn check_members(archive: &Path, inside: &Path, members: &[Member], observer: &dyn Observer) -> Result<(), FetchError> {
    let refuse = |problem| FetchError::Archive { path: archive.to_owned(), problem };
    for Member { name, digest } in members {
        let path = inside.join(name);
        if !path.is_file() {
            return Err(refuse(format!("it holds no file {name}")));
        }
        let found = Digest::of_file(&path, name, observer)?;
        if found != *digest {
            return Err(refuse(format!("sha256 of the file {name} inside it is {found}, expected {digest}")));
        }
    }
    Ok(())
}

/// Copies a given file, which stays where it is. After a stop nothing is left of the copy.
fn copy(from: &Path, to: &Path, name: &str, observer: &dyn Observer) -> Result<(), FetchError> {
    let mut source = File::open(from).map_err(FetchError::io("read", from))?;
    let n_bytes = source.metadata().map_err(FetchError::io("read", from))?.len();
    let bar = observer.begin(Work::Copy, name, n_bytes);
    let mut file = NewFile::create(to).map_err(FetchError::io("write", to))?;
    let mut block = vec![0; BLOCK];
    let mut done = 0;
    loop {
        stopped(observer)?;
        let n = source.read(&mut block).map_err(FetchError::io("read", from))?;
        if n == 0 {
            return file.finish().map_err(FetchError::io("write", to));
        }
        file.write_all(&block[..n]).map_err(FetchError::io("write", to))?;
        done += n as u64;
        bar.set_position(done);
    }
}
