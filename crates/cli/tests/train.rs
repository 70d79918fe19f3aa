//! `train`, `predict` and `info` as a user calls them, on made-up photographs.

mod support;

use std::fs;

use fisherlens_model::write_png;
use ndarray::Array3;
use support::{SMALL, class_folders, fail, fisherlens, picture, succeed, text};

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
    let head = "path,found,\"lying, flat\",upright,\"probability of lying, flat\",probability of upright\n";
    assert!(rows.starts_with(head), "{rows}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("2 of 14 photographs"));
    fs::remove_file(data.join("upright/empty.jpg")).unwrap();
    fs::remove_file(data.join("upright/words.JPG")).unwrap();
    assert_eq!(succeed(&[&predict]).lines().count(), 12);
    let answer: serde_json::Value = serde_json::from_str(&succeed(&[&predict, &["--format", "json"]])).unwrap();
    assert_eq!(answer["photographs"].as_array().unwrap().len(), 12);
    assert_eq!(answer["photographs"][0]["scores"].as_array().unwrap().len(), 2);
    let [lying, upright_probability] =
        [0, 1].map(|class| answer["photographs"][0]["probabilities"][class].as_f64().unwrap());
    assert!((0.0..0.5).contains(&lying) && (0.5..=1.0).contains(&upright_probability), "{answer}");
    let out = folder.path().join("explained");
    let mistake = data.join("upright/0-3 é.png");
    let said = succeed(&[&["explain", text(&mistake), "--model", text(&model), "--out", text(&out)]]);
    assert!(said.contains("; probability ") && fs::read_dir(&out).unwrap().count() >= 2, "{said}");
}

#[test]
fn names_that_cannot_be_seen_and_photographs_that_are_too_small() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    class_folders(&data);
    let small = data.join("upright/small.png");
    write_png(&small, Array3::zeros((9, 9, 3)).view()).unwrap();
    let (model, store) = (folder.path().join("m.flm"), folder.path().join("store"));
    let train = ["train", text(&data), "--out", text(&model), "--artifacts", text(&store), "--json"];
    let document: serde_json::Value =
        serde_json::from_str(&succeed(&[&train, &["--test-share", "0.4"], &SMALL])).unwrap();
    assert!(
        document["skipped"][0]["reason"]
            .as_str()
            .unwrap()
            .contains("small.png: a picture of 9 × 9 pixels is too small")
    );
    // Programs get the name as it is; JSON writes such characters by their numbers.
    let hidden = folder.path().join("one\u{2068}way\u{202e}.png");
    fs::copy(data.join("upright/0-0 é.png"), &hidden).unwrap();
    let predict = ["predict", text(&hidden), "--model", text(&model), "--format"];
    let answer: serde_json::Value = serde_json::from_str(&succeed(&[&predict, &["json"]])).unwrap();
    assert_eq!(answer["photographs"][0]["path"], text(&hidden));
    assert!(succeed(&[&predict, &["csv"]]).contains(text(&hidden)));
    assert!(succeed(&[&predict, &["table"]]).contains("one\\u{2068}way\\u{202e}.png"));
}

#[test]
fn a_page_about_a_model() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    class_folders(&data);
    let (model, store) = (folder.path().join("stripes.flm"), folder.path().join("store"));
    let stored = ["--artifacts", text(&store), "--test-share", "0.4"];
    let trained = succeed(&[&["train", text(&data), "--out", text(&model), "--json"], &stored[..], &SMALL]);
    let trained: serde_json::Value = serde_json::from_str(&trained).unwrap();

    // On the same test half: the same quality to the last digit, and the same thresholds on the page.
    let page = folder.path().join("page");
    // The name of the file says nothing about its content.
    let renamed = folder.path().join("stripes.model");
    fs::copy(&model, &renamed).unwrap();
    let report = ["report", text(&data), "--model", text(&renamed), "--out", text(&page)];
    let judged: serde_json::Value = serde_json::from_str(&succeed(&[&report, &stored, &["--json"]])).unwrap();
    let same = ["n_train", "n_test", "accuracy", "confusion", "warnings", "classes", "expected_calibration_error"];
    for name in same {
        assert_eq!(judged[name], trained[name], "{name}");
    }
    let html = fs::read_to_string(page.join("report.html")).unwrap();
    let threshold = format!("{:.4}", trained["classes"][1]["threshold"].as_f64().unwrap().abs());
    assert!(html.contains(&threshold), "the page has the threshold {threshold} of the model");
    for words in ["Model stripes.model on data", "Probabilities", "Reliability diagram", "Accuracy", "epsilon=20"] {
        assert!(html.contains(words), "{words}");
    }

    // All images of another folder. It has one of the two classes, and one image lies in the wrong folder.
    let other = folder.path().join("other");
    fs::create_dir_all(other.join("upright")).unwrap();
    for index in 0..3 {
        fs::copy(data.join(format!("upright/0-{index} é.png")), other.join(format!("upright/{index}.png"))).unwrap();
    }
    let lying = fs::read_dir(data.join("lying, flat")).unwrap().next().unwrap().unwrap().path();
    fs::copy(lying, other.join("upright/wrong.png")).unwrap();
    let every = ["report", text(&other), "--model", text(&model), "--out", text(&page), "--all"];
    let said = succeed(&[&every, &["--artifacts", text(&store), "--rule", "naive", "--examples", "1"]]);
    assert!(said.contains("accuracy 75.00 %") && said.contains("no class has an average precision"), "{said}");
    let html = fs::read_to_string(page.join("report.html")).unwrap();
    assert!(html.contains("All images are judged"), "the page says that the images may have been learned from");
    assert!(html.contains("there is no average precision"), "one class alone cannot be ranked");
    assert!(html.contains("No image is labelled with the classes lying, flat"), "and that a class has no image");

    fs::create_dir(other.join("oblique")).unwrap();
    fs::copy(other.join("upright/0.png"), other.join("oblique/0.png")).unwrap();
    // What the model does not know is left out by name, unless nothing is left.
    let said = succeed(&[&every, &["--artifacts", text(&store), "--examples", "0", "--json"]]);
    let judged: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert!(judged["warnings"].to_string().contains("left out: oblique"), "{said}");
    assert_eq!(judged["classes"].as_array().unwrap().len(), 2, "{said}");
    fs::remove_dir_all(other.join("upright")).unwrap();
    fail(&[&every], &["none of the classes of the images, oblique", "lying, flat, upright"]);
    // Files of others are not replaced by a model, and the folder of the page is made before the work.
    let photograph = data.join("upright/0-0 é.png");
    let train = ["train", text(&data), "--artifacts", text(&store)];
    fail(&[&train, &["--out", text(&photograph)]], &["is no model", ".flm"]);
    fail(&[&train, &["--out", text(&model), "--report", text(&photograph)]], &["--report", "cannot make the folder"]);
    fail(&[&["report", text(&data), "--model", "absent.flm"]], &["absent.flm"]);
    fail(&[&["report", text(&data), "--model", text(&photograph)]], &["not a model file"]);
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
