//! Tests of reading, changing, refusing and listing settings.

use std::path::Path;

use fisherlens_classifier::Loss;
use fisherlens_descriptors::{LowContrast, Window};
use fisherlens_lrp::Rule;
use fisherlens_model::{AssignmentKind, EncoderKind};

use super::*;
use crate::settings::file::{self, SettingsFile};
use crate::settings::names::names_of;
use crate::settings::sections::{DataSource, InMemory, Solver, VectorFormat};

fn changed(changes: &[&str]) -> Result<Settings> {
    let changes: Vec<String> = changes.iter().map(|change| (*change).to_owned()).collect();
    Settings::load("voc2007", &changes)
}

/// The error of `changes` must hold all `words` and name the experiment.
fn refused(changes: &[&str], words: &[&str]) {
    let message = format!("{:#}", changed(changes).unwrap_err());
    for word in words.iter().chain(&["experiment voc2007: "]) {
        assert!(message.contains(word), "{changes:?} gave {message:?}, without {word:?}");
    }
    assert!(!message.contains('\n'), "{message:?}");
}

#[test]
fn built_in_experiments_have_the_data_of_their_names() {
    let [mini, voc, val] = ["mini", "voc2007", "voc2007-val"].map(|name| Settings::load(name, &[]).unwrap());
    assert_eq!((mini.data.source, mini.data.year), (DataSource::Mini, None));
    assert_eq!((voc.data.train.as_str(), voc.data.test.as_str()), ("trainval", "test"));
    assert_eq!((val.data.train.as_str(), val.data.test.as_str()), ("train", "val"));
    // Apart from the data, the two experiments differ only in the number of seeds.
    assert_eq!(Settings { data: voc.data.clone(), evaluation: voc.evaluation.clone(), ..val }, voc);
    // These values follow from the published counts (`lapuschkin2016`).
    assert_eq!((voc.descriptors.bin_sizes.as_slice(), voc.descriptors.step), (&[4, 6, 8, 10][..], 3));
    assert_eq!((1 + 2 * voc.pca.n_components) * voc.mixture.n_components, 41_216);
    assert_eq!(voc.relevance.display_rule, Rule::Epsilon(100.0));
    assert_eq!((voc.resampling.n_replacements / voc.resampling.batch, voc.resampling.n_repeats), (100, 5));
    for settings in [mini, voc] {
        assert_eq!(settings.descriptors.low_contrast, LowContrast::Zero);
        assert_eq!(settings.resampling.n_replacements / settings.resampling.batch, 100);
    }
}

#[test]
fn settings_read_back_from_their_text_are_the_same() {
    for &(name, _) in Settings::BUILT_IN {
        let all = ["pca.from=a.npz".to_owned(), "mixture.from=b.npz".to_owned(), "classifier.from=c.npz".to_owned()];
        for changes in [&[][..], &all] {
            let settings = Settings::load(name, changes).unwrap();
            assert_eq!(Settings::parse(&toml::to_string(&settings).unwrap(), &[]).unwrap(), settings);
            let bytes = rmp_serde::to_vec_named(&settings).unwrap();
            assert_eq!(rmp_serde::from_slice::<Settings>(&bytes).unwrap(), settings);
        }
    }
}

#[test]
fn the_list_of_names_is_complete_and_in_order() {
    // Classifiers from a file are linear, so two different settings are needed to see all names.
    let of_kernel = ["classifier.kernel", "classifier.gamma"];
    for (changes, without) in [
        (
            ["classifier.kernel=rbf", "classifier.gamma=0.5"].as_slice(),
            ["classifier.from", "classifier.solver"].as_slice(),
        ),
        (&["classifier.from=c.npz", "classifier.solver=blocks"], &of_kernel),
    ] {
        let optional = [
            "data.leave_out=[\"cow\"]",
            "data.vectors=int8",
            "sample.n_images=7",
            "sample.in_memory=shards",
            "pca.from=a.npz",
            "mixture.from=b.npz",
            "relevance.grid=8",
        ];
        let settings = changed(&[&optional, changes].concat()).unwrap();
        let described: Vec<String> = settings.describe().into_iter().map(|(name, _)| name).collect();
        let names = names_of::<Settings>();
        let expected: Vec<&str> = names.iter().map(String::as_str).filter(|name| !without.contains(name)).collect();
        assert_eq!(described, expected);
    }
}

#[test]
fn every_setting_can_be_set_to_its_own_value() {
    for &(name, _) in Settings::BUILT_IN {
        let settings = Settings::load(name, &[]).unwrap();
        let changes: Vec<String> =
            settings.describe().into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(Settings::load(name, &changes).unwrap(), settings);
    }
}

#[test]
fn values_are_described_as_they_were_written() {
    let described = changed(&["mixture.tolerance=1e-6"]).unwrap().describe();
    let value = |name: &str| described.iter().find(|(known, _)| known == name).unwrap().1.as_str();
    assert_eq!(value("descriptors.contrast_threshold"), "0.005");
    assert_eq!(value("data.source"), "voc");
    assert_eq!(value("encoder.pyramid"), "[\"1x1\"]");
    assert_eq!(value("relevance.display_rule"), "epsilon=100");
    assert_eq!(value("mixture.tolerance").parse(), Ok(1e-6));
}

#[test]
fn overrides_change_the_settings() {
    let settings = changed(&[
        "seed=7",
        "descriptors.window=gaussian",
        "encoder.kind=vlad",
        "encoder.assignment=hard",
        "encoder.pyramid=[\"1x1\", \"3x1\"]",
        "classifier.c_grid=[1]",
        "classifier.loss=squared-hinge",
        "classifier.solver=blocks",
        "data.vectors=int8",
        "sample.in_memory=shards",
        "sample.n_images=50",
        "relevance.grid=24",
        "relevance.rules=[\"absolute\"]",
        "relevance.display_rule=absolute",
        "data.year=",
        "mixture.from=models/mixture.npz",
    ])
    .unwrap();
    assert_eq!((settings.seed, settings.descriptors.window), (7, Window::Gaussian));
    assert_eq!((settings.encoder.kind, settings.encoder.assignment), (EncoderKind::Vlad, AssignmentKind::Hard));
    let grids = settings.encoder.grids();
    assert_eq!((grids[1].columns, grids[1].rows), (1, 3));
    assert_eq!((settings.classifier.c_grid, settings.classifier.loss), (vec![1.0], Loss::SquaredHinge));
    assert_eq!((settings.classifier.solver, settings.data.vectors), (Some(Solver::Blocks), VectorFormat::Int8));
    assert_eq!((settings.sample.in_memory, settings.sample.n_images), (InMemory::Shards, Some(50)));
    assert_eq!(settings.relevance.grid, Some(24));
    assert_eq!((settings.relevance.display_rule, settings.data.year), (Rule::Absolute, None));
    assert_eq!(settings.mixture.from.as_deref(), Some(Path::new("models/mixture.npz")));
}

#[test]
fn a_value_of_the_wrong_kind_is_refused_and_the_allowed_values_are_named() {
    refused(&["data.vectors=int4"], &["data.vectors: ", "`int4`", "`f32` or `int8`"]);
    refused(&["sample.n_images=0"], &["sample.n_images = 0", "at least 1"]);
    refused(&["relevance.grid=0"], &["relevance.grid = 0", "at least 1"]);
    refused(&["classifier.solver=blocks", "classifier.kernel=rbf"], &["classifier.solver", "linear"]);
    refused(&["descriptors.window=round"], &["descriptors.window: ", "`round`", "`flat` or `gaussian`"]);
    refused(&["encoder.parts=[\"means\", \"x\"]"], &["encoder.parts: ", "`x`", "`weights`, `means`, `variances`"]);
    refused(&["encoder.pyramid=[\"1y1\"]"], &["encoder.pyramid: ", "\"1y1\"", "\"3x1\" (three bands"]);
    refused(&["relevance.rules=[\"beta\"]"], &["relevance.rules: ", "\"beta\"", "\"naive\", \"absolute\""]);
    refused(&["data.difficult=drop"], &["data.difficult: ", "`ignore` or `negative`"]);
    refused(&["descriptors.step=-1"], &["descriptors.step: ", "`-1`", "a whole number of at least 0"]);
    refused(&["descriptors.step=2.5"], &["descriptors.step: ", "`2.5`", "a whole number"]);
    refused(&["descriptors.bin_sizes=4"], &["descriptors.bin_sizes: ", "`4`", "a list"]);
    refused(&["data.year=70000"], &["data.year: ", "`70000`", "to 65535"]);
    refused(&["mixture.tolerance=small"], &["mixture.tolerance: ", "\"small\"", "a number"]);
    refused(&["seed=-1"], &["seed: ", "`-1`"]);
    refused(&["mixture.sigma=1"], &["no setting is called \"mixture.sigma\""]);
}

#[test]
fn wrong_settings_of_strategies_are_refused() {
    refused(&["strategies.grid=0"], &["strategies.grid = 0"]);
    refused(&["strategies.n_neighbours=[]"], &["strategies.n_neighbours is empty"]);
    refused(&["strategies.n_neighbours=[5, 5]"], &["strategies.n_neighbours has 5 twice"]);
    refused(&["strategies.n_clusters=[1]"], &["strategies.n_clusters = 1: expected at least 2"]);
    refused(&["strategies.tag_corner=left"], &["strategies.tag_corner: ", "`left`", "`lower-left`"]);
    refused(&["strategies.tag_size=[0.6, 0.2]"], &["strategies.tag_size has 0.6", "at most 0.5"]);
    refused(&["strategies.images=all"], &["strategies.images: ", "`true-positives` or `positives`"]);
    refused(&["strategies.n_changed=0"], &["strategies.n_changed = 0"]);
    assert_eq!(changed(&["strategies.tag_owner="]).unwrap().strategies.tag_owner, None);
}

#[test]
fn settings_that_cannot_be_learned_are_refused_before_anything_is_computed() {
    refused(&["data.source=mini"], &["data.year = 2007", "only data.source = \"voc\""]);
    refused(&["data.train="], &["data.train is empty"]);
    refused(&["data.train=test"], &["both \"test\""]);
    refused(&["data.shard_size=0"], &["data.shard_size = 0: expected at least 1"]);
    refused(&["descriptors.bin_sizes=[]"], &["descriptors.bin_sizes is empty"]);
    refused(&["descriptors.bin_sizes=[4, 0]"], &["descriptors.bin_sizes = 0"]);
    refused(&["descriptors.step=0"], &["descriptors.step = 0"]);
    refused(&["descriptors.contrast_threshold=nan"], &["descriptors.contrast_threshold = NaN"]);
    refused(&["sample.n_descriptors=0"], &["sample.n_descriptors = 0"]);
    refused(&["sample.n_descriptors=200"], &["expected at least mixture.n_components = 256"]);
    refused(&["sample.n_descriptors=70", "mixture.n_components=2"], &["more than pca.n_components = 80"]);
    refused(&["pca.n_components=129"], &["pca.n_components = 129: expected 1 to 128"]);
    refused(&["mixture.init_n_samples=255"], &["mixture.init_n_samples = 255"]);
    refused(&["mixture.n_components=0"], &["mixture.n_components = 0"]);
    refused(&["mixture.max_n_iterations=0"], &["mixture.max_n_iterations = 0"]);
    refused(&["mixture.tolerance=-1"], &["mixture.tolerance = -1"]);
    refused(&["mixture.variance_floor=inf"], &["mixture.variance_floor = inf"]);
    refused(&["mixture.posterior_floor=1"], &["mixture.posterior_floor = 1"]);
}

#[test]
fn settings_that_later_stages_cannot_use_are_refused_before_anything_is_computed() {
    refused(&["encoder.posterior_floor=-0.5"], &["encoder.posterior_floor = -0.5"]);
    refused(&["encoder.parts=[]"], &["encoder.parts is empty"]);
    refused(&["encoder.parts=[\"means\", \"means\"]"], &["each part once"]);
    refused(&["encoder.assignment=hard"], &["encoder.assignment = \"hard\"", "\"vlad\""]);
    refused(&["encoder.pyramid=[]"], &["encoder.pyramid is empty"]);
    refused(&["encoder.pyramid=[\"2x2\", \"2x2\"]"], &["encoder.pyramid has 2x2 twice"]);
    refused(&["classifier.c_grid=[]"], &["classifier.c_grid is empty"]);
    refused(&["classifier.c_grid=[0]"], &["classifier.c_grid has 0"]);
    refused(&["classifier.c_grid=[1, 1.0]"], &["classifier.c_grid has 1 twice"]);
    refused(&["classifier.n_folds=1"], &["classifier.n_folds = 1: expected at least 2"]);
    refused(&["classifier.tolerance=0"], &["classifier.tolerance = 0"]);
    refused(&["classifier.max_n_epochs=0"], &["classifier.max_n_epochs = 0"]);
    refused(&["relevance.rules=[]"], &["relevance.rules is empty"]);
    refused(&["relevance.rules=[\"naive\", \"naive\"]"], &["relevance.rules has naive twice"]);
    refused(&["relevance.display_rule=epsilon=99"], &["\"epsilon=99\"", "naive, epsilon=100, absolute"]);
    refused(&["resampling.batch=0"], &["resampling.batch = 0"]);
    refused(&["resampling.batch=3"], &["n_replacements = 10000", "a multiple of resampling.batch = 3"]);
    refused(&["resampling.n_replacements=0"], &["resampling.n_replacements = 0"]);
    refused(&["resampling.n_repeats=0"], &["resampling.n_repeats = 0"]);
    refused(&["evaluation.n_bootstrap=0"], &["evaluation.n_bootstrap = 0"]);
    refused(&["evaluation.n_seeds=0"], &["evaluation.n_seeds = 0"]);
}

#[test]
fn models_from_files_do_not_need_a_large_enough_sample() {
    changed(&["sample.n_descriptors=100", "mixture.from=m.npz"]).unwrap();
    changed(&["classifier.n_folds=1", "classifier.c_grid=[1]"]).unwrap();
    changed(&["mixture.init=random", "mixture.init_n_samples=1"]).unwrap();
}

#[test]
fn files_are_read_and_named_in_errors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.toml");
    let name = path.to_str().unwrap();
    let text = Settings::BUILT_IN[0].1;
    std::fs::write(&path, text).unwrap();
    assert_eq!(Settings::load(name, &[]).unwrap(), Settings::load("mini", &[]).unwrap());
    for (damaged, words) in [
        (text.replace("step = 3", "stepp = 3"), "descriptors: unknown field `stepp`, expected one of `kind`"),
        (text.replace("step = 3", ""), "descriptors: missing field `step`"),
        (text.replace("seed = 2016", ""), "the settings: missing field `seed`"),
        (text.replace("[sample]", "[samples]"), "unknown field `samples`, expected one of `seed`, `data`"),
        (text.replace("step = 3", "step 3"), "the text is not TOML"),
    ] {
        std::fs::write(&path, damaged).unwrap();
        let message = format!("{:#}", Settings::load(name, &[]).unwrap_err());
        assert!(message.contains(name) && message.contains(words), "{message}");
    }
    let message = format!("{:#}", Settings::load("missing.toml", &[]).unwrap_err());
    assert!(message.contains("cannot read the settings file missing.toml"), "{message}");
    let message = format!("{:#}", Settings::load("voc2012", &[]).unwrap_err());
    assert!(message.contains("\"voc2012\"; expected one of mini, voc2007, voc2007-val, paper, fast"), "{message}");
}

#[test]
fn an_empty_value_removes_an_optional_setting() {
    assert_eq!(changed(&["data.year="]).unwrap().data.year, None);
    assert_eq!(changed(&["pca.from=a.npz", "pca.from="]).unwrap().pca.from, None);
    // A setting that is required and may be an empty text becomes one.
    assert_eq!(changed(&["strategies.paste_on="]).unwrap().strategies.paste_on, "");
    refused(&["mixture.n_components="], &["mixture.n_components", "whole number"]);
}

#[test]
fn every_number_has_bounds_that_are_checked_before_work_starts() {
    extremes_are_refused::<Settings>();
    #[cfg(feature = "cnn")]
    extremes_are_refused::<crate::networks::settings::NetworkSettings>();
}

fn extremes_are_refused<S: SettingsFile>() {
    for &(experiment, text) in S::BUILT_IN {
        let table: toml::Table = text.parse().unwrap();
        for name in names_of::<S>() {
            let (section, field) = name.split_once('.').unwrap_or(("", &name));
            let value = if section.is_empty() { table.get(field) } else { table[section].get(field) };
            let is_list = match value {
                Some(toml::Value::Integer(_)) => false,
                Some(toml::Value::Array(values)) if values.iter().all(toml::Value::is_integer) => true,
                _ => continue,
            };
            for extreme in ["9000000000000", "-1", "9223372036854775807"] {
                let extreme = if is_list { format!("{name}=[{extreme}]") } else { format!("{name}={extreme}") };
                let loaded = file::load::<S>(experiment, std::slice::from_ref(&extreme));
                let may_be_large = name == "seed" && !extreme.contains("=-");
                assert_eq!(loaded.is_ok(), may_be_large, "{extreme}: {:?}", loaded.err());
                if let Err(error) = loaded {
                    assert!(format!("{error:#}").contains(field), "{extreme}: {error:#}");
                }
            }
        }
    }
}

#[test]
fn values_that_a_later_stage_would_refuse_are_refused_at_the_start() {
    refused(&["mixture.variance_floor=1e30"], &["mixture.variance_floor"]);
    refused(&["mixture.posterior_floor=0.999"], &["mixture.posterior_floor", "one over mixture.n_components"]);
    refused(&["pixels.side=1001"], &["pixels.side", "1000"]);
    refused(&["pca.from=a.npz", "pca.whitening=on"], &["pca.whitening", "pca.from"]);
}

#[test]
fn a_long_change_is_cut_in_messages() {
    let error = Settings::load("mini", &[format!("{}=1", "x".repeat(1_000_000))]).unwrap_err();
    assert!(format!("{error:#}").chars().count() < 1000);
}
