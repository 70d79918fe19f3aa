//! Whole packages: archives that are unpacked and merged, archives of the user, members of archives, and what a second call does.

mod support;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use fisherlens_fetch::{
    Content, Digest, Expected, FetchError, Fetched, Limits, Member, Package, Packing, RemoteFile, Request, Silent,
    Work, fetch,
};
use support::{Reply, Server, Watcher, archive, bytes, file, get, get_with, honest, names, options, package, tar};

/// Two archives that belong into the same folder, as those of VOC do.
fn two_archives() -> [Vec<u8>; 2] {
    let first: &[support::Entry] = &[
        (b'5', "kit/", b""),
        (b'5', "kit/tree/", b""),
        (b'0', "kit/tree/images/1.jpg", b"one"),
        (b'0', "kit/tree/lists/train.txt", b"1"),
    ];
    let second: &[support::Entry] = &[
        (b'0', "./kit/tree/images/2.jpg", b"two"),
        (0, "kit/tree/empty/", b""),
        (b'0', "kit/tree/lists/test.txt", b"2"),
    ];
    [tar(first), tar(second)]
}

/// A server with both archives, and the package.
fn served(archives: &[Vec<u8>; 2]) -> (Server, Package) {
    let sent = archives.clone();
    let server = Server::start(move |_, asked| honest(&sent[usize::from(asked.path == "/b.tar")], asked));
    let files = vec![archive("a.tar", &archives[0], &server), archive("b.tar", &archives[1], &server)];
    (server, package(files))
}

fn request<'a>(package: &'a Package, folder: &'a Path, given: &'a [PathBuf]) -> Request<'a> {
    Request { package, folder, given, mirrors: &[], keep_archives: false, options: options() }
}

fn check_tree(folder: &Path) {
    let tree = folder.join("kit/tree");
    assert_eq!(names(&tree), [".fetched", "empty", "images", "lists"]);
    assert_eq!(fs::read(tree.join("images/1.jpg")).unwrap(), b"one");
    assert_eq!(fs::read(tree.join("images/2.jpg")).unwrap(), b"two");
    assert_eq!(names(&tree.join("lists")), ["test.txt", "train.txt"]);
}

#[test]
fn two_archives_are_merged_and_a_second_call_asks_nobody() {
    let archives = two_archives();
    let (server, package) = served(&archives);
    let folder = tempfile::tempdir().unwrap();
    let request = request(&package, folder.path(), &[]);
    let fetched = fetch(&request, &Silent).unwrap();
    assert_eq!(fetched, Fetched { was_there: false, unpublished: Vec::new(), archives: Vec::new() });
    check_tree(folder.path());
    assert_eq!(names(folder.path()), ["kit"]);
    let record = fs::read_to_string(folder.path().join("kit/tree/.fetched")).unwrap();
    assert_eq!(record, format!("{}  a.tar\n{}  b.tar\n", Digest::of(&archives[0]), Digest::of(&archives[1])));
    assert!(fetch(&request, &Silent).unwrap().was_there);
    assert_eq!(server.n_asked(), 2);
}

#[test]
fn only_what_is_missing_is_fetched() {
    let (server, package) = served(&two_archives());
    let folder = tempfile::tempdir().unwrap();
    get(package.files[..1].to_vec(), folder.path()).unwrap();
    fs::write(folder.path().join("kit/tree/images/own.jpg"), "own").unwrap();
    fetch(&request(&package, folder.path(), &[]), &Silent).unwrap();
    assert_eq!(server.n_asked(), 2);
    assert!(folder.path().join("kit/tree/images/own.jpg").exists());
    fs::remove_file(folder.path().join("kit/tree/images/own.jpg")).unwrap();
    check_tree(folder.path());
}

#[test]
fn archives_stay_if_the_caller_wants_it() {
    let (server, package) = served(&two_archives());
    let folder = tempfile::tempdir().unwrap();
    let request = Request { keep_archives: true, ..request(&package, folder.path(), &[]) };
    let fetched = fetch(&request, &Silent).unwrap();
    assert_eq!(names(folder.path()), ["a.tar", "b.tar", "kit"]);
    assert_eq!(fetched.archives, [folder.path().join("a.tar"), folder.path().join("b.tar")]);
    // Kept archives are used again after the data were removed, and they stay although nobody asks for it.
    fs::remove_dir_all(folder.path().join("kit")).unwrap();
    fetch(&Request { keep_archives: false, ..request }, &Silent).unwrap();
    check_tree(folder.path());
    assert_eq!((names(folder.path()).len(), server.n_asked()), (3, 2));
}

#[test]
fn given_archives_are_recognised_used_and_kept() {
    let archives = two_archives();
    let (server, package) = served(&archives);
    let (folder, own) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let given = [own.path().join("second, renamed"), own.path().join("first")];
    fs::write(&given[0], &archives[1]).unwrap();
    fs::write(&given[1], &archives[0]).unwrap();
    fetch(&request(&package, folder.path(), &given), &Silent).unwrap();
    check_tree(folder.path());
    assert_eq!((names(own.path()).len(), server.n_asked()), (2, 0));
}

#[test]
fn a_given_archive_that_is_another_file_is_refused_with_both_digests() {
    let archives = two_archives();
    let (server, package) = served(&archives);
    let (folder, own) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let given = [own.path().join("a.tar")];
    fs::write(&given[0], "something else").unwrap();
    // The size is enough to say that it is another file, so the bytes are not read.
    let watcher = Watcher::default();
    let message = fetch(&request(&package, folder.path(), &given), &watcher).unwrap_err().to_string();
    let n_bytes = archives.each_ref().map(Vec::len);
    assert!(
        message.ends_with(&format!(
            "a.tar has 14 bytes; expected one of: a.tar with {} bytes, b.tar with {} bytes",
            n_bytes[0], n_bytes[1]
        )),
        "{message}"
    );
    assert!(watcher.begun.borrow().is_empty(), "{:?}", watcher.begun);
    let other = vec![7; n_bytes[0]];
    fs::write(&given[0], &other).unwrap();
    let message = fetch(&request(&package, folder.path(), &given), &Silent).unwrap_err().to_string();
    for words in [
        format!("has {} bytes and sha256 {}", other.len(), Digest::of(&other)),
        "not one of the files of pack".to_owned(),
        format!("a.tar: {} bytes, sha256 {}", archives[0].len(), Digest::of(&archives[0])),
        format!("b.tar: {} bytes, sha256 {}", archives[1].len(), Digest::of(&archives[1])),
    ] {
        assert!(message.contains(&words), "{message}");
    }
    let absent = [own.path().join("absent.tar")];
    assert!(fetch(&request(&package, folder.path(), &absent), &Silent).unwrap_err().to_string().contains("absent.tar"));
    let folder_given = [own.path().to_owned()];
    let error = fetch(&request(&package, folder.path(), &folder_given), &Silent).unwrap_err();
    assert!(error.to_string().contains("it is a folder or a device, expected a file"), "{error}");
    let target = own.path().join("a.tar");
    let error = fetch(&request(&package, &target, &[]), &Silent).unwrap_err();
    assert!(error.to_string().contains("a.tar: it is a file, expected a folder"), "{error}");
    assert_eq!((names(folder.path()).len(), server.n_asked()), (0, 0));
}

#[test]
fn a_given_file_that_is_no_archive_is_copied() {
    let body = bytes(5000);
    let server = Server::honest(&body);
    let package = package(vec![file(&body, &[&server])]);
    let (folder, own) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let given = [own.path().join("weights")];
    fs::write(&given[0], &body).unwrap();
    let request = request(&package, folder.path(), &given);
    fetch(&request, &Silent).unwrap();
    assert_eq!(fs::read(folder.path().join("file.bin")).unwrap(), body);
    assert!(given[0].exists() && fetch(&request, &Silent).unwrap().was_there);
    assert_eq!(server.n_asked(), 0);
}

#[test]
fn a_stop_while_copying_leaves_nothing() {
    /// Stops when something is copied.
    struct Stopping(Watcher, std::cell::Cell<bool>);
    impl fisherlens_fetch::Observer for Stopping {
        fn line(&self, _: &str) {}
        fn begin(&self, work: Work, name: &str, total: u64) -> Box<dyn fisherlens_fetch::Bar> {
            self.1.set(self.1.get() || work == Work::Copy);
            self.0.begin(work, name, total)
        }
        fn is_stopped(&self) -> bool {
            self.1.get()
        }
    }
    let body = bytes(5000);
    let server = Server::honest(&body);
    let package = package(vec![file(&body, &[&server])]);
    let (folder, own) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let given = [own.path().join("weights")];
    fs::write(&given[0], &body).unwrap();
    let observer = Stopping(Watcher::default(), std::cell::Cell::new(false));
    let stopped = fetch(&request(&package, folder.path(), &given), &observer);
    assert!(matches!(stopped, Err(FetchError::Stopped)));
    assert!(names(folder.path()).is_empty() && given[0].exists());
    assert!(observer.0.begun.borrow().contains(&(Work::Copy, "file.bin".to_owned())));
}

#[test]
fn a_stop_while_unpacking_leaves_no_half_and_no_second_download() {
    /// Stops when the first archive is unpacked.
    struct Stopping(Watcher, std::cell::Cell<bool>);
    impl fisherlens_fetch::Observer for Stopping {
        fn line(&self, _: &str) {}
        fn begin(&self, work: fisherlens_fetch::Work, name: &str, total: u64) -> Box<dyn fisherlens_fetch::Bar> {
            self.1.set(self.1.get() || work == fisherlens_fetch::Work::Unpack);
            self.0.begin(work, name, total)
        }
        fn is_stopped(&self) -> bool {
            self.1.get()
        }
    }
    let (server, package) = served(&two_archives());
    let folder = tempfile::tempdir().unwrap();
    let observer = Stopping(Watcher::default(), std::cell::Cell::new(false));
    let request = request(&package, folder.path(), &[]);
    assert!(matches!(fetch(&request, &observer), Err(FetchError::Stopped)));
    assert_eq!(names(folder.path()), ["a.tar"]);
    fetch(&request, &Silent).unwrap();
    check_tree(folder.path());
    assert_eq!(server.n_asked(), 2);
}

#[cfg(unix)]
#[test]
fn links_in_the_target_are_not_written_through() {
    use std::os::unix::fs::symlink;
    let (server, package) = served(&two_archives());
    let (folder, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let refused = || fetch(&request(&package, folder.path(), &[]), &Silent).unwrap_err();
    let (kit, tree) = (folder.path().join("kit"), folder.path().join("kit/tree"));
    symlink(outside.path(), &kit).unwrap();
    assert!(matches!(refused(), FetchError::Blocked { path, .. } if path == kit));
    fs::remove_file(&kit).unwrap();
    fs::write(&kit, "own").unwrap();
    assert!(matches!(refused(), FetchError::Blocked { path, .. } if path == kit));
    fs::remove_file(&kit).unwrap();
    fs::create_dir(&kit).unwrap();
    symlink(outside.path(), &tree).unwrap();
    assert!(matches!(refused(), FetchError::Blocked { path, .. } if path == tree));
    fs::remove_file(&tree).unwrap();
    fs::create_dir(&tree).unwrap();
    symlink(outside.path().join("own"), tree.join(".fetched")).unwrap();
    assert!(matches!(refused(), FetchError::NotAFile { .. }));
    fs::remove_file(tree.join(".fetched")).unwrap();
    symlink(outside.path().join("own"), folder.path().join("a.tar.part.from")).unwrap();
    assert!(matches!(refused(), FetchError::NotAFile { .. }));
    assert!(names(outside.path()).is_empty());
    // All of this was noticed before the first byte.
    assert_eq!(server.n_asked(), 0);
}

#[test]
fn a_file_of_the_user_is_not_replaced() {
    let (_server, package) = served(&two_archives());
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path().join("kit/tree/lists/train.txt");
    fs::create_dir_all(own.parent().unwrap()).unwrap();
    fs::write(&own, "2").unwrap();
    let message = fetch(&request(&package, folder.path(), &[]), &Silent).unwrap_err().to_string();
    assert!(message.contains("kit/tree/lists/train.txt into place: a file with other bytes is there"), "{message}");
    assert_eq!(names(&folder.path().join("kit/tree")), ["lists"]);
    assert_eq!(fs::read(&own).unwrap(), b"2");
    // The same bytes are in nobody's way.
    fs::write(&own, "1").unwrap();
    fetch(&request(&package, folder.path(), &[]), &Silent).unwrap();
    check_tree(folder.path());
}

#[cfg(unix)]
#[test]
fn unpacked_files_have_the_permissions_of_any_new_file() {
    use std::os::unix::fs::PermissionsExt as _;
    let (_server, package) = served(&two_archives());
    let folder = tempfile::tempdir().unwrap();
    fetch(&request(&package, folder.path(), &[]), &Silent).unwrap();
    fs::write(folder.path().join("new"), "").unwrap();
    let mode = |path: &str| fs::metadata(folder.path().join(path)).unwrap().permissions().mode();
    assert_eq!(mode("kit/tree/images/1.jpg"), mode("new"));
    assert_eq!(mode("kit/tree/.fetched"), mode("new"));
}

/// An archive with a file that is wanted and others that are not.
fn with_members(wanted: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let entries: &[support::Entry] =
        &[(b'0', "list.txt", &[b'x'; 5000]), (b'0', "./mean.bin", wanted), (b'0', "deeper/mean.bin", b"another")];
    packer.write_all(&tar(entries)).unwrap();
    packer.finish().unwrap()
}

fn members(body: &[u8], server: &Server, digest: Digest, n_bytes: u64) -> RemoteFile {
    RemoteFile {
        content: Content::Members {
            packing: Packing::TarGz,
            members: vec![Member { name: "mean.bin".to_owned(), digest }],
            limits: Limits { n_bytes, n_entries: 10 },
        },
        ..archive("aux.tar.gz", body, server)
    }
}

#[test]
fn only_the_wanted_members_are_unpacked() {
    let body = with_members(b"mean");
    let server = Server::honest(&body);
    let folder = tempfile::tempdir().unwrap();
    let file = members(&body, &server, Digest::of(b"mean"), 100_000);
    get(vec![file.clone()], folder.path()).unwrap();
    assert_eq!(names(folder.path()), ["mean.bin"]);
    assert_eq!(fs::read(folder.path().join("mean.bin")).unwrap(), b"mean");
    assert!(get(vec![file.clone()], folder.path()).unwrap().was_there);
    assert_eq!(server.n_asked(), 1);
    fs::write(folder.path().join("mean.bin"), "changed").unwrap();
    let message = get(vec![file], folder.path()).unwrap_err().to_string();
    assert!(message.contains("mean.bin is another file: its sha256 is"), "{message}");
}

#[test]
fn a_wrong_or_missing_member_is_refused() {
    let server = Server::start(|_, asked| honest(&with_members(b"mean"), asked));
    let body = with_members(b"mean");
    let wrong = members(&body, &server, Digest::of(b"other"), 100_000);
    let small = members(&body, &server, Digest::of(b"mean"), 4000);
    let Content::Members { packing, limits, .. } = wrong.content else { panic!("members") };
    let absent = Member { name: "absent.bin".to_owned(), digest: Digest::of(b"mean") };
    let absent = RemoteFile { content: Content::Members { packing, limits, members: vec![absent] }, ..small.clone() };
    let wrong = members(&body, &server, Digest::of(b"other"), 100_000);
    for (file, words) in [
        (wrong, "sha256 of the file mean.bin inside it is"),
        (absent, "it holds no file absent.bin"),
        (small, "its files have more than 4000 bytes"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let message = get(vec![file], folder.path()).unwrap_err().to_string();
        assert!(message.contains(words), "{message}");
        assert!(names(folder.path()).is_empty(), "{:?}", names(folder.path()));
    }
}

#[test]
fn a_difference_to_a_copy_is_reported_and_not_refused() {
    let body = bytes(1000);
    let server = Server::honest(&body);
    let folder = tempfile::tempdir().unwrap();
    let seen = Digest::of(b"a copy");
    let file = RemoteFile { digest: Expected::Seen(seen), ..file(&body, &[&server]) };
    let fetched = get(vec![file], folder.path()).unwrap();
    assert_eq!(fetched.unpublished, [("file.bin".to_owned(), Digest::of(&body), Some(seen))]);
}

#[test]
fn a_full_disk_is_noticed_before_anything_is_downloaded() {
    let server = Server::always(Reply::status(404));
    let folder = tempfile::tempdir().unwrap();
    let huge = RemoteFile { size: fisherlens_fetch::Size::exactly(1 << 60), ..file(b"", &[&server]) };
    let error = get(vec![huge], folder.path()).unwrap_err();
    assert!(matches!(error, FetchError::Space { .. }), "{error}");
    assert!(error.to_string().contains("MB free, expected at least 115292"), "{error}");
    assert_eq!(server.n_asked(), 0);
}

#[test]
fn names_and_addresses_that_lead_elsewhere_are_refused() {
    let server = Server::honest(b"abc");
    let good = file(b"abc", &[&server]);
    let folder = tempfile::tempdir().unwrap();
    for name in ["../file", "/file", "", "a/b", ".hidden"] {
        let error = get(vec![RemoteFile { name: name.to_owned(), ..good.clone() }], folder.path()).unwrap_err();
        assert!(matches!(error, FetchError::Name { .. }), "{error}");
    }
    for address in ["", "ftp://a/b", "file:///etc/passwd", "http://", "https://a b"] {
        let error = get(vec![RemoteFile { addresses: vec![address.to_owned()], ..good.clone() }], folder.path());
        assert!(matches!(error, Err(FetchError::Address { .. })), "{address}");
    }
    let package = support::package(vec![good.clone()]);
    for (mirror, words) in [
        ("http://a/b?c", "without '?' and '#'"),
        ("http://a/#b", "without '?' and '#'"),
        ("http:///a", "the name of a server"),
        ("http://[::1", "the name of a server"),
        ("http://é/a", "of ASCII without spaces"),
        ("http://user:secret@a b", "address \"http://***@a b\": expected letters, digits and signs of ASCII"),
    ] {
        let mirrors = [mirror.to_owned()];
        let request = Request { mirrors: &mirrors, ..request(&package, folder.path(), &[]) };
        let message = fetch(&request, &Silent).unwrap_err().to_string();
        assert!(
            message.contains(words) && !message.contains("begins with") && !message.contains("secret"),
            "{message}"
        );
    }
    let mut tree = archive("a.tar", b"abc", &server);
    if let Content::Tree { root, .. } = &mut tree.content {
        *root = "../elsewhere".to_owned();
    }
    assert!(matches!(get(vec![tree], folder.path()), Err(FetchError::Name { .. })));
    assert_eq!(server.n_asked(), 0);
}

#[test]
fn the_log_says_what_is_used() {
    let archives = two_archives();
    let (_server, package) = served(&archives);
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.tar"), &archives[0]).unwrap();
    let watcher = Watcher::default();
    get_with(package.files, folder.path(), options(), &watcher).unwrap();
    assert!(watcher.text().contains("a.tar is there: "), "{}", watcher.text());
}
