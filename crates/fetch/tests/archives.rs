//! Archives that try to write elsewhere, that are too large, or that are damaged.

mod support;

use std::fs;
use std::path::Path;

use fisherlens_fetch::{Content, FetchError, Limits, Packing, RemoteFile};
use proptest::prelude::*;
use support::{Entry, Server, archive, get, names, tar};

/// Gives an archive by hand, so that no server is needed. Returns the message if it is refused.
fn unpack(body: &[u8], packing: Packing, folder: &Path) -> Result<(), String> {
    let target = folder.join("target");
    fs::create_dir_all(&target).unwrap();
    fs::write(target.join("a.tar"), body).unwrap();
    let content =
        Content::Tree { packing, root: "kit/tree".to_owned(), limits: Limits { n_bytes: 10_000, n_entries: 20 } };
    let file = RemoteFile { addresses: Vec::new(), content, ..archive_of(body) };
    match get(vec![file], &target) {
        Ok(_) => Ok(()),
        Err(FetchError::Archive { problem, .. }) => Err(problem),
        Err(other) => Err(format!("another error: {other}")),
    }
}

fn archive_of(body: &[u8]) -> RemoteFile {
    thread_local! {
        static NOBODY: Server = Server::honest(b"");
    }
    NOBODY.with(|server| archive("a.tar", body, server))
}

/// Checks that an archive is refused, that the message has these words, and that nothing was written.
fn refused(entries: &[Entry], words: &str) {
    let folder = tempfile::tempdir().unwrap();
    let entries = [&[(b'0', "kit/tree/good", b"good".as_slice())], entries].concat();
    let problem = unpack(&tar(&entries), Packing::Tar, folder.path()).unwrap_err();
    assert!(problem.contains(words), "{problem}");
    untouched(folder.path());
}

fn untouched(folder: &Path) {
    assert_eq!(names(folder), ["target"]);
    assert_eq!(names(&folder.join("target")), ["a.tar"]);
}

#[test]
fn names_that_lead_out_of_the_target_are_refused() {
    for name in ["../evil", "kit/../../evil", "kit/tree/../../../../evil", ".."] {
        refused(&[(b'0', name, b"evil")], "leads out of the folder");
        refused(&[(b'5', name, b"")], "leads out of the folder");
    }
    refused(&[(b'0', "/tmp/fisherlens-evil", b"evil")], "absolute path");
    refused(&[(b'5', "//server/share", b"")], "absolute path");
    refused(&[(b'0', "C:\\evil", b"evil")], "'\\', ':' or a control character");
    refused(&[(b'0', "kit\\..\\..\\evil", b"evil")], "'\\', ':' or a control character");
    refused(&[(b'0', "kit/tree/a\x1b[2J", b"evil")], "'\\', ':' or a control character");
    refused(&[(b'0', "", b"evil")], "it has no name");
    assert!(!Path::new("/tmp/fisherlens-evil").exists());
}

#[test]
fn a_long_name_of_gnu_or_pax_is_checked_too() {
    let inside = b"../evil\0";
    refused(&[(b'L', "././@LongLink", inside), (b'0', "kit/tree/x", b"evil")], "leads out of the folder");
    refused(&[(b'x', "pax", b"16 path=../evil\n"), (b'0', "kit/tree/x", b"evil")], "leads out of the folder");
}

#[test]
fn links_devices_and_pipes_are_refused() {
    refused(&[(b'2', "kit/tree/link", b"")], "it is a link");
    refused(&[(b'1', "kit/tree/link", b"")], "it is a link");
    // A link, and a file that would be written through it.
    refused(&[(b'2', "kit/tree/link", b""), (b'0', "kit/tree/link/x", b"evil")], "it is a link");
    for kind in [b'3', b'4', b'6', b'S', b'Z'] {
        let folder = tempfile::tempdir().unwrap();
        let body = tar(&[(b'0', "kit/tree/good", b"good"), (kind, "kit/tree/odd", b"")]);
        assert!(unpack(&body, Packing::Tar, folder.path()).is_err(), "{kind}");
        untouched(folder.path());
    }
    refused(&[(b'3', "kit/tree/device", b"")], "it is a device");
    refused(&[(b'6', "kit/tree/pipe", b"")], "it is a device");
}

#[test]
fn a_name_that_is_there_twice_is_refused() {
    refused(&[(b'0', "kit/tree/good", b"another")], "it is in the archive twice");
    refused(&[(b'0', "kit/tree/good/inside", b"another")], "a file of the archive is in its way");
    refused(&[(b'5', "kit/tree/good", b"")], "a file of the archive is in its way");
    refused(&[(b'5', "kit/tree/a", b""), (b'0', "kit/tree/a", b"x")], "it is in the archive twice");
}

#[test]
fn archives_that_are_too_large_are_refused() {
    refused(&[(b'0', "kit/tree/large", &[0; 10_001])], "its files have more than 10000 bytes");
    let many: Vec<String> = (0..20).map(|n| format!("kit/tree/{n}")).collect();
    let many: Vec<Entry> = many.iter().map(|name| (b'0', name.as_str(), b"x".as_slice())).collect();
    refused(&many, "it has more than 20 entries");
    // A header that promises more than there is.
    let mut body = tar(&[(b'0', "kit/tree/a", b"x")]);
    let mut header = tar::Header::new_ustar();
    header.set_path("kit/tree/b").unwrap();
    header.set_size(u64::MAX >> 1);
    header.set_cksum();
    body.splice(1024..1024, header.as_bytes().iter().copied());
    let folder = tempfile::tempdir().unwrap();
    assert!(unpack(&body, Packing::Tar, folder.path()).unwrap_err().contains("more than 10000 bytes"));
    untouched(folder.path());
}

#[test]
fn a_bomb_is_refused_after_its_limit() {
    use std::io::Write as _;
    // 200 MB of zeros in 200 kB: as a file, and as the name of a file.
    for kind in [b'0', b'L'] {
        let mut header = tar::Header::new_gnu();
        header.set_path("kit/tree/bomb").unwrap();
        header.set_entry_type(tar::EntryType::new(kind));
        header.set_size(200_000_000);
        header.set_cksum();
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(header.as_bytes()).unwrap();
        std::io::copy(&mut std::io::Read::take(std::io::repeat(b'a'), 200_000_000), &mut packer).unwrap();
        let body = packer.finish().unwrap();
        assert!(body.len() < 2_000_000);
        let folder = tempfile::tempdir().unwrap();
        let problem = unpack(&body, Packing::TarGz, folder.path()).unwrap_err();
        assert!(problem.contains("more than 10000 bytes") || problem.contains("larger than expected"), "{problem}");
        untouched(folder.path());
    }
}

#[test]
fn an_archive_that_was_cut_short_is_refused() {
    let body = tar(&[(b'0', "kit/tree/a", &[1; 700]), (b'0', "kit/tree/b", &[2; 700])]);
    let end = body.len() - 1024;
    let folder = tempfile::tempdir().unwrap();
    // In a header, in a file, between two files, and before the end mark.
    for n in [0, 100, 512, 1000, 1535, 1536, 2000, end - 1, end] {
        let problem = unpack(&body[..n], Packing::Tar, folder.path()).unwrap_err();
        assert!(["damaged", "cut short"].iter().any(|words| problem.contains(words)), "{n}: {problem}");
        untouched(folder.path());
    }
    let mut damaged = body.clone();
    damaged[0] ^= 1;
    assert!(unpack(&damaged, Packing::Tar, folder.path()).unwrap_err().contains("checksum"));
    assert!(unpack(&body, Packing::TarGz, folder.path()).unwrap_err().contains("damaged"));
    untouched(folder.path());
    assert_eq!(unpack(&body, Packing::Tar, folder.path()), Ok(()));
}

#[test]
fn an_archive_without_the_expected_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let body = tar(&[(b'0', "other/file", b"x")]);
    assert_eq!(unpack(&body, Packing::Tar, folder.path()), Err("it holds no folder kit/tree".to_owned()));
    untouched(folder.path());
}

/// Names of which some lead out of the target.
fn name() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec![
        "kit",
        "tree",
        "a",
        "b",
        "..",
        ".",
        "",
        "C:",
        "a\\b",
        "é",
        "fisherlens.lock",
        "inside",
    ]);
    prop::collection::vec(part, 1..5).prop_map(|parts| parts.join("/"))
}

fn kind() -> impl Strategy<Value = u8> {
    prop::sample::select(b"000000555123467gxLKSZ\0".to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_write_outside_of_the_target(bytes in prop::collection::vec(any::<u8>(), 0..3000), gzip in any::<bool>()) {
        let folder = tempfile::tempdir().unwrap();
        let packing = if gzip { Packing::TarGz } else { Packing::Tar };
        prop_assert!(unpack(&bytes, packing, folder.path()).is_err());
        untouched(folder.path());
    }

    #[test]
    fn no_archive_writes_outside_of_the_target(
        entries in prop::collection::vec((kind(), name(), prop::collection::vec(any::<u8>(), 0..700)), 1..8),
        cut in prop::option::of(0.0..1.0),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let good = [(b'0', "kit/tree/good", b"good".as_slice())];
        let entries: Vec<Entry> =
            good.into_iter().chain(entries.iter().map(|(kind, name, content)| (*kind, name.as_str(), content.as_slice()))).collect();
        let mut body = tar(&entries);
        for (at, value) in changes {
            let at = at.index(body.len());
            body[at] = value;
        }
        if let Some(cut) = cut {
            body.truncate((body.len() as f64 * cut) as usize);
        }
        // Something of the user is there already, and in the place of a folder a link that leads out.
        let (target, outside) = (folder.path().join("target"), folder.path().join("outside"));
        fs::create_dir_all(target.join("kit/tree/b")).unwrap();
        fs::create_dir(&outside).unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink(&outside, target.join("kit/tree/a")).unwrap();
        let result = unpack(&body, Packing::Tar, folder.path());
        prop_assert_eq!(names(folder.path()), ["outside", "target"]);
        prop_assert!(names(&outside).is_empty());
        prop_assert!(names(&target).iter().all(|name| !name.starts_with(".unfinished-")));
        prop_assert_eq!(target.join("kit/tree/good").is_file(), result.is_ok());
        prop_assert_eq!(target.join("kit/tree/.fetched").is_file(), result.is_ok());
    }
}
