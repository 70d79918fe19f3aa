//! Downloads one file: address after address, round after round, from where the last try ended.

use std::borrow::Cow;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::address::masked;
use crate::client::{Answer, Ended, Rest};
use crate::digest::Digest;
use crate::error::FetchError;
use crate::form::wrong_message;
use crate::observer::{Observer, Work, stopped};
use crate::options::Options;
use crate::package::{Content, Expected, Form, RemoteFile};
use crate::part::{Part, Source};
use crate::problem::{Failure, Problem};
use crate::reply::{Reply, reply};

/// Times that a broken download is continued at one address in one round, as long as every try brings bytes.
const MAX_CONTINUED: usize = 100;
/// A try that brings fewer bytes than this, or less than a hundredth of the file, is weak. After so many weak tries in a row an address is left
/// until the next round.
const WEAK_BYTES: u64 = 1_000_000;
const MAX_WEAK: usize = 10;
/// Time in which an answer without a length has to end after the largest possible number of bytes.
const END_TIMEOUT: Duration = Duration::from_secs(2);
/// Longest sleep between two questions whether to stop.
const TICK: Duration = Duration::from_millis(50);

/// One address, and what became of it.
struct Candidate<'a> {
    address: &'a str,
    /// The address as it is shown and noted: without a password.
    shown: Cow<'a, str>,
    n_tries: u32,
    problem: Option<Problem>,
}

impl Candidate<'_> {
    fn is_open(&self) -> bool {
        self.problem.as_ref().is_none_or(Problem::may_pass)
    }
}

/// Downloads `file` to `path` and returns its digest; `None` if another process has made `path` in the meantime.
///
/// # Errors
/// [`FetchError::Download`] when no address gave the file; [`FetchError::Stopped`]; [`FetchError::Busy`], [`FetchError::NotAFile`] and
/// [`FetchError::Io`] for the files of this machine.
pub(crate) fn download(
    file: &RemoteFile,
    addresses: &[String],
    path: &Path,
    options: &Options,
    observer: &dyn Observer,
) -> Result<Option<Digest>, FetchError> {
    let mut part = Part::open(path)?;
    if path.exists() {
        part.close();
        return Ok(None);
    }
    if part.n_bytes() > 0 {
        observer.line(&format!("{} has {} bytes of an earlier download", part.path().display(), part.n_bytes()));
    }
    let mut candidates: Vec<Candidate> = addresses
        .iter()
        .map(|address| Candidate { address, shown: masked(address), n_tries: 0, problem: None })
        .collect();
    match try_rounds(&mut part, file, &mut candidates, options, observer) {
        Ok(Some(digest)) => {
            part.finish(path)?;
            Ok(Some(digest))
        }
        Ok(None) => {
            let failures = candidates.into_iter().filter_map(|Candidate { shown, n_tries, problem, .. }| {
                Some(Failure { address: shown.into_owned(), problem: problem?, n_tries })
            });
            Err(FetchError::Download { name: file.name.clone(), failures: failures.collect(), part: part.close() })
        }
        Err(error) => {
            part.close();
            Err(error)
        }
    }
}

/// Tries all addresses several times. Afterwards the part is the whole file with the returned digest; `None` if no address gave it.
fn try_rounds(
    part: &mut Part,
    file: &RemoteFile,
    candidates: &mut [Candidate],
    options: &Options,
    observer: &dyn Observer,
) -> Result<Option<Digest>, FetchError> {
    for round in 0..options.n_rounds.max(1) {
        if round > 0 {
            let pause = options.pause(round);
            observer.line(&format!("{}: no address gave it; the next try is in {} s", file.name, pause.as_secs_f64()));
            sleep(pause, observer)?;
        }
        for candidate in candidates.iter_mut().filter(|candidate| candidate.is_open()) {
            match try_address(part, file, candidate, options, observer) {
                Ok(digest) => return Ok(Some(digest)),
                Err(Ended::Error(error)) => return Err(error),
                Err(Ended::Problem(problem)) => {
                    // The same sentence in every round helps nobody.
                    let text = problem.to_string();
                    if candidate.problem.as_ref().is_none_or(|before| before.to_string() != text) {
                        observer.line(&format!("{}: {text}", candidate.shown));
                    }
                    candidate.problem = Some(problem);
                }
            }
        }
        if !candidates.iter().any(Candidate::is_open) {
            break;
        }
    }
    Ok(None)
}

/// One address in one round: until the file is whole, or a try brings nothing new.
fn try_address(
    part: &mut Part,
    file: &RemoteFile,
    candidate: &mut Candidate,
    options: &Options,
    observer: &dyn Observer,
) -> Result<Digest, Ended> {
    // Bytes of an earlier run, or of another server, may be the reason for a wrong digest.
    let mut is_mixed = part.n_bytes() > 0;
    let mut n_weak = 0;
    for _ in 0..MAX_CONTINUED {
        candidate.n_tries += 1;
        let before = part.n_bytes();
        match receive(part, file, candidate, options, observer) {
            Ok(()) => match verify(part.path(), file, observer) {
                Ok(digest) => return Ok(digest),
                Err(Ended::Problem(problem)) => {
                    part.empty()?;
                    if !is_mixed {
                        return Err(problem.into());
                    }
                    observer.line(&format!("{}: {problem}; it is downloaded again from its beginning", file.name));
                    is_mixed = false;
                }
                Err(error) => return Err(error),
            },
            Err(Ended::Problem(problem)) if problem.may_pass() && part.n_bytes() > before => {
                let gained = part.n_bytes() - before;
                n_weak = if gained < WEAK_BYTES.max(file.size.most / 100) { n_weak + 1 } else { 0 };
                if n_weak == MAX_WEAK {
                    return Err(problem.into());
                }
                observer.line(&format!("{}: {problem}; the download continues from there", candidate.shown));
                sleep(options.pause(1), observer)?;
            }
            Err(ended) => return Err(ended),
        }
    }
    Err(Problem::Ended { done: part.n_bytes(), expected: file.size }.into())
}

/// One request, or two if the first one shows that the part is of no use. Afterwards the part is the whole file.
fn receive(
    part: &mut Part,
    file: &RemoteFile,
    candidate: &Candidate,
    options: &Options,
    observer: &dyn Observer,
) -> Result<(), Ended> {
    let shown = &*candidate.shown;
    if part.n_bytes() > file.size.most {
        part.empty()?;
    }
    let is_usable = is_usable(part, file, shown);
    if is_usable && part.n_bytes() == file.size.most {
        return Ok(());
    }
    // A part that is of no use here is thrown away when the server sends the file, and not before.
    let rest = (is_usable && part.n_bytes() > 0).then(|| Rest {
        from: part.n_bytes(),
        validator: part.source().filter(|source| source.address == shown).and_then(|source| source.validator.clone()),
    });
    let asked_from = rest.as_ref().map(|rest| rest.from);
    let (head, answer) = Answer::of(candidate.address, rest, options, observer)?;
    match reply(&head, file, shown, asked_from, part.source())? {
        Reply::Complete => Ok(()),
        Reply::Continue { total } => write(part, file, total, answer, observer),
        Reply::Start(source) => start(part, file, source, answer, observer),
        Reply::AskAgain => {
            observer.line(&format!("{shown}: the file has changed on the server; it is downloaded from its beginning"));
            drop(answer);
            // The part stays until the second answer is that of the file.
            let (head, answer) = Answer::of(candidate.address, None, options, observer)?;
            match reply(&head, file, shown, None, None)? {
                Reply::Start(source) => start(part, file, source, answer, observer),
                _ => Err(Problem::Status { code: head.status }.into()),
            }
        }
    }
}

/// Whether the bytes that are there may be the beginning of the file at `address`. A published digest shows it in the end; without one, only
/// bytes from the same version at the same address are continued.
fn is_usable(part: &Part, file: &RemoteFile, address: &str) -> bool {
    let is_same = |source: &Source| source.address == address && source.validator.is_some();
    matches!(file.digest, Expected::Published(_)) || part.source().is_some_and(is_same)
}

fn start(
    part: &mut Part,
    file: &RemoteFile,
    source: Source,
    answer: Answer,
    observer: &dyn Observer,
) -> Result<(), Ended> {
    let total = source.total;
    if total.is_some() || part.n_bytes() == 0 {
        part.restart(source)?;
        return write(part, file, total, answer, observer);
    }
    // Nothing shows yet that this is the file. The part stays until there is more, or everything.
    let mut beside = part.beside()?;
    let written = write(&mut beside, file, total, answer, observer);
    if written.is_ok() || beside.n_bytes() > part.n_bytes() {
        part.replace(beside, source)?;
    } else {
        beside.remove();
    }
    written
}

/// Writes the bytes that come behind the part, until the file has `total` bytes, or a possible number of bytes if `total` is not known.
fn write(
    part: &mut Part,
    file: &RemoteFile,
    total: Option<u64>,
    mut answer: Answer,
    observer: &dyn Observer,
) -> Result<(), Ended> {
    let most = total.unwrap_or(file.size.most);
    let bar = observer.begin(Work::Download, &file.name, most);
    let n_before = part.n_bytes();
    bar.set_position(n_before);
    loop {
        let n_bytes = part.n_bytes();
        // A server may keep the connection open after the last byte.
        if total == Some(n_bytes) {
            return Ok(());
        }
        match answer.next((n_bytes == most).then_some(END_TIMEOUT), observer) {
            Ok(Some(block)) if block.len() as u64 > most - n_bytes => {
                // These bytes may be of another file.
                part.cut(n_before)?;
                return Err(Problem::TooMuch { most, expected: file.size }.into());
            }
            Ok(Some(block)) => part.append(&block)?,
            Ok(None) if total.map_or_else(|| file.size.allows(n_bytes), |total| n_bytes == total) => return Ok(()),
            Ok(None) => return Err(Problem::Ended { done: n_bytes, expected: file.size }.into()),
            Err(Ended::Problem(_)) if n_bytes == most => return Ok(()),
            Err(Ended::Problem(Problem::Stalled { waited, .. })) => {
                return Err(Problem::Stalled { done: n_bytes, waited }.into());
            }
            // A connection that ends too early is an error of the connection. People understand the number of bytes better.
            Err(Ended::Problem(Problem::Connection { .. })) => {
                return Err(Problem::Ended { done: n_bytes, expected: file.size }.into());
            }
            Err(ended) => return Err(ended),
        }
        bar.set_position(part.n_bytes());
    }
}

/// Checks size, digest and form of a whole file, and returns its digest.
pub(crate) fn verify(path: &Path, file: &RemoteFile, observer: &dyn Observer) -> Result<Digest, Ended> {
    let n_bytes = path.metadata().map_err(FetchError::io("read", path))?.len();
    if !file.size.allows(n_bytes) {
        return Err(Problem::Ended { done: n_bytes, expected: file.size }.into());
    }
    let found = Digest::of_file(path, &file.name, observer)?;
    if let Expected::Published(expected) = file.digest {
        if found != expected {
            return Err(Problem::OtherDigest { found, expected }.into());
        }
        return Ok(found);
    }
    if file.content == Content::File(Form::Message)
        && let Some(problem) = wrong_message(path).map_err(FetchError::io("read", path))?
    {
        return Err(Problem::OtherForm { problem }.into());
    }
    Ok(found)
}

fn sleep(pause: Duration, observer: &dyn Observer) -> Result<(), FetchError> {
    let since = Instant::now();
    loop {
        stopped(observer)?;
        let left = pause.saturating_sub(since.elapsed());
        if left.is_zero() {
            return Ok(());
        }
        thread::sleep(left.min(TICK));
    }
}
