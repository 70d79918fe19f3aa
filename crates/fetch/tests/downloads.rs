//! Downloads from servers that are honest, that lie, and that do not answer.

mod support;

use std::cell::Cell;
use std::fs;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use fisherlens_fetch::{
    Bar, Content, Digest, FetchError, Form, Observer, Options, RemoteFile, Request, Silent, Work, fetch,
};
use support::{Reply, Server, Watcher, bytes, file, get, get_with, honest, names, options, package, unknown};

/// The message of a download that must fail, and the names that it leaves.
fn refused(file: RemoteFile) -> (String, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let error = get(vec![file], folder.path()).unwrap_err();
    assert!(matches!(error, FetchError::Download { .. }), "{error}");
    (error.to_string(), names(folder.path()))
}

#[test]
fn an_honest_server_gives_the_file_and_is_asked_once() {
    let body = bytes(300_000);
    let server = Server::honest(&body);
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("not/yet/there");
    let fetched = get(vec![file(&body, &[&server])], &target).unwrap();
    assert!(!fetched.was_there && fetched.unpublished.is_empty());
    assert_eq!(fs::read(target.join("file.bin")).unwrap(), body);
    assert_eq!(names(&target), ["file.bin"]);
    assert!(get(vec![file(&body, &[&server])], &target).unwrap().was_there);
    assert_eq!(server.n_asked(), 1);
}

#[test]
fn wrong_lengths_are_refused_before_anything_is_written() {
    let body = bytes(1000);
    for length in [999, 1001, 10_000_000_000] {
        let server = Server::always(Reply { length: Some(length), ..Reply::whole(&body) });
        let (message, left) = refused(file(&body, &[&server]));
        assert!(
            message.contains(&format!("the server says that the file has {length} bytes, expected 1000")),
            "{message}"
        );
        assert!(left.is_empty() && server.n_asked() == 1);
    }
}

#[test]
fn bodies_without_a_length_are_counted() {
    let body = bytes(100_000);
    for (chunked, sent, expected) in [
        (true, 100_000, None),
        (false, 100_000, None),
        (true, 100_001, Some("sends more than 100000 bytes")),
        (false, 100_001, Some("sends more than 100000 bytes")),
        (false, 99_999, Some("ended after 99999 bytes, expected 100000")),
        (true, 99_999, Some("ended after 99999 bytes, expected 100000")),
    ] {
        let server = Server::always(Reply { length: None, chunked, ..Reply::whole(&bytes(sent)) });
        let folder = tempfile::tempdir().unwrap();
        match (get(vec![file(&body, &[&server])], folder.path()), expected) {
            (Ok(_), None) => assert_eq!(fs::read(folder.path().join("file.bin")).unwrap(), body),
            (Err(error), Some(words)) => {
                assert!(error.to_string().contains(words), "{error}");
                // Too many bytes may be those of another file, so they are not kept.
                assert_eq!(names(folder.path()).is_empty(), sent > 100_000);
            }
            (found, expected) => panic!("{found:?}, expected {expected:?}"),
        }
    }
}

#[test]
fn the_second_address_is_tried_when_the_first_one_fails() {
    let body = bytes(1000);
    let wrong = bytes(1001)[1..].to_vec();
    let page = Reply::whole(&body).with("Content-Type", "text/html; charset=utf-8");
    let packed = Reply::whole(&body).with("Content-Encoding", "br");
    for (reply, words) in [
        (Reply::status(404), "answered 404 (not found)"),
        (Reply::status(403), "answered 403 (forbidden)"),
        (Reply::whole(&wrong), "sha256 of the file is"),
        (page, "a page of the web (text/html; charset=utf-8)"),
        (packed, "compressed the file (br)"),
    ] {
        let (bad, good) = (Server::always(reply), Server::honest(&body));
        let folder = tempfile::tempdir().unwrap();
        let watcher = Watcher::default();
        get_with(vec![file(&body, &[&bad, &good])], folder.path(), options(), &watcher).unwrap();
        assert!(watcher.text().contains(words) && watcher.text().contains(&bad.address), "{}", watcher.text());
        assert_eq!((bad.n_asked(), good.n_asked()), (1, 1));
        assert_eq!(names(folder.path()), ["file.bin"]);
    }
}

#[test]
fn all_failures_are_named() {
    let body = bytes(1000);
    let (missing, wrong) = (Server::always(Reply::status(404)), Server::always(Reply::whole(&bytes(1001)[1..])));
    let mut file = file(&body, &[&missing, &wrong]);
    // Nobody listens on the port of a server that has ended.
    let gone = Server::honest(&body).address.clone();
    file.addresses.push(format!("{gone}/file.bin"));
    let (message, left) = refused(file);
    for words in [
        &format!("{}/file.bin: the server answered 404", missing.address),
        &format!("{}/file.bin: sha256 of the file is", wrong.address),
        &format!("{gone}/file.bin: the connection failed"),
        "(tried 2 times)",
        "cannot download file.bin",
    ] {
        assert!(message.contains(words), "{message}");
    }
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_busy_server_is_asked_again() {
    let body = bytes(1000);
    let sent = body.clone();
    let server =
        Server::start(move |number, asked| if number == 0 { Reply::status(503) } else { honest(&sent, asked) });
    let folder = tempfile::tempdir().unwrap();
    get(vec![file(&body, &[&server])], folder.path()).unwrap();
    assert_eq!(server.n_asked(), 2);
    let server = Server::always(Reply::status(503));
    let (message, _) = refused(file(&body, &[&server]));
    assert!(message.contains("answered 503 (service unavailable) (tried 2 times)"), "{message}");
}

#[test]
fn a_server_that_stops_sending_is_left() {
    let body = bytes(300_000);
    let impatient = Options { stall_timeout: Duration::from_millis(200), ..options() };
    let stalled = Server::always(Reply { stalls: true, ..Reply::whole(&body).cut(1000) });
    let good = Server::honest(&body);
    let folder = tempfile::tempdir().unwrap();
    let watcher = Watcher::default();
    // The honest server is asked by a patient client, so that a busy machine does no harm.
    let error = get_with(vec![file(&body, &[&stalled])], folder.path(), impatient, &watcher).unwrap_err();
    assert!(error.to_string().contains("nothing came for 0.2 s, after"), "{error}");
    assert!(error.to_string().contains("file.bin.part is kept"), "{error}");
    get(vec![file(&body, &[&good])], folder.path()).unwrap();
    assert_eq!(fs::read(folder.path().join("file.bin")).unwrap(), body);
    assert!(good.asked()[0].range.is_some());
}

/// Stops at its tenth question.
struct Late(Cell<usize>);

impl Observer for Late {
    fn line(&self, _: &str) {}

    fn begin(&self, _: Work, _: &str, _: u64) -> Box<dyn Bar> {
        Box::new(Silent)
    }

    fn is_stopped(&self) -> bool {
        self.0.set(self.0.get() + 1);
        self.0.get() > 10
    }
}

#[test]
fn a_server_that_never_answers_is_left_and_a_stop_does_not_wait_for_it() {
    let body = bytes(1000);
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut file = file(&body, &[]);
    file.addresses = vec![format!("http://{}/file.bin", silent.local_addr().unwrap())];
    let folder = tempfile::tempdir().unwrap();
    let impatient = Options { stall_timeout: Duration::from_millis(100), n_rounds: 1, ..options() };
    let error = get_with(vec![file.clone()], folder.path(), impatient, &Watcher::default()).unwrap_err();
    assert!(error.to_string().contains("no answer within 0.1 s"), "{error}");

    let since = Instant::now();
    let patient = Options { stall_timeout: Duration::from_secs(600), ..options() };
    let stopped = get_with(vec![file], folder.path(), patient, &Late(Cell::new(0)));
    assert!(matches!(stopped, Err(FetchError::Stopped)));
    assert!(since.elapsed() < Duration::from_secs(60));
    assert!(names(folder.path()).is_empty());
}

#[test]
fn redirections_are_followed_up_to_a_limit() {
    let body = bytes(300_000);
    let sent = body.clone();
    let server = Server::start(move |number, asked| match asked.path.as_str() {
        "/file.bin" => Reply::status(302).with("Location", "/deeper/place"),
        _ if number == 1 => honest(&sent, asked).cut(100_000),
        _ => honest(&sent, asked),
    });
    let folder = tempfile::tempdir().unwrap();
    get(vec![file(&body, &[&server])], folder.path()).unwrap();
    assert_eq!(fs::read(folder.path().join("file.bin")).unwrap(), body);
    let asked = server.asked();
    assert_eq!(asked.len(), 4);
    assert_eq!(asked[3].range.as_deref(), Some("bytes=100000-"));
    let server = Server::start(|number, _| Reply::status(302).with("Location", &format!("/{number}")));
    let (message, _) = refused(file(&body, &[&server]));
    assert!(message.contains("redirected more than 5 times"), "{message}");
    assert_eq!(server.n_asked(), 6);
}

#[test]
fn messages_of_caffe_are_checked_where_no_digest_is_published() {
    let mut message = b"\x0a\x03net\xa2\x06\xa0\x1f".to_vec();
    message.resize(message.len() + 4000, 7);
    for (body, is_right) in [(message.clone(), true), (message[1..].to_vec(), false), (bytes(4000), false)] {
        let server = Server::honest(&body);
        let file = RemoteFile { content: Content::File(Form::Message), ..unknown(&server) };
        let folder = tempfile::tempdir().unwrap();
        match get(vec![file.clone()], folder.path()) {
            Ok(fetched) => {
                assert!(is_right);
                assert_eq!(fetched.unpublished, [("file.bin".to_owned(), Digest::of(&body), None)]);
                assert!(get(vec![file], folder.path()).unwrap().was_there);
            }
            Err(error) => assert!(!is_right && error.to_string().contains("not a file of Caffe"), "{error}"),
        }
    }
}

#[test]
fn mirrors_are_asked_first() {
    let body = bytes(1000);
    let (known, mirror) = (Server::honest(&body), Server::honest(&body));
    let package = package(vec![file(&body, &[&known])]);
    let folder = tempfile::tempdir().unwrap();
    let mirrors = [format!("{}/voc//", mirror.address)];
    let request = Request {
        package: &package,
        folder: folder.path(),
        given: &[],
        mirrors: &mirrors,
        keep_archives: false,
        options: options(),
    };
    fetch(&request, &Silent).unwrap();
    assert_eq!(mirror.asked()[0].path, "/voc/file.bin");
    assert_eq!(known.n_asked(), 0);
}

#[test]
fn a_wrong_file_under_the_right_name_is_not_replaced() {
    let body = bytes(1000);
    let server = Server::honest(&body);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file.bin");
    for (there, words) in [
        (
            body[..10].to_vec(),
            "has 10 bytes, expected 1000: remove it, or rename it, to download it again; if it is the beginning",
        ),
        (bytes(1001)[1..].to_vec(), "is another file: sha256 of the file is"),
        (bytes(2000), "has 2000 bytes, expected 1000: remove it, or rename it, to download it again"),
    ] {
        fs::write(&path, &there).unwrap();
        let message = get(vec![file(&body, &[&server])], folder.path()).unwrap_err().to_string();
        assert!(message.contains(words), "{message}");
        assert_eq!(fs::read(&path).unwrap(), there);
    }
    // What the first message says works.
    fs::write(folder.path().join("file.bin.part"), &body[..10]).unwrap();
    fs::remove_file(&path).unwrap();
    get(vec![file(&body, &[&server])], folder.path()).unwrap();
    assert_eq!(server.asked()[0].range.as_deref(), Some("bytes=10-"));
}

#[test]
fn the_body_of_a_redirection_is_not_read() {
    let body = bytes(1000);
    let sent = body.clone();
    let server = Server::start(move |_, asked| match asked.path.as_str() {
        "/file.bin" => Reply { length: None, endless: Some(b"1\r\nx\r\n"), ..Reply::status(302) }
            .with("Transfer-Encoding", "chunked")
            .with("Location", "deeper/../place"),
        _ => honest(&sent, asked),
    });
    let folder = tempfile::tempdir().unwrap();
    get(vec![file(&body, &[&server])], folder.path()).unwrap();
    assert_eq!(server.asked()[1].path, "/place");
    let server = Server::always(Reply::status(302).with("Location", "ftp://a/b"));
    let (message, _) = refused(file(&body, &[&server]));
    assert!(message.contains("redirected to \"ftp://a/b\", which is not an address of the web"), "{message}");
}

#[test]
fn fields_without_end_after_the_file_do_not_hold_it_up() {
    let body = bytes(1000);
    let framed = [b"3e8\r\n", body.as_slice(), b"\r\n0\r\n"].concat();
    let server = Server::always(
        Reply { length: None, endless: Some(b"a: b\r\n"), ..Reply::whole(&framed) }
            .with("Transfer-Encoding", "chunked"),
    );
    let folder = tempfile::tempdir().unwrap();
    get(vec![file(&body, &[&server])], folder.path()).unwrap();
    assert_eq!(fs::read(folder.path().join("file.bin")).unwrap(), body);
    // Where the size is not known, the time without new bytes ends it.
    let impatient = Options { stall_timeout: Duration::from_millis(200), n_rounds: 1, ..options() };
    let folder = tempfile::tempdir().unwrap();
    let since = Instant::now();
    let error = get_with(vec![unknown(&server)], folder.path(), impatient, &Silent).unwrap_err();
    assert!(matches!(error, FetchError::Download { .. }), "{error}");
    assert!(since.elapsed() < Duration::from_secs(60));
}

#[test]
fn passwords_are_neither_shown_nor_noted() {
    let body = bytes(300_000);
    let server = Server::always(Reply::whole(&body).cut(1000));
    let mut file = file(&body, &[]);
    file.addresses = vec![format!("{}/file.bin", server.address.replace("http://", "HTTP://user:secret@"))];
    let folder = tempfile::tempdir().unwrap();
    let watcher = Watcher::default();
    let impatient = Options { n_rounds: 1, ..options() };
    let error = get_with(vec![file], folder.path(), impatient, &watcher).unwrap_err().to_string();
    let noted = fs::read_to_string(folder.path().join("file.bin.part.from")).unwrap();
    for text in [error, noted, watcher.text()] {
        assert!(text.contains("HTTP://***@127.0.0.1") && !text.contains("secret"), "{text}");
    }
}
