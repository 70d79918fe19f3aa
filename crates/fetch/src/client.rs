//! One request to one server. The connection has a thread of its own, so that a stop is obeyed while nothing comes.

use std::io::{ErrorKind, Read as _};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use ureq::http::{HeaderMap, Response, Uri};
use ureq::{Agent, Body, ResponseExt as _, Timeout};

use crate::error::FetchError;
use crate::observer::{Observer, stopped};
use crate::options::Options;
use crate::problem::Problem;

/// Number of redirections that are followed.
const MAX_REDIRECTS: u32 = 5;
/// Bytes that are read at a time, and blocks that may wait to be written.
const BLOCK: usize = 1 << 16;
const MAX_WAITING: usize = 16;
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
        let answer = Self { messages, agent: Some(agent) };
        match answer.receive(observer)? {
            Some(Message::Head(head)) => Ok((head, answer)),
            Some(Message::Problem(problem)) => Err(problem.into()),
            Some(Message::Block(_)) | None => Err(Problem::Other { problem: "no answer came".to_owned() }.into()),
        }
    }

    /// The next bytes; `None` at the end.
    pub(crate) fn next(&mut self, observer: &dyn Observer) -> Result<Option<Vec<u8>>, Ended> {
        match self.receive(observer)? {
            Some(Message::Block(block)) => Ok(Some(block)),
            Some(Message::Problem(problem)) => Err(problem.into()),
            Some(Message::Head(_)) | None => Ok(None),
        }
    }

    fn receive(&self, observer: &dyn Observer) -> Result<Option<Message>, FetchError> {
        loop {
            stopped(observer)?;
            match self.messages.recv_timeout(TICK) {
                Ok(message) => return Ok(Some(message)),
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
        .max_redirects(MAX_REDIRECTS)
        .save_redirect_history(true)
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
    let mut request = agent.get(address);
    if let Some(rest) = rest {
        request = request.header("Range", format!("bytes={}-", rest.from));
        if let Some(validator) = rest.validator {
            request = request.header("If-Range", validator);
        }
    }
    let response = request.call().map_err(|error| problem(error, options, 0))?;
    if let Some(to) = response.get_redirect_history().and_then(unencrypted) {
        return Err(Problem::Unencrypted { to: to.to_string() });
    }
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

/// A server must not lead from an encrypted address to one that is not. The first address that it leads to in this way.
fn unencrypted(visited: &[Uri]) -> Option<&Uri> {
    let is_encrypted = |address: &Uri| address.scheme_str() == Some("https");
    visited.windows(2).find(|pair| is_encrypted(&pair[0]) && !is_encrypted(&pair[1])).map(|pair| &pair[1])
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

    fn led_to(addresses: &[&str]) -> Option<String> {
        let visited: Vec<Uri> = addresses.iter().map(|address| address.parse().unwrap()).collect();
        unencrypted(&visited).map(ToString::to_string)
    }

    #[test]
    fn only_the_way_from_https_to_http_is_refused() {
        assert_eq!(led_to(&["http://a/b", "http://c/d", "https://a/b", "https://c/d"]), None);
        assert_eq!(led_to(&["http://a/b", "https://a/b", "http://c/d", "https://c/d"]).as_deref(), Some("http://c/d"));
        assert_eq!(led_to(&["https://a/b", "http://a/b"]).as_deref(), Some("http://a/b"));
    }
}
