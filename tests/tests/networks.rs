//! A small experiment with a network: every stage, stored results, a stop on request, the report.
#![cfg(feature = "cnn")]

mod support;

use std::path::Path;
use std::time::Duration;

use fisherlens_artifact::Store;
use fisherlens_cnn::{Device, Parameters, networks, write_safetensors};
use fisherlens_experiment::interrupt::{Interrupt, Interrupted};
use fisherlens_experiment::networks::experiment::NetworkExperiment;
use fisherlens_experiment::networks::stage::NetworkStage;
use fisherlens_experiment::networks::{perturbation, relevance, retraining, run, scores};
use fisherlens_experiment::progress::Progress;
use fisherlens_experiment::session::Session;

const SMALL: [&str; 7] = [
    "data.shard_size=8",
    "retraining.n_epochs=2",
    "retraining.batch_size=20",
    "retraining.checkpoint_every=2",
    "retraining.validate_every=6",
    "pixels.n_regions=10",
    "pixels.n_targets=1",
];

fn session(artifacts: &Path, set: &[&str]) -> Session {
    let set = SMALL.iter().chain(set).map(|change| (*change).to_owned()).collect();
    Session { set, experiment: "mini-cnn".to_owned(), ..support::session(artifacts, Some(24), &[]) }
}

fn open(session: &Session, interrupt: Interrupt) -> NetworkExperiment {
    NetworkExperiment::open(session, None, Device::flex(), Progress::silent(), interrupt).unwrap()
}

#[test]
fn every_stage_runs_once_and_the_report_shows_it() {
    let folder = tempfile::tempdir().unwrap();
    let session = session(&folder.path().join("artifacts"), &["retraining.cut=pool2"]);
    let experiment = open(&session, Interrupt::default());
    let report = folder.path().join("report");
    let until = |stage| run::run(&experiment, &session, &report, Some(stage)).unwrap();
    let n_stored = |stage| experiment.core.store.entries().unwrap().iter().filter(|entry| entry.stage == stage).count();
    assert_eq!(until(NetworkStage::Features), None);
    assert!(n_stored("network-features") > 0 && n_stored("network-retraining") == 0);
    assert_eq!(until(NetworkStage::Retraining), None);
    assert!(n_stored("network-retraining") > 0 && n_stored("network-scores") == 0);
    let page = run::run(&experiment, &session, &report, None).unwrap().expect("a report");
    let page = std::fs::read_to_string(page).unwrap();
    for words in [
        "Fisher vectors and the network",
        "Region perturbation",
        "Conservation layer by layer",
        "AP, small, windows (%)",
        "has no scores among these artifacts",
    ] {
        assert!(page.contains(words), "{words}");
    }
    assert!(report.join("retrained.safetensors").is_file());

    let n_classes = experiment.core.dataset.classes().len();
    let found = scores::get(&experiment).unwrap();
    assert_eq!(found.centre.scores.dim(), (24, n_classes));
    // Images of 240 × 180 are resized to 149 × 112. There is a window of 96 every 20 pixels, and one at the edge.
    assert_eq!(found.n_windows, (2 * 4, 2 * 4));
    let measured = relevance::get(&experiment).unwrap();
    assert_eq!(measured.len() % experiment.settings.relevance.composites.len(), 0);
    assert!(!measured.is_empty());
    for measured in &measured {
        let corners = measured.corners.unwrap();
        assert!(corners.iter().all(|share| (0.0..=1.0).contains(share)) && corners.iter().sum::<f64>() <= 1.0 + 1e-9);
    }
    let perturbed = perturbation::get(&experiment).unwrap();
    assert!(perturbed.targets.iter().all(|target| target.trace.start > 0.0 && target.trace.scores.len() == 2));
    for layer in relevance::conservation(&experiment).unwrap() {
        let scale = layer.arrived.abs() + layer.absorbed.bias.abs() + layer.absorbed.stabilizer.abs() + 1.0;
        assert!(layer.unexplained().abs() < 5e-3 * scale, "{layer:?}");
    }

    // A second run writes nothing.
    let written = |store: &Store| -> Vec<_> {
        store
            .entries()
            .unwrap()
            .iter()
            .map(|entry| (entry.path.clone(), entry.path.metadata().unwrap().modified().unwrap()))
            .collect()
    };
    let before = written(&experiment.core.store);
    run::run(&open(&session, Interrupt::default()), &session, &folder.path().join("again"), None).unwrap();
    assert_eq!(written(&experiment.core.store), before);
}

#[test]
fn a_training_that_was_stopped_and_continued_gives_the_same_weights() {
    let folder = tempfile::tempdir().unwrap();
    let whole = session(&folder.path().join("whole"), &["retraining.cut=pool3"]);
    let (network, state) = retraining::get(&open(&whole, Interrupt::default())).unwrap();

    let cut_off = session(&folder.path().join("cut-off"), &["retraining.cut=pool3"]);
    let interrupt = Interrupt::default();
    let experiment = open(&cut_off, interrupt.clone());
    // Ask for a stop as soon as a checkpoint is stored.
    let store = experiment.core.store.clone();
    let watcher = std::thread::spawn(move || {
        while !store.entries().unwrap().iter().any(|entry| entry.part == "checkpoint") {
            std::thread::sleep(Duration::from_millis(1));
        }
        interrupt.raise();
    });
    let stopped = retraining::get(&experiment);
    watcher.join().unwrap();
    // On a fast machine, the training may have ended before.
    if let Err(error) = stopped {
        assert!(error.is::<Interrupted>(), "{error:#}");
    }
    let (resumed, resumed_state) = retraining::get(&open(&cut_off, Interrupt::default())).unwrap();
    assert_eq!(resumed.parameters(), network.parameters());
    assert_eq!(resumed_state.step, state.step);
    let losses = |state: &retraining::State| state.history.iter().map(|look| look.loss).collect::<Vec<_>>();
    assert_eq!(losses(&resumed_state), losses(&state));
}

#[test]
fn settings_of_the_training_are_checked_before_anything_is_computed() {
    let folder = tempfile::tempdir().unwrap();
    let opened = |set: &[&str]| {
        let session = session(folder.path(), set);
        NetworkExperiment::open(&session, None, Device::flex(), Progress::silent(), Interrupt::default())
    };
    let refused = |set: &[&str], expected: &str| {
        let message = format!("{:#}", opened(set).unwrap_err());
        assert!(message.contains(expected), "{message}");
    };
    refused(&["retraining.momentum=1.5"], "[retraining]: momentum: found 1.5");
    refused(&["retraining.cut=pool9"], "retraining.cut: layer \"pool9\"");
    refused(&["retraining.layers={conv9={rate=1.0}}"], "layer \"conv9\" is not in the network");
    refused(&["retraining.layers={conv1={rate=-1.0}}"], "layers.conv1.rate: found -1");
    refused(&["retraining.layers={conv1={speed=1.0}}"], "speed");
    // Layers below the cut do not learn, so a learning rate for them is refused.
    refused(&["retraining.cut=pool2", "retraining.layers={conv1={rate=1.0}}"], "layer \"conv1\" is not in the network");
    let layers = "retraining.layers={classifier={rate=5.0}, 'inception_3/1x1'={rate=0.1, decay=2.0}}";
    let rates = opened(&["retraining.cut=pool2", layers]).unwrap().settings.sgd().layers;
    assert_eq!((rates["classifier"].rate, rates["classifier"].decay), (5.0, 1.0));
    assert_eq!((rates["inception_3/1x1"].rate, rates["inception_3/1x1"].decay), (0.1, 2.0));
}

#[test]
fn weights_of_a_file_are_checked_before_anything_is_computed() {
    let folder = tempfile::tempdir().unwrap();
    let session = session(&folder.path().join("artifacts"), &[]);
    let refused = |file: &str, bytes: &[u8]| {
        let path = folder.path().join(file);
        std::fs::write(&path, bytes).unwrap();
        let opened =
            NetworkExperiment::open(&session, Some(&path), Device::flex(), Progress::silent(), Interrupt::default());
        format!("{:#}", opened.unwrap_err())
    };
    assert!(refused("a.pth", b"").contains("expected .caffemodel or .safetensors"));
    assert!(refused("a.safetensors", b"nothing").contains("safetensors"));
    assert!(refused("a.caffemodel", b"\xff\xff\xff").contains("caffemodel"));
    let five_classes = write_safetensors(&Parameters::drawn(&networks::small(5), 1)).unwrap();
    let message = refused("small.safetensors", &five_classes);
    assert!(message.contains("fc5: found weights of shape [5, 80], expected [2, 80]"), "{message}");
}
