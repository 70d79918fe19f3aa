//! Made-up devkit folders for each case, and the real devkit if it lies in `../shared/voc2007`.

use std::fs;
use std::path::{Path, PathBuf};

use fisherlens_dataset::{Devkit, Missing, VocError};
use tempfile::TempDir;

const XML: &str = "<annotation><size><width>8</width><height>6</height><depth>3</depth></size>\
    <object><name>train</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>4</xmax><ymax>4</ymax></bndbox></object></annotation>";

/// Three images, two classes (one with an underscore, one with the name of a set), and the sets "train" and "val".
fn devkit() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let root = folder.path().join("VOC2011");
    for part in ["ImageSets/Main", "JPEGImages", "Annotations"] {
        fs::create_dir_all(root.join(part)).expect("a folder");
    }
    for id in ["a1", "a2", "a3"] {
        write(&root, &format!("Annotations/{id}.xml"), XML);
    }
    for image in ["a1.jpg", "a2.jpeg", "a3.png"] {
        write(&root, &format!("JPEGImages/{image}"), "not decoded here");
    }
    write(&root, "ImageSets/Main/train.txt", "a1\na2\n");
    write(&root, "ImageSets/Main/train_train.txt", "a1  1\na2  0\n");
    write(&root, "ImageSets/Main/potted_plant_train.txt", "a2 -1\na1 -1\n");
    write(&root, "ImageSets/Main/val.txt", "a3\n");
    write(&root, "ImageSets/Main/train_val.txt", "a3 -1\n");
    write(&root, "ImageSets/Main/potted_plant_val.txt", "a3 1\n");
    (folder, root)
}

fn write(root: &Path, name: &str, text: &str) {
    fs::write(root.join(name), text).expect("a file");
}

fn refusal(root: &Path, set: &str) -> String {
    let devkit = Devkit::open(root, None).expect("a devkit");
    devkit.image_set(set, Missing::Refuse).expect_err("refused").to_string()
}

#[test]
fn classes_and_labels_are_found() {
    let (folder, root) = devkit();
    for path in [folder.path(), &root] {
        let devkit = Devkit::open(path, None).expect("a devkit");
        assert_eq!((devkit.year(), devkit.root()), (Some(2011), root.as_path()));
        assert_eq!(devkit.classes(), ["potted_plant", "train"]);
        assert_eq!(devkit.sets(), ["train", "val"]);
        let train = devkit.image_set("train", Missing::Refuse).expect("complete");
        let labels: Vec<_> = train.images.iter().map(|image| (image.id.as_str(), image.labels.as_slice())).collect();
        assert_eq!(labels, [("a1", [-1, 1].as_slice()), ("a2", [-1, 0].as_slice())]);
        assert!(train.images[1].path.ends_with("a2.jpeg"));
        assert_eq!(train.images[0].objects[0].bounds.right, 4);
    }
}

#[test]
fn the_requested_year_is_opened() {
    let (folder, root) = devkit();
    assert!(matches!(Devkit::open(&root, Some(2007)), Err(VocError::Year { .. })));
    assert_eq!(Devkit::open(folder.path(), Some(2011)).expect("there").year(), Some(2011));
    fs::create_dir_all(folder.path().join("VOC2012/ImageSets/Main")).expect("a folder");
    match Devkit::open(folder.path(), None) {
        Err(VocError::Year { found, .. }) => assert_eq!(found, [2011, 2012]),
        other => panic!("expected the two years, found {other:?}"),
    }
    assert!(matches!(Devkit::open(folder.path(), Some(2012)), Err(VocError::NoClassLists { .. })));
    assert!(matches!(Devkit::open(&root.join("Annotations"), None), Err(VocError::NoDevkit { .. })));
    assert!(matches!(Devkit::open(Path::new("nowhere"), None), Err(VocError::NoDevkit { .. })));
}

#[test]
fn errors_name_the_file_and_the_line() {
    let (_folder, root) = devkit();
    assert!(refusal(&root, "test").contains("no image set \"test\", found [\"train\", \"val\"]"));

    fs::remove_file(root.join("JPEGImages/a2.jpeg")).expect("removed");
    let message = refusal(&root, "train");
    assert!(message.contains("train.txt, line 2: image a2: no image"), "{message}");

    write(&root, "Annotations/a1.xml", &XML.replace("xmax>4", "xmax>x"));
    let message = refusal(&root, "train");
    assert!(
        message.contains("line 1: image a1") && message.contains("a1.xml: object 1 (train): bndbox/xmax"),
        "{message}"
    );

    fs::remove_file(root.join("Annotations/a3.xml")).expect("removed");
    assert!(refusal(&root, "val").contains("val.txt, line 1: image a3: no annotation"));

    let devkit = Devkit::open(&root, None).expect("a devkit");
    let train = devkit.image_set("train", Missing::Skip).expect("skipped instead");
    let ids: Vec<_> = train.skipped.iter().map(|skipped| skipped.id.as_str()).collect();
    assert_eq!((train.images.len(), ids), (0, vec!["a1", "a2"]));
    assert!(train.skipped[1].reason.contains("no image"));
}

#[test]
fn lists_that_disagree_are_refused_or_skipped() {
    let (_folder, root) = devkit();
    write(&root, "ImageSets/Main/potted_plant_train.txt", "a1 -1\nb9 -1\n");
    let message = refusal(&root, "train");
    assert!(message.contains("potted_plant_train.txt, line 2: b9 is not in train.txt"), "{message}");
    let devkit = Devkit::open(&root, None).expect("a devkit");
    let train = devkit.image_set("train", Missing::Skip).expect("skipped instead");
    let skipped: Vec<_> = train.skipped.iter().map(|skipped| skipped.id.as_str()).collect();
    assert_eq!((train.images.len(), skipped), (1, vec!["b9", "a2"]));

    write(&root, "ImageSets/Main/potted_plant_train.txt", "a1 -1\n");
    let message = refusal(&root, "train");
    assert!(message.contains("line 2: image a2") && message.contains("potted_plant_train.txt, line 1"), "{message}");

    write(&root, "ImageSets/Main/potted_plant_train.txt", "a1 -1\na2 -1\na1 1\n");
    assert!(refusal(&root, "train").contains("line 3: a1 is listed a second time"));
    write(&root, "ImageSets/Main/potted_plant_train.txt", "a1 -1\na2 yes\n");
    assert!(refusal(&root, "train").contains("line 2: expected the label"));
    fs::remove_file(root.join("ImageSets/Main/potted_plant_train.txt")).expect("removed");
    assert!(refusal(&root, "train").contains("the list of class \"potted_plant\" for set \"train\" is missing"));
    write(&root, "ImageSets/Main/train.txt", "a1\na1\n");
    assert!(refusal(&root, "train").contains("train.txt, line 2: a1 is listed a second time"));
}

#[test]
fn ids_cannot_lead_out_of_the_folder() {
    let (_folder, root) = devkit();
    let devkit = Devkit::open(&root, None).expect("a devkit");
    for id in ["../secret", "", "..", "a/b", "a\\b", "/etc/passwd"] {
        assert!(matches!(devkit.image_path(id), Err(VocError::Id { .. })), "{id}");
        assert!(matches!(devkit.annotation(id), Err(VocError::Id { .. })), "{id}");
    }
}

#[test]
#[expect(clippy::print_stderr, reason = "the test reports that it did not run")]
fn the_real_devkit() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/voc2007/VOCdevkit");
    if !path.is_dir() {
        eprintln!("skipped: no VOC 2007 devkit in ../shared/voc2007");
        return;
    }
    let devkit = Devkit::open(&path, Some(2007)).expect("the devkit");
    assert_eq!(devkit.classes().len(), 20);
    assert!(devkit.classes().iter().any(|class| class == "train"));
    assert_eq!(devkit.sets(), ["train", "trainval", "val"]);
    let trainval = devkit.image_set("trainval", Missing::Skip).expect("the whole half");
    assert_eq!(trainval.images.len() + trainval.skipped.len(), 5011);
    for image in &trainval.images {
        for (class, &label) in trainval.classes.iter().zip(&image.labels) {
            let objects = || image.objects.iter().filter(|object| object.class == *class);
            let expected = match (objects().count(), objects().any(|object| !object.difficult)) {
                (0, _) => -1,
                (_, false) => 0,
                (_, true) => 1,
            };
            assert_eq!(label, expected, "image {}, class {class}", image.id);
        }
    }
}

#[test]
fn lists_of_classes_without_labels_are_doubtful() {
    for (content, words) in [
        ("image label\na1 1\n", "no label"),
        ("a1\na2\n", "no label"),
        ("a1 yes\na2 no\n", "no label"),
        ("a1,1\na2,-1\n", "no label"),
        ("\n", "is empty"),
    ] {
        let (_folder, root) = devkit();
        write(&root, "ImageSets/Main/person_train.txt", content);
        let devkit = Devkit::open(&root, None).expect("a devkit");
        let [doubtful] = devkit.doubtful_lists() else { panic!("{content:?}: {:?}", devkit.doubtful_lists()) };
        assert!(doubtful.contains("person_train.txt") && doubtful.contains("\"person\"") && doubtful.contains(words));
    }
    let (_folder, root) = devkit();
    assert!(Devkit::open(&root, None).expect("a devkit").doubtful_lists().is_empty());
    // A text of somebody's own does not stop the lists.
    fs::write(root.join("ImageSets/Main/read me.txt"), b"caf\xe9").expect("a file");
    let devkit = Devkit::open(&root, None).expect("a devkit");
    assert!(devkit.doubtful_lists()[0].contains("read me.txt"));
    assert_eq!(devkit.sets(), ["train", "val"]);
}
