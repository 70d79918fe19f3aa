//! Calls the program as a user does: right and wrong arguments, bad files, Ctrl-C.

mod support;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use approx::assert_abs_diff_eq;
use fisherlens_experiment::stage::Stage;
use ndarray::{Array1, Array2, Array3};
use ndarray_npy::NpzReader;

use support::{fail, succeed, text, xtask};

/// Settings with which all stages together take seconds.
const SMALL: [&str; 12] = [
    "--limit",
    "24",
    "--set",
    "data.shard_size=6",
    "--set",
    "sample.n_descriptors=12000",
    "--set",
    "pca.n_components=24",
    "--set",
    "mixture.n_components=8",
    "--set",
    "mixture.max_n_iterations=3",
];

/// The folder of a run up to its scores, which is computed once for all tests.
fn artifacts() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("command_line");
        let _ = std::fs::remove_dir_all(&folder);
        succeed(&[
            &["reproduce", "--until", "scores", "--artifacts", text(&folder), "--report", text(&folder)],
            &SMALL[..],
        ]);
        folder
    })
}

#[test]
fn wrong_arguments_are_refused_with_a_helpful_message() {
    fail(&[&["reproduce", "voc"]], &["\"voc\"", "mini", "voc2007-val", ".toml"]);
    fail(&[&["reproduce", "nowhere.toml"]], &["nowhere.toml"]);
    fail(&[&["reproduce", "voc2007"]], &["--voc DIR"]);
    fail(&[&["reproduce", "--voc", "/nowhere/VOCdevkit"]], &["/nowhere/VOCdevkit"]);
    fail(&[&["reproduce", "mini", "--voc", "/nowhere"]], &["no --voc"]);
    fail(&[&["reproduce", "--set", "mixture.n_component=3"]], &["mixture.n_component", "n_components"]);
    fail(&[&["reproduce", "--set", "mixture.n_components=many"]], &["mixture.n_components", "many"]);
    fail(&[&["reproduce", "--set", "mixture.n_components"]], &["mixture.n_components"]);
    fail(&[&["reproduce", "--set", "pca.from=/nowhere.npz", "--until", "pca"]], &["/nowhere.npz"]);
    fail(&[&["reproduce", "--until", "end"]], &["end", "scores"]);
    fail(&[&["reproduce", "--weights", "x.caffemodel"]], &["--weights", "voc2007-cnn"]);
    fail(&[&["reproduce", "--limit", "0"]], &["--limit"]);
    fail(&[&["explain"]], &["IMAGE"]);
    fail(&[&["export", "everything", "--out", "x.npz"]], &["everything", "mixture"]);
}

#[test]
fn missing_images_are_refused_or_counted() {
    // Any run draws the embedded devkit. A copy with few of its images serves as the devkit of a user.
    artifacts();
    let drawn = Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/mini/VOC2016");
    let folder = tempfile::tempdir().unwrap();
    let devkit = folder.path().join("VOC2016");
    for part in ["JPEGImages", "Annotations", "ImageSets/Main"] {
        std::fs::create_dir_all(devkit.join(part)).unwrap();
    }
    for set in ["train", "test"] {
        let list = std::fs::read_to_string(drawn.join(format!("ImageSets/Main/{set}.txt"))).unwrap();
        let ids: Vec<&str> = list.lines().take(12).collect();
        std::fs::write(devkit.join(format!("ImageSets/Main/{set}.txt")), ids.join("\n")).unwrap();
        let knots = std::fs::read_to_string(drawn.join(format!("ImageSets/Main/knot_{set}.txt"))).unwrap();
        let knots: Vec<&str> = knots.lines().take(12).collect();
        std::fs::write(devkit.join(format!("ImageSets/Main/knot_{set}.txt")), knots.join("\n")).unwrap();
        for (index, id) in ids.iter().enumerate() {
            if index != 4 {
                let image = format!("JPEGImages/{id}.png");
                std::fs::copy(drawn.join(&image), devkit.join(&image)).unwrap();
            }
            let annotation = format!("Annotations/{id}.xml");
            std::fs::copy(drawn.join(&annotation), devkit.join(&annotation)).unwrap();
        }
    }
    let out = text(folder.path()).to_owned() + "/out";
    let words = [
        &["reproduce", "voc2007-val", "--voc", text(folder.path()), "--artifacts", &out, "--report", &out],
        &[
            "--set",
            "data.year=2016",
            "--set",
            "data.test=test",
            "--set",
            "evaluation.n_seeds=1",
            "--set",
            "classifier.c_grid=[1.0]",
            "--until",
            "scores",
        ][..],
        &SMALL[2..],
    ]
    .concat();
    fail(&[&words], &["train.txt, line 5", "2016_000009", "--allow-missing"]);
    let output = xtask(&[&words[..], &["--allow-missing"]].concat());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("2 missing images skipped"), "{said}");
    fail(&[&words, &["--allow-missing", "--set", "data.test=night"]], &["no image set \"night\"", "data.test"]);
}

#[test]
fn explain_writes_pictures_or_refuses_with_a_message() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("explained");
    let common =
        [&["--experiment", "mini", "--artifacts", text(artifacts()), "--out", text(&out)], &SMALL[..]].concat();
    let said = succeed(&[&["explain", "2016_000002", "--class", "knot", "--rule", "absolute"], &common]);
    assert!(said.contains("score of knot") && said.contains("pixels"), "{said}");
    for kind in ["heatmap", "overlay"] {
        let bytes = std::fs::read(out.join(format!("2016_000002-knot-absolute-{kind}.png"))).unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        assert_eq!((info.width, info.height), (240, 180));
        assert!(pixels.iter().any(|&byte| byte != pixels[0]));
    }
    fail(&[&["explain", "2016_000002", "--class", "horse"], &common], &["horse", "burr", "knot"]);
    fail(&[&["explain", "2016_000002", "--class", "knot", "--rule", "gamma"], &common], &["gamma", "epsilon"]);
    fail(&[&["explain", "nothing.jpg", "--class", "knot"], &common], &["nothing.jpg"]);
    fail(&[&["explain", "2016_000002", "--color-map", "jet"], &common], &["jet", "black-fire"]);
    fail(&[&["explain", "2016_000002", "--opacity", "2"], &common], &["\"2\"", "0 to 1"]);
    // A model that is not stored is not learned by `explain`.
    let other = ["--set", "mixture.n_components=9"];
    fail(&[&["explain", "2016_000002", "--class", "knot"], &common, &other], &["reproduce mini --until classifier"]);

    // The message names each bad file. A good file before it is still explained.
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let dot = {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, 1, 1);
        encoder.set_color(png::ColorType::Rgb);
        encoder.write_header().unwrap().write_image_data(&[1, 2, 3]).unwrap();
        bytes
    };
    let jpeg = include_bytes!("truncated.jpg");
    for (name, bytes) in
        [("cut.jpg", &jpeg[..]), ("none.png", b"\x89PNG\r\n\x1a\nno"), ("words.jpg", b"words"), ("empty.png", b"")]
    {
        let path = file(name, bytes);
        fail(&[&["explain", text(&path), "--class", "knot"], &common], &[name]);
    }
    let path = file("dot.png", &dot);
    fail(&[&["explain", "2016_000002", text(&path), "--class", "fan"], &common], &["dot.png", "1 × 1", "too small"]);
    assert!(out.join("2016_000002-fan-epsilon-21-overlay.png").exists());
}

#[test]
fn conservation_prints_a_row_for_every_encoder_kernel_and_rule() {
    let common = [&["--artifacts", text(artifacts()), "--n-train", "16"], &SMALL[..]].concat();
    let said = succeed(&[&["conservation", "2016_000002"], &common]);
    let rows: Vec<&str> = said.lines().skip(2).filter(|line| !line.is_empty()).collect();
    // Two encoders have two kernels each, two bags of words have four kernels each, and each kernel has three rules.
    assert_eq!(rows.len(), (2 * 2 + 2 * 4) * 3, "{said}");
    for row in rows {
        let cells: Vec<&str> = row.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
        let number = |index: usize| cells[index].parse::<f64>().unwrap();
        // The lost or added relevance equals the predictions of the Taylor expansion and of the rule, up to rounding.
        assert!((number(3) - number(4)).abs() <= 0.02 && (number(5) - number(6)).abs() <= 0.02, "{row}");
        assert!(number(7) == 0.0 && number(8) < 0.05, "{row}");
        let is_exact = ["linear", "histogram-intersection"].contains(&cells[1]);
        assert!(!is_exact || number(4) == 0.0, "{row}");
        assert_eq!(cells[2].starts_with("epsilon"), number(6) != 0.0, "{row}");
    }
    fail(&[&["conservation", "nothing.jpg"], &common], &["nothing.jpg"]);
    fail(&[&["conservation", "--n-train", "1"], &common[2..]], &["n-train"]);
}

#[test]
fn exports_fit_together() {
    let folder = tempfile::tempdir().unwrap();
    let common = [&["--artifacts", text(artifacts())], &SMALL[..]].concat();
    let export = |words: &[&str]| {
        let out = folder.path().join("out.npz");
        succeed(&[&["export"], words, &["--out", text(&out)], &common]);
        NpzReader::new(File::open(&out).unwrap()).unwrap()
    };
    let matrix = |file: &mut NpzReader<File>, name: &str| -> Array2<f32> { file.by_name(name).unwrap() };
    let vector = |file: &mut NpzReader<File>, name: &str| -> Array1<f32> { file.by_name(name).unwrap() };

    let mut mixture = export(&["mixture"]);
    assert_eq!(vector(&mut mixture, "weights").len(), 8);
    assert_eq!(matrix(&mut mixture, "variances").dim(), matrix(&mut mixture, "means").dim());

    // Projected descriptors are descriptors minus the mean, times the components.
    let mut pca = export(&["pca"]);
    let mut described = export(&["descriptors", "2016_000002"]);
    let descriptors = matrix(&mut described, "descriptors");
    let projected = (&descriptors - &vector(&mut pca, "mean")).dot(&matrix(&mut pca, "components").t());
    assert_abs_diff_eq!(projected, matrix(&mut described, "projected"), epsilon = 1e-4);
    let bin_sizes: Array1<u32> = described.by_name("bin_size").unwrap();
    assert_eq!((bin_sizes[0], bin_sizes[bin_sizes.len() - 1]), (4, 10));
    assert_eq!(vector(&mut described, "norm").len(), descriptors.nrows());
    assert_eq!((vector(&mut described, "x")[0], vector(&mut described, "y")[0]), (15.0, 15.0));

    // Scores are normalised vectors times coefficients, plus the bias.
    let mut classifier = export(&["classifier"]);
    let (coefficients, bias) = (matrix(&mut classifier, "coefficients"), vector(&mut classifier, "bias"));
    for set in ["test", "train"] {
        let mut encoded = export(&["fisher-vectors", set]);
        let mut vectors = matrix(&mut encoded, "vectors").mapv(|value| value.signum() * value.abs().sqrt());
        assert_eq!(vectors.dim(), (24, 8 * (1 + 2 * 24)));
        for mut row in vectors.rows_mut() {
            let length = row.dot(&row).sqrt();
            row /= length;
        }
        let counts: Array1<u32> = encoded.by_name("n_descriptors").unwrap();
        assert_eq!(counts[0] as usize, descriptors.nrows());
        let mut scored = export(&["scores", set]);
        let scores = matrix(&mut scored, "scores");
        assert_abs_diff_eq!(vectors.dot(&coefficients.t()) + &bias, scores, epsilon = 1e-4);
        let labels: Array2<i8> = scored.by_name("labels").unwrap();
        assert_eq!(labels.dim(), scores.dim());
        if set == "train" {
            // The dual view gives the same coefficients.
            let alphas = matrix(&mut classifier, "alphas");
            assert_abs_diff_eq!(alphas.dot(&vectors), coefficients, epsilon = 1e-3);
        }
    }

    // Relevance sums to the score, from dimensions over descriptors to pixels.
    let mut relevance = export(&["relevance", "2016_000002", "--class", "knot", "--rule", "naive"]);
    let score: Array1<f64> = relevance.by_name("score").unwrap();
    let dimensions: Array1<f64> = relevance.by_name("dimensions").unwrap();
    let wide = |values: ndarray::ArrayD<f32>| values.iter().map(|&value| f64::from(value)).sum::<f64>();
    let of_descriptors = wide(vector(&mut relevance, "descriptors").into_dyn());
    let pixels = matrix(&mut relevance, "pixels");
    assert_eq!(pixels.dim(), (180, 240));
    for sum in [dimensions.sum(), of_descriptors, wide(pixels.into_dyn())] {
        assert_abs_diff_eq!(sum, score[0], epsilon = 1e-4 * score[0].abs().max(1.0));
    }
    // Every target has one trace per repeat. Traces start at the score minus the threshold.
    let mut traces = export(&["traces", "naive:least"]);
    let one: Array3<f32> = traces.by_name("naive:least").unwrap();
    let (start, class): (Array1<f64>, Array1<u32>) =
        (traces.by_name("start").unwrap(), traces.by_name("class").unwrap());
    assert_eq!((one.dim().0, one.dim().2), (start.len(), 100));
    assert!(start.iter().all(|&start| start > 0.0) && class.iter().all(|&class| class < 7));
    let out = text(folder.path()).to_owned() + "/wrong.npz";
    fail(&[&["export", "traces", "gradient", "--out", &out], &common], &["gradient", "contrast"]);
    fail(
        &[&["export", "traces", "naive:least:mean", "--out", &out], &common],
        &["naive:least:mean", "expected one of naive"],
    );
    fail(&[&["export", "scores", "night", "--out", &out], &common], &["night", "test"]);
    fail(&[&["export", "relevance", "2016_000002", "--out", &out], &common], &["--class"]);
    fail(&[&["export", "descriptors", "--out", &out], &common], &["an argument is missing"]);
    fail(&[&["export", "pca", "--out", "/nowhere/pca.npz"], &common], &["/nowhere/pca.npz"]);
    assert!(!Path::new(&out).exists(), "a failed export leaves no file");
}

#[test]
fn status_lists_and_clean_removes() {
    let folder = tempfile::tempdir().unwrap();
    let artifacts = text(folder.path());
    succeed(&[&["reproduce", "--until", "pca", "--artifacts", artifacts, "--report", artifacts], &SMALL[..]]);
    let said = succeed(&[&["status", "--artifacts", artifacts]]);
    assert!(said.contains("sample") && said.contains("pca") && !said.contains("mixture"), "{said}");
    succeed(&[&["clean", "--stage", "pca", "--artifacts", artifacts]]);
    let said = succeed(&[&["status", "--artifacts", artifacts]]);
    assert!(said.contains("sample") && !said.contains("pca"), "{said}");
    assert!(succeed(&[&["clean", "--artifacts", artifacts]]).contains("removed"));
    assert!(!succeed(&[&["status", "--artifacts", artifacts]]).contains("sample"));
}

#[cfg(unix)]
#[test]
fn ctrl_c_stops_with_a_message_and_the_same_command_continues() {
    let folder = tempfile::tempdir().unwrap();
    let artifacts = text(folder.path());
    let words = [
        &["reproduce", "--until", "encode", "--artifacts", artifacts, "--report", artifacts, "--limit", "200"],
        &SMALL[2..],
    ]
    .concat();
    let mut child =
        Command::new(env!("CARGO_BIN_EXE_xtask")).args(&words).stderr(std::process::Stdio::piped()).spawn().unwrap();
    // Wait until the first vectors are stored.
    let stage = format!("encode-v{}", Stage::Encode.id().format_version);
    let encoded = || std::fs::read_dir(folder.path().join(&stage)).map_or(0, Iterator::count) > 0;
    while !encoded() {
        assert!(child.try_wait().unwrap().is_none(), "the program ended before it could be stopped");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(said.contains("the same command continues from there"), "{said}");
    let said = xtask(&words);
    let said = String::from_utf8_lossy(&said.stderr);
    assert!(!said.contains("sample  "), "the sample was drawn again: {said}");
}
