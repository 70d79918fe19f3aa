//! One request to one server. The connection has a thread of its own, so that a stop is obeyed while nothing comes.

use std::io::{ErrorKind, Read as _};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use ureq::http::{HeaderMap, Response, Uri};
use ureq::{Agent, Body, Timeout};

use crate::address::{led_to, masked};
use crate::error::FetchError;
use crate::observer::{Observer, stopped};
use crate::options::Options;
use crate::problem::Problem;

/// Number of redirections that are followed.
const MAX_REDIRECTS: u32 = 5;
/// Bytes that are read at a time, and blocks that may wait to be written.
const BLOCK: usize = 1 << 16;
const MAX_WAITING: usize = 16;
/// Time that the thread of a connection has to notice by itself that nothing comes any more.
const GRACE: Duration = Duration::from_secs(1);
/// Time between two questions whether to stop.
const TICK: Duration = Duration::from_millis(50);

/// The part of a file that is asked for.
#[derive(Debug, Clone)]
pub(crate) struct Rest {
    /// The first byte.
    pub(crate) from: u64,
    /// The version that the first bytes belong to. A server that has another one sends the whole file.
    pub(crate) validator: Option<String>,
}

/// The fields of an answer that matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) length: Option<u64>,
    pub(crate) range: Option<String>,
    pub(crate) etag: Option<String>,
    pub(crate) modified: Option<String>,
    pub(crate) media_type: Option<String>,
    pub(crate) encoding: Option<String>,
}

/// Why a request ended: the server, or this machine.
#[derive(Debug)]
pub(crate) enum Ended {
    /// The address did not give the file.
    Problem(Problem),
    /// Nothing else shall be tried.
    Error(FetchError),
}

impl From<Problem> for Ended {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<FetchError> for Ended {
    fn from(error: FetchError) -> Self {
        Self::Error(error)
    }
}

/// What the thread of a connection says: first the head, then blocks, then a problem or nothing.
enum Message {
    Head(Head),
    Block(Vec<u8>),
    Problem(Problem),
}

/// An answer whose bytes are coming. Dropping it ends the connection.
pub(crate) struct Answer {
    messages: Receiver<Message>,
    agent: Option<Agent>,
    stall_timeout: Duration,
}

impl Answer {
    /// Asks `address` for a file, or for the rest of it.
    pub(crate) fn of(
        address: &str,
        rest: Option<Rest>,
        options: &Options,
        observer: &dyn Observer,
    ) -> Result<(Head, Self), Ended> {
        let agent = agent(options);
        let (sender, messages) = sync_channel(MAX_WAITING);
        let started = {
            let (agent, address, options) = (agent.clone(), address.to_owned(), options.clone());
            thread::Builder::new().name("download".to_owned()).spawn(move || {
                let end = connect(&agent, &address, rest, &options, &sender);
                if let Err(problem) = end {
                    let _ = sender.send(Message::Problem(problem));
                }
            })
        };
        started.map_err(|error| Problem::Other { problem: format!("no thread can be started: {error}") })?;
        let answer = Self { messages, agent: Some(agent), stall_timeout: options.stall_timeout };
        match answer.receive(None, observer)? {
            Some(Message::Head(head)) => Ok((head, answer)),
            Some(Message::Problem(problem)) => Err(problem.into()),
            Some(Message::Block(_)) | None => Err(Problem::Other { problem: "no answer came".to_owned() }.into()),
        }
    }

    /// The next bytes; `None` at the end. They have to come within `limit`, or else within the time of the options: a server that sends
    /// only marks between the bytes keeps a connection busy for ever.
    pub(crate) fn next(&mut self, limit: Option<Duration>, observer: &dyn Observer) -> Result<Option<Vec<u8>>, Ended> {
        let limit = limit.unwrap_or(self.stall_timeout.saturating_add(GRACE));
        match self.receive(Some(limit), observer)? {
            Some(Message::Block(block)) => Ok(Some(block)),
            Some(Message::Problem(problem)) => Err(problem.into()),
            Some(Message::Head(_)) | None => Ok(None),
        }
    }

    fn receive(&self, limit: Option<Duration>, observer: &dyn Observer) -> Result<Option<Message>, Ended> {
        let since = Instant::now();
        loop {
            stopped(observer)?;
            match self.messages.recv_timeout(TICK) {
                Ok(message) => return Ok(Some(message)),
                Err(RecvTimeoutError::Timeout) if limit.is_some_and(|limit| since.elapsed() >= limit) => {
                    return Err(Problem::Stalled { done: 0, waited: self.stall_timeout }.into());
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
            }
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        // Wakes the thread if it waits for the server.
        if let Some(agent) = self.agent.take() {
            agent.shutdown();
        }
    }
}

fn agent(options: &Options) -> Agent {
    let mut config = Agent::config_builder()
        .http_status_as_error(false)
        // The client would read the body of a redirection to its end, which may never come.
        .max_redirects(0)
        .user_agent(concat!("fisherlens/", env!("CARGO_PKG_VERSION")))
        .accept_encoding("identity")
        .timeout_resolve(Some(options.connect_timeout))
        .timeout_connect(Some(options.connect_timeout))
        .timeout_recv_response(Some(options.stall_timeout))
        .timeout_per_read(Some(options.stall_timeout))
        .timeout_per_write(Some(options.stall_timeout));
    if !options.proxy_of_environment {
        config = config.proxy(None);
    }
    config.build().into()
}

/// The work of the thread. It ends early when nobody listens any more.
fn connect(
    agent: &Agent,
    address: &str,
    rest: Option<Rest>,
    options: &Options,
    sender: &SyncSender<Message>,
) -> Result<(), Problem> {
    let response = ask(agent, address, rest.as_ref(), options)?;
    if sender.send(Message::Head(head(&response))).is_err() || !response.status().is_success() {
        return Ok(());
    }
    let mut body = response.into_body().into_reader();
    let mut done = 0;
    loop {
        let mut block = vec![0; BLOCK];
        let n = match body.read(&mut block) {
            Ok(n) => n,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(problem(error.into(), options, done)),
        };
        block.truncate(n);
        done += n as u64;
        if n == 0 || sender.send(Message::Block(block)).is_err() {
            return Ok(());
        }
    }
}

/// Sends the request, and follows redirections without reading their bodies.
fn ask(agent: &Agent, address: &str, rest: Option<&Rest>, options: &Options) -> Result<Response<Body>, Problem> {
    // The client repeats an address in some of its messages.
    let hidden = |error: Problem, address: &Uri| {
        let authority = address.authority().map_or("", |authority| authority.as_str());
        match (error, authority.rsplit_once('@')) {
            (Problem::Other { problem }, Some((secret, _))) => {
                Problem::Other { problem: problem.replace(&format!("{secret}@"), "***@") }
            }
            (error, _) => error,
        }
    };
    let mut current: Uri =
        address.parse().map_err(|_| Problem::Other { problem: "it is not an address".to_owned() })?;
    for _ in 0..=MAX_REDIRECTS {
        let mut request = agent.get(&current);
        if let Some(rest) = rest {
            request = request.header("Range", format!("bytes={}-", rest.from));
            if let Some(validator) = &rest.validator {
                request = request.header("If-Range", validator);
            }
        }
        let response = request.call().map_err(|error| hidden(problem(error, options, 0), &current))?;
        let location = response.headers().get("location").filter(|_| is_redirection(response.status().as_u16()));
        let Some(location) = location else { return Ok(response) };
        current = next_address(&current, &String::from_utf8_lossy(location.as_bytes()))?;
    }
    Err(Problem::Redirects { limit: MAX_REDIRECTS })
}

fn is_redirection(status: u16) -> bool {
    matches!(status, 301 | 302 | 303 | 307 | 308)
}

/// The address that a redirection leads to. A server must not lead from an encrypted address to one that is not.
fn next_address(current: &Uri, location: &str) -> Result<Uri, Problem> {
    let is_encrypted = |address: &Uri| address.scheme_str() == Some("https");
    match led_to(current, location.trim()) {
        Some(next) if is_encrypted(current) && !is_encrypted(&next) => {
            Err(Problem::Unencrypted { to: masked(&next.to_string()).into_owned() })
        }
        Some(next) => Ok(next),
        None => Err(Problem::Other {
            problem: format!(
                "the server redirected to \"{}\", which is not an address of the web",
                masked(location).escape_debug()
            ),
        }),
    }
}

fn head(response: &Response<Body>) -> Head {
    let fields: &HeaderMap = response.headers();
    let text = |name: &str| Some(fields.get(name)?.to_str().ok()?.trim().to_owned());
    Head {
        status: response.status().as_u16(),
        length: text("content-length").and_then(|length| length.parse().ok()),
        range: text("content-range"),
        etag: text("etag"),
        modified: text("last-modified"),
        media_type: text("content-type"),
        encoding: text("content-encoding"),
    }
}

/// An error of the HTTP client, after `done` bytes of its answer.
fn problem(error: ureq::Error, options: &Options, done: u64) -> Problem {
    match error {
        ureq::Error::HostNotFound => Problem::NoServer,
        ureq::Error::Timeout(Timeout::Resolve | Timeout::Connect) => {
            Problem::NoAnswer { waited: options.connect_timeout }
        }
        ureq::Error::Timeout(_) if done == 0 => Problem::NoAnswer { waited: options.stall_timeout },
        ureq::Error::Timeout(_) => Problem::Stalled { done, waited: options.stall_timeout },
        ureq::Error::TooManyRedirects => Problem::Redirects { limit: MAX_REDIRECTS },
        // The standard library has no kind of error for this.
        ureq::Error::Io(error) if error.to_string().starts_with("failed to lookup address") => Problem::NoServer,
        ureq::Error::Io(error) => match error.get_ref().and_then(|inner| inner.source()) {
            Some(cause) => Problem::Connection { problem: format!("{error}: {cause}") },
            None => Problem::Connection { problem: error.to_string() },
        },
        other => Problem::Other { problem: other.to_string() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_way_from_https_to_http_is_refused() {
        let led = |from: &str, to: &str| next_address(&from.parse().unwrap(), to).map(|uri| uri.to_string());
        for (from, to) in [("http://a/b", "http://c/d"), ("http://a/b", "https://c/d"), ("https://a/b", "https://c/d")]
        {
            assert_eq!(led(from, to).unwrap(), to);
        }
        assert_eq!(led("https://a/b", "/c").unwrap(), "https://a/c");
        let message = led("https://a/b", "http://u:secret@c/d").unwrap_err().to_string();
        assert!(message.contains("from https to http://***@c/d, which is not encrypted"), "{message}");
        let message = led("https://a/b", "ftp://c/d").unwrap_err().to_string();
        assert!(message.contains("\"ftp://c/d\", which is not an address of the web"), "{message}");
    }
}
