//! Each stage can be swapped: by one line of the settings, by a model from a file, or by a type of the calling program.

#[expect(dead_code, unreachable_pub, reason = "the example is a separate program")]
#[path = "../../crates/experiment/examples/own_encoder.rs"]
mod own_encoder;
mod support;

use std::collections::BTreeSet;

use fisherlens_experiment::keys::Keys;
use fisherlens_experiment::stages::{classifier, learned, mixture, pca, scores};
use fisherlens_lrp::Rule;
use fisherlens_model::NpzFile;

use support::{open, session};

const N_IMAGES: usize = 32;

#[test]
fn each_swap_is_one_line_of_the_settings_and_changes_the_scores() {
    let folder = tempfile::tempdir().unwrap();
    let swaps = [
        "encoder.kind=fisher-vector",
        "encoder.kind=vlad",
        "encoder.kind=bag-of-words",
        "encoder.pyramid=[\"1x1\", \"3x1\"]",
        "encoder.normalization=intra",
        "classifier.kind=logistic-regression",
        "classifier.loss=squared-hinge",
        "descriptors.root_sift=on",
        "descriptors.window=gaussian",
        "descriptors.low_contrast=drop",
        "pca.whitening=on",
        "mixture.init=random",
    ];
    let mut seen = BTreeSet::new();
    for swap in swaps {
        let experiment = open(folder.path(), Some(N_IMAGES), &[swap]);
        let keys = Keys::of(&experiment).unwrap();
        let found = scores::get(&experiment, &keys).unwrap();
        assert!(found.scores.iter().all(|score| score.is_finite()), "{swap}");
        let bits: Vec<u32> = found.scores.iter().map(|score| score.to_bits()).collect();
        assert!(seen.insert(bits), "{swap} changed nothing");
        // Every rule explains every encoder.
        let explainer = learned::explainer(&experiment, &keys).unwrap();
        let described = explainer.describe_file(&experiment.core.dataset.test.set.images[0].path).unwrap();
        let rules = [Rule::Naive, Rule::Epsilon(21.0), Rule::Absolute];
        let explained = explainer.map(&described, &rules).unwrap();
        for rule in rules {
            let explanation = explained.explain(0, rule).unwrap();
            assert!(explanation.pixels.iter().all(|value| value.is_finite()), "{swap}, {rule}");
            assert!(
                explanation.conservation.largest_relative_gap() < 1e-5,
                "{swap}, {rule}: {:?}",
                explanation.conservation
            );
        }
    }
}

#[test]
fn models_from_files_replace_learned_models() {
    let folder = tempfile::tempdir().unwrap();
    let learned = open(&folder.path().join("learned"), Some(N_IMAGES), &[]);
    let keys = Keys::of(&learned).unwrap();
    let expected = scores::get(&learned, &keys).unwrap();
    let file = |name: &str| folder.path().join(name);
    let write = |name: &str, add: &dyn Fn(&mut NpzFile)| {
        let mut npz = NpzFile::create(&file(name)).unwrap();
        add(&mut npz);
        npz.finish().unwrap();
    };
    write("pca.npz", &|npz| npz.add_pca(&pca::get(&learned, &keys).unwrap()).unwrap());
    write("mixture.npz", &|npz| npz.add_mixture(&mixture::get(&learned, &keys).unwrap()).unwrap());
    write("svm.npz", &|npz| {
        npz.add_classifier(classifier::get(&learned, &keys).unwrap().model.linear().unwrap()).unwrap();
    });
    let from = |stage: &str, name: &str| format!("{stage}.from={}", file(name).display());
    let (pca, mixture, svm) = (from("pca", "pca.npz"), from("mixture", "mixture.npz"), from("classifier", "svm.npz"));
    let given = open(&folder.path().join("given"), Some(N_IMAGES), &[&pca, &mixture, &svm]);
    let found = scores::get(&given, &Keys::of(&given).unwrap()).unwrap();
    assert_eq!(found.scores, expected.scores);
    let stages: BTreeSet<String> = given.core.store.entries().unwrap().into_iter().map(|entry| entry.stage).collect();
    assert!(!stages.contains("sample"), "descriptors were drawn although nothing had to be learned");
}

#[test]
fn the_example_with_its_own_encoder_runs() {
    let folder = tempfile::tempdir().unwrap();
    let (mean, gap) = own_encoder::run(&session(folder.path(), Some(N_IMAGES), &[])).unwrap();
    assert!(mean > 0.0 && mean <= 1.0);
    assert!(gap < 1e-6, "{gap}");
}
