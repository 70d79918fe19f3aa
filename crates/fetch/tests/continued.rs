//! Downloads that break, that are stopped, and whose file changes: what the next try continues.

mod support;

use std::fs;

use fisherlens_fetch::{Digest, FetchError};
use support::{Reply, Server, Watcher, bytes, file, get, get_with, honest, names, options, unknown};

#[test]
fn a_broken_download_is_continued_with_the_rest_only() {
    let body = bytes(300_000);
    let sent = body.clone();
    let server = Server::start(move |number, asked| {
        let reply = honest(&sent, asked);
        if number == 0 { reply.cut(100_000) } else { reply }
    });
    let folder = tempfile::tempdir().unwrap();
    get(vec![file(&body, &[&server])], folder.path()).unwrap();
    assert_eq!(fs::read(folder.path().join("file.bin")).unwrap(), body);
    let asked = server.asked();
    assert_eq!(asked.len(), 2);
    assert_eq!((asked[0].range.as_deref(), asked[0].if_range.as_deref()), (None, None));
    assert_eq!(asked[1].range.as_deref(), Some("bytes=100000-"));
    assert!(asked[1].if_range.is_some());
}

#[test]
fn a_broken_download_in_chunks_is_continued() {
    let body = bytes(300_000);
    let sent = body.clone();
    let server = Server::start(move |number, asked| {
        let reply = honest(&sent, asked);
        if number == 0 { Reply { length: None, chunked: true, unfinished: true, ..reply.cut(100_000) } } else { reply }
    });
    let folder = tempfile::tempdir().unwrap();
    get(vec![file(&body, &[&server])], folder.path()).unwrap();
    assert_eq!(fs::read(folder.path().join("file.bin")).unwrap(), body);
    assert_eq!(server.asked()[1].range.as_deref(), Some("bytes=100000-"));
}

#[test]
fn without_a_digest_only_the_same_server_continues() {
    let (old, new) = (bytes(300_000), bytes(300_001)[1..].to_vec());
    let sent = old.clone();
    let first = Server::start(move |number, asked| {
        if number == 1 {
            Reply::status(503)
        } else {
            honest(&sent, asked).cut(if number == 0 { 100_000 } else { 300_000 })
        }
    });
    let second = Server::always(Reply::status(503));
    let folder = tempfile::tempdir().unwrap();
    let mut file = unknown(&first);
    file.addresses.push(format!("{}/file.bin", second.address));
    get(vec![file.clone()], folder.path()).unwrap();
    assert_eq!(fs::read(folder.path().join("file.bin")).unwrap(), old);
    let ranges = |server: &Server| server.asked().into_iter().map(|asked| asked.range).collect::<Vec<_>>();
    let rest = Some("bytes=100000-".to_owned());
    assert_eq!(ranges(&first), [None, rest.clone(), rest]);
    // The other server was asked for the whole file.
    assert_eq!(ranges(&second), [None]);
    fs::remove_file(folder.path().join("file.bin")).unwrap();
    let broken = Server::start(
        move |number, asked| {
            if number == 0 { honest(&old, asked).cut(100_000) } else { Reply::status(404) }
        },
    );
    let other = Server::honest(&new);
    file.addresses = vec![format!("{}/file.bin", broken.address), format!("{}/file.bin", other.address)];
    get(vec![file], folder.path()).unwrap();
    assert_eq!(fs::read(folder.path().join("file.bin")).unwrap(), new);
    assert_eq!(ranges(&other), [None]);
}

#[test]
fn a_server_without_ranges_starts_again() {
    let body = bytes(300_000);
    let sent = body.clone();
    let server = Server::start(move |number, _| {
        let reply = Reply::whole(&sent);
        if number == 0 { reply.cut(100_000) } else { reply }
    });
    let folder = tempfile::tempdir().unwrap();
    get(vec![file(&body, &[&server])], folder.path()).unwrap();
    assert_eq!(fs::read(folder.path().join("file.bin")).unwrap(), body);
    assert_eq!(server.n_asked(), 2);
}

#[test]
fn another_server_continues_what_the_first_one_began() {
    let body = bytes(300_000);
    let broken = Server::start({
        let body = body.clone();
        move |number, _| if number == 0 { Reply::whole(&body).cut(100_000) } else { Reply::status(404) }
    });
    let good = Server::honest(&body);
    let folder = tempfile::tempdir().unwrap();
    get(vec![file(&body, &[&broken, &good])], folder.path()).unwrap();
    assert_eq!(good.asked()[0].range.as_deref(), Some("bytes=100000-"));
    // The tag of the first server means nothing to the second one.
    assert_eq!(good.asked()[0].if_range, None);
}

#[test]
fn a_stop_keeps_the_part_and_the_next_call_finishes_it() {
    let body = bytes(3_000_000);
    let server = Server::honest(&body);
    let folder = tempfile::tempdir().unwrap();
    let watcher = Watcher::stopping_after(500_000);
    let stopped = get_with(vec![file(&body, &[&server])], folder.path(), options(), &watcher);
    assert!(matches!(stopped, Err(FetchError::Stopped)));
    assert_eq!(names(folder.path()), ["file.bin.part", "file.bin.part.from"]);
    let there = fs::metadata(folder.path().join("file.bin.part")).unwrap().len();
    assert!((500_000..3_000_000).contains(&there), "{there}");
    get(vec![file(&body, &[&server])], folder.path()).unwrap();
    assert_eq!(fs::read(folder.path().join("file.bin")).unwrap(), body);
    assert_eq!(names(folder.path()), ["file.bin"]);
    assert_eq!(server.asked()[1].range, Some(format!("bytes={there}-")));
}

#[test]
fn wrong_bytes_of_an_earlier_run_are_replaced() {
    let body = bytes(300_000);
    let server = Server::honest(&body);
    let folder = tempfile::tempdir().unwrap();
    // Too few wrong bytes, as many as the file has, and too many.
    for n in [1000, 300_000, 300_001] {
        fs::write(folder.path().join("file.bin.part"), vec![7; n]).unwrap();
        get(vec![file(&body, &[&server])], folder.path()).unwrap();
        assert_eq!(fs::read(folder.path().join("file.bin")).unwrap(), body);
        assert_eq!(names(folder.path()), ["file.bin"]);
        fs::remove_file(folder.path().join("file.bin")).unwrap();
    }
}

#[test]
fn a_whole_part_is_only_checked() {
    let body = bytes(300_000);
    let server = Server::honest(&body);
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file.bin.part"), &body).unwrap();
    get(vec![file(&body, &[&server])], folder.path()).unwrap();
    assert_eq!((names(folder.path()), server.n_asked()), (vec!["file.bin".to_owned()], 0));
}

#[test]
fn a_file_that_changes_between_two_tries_is_downloaded_again() {
    let (old, new) = (bytes(300_000), bytes(300_001)[1..].to_vec());
    // Servers with tags; without any; that pass over If-Range; and whose file gets longer.
    let longer = bytes(300_005);
    for (number_of_case, second) in [&new, &new, &new, &longer].into_iter().enumerate() {
        let (first, second_sent) = (old.clone(), second.clone());
        let server = Server::start(move |number, asked| {
            let body = if number == 0 { &first } else { &second_sent };
            let mut reply = honest(body, asked);
            let from = asked.range.is_some().then_some(100_000);
            if number_of_case == 1 || number_of_case == 3 {
                reply = from.map_or_else(|| Reply::whole(body), |from| Reply::rest(body, from));
            }
            if number_of_case == 2 {
                reply = from.map_or_else(|| Reply::whole(body), |from| Reply::rest(body, from));
                reply = reply.with("ETag", if number == 0 { "\"v1\"" } else { "\"v2\"" });
            }
            if number_of_case == 3 {
                reply = reply.with("Last-Modified", "Sat, 01 Jan 2000 00:00:00 GMT");
            }
            if number == 0 { reply.cut(100_000) } else { reply }
        });
        let folder = tempfile::tempdir().unwrap();
        let fetched = get(vec![unknown(&server)], folder.path()).unwrap();
        assert_eq!(fs::read(folder.path().join("file.bin")).unwrap(), *second, "case {number_of_case}");
        assert_eq!(fetched.unpublished.len(), 1);
    }
}

#[test]
fn nothing_after_the_part_means_that_it_is_whole() {
    let body = bytes(300_000);
    let sent = body.clone();
    // The length of the first answer is not known, and the connection ends without an error.
    let server = Server::start(move |number, asked| {
        let reply = honest(&sent, asked);
        if number == 0 { Reply { length: None, ..reply } } else { reply }
    });
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file.bin.part"), &body).unwrap();
    let source = format!("{}/file.bin\n{}\n\n", server.address, honest_tag(&body));
    fs::write(folder.path().join("file.bin.part.from"), source).unwrap();
    get(vec![unknown(&server)], folder.path()).unwrap();
    assert_eq!(fs::read(folder.path().join("file.bin")).unwrap(), body);
    assert_eq!(server.asked()[0].range.as_deref(), Some("bytes=300000-"));
}

fn honest_tag(body: &[u8]) -> String {
    format!("\"{}\"", &Digest::of(body).to_string()[..8])
}

#[test]
fn a_part_that_is_longer_than_the_file_is_downloaded_again() {
    let body = bytes(2000);
    let server = Server::honest(&body);
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file.bin.part"), bytes(5000)).unwrap();
    let source = format!("{}/file.bin\n{}\n2000\n", server.address, honest_tag(&body));
    fs::write(folder.path().join("file.bin.part.from"), source).unwrap();
    get(vec![unknown(&server)], folder.path()).unwrap();
    assert_eq!(fs::read(folder.path().join("file.bin")).unwrap(), body);
    let ranges: Vec<Option<String>> = server.asked().into_iter().map(|asked| asked.range).collect();
    assert_eq!(ranges, [Some("bytes=5000-".to_owned()), None]);
}

#[test]
fn two_processes_do_not_write_the_same_part() {
    let body = bytes(1000);
    let server = Server::honest(&body);
    let folder = tempfile::tempdir().unwrap();
    let part = fs::File::create(folder.path().join("file.bin.part")).unwrap();
    part.lock().unwrap();
    let error = get(vec![file(&body, &[&server])], folder.path()).unwrap_err();
    assert!(matches!(error, FetchError::Busy { .. }), "{error}");
    assert_eq!(server.n_asked(), 0);
    drop(part);
    get(vec![file(&body, &[&server])], folder.path()).unwrap();
}

#[test]
fn a_part_is_not_thrown_away_for_something_else() {
    let body = bytes(300_000);
    let json = |length| Reply { length, ..Reply::whole(b"{}{}{") }.with("Content-Type", "application/json");
    let short = |length| Reply { length, ..Reply::whole(b"other") };
    let empty = Reply { length: None, ..Reply::status(416) };
    let changed = Reply::rest(&body, 100_000).with("ETag", "\"v2\"");
    for (first, second) in [
        (json(None), json(None)),
        (json(Some(300_000)), json(Some(300_000))),
        (short(None), short(None)),
        (short(Some(5)), short(Some(5))),
        (empty.clone(), short(None)),
        (empty, Reply::status(404)),
        (changed.clone(), json(None)),
        (changed, short(None)),
    ] {
        let server = Server::start(move |number, _| if number == 0 { first.clone() } else { second.clone() });
        let folder = tempfile::tempdir().unwrap();
        let part = folder.path().join("file.bin.part");
        fs::write(&part, &body[..100_000]).unwrap();
        let source = format!("{}/file.bin\n\"v1\"\n300000\n", server.address);
        fs::write(folder.path().join("file.bin.part.from"), &source).unwrap();
        get(vec![file(&body, &[&server])], folder.path()).unwrap_err();
        assert_eq!(fs::read(&part).unwrap(), body[..100_000]);
        assert_eq!(names(folder.path()), ["file.bin.part", "file.bin.part.from"]);
        assert_eq!(fs::read_to_string(folder.path().join("file.bin.part.from")).unwrap(), source);
    }
}

#[test]
fn an_answer_without_a_length_replaces_a_part_when_it_is_longer() {
    let body = bytes(300_000);
    let sent = body.clone();
    let server = Server::start(move |number, _| {
        let n = [1000, 200_000, 300_000][number.min(2)];
        Reply { length: None, chunked: true, unfinished: n < 300_000, ..Reply::whole(&sent).cut(n) }
    });
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file.bin.part"), vec![7; 100_000]).unwrap();
    let watcher = Watcher::default();
    get_with(vec![file(&body, &[&server])], folder.path(), options(), &watcher).unwrap();
    assert_eq!(fs::read(folder.path().join("file.bin")).unwrap(), body);
    assert_eq!(names(folder.path()), ["file.bin"]);
    assert_eq!(server.n_asked(), 3, "{}", watcher.text());
}

#[test]
fn a_server_that_always_breaks_off_is_left() {
    let body = bytes(300_000);
    let sent = body.clone();
    let server = Server::start(move |_, asked| honest(&sent, asked).cut(1000));
    let folder = tempfile::tempdir().unwrap();
    let watcher = Watcher::default();
    get_with(vec![file(&body, &[&server])], folder.path(), options(), &watcher).unwrap_err();
    // Ten tries in each of two rounds.
    assert_eq!(server.n_asked(), 20, "{}", watcher.text());
    assert_eq!(fs::metadata(folder.path().join("file.bin.part")).unwrap().len(), 20_000);
}
