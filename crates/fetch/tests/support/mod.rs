//! A small HTTP server on this machine, archives, and an observer, for the tests.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::cell::{Cell, RefCell};
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use fisherlens_fetch::{
    Bar, Content, Digest, Expected, FetchError, Fetched, Form, Limits, Observer, Options, Package, Packing, RemoteFile,
    Request, Silent, Size, Work, fetch,
};

/// A request as the server received it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) range: Option<String>,
    pub(crate) if_range: Option<String>,
}

/// What the server answers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) fields: Vec<(String, String)>,
    /// The value of `Content-Length`; `None` leaves it out.
    pub(crate) length: Option<usize>,
    pub(crate) body: Vec<u8>,
    /// Whether the body is sent in chunks.
    pub(crate) chunked: bool,
    /// Whether the mark after the last chunk is missing.
    pub(crate) unfinished: bool,
    /// Whether the connection stays open without another byte.
    pub(crate) stalls: bool,
    /// Bytes that are sent again and again after the body.
    pub(crate) endless: Option<&'static [u8]>,
}

impl Reply {
    pub(crate) fn status(status: u16) -> Self {
        Self { status, length: Some(0), ..Self::default() }
    }

    /// The whole file.
    pub(crate) fn whole(body: &[u8]) -> Self {
        Self { status: 200, length: Some(body.len()), body: body.to_vec(), ..Self::default() }
    }

    /// The bytes from `from` on.
    pub(crate) fn rest(body: &[u8], from: usize) -> Self {
        let range = format!("bytes {from}-{}/{}", body.len() - 1, body.len());
        Self { status: 206, ..Self::whole(&body[from..]) }.with("Content-Range", &range)
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Only the first `n` bytes of the body, then the connection ends.
    pub(crate) fn cut(mut self, n: usize) -> Self {
        self.body.truncate(n);
        self
    }

    fn send(&self, stream: &mut TcpStream) -> std::io::Result<()> {
        let mut head = format!("HTTP/1.1 {} X\r\nConnection: close\r\n", self.status);
        if let Some(length) = self.length {
            let _ = write!(head, "Content-Length: {length}\r\n");
        }
        if self.chunked {
            head += "Transfer-Encoding: chunked\r\n";
        }
        for (name, value) in &self.fields {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        stream.write_all(format!("{head}\r\n").as_bytes())?;
        if self.chunked {
            for chunk in self.body.chunks(1000) {
                stream.write_all(format!("{:x}\r\n", chunk.len()).as_bytes())?;
                stream.write_all(chunk)?;
                stream.write_all(b"\r\n")?;
            }
            if !self.unfinished {
                stream.write_all(b"0\r\n\r\n")?;
            }
        } else {
            stream.write_all(&self.body)?;
        }
        stream.flush()
    }

    /// The endless bytes, slowly, until the client or the server ends.
    fn send_endless(&self, stream: &mut TcpStream, ends: &AtomicBool) {
        while let Some(bytes) = self.endless
            && !ends.load(Ordering::SeqCst)
            && stream.write_all(bytes).is_ok()
        {
            thread::sleep(Duration::from_millis(2));
        }
    }
}

/// An honest server: ranges, tags, whole files.
pub(crate) fn honest(body: &[u8], asked: &Asked) -> Reply {
    let tag = format!("\"{}\"", &Digest::of(body).to_string()[..8]);
    let from = asked.range.as_ref().and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
    let is_same = asked.if_range.as_ref().is_none_or(|wanted| *wanted == tag);
    let reply = match from {
        Some(from) if is_same && from < body.len() => Reply::rest(body, from),
        Some(_) if is_same => Reply::status(416).with("Content-Range", &format!("bytes */{}", body.len())),
        _ => Reply::whole(body),
    };
    reply.with("ETag", &tag)
}

type Handler = dyn Fn(usize, &Asked) -> Reply + Send + Sync;

/// A server on this machine. It ends when the value is dropped.
pub(crate) struct Server {
    pub(crate) address: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts a server. `handler` gets the number of the request, from 0, and the request.
    pub(crate) fn start(handler: impl Fn(usize, &Asked) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (asked, ends) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let handler: Arc<Handler> = Arc::new(handler);
        let thread = {
            let (asked, ends) = (Arc::clone(&asked), Arc::clone(&ends));
            thread::spawn(move || {
                for stream in listener.incoming() {
                    if ends.load(Ordering::SeqCst) {
                        return;
                    }
                    let (asked, ends, handler) = (Arc::clone(&asked), Arc::clone(&ends), Arc::clone(&handler));
                    thread::spawn(move || stream.map(|stream| serve(stream, &asked, &ends, &*handler)));
                }
            })
        };
        Self { address, asked, ends, thread: Some(thread) }
    }

    /// A server that has one file.
    pub(crate) fn honest(body: &[u8]) -> Self {
        let body = body.to_vec();
        Self::start(move |_, asked| honest(&body, asked))
    }

    /// A server that answers every request in the same way.
    pub(crate) fn always(reply: Reply) -> Self {
        Self::start(move |_, _| reply.clone())
    }

    /// The requests so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    pub(crate) fn n_asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address.trim_start_matches("http://"));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(mut stream: TcpStream, all: &Mutex<Vec<Asked>>, ends: &AtomicBool, handler: &Handler) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut line = String::new();
    if reader.read_line(&mut line).unwrap_or(0) == 0 {
        return;
    }
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut asked = Asked { path, range: None, if_range: None };
    loop {
        line.clear();
        if reader.read_line(&mut line).unwrap_or(0) == 0 || line == "\r\n" {
            break;
        }
        let (name, value) = line.split_once(": ").unwrap_or_default();
        let value = Some(value.trim().to_owned());
        match name.to_ascii_lowercase().as_str() {
            "range" => asked.range = value,
            "if-range" => asked.if_range = value,
            _ => {}
        }
    }
    let number = {
        let mut all = all.lock().unwrap();
        all.push(asked.clone());
        all.len() - 1
    };
    let reply = handler(number, &asked);
    let is_sent = reply.send(&mut stream).is_ok();
    if is_sent {
        reply.send_endless(&mut stream, ends);
    }
    if is_sent && reply.stalls {
        while !ends.load(Ordering::SeqCst) {
            thread::sleep(Duration::from_millis(5));
        }
    }
    // Unread bytes of the client would turn the end into a reset.
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let _ = stream.set_read_timeout(Some(Duration::from_secs(1)));
    let _ = reader.read(&mut [0; 64]);
}

/// Patient with the machine, and without pauses.
pub(crate) fn options() -> Options {
    Options {
        connect_timeout: Duration::from_secs(20),
        stall_timeout: Duration::from_secs(20),
        n_rounds: 2,
        first_pause: Duration::from_millis(1),
        proxy_of_environment: false,
    }
}

/// Bytes that are not all the same.
pub(crate) fn bytes(n: usize) -> Vec<u8> {
    (0..n).map(|i| (i * 31 + i / 251) as u8).collect()
}

/// A file with a published digest, at these addresses.
pub(crate) fn file(body: &[u8], servers: &[&Server]) -> RemoteFile {
    RemoteFile {
        name: "file.bin".to_owned(),
        addresses: servers.iter().map(|server| format!("{}/file.bin", server.address)).collect(),
        size: Size::exactly(body.len() as u64),
        digest: Expected::Published(Digest::of(body)),
        content: Content::File(Form::Bytes),
    }
}

/// A file about which only bounds of its size are known.
pub(crate) fn unknown(server: &Server) -> RemoteFile {
    RemoteFile { size: Size { least: 1000, most: 400_000 }, digest: Expected::Unknown, ..file(&[], &[server]) }
}

/// An archive that is unpacked into the folder `tree`.
pub(crate) fn archive(name: &str, body: &[u8], server: &Server) -> RemoteFile {
    RemoteFile {
        name: name.to_owned(),
        addresses: vec![format!("{}/{name}", server.address)],
        content: Content::Tree {
            packing: Packing::Tar,
            root: "kit/tree".to_owned(),
            limits: Limits { n_bytes: 1 << 20, n_entries: 100 },
        },
        ..file(body, &[])
    }
}

pub(crate) fn package(files: Vec<RemoteFile>) -> Package {
    Package { name: "pack".to_owned(), title: "a test".to_owned(), licence: "None.".to_owned(), files }
}

/// Fetches into a folder without anything special.
pub(crate) fn get(files: Vec<RemoteFile>, folder: &Path) -> Result<Fetched, FetchError> {
    get_with(files, folder, options(), &Silent)
}

pub(crate) fn get_with(
    files: Vec<RemoteFile>,
    folder: &Path,
    options: Options,
    observer: &dyn Observer,
) -> Result<Fetched, FetchError> {
    let package = package(files);
    let request = Request { package: &package, folder, given: &[], mirrors: &[], keep_archives: false, options };
    fetch(&request, observer)
}

/// The names in a folder, sorted.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// One entry of an archive: type, name, content.
pub(crate) type Entry<'a> = (u8, &'a str, &'a [u8]);

/// An archive made by hand, so that it may hold anything. Ends with the end mark.
pub(crate) fn tar(entries: &[Entry]) -> Vec<u8> {
    let mut archive = Vec::new();
    for (kind, name, content) in entries {
        let mut header = tar::Header::new_ustar();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(tar::EntryType::new(*kind));
        header.set_mode(0o6777);
        header.set_size(content.len() as u64);
        if matches!(kind, b'1' | b'2') {
            header.set_link_name("/etc/passwd").unwrap();
        }
        header.set_cksum();
        archive.extend_from_slice(header.as_bytes());
        archive.extend_from_slice(content);
        archive.resize(archive.len().next_multiple_of(512), 0);
    }
    archive.resize(archive.len() + 1024, 0);
    archive
}

/// Keeps the lines, and stops after a number of bytes of a download.
#[derive(Default)]
pub(crate) struct Watcher {
    pub(crate) lines: RefCell<Vec<String>>,
    /// The work that began, and the names of the files.
    pub(crate) begun: RefCell<Vec<(Work, String)>>,
    pub(crate) stop_after: Option<u64>,
    stopped: std::rc::Rc<Cell<bool>>,
}

struct Progress {
    stop_after: Option<u64>,
    stopped: std::rc::Rc<Cell<bool>>,
}

impl Watcher {
    pub(crate) fn stopping_after(n_bytes: u64) -> Self {
        Self { stop_after: Some(n_bytes), ..Self::default() }
    }

    pub(crate) fn text(&self) -> String {
        self.lines.borrow().join("\n")
    }
}

impl Observer for Watcher {
    fn line(&self, text: &str) {
        self.lines.borrow_mut().push(text.to_owned());
    }

    fn begin(&self, work: Work, name: &str, _: u64) -> Box<dyn Bar> {
        self.begun.borrow_mut().push((work, name.to_owned()));
        let stop_after = self.stop_after.filter(|_| work == Work::Download);
        Box::new(Progress { stop_after, stopped: self.stopped.clone() })
    }

    fn is_stopped(&self) -> bool {
        self.stopped.get()
    }
}

impl Bar for Progress {
    fn set_position(&self, n_bytes: u64) {
        if self.stop_after.is_some_and(|limit| n_bytes >= limit) {
            self.stopped.set(true);
        }
    }
}
