//! Tests of a store with real files.

use std::collections::BTreeMap;

use super::*;
use crate::array::Block;

fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path().join("artifacts")).unwrap();
    (folder, store)
}

fn address(part: Option<&str>) -> Address {
    Address::new("encode", 3, Key::builder("encode", 3).finish(), part)
}

fn header() -> Header {
    Header::new(&BTreeMap::from([("step", 3)]), 0.25).unwrap()
}

#[test]
fn the_address_says_where_an_artifact_is() {
    let (_folder, store) = store();
    let address = address(Some("train-0003"));
    assert!(store.load::<Block<Vec<f32>>>(&address).unwrap().is_none());
    assert!(!store.contains(&address));
    let n_bytes = store.save(&address, &header(), &Block(vec![1.5_f32])).unwrap();
    assert!(store.contains(&address));
    let expected = store.root().join("encode-v3").join(address.key.to_string()).join("train-0003.msgpack");
    assert_eq!(store.path(&address), expected);
    let loaded = store.load::<Block<Vec<f32>>>(&address).unwrap().unwrap();
    assert_eq!(loaded.value.0, [1.5]);
    assert_eq!(loaded.header.settings["step"].as_integer(), Some(3));
    assert_eq!((loaded.n_bytes, fs::metadata(expected).unwrap().len()), (n_bytes, n_bytes));
}

#[test]
fn a_second_save_replaces_the_file_and_leaves_no_other() {
    let (_folder, store) = store();
    let address = address(None);
    store.save(&address, &header(), &1_u8).unwrap();
    store.save(&address, &header(), &2_u8).unwrap();
    assert_eq!(store.load::<u8>(&address).unwrap().unwrap().value, 2);
    assert_eq!(list(store.path(&address).parent().unwrap()).unwrap().len(), 1);
}

#[test]
fn a_value_that_cannot_be_written_leaves_the_old_file_and_nothing_else() {
    struct Broken;
    impl Serialize for Broken {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("broken on purpose"))
        }
    }
    let (_folder, store) = store();
    let address = address(None);
    store.save(&address, &header(), &1_u8).unwrap();
    let message = store.save(&address, &header(), &Broken).unwrap_err().to_string();
    assert!(message.contains("artifact.msgpack") && message.contains("broken on purpose"), "{message}");
    assert_eq!(store.load::<u8>(&address).unwrap().unwrap().value, 1);
    assert_eq!(list(store.path(&address).parent().unwrap()).unwrap().len(), 1);
}

#[test]
fn the_message_about_damage_names_the_file_and_says_what_to_do() {
    let (_folder, store) = store();
    let address = address(Some("test-0000"));
    store.save(&address, &header(), &Block(vec![0.5_f32; 100])).unwrap();
    let path = store.path(&address);
    let whole = fs::read(&path).unwrap();
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 4;
    for damaged in [&flipped[..], &whole[..whole.len() - 1], &[], b"something else, longer than a checksum"] {
        fs::write(&path, damaged).unwrap();
        let message = store.load::<Block<Vec<f32>>>(&address).unwrap_err().to_string();
        for word in ["test-0000.msgpack", "Delete that file", "run the same command again", "only what is missing"] {
            assert!(message.contains(word), "{message}");
        }
    }
}

#[test]
fn a_file_with_a_wrong_name_is_refused() {
    let (_folder, store) = store();
    store.save(&address(Some("a")), &header(), &1_u8).unwrap();
    fs::copy(store.path(&address(Some("a"))), store.path(&address(Some("b")))).unwrap();
    let message = store.load::<u8>(&address(Some("b"))).unwrap_err().to_string();
    assert!(message.contains("b.msgpack") && message.contains("renamed or copied"), "{message}");
}

#[test]
fn entries_are_sorted_and_include_damaged_files() {
    let (_folder, store) = store();
    for part in ["b", "a"] {
        store.save(&address(Some(part)), &header(), &Block(vec![0_u8; 10_000])).unwrap();
    }
    let pca = Address::new("pca", 12, Key::builder("pca", 12).finish(), None);
    store.save(&pca, &header(), &1_u8).unwrap();
    fs::write(store.path(&pca), b"noise").unwrap();
    fs::write(store.path(&address(None)).with_file_name(".writing-x.msgpack"), b"half").unwrap();
    fs::create_dir(store.root().join("notes")).unwrap();
    fs::write(store.root().join("README-v1"), b"no folder").unwrap();
    let entries = store.entries().unwrap();
    let names: Vec<_> = entries.iter().map(|e| (e.stage.as_str(), e.format_version, e.part.as_str())).collect();
    assert_eq!(names, [("encode", 3, "a"), ("encode", 3, "b"), ("pca", 12, "artifact")]);
    assert_eq!(entries[0].key, address(None).key.to_string());
    assert_eq!(entries[0].header.as_ref().unwrap().seconds, 0.25);
    assert!(entries[0].n_bytes > 10_000 && entries[2].header.is_none());
}

#[test]
fn only_what_was_asked_for_is_removed() {
    let (_folder, store) = store();
    let other = Address::new("encode", 2, Key::builder("encode", 2).finish(), None);
    let pca = Address::new("pca", 1, Key::builder("pca", 1).finish(), None);
    for address in [&address(None), &other, &pca] {
        store.save(address, &header(), &1_u8).unwrap();
    }
    fs::create_dir(store.root().join("notes")).unwrap();
    store.remove("encode", 3, address(None).key).unwrap();
    store.remove("encode", 3, address(None).key).unwrap();
    assert!(!store.contains(&address(None)) && store.contains(&other));
    assert!(store.remove_stage("encode").unwrap() > 0);
    assert!(!store.contains(&other) && store.contains(&pca));
    assert!(store.clean().unwrap() > 0);
    assert!(!store.contains(&pca) && store.root().join("notes").is_dir());
    assert_eq!(store.clean().unwrap(), 0);
}

#[test]
fn writers_of_one_artifact_do_not_disturb_each_other() {
    let (_folder, store) = store();
    let address = address(None);
    std::thread::scope(|scope| {
        for writer in 0..4_u32 {
            let (store, address) = (&store, &address);
            scope.spawn(move || {
                for _ in 0..10 {
                    store.save(address, &header(), &Block(vec![writer; 5_000])).unwrap();
                    let read = store.load::<Block<Vec<u32>>>(address).unwrap().unwrap().value.0;
                    assert!(read.len() == 5_000 && read.iter().all(|value| *value == read[0]));
                }
            });
        }
    });
    assert_eq!(list(store.path(&address).parent().unwrap()).unwrap().len(), 1);
}

#[test]
fn a_store_that_was_removed_is_named() {
    let (_folder, store) = store();
    fs::remove_dir(store.root()).unwrap();
    let message = store.save(&address(None), &header(), &1_u8).unwrap_err().to_string();
    assert!(message.contains("artifact.msgpack") && message.contains("does not exist any more"), "{message}");
}

#[test]
fn clean_leaves_the_files_of_others() {
    let (_folder, store) = store();
    store.save(&address(None), &header(), &1_u8).unwrap();
    let thesis = store.root().join("thesis-v2/chapters");
    fs::create_dir_all(&thesis).unwrap();
    fs::write(thesis.join("one.tex"), "mine").unwrap();
    fs::write(thesis.join("two.msgpack"), "not an artifact").unwrap();
    let note = store.path(&address(None)).with_file_name("note.txt");
    fs::write(&note, "mine").unwrap();
    assert!(store.clean().unwrap() > 0);
    assert!(!store.contains(&address(None)) && note.is_file());
    assert!(thesis.join("one.tex").is_file() && thesis.join("two.msgpack").is_file());
}

#[test]
fn a_store_in_use_is_not_owned_and_unfinished_files_are_removed_by_the_next_user() {
    let (_folder, store) = store();
    store.save(&address(None), &header(), &1_u8).unwrap();
    let unfinished = store.path(&address(None)).with_file_name(".writing-abc");
    fs::write(&unfinished, "half").unwrap();
    assert_eq!(store.unfinished(), [(unfinished.clone(), 4)]);
    let first = store.share();
    assert!(unfinished.exists(), "another machine may be writing it");
    drop(first);
    let hours_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(2 * 3600);
    File::options().write(true).open(&unfinished).unwrap().set_modified(hours_ago).unwrap();
    let first = store.share();
    assert!(!unfinished.exists(), "nobody else used the store");
    fs::write(&unfinished, "half").unwrap();
    let second = store.share();
    assert!(unfinished.exists(), "the first user may be writing it");
    assert!(matches!(store.own(), Err(ArtifactError::InUse { .. })));
    drop((first, second));
    let _own = store.own().unwrap();
    assert!(store.clean().unwrap() > 0 && !unfinished.exists());
}

#[test]
fn parts_are_removed_by_the_beginning_of_their_names() {
    let (_folder, store) = store();
    let key = Key::builder("mixture", 1).finish();
    let parts = ["sums-0001-0000", "sums-0001-0001", "sums-0002-0000", "state-0001"];
    let of = |part: &str| Address::new("mixture", 1, key, Some(part));
    for part in parts {
        store.save(&of(part), &header(), &1_u8).unwrap();
    }
    store.save(&Address::new("mixture", 1, key, None), &header(), &1_u8).unwrap();
    store.remove_parts("mixture", 1, key, "sums-0001-").unwrap();
    assert_eq!(parts.map(|part| store.contains(&of(part))), [false, false, true, true]);
    store.remove_parts("mixture", 1, key, "s").unwrap();
    assert_eq!(parts.map(|part| store.contains(&of(part))), [false; 4]);
    assert!(store.contains(&Address::new("mixture", 1, key, None)));
    store.remove_parts("nothing", 1, key, "s").unwrap();
}
