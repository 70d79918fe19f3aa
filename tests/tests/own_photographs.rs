//! Photographs of one's own give the same results in every layout.

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use fisherlens_dataset::{Opening, SplitOptions};
use fisherlens_experiment::dataset::Half;
use fisherlens_experiment::experiment::Experiment;
use fisherlens_experiment::interrupt::Interrupt;
use fisherlens_experiment::keys::Keys;
use fisherlens_experiment::own::OwnPhotographs;
use fisherlens_experiment::progress::Progress;
use fisherlens_experiment::session::Session;
use fisherlens_experiment::stages::{rows, scores};
use fisherlens_model::write_png;
use ndarray::{Array2, Array3, s};

/// The embedded photographs of exactly one class, copied into class folders. Returns the class and the name of each file.
fn class_folders(root: &Path) -> Vec<(String, String)> {
    let experiment = support::open(&root.join("mini"), None, &[]);
    let set = &experiment.core.dataset.half(Half::Train).set;
    let mut copied = Vec::new();
    for entry in &set.images {
        let mut positive = set.classes.iter().zip(&entry.labels).filter(|(_, label)| **label == 1);
        let (Some((class, _)), None, true) = (positive.next(), positive.next(), entry.labels.iter().all(|&l| l != 0))
        else {
            continue;
        };
        let name = entry.path.file_name().unwrap().to_string_lossy().into_owned();
        fs::create_dir_all(root.join("folders").join(class)).unwrap();
        fs::copy(&entry.path, root.join("folders").join(class).join(&name)).unwrap();
        copied.push((class.clone(), name));
    }
    copied
}

fn open(path: PathBuf, store: &Path, near_together: bool) -> Experiment {
    let set =
        ["sample.n_descriptors=8000", "pca.n_components=16", "mixture.n_components=8", "mixture.max_n_iterations=3"];
    let own = OwnPhotographs {
        path,
        opening: Opening::default(),
        split: SplitOptions::default(),
        near_together,
        all_tested: false,
    };
    let session = Session {
        set: set.map(str::to_owned).to_vec(),
        own: Some(own),
        artifacts: store.to_owned(),
        ..Session::new("fast", store)
    };
    Experiment::open(&session, Progress::silent(), Interrupt::default()).unwrap()
}

#[test]
fn class_folders_a_table_and_coco_give_the_same_vectors_and_scores() {
    let folder = tempfile::tempdir().unwrap();
    let copied = class_folders(folder.path());
    assert!(copied.len() > 40, "{} photographs", copied.len());
    let root = folder.path().join("folders");
    let rows: Vec<String> = copied.iter().map(|(class, name)| format!("{class}/{name}\t{class}")).collect();
    fs::write(root.join("labels.tsv"), format!("path\tlabel\n{}", rows.join("\n"))).unwrap();
    let mut classes: Vec<&String> = copied.iter().map(|(class, _)| class).collect();
    classes.sort();
    classes.dedup();
    let id = |class: &String| classes.iter().position(|other| *other == class).unwrap();
    // In another order, and with boxes that no stage up to the scores reads.
    let images = copied
        .iter()
        .enumerate()
        .rev()
        .map(|(i, (class, name))| format!("{{\"id\": {i}, \"file_name\": \"{class}/{name}\"}}"));
    let annotations = copied.iter().enumerate().map(|(i, (class, _))| {
        format!("{{\"image_id\": {i}, \"category_id\": {}, \"bbox\": [1, 1, 9, 9]}}", id(class))
    });
    let categories = classes.iter().map(|class| format!("{{\"id\": {}, \"name\": \"{class}\"}}", id(class)));
    let json = format!(
        "{{\"images\": [{}], \"annotations\": [{}], \"categories\": [{}]}}",
        images.collect::<Vec<_>>().join(","),
        annotations.collect::<Vec<_>>().join(","),
        categories.collect::<Vec<_>>().join(",")
    );
    fs::write(root.join("instances.json"), json).unwrap();
    let results = |path: PathBuf| -> (Array2<f32>, Array2<f32>, Array2<i8>) {
        let store = tempfile::tempdir().unwrap();
        let experiment = open(path, store.path(), false);
        let keys = Keys::of(&experiment).unwrap();
        let (vectors, _) = rows::raw(&experiment, &keys, Half::Train).unwrap();
        let scores = scores::get(&experiment, &keys).unwrap();
        (vectors, scores.scores, scores.labels)
    };
    let of_folders = results(root.clone());
    assert_eq!(results(root.join("labels.tsv")), of_folders);
    assert_eq!(results(root.join("instances.json")), of_folders);
}

#[test]
fn copies_of_a_photograph_in_both_halves_are_reported_and_kept_together_on_request() {
    let folder = tempfile::tempdir().unwrap();
    let copied = class_folders(folder.path());
    let root = folder.path().join("folders");
    // A slightly changed copy of each photograph.
    for (class, name) in &copied {
        let path = root.join(class).join(name);
        let photograph = fisherlens_model::photograph::read(&path).unwrap();
        let mut rgb: Array3<u8> = photograph.rgb();
        rgb.slice_mut(s![..2, ..2, ..]).fill(0);
        write_png(&root.join(class).join(format!("copy-{name}")), rgb.view()).unwrap();
    }
    let store = folder.path().join("store");
    let divided = open(root.clone(), &store, false).core.dataset.warnings();
    assert!(
        divided.iter().any(|warning| warning.contains("nearly equal") && warning.contains("--keep-near")),
        "{divided:?}"
    );
    let together = open(root, &store, true).core.dataset.warnings();
    assert!(!together.iter().any(|warning| warning.contains("nearly equal")), "{together:?}");
}
