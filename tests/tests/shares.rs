//! Runs that several processes do together, and runs whose data do not fit into memory.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use fisherlens_artifact::{Header, Store, read_any};
use fisherlens_classifier::RowSource as _;
use fisherlens_experiment::agreement;
use fisherlens_experiment::dataset::Half;
use fisherlens_experiment::division::compute_share;
use fisherlens_experiment::keys::Keys;
use fisherlens_experiment::run::Run;
use fisherlens_experiment::stage::Stage;
use fisherlens_experiment::stages::{context, encode, relevance, rows, sample, scores};
use fisherlens_experiment::work::{self, Found, Piece};
use ndarray::Array2;
use serde::{Deserialize, Serialize};

use support::open;

const N_IMAGES: usize = 20;
const SMALL: [&str; 3] = ["data.shard_size=7", "evaluation.n_seeds=2", "resampling.n_repeats=1"];
const IN_SHARDS: [&str; 4] =
    ["data.shard_size=7", "evaluation.n_seeds=1", "sample.in_memory=shards", "mixture.max_n_iterations=4"];

/// Digest of the content of every artifact, without what only shared runs store.
fn digests(folder: &Path) -> BTreeMap<String, String> {
    let entries = Store::open(folder).unwrap().entries().unwrap();
    let kept = entries.iter().filter(|entry| entry.stage != "run");
    kept.map(|entry| {
        let name = format!("{}/{}/{}", entry.stage, entry.key, entry.part);
        (name, entry.payload_digest().unwrap())
    })
    .collect()
}

#[test]
fn pieces_of_work_in_any_order_give_the_same_files() {
    let folder = tempfile::tempdir().unwrap();
    let [whole, pieces] = ["whole", "pieces"].map(|name| folder.path().join(name));
    let experiment = open(&whole, Some(N_IMAGES), &SMALL);
    Run::execute(&experiment, Some(Stage::Strategies)).unwrap();

    for seed in [2016, 2017] {
        let until = if seed == 2016 { Stage::Strategies } else { Stage::Scores };
        for phase in work::phases(&open(&pieces, Some(N_IMAGES), &SMALL), until) {
            for piece in phase.pieces.iter().rev() {
                // Each piece is done by a process of its own, and every second one is done twice.
                let experiment = open(&pieces, Some(N_IMAGES), &SMALL);
                let keys = Keys::new(&experiment, seed).unwrap();
                let name = piece.to_string();
                work::run(&experiment, &keys, name.parse().unwrap()).unwrap();
                assert!(Found::new(&experiment, &keys).unwrap().has(*piece), "{piece}");
                if name.len().is_multiple_of(2) {
                    work::run(&experiment, &keys, *piece).unwrap();
                }
            }
        }
    }
    // The further seed's vectors are removed at the end, by a run that finds everything else.
    Run::execute(&open(&pieces, Some(N_IMAGES), &SMALL), Some(Stage::Strategies)).unwrap();
    assert_eq!(digests(&pieces), digests(&whole));
}

#[test]
fn seeds_side_by_side_give_the_files_of_each_seed_alone() {
    let folder = tempfile::tempdir().unwrap();
    let [together, alone] = ["together", "alone"].map(|name| folder.path().join(name));
    // More seeds than are computed side by side.
    let run = Run::execute(&open(&together, Some(N_IMAGES), &["evaluation.n_seeds=6"]), Some(Stage::Scores)).unwrap();
    assert_eq!(run.other_seeds.iter().map(|(seed, _)| *seed).collect::<Vec<_>>(), [2017, 2018, 2019, 2020, 2021]);
    for seed in [2018, 2021] {
        let settings = [format!("seed={seed}"), "evaluation.n_seeds=1".to_owned()];
        let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
        Run::execute(&open(&alone, Some(N_IMAGES), &settings), Some(Stage::Scores)).unwrap();
    }
    let together = digests(&together);
    let alone = digests(&alone);
    let n_same = alone.iter().filter(|(name, digest)| together.get(*name) == Some(digest)).count();
    // Projection and mixture of each. The samples and the vectors were removed, and classifiers are trained with the experiment's own seed.
    assert!(n_same >= 2 * 2, "{n_same}");
    let differs = |(name, digest): &(&String, &String)| together.get(*name).is_some_and(|found| found != *digest);
    assert_eq!(alone.iter().filter(differs).map(|(name, _)| name).collect::<Vec<_>>(), Vec::<&String>::new());
}

#[test]
fn shares_need_the_stages_before_them_and_report_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let experiment = open(folder.path(), Some(N_IMAGES), &["data.shard_size=7"]);
    let share = |stage: Stage, share: &str| compute_share(&experiment, stage, share.parse().unwrap(), Duration::ZERO);
    let refused = |stage: Stage, words: &[&str]| {
        let message = share(stage, "1/2").unwrap_err().to_string();
        assert!(words.iter().all(|word| message.contains(word)), "{message}");
    };
    refused(Stage::Classifier, &["--until classifier --shard 1/2", "one computation", "photographs, sample, encode"]);
    refused(Stage::Mixture, &["one computation", "sample.in_memory=shards"]);
    refused(Stage::Encode, &["sample/train-0000 and 2 more must be there first", "--until sample"]);
    share(Stage::Sample, "1/2").unwrap();
    refused(Stage::Encode, &["sample/train-0001 must be there first"]);
    share(Stage::Sample, "2/2").unwrap();
    refused(Stage::Encode, &["pca must be there first", "--until pca"]);
    Run::execute(&experiment, Some(Stage::Mixture)).unwrap();
    share(Stage::Encode, "2/3").unwrap();
    let keys = Keys::of(&experiment).unwrap();
    for (half, shard, there) in [(Half::Train, 1, true), (Half::Test, 1, true), (Half::Train, 0, false)] {
        let piece = Piece::Shard { stage: Stage::Encode, half, shard };
        assert_eq!(Found::new(&experiment, &keys).unwrap().has(piece), there, "{piece}");
    }
}

#[test]
fn a_mixture_learned_in_shards_does_not_depend_on_who_computes_the_sums() {
    let folder = tempfile::tempdir().unwrap();
    let [whole, shared, again] = ["whole", "shared", "again"].map(|name| folder.path().join(name));
    Run::execute(&open(&whole, Some(N_IMAGES), &IN_SHARDS), Some(Stage::Scores)).unwrap();

    let share = |stage: Stage, share: &str| {
        let experiment = open(&shared, Some(N_IMAGES), &IN_SHARDS);
        compute_share(&experiment, stage, share.parse().unwrap(), Duration::from_secs(120)).unwrap();
    };
    Run::execute(&open(&shared, Some(N_IMAGES), &IN_SHARDS), Some(Stage::Sample)).unwrap();
    share(Stage::Pca, "2/2");
    share(Stage::Pca, "1/2");
    Run::execute(&open(&shared, Some(N_IMAGES), &IN_SHARDS), Some(Stage::Pca)).unwrap();
    // Two processes at the same time, each of which waits for the other's sums in every step.
    thread::scope(|scope| {
        scope.spawn(|| share(Stage::Mixture, "1/2"));
        scope.spawn(|| share(Stage::Mixture, "2/2"));
    });
    Run::execute(&open(&shared, Some(N_IMAGES), &IN_SHARDS), Some(Stage::Scores)).unwrap();
    assert_eq!(digests(&shared), digests(&whole));

    // In pieces, and stopped in the middle of EM.
    let phases = work::phases(&open(&again, Some(N_IMAGES), &IN_SHARDS), Stage::Mixture);
    let end = phases.iter().position(|phase| phase.name == "mixture-sums-0002").unwrap();
    for piece in phases[..=end].iter().flat_map(|phase| &phase.pieces) {
        let experiment = open(&again, Some(N_IMAGES), &IN_SHARDS);
        work::run(&experiment, &Keys::of(&experiment).unwrap(), *piece).unwrap();
    }
    Run::execute(&open(&again, Some(N_IMAGES), &IN_SHARDS), Some(Stage::Scores)).unwrap();
    assert_eq!(digests(&again), digests(&whole));
}

#[test]
fn pieces_that_em_does_not_need_any_more_are_done() {
    let folder = tempfile::tempdir().unwrap();
    let set = [&IN_SHARDS[..3], &["mixture.max_n_iterations=8", "mixture.tolerance=0.5"]].concat();
    let experiment = open(folder.path(), Some(N_IMAGES), &set);
    let keys = Keys::of(&experiment).unwrap();
    let has = |piece: Piece| Found::new(&experiment, &keys).unwrap().has(piece);
    let step = |state: usize| Piece::MixtureStep { state };
    let mut newest = 0;
    for phase in work::phases(&experiment, Stage::Mixture) {
        newest = newest.max(Found::new(&experiment, &keys).unwrap().state().unwrap_or(0));
        for &piece in &phase.pieces {
            work::run(&experiment, &keys, piece).unwrap();
            assert!(has(piece), "{piece}");
        }
        if phase.name == "mixture-step-0000" {
            // A run that was stopped here has the rest to do.
            assert!(has(Piece::MixtureSums { state: 0, shard: 1 }) && !has(Piece::MixtureSums { state: 1, shard: 1 }));
            assert!(!has(step(1)) && !has(step(5)));
        }
    }
    assert!((1..8).contains(&newest), "EM must end before its limit, not in state {newest}");
    let names =
        fs::read_dir(folder.path().join(format!("mixture-v{}/{}", Stage::Mixture.id().format_version, keys.mixture)))
            .unwrap();
    assert_eq!(names.count(), 1, "states and sums are removed");
}

#[test]
fn a_program_with_other_formats_is_refused() {
    #[derive(Serialize, Deserialize)]
    struct Formats {
        program: String,
        versions: BTreeMap<String, u32>,
    }
    let folder = tempfile::tempdir().unwrap();
    let experiment = open(folder.path(), Some(N_IMAGES), &[]);
    agreement::check(&experiment).unwrap();
    agreement::check(&experiment).unwrap();
    let store = &experiment.core.store;
    let entry = store.entries().unwrap().into_iter().find(|entry| entry.stage == "run").unwrap();
    let address = read_any(&entry.path).unwrap().address;
    let mut formats: Formats = store.load(&address).unwrap().unwrap().value;
    *formats.versions.get_mut("encode").unwrap() += 1;
    store.save(&address, &Header::new(&experiment.core.settings, 0.0).unwrap(), &formats).unwrap();
    let message = agreement::check(&experiment).unwrap_err().to_string();
    let version = Stage::Encode.id().format_version;
    let (ours, theirs) = (format!("stores encode in format {version}"), format!("in format {}", version + 1));
    assert!(message.contains(&ours) && message.contains(&theirs), "{message}");
    assert!(message.contains(&entry.path.display().to_string()));
    let message = compute_share(&experiment, Stage::Sample, "1/2".parse().unwrap(), Duration::ZERO).unwrap_err();
    assert!(message.to_string().contains("the same program"));
    fs::remove_file(&entry.path).unwrap();
    agreement::check(&experiment).unwrap();
}

#[test]
fn vectors_of_eight_bits_and_training_in_blocks_give_nearly_the_same_scores() {
    let folder = tempfile::tempdir().unwrap();
    let scores_with = |set: &[&str]| -> (Array2<f32>, Vec<String>) {
        let experiment = open(folder.path(), Some(N_IMAGES), set);
        let keys = Keys::of(&experiment).unwrap();
        let (vectors, counts) = rows::normalized(&experiment, &keys, Half::Test).unwrap();
        let (stored, stored_counts) = rows::open(&experiment, &keys, Half::Test).unwrap();
        let mut read = Array2::zeros(vectors.dim());
        stored.read(0..vectors.nrows(), read.view_mut()).unwrap();
        assert_eq!(read, vectors);
        assert_eq!(counts, stored_counts);
        let (mut raw, _) = rows::raw(&experiment, &keys, Half::Test).unwrap();
        let layout = encode::encoder(&experiment, &keys).unwrap().layout();
        for mut row in raw.rows_mut() {
            experiment.settings.encoder.normalization.apply(row.as_slice_mut().unwrap(), &layout);
        }
        let largest = (&raw - &vectors).iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
        assert!(largest < 1e-6, "{set:?}: {largest}");
        let scores = scores::get(&experiment, &keys).unwrap();
        (scores.scores, scores.classes)
    };
    let (exact, classes) = scores_with(&[]);
    let spread = exact.iter().fold(0.0_f32, |spread, score| spread.max(score.abs()));
    for (set, share) in [
        (&["classifier.solver=blocks"][..], 0.01),
        (&["data.vectors=int8"], 0.05),
        (&["data.vectors=int8", "classifier.solver=blocks"], 0.05),
    ] {
        let (found, of) = scores_with(set);
        assert_eq!(of, classes);
        let largest = (&found - &exact).iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
        assert!(largest < share * spread, "{set:?}: {largest} of {spread}");
        assert!(largest > 0.0);
    }
    // Without the Gram matrix there are no dual coefficients, and held-out scores come from the same solver.
    let experiment = open(folder.path(), Some(N_IMAGES), &["classifier.solver=blocks"]);
    Run::execute(&experiment, Some(Stage::Calibration)).unwrap();
}

#[test]
fn heatmaps_on_a_grid_keep_the_relevance_and_nearly_the_context() {
    let folder = tempfile::tempdir().unwrap();
    let run = |set: &[&str]| {
        let experiment = open(folder.path(), Some(N_IMAGES), set);
        Run::execute(&experiment, Some(Stage::Strategies)).unwrap();
        let keys = Keys::of(&experiment).unwrap();
        let rule = experiment.settings.relevance.display_rule;
        let shard = relevance::shard(&experiment, &keys, rule, 0).unwrap();
        let contexts = context::get(&experiment, &keys).unwrap();
        let (_, contexts) = contexts.into_iter().find(|(of, _)| *of == rule).unwrap();
        (shard, contexts.of_classes())
    };
    let (each, exact) = run(&[]);
    let (grid, approximate) = run(&["relevance.grid=24"]);
    assert!(!each.targets.is_empty() && each.targets.len() == grid.targets.len());
    for (each, grid) in each.targets.iter().zip(&grid.targets) {
        assert!(grid.relevance.is_empty() && grid.grid.as_ref().unwrap().0.dim() == (24, 24));
        let (sum, of_grid) = (each.relevance.iter().sum::<f32>(), grid.pixels(&[], 100, 80).sum());
        assert!((sum - of_grid).abs() < 1e-3 * each.relevance.iter().map(|r| r.abs()).sum::<f32>(), "{sum} {of_grid}");
        assert_eq!(each.conservation, grid.conservation);
    }
    for ((class, exact), (of, approximate)) in exact.iter().zip(&approximate) {
        assert_eq!(class, of);
        let (Some(exact), Some(approximate)) = (exact.inside_share, approximate.inside_share) else { continue };
        assert!((exact - approximate).abs() < 0.05, "{exact} {approximate}");
    }
}

#[test]
fn only_chosen_images_are_sampled() {
    let folder = tempfile::tempdir().unwrap();
    let experiment = open(folder.path(), Some(N_IMAGES), &["sample.n_images=3", "sample.n_descriptors=900"]);
    Run::execute(&experiment, Some(Stage::Sample)).unwrap();
    let keys = Keys::of(&experiment).unwrap();
    let sample = sample::get(&experiment, &keys).unwrap();
    assert_eq!(sample.nrows(), 900);
    // Without the setting, images that give no descriptor are left out.
    let few = open(folder.path(), Some(N_IMAGES), &["sample.n_descriptors=40", "mixture.n_components=2"]);
    assert_eq!(sample::get(&few, &Keys::of(&few).unwrap()).unwrap().nrows(), 40);
}
