//! Class folders, tables, COCO and XML, each whole and with the faults that people's files have.

use std::fs;
use std::path::Path;

use fisherlens_dataset::{
    BoundingBox, Collection, DatasetError, ImageSet, Layout, Missing, Opening, Split, SplitOptions,
};
use proptest::prelude::*;
use tempfile::TempDir;

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    folder
}

fn open(path: &Path) -> Collection {
    Collection::open(path, &Opening { missing: Missing::Refuse, ..Opening::default() }).unwrap()
}

fn refusal(path: &Path) -> String {
    Collection::open(path, &Opening { missing: Missing::Refuse, ..Opening::default() }).unwrap_err().to_string()
}

/// Ids with labels, and the reasons of what was skipped.
fn skipping(path: &Path) -> (Vec<String>, Vec<String>) {
    let found = Collection::open(path, &Opening::default()).unwrap();
    (found.images.into_iter().map(|image| image.id).collect(), found.skipped.into_iter().map(|s| s.reason).collect())
}

fn ids(found: &Collection) -> Vec<&str> {
    found.images.iter().map(|image| image.id.as_str()).collect()
}

/// The collection with made-up digests of its files.
fn with_digests(mut found: Collection) -> Collection {
    for (index, image) in found.images.iter_mut().enumerate() {
        image.digest = Some(*blake3::hash(&index.to_le_bytes()).as_bytes());
    }
    found
}

/// Training and test half.
fn halves(found: &Collection, together: &[usize], options: &SplitOptions) -> Result<[ImageSet; 2], DatasetError> {
    found.halves(["train", "test"], together, options)
}

#[test]
fn class_folders_with_nested_folders_and_odd_names() {
    let folder = folder(&[
        ("cat/2.JPG", ""),
        ("cat/more/1 (1).jpeg", ""),
        ("Müller's dog/3.png", ""),
        ("cat/.DS_Store", ""),
        ("cat/Thumbs.db", ""),
        ("README.txt", "outside of the class folders"),
    ]);
    let found = open(folder.path());
    assert_eq!(
        (found.layout, found.classes.as_slice()),
        (Layout::ClassFolders, &["Müller's dog".to_owned(), "cat".into()][..])
    );
    // Sorted by the names of the files.
    assert_eq!(ids(&found), ["cat/more/1 (1).jpeg", "cat/2.JPG", "Müller's dog/3.png"]);
    assert_eq!(found.images[2].labels, [1, -1]);
    assert!(found.splits.iter().all(Option::is_none));
}

#[test]
fn folders_of_splits_are_found_unless_they_are_classes() {
    let with_splits = folder(&[("train/cat/1.jpg", ""), ("Valid/cat/2.jpg", ""), ("test/dog/3.jpg", "")]);
    let found = open(with_splits.path());
    assert_eq!(found.classes, ["cat", "dog"]);
    assert_eq!(found.splits, [Some(Split::Train), Some(Split::Validation), Some(Split::Test)]);
    // VOC has a class called train.
    let with_class = folder(&[("train/1.jpg", ""), ("car/2.jpg", "")]);
    assert_eq!(open(with_class.path()).classes, ["car", "train"]);
}

#[test]
fn files_that_are_no_images_are_skipped_with_their_paths() {
    let folder = folder(&[("cat/1.jpg", ""), ("cat/notes.txt", ""), ("stray.png", "")]);
    let (ids, reasons) = skipping(folder.path());
    assert_eq!(ids, ["cat/1.jpg"]);
    assert!(reasons[0].contains("notes.txt") && reasons[0].contains("no image"), "{reasons:?}");
    assert!(reasons[1].contains("stray.png") && reasons[1].contains("no class folder"), "{reasons:?}");
    assert!(refusal(folder.path()).contains("notes.txt"));
}

#[cfg(unix)]
#[test]
fn links_may_not_lead_out_and_circles_end() {
    use std::os::unix::fs::symlink;
    let outside = folder(&[("secret.jpg", "")]);
    let folder = folder(&[("cat/1.jpg", ""), ("horse/4.jpg", ""), (".store/5.jpg", "")]);
    let cat = folder.path().join("cat");
    symlink(outside.path().join("secret.jpg"), cat.join("2.jpg")).unwrap();
    symlink(outside.path(), cat.join("out")).unwrap();
    symlink(&cat, cat.join("again")).unwrap();
    symlink("nowhere", cat.join("3.jpg")).unwrap();
    // The images of another class do not become cats by a link. A hidden folder is read through links only, and only once.
    symlink("..", cat.join("above")).unwrap();
    symlink(folder.path().join(".store"), cat.join("stored")).unwrap();
    symlink(folder.path().join(".store"), cat.join("twice")).unwrap();
    let (ids, reasons) = skipping(folder.path());
    assert_eq!(ids, ["cat/1.jpg", "horse/4.jpg", "cat/stored/5.jpg"]);
    for words in ["leads out", "read at its own place", "read already", "leads nowhere"] {
        assert!(reasons.iter().any(|reason| reason.contains(words)), "{words}: {reasons:?}");
    }
    let following = Opening { follow_links: true, ..Opening::default() };
    let found = Collection::open(folder.path(), &following).unwrap();
    assert_eq!(ids_sorted(&found), ["cat/1.jpg", "cat/2.jpg", "cat/out/secret.jpg", "cat/stored/5.jpg", "horse/4.jpg"]);
}

#[cfg(unix)]
fn ids_sorted(found: &Collection) -> Vec<&str> {
    let mut ids = ids(found);
    ids.sort_unstable();
    ids
}

#[test]
fn a_folder_without_labelled_images_says_what_is_expected() {
    let folder = folder(&[("1.jpg", "")]);
    let message = Collection::open(folder.path(), &Opening::default()).unwrap_err().to_string();
    for words in ["no labelled image", "a folder per class", "COCO", "1 entries were skipped", "1.jpg"] {
        assert!(message.contains(words), "{message}");
    }
    assert!(matches!(Collection::open(Path::new("absent"), &Opening::default()), Err(DatasetError::Io { .. })));
}

#[test]
fn tables_have_labels_splits_boxes_and_groups() {
    // A byte order mark, CR LF, quotes, a blank line, other names and another order of the columns.
    let table = "\u{feff}Label,FILE,photographer,set\r\ncat|dog,\"a, b.jpg\",Ann,train\r\n\r\n,c.jpg,,test\r\n";
    let folder = folder(&[("a, b.jpg", ""), ("c.jpg", ""), ("t.csv", table)]);
    let found = open(&folder.path().join("t.csv"));
    assert_eq!((found.layout, ids(&found)), (Layout::Table, vec!["a, b.jpg", "c.jpg"]));
    assert_eq!((found.images[0].labels.as_slice(), found.images[1].labels.as_slice()), (&[1, 1][..], &[-1, -1][..]));
    assert_eq!(found.images[0].groups["photographer"], "Ann");
    assert!(found.images[1].groups.is_empty());
    assert_eq!(found.splits, [Some(Split::Train), Some(Split::Test)]);

    let boxes = "path;label;x1;y1;x2;y2\na.jpg;cat;0.4;1;10.6;12\na.jpg;dog;3;3;4;4\nb.jpg;cat;;;;\n";
    let folder = self::folder(&[("a.jpg", ""), ("b.jpg", ""), ("t.csv", boxes)]);
    let found = open(&folder.path().join("t.csv"));
    assert_eq!(found.images[0].objects[0].bounds, BoundingBox { left: 0, top: 1, right: 11, bottom: 12 });
    assert_eq!((found.images[0].labels.as_slice(), found.images[1].labels.as_slice()), (&[1, 1][..], &[1, -1][..]));
    assert!(found.images[1].objects.is_empty());
}

#[test]
fn mistakes_in_tables_are_named_with_their_line() {
    for (table, words) in [
        ("name,label\na.jpg,cat\n", vec!["line 1", "no column is called path"]),
        ("path,species\na.jpg,cat\n", vec!["line 1", "no column is called label"]),
        ("path,label,Label\na.jpg,cat,cat\n", vec!["line 1", "two columns", "label"]),
        ("path,label\na.jpg,cat\nmissing.jpg,dog\n", vec!["line 3", "missing.jpg"]),
        ("path,label\na.jpg,cat\na.jpg,cat\n", vec!["line 3", "second time"]),
        ("path,label\na.jpg,cat,dog\n", vec!["line 2", "found 3 columns, expected 2"]),
        ("path,label\n,cat\n", vec!["line 2", "path is empty"]),
        ("path,label,split\na.jpg,cat,train\nb.jpg,cat,later\n", vec!["line 3", "later", "train, val or test"]),
        ("path,label,x1,y1\na.jpg,cat,1,2\n", vec!["line 1", "x1, y1, x2 and y2"]),
        ("path,label,x1,y1,x2,y2\na.jpg,cat,1,2,x,4\n", vec!["line 2", "\"x\""]),
        ("path,label,x1,y1,x2,y2\na.jpg,cat,9,2,3,4\n", vec!["line 2", "is empty"]),
        ("path,label,x1,y1,x2,y2\na.jpg,cat|dog,1,2,3,4\n", vec!["line 2", "one class, found 2"]),
        ("path,label\na.jpg,c\u{1b}[31mat\n", vec!["line 2", "name of a class"]),
    ] {
        let folder = folder(&[("a.jpg", ""), ("b.jpg", ""), ("t.csv", table)]);
        let message = refusal(&folder.path().join("t.csv"));
        for word in words.iter().chain(&["t.csv"]) {
            assert!(message.contains(word), "{table:?} gave {message:?}, without {word:?}");
        }
        assert!(!message.contains('\u{1b}'));
    }
    let utf16: Vec<u8> = "\u{feff}path,label\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let folder = folder(&[]);
    fs::write(folder.path().join("t.csv"), utf16).unwrap();
    assert!(refusal(&folder.path().join("t.csv")).contains("UTF-16"));
    fs::write(folder.path().join("t.csv"), b"path,label\na.jpg,caf\xe9\n").unwrap();
    assert!(refusal(&folder.path().join("t.csv")).contains("line 2: the text is not UTF-8"));
}

#[test]
fn a_missing_image_of_a_table_is_skipped_and_the_others_are_read() {
    let table = "path\tlabel\nmissing.jpg\tcat\nsub\\a.jpg\tcat\n";
    let folder = folder(&[("sub/a.jpg", ""), ("t.tsv", table)]);
    let (ids, reasons) = skipping(&folder.path().join("t.tsv"));
    assert_eq!(ids, ["sub\\a.jpg"]);
    assert!(reasons[0].contains("line 2") && reasons[0].contains("missing.jpg"), "{reasons:?}");
}

#[test]
fn lines_that_end_as_on_windows_are_counted_like_others() {
    for end in ["\n", "\r\n"] {
        let table = ["path,label", "sub/a.jpg,cat", "missing.jpg,cat", "gone.jpg,cat", ""].join(end);
        let folder = folder(&[("sub/a.jpg", ""), ("t.csv", &table)]);
        let (_, reasons) = skipping(&folder.path().join("t.csv"));
        assert!(reasons[0].contains("line 3:") && reasons[1].contains("line 4:"), "{reasons:?}");
    }
}

const COCO: &str = r#"{
  "info": {"year": 2017},
  "images": [{"id": 7, "file_name": "a.jpg", "width": 64, "height": 48}, {"id": 8, "file_name": "b.jpg", "width": 64, "height": 48},
             {"id": 9, "file_name": "c.jpg"}],
  "annotations": [{"id": 1, "image_id": 7, "category_id": 3, "bbox": [0, 9.6, 64.4, 10], "iscrowd": 0},
                  {"id": 2, "image_id": 8, "category_id": 3, "bbox": [5, 5, 2, 2], "iscrowd": 1}],
  "categories": [{"id": 3, "name": "boat", "supercategory": "vehicle"}]
}"#;

#[test]
fn coco_has_boxes_crowds_and_images_without_objects() {
    let folder = folder(&[("a.jpg", ""), ("b.jpg", ""), ("c.jpg", ""), ("i.json", COCO)]);
    let found = open(&folder.path().join("i.json"));
    assert_eq!((found.layout, found.classes.as_slice()), (Layout::Coco, &["boat".to_owned()][..]));
    let labels: Vec<i8> = found.images.iter().map(|image| image.labels[0]).collect();
    assert_eq!(labels, [1, 0, -1]);
    assert_eq!(found.images[0].objects[0].bounds, BoundingBox { left: 0, top: 10, right: 64, bottom: 20 });
    assert_eq!((found.images[0].size, found.images[2].size), (Some([64, 48]), None));
    // The pictures may lie elsewhere.
    let elsewhere = self::folder(&[("labels/i.json", COCO), ("pictures/a.jpg", "")]);
    let opening = Opening { images: Some(elsewhere.path().join("pictures")), ..Opening::default() };
    let found = Collection::open(&elsewhere.path().join("labels/i.json"), &opening).unwrap();
    assert_eq!((ids(&found), found.skipped.len()), (vec!["a.jpg"], 2));
}

#[test]
fn mistakes_in_coco_are_named() {
    for (from, to, words) in [
        ("\"id\": 8", "\"id\": 7", vec!["two images have the id 7"]),
        ("b.jpg", "a.jpg", vec!["images 7 and 8", "a.jpg"]),
        ("\"image_id\": 8", "\"image_id\": 80", vec!["annotations[1]", "no image has the id 80"]),
        ("\"image_id\": 8, \"category_id\": 3", "\"image_id\": 8, \"category_id\": 4", vec!["annotations[1]", "id 4"]),
        ("[5, 5, 2, 2]", "[5, 5, 2]", vec!["annotations[1]", "found 3 numbers"]),
        ("[5, 5, 2, 2]", "[65, 5, 2, 2]", vec!["annotations[1]", "outside of the picture"]),
        ("\"categories\"", "\"kinds\"", vec!["line 8", "categories"]),
        ("c.jpg", "d.jpg", vec!["image 9", "d.jpg"]),
    ] {
        let folder = folder(&[("a.jpg", ""), ("b.jpg", ""), ("c.jpg", ""), ("i.json", &COCO.replace(from, to))]);
        let message = refusal(&folder.path().join("i.json"));
        for word in words.iter().chain(&["i.json"]) {
            assert!(message.contains(word), "{from} -> {to} gave {message:?}, without {word:?}");
        }
    }
}

fn xml(class: &str) -> String {
    format!(
        "<annotation verified=\"yes\"><folder>x</folder><filename>old name.jpg</filename><path>C:\\x</path>\
         <size><width>64</width><height>48</height><depth>3</depth></size><object><name>{class}</name><pose>Unspecified</pose>\
         <truncated>0</truncated><difficult>0</difficult><bndbox><xmin>2</xmin><ymin>3</ymin><xmax>20</xmax><ymax>30</ymax></bndbox>\
         </object></annotation>"
    )
}

#[test]
fn annotations_in_xml_lie_beside_the_images_in_splits_or_in_a_folder() {
    let (cat, dog) = (xml("cat"), xml("dog"));
    let labelimg = folder(&[("a.jpg", ""), ("a.xml", &cat), ("b.PNG", ""), ("b.XML", &dog), ("c.jpg", "")]);
    let found = Collection::open(labelimg.path(), &Opening::default()).unwrap();
    assert_eq!((found.layout, ids(&found)), (Layout::Xml, vec!["a", "b"]));
    assert_eq!(found.images[0].objects[0].bounds, BoundingBox { left: 1, top: 2, right: 20, bottom: 30 });
    assert!(found.skipped[0].reason.contains("c.jpg: the image has no annotation"), "{:?}", found.skipped);

    let roboflow = folder(&[("train/a.jpg", ""), ("train/a.xml", &cat), ("valid/b.jpg", ""), ("valid/b.xml", &dog)]);
    assert_eq!(open(roboflow.path()).splits, [Some(Split::Train), Some(Split::Validation)]);

    let cvat = folder(&[
        ("Annotations/a.xml", &cat),
        ("Annotations/b.xml", &dog),
        ("JPEGImages/a.jpg", ""),
        ("JPEGImages/b.jpg", ""),
        ("ImageSets/Main/default.txt", "a\nb\n"),
    ]);
    assert_eq!(open(cvat.path()).splits, [None, None]);
    for (file, words) in
        [("JPEGImages/b.jpg", "b.xml: no image is called b"), ("Annotations/a.xml", "a.jpg: the image has no")]
    {
        let path = cvat.path().join(file);
        let content = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        assert!(refusal(cvat.path()).contains(words), "{}", refusal(cvat.path()));
        fs::write(&path, content).unwrap();
    }
}

#[test]
fn the_split_follows_the_content_and_equal_files_stay_together() {
    let files: Vec<(String, &str)> = (0..400).map(|i| (format!("{}/{i}.jpg", ["cat", "dog"][i % 2]), "")).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(name, content)| (name.as_str(), *content)).collect();
    let folder = folder(&files);
    let mut found = with_digests(open(folder.path()));
    found.images[399].digest = found.images[0].digest;
    let alone: Vec<usize> = (0..400).collect();
    let [train, test] = halves(&found, &alone, &SplitOptions::default()).unwrap();
    assert!((60..140).contains(&test.images.len()) && train.images.len() + test.images.len() == 400);
    let is_test = |index: usize| test.images.contains(&found.images[index]);
    assert_eq!(is_test(0), is_test(399));
    // An image that must stay with another one is where that one is.
    let mut together = alone.clone();
    let (in_test, in_train) = ((0..400).find(|&i| is_test(i)).unwrap(), (0..400).find(|&i| !is_test(i)).unwrap());
    together[in_train] = in_test;
    let [_, test] = halves(&found, &together, &SplitOptions::default()).unwrap();
    assert!(test.images.contains(&found.images[in_train]));
    // More images change nothing for those that were there.
    let options = SplitOptions { test_share: Some(0.999_999), group: None };
    assert!(halves(&found, &alone, &options).unwrap_err().to_string().contains("train half has no image"));
}

#[test]
fn the_split_of_the_data_is_used_and_groups_are_never_divided() {
    let rows: Vec<String> = (0..60).map(|i| format!("{i}.jpg,cat,p{}", i % 12)).collect();
    let folder = folder(&[("t.csv", &format!("path,label,photographer\n{}", rows.join("\n")))]);
    for i in 0..60 {
        fs::write(folder.path().join(format!("{i}.jpg")), "").unwrap();
    }
    let found = with_digests(open(&folder.path().join("t.csv")));
    let alone: Vec<usize> = (0..60).collect();
    let by_group = SplitOptions { test_share: Some(0.5), group: Some("photographer".to_owned()) };
    let [train, test] = halves(&found, &alone, &by_group).unwrap();
    let groups = |set: &[fisherlens_dataset::ImageEntry]| {
        set.iter().map(|image| image.groups["photographer"].clone()).collect::<std::collections::BTreeSet<_>>()
    };
    assert!(groups(&train.images).is_disjoint(&groups(&test.images)));
    let unknown = SplitOptions { group: Some("camera".to_owned()), ..by_group.clone() };
    let message = halves(&found, &alone, &unknown).unwrap_err().to_string();
    assert!(message.contains("camera") && message.contains("photographer"), "{message}");

    let given = self::folder(&[("train/cat/1.jpg", ""), ("val/cat/2.jpg", ""), ("test/cat/3.jpg", "")]);
    let found = open(given.path());
    let [train, test] = halves(&found, &[0, 1, 2], &SplitOptions::default()).unwrap();
    assert_eq!((train.images.len(), test.images[0].id.as_str()), (2, "test/cat/3.jpg"));
    fs::remove_dir_all(given.path().join("test")).unwrap();
    let found = open(given.path());
    let [_, test] = halves(&found, &[0, 1], &SplitOptions::default()).unwrap();
    assert_eq!(test.images[0].id, "val/cat/2.jpg");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn no_bytes_make_a_reader_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..300), kind in prop::sample::select(vec!["csv", "json"]),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(format!("t.{kind}"));
        fs::write(&path, &bytes).unwrap();
        prop_assert!(Collection::open(&path, &Opening::default()).is_err());
    }

    #[test]
    fn edited_tables_and_json_never_panic(
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6), is_json in any::<bool>(),
    ) {
        let folder = folder(&[("a.jpg", ""), ("b.jpg", ""), ("c.jpg", "")]);
        let table = "path,label,split,x1,y1,x2,y2\na.jpg,cat,train,0,0,4,4\nb.jpg,dog,test,1,1,2,2\n";
        let mut bytes = if is_json { COCO } else { table }.as_bytes().to_vec();
        for (place, byte) in edits {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        let path = folder.path().join(if is_json { "t.json" } else { "t.csv" });
        fs::write(&path, &bytes).unwrap();
        let _ = Collection::open(&path, &Opening::default());
    }
}
