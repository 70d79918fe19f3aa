//! `explain` with two models: the model that comes with the program, and a model file of an experiment.

mod support;

use std::fs::File;
use std::path::Path;
use std::process::Command;

use fisherlens_artifact::Header;
use fisherlens_experiment::experiment::Experiment;
use fisherlens_experiment::interrupt::Interrupt;
use fisherlens_experiment::keys::Keys;
use fisherlens_experiment::progress::Progress;
use fisherlens_experiment::session::Session;
use fisherlens_experiment::stages::learned;
use fisherlens_mini_voc::draw_image;
use fisherlens_model::{Explainer, Model, Precision};
use ndarray::{Array1, Array2, Array3};
use ndarray_npy::NpzReader;

use support::{fail, succeed, text};

/// Writes a picture of the embedded devkit as a PNG with this EXIF orientation: 1, or 6 with turned pixels, so that both look the same.
fn write_picture(path: &Path, orientation: u8) {
    let picture = draw_image(2);
    let (width, height) = (fisherlens_mini_voc::WIDTH, fisherlens_mini_voc::HEIGHT);
    let pixels: Array3<u8> = Array3::from_shape_vec((height, width, 3), picture.rgb.clone()).unwrap();
    // With orientation 6, the visible pixel in row r and column c is stored in row width − 1 − c and column r.
    let stored = if orientation == 6 {
        Array3::from_shape_fn((width, height, 3), |(y, x, channel)| pixels[[x, width - 1 - y, channel]])
    } else {
        pixels
    };
    let (rows, columns, _) = stored.dim();
    let mut encoder = png::Encoder::new(File::create(path).unwrap(), columns as u32, rows as u32);
    encoder.set_color(png::ColorType::Rgb);
    let mut writer = encoder.write_header().unwrap();
    // A big-endian TIFF header and one directory with one entry: tag 0x0112, type short, one value.
    let exif = [b'M', b'M', 0, 42, 0, 0, 0, 8, 0, 1, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0, 0, 0, 0, 0];
    writer.write_chunk(png::chunk::ChunkType(*b"eXIf"), &exif).unwrap();
    writer.write_image_data(stored.as_standard_layout().as_slice().unwrap()).unwrap();
}

#[test]
fn the_model_that_comes_with_the_program_explains_photographs() {
    let folder = tempfile::tempdir().unwrap();
    let (upright, turned) = (folder.path().join("upright.png"), folder.path().join("turned.png"));
    write_picture(&upright, 1);
    write_picture(&turned, 6);
    let out = folder.path().join("out");
    let words = ["--class", "horse", "--class", "car", "--rule", "naive", "--rule", "epsilon=100", "--top", "20"];
    let more = ["--npz", "--color-map", "black-fire", "--normalize", "common", "--out", text(&out)];
    let said = succeed(&[&["explain", text(&upright), text(&turned)], &words[..], &more[..]]);
    assert!(said.contains("model built-in") && said.contains("score of car") && said.contains("240 × 180"), "{said}");
    for kind in ["heatmap", "overlay", "top"] {
        let read = |name: &str| std::fs::read(out.join(format!("{name}-horse-epsilon-100-{kind}.png"))).unwrap();
        assert!(read("upright").len() > 1000);
        assert_eq!(read("upright"), read("turned"), "{kind}");
    }
    assert!(out.join("upright-panel.png").exists());
    let mut arrays = NpzReader::new(File::open(out.join("turned.npz")).unwrap()).unwrap();
    let pixels: Array2<f32> = arrays.by_name("pixels horse naive").unwrap();
    let score: Array1<f64> = arrays.by_name("score horse").unwrap();
    assert_eq!(pixels.dim(), (180, 240));
    let sum: f64 = pixels.iter().map(|&value| f64::from(value)).sum();
    assert!((sum - score[0]).abs() < 1e-4 * score[0].abs().max(1.0), "{sum} {score}");

    let shrunk = succeed(&[&["explain", text(&upright), "--max-side", "120", "--out", text(&out)]]);
    assert!(shrunk.contains("240 × 180, shrunk to 120 × 90"), "{shrunk}");
    fail(&[&["explain", text(&upright), "--class", "unicorn"]], &["unicorn", "aeroplane", "tvmonitor"]);
    fail(&[&["explain", text(&upright), "--threads", "99999999"]], &["99999999", "--threads", "1024"]);
    fail(&[&["explain", "2016_000002"]], &["2016_000002", "--experiment"]);
}

#[test]
fn pictures_are_written_although_the_output_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let (picture, out) = (folder.path().join("picture.png"), folder.path().join("out"));
    write_picture(&picture, 1);
    let closed = || std::io::pipe().unwrap().1;
    let mut command = Command::new(env!("CARGO_BIN_EXE_fisherlens"));
    command.args(["explain", text(&picture), "--class", "horse", "--out", text(&out)]);
    let status = command.stdout(closed()).stderr(closed()).status().unwrap();
    assert!(status.success(), "{status}");
    assert_eq!(std::fs::read_dir(&out).unwrap().count(), 2, "heatmap and overlay");
}

#[test]
fn a_model_file_gives_the_scores_of_its_experiment() {
    let folder = tempfile::tempdir().unwrap();
    let set =
        ["sample.n_descriptors=8000", "pca.n_components=16", "mixture.n_components=8", "mixture.max_n_iterations=3"];
    let session = Session {
        set: set.map(str::to_owned).to_vec(),
        limit: Some(24),
        artifacts: folder.path().join("artifacts"),
        data: Path::new(env!("CARGO_TARGET_TMPDIR")).join("explain-mini"),
        ..Session::new("mini", folder.path())
    };
    let experiment = Experiment::open(&session, Progress::silent(), Interrupt::default()).unwrap();
    let keys = Keys::of(&experiment).unwrap();
    fisherlens_experiment::stages::scores::get(&experiment, &keys).unwrap();
    let model = learned::model(&experiment, &keys).unwrap();
    assert_eq!(model.thresholds.as_ref().map(Vec::len), Some(model.classes.len()));
    assert!(
        model.card.iter().any(|(what, value)| what == "mAP on set test" && value.ends_with('%')),
        "{:?}",
        model.card
    );
    let header = Header::new(&experiment.settings, 0.0).unwrap();
    let (whole, half) = (folder.path().join("whole.flm"), folder.path().join("half.flm"));
    let n_whole = model.write(&whole, &header, Precision::Whole).unwrap();
    let n_half = model.write(&half, &header, Precision::Half).unwrap();
    assert!(n_half < n_whole);
    let read = Model::read(&whole).unwrap();
    assert_eq!(read.classifier.coefficients(), model.classifier.coefficients());
    assert_eq!((&read.classes, &read.thresholds, &read.card), (&model.classes, &model.thresholds, &model.card));

    let path = &experiment.core.dataset.test.set.images[0].path;
    let scores = |explainer: &Explainer| -> Vec<f64> {
        let described = explainer.describe_file(path).unwrap();
        let mapped = explainer.map(&described, &[]).unwrap();
        (0..model.classes.len()).map(|class| mapped.score(class)).collect()
    };
    let expected = scores(&learned::explainer(&experiment, &keys).unwrap());
    assert_eq!(scores(&Explainer::from_model(&read).unwrap()), expected);
    for (rounded, expected) in
        scores(&Explainer::from_model(&Model::read(&half).unwrap()).unwrap()).iter().zip(&expected)
    {
        assert!((rounded - expected).abs() < 2e-3 && rounded != expected, "{rounded} {expected}");
    }

    // Damaged, cut, empty and foreign files are refused, and the message names the file.
    let bytes = std::fs::read(&half).unwrap();
    let broken = folder.path().join("broken.flm");
    for at in (0..bytes.len()).step_by(bytes.len() / 40) {
        let mut changed = bytes.clone();
        changed[at] ^= 0x55;
        std::fs::write(&broken, &changed).unwrap();
        let message = format!("{:#}", Model::read(&broken).unwrap_err());
        assert!(message.contains("broken.flm"), "byte {at}: {message}");
        std::fs::write(&broken, &bytes[..at]).unwrap();
        assert!(Model::read(&broken).is_err(), "cut after {at}");
    }
    std::fs::write(&broken, b"\x8b\xa5magic\xdb\xff\xff\xff\xff").unwrap();
    assert!(Model::read(&broken).is_err());
    let other = std::fs::read_dir(folder.path().join("artifacts")).unwrap().find_map(|stage| {
        let key = std::fs::read_dir(stage.ok()?.path()).ok()?.next()?.ok()?;
        Some(std::fs::read_dir(key.path()).ok()?.next()?.ok()?.path())
    });
    let message = format!("{:#}", Model::read(&other.unwrap()).unwrap_err());
    assert!(message.contains("expected model-v1"), "{message}");
}

#[test]
fn photographs_with_one_name_keep_their_results_and_a_bad_one_stops_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for part in ["a", "b"] {
        std::fs::create_dir(at(part)).unwrap();
        write_picture(&at(part).join("0001.png"), 1);
    }
    std::fs::write(at("bad.png"), b"no picture").unwrap();
    let out = at("out");
    let names = ["a/0001.png", "bad.png", "b/0001.png"].map(&at);
    let words =
        [&["explain", "--class", "horse", "--json", "--out", text(&out)], &names.each_ref().map(|n| text(n))[..]];
    let output = Command::new(env!("CARGO_BIN_EXE_fisherlens")).args(words.concat()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("bad.png") && said.contains("1 of 3 photographs"), "{said}");
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["photographs"].as_array().unwrap().len(), 2);
    assert!(document["failed"][0]["path"].as_str().unwrap().ends_with("bad.png"));
    let mut files: Vec<_> = std::fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    files.sort();
    let expected = ["0001-2-horse-epsilon-100-heatmap.png", "0001-2-horse-epsilon-100-overlay.png"];
    assert_eq!(files[..2], expected);
    assert_eq!(files.len(), 4);
}

#[test]
fn a_photograph_may_come_from_a_pipe() {
    let folder = tempfile::tempdir().unwrap();
    let picture = folder.path().join("picture.png");
    write_picture(&picture, 1);
    let out = folder.path().join("out");
    let mut command = Command::new(env!("CARGO_BIN_EXE_fisherlens"));
    command.args(["explain", "-", "--class", "horse", "--out", text(&out)]).stdin(File::open(&picture).unwrap());
    assert!(command.output().unwrap().status.success());
    assert!(out.join("standard-input-horse-epsilon-100-heatmap.png").is_file());
}

/// Whether this process ignores the signal 1, as its children then do too. Only Linux tells.
#[cfg(unix)]
fn ignores_hangups() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 != 0)
}

#[cfg(unix)]
#[test]
#[expect(clippy::print_stdout, reason = "the test reports what it did not run")]
fn signals_have_their_own_exit_codes_and_ignored_ones_stay_ignored() {
    let folder = tempfile::tempdir().unwrap();
    let run = |signal: &str, ignored: &str| {
        // The embedded data is drawn first, which takes seconds.
        let program = env!("CARGO_BIN_EXE_fisherlens");
        let cache = folder.path().join(format!("{signal}{ignored}"));
        let script = format!(
            "{ignored}\n'{program}' explain 2016_000001 --experiment mini >/dev/null 2>&1 & p=$!; sleep 0.4; kill -{signal} $p; wait $p"
        );
        Command::new("bash").args(["-c", &script]).env("XDG_CACHE_HOME", cache).status().unwrap().code()
    };
    assert_eq!(run("TERM", ""), Some(143));
    if ignores_hangups() {
        println!(
            "skipped: the tests were started by a program that ignores SIGHUP, such as nohup, and so does what they start"
        );
    } else {
        assert_eq!(run("HUP", ""), Some(129));
    }
    // The experiment has no stored classifiers, so the command ends with an error of its own.
    assert_eq!(run("HUP", "trap '' HUP"), Some(1));
}
