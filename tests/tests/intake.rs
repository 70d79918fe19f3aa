//! What is found in other people's images before anything is computed.

use std::fs;
use std::path::Path;

use anyhow::Result;
use fisherlens_dataset::Missing;
use fisherlens_experiment::experiment::Experiment;
use fisherlens_experiment::interrupt::Interrupt;
use fisherlens_experiment::progress::Progress;
use fisherlens_experiment::session::Session;
use fisherlens_model::write_png;
use ndarray::Array3;

/// Six images in each of two sets; image `k` shows a cat if `k` is even, and a dog otherwise.
fn devkit(folder: &Path) {
    let root = folder.join("VOC2012");
    for part in ["JPEGImages", "Annotations", "ImageSets/Main"] {
        fs::create_dir_all(root.join(part)).unwrap();
    }
    for (set, first) in [("learn", 0), ("judge", 6)] {
        for k in first..first + 6 {
            let id = format!("img#{k}");
            let picture =
                Array3::from_shape_fn((48, 64, 3), |(y, x, c)| ((y * 7 + x * 13 + c * 5) * (k + 3) % 251) as u8);
            write_png(&root.join(format!("JPEGImages/{id}.png")), picture.view()).unwrap();
            annotate(&root, &id, (64, 48), if k % 2 == 0 { "cat" } else { "dog" });
        }
        let list = |line: &dyn Fn(usize) -> String| (first..first + 6).map(line).collect::<Vec<_>>().join("\n");
        let sign = |positive: bool| if positive { 1 } else { -1 };
        let lists = [
            list(&|k| format!("img#{k}")),
            list(&|k| format!("img#{k} {}", sign(k % 2 == 0))),
            list(&|k| format!("img#{k} {}", sign(k % 2 == 1))),
        ];
        for (list, name) in lists.iter().zip([format!("{set}.txt"), format!("cat_{set}.txt"), format!("dog_{set}.txt")])
        {
            fs::write(root.join("ImageSets/Main").join(name), list).unwrap();
        }
    }
}

fn annotate(root: &Path, id: &str, (width, height): (u32, u32), class: &str) {
    let text = format!(
        "<annotation><size><width>{width}</width><height>{height}</height></size><object><name>{class}</name><truncated>0.5</truncated>\
         <bndbox><xmin>5</xmin><ymin>5</ymin><xmax>30</xmax><ymax>30</ymax></bndbox></object></annotation>"
    );
    fs::write(root.join(format!("Annotations/{id}.xml")), text).unwrap();
}

fn open(folder: &Path, missing: Missing, set: &[&str]) -> Result<Experiment> {
    let always = ["data.year=2012", "data.train=learn", "data.test=judge", "classifier.c_grid=[1.0]"];
    let session = Session {
        set: always.iter().chain(set).map(|change| (*change).to_owned()).collect(),
        voc: Some(folder.to_owned()),
        missing,
        ..Session::new("voc2007", &folder.join("stored"))
    };
    Experiment::open(&session, Progress::silent(), Interrupt::default())
}

/// The error of `open` must have all `words`.
fn refused(folder: &Path, missing: Missing, set: &[&str], words: &[&str]) {
    let message = format!("{:#}", open(folder, missing, set).unwrap_err());
    for word in words {
        assert!(message.contains(word), "{message:?} does not say {word:?}");
    }
}

#[test]
fn a_damaged_photograph_is_found_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    devkit(folder.path());
    let path = folder.path().join("VOC2012/JPEGImages/img#7.png");
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    refused(folder.path(), Missing::Refuse, &[], &["img#7", "judge", "1 of 6", "--allow-missing"]);
    let experiment = open(folder.path(), Missing::Skip, &[]).unwrap();
    let skipped = &experiment.core.dataset.test.set.skipped;
    assert_eq!((experiment.core.dataset.test.len(), skipped.len(), skipped[0].id.as_str()), (5, 1, "img#7"));
    // The second look is stored, and says the same.
    assert_eq!(open(folder.path(), Missing::Skip, &[]).unwrap().core.dataset.test.set.skipped, *skipped);
    fs::write(&path, &whole).unwrap();
    assert_eq!(open(folder.path(), Missing::Refuse, &[]).unwrap().core.dataset.test.len(), 6);
}

#[test]
fn boxes_of_a_picture_of_another_size_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    devkit(folder.path());
    annotate(&folder.path().join("VOC2012"), "img#2", (48, 64), "cat");
    refused(folder.path(), Missing::Refuse, &[], &["img#2", "64 × 48", "48 × 64", "turned"]);
    assert_eq!(open(folder.path(), Missing::Skip, &[]).unwrap().core.dataset.train.len(), 5);
}

#[test]
fn images_in_both_sets_are_reported() {
    let folder = tempfile::tempdir().unwrap();
    devkit(folder.path());
    assert!(open(folder.path(), Missing::Refuse, &[]).unwrap().core.dataset.warnings().is_empty());
    let images = folder.path().join("VOC2012/JPEGImages");
    fs::copy(images.join("img#1.png"), images.join("img#9.png")).unwrap();
    let dataset = open(folder.path(), Missing::Refuse, &[]).unwrap().core.dataset;
    assert_eq!(dataset.shared, [["img#1".to_owned(), "img#9".to_owned()]]);
    let [warning] = dataset.warnings().try_into().unwrap();
    assert!(warning.contains("1 of the 6 images of set judge") && warning.contains("img#9"), "{warning}");
}

#[test]
fn classes_that_cannot_be_learned_are_named_and_can_be_left_out() {
    let folder = tempfile::tempdir().unwrap();
    devkit(folder.path());
    let list = folder.path().join("VOC2012/ImageSets/Main/dog_learn.txt");
    let text = fs::read_to_string(&list).unwrap().replace(" 1", " -1");
    fs::write(&list, text).unwrap();
    refused(folder.path(), Missing::Refuse, &[], &["\"dog\"", "0 positive and 6 negative", "data.leave_out=[\"dog\"]"]);
    let experiment = open(folder.path(), Missing::Refuse, &["data.leave_out=[\"dog\"]"]).unwrap();
    assert_eq!(experiment.core.dataset.classes(), ["cat"]);
    refused(folder.path(), Missing::Refuse, &["data.leave_out=[\"cow\"]"], &["\"cow\"", "cat, dog"]);
}

#[test]
fn hopeless_settings_are_refused_before_work_starts() {
    let folder = tempfile::tempdir().unwrap();
    devkit(folder.path());
    let folds = ["classifier.c_grid=[1.0,2.0]", "classifier.n_folds=7"];
    refused(folder.path(), Missing::Refuse, &folds, &["classifier.n_folds = 7", "at most 6"]);
    refused(folder.path(), Missing::Refuse, &["data.year=2011"], &["2012", "--set data.year=YEAR"]);
}

#[test]
fn a_folder_called_masks_is_only_read_where_it_belongs_to_the_embedded_data() {
    let folder = tempfile::tempdir().unwrap();
    devkit(folder.path());
    fs::create_dir(folder.path().join("VOC2012/Masks")).unwrap();
    assert_eq!(open(folder.path(), Missing::Refuse, &[]).unwrap().core.dataset.masks, None);
}
