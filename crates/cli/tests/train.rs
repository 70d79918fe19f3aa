//! `train`, `predict` and `info` as a user calls them, on made-up photographs.

mod support;

use std::fs;
use std::path::Path;

use fisherlens_model::write_png;
use ndarray::Array3;
use support::{fail, fisherlens, succeed, text};

/// A picture with stripes in one direction, or in both for `class` 2, and noise that differs from picture to picture.
fn picture(path: &Path, class: usize, number: usize) {
    let noise = |x: usize, y: usize| (x * 31 + y * 17 + number * 97 + x * y * (number + 3)) % 40;
    let stripe = |at: usize| 90 * (at / 6 % 2);
    let of = |(y, x, _): (usize, usize, usize)| match class {
        0 => stripe(x + number),
        1 => stripe(y + number),
        _ => stripe(x).midpoint(stripe(y)),
    } + noise(x, y);
    write_png(path, Array3::from_shape_fn((60, 80, 3), |at| of(at) as u8).view()).unwrap();
}

/// Twelve pictures of each of two classes in class folders, and their names.
fn class_folders(root: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for (class, name) in ["upright", "lying, flat"].iter().enumerate() {
        fs::create_dir_all(root.join(name)).unwrap();
        for number in 0..12 {
            let file = format!("{name}/{class}-{number} é.png");
            picture(&root.join(&file), class, number);
            names.push(file);
        }
    }
    names
}

/// Settings that make training take less than a second.
const SMALL: [&str; 8] = [
    "--set",
    "sample.n_descriptors=4000",
    "--set",
    "pca.n_components=16",
    "--set",
    "mixture.n_components=8",
    "--set",
    "mixture.max_n_iterations=3",
];

#[test]
fn two_class_folders_become_a_model_that_explains_and_predicts() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    class_folders(&data);
    fs::write(data.join("upright/empty.jpg"), "").unwrap();
    fs::write(data.join("upright/words.JPG"), "text in place of an image").unwrap();
    let (model, store) = (folder.path().join("stripes.flm"), folder.path().join("store"));
    let train = ["train", text(&data), "--out", text(&model), "--artifacts", text(&store), "--test-share", "0.4"];
    let printed = succeed(&[&train, &SMALL]);
    for words in ["lying, flat", "upright", "threshold", "mAP", "accuracy", "stripes.flm"] {
        assert!(printed.contains(words), "{printed}");
    }
    // The second run finds everything stored, and writes the same model.
    let first = fs::read(&model).unwrap();
    let page = folder.path().join("page");
    let further = ["--json", "--report", text(&page)];
    let document: serde_json::Value = serde_json::from_str(&succeed(&[&train, &SMALL, &further])).unwrap();
    let html = fs::read_to_string(page.join("report.html")).unwrap();
    assert!(html.contains("lying, flat") && html.contains("data:image/"), "a page with pictures");
    assert_eq!(fs::read(&model).unwrap(), first);
    assert_eq!(document["skipped"].as_array().unwrap().len(), 2);
    assert!(document["skipped"][0]["reason"].as_str().unwrap().contains("empty.jpg"), "{document}");
    let n = |name: &str| document[name].as_u64().unwrap();
    assert_eq!(n("n_train") + n("n_test"), 24);
    assert!(document["accuracy"].as_f64().unwrap() > 0.8, "{document}");

    let info = succeed(&[&["info", text(&model)]]);
    for words in ["2 classes", "accuracy on", "licence", "descriptors.step", "lying, flat"] {
        assert!(info.contains(words), "{info}");
    }
    // Two of the files in the folder are no pictures: the others have their rows, and the command ends with an error.
    let upright = data.join("upright");
    let predict = ["predict", text(&upright), "--model", text(&model)];
    let output = fisherlens(&[&predict[..], &["--format", "csv"]].concat());
    let rows = String::from_utf8(output.stdout).unwrap();
    assert_eq!((output.status.code(), rows.lines().count()), (Some(1), 13), "{rows}");
    assert!(rows.starts_with("path,found,\"lying, flat\",upright\n"), "{rows}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("2 of 14 photographs"));
    fs::remove_file(data.join("upright/empty.jpg")).unwrap();
    fs::remove_file(data.join("upright/words.JPG")).unwrap();
    assert_eq!(succeed(&[&predict]).lines().count(), 12);
    let answer: serde_json::Value = serde_json::from_str(&succeed(&[&predict, &["--format", "json"]])).unwrap();
    assert_eq!(answer["photographs"].as_array().unwrap().len(), 12);
    assert_eq!(answer["photographs"][0]["scores"].as_array().unwrap().len(), 2);
    let out = folder.path().join("explained");
    let mistake = data.join("upright/0-3 é.png");
    succeed(&[&["explain", text(&mistake), "--model", text(&model), "--out", text(&out)]]);
    assert!(fs::read_dir(&out).unwrap().count() >= 2);
}

#[test]
fn a_table_with_groups_and_the_faults_of_data() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let names = class_folders(&data);
    let table = data.join("labels.csv");
    let write = |extra: &str| {
        let row = |(index, name): (usize, &String)| {
            let class = name.split('/').next().unwrap();
            format!("\"{name}\",\"{class}\",person {}\n", index % 6)
        };
        let rows = names.iter().enumerate().map(row).collect::<String>();
        fs::write(&table, format!("path,label,photographer\n{rows}{extra}")).unwrap();
    };
    write("");
    let (model, store) = (folder.path().join("m.flm"), folder.path().join("store"));
    let train = ["train", text(&table), "--out", text(&model), "--artifacts", text(&store), "--test-share", "0.5"];
    let by_group = [&train[..], &SMALL, &["--group", "photographer", "--json"]].concat();
    let document: serde_json::Value = serde_json::from_str(&succeed(&[&by_group])).unwrap();
    // Whole groups of four pictures each.
    assert_eq!((document["n_train"].as_u64().unwrap() % 4, document["n_test"].as_u64().unwrap() % 4), (0, 0));
    fs::remove_file(&model).unwrap();

    fail(&[&train, &["--group", "camera"]], &["camera", "photographer"]);
    fail(&[&train, &["--test-share", "1.5"]], &["--test-share"]);
    fail(&[&train, &["--preset", "quick"]], &["quick", "paper", "fast"]);
    fail(&[&train, &["--preset", "mini"]], &["mini does not learn from photographs of your own", "fast"]);
    fail(&[&train, &["--set", "mixture.n_component=3"]], &["mixture.n_component"]);
    fail(&[&["train", "absent"]], &["absent"]);
    fail(&[&["train", text(&table), "--out", "absent/m.flm"]], &["absent/m.flm", "no folder"]);
    write("missing.png,upright,person 1\n");
    fail(&[&train, &["--strict"]], &["labels.csv", "line 26", "missing.png"]);
    write("\"upright/0-0 é.png\",upright,person 1\n");
    fail(&[&train], &["labels.csv", "line 26", "second time"]);
    assert!(!model.exists(), "nothing was written");
    // A class with one image is named, and so are nearly equal pictures in both halves.
    write("");
    fs::create_dir(data.join("single")).unwrap();
    picture(&data.join("single/one.png"), 2, 1);
    let folders = ["train", text(&data), "--out", text(&model), "--artifacts", text(&store), "--test-share", "0.4"];
    let document: serde_json::Value = serde_json::from_str(&succeed(&[&folders, &SMALL, &["--json"]])).unwrap();
    let warnings = document["warnings"].to_string();
    assert!(warnings.contains("fewer than 10 images") && warnings.contains("single"), "{warnings}");
}

#[test]
fn a_preset_is_no_experiment_of_another_command_and_names_need_not_be_unicode() {
    let output = fisherlens(&["explain", "absent.jpg", "--experiment", "fast"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("fisherlens train DATA"), "{said}");
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt as _;
        let name = std::ffi::OsStr::from_bytes(b"absent-\xff.jpg");
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_fisherlens"));
        let output = command.arg("explain").arg(name).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(1) && !said.contains("panicked"), "{said}");
    }
}
