//! The whole experiment in a small form: every stage, stored results, threads, a stop on request, and damaged files.

mod support;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::time::SystemTime;

use fisherlens_artifact::Store;
use fisherlens_experiment::experiment::Experiment;
use fisherlens_experiment::interrupt::Interrupted;
use fisherlens_experiment::keys::Keys;
use fisherlens_experiment::run::Run;
use fisherlens_experiment::series::{Ranking, Series};
use fisherlens_experiment::stage::Stage;
use fisherlens_experiment::stages::{calibration, context, learned, pixels, relevance, resampling, scores, strategies};
use fisherlens_experiment::summary;
use fisherlens_lrp::Rule;

use support::open;

const N_IMAGES: usize = 40;

/// Every file with its bytes and the time at which it was written.
fn files(folder: &Path) -> BTreeMap<String, (Vec<u8>, SystemTime)> {
    let store = Store::open(folder).unwrap();
    let entries = store.entries().unwrap();
    let of = |path: &Path| (std::fs::read(path).unwrap(), path.metadata().unwrap().modified().unwrap());
    entries.iter().map(|entry| (entry.path.display().to_string(), of(&entry.path))).collect()
}

/// Heatmaps and traces of all shards, as text.
fn explained(experiment: &Experiment) -> String {
    let keys = Keys::of(experiment).unwrap();
    let mut text = String::new();
    for shard in 0..experiment.core.dataset.test.shards(experiment.core.shard_size).len() {
        for &rule in &experiment.settings.relevance.rules {
            let found = relevance::shard(experiment, &keys, rule, shard).unwrap();
            writeln!(text, "{rule} {shard} {found:?}").unwrap();
        }
    }
    for series in resampling::all_series(&experiment.settings) {
        writeln!(text, "{series} {:?}", resampling::all(experiment, &keys, series).unwrap()).unwrap();
    }
    text
}

#[test]
fn heatmaps_and_traces_in_one_pass_are_those_of_two_passes() {
    let folder = tempfile::tempdir().unwrap();
    // The traces also need an order by a rule that has no heatmaps.
    let set = ["relevance.rules=[\"epsilon=100\", \"absolute\"]", "relevance.display_rule=\"epsilon=100\""];
    let set = [set.as_slice(), &["resampling.rules=[\"epsilon=100\", \"absolute\", \"naive\"]"]].concat();
    let artifacts = folder.path().join("one");
    let one = open(&artifacts, Some(20), &set);
    let run = Run::execute_only(&one, &[Stage::Relevance, Stage::Resampling]).unwrap();
    assert!(run.stages.iter().all(|(_, seconds)| *seconds > 0.0), "both stages took time: {:?}", run.stages);
    let expected = explained(&one);
    let two = open(&folder.path().join("two"), Some(20), &set);
    Run::execute_only(&two, &[Stage::Relevance]).unwrap();
    Run::execute_only(&two, &[Stage::Resampling]).unwrap();
    assert_eq!(explained(&two), expected);
    // A shard that is missing in one of the stages only.
    let files = files(&artifacts);
    let of = |stage: &str| files.keys().find(|path| path.contains(&format!("/{stage}-v"))).unwrap().clone();
    for stage in ["relevance", "resampling"] {
        std::fs::remove_file(of(stage)).unwrap();
        Run::execute_only(&one, &[Stage::Relevance, Stage::Resampling]).unwrap();
        assert_eq!(explained(&one), expected, "{stage}");
    }
}

#[test]
fn every_stage_runs_once_and_its_results_make_sense() {
    let folder = tempfile::tempdir().unwrap();
    let artifacts = folder.path().join("artifacts");
    let experiment = open(&artifacts, Some(N_IMAGES), &[]);
    let run = Run::execute(&experiment, None).unwrap();
    assert_eq!(run.stages.len(), Stage::ALL.len() - 1);

    let scores = scores::get(&experiment, &run.keys).unwrap();
    assert_eq!(scores.scores.dim(), (N_IMAGES, experiment.core.dataset.classes().len()));
    assert!(scores.n_descriptors.iter().all(|&n| n == scores.n_descriptors[0] && n > 14_000));
    let targets = relevance::targets(&experiment, &run.keys).unwrap();
    let n_targets: usize = targets.iter().map(Vec::len).sum();
    assert!(n_targets > 10, "{n_targets}");

    // Each training image has a score by classifiers that have not seen it, and every class a sigmoid that rises with the score.
    let calibration = calibration::get(&experiment, &run.keys).unwrap();
    let held_out = calibration.held_out.as_ref().unwrap();
    assert_eq!(held_out.scores.scores.dim(), (N_IMAGES, experiment.core.dataset.classes().len()));
    assert_eq!(held_out.scores.ids[0], experiment.core.dataset.train.set.images[0].id);
    for class in 0..experiment.core.dataset.classes().len() {
        let [low, high] = [-5.0, 5.0].map(|score| calibration.probability(class, score).unwrap());
        assert!(0.0 < low && low <= high && high < 1.0, "class {class}: {low} {high}");
    }
    let model = learned::model(&experiment, &run.keys).unwrap();
    assert_eq!(model.probability(0, 0.5), calibration.probability(0, 0.5));

    // Conservation over all heatmaps: the rules naive and absolute keep all relevance, and epsilon loses the predicted amount.
    for &rule in &experiment.settings.relevance.rules {
        let measured = relevance::conservation(&experiment, &run.keys, rule).unwrap();
        assert_eq!(measured.len(), n_targets);
        for conservation in measured {
            assert!(conservation.largest_relative_gap() < 1e-5, "{rule}: {conservation:?}");
            assert_eq!(matches!(rule, Rule::Epsilon(_)), conservation.predicted_leak != 0.0);
        }
    }
    for series in resampling::all_series(&experiment.settings) {
        let traces = resampling::all(&experiment, &run.keys, series).unwrap();
        assert_eq!(traces.len(), n_targets);
        for target in &traces {
            assert_eq!(target.traces.len(), 1);
            assert_eq!(target.traces[0].scores.len(), 100, "points of measurement");
            assert!(target.traces[0].start > 0.0, "a true positive lies above the threshold");
        }
    }
    // All orders start at the same score, and the score falls faster if the most relevant descriptors are replaced first.
    let first = |series| resampling::all(&experiment, &run.keys, series).unwrap().remove(0).traces.remove(0);
    let display = Series::of(Ranking::Rule(experiment.settings.relevance.display_rule));
    assert_eq!(first(Series::of(Ranking::Random)).start, first(display).start);
    assert!(first(display).scores[99] < first(display.least_first()).scores[99]);

    let pixels = pixels::get(&experiment, &run.keys).unwrap();
    let (settings, n_rankings) = (&experiment.settings, resampling::compared_rankings(&experiment.settings).len());
    assert!(pixels.targets.len() > settings.pixels.fills.len() * n_rankings);
    for target in &pixels.targets {
        assert_eq!(target.trace.scores.len(), settings.pixels.n_regions / settings.pixels.batch);
        assert!(target.trace.start > 0.0 && target.touched > 0.01 && target.touched < 1.0, "{target:?}");
    }
    assert_eq!(context::get(&experiment, &run.keys).unwrap().len(), experiment.settings.relevance.rules.len());

    let data = summary::collect(&experiment, &run).unwrap();
    let reliability = data.calibration.as_ref().unwrap();
    let n_pairs = scores.labels.iter().filter(|label| **label != 0).count();
    assert_eq!(reliability.bins.iter().map(|bin| bin.n).sum::<usize>(), n_pairs);
    assert!(!data.mistakes.is_empty() && data.mistakes.iter().all(|mistake| !mistake.labels.contains(&mistake.class)));
    let found = &data.strategies[0];
    assert_eq!((data.strategies.len(), found.class.as_str()), (1, "knot"));
    assert_eq!(found.clusters.iter().map(|cluster| cluster.ids.len()).sum::<usize>(), found.n_heatmaps);
    assert!(found.clusters.iter().all(|cluster| !cluster.examples.is_empty() && cluster.examples.len() <= 8));
    assert!(found.tables.iter().all(|table| table.rows.iter().all(|row| row.len() == table.columns.len())));
    let page = fisherlens_report::write(&data, &folder.path().join("report")).unwrap();
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.contains("data:image/png;base64,") && page.contains("<svg"));

    // A second run writes nothing.
    let before = files(&artifacts);
    Run::execute(&open(&artifacts, Some(N_IMAGES), &[]), None).unwrap();
    assert_eq!(before, files(&artifacts));
    // Another setting has its own files, and the old files stay.
    Run::execute(&open(&artifacts, Some(N_IMAGES), &["classifier.c_grid=[3.0]"]), Some(Stage::Scores)).unwrap();
    let after = files(&artifacts);
    assert!(before.iter().all(|(name, file)| after.get(name) == Some(file)));
    assert_eq!(after.len(), before.len() + 2, "a classifier and its scores");
}

#[test]
fn the_number_of_threads_does_not_change_the_results() {
    let run = |n_threads: usize| {
        let folder = tempfile::tempdir().unwrap();
        let experiment = open(folder.path(), Some(24), &["relevance.rules=[\"epsilon=21\"]"]);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().unwrap();
        pool.install(|| {
            let run = Run::execute(&experiment, Some(Stage::Strategies)).unwrap();
            let rule = experiment.settings.relevance.display_rule;
            let shard = relevance::shard(&experiment, &run.keys, rule, 0).unwrap();
            let relevance: Vec<Vec<f32>> = shard.targets.into_iter().map(|target| target.relevance).collect();
            let traces = resampling::all(&experiment, &run.keys, Series::of(Ranking::Random)).unwrap();
            let traces: Vec<_> = traces.into_iter().map(|target| target.traces).collect();
            let found = strategies::get(&experiment, &run.keys).unwrap();
            let classes = found.classes.into_iter().map(|class| (class.heatmaps, class.strategies, class.changes));
            let strategies: Vec<_> = classes.collect();
            (scores::get(&experiment, &run.keys).unwrap().scores, relevance, traces, strategies, found.tag)
        })
    };
    let one = run(1);
    assert_eq!(one, run(2));
    assert_eq!(one, run(5));
}

#[test]
fn an_unknown_class_is_refused_before_anything_is_computed() {
    for setting in ["strategies.classes=[\"horse\"]", "strategies.paste_on=horse"] {
        let folder = tempfile::tempdir().unwrap();
        let experiment = open(folder.path(), Some(24), &[setting]);
        let message = Run::execute(&experiment, None).unwrap_err().to_string();
        assert!(message.contains("\"horse\"") && message.contains("knot"), "{message}");
        // Only the look into the photographs comes before.
        let is_look = |path: &String| path.contains("photographs-v") || path.contains("digests-v");
        assert!(files(folder.path()).keys().all(is_look));
    }
}

#[test]
fn a_stopped_run_continues_where_it_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(folder.path(), Some(24), &[]);
    Run::execute(&first, Some(Stage::Mixture)).unwrap();
    // The run is asked to stop while it computes vectors. The error says so, and finished artifacts stay stored.
    let raised = first.core.interrupt.clone();
    let stopping = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(50));
        raised.raise();
    });
    let error = Run::execute(&first, None).unwrap_err();
    stopping.join().unwrap();
    assert!(error.is::<Interrupted>(), "{error:#}");
    let kept = files(folder.path());
    assert!(kept.len() >= 3);
    Run::execute(&open(folder.path(), Some(24), &[]), Some(Stage::Scores)).unwrap();
    let after = files(folder.path());
    assert!(kept.iter().all(|(name, file)| after.get(name) == Some(file)), "finished artifacts were computed again");
}

#[test]
fn a_damaged_artifact_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let experiment = open(folder.path(), Some(16), &[]);
    Run::execute(&experiment, Some(Stage::Pca)).unwrap();
    let path = experiment.core.store.entries().unwrap().into_iter().find(|entry| entry.stage == "pca").unwrap().path;
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let error = format!("{:#}", Run::execute(&experiment, Some(Stage::Mixture)).unwrap_err());
    assert!(error.contains(&path.display().to_string()), "{error}");
    std::fs::remove_file(&path).unwrap();
    Run::execute(&experiment, Some(Stage::Mixture)).unwrap();
}

#[test]
fn images_of_any_size_are_explained_or_refused_with_a_message() {
    let folder = tempfile::tempdir().unwrap();
    let experiment = open(folder.path(), Some(16), &[]);
    let keys = Keys::of(&experiment).unwrap();
    let explainer = learned::explainer(&experiment, &keys).unwrap();
    let write = |name: &str, width: u32, height: u32| {
        let path = folder.path().join(name);
        let mut encoder = png::Encoder::new(std::fs::File::create(&path).unwrap(), width, height);
        encoder.set_color(png::ColorType::Rgb);
        let pixels: Vec<u8> = (0..width * height * 3).map(|i| (i * 37 % 251) as u8).collect();
        encoder.write_header().unwrap().write_image_data(&pixels).unwrap();
        path
    };
    for (name, width, height) in [("dot.png", 1, 1), ("line.png", 300, 1), ("small.png", 21, 21)] {
        let described = explainer.describe_file(&write(name, width, height)).unwrap();
        assert!(described.is_empty());
        let error = explainer.map(&described, &[Rule::Naive]).err().expect("there is nothing to explain").to_string();
        assert!(error.contains(&format!("{width} × {height}")), "{error}");
    }
    let described = explainer.describe_file(&write("one.png", 22, 22)).unwrap();
    let explained = explainer.map(&described, &[Rule::Naive]).unwrap();
    assert!(explained.explain(0, Rule::Naive).unwrap().pixels.iter().all(|value| value.is_finite()));
}
